/* SPDX-License-Identifier: MPL-2.0 */
/* A thread's line to the broker: frames out, frames in, and waiting for them. */
#ifndef CSP_LINE_H
#define CSP_LINE_H

#include "csp.h"
#include "socket.h"
#include "state.h"
#include "turn.h"
#include "wire.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zmq.h>

#define CSP__BUCKETS   64
#define CSP__OWN_POLLS 2 /* of line->polls: the socket and the broker's death */

struct csp__lease;
struct csp__pair;
struct csp__scope;
struct csp__slot;
struct csp__stream;

/* A value that was received and did not fit its buffer: the thread's next receive from the channel has it. */
struct csp__stash {
    struct csp__stash *next;
    csp_chan chan, attached;
    struct wire_lease lease;
    zmq_msg_t msg;
    size_t offset, len; /* of the value in msg; its reason follows */
};

/* A public call that can wait: its name in error messages, and where it returns to in the caller's code, which the
 * broker is told with what it waits for. So it is taken in the public function itself, never in one that was inlined.
 */
struct csp__call {
    const char *what;
    const void *place;
};
#define CSP__ENTRY      __attribute__((noinline))
#define CSP__CALL(what) (&(const struct csp__call){(what), __builtin_return_address(0)})

struct csp__line {
    struct csp__socket socket;
    struct csp__context *context;
    uint64_t number;   /* 0: before WELCOME */
    uint64_t seq;      /* of the last request or offer */
    const void *place; /* where the public call that is at work returns to */
    int replied;   /* the answer to it is in frame and head; whoever sees this sets it back, and uses them at once */
    int gone;      /* the broker is, or the line was cut */
    int cut;       /* from this side: see csp__line_cut */
    int joins;     /* it waits for WELCOME */
    csp_time due;  /* of a child that was just born: when WELCOME must have come; 0: it is waited for first */
    int cancelled; /* this process is: CSP_CANCELLED, CSP_DEADLINE; 0: not */
    csp_time deadline;        /* of the scopes that this process is in */
    struct csp__scope *scope; /* the innermost that this thread has entered */
    zmq_msg_t frame;          /* the last one read */
    struct wire_head head;
    struct pollfd *polls;     /* for waiting: the socket, the broker's death, those of a select, those of pairs */
    size_t polls_size, extra; /* extra: most that a select had */
    struct csp__slot *slots;  /* of a select's cases */
    size_t slots_size;
    size_t known;            /* of them: their streams, where there are, are alive */
    uint16_t *ready;         /* slots_size numbers of cases */
    uint64_t random;         /* of the fair draw */
    struct csp__turns turns; /* which channels were passed over how often */
    unsigned calls;
    struct csp__stash *stash, *spare;
    int staged;                             /* something is, perhaps */
    struct csp__lease *plain, *spare_lease; /* of values that its next receive acknowledges */
    struct csp__stream *streams[CSP__BUCKETS];
    struct csp__pair *pairs; /* of its streams */
    size_t pairs_count;
    int pairs_called; /* some were, while an offer was out that sends on a stream's channel: */
    int offers_send;
    int forgotten;          /* in a forked child: its sockets are the parent's */
    _Atomic uint64_t *page; /* WIRE_MAX_SLOTS counts, or NULL */
    uint8_t slot_used[WIRE_MAX_SLOTS];

    unsigned deaf, left; /* fast calls between two looks at what the broker said; of those, still to come */
    csp_time heard;      /* when it last looked */

    /* What its streams hold: hold.h. `lock` is taken only where `held` is not 0, and then for the socket too. */
    pthread_mutex_t lock;
    int entered; /* its own thread has it */
    atomic_int held;
    struct csp__stream *open, **open_end; /* streams with something in their packs, in order */
    atomic_uint opened;                   /* so many times one began to hold */
    unsigned seen;                        /* the holder's: `opened` at its last look */
    int holds;                            /* it may */
    int is_holding;                       /* the holder knows the line */
    struct csp__line *next_holding;
};

/* The calling thread's line; joins or starts the run first. NULL with the error noted, as of `what`. */
struct csp__line *csp__line(const char *what);

/* The same with the state's lock held. */
struct csp__line *csp__line_locked(const char *what);

/* Waits until the broker has welcomed the line; what is asked meanwhile is answered after that. 0, or -1 with the error
 * noted: ENOTCONN, ETIMEDOUT, or why it was refused. */
int csp__line_join(struct csp__line *line);

/* Gives the line up where memory is wanting for values that were sent, or delivered, and cannot be named in any other
 * way: its calls end with ENOTCONN, nothing more is taken from it, and this process does not end clean. */
void csp__line_cut(struct csp__line *line);

/* Closes the calling thread's line without a word to the broker, if it has one. The state's lock is held. */
void csp__line_close(void);

/* In csp_go's child: the parent's line is left where it is, untouched. */
void csp__line_forget(void);

/* A frame to send: its header is filled in, the payload is for the caller to fill in. NULL: no memory. */
void *csp__frame(zmq_msg_t *msg, const struct wire_head *head);

/* Sends a frame, and what is held before it; the frame is gone after that, whatever the result. -1: ENOTCONN, ENOMEM.
 */
int csp__line_send(struct csp__line *line, zmq_msg_t *msg);

/* Sends a frame of held values, as csp__line_send, for who has entered (hold.h). -1: ENOTCONN. */
int csp__line_transmit(struct csp__line *line, zmq_msg_t *msg);

/* Reads what has come, without waiting, until the answer to line->seq is there. 1: it is; 0: it is not; -1: ENOTCONN,
 * and no answer will come. */
int csp__line_pump(struct csp__line *line);

/* The same for who has entered (hold.h); and sets how many fast calls may pass until the next time: those of about
 * LISTEN_NS, at the pace of now, so that the system call that this is costs them little. */
int csp__line_listen(struct csp__line *line);

/* A fast call, which has entered: listens where that is due. Whether the line is as it should be. */
static inline int csp__line_hear(struct csp__line *line)
{
    if (line->left > 1) {
        line->left--;
        return 1;
    }
    return csp__line_listen(line) == 0;
}

/* The nearer of two deadlines. */
static inline csp_time csp__sooner(csp_time a, csp_time b)
{
    return a == CSP_FOREVER || (b != CSP_FOREVER && b < a) ? b : a;
}

/* Waits until something may have come, one of `extra` descriptors behind the first two in line->polls is ready, or the
 * time is `by`: it may end before any of that, so the caller looks again. Of another ZeroMQ socket (a pair's) its fd
 * may be among them, where csp__socket_is_quiet says so. What the broker said before its end is read first, by
 * csp__line_pump, then that says ENOTCONN. */
void csp__line_wait(struct csp__line *line, size_t extra, csp_time by);

/* Room in line->polls, beside the line's own, for so many descriptors. 0, or -1: ENOMEM. */
int csp__line_reserve(struct csp__line *line, size_t extra);

struct csp__request {
    enum wire_type type;
    unsigned flags;
    csp_chan chan;
    uint32_t count;
    const void *head; /* payload: a struct of wire.h, then the rest */
    size_t head_len;
    const void *rest;
    size_t rest_len;
};

/* Asks the broker and waits for the ANSWER, whose payload of *len bytes stands until the line is used again. Returns
 * its count, an errno or 0; -1 with errno where there is no answer (ENOTCONN, ENOMEM, ETIMEDOUT, and EPROTO for one of
 * less than `least` bytes without an error). */
int csp__ask(struct csp__line *line, const struct csp__request *r, csp_time by, size_t least, const void **payload,
             size_t *len);

/* The same for requests that are answered with an errno alone: 0, or -1 with the error noted as of `what`. */
int csp__request(const char *what, const struct csp__request *r);

/* Moves the value at offset of the line's frame to the stash; there is a spare entry. */
void csp__stash_put(struct csp__line *line, csp_chan c, csp_chan attached, const struct wire_lease *lease,
                    size_t offset, size_t len);
struct csp__stash *csp__stash_find(struct csp__line *line, csp_chan c);
void csp__stash_remove(struct csp__line *line, struct csp__stash *s);

#endif
