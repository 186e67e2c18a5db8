/* SPDX-License-Identifier: MPL-2.0 */
/* The files of --record and --replay, looked at before anything is started, or has gone to the background. */
#ifndef CSPCTL_RECORD_H
#define CSPCTL_RECORD_H

#include <run.h>

/* Whether the broker will be able to use them. Returns 0, or the exit status after saying what is wrong. */
int record_check(const struct csp__options *options);

#endif
