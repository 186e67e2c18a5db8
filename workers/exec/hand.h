/* SPDX-License-Identifier: MPL-2.0 */
/* The values that are with a program, which answers them in their order. Decision: what was given to it is known here
 * by its lease alone; the value itself is in the pipe, or further. */
#ifndef EXEC_HAND_H
#define EXEC_HAND_H

#include "csp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct held {
    size_t from; /* the input channel */
    uint64_t id;
    size_t bytes;
    csp_time since; /* it is the oldest; before that: it was delivered */
};

struct hand {
    struct held *held; /* from the oldest; room for `most` */
    uint64_t *ids;     /* as many */
    size_t n, most, bytes;
};

/* Room for so many. 0, or -1: no memory. */
int hand_reserve(struct hand *h, size_t most);

/* One more, for which there is room. */
void hand_add(struct hand *h, size_t from, uint64_t id, size_t bytes);

bool hand_holds(const struct hand *h, size_t from);

/* How many of the first n can be settled at once, their ids in h->ids: those of one channel, and, in order, of values
 * that follow one another. */
size_t hand_run(struct hand *h, size_t n, bool ordered);

/* The first n were answered: the next is the oldest from now on. */
void hand_drop(struct hand *h, size_t n);

void hand_free(struct hand *h);

#endif
