/* SPDX-License-Identifier: MPL-2.0 */
/* The receiving half of a stream: what was delivered and is not taken yet. */
#ifndef CSP_RECEIVING_H
#define CSP_RECEIVING_H

#include "block.h"
#include "line.h"

struct csp__pair;
struct csp__stream;

struct csp__batch { /* a DELIVER, with values that were not taken yet; or one value of a COMMIT, held for a block */
    struct csp__batch *next;
    zmq_msg_t msg;
    const char *payload;
    uint64_t attached;
    size_t data, offset; /* bytes of data, and where the next value begins */
    uint32_t count, index;
    uint32_t single; /* the length of the one value of a COMMIT */
    int gap, noeol;
    struct wire_lease lease; /* of its first value */
    const char *reason;
    struct csp__pair *pair; /* that brought it; NULL: the broker did */
};

enum csp__closed {
    CSP__OPEN,
    CSP__CLOSED_FOR_NOW, /* this process holds leases of it: it may settle them, and receive again */
    CSP__CLOSED
};

struct csp__receiving { /* what a select looks at first */
    int on;
    enum csp__closed closed;
    int marked; /* its values have ids: no fast way is theirs */
    struct csp__batch *first, **last;
    struct csp__pair *pair; /* NULL: hosted */
    int waiting;            /* the broker was told that we wait */
    int idle;               /* and is to be told, or was, that nothing is left to do */
    uint64_t window;
    uint32_t slot;
    uint64_t delivered, taken, told, bytes; /* values by DELIVER; taken; when we last said so; bytes since */
};

/* Makes it the receiving half of a stream with this window: finds a slot in the line's page. 0, or -1 with errno. */
int csp__receiving_begin(struct csp__line *line, struct csp__stream *s, uint64_t window);
void csp__receiving_end(struct csp__line *line, struct csp__stream *s);

/* Whether another thread receives the channel as a stream. */
int csp__stream_elsewhere(const struct csp__line *line, csp_chan c);

/* The DELIVER in the line's frame. */
void csp__stream_deliver(struct csp__line *line);

/* Whether it is closed for a receive that finds no value. */
int csp__stream_is_closed(struct csp__stream *s);

/* A receive was told. */
static inline void csp__stream_tell_closed(struct csp__receiving *recv)
{
    if (recv->closed == CSP__CLOSED_FOR_NOW) {
        recv->closed = CSP__OPEN;
        recv->waiting = 0;
    }
}

/* Whether a receive need not wait: a value is there, or the stream is closed. */
int csp__stream_may_take(struct csp__stream *s);

/* The value to take next, or NULL where there is none. It stands until csp__stream_pop. */
const void *csp__stream_front(const struct csp__stream *s, size_t *len, csp_chan *attached);

/* What goes with it of its lease: id 0: nothing. Its reason, or NULL. */
const char *csp__stream_lease(const struct csp__stream *s, struct wire_lease *lease);

/* Counts values of the front batch as received, before they are used. 0; -1: they must not be, for they came over a
 * pair that was recalled, and will be delivered again; the front is another. */
__attribute__((warn_unused_result)) int csp__stream_count(struct csp__line *line, struct csp__stream *s, size_t values,
                                                          size_t bytes);

/* Goes on behind the front value, which was counted. */
void csp__stream_pop(struct csp__line *line, struct csp__stream *s);

/* A fast call: listens where that is due. Whether nothing is to be said. */
int csp__stream_hear(struct csp__line *line);

/* csp__stream_front where nothing else is to be said; else NULL, and a select is to be asked. */
const void *csp__stream_front_fast(struct csp__line *line, struct csp__stream *s, size_t *len, csp_chan *attached);

/* Takes all that is left of the front batch; there is one. Its hold is the batch. -1 as csp__stream_count. */
__attribute__((warn_unused_result)) int csp__stream_take_block(struct csp__line *line, struct csp__stream *s,
                                                               csp__block *b);

/* A batch of the values in the line's frame and head. NULL: no memory, or the frame contradicts itself. */
struct csp__batch *csp__batch_read(struct csp__line *line);
void csp__batch_queue(struct csp__stream *s, struct csp__batch *b);
void csp__batch_free(struct csp__batch *b);

/* Drops all batches that the pair brought. */
void csp__batches_drop(struct csp__stream *s, const struct csp__pair *pair);

/* Makes a block of the one value at offset of a message, which it takes over; its reason follows the value. 0, or -1:
 * no memory, and the message is as it was. */
int csp__block_of_message(csp__block *b, zmq_msg_t *msg, const struct wire_lease *lease, size_t offset, size_t len);

/* Tells the broker what was taken. */
void csp__stream_tell(struct csp__line *line, struct csp__stream *s);

/* Tells the broker, once, that the caller has nothing left and waits. 0, or -1: ENOTCONN. */
int csp__stream_wait(struct csp__line *line, struct csp__stream *s);

#endif
