/* SPDX-License-Identifier: MPL-2.0 */
/* What came of the numbers that the source sent: a count for each, from the sink's journal and the dead letters. */
#ifndef SOAK_TALLY_H
#define SOAK_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct tally {
    uint64_t sent;       /* numbers that the source sent */
    uint64_t lines;      /* of the journal */
    uint64_t lost;       /* numbers that are nowhere */
    uint64_t again;      /* lines beyond the first of a number */
    uint64_t marked;     /* lines whose value said that it had been delivered before */
    uint64_t dead;       /* numbers among the dead letters */
    uint64_t strange;    /* lines that are none, or of a number that was not sent */
    uint64_t first_lost; /* 0: none */
};

/* Reads the files; one that is not there is empty, and the source's then says 0. 0, or -1 with errno. */
int tally_read(struct tally *t, const char *source, const char *journal, const char *dead);

#endif
