/* SPDX-License-Identifier: MPL-2.0 */
/* Many values at a time, for the bridge. Decision: a block has the layout of the frame (data, then lengths), so that
 * what came from the broker is given out as it lies in the frame, and a bridge pays per block, not per value. On a
 * channel that is no stream of this thread a block is one value, so a bridge has one path for both. */
#ifndef CSP_BLOCK_H
#define CSP_BLOCK_H

#include "csp.h"

typedef struct csp__block {
    const char *data;    /* values back to back, with `gap` bytes (0 or 1) behind each */
    size_t len;          /* bytes of data */
    const void *lengths; /* count 32-bit lengths, unaligned: read with csp__block_length */
    size_t count;
    int gap;
    int noeol;  /* the last value ended without its terminator */
    void *hold; /* the library's: what the pointers point into */
} csp__block;

uint32_t csp__block_length(const csp__block *b, size_t i);

/* Sends all values of a block in order; blocks until they are within the stream's window (or, on a channel that is no
 * stream, sent). Errors as csp_send; EMSGSIZE: a value is over the channel's max_bytes, and none was sent. `hold` is
 * not used. */
int csp__put_block(csp_chan c, const csp__block *b, csp_time by);

/* Receives the next block: all that one DELIVER brought and was not received yet. *b is overwritten and valid until
 * csp__block_free. The values count as received. Errors as csp_recv. */
int csp__take_block(csp_chan c, csp__block *b, csp_time by);

/* The same as a case of a select. */
csp_case csp__on_block(csp_chan c, csp__block *b);

void csp__block_free(csp__block *b);

/* max_bytes of the channel, from its opening: the largest value that it takes. 0 with errno. */
size_t csp__max_bytes(csp_chan c);

#endif
