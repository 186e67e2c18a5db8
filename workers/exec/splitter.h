/* SPDX-License-Identifier: MPL-2.0 */
/* Cuts what a program writes into blocks of values. Decision: bytes are read straight to where the block's data lies,
 * and a terminator stays behind its value as the block's gap byte, so that a line costs the search for its end and four
 * bytes of length, and is never copied. Pure: no descriptor is touched here. */
#ifndef EXEC_SPLITTER_H
#define EXEC_SPLITTER_H

#include "block.h"
#include "framing.h"
#include "sizes.h"

#include <stddef.h>
#include <stdint.h>

struct splitter {
    enum framing framing;
    size_t limit; /* bytes of the largest value */
    char *buf;    /* [0, done) values of the block, [rest, fill) a value that is not complete, searched up to scan */
    size_t cap, done, rest, scan, fill;
    uint32_t *lengths;
    size_t count, room;
    uint64_t records, offset; /* before this block: values, and bytes of the pipe before buf[0] */
};

/* 0, or -1 with ENOMEM. */
int splitter_init(struct splitter *s, enum framing framing, size_t limit);
void splitter_free(struct splitter *s);

/* Where to read the next bytes to, and how many may come (at least 1, unless values wait to be taken); NULL with
 * ENOMEM.
 */
char *splitter_space(struct splitter *s, size_t *room);

/* n bytes were read there. 0, or -1: ENOMEM; EMSGSIZE, a value is over the limit: splitter_place() is its place, and
 * the block has the values before it. */
int splitter_added(struct splitter *s, size_t n);

/* The complete values, as a block that is valid until splitter_sent(). Returns how many. */
size_t splitter_block(const struct splitter *s, csp__block *b);

/* The block has gone. */
void splitter_sent(struct splitter *s);

/* The pipe has ended, and the block before has gone: what is left as a last block of one value. 1; 0 for nothing left;
 * or -1 with EBADMSG, where a value of FRAMING_LENGTH is cut short. */
int splitter_end(struct splitter *s, csp__block *b);

/* The value that is being read, counted from 1, and the offset in the pipe where it begins. */
void splitter_place(const struct splitter *s, uint64_t *record, uint64_t *offset);

#endif
