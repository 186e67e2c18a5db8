/* SPDX-License-Identifier: MPL-2.0 */
/* Cuts what a program writes into blocks of values. Decision: bytes are read straight to where they lie in the frame
 * that is sent (csp__give_block), and a terminator stays behind its value as the block's gap byte, so that a line costs
 * the search for its end and four bytes of length, and is never copied; only what is begun is, to the next buffer.
 * Pure: no descriptor is touched here. */
#ifndef EXEC_SPLITTER_H
#define EXEC_SPLITTER_H

#include "block.h"
#include "ends.h"
#include "framing.h"
#include "sizes.h"

#include <stddef.h>
#include <stdint.h>

struct splitter {
    enum framing framing;
    size_t limit; /* bytes of the largest value */
    char *memory; /* CSP__HEAD_ROOM bytes, `cap` of data, some for lengths: `size` in all */
    size_t cap, size;
    struct ends at; /* data [0, done) is the values of the block, [rest, fill) one that is not complete */
    size_t done;
    size_t most;              /* values that a block had of late */
    uint64_t records, offset; /* before this block: values, and bytes of the pipe before its data */
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

/* The block has gone, and its memory is used again. */
void splitter_sent(struct splitter *s);

/* Gives the memory of the block away, `*size` bytes for csp__give_block, and goes on in a new one; the block's lengths
 * stay valid until the next bytes are added. NULL with ENOMEM, and all is as it was. */
char *splitter_give(struct splitter *s, size_t *size);

/* The pipe has ended, and the block before has gone: what is left as a last block of one value. 1; 0 for nothing left;
 * or -1 with EBADMSG, where a value of FRAMING_LENGTH is cut short. */
int splitter_end(struct splitter *s, csp__block *b);

/* Forgets what was read, and begins anew. */
void splitter_clear(struct splitter *s);

/* The value that is being read, counted from 1, and the offset in the pipe where it begins. */
void splitter_place(const struct splitter *s, uint64_t *record, uint64_t *offset);

#endif
