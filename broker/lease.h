/* SPDX-License-Identifier: MPL-2.0 */
/* Leases: section 16 of docs/protocol.md. Decision: what is out on lease stays a block, in order, with the process that
 * has it: so a run of values that was taken at once is one entry, however many they are, and returns as it went. All of
 * a channel without settings is one pointer that is NULL: it pays one branch for each step of a value.
 *
 * What becomes of a value is said at three points only, whoever does it: value_enters(), value_was_tried() and
 * value_is_settled(). A durable channel writes down what these say. */
#ifndef BROKER_LEASE_H
#define BROKER_LEASE_H

#include "broker.h"

struct settings {
    struct channel *channel;
    struct channel *dead;   /* where dead letters go, NULL: nowhere, or no more; a sending end of it is held */
    struct list of_dead;    /* in dead->sources */
    struct sending letters; /* dead letters that wait for room there: no line, and in no list of streams */
    int64_t least, most;    /* back-off, ns */
    uint32_t attempts;      /* 0: it is not leased */
    bool leased, ordered;   /* leased: attempts or ordered were set */
    enum wire_overflow overflow;
    uint64_t base;             /* the id of a value is this and its order, and 1 */
    struct list holdings;      /* what is leased of it, by process */
    struct list delayed;       /* struct delayed by order: in back-off */
    struct list parcels;       /* struct parcel by first: parked */
    uint64_t out, backing_off; /* values leased; in back-off */
    uint64_t parked;           /* bytes */
    uint64_t given_up, dropped;
};

/* What is leased of a channel to a process; kept until one of both goes. */
struct holding {
    struct item item;       /* in process.holdings by channel */
    struct list of_process; /* in process.leases */
    struct list of_channel; /* in settings.holdings */
    struct process *process;
    struct channel *channel;
    struct list blocks; /* by order */
    uint64_t count;     /* values */
    int64_t since;      /* when the oldest was settled last: its timeout counts from there, or from its delivery */
};

/* ---- settings.c ---- */

void settings_set(struct broker *b, struct line *l, const struct message *m);
/* It must stay, although nobody holds an end of it. */
bool settings_keep(const struct channel *c);
/* The channel goes. */
void settings_free(struct broker *b, struct channel *c);
/* The channel is closed or broken, and its buffer is empty: where nothing of it is left, it needs `dead` no more. */
void settings_finish(struct broker *b, struct channel *c);
/* How many values at the front of its buffer may be delivered to the process now; waits: it has none ahead. */
uint64_t settings_allow(const struct channel *c, struct process *p, bool waits);

static inline uint64_t values_allowed(const struct channel *c, struct process *p, bool waits)
{
    return c->settings == NULL ? UINT64_MAX : settings_allow(c, p, waits);
}

static inline bool is_leased(const struct channel *c)
{
    return c->settings != NULL && c->settings->leased;
}

/* ---- the points ---- */

enum fate { FATE_DONE, FATE_DEAD_LETTER, FATE_GIVEN_UP, FATE_DROPPED };

/* The first n values of the block become the last of the buffer of a channel with settings; the order of the first is
 * c->order. Its id. */
uint64_t value_enters(struct broker *b, struct channel *c, const struct block *block, uint32_t n);
/* The block is leased: one more delivery. */
void value_was_tried(struct broker *b, struct channel *c, struct block *block);
/* Nothing more comes of the first n values of the block on this channel, which has settings: they are about to be
 * freed, or to go to the channel of dead letters. */
void value_is_settled(struct broker *b, struct channel *c, const struct block *block, uint32_t n, enum fate fate);

/* ---- lease.c: what is leased, to whom ---- */

/* To whom is leased what this process takes: a guest inside of another one takes for that. */
static inline struct process *lease_holder(struct process *p)
{
    return p->host != NULL ? p->host : p;
}

struct holding *lease_find(const struct process *p, const struct channel *c);
/* Makes sure that a lease of the channel can be noted without memory. -1: there is none. */
int lease_prepare(struct process *p, struct channel *c);
/* The block, which is in no list, was received by the process, for which lease_prepare() was called. */
void lease_take(struct broker *b, struct process *p, struct channel *c, struct block *block);
/* What the process has taken from its streams of the channel, by the counts in their pages, is leased. */
void lease_sync(struct broker *b, struct process *p, struct channel *c);
/* Takes n values, from the skip-th on, out of what is leased. NULL: no memory. */
struct block *lease_cut(struct broker *b, struct holding *h, struct block *block, uint32_t skip, uint32_t n);
/* Values that were cut out are done. */
void lease_done(struct broker *b, struct channel *c, struct block *block);
/* They came back to a channel that is broken: they stay in its store, where it is durable. */
void lease_give_up(struct broker *b, struct channel *c, struct block *block);
/* They were taken and not begun: they return as if they had not been delivered. */
void lease_untry(struct broker *b, struct channel *c, struct block *block);
/* They were not done: delay as in NACK. */
void lease_fail(struct broker *b, struct channel *c, struct block *block, int64_t delay);
/* A process ends, for this reason: what is leased to it goes back. */
void lease_end(struct broker *b, struct process *p, struct reason why);
void lease_forget(struct channel *c); /* the channel goes */
/* Of what has left its buffer nothing can come back. */
bool lease_is_over(const struct channel *c);
/* It can, and yet the process, which waits for more, is told of the close so far: the first that it holds. NULL: not.
 */
const struct block *lease_so_far(const struct channel *c, struct process *p);
/* The order of the first value that is not settled; c->order: there is none. */
uint64_t lease_frontier(const struct channel *c);
/* What DELIVER and COMMIT say of it behind the value, or nothing. Its size. */
#define LEASE_TAIL (WIRE_MAX_REASON + sizeof(struct wire_lease))
size_t lease_tail(const struct channel *c, const struct block *block, unsigned char *tail);
/* Behind a close that is told so far. */
struct wire_lease lease_held(const struct block *first);

/* ---- settlement.c: what its holders say ---- */
void settlement_ack(struct broker *b, struct line *l, const struct message *m);
void settlement_nack(struct broker *b, struct line *l, const struct message *m);
void settlement_settle(struct broker *b, struct line *l, const struct message *m);

/* ---- staged.c ---- */
void staged_keep(struct broker *b, struct line *l, struct block *block);
/* Of the stream, NULL: all. */
void staged_drop(struct line *l, const struct sending *s);
/* The same of all, as if it had been put. */
void staged_cancel(struct broker *b, struct line *l);
void staged_put(struct broker *b, struct line *l);
struct block *staged_take(struct line *l); /* the first; NULL: there is none */

/* ---- parked.c: of ordered channels ---- */
/* What the line has staged is put when it is its turn, and the values of c that were cut out are done then, of which
 * `first` is the order of the first. False: no memory. */
bool parked_add(struct broker *b, struct line *l, struct channel *c, uint64_t first, struct list *settled);
void parked_release(struct broker *b, struct channel *c);
/* The channels for which something is parked, each perhaps more than once. */
void parked_each(const struct channel *c, void (*each)(void *arg, struct channel *to), void *arg);
uint64_t parked_allow(const struct channel *c, struct process *p, bool waits);

/* ---- dead.c: dead letters ---- */
void dead_letter(struct broker *b, struct channel *c, struct block *block);
/* The channel that it waits for is closed or broken. */
void dead_refused(struct broker *b, struct block *block);
/* Why what a process held came back. NULL: no memory. */
struct text *dead_reason(const struct process *p, struct reason why);
/* The process gave it back, for good or not, and did not say why. */
struct text *dead_unreasoned(const struct process *p, uint32_t deliveries, bool refused);

/* ---- backoff.c: values that wait for their time ---- */
int64_t backoff_delay(const struct settings *s, uint32_t failures);
/* It returns after so long; at once where there is no memory for that. */
void backoff_wait(struct broker *b, struct channel *c, struct block *block, int64_t delay);
void backoff_discard(struct broker *b, struct channel *c);
/* What waits in an entry of settings.delayed. */
const struct block *backoff_block(const struct list *node);
/* The order of the first, UINT64_MAX: there is none; of an ordered channel. */
uint64_t backoff_first(const struct channel *c);

/* ---- idle.c: channels that close when nothing is left to be done ---- */
void idle_set(struct broker *b, struct channel *c);
/* Closes those that are idle now. False: there were none. */
bool idle_close(struct broker *b);

/* ---- overflow.c: where there is no room ---- */
bool overflow_rejects(const struct channel *c);
bool overflow_drops(const struct channel *c);
/* For a value that comes: drops the oldest. */
void overflow_make_room(struct broker *b, struct channel *c, uint64_t length);
/* Commits a send whose value goes nowhere. */
void overflow_drop_offered(struct broker *b, struct offer *o, uint32_t which);
/* Something waits for room, and all is received that could be: drops one value. False: nothing is to be dropped. */
bool overflow_settle(struct broker *b, struct channel *c);

/* ---- timeout.c: who holds a lease for too long ---- */
void timeout_start(struct broker *b, struct process *p);

#endif
