/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker holds when nothing moves. Decision: how much memory is in use depends on how many are connected, and
 * on what waits; so it is looked at when nothing waits and as many are connected as the last time. Then what has become
 * more has leaked. */
#ifndef SOAK_REST_H
#define SOAK_REST_H

#include <stdbool.h>

struct rest {
    unsigned in_use, had; /* KiB: by the broker's malloc, and from the system */
    unsigned processes;   /* of the run, who looks left out; those that stand by are some, too */
    bool still;           /* nothing waits, is delivered or leased, and nobody is about to come or go */
};

/* Asks the broker of the run in $XDG_RUNTIME_DIR as it is for this soak, by a process of its own. False: no answer. */
bool rest_look(const char *runtime, struct rest *r);

#endif
