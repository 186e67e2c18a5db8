/* SPDX-License-Identifier: MPL-2.0 */
/* The rules of restart.h. */
#include "restart.h"
#include "pool.h"

#include <stdlib.h>

unsigned restart_recent(const struct restarts *r, const struct restart *policy, csp_time now)
{
    uint64_t kept = r->total < (uint64_t)policy->attempts ? r->total : (uint64_t)policy->attempts;
    unsigned n = 0;

    for (uint64_t i = 0; r->at != NULL && i < kept; i++)
        n += now - r->at[i] < policy->within;
    return n;
}

/* Between the half of a span and all of it, and within the policy's bounds. The span doubles with each in a row. */
static csp_time back_off(const struct restarts *r, const struct span *d, uint64_t chance)
{
    int64_t span = d->least;

    for (unsigned i = 0; i <= r->in_a_row && span < d->most; i++)
        span = span > d->most / 2 ? d->most : 2 * span;
    int64_t from = span / 2 > d->least ? span / 2 : d->least;
    return from + (int64_t)(chance % (uint64_t)(span - from + 1));
}

bool restart_next(struct restarts *r, const struct restart *policy, csp_time now, csp_time lived, uint64_t chance,
                  csp_time *delay)
{
    if (lived >= policy->within)
        r->in_a_row = 0;
    if (restart_recent(r, policy, now) >= policy->attempts)
        return false;
    if (r->at == NULL)
        r->at = memory_zalloc((size_t)policy->attempts, sizeof *r->at);
    *delay = back_off(r, &policy->delay, chance);
    r->at[r->total++ % (uint64_t)policy->attempts] = now;
    r->in_a_row++;
    return true;
}

void restart_free(struct restarts *r)
{
    free(r->at);
    r->at = NULL;
}
