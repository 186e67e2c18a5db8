/* SPDX-License-Identifier: MPL-2.0 */
/* xoshiro256** by Blackman and Vigna: fast, and without a bias that a select could show. Not for secrets: the run's
 * token comes from the kernel. */
#include "random.h"

#include <errno.h>
#include <sys/random.h>

int random_seed(struct random *r)
{
    do {
        ssize_t n = getrandom(r->state, sizeof r->state, 0);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == (ssize_t)sizeof r->state && (r->state[0] | r->state[1] | r->state[2] | r->state[3]) != 0)
            return 0;
    } while (1);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t random_next(struct random *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t random_below(struct random *r, uint32_t bound)
{
    uint32_t unfair = -bound % bound; /* so many of the 2^32 low halves would favour some results */
    for (;;) {
        uint64_t product = (random_next(r) >> 32) * bound;
        if ((uint32_t)product >= unfair)
            return (uint32_t)(product >> 32);
    }
}
