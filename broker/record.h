/* SPDX-License-Identifier: MPL-2.0 */
/* The record of a run and its replay: section 14 of docs/protocol.md. Decision: what happened and what followed from it
 * is said through one set of functions, which write it, compare it with the record that is replayed, or both; so the
 * two can not grow apart. Where neither is asked for, each call is one branch. */
#ifndef BROKER_RECORD_H
#define BROKER_RECORD_H

#include "broker.h"

struct record;

/* Opens what is asked for (NULL: not) and seeds the broker's choices: from the record that is replayed, else from
 * `seed`, else by drawing one. 0; or -1 with errno, and `why` says what could not be done. */
int record_open(struct broker *b, const char *seed, const char *record, const char *replay, char *why, size_t size);
/* Writes out what is in memory. */
void record_flush(struct broker *b);
/* The same, and nothing is recorded or replayed from now on. */
void record_close(struct broker *b);

/* A record is replayed, and the run has not departed from it. */
bool record_replays(const struct broker *b);
/* What is recorded comes in another order, or not at all: this is said, and the run goes on freely. */
void record_depart(struct broker *b, const char *came);

/* Events; each is said before anything that follows from it. */
void record_frame_(struct broker *b, const struct line *l, struct message *m);
void record_hello_(struct broker *b, uint64_t line, uint64_t process, uint32_t role);
void record_death_(struct broker *b, struct process *p);
void record_gone_(struct broker *b, const struct line *l);
void record_expire_(struct broker *b);
void record_deadlock_(struct broker *b);
/* What followed. */
void record_draw_(struct broker *b, uint32_t bound, uint32_t result);
void record_commit_(struct broker *b, const struct offer *o, uint32_t which, int err, const uint64_t *order,
                    const void *value, size_t length);
void record_deliver_(struct broker *b, const struct receiving *r, const struct block *block);
uint64_t record_took_(struct broker *b, const struct receiving *r, uint64_t count);
void record_return_(struct broker *b, const struct receiving *r, const struct block *block);
void record_return_lease_(struct broker *b, const struct process *p, const struct channel *c,
                          const struct block *block);
void record_settled_(struct broker *b, const struct channel *c, const struct block *block, uint32_t n, int fate);
void record_buried_(struct broker *b, const struct process *p, struct reason why);

#define RECORDED(b) __builtin_expect((b)->record != NULL, 0)

static inline void record_frame(struct broker *b, const struct line *l, struct message *m)
{
    if (RECORDED(b))
        record_frame_(b, l, m);
}

/* line 0: it is refused, and process is whom it claims to be. */
static inline void record_hello(struct broker *b, uint64_t line, uint64_t process, uint32_t role)
{
    if (RECORDED(b))
        record_hello_(b, line, process, role);
}

/* It is buried for p->reason. */
static inline void record_death(struct broker *b, struct process *p)
{
    if (RECORDED(b))
        record_death_(b, p);
}

static inline void record_gone(struct broker *b, const struct line *l)
{
    if (RECORDED(b))
        record_gone_(b, l);
}

/* What is due is about to be done. */
static inline void record_expire(struct broker *b)
{
    if (RECORDED(b))
        record_expire_(b);
}

/* Those whose deadlock was told are let go. */
static inline void record_deadlock(struct broker *b)
{
    if (RECORDED(b))
        record_deadlock_(b);
}

static inline void record_draw(struct broker *b, uint32_t bound, uint32_t result)
{
    if (RECORDED(b))
        record_draw_(b, bound, result);
}

/* order: of the value in its channel; NULL: no value went. */
static inline void record_commit(struct broker *b, const struct offer *o, uint32_t which, int err,
                                 const uint64_t *order, const void *value, size_t length)
{
    if (RECORDED(b))
        record_commit_(b, o, which, err, order, value, length);
}

/* block NULL: the close. */
static inline void record_deliver(struct broker *b, const struct receiving *r, const struct block *block)
{
    if (RECORDED(b))
        record_deliver_(b, r, block);
}

/* The count that a page shows; the result is the one to go by: in replay that of the record. */
static inline uint64_t record_took(struct broker *b, const struct receiving *r, uint64_t count)
{
    return RECORDED(b) ? record_took_(b, r, count) : count;
}

static inline void record_return(struct broker *b, const struct receiving *r, const struct block *block)
{
    if (RECORDED(b))
        record_return_(b, r, block);
}

/* What was leased to it comes back. */
static inline void record_return_lease(struct broker *b, const struct process *p, const struct channel *c,
                                       const struct block *block)
{
    if (RECORDED(b))
        record_return_lease_(b, p, c, block);
}

/* enum fate */
static inline void record_settled(struct broker *b, const struct channel *c, const struct block *block, uint32_t n,
                                  int fate)
{
    if (RECORDED(b))
        record_settled_(b, c, block, n, fate);
}

static inline void record_buried(struct broker *b, const struct process *p, struct reason why)
{
    if (RECORDED(b))
        record_buried_(b, p, why);
}

/* ---- between record.c and replay.c ---- */

#define RECORD_PATIENCE_NS INT64_C(10000000000) /* beyond the time that the next event took when it was recorded */

/* The line of the record whose turn it is. */
struct recorded {
    const char *kind; /* NULL: the record is at its end */
    bool odd;         /* an event at a time that cannot be: its turn never comes */
    int64_t at;       /* of an event; -1 for what follows from one */
    const char *rest; /* its other fields */
    int64_t since;    /* CLOCK_MONOTONIC: when its turn came */
    int64_t wait;     /* ns to wait for it */
    uint64_t number;  /* of the line */
};
struct recorded record_next(struct broker *b);
/* Its turn has not passed. */
bool record_is_same(struct broker *b, const struct recorded *next);
/* The process that is killed next, from outside, as far as the record goes on: it says nothing more before. NULL: none
 * soon. */
struct process *record_killed(struct broker *b);
/* The event at this time of the record happens now. */
void record_now(struct broker *b, int64_t at);
/* A frame of the line is in the record, when it is handled now: not so an OFFER that only says what is waited for, nor
 * a WITHDRAW that comes too late or of such an offer. */
bool record_is_event(const struct line *l, const struct message *m);

/* ---- replay.c ---- */

/* A frame came. True: it is held, and msg is empty. */
bool replay_takes(struct broker *b, uint32_t route, zmq_msg_t *msg);
/* Handles all whose turn it is and that is there; after a departure, all that is held. True: the ROUTER can be polled.
 */
bool replay_advance(struct broker *b, bool drained);
void replay_release(struct broker *b);
/* When it must be looked at next, CLOCK_MONOTONIC. */
int64_t replay_deadline(struct broker *b);
/* The line ends. */
void replay_forget(struct list *held);

#endif
