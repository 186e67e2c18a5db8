/* SPDX-License-Identifier: MPL-2.0 */
/* Who can move, and who can be woken by those. */
#ifndef BROKER_ALIVE_H
#define BROKER_ALIVE_H

#include "broker.h"

struct pass { /* one fixpoint: what was woken and has not been followed yet */
    struct broker *b;
    struct list processes, channels, scopes;
    int64_t now;    /* by the true clock, also in a replay */
    size_t asleep;  /* processes that would be stuck if nothing were added */
    bool guests;    /* one may use every named channel */
    bool hopes;     /* that guests come to every channel that never closes */
    int64_t thread; /* when one that other threads keep alive is to be looked at again */
};

/* Finds all who are alive; the rest is stuck. hopes: that guests come to every channel that never closes. */
void alive_find(struct pass *s, struct broker *b, bool hopes);
/* This one is alive too, for a reason that is not in the state; and whom it can wake. */
void alive_add(struct pass *s, struct process *p);
/* By the last that was found: of a process that can be part of a deadlock. */
bool alive_is_stuck(const struct process *p);

#endif
