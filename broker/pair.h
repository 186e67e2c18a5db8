/* SPDX-License-Identifier: MPL-2.0 */
/* Pairs: section 15 of docs/protocol.md. Decision: a channel that may be joined directly has one record of it for its
 * whole life, made with it; each other part of the broker asks here what it may do meanwhile, in one call, and knows no
 * state of it. */
#ifndef BROKER_PAIR_H
#define BROKER_PAIR_H

#include <stdatomic.h>

#include "broker.h"

enum pair_state {
    PAIR_NONE,      /* hosted */
    PAIR_BINDING,   /* BIND was said */
    PAIR_JOINING,   /* CONNECT was said: values may go over the pair already */
    PAIR_DIRECT,    /* JOINED came */
    PAIR_RECALLING, /* revoked; RECALLED has not come */
    PAIR_ORPHANED,  /* its sender has ended: its end is held until DRAINED */
    PAIR_LEFT,      /* DRAINED came, and what had come is not all taken yet */
    PAIR_STATES
};

struct pair {
    struct channel *channel;
    enum pair_state state;
    uint64_t generation;
    struct sending *from; /* NULL: it has ended, and nothing of it waits */
    struct receiving *to; /* NULL: it has ended */
    struct wire_page *page;
    uint8_t token[WIRE_TOKEN_SIZE];
    bool joined;        /* JOINED came */
    bool told;          /* DELIVER(DIRECT) was said */
    bool drained;       /* DRAINED came */
    bool unfit;         /* one of the two could not: hosted until one of them is another */
    bool closing;       /* CLOSE was said: it closes when this generation is over */
    bool dropping;      /* the sending end went by another line: so does the stream, when this generation is over */
    uint64_t taken;     /* when it was revoked; or that came, of one that is drained */
    uint64_t back;      /* values that came back */
    int64_t not_before; /* CLOCK_MONOTONIC: no new introduction */
};

#define PAIR_MOST                                                                                                      \
    (UINT64_C(1) << 48) /* values of a generation: a page that says more lies, and must not wrap a sum                 \
                         */

/* How many values the page says that its sender sent. */
static inline uint64_t pair_sent(const struct pair *p)
{
    uint64_t sent = atomic_load_explicit(&p->page->sent, memory_order_acquire);
    return sent < PAIR_MOST ? sent : PAIR_MOST;
}

/* A channel is made that may be joined directly. -1: no memory. */
int pair_make(struct channel *c);
/* The channel goes. */
void pair_free(struct broker *b, struct channel *c);
/* Introduces those who can be; tells the receiver that all that was put before is delivered. */
void pair_settle(struct broker *b, struct channel *c);

/* Only what the sending stream of the pair has put may go into the channel, and nobody is told of a close. */
static inline bool pair_excludes(const struct channel *c)
{
    const struct pair *p = c->pair;
    return p != NULL && p->state >= PAIR_JOINING && p->state <= PAIR_ORPHANED;
}

/* An offer of the line may send meanwhile, all the same. */
bool pair_admits(const struct channel *c, const struct line *l);

/* The first sender whose turn it is; NULL: there is none. */
struct waiter *pair_sender(const struct channel *c);

/* Another caller needs the channel: it is hosted as soon as can be. */
void pair_disturb(struct broker *b, struct channel *c);
/* The line offers to send (or to receive) on the channel. */
void pair_offered(struct broker *b, struct channel *c, const struct line *l, bool sends);
/* CLOSE. True: it closes later. */
bool pair_close(struct broker *b, struct channel *c);
bool pair_is_closing(const struct channel *c);
/* Another line has one of these ends of a channel of kind PAIR. */
bool pair_is_busy(const struct channel *c, const struct line *l, unsigned ends);
/* A stream was opened on the channel. */
void pair_opened(struct broker *b, struct channel *c);

/* ---- its sending stream */

/* It has values on the pair, or may have. */
bool pair_owes(const struct sending *s);
/* It is kept although nobody is there: what it had sent is not all counted. */
bool pair_keeps(const struct sending *s);
/* Its end went by another line. True: it is dropped later. */
bool pair_drops(struct broker *b, struct sending *s);
/* Its line has gone (its own field `line` is NULL). */
void pair_sender_ends(struct broker *b, struct sending *s);
/* It is freed. */
void pair_forget(struct sending *s);
/* What is wrong with the PUT as far as pairs go, or NULL. */
const char *pair_check_put(const struct sending *s, const struct message *m);
/* Before which entry of the channel's senders its values belong; they are counted. */
struct list *pair_place(struct broker *b, struct sending *s, const struct message *m);

/* ---- its receiving stream */
void pair_receiver_ends(struct broker *b, struct receiving *r);

/* ---- what others want to know */

/* Values and bytes that are on the pair, and those that were taken from it and are not in the channel's own counts. */
struct pair_counts {
    uint64_t values, bytes, taken;
};
/* What a dead sender left, and its receiver has not taken, counts for the capacity. */
struct used pair_left(const struct channel *c);
struct pair_counts pair_counts(const struct channel *c);
/* The stream's values go over the pair. */
bool pair_sends(const struct sending *s);
bool pair_receives(const struct receiving *r);
/* The line is being introduced or recalled, or reads what a dead one sent. */
bool pair_moves(const struct line *l);
/* By the page the sender may go on; the receiver. */
bool pair_has_room(const struct sending *s);
bool pair_has_value(const struct receiving *r);

/* ---- requests */
void pair_bound(struct broker *b, struct line *l, const struct message *m);
void pair_joined(struct broker *b, struct line *l, const struct message *m);
void pair_recalled(struct broker *b, struct line *l, const struct message *m);
void pair_drained(struct broker *b, struct line *l, const struct message *m);
void pair_unpair(struct broker *b, struct line *l, const struct message *m);

/* ---- between the parts of this */

enum pair_event {
    EVENT_BOUND,
    EVENT_NOT_BOUND,
    EVENT_JOINED,
    EVENT_NOT_JOINED,
    EVENT_RECALLED,
    EVENT_DRAINED,
    EVENT_DISTURBED, /* somebody else needs the channel */
    EVENT_UNPAIR,    /* its sending line asks */
    EVENT_SENDER_ENDS,
    EVENT_RECEIVER_ENDS,
    PAIR_EVENTS
};

struct news {
    struct line *line; /* that said it; NULL: nobody */
    uint64_t number;
};

/* What may happen in its state, does. */
void pair_happen(struct broker *b, struct pair *p, enum pair_event event, const struct news *n);
/* Introduces the two, where that may be. */
void pair_introduce(struct broker *b, struct pair *p);
/* The name of its socket ('x') or its page ('y'). */
void pair_file(const struct broker *b, const struct pair *p, char kind, char *path, size_t size);
void pair_say(struct broker *b, const struct pair *p, const struct line *l, enum wire_type type, const void *payload,
              size_t size);

#endif
