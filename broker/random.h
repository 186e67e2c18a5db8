/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's one source of chance. Decision: it is in one place, so that all that a run draws follows from one seed.
 */
#ifndef BROKER_RANDOM_H
#define BROKER_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* A seed from getrandom(2). 0, or -1 with errno. */
int random_draw(uint64_t *seed);

/* Starts the sequence that belongs to the seed. */
void random_seed(struct random *r, uint64_t seed);

/* 64 random bits. */
uint64_t random_next(struct random *r);

/* A number below `bound`, which is not 0, each with the same chance. */
uint32_t random_below(struct random *r, uint32_t bound);

#endif
