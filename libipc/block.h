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
    int noeol;   /* the last value ended without its terminator */
    uint64_t id; /* of the first value, where it was received from a leased channel; the others' follow; else 0 */
    unsigned tries;
    int is_letter;      /* they are dead letters of a channel that leases nothing: not to be acknowledged */
    const char *reason; /* of dead letters, reason_len bytes; else NULL */
    size_t reason_len;
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

/* ---- one step: section 16 of docs/protocol.md. The values of a leased channel that came in a block, or in a stream of
 * blocks, are acknowledged by these alone. */

/* Has the broker keep the values of a block for this thread, unseen, until it settles; c is a sending stream of this
 * thread. Never waits, and no window bounds it. Returns 0, or -1: EPIPE (nobody will receive them in this run; they are
 * staged all the same, for a durable channel keeps them), EINVAL (no such stream), EMSGSIZE (a value is over max_bytes;
 * none was staged). */
int csp__stage_block(csp_chan c, const csp__block *b);

/* Puts all that this thread has staged, on each of its streams, and acknowledges the n values that were received from
 * c, in one step. Does not wait. What was staged counts as put from here on: csp__put_block and csp_flush wait for it.
 */
int csp__settle(csp_chan c, const uint64_t *ids, size_t n);

/* Drops what this thread has staged, and acknowledges n values that follow one another in their ids: of a block. */
int csp__acknowledge(csp_chan c, uint64_t first, size_t n);

/* Drops what this thread has staged, and gives a value back: delay in ns, CSP_FOREVER: it is a dead letter,
 * CSP_BACK_OFF: as the channel's settings say. The reason, of len bytes, is cut at 1,024. */
int csp__give_back(csp_chan c, uint64_t id, csp_time delay, const char *reason, size_t len);
/* The same at once, as if it had not been delivered: whom it was taken for has not begun it. */
int csp__give_back_unread(csp_chan c, uint64_t id);

/* Nothing is left to do here until a value comes on the receiving stream c of this thread: what came of those that did
 * is done, and flushed; and this process sends only what comes of such values. The broker is told with the next
 * waiting, for a channel that closes when it is idle; a value that comes undoes it. */
void csp__idle(csp_chan c);

/* A case: what was put on the sending stream c is within its window, or c is broken. Not to be waited for where what
 * was put is from an ordered channel: it may be parked for what the caller has not received yet. */
csp_case csp__on_room(csp_chan c);

/* max_bytes of the channel, from its opening: the largest value that it takes. 0 with errno. */
size_t csp__max_bytes(csp_chan c);

/* A case: one value, as csp_on_msg; it is acknowledged as a block's are. What else was delivered is no lease yet. */
csp_case csp__on_value(csp_chan c, csp_msg *m);

#endif
