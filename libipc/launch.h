/* SPDX-License-Identifier: MPL-2.0 */
/* Starting the broker. */
#ifndef CSP_LAUNCH_H
#define CSP_LAUNCH_H

#include "run.h"

#include <signal.h>
#include <spawn.h>
#include <sys/types.h>

/* Starts the broker of the run directory and waits until it accepts callers. Returns its pid, a child of this process,
 * or -1 with the error noted; then no broker is left. *notices gets the end of the pipe that csp__notices() gives, or
 * -1. */
pid_t csp__launch(const char *dir, const struct csp__options *options, int *notices);

/* posix_spawn attributes with which a program starts clean: default signals, an empty mask, and `flags` beside. */
int csp__spawn_clean(posix_spawnattr_t *attributes, short flags);

#endif
