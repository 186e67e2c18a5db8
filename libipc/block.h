/* SPDX-License-Identifier: MPL-2.0 */
/* Many values at a time, for the bridge. Decision: a block has the layout of the frame (data, then lengths), so that
 * what came from the broker is given out as it lies in the frame, and a bridge pays per block, not per value. On a
 * channel that is no stream of this thread a block is one value, so a bridge has one path for both. */
#ifndef CSP_BLOCK_H
#define CSP_BLOCK_H

#include "csp.h"

#include <stdint.h>
#include <string.h>

#define CSP__HEAD_ROOM 32 /* bytes before the data in memory that is given to be a frame */

typedef struct csp__block {
    const char *data;    /* values back to back, with `gap` bytes (0 or 1) behind each */
    size_t len;          /* bytes of data */
    const void *lengths; /* count 32-bit lengths, unaligned: read with csp__block_length */
    size_t count;
    int gap;
    int noeol;    /* the last value ended without its terminator */
    void *hold;   /* the library's: what the pointers point into */
    char **given; /* csp__give_block's */
    size_t size;
} csp__block;

/* The i-th length. */
static inline uint32_t csp__block_length(const csp__block *b, size_t i)
{
    uint32_t n;
    memcpy(&n, (const char *)b->lengths + i * sizeof n, sizeof n);
    return n;
}

/* Sends all values of a block in order; blocks until they are within the stream's window (or, on a channel that is no
 * stream, sent). Errors as csp_send; EMSGSIZE: a value is over the channel's max_bytes, and none was sent. `hold` is
 * not used. */
int csp__put_block(csp_chan c, const csp__block *b, csp_time by);

/* The same; `memory`, `size` bytes of malloc(3) in which the data lies CSP__HEAD_ROOM bytes behind the start, is the
 * library's from here on, whatever the result: on a stream it becomes the frame where the block makes just one, and
 * nothing is copied but the lengths, which fit behind the data if it is large enough. */
int csp__give_block(csp_chan c, const csp__block *b, char *memory, size_t size, csp_time by);

/* Receives the next block: all that one DELIVER brought and was not received yet. *b is overwritten and valid until
 * csp__block_free. The values count as received. Errors as csp_recv. */
int csp__take_block(csp_chan c, csp__block *b, csp_time by);

/* The same as a case of a select. */
csp_case csp__on_block(csp_chan c, csp__block *b);

void csp__block_free(csp__block *b);

/* max_bytes of the channel, from its opening: the largest value that it takes. 0 with errno. */
size_t csp__max_bytes(csp_chan c);

#endif
