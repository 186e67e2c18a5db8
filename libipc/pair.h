/* SPDX-License-Identifier: MPL-2.0 */
/* Pairs: section 15 of docs/protocol.md, the caller's side. One record for each side of a generation: the sending half
 * of a stream has one while its values go directly, the receiving half from BIND on. */
#ifndef CSP_PAIR_H
#define CSP_PAIR_H

#include "csp.h"
#include "socket.h"
#include "wire.h"

#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct csp__batch;
struct csp__line;
struct csp__sending;
struct csp__stream;

struct csp__kept { /* a frame that went over the pair, until all its values are taken */
    struct csp__kept *next;
    zmq_msg_t msg;
    uint64_t first; /* its first value */
    uint32_t count;
};

struct csp__pair {
    struct csp__pair *next; /* of the line's */
    struct csp__stream *stream;
    csp_chan chan;
    uint64_t generation;
    struct csp__socket socket;
    struct wire_page *page;
    uint8_t token[WIRE_TOKEN_SIZE];
    unsigned users; /* the stream, and each batch */
    int sends;      /* which side */
    int ended;      /* only batches of it are left */
    int awaited;    /* the select at work waits for it */
    int polled;     /* it is among what is polled */
    int readable;   /* something may have come that the page does not tell of */

    /* the sending side: send.put, committed and bytes are of this generation, committed is what is taken */
    int wide;                    /* its connection's buffer is: the first ROOM told which that is */
    int called;                  /* by a CONNECT, and not joined: an offer is out that sends on it */
    struct wire_pair call;       /* what it said */
    struct csp__sending *hosted; /* as it was at the join; its counts go on when ROOM comes */
    uint64_t prior, prior_bytes; /* put before the join and not taken, at the last look */
    uint64_t prior_before;       /* the receiver's count when all of that has been taken */
    uint64_t edge, inner;        /* values that are within the capacity, and the bytes of those not taken */
    struct csp__kept *kept, **kept_end;
    uint64_t sent; /* as the page says it, in which others may write what they like */

    /* the receiving side */
    int greeted;                      /* the token came */
    int direct;                       /* DELIVER(DIRECT) came: it takes from here */
    int orphan;                       /* its sender is dead, and all that came is read */
    uint64_t read, taken, told;       /* values: read from the socket; taken; before + taken when ROOM was said */
    struct csp__batch *early, **last; /* read before it was direct */
};

/* The frames of the broker's about pairs, in the line's frame and head. */
void csp__pair_bind(struct csp__line *line);
void csp__pair_connect(struct csp__line *line);
void csp__pair_recall(struct csp__line *line);
void csp__pair_orphan(struct csp__line *line);

/* The record of one side, in the line's list, its page mapped. NULL: no memory, or errno of the page. */
struct csp__pair *csp__pair_new(struct csp__line *line, struct csp__stream *s, int sends);

/* Its socket, bound or connected. 0, or -1 with errno: EMFILE, ... */
int csp__pair_open(struct csp__line *line, struct csp__pair *pair);

/* Says something of the pair to the broker; body may be NULL. -1: ENOTCONN, ENOMEM. */
int csp__pair_say(struct csp__line *line, const struct csp__pair *pair, enum wire_type type, int err, const void *body,
                  size_t len);

/* The line's pair of this channel and generation, on this side; NULL: none. */
struct csp__pair *csp__pair_find(const struct csp__line *line, csp_chan c, uint64_t generation, int sends);

/* Joins those that a CONNECT called while an offer was out. */
void csp__pairs_settle(struct csp__line *line);

/* A value of an offer was sent between its CONNECT and its join: it is one of those put before. */
void csp__pairs_committed(const struct csp__line *line, csp_chan c, size_t len);

/* Has the sending half hosted again: what was not taken is sent to the broker. 0, or -1: ENOTCONN, ENOMEM. */
int csp__pair_unpair(struct csp__line *line, struct csp__stream *s);

/* The same for all of the line's: it ends, or its process does. */
int csp__pairs_unpair(struct csp__line *line);

/* The socket goes, and its file. */
void csp__pair_close(const struct csp__line *line, struct csp__pair *pair);

/* It is no more the stream's; its page and memory go when no batch of it is left. */
void csp__pair_end(struct csp__line *line, struct csp__pair *pair);

/* The same for those of a stream's ends. */
void csp__pairs_end(struct csp__line *line, const struct csp__stream *s, int ends);

/* All sockets of the line's pairs are closed: its context ends. */
void csp__pairs_close(const struct csp__line *line);

/* ---- sending */

/* Sends a frame of `count` values, which it takes over. 0, or -1: ENOMEM, ENOTCONN. */
int csp__pair_ship(struct csp__line *line, struct csp__stream *s, uint32_t count, zmq_msg_t *msg);

/* Whether values that count so many bytes may be put now. */
int csp__pair_has_room(struct csp__stream *s, uint64_t bytes);

/* Whether all that was put is within the capacity. */
int csp__pair_is_flushed(struct csp__stream *s);

/* Whether values that went before are not taken, so that others may be held. */
int csp__pair_holds(const struct csp__stream *s);

/* Values that a frame has at most. */
uint32_t csp__pair_most(const struct csp__stream *s);

/* The line is about to wait for room: says so in the page. Look again after that. */
void csp__pair_want(struct csp__stream *s);

/* ---- receiving */

/* Reads what has come into the stream's queue, if that is empty; the stream has a pair. */
void csp__pair_pull(struct csp__line *line, struct csp__stream *s);

/* Whether there is something to read, as far as is known without asking the socket. */
static inline int csp__pair_says(const struct csp__pair *pair)
{
    return pair->direct && pair->socket.zmq != NULL &&
           (pair->readable || atomic_load_explicit(&pair->page->sent, memory_order_acquire) != pair->read);
}

/* Takes values of the front batch, which is a pair's. 0; -1: it was recalled, and nothing of it is left. */
int csp__pair_take(struct csp__line *line, struct csp__stream *s, size_t values);

/* The DELIVER(DIRECT) came. */
void csp__pair_direct(struct csp__line *line, struct csp__stream *s);

/* The count of the stream's hosted values has moved; it has a pair. */
void csp__pair_before(const struct csp__stream *s);

/* It was recalled, or another comes: nothing of it is taken any more. */
void csp__pair_leave(struct csp__line *line, struct csp__pair *pair);

/* The select at work waits for its values. */
void csp__pair_await(struct csp__stream *s);

/* The line is about to wait: the sender is told of what was taken. */
void csp__pair_before_wait(struct csp__pair *pair);

/* Reads the GREET, if it has come. */
void csp__pair_greeting(struct csp__line *line, struct csp__pair *pair);

/* Whether a value is under way that was sent. */
int csp__pair_expects(const struct csp__stream *s);

/* Whether the stream receives a channel of kind PAIR whose values come from the broker still. */
int csp__pair_is_hosted(const struct csp__stream *s);

/* A batch of it was used up. */
void csp__pair_release(struct csp__pair *pair);

/* ---- waiting: for csp__line_wait */

/* Says ROOM where senders wait, and adds what is to be polled: how many, or -1: something has come already. */
int csp__pairs_poll(struct csp__line *line, struct pollfd *polls);
void csp__pairs_polled(struct csp__line *line, const struct pollfd *polls);

/* The line does not wait after all. */
void csp__pairs_unpoll(struct csp__line *line);

#endif
