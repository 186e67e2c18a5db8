/* SPDX-License-Identifier: MPL-2.0 */
/* Which leases the values have that were written last. Decision: kept by blocks, beside the trail, which knows how many
 * values a program has not read: those are the last here, and go back as what was never delivered to it. Pure. */
#ifndef EXEC_LEDGER_H
#define EXEC_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_block {
    size_t from; /* the channel, by its place in the port */
    uint64_t id; /* of the first value, the others' follow; 0: they are not leased */
    size_t n;    /* values */
};

struct ledger {
    struct ledger_block *blocks; /* from the oldest */
    size_t count, room;
    size_t values;
};

/* 0, or -1 with ENOMEM. */
int ledger_add(struct ledger *l, size_t from, uint64_t id, size_t n);

/* Blocks before the last `n` values are forgotten. */
void ledger_keep(struct ledger *l, size_t n);

/* Takes the last value. False: there is none. */
bool ledger_pop(struct ledger *l, size_t *from, uint64_t *id);

void ledger_free(struct ledger *l);

#endif
