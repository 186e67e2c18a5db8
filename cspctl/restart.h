/* SPDX-License-Identifier: MPL-2.0 */
/* When a process that has ended is started again. Decision: two bounds with one memory each. The budget counts the
 * restarts of the last interval, so a process that fails seldom may do so for ever; the back-off counts those since it
 * last ran well for such an interval, so one that recovers starts anew. Pure: time and chance are the caller's. */
#ifndef CSPCTL_RESTART_H
#define CSPCTL_RESTART_H

#include <csp.h>

#include <stdbool.h>
#include <stdint.h>

enum restart_when { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

/* Two durations, ns; where both are the same, there is nothing to draw. */
struct span {
    int64_t least, most;
};

struct restart {
    int when;         /* enum restart_when */
    int64_t attempts; /* restarts that are allowed within ... */
    int64_t within;   /* ns */
    struct span delay;
};

#define RESTART_MOST 1000 /* attempts */

struct restarts {      /* of one replica; begins as all 0 */
    csp_time *at;      /* the last `attempts` of them, a ring; NULL: none yet */
    uint64_t total;    /* ever */
    unsigned in_a_row; /* since it last ran well */
};

/* It has ended after it had been well for `lived` ns (0: it never was). False: the budget is spent. Else *delay is how
 * long to wait: the first one is between least and twice that, each further one in a row is twice as long, and none is
 * longer than most. `chance` is evenly drawn from all numbers. */
bool restart_next(struct restarts *r, const struct restart *policy, csp_time now, csp_time lived, uint64_t chance,
                  csp_time *delay);

/* Restarts within the last interval. */
unsigned restart_recent(const struct restarts *r, const struct restart *policy, csp_time now);

void restart_free(struct restarts *r);

#endif
