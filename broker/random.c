/* SPDX-License-Identifier: MPL-2.0 */
/* xoshiro256** by Blackman and Vigna: fast, and without a bias that a select could show. Not for secrets: the run's
 * token comes from the kernel. */
#include "random.h"

#include "entropy.h"

#include <errno.h>

int random_draw(uint64_t *seed)
{
    return csp__entropy(seed, sizeof *seed);
}

/* splitmix64, by the same authors: no two of its results are equal, so the state is not all zero. */
void random_seed(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        r->state[i] = z ^ (z >> 31);
    }
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
