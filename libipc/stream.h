/* SPDX-License-Identifier: MPL-2.0 */
/* Streams of a line: section 6 of docs/protocol.md, the caller's side. */
#ifndef CSP_STREAM_H
#define CSP_STREAM_H

#include "block.h"
#include "line.h"

#include <stdint.h>

struct csp__batch { /* a DELIVER, with values that were not taken yet; or one value of a COMMIT, held for a block */
    struct csp__batch *next;
    zmq_msg_t msg;
    const char *payload;
    uint64_t attached;
    size_t data, offset; /* bytes of data, and where the next value begins */
    uint32_t count, index;
    uint32_t single; /* the length of the one value of a COMMIT */
    int gap, noeol;
};

struct csp__sending {
    int on, broken; /* broken: EPIPE, what is not committed never will be */
    uint64_t window, bytes;
    uint64_t put, committed; /* values */
    uint32_t *costs;         /* ring: bytes of the values from committed to put */
    size_t size;
};

struct csp__receiving {
    int on, closed;
    int waiting; /* the broker was told that we wait */
    uint64_t window;
    uint32_t slot, last_count;
    uint64_t taken, told, bytes; /* values taken; when we last said so; bytes since */
    struct csp__batch *first, **last;
};

struct csp__stream {
    struct csp__stream *next;
    struct csp__stream *next_receiving; /* of all threads */
    struct csp__line *line;
    csp_chan chan;
    uint64_t max_bytes;
    struct csp__sending send;
    struct csp__receiving recv;
};

/* This line's stream of the channel, or NULL. */
struct csp__stream *csp__stream_find(struct csp__line *line, csp_chan c);

/* Whether another thread receives the channel as a stream. */
int csp__stream_elsewhere(const struct csp__line *line, csp_chan c);

/* Ends of the stream are no longer: dropped, or the line goes. */
void csp__stream_end(struct csp__line *line, struct csp__stream *s, int ends);

/* The frames of streams, from the line's frame and head. */
void csp__stream_room(struct csp__line *line);
void csp__stream_deliver(struct csp__line *line);

/* Whether a value of len bytes is within the window, or the stream is broken, so that a send need not wait. */
int csp__stream_may_put(const struct csp__stream *s, size_t len);

/* Puts the value. 0; EPIPE, EMSGSIZE; or -1: ENOMEM, ENOTCONN noted. */
int csp__stream_put(struct csp__line *line, struct csp__stream *s, const void *p, size_t len);

/* Whether so many bytes are within the window, or the stream is broken. */
int csp__stream_has_room(const struct csp__stream *s, uint64_t bytes);

/* Puts all values of a block, waiting for the window where it must. Errors as csp__put_block. */
int csp__stream_put_block(struct csp__line *line, struct csp__stream *s, const csp__block *b, csp_time by,
                          const struct csp__call *call);

/* Whether every value put was committed, or never will be. */
static inline int csp__stream_is_flushed(const struct csp__stream *s)
{
    return s->send.broken || s->send.committed == s->send.put;
}

/* Waits for that. Errors as csp_flush. */
int csp__stream_flush(const struct csp__stream *s, csp_time by, const struct csp__call *call);

/* Whether a receive need not wait: a value is there, or the stream is closed. */
static inline int csp__stream_may_take(const struct csp__stream *s)
{
    return s->recv.first != NULL || s->recv.closed;
}

/* The value to take next, or NULL where there is none. It stands until csp__stream_taken. */
const void *csp__stream_front(const struct csp__stream *s, size_t *len, csp_chan *attached);

/* Counts values as received, before they are used. */
void csp__stream_count(struct csp__line *line, struct csp__stream *s, size_t values, size_t bytes);

/* Goes on behind the front value, which was counted. */
void csp__stream_pop(struct csp__line *line, struct csp__stream *s);

/* Takes all that is left of the front batch; there is one. Its hold is the batch. */
void csp__stream_take_block(struct csp__line *line, struct csp__stream *s, csp__block *b);

/* Makes a block of the one value at offset of a message, which it takes over. 0, or -1: no memory, and the message is
 * as it was. */
int csp__block_of_message(csp__block *b, zmq_msg_t *msg, size_t offset, size_t len);

/* Tells the broker, once, that the caller has nothing left and waits. 0, or -1: ENOTCONN. */
int csp__stream_wait(struct csp__line *line, struct csp__stream *s);

#endif
