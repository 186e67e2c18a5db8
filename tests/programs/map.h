/* SPDX-License-Identifier: MPL-2.0 */
/* Which of the numbers 0 to n-1 were received: a bit each. Decision: every consumer keeps a map of its own and sends it
 * to the root at its end, which joins them; so "twice" is seen within a process and between two, and "lost" at the end,
 * without a process that all values must pass. */
#ifndef PROGRAMS_MAP_H
#define PROGRAMS_MAP_H

#include "csp.h"

#include <stddef.h>
#include <stdint.h>

struct map {
    size_t n;
    uint64_t *bits; /* [0] is the id that every value begins with, see journal.h */
};

/* An empty map of n numbers; leaves with UNABLE where there is no memory. */
struct map map_make(size_t n);

void map_free(struct map *m);

/* Adds i. Returns 0; or -1, and says that it is wrong: i was there already, or is no number of the map. */
int map_add(struct map *m, int64_t i);

int map_has(const struct map *m, size_t i);

/* Sends it as one value. */
int map_send(csp_chan c, struct map *m);

/* Receives one and adds it to m. Returns a status: WRONG where a number was in both. */
int map_receive(csp_chan c, struct map *m);

/* Looks at the numbers first, first + every, ...: a producer's, which sent them in order. Returns RIGHT where all are
 * there, CUT_OFF where the rest is missing from some number on, and WRONG where there is a gap. */
int map_judge(const struct map *m, size_t first, size_t every);

#endif
