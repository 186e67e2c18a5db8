/* SPDX-License-Identifier: MPL-2.0 */
/* Time. Decision: one clock, CLOCK_MONOTONIC in ns, for deadlines, timers and the protocol: it is the same in every
 * process of a machine, so that a deadline may be sent in a value, and no clock setting moves it. */
#include "csp.h"

#include <time.h>

csp_time csp_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (csp_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

csp_time csp_in(int64_t ms)
{
    csp_time now = csp_now();
    csp_time ns;
    if (ms < 0)
        return now;
    if (__builtin_mul_overflow(ms, (csp_time)1000000, &ns) || __builtin_add_overflow(ns, now, &ns))
        return INT64_MAX;
    return ns;
}
