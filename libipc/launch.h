/* SPDX-License-Identifier: MPL-2.0 */
/* Starting the broker. */
#ifndef CSP_LAUNCH_H
#define CSP_LAUNCH_H

#include <signal.h>
#include <spawn.h>
#include <sys/types.h>

/* Starts the broker of the run directory and waits until it accepts callers. Returns its pid, a child of this process,
 * or -1 with the error noted; then no broker is left. */
pid_t csp__launch(const char *dir, const char *name, const char *file);

/* posix_spawn attributes with which a program starts clean: default signals, an empty mask, and `flags` beside. */
int csp__spawn_clean(posix_spawnattr_t *attributes, short flags);

#endif
