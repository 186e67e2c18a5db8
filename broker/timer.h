/* SPDX-License-Identifier: MPL-2.0 */
/* Timers: times at which something is to be done. Decision: a pairing heap whose links lie in the members: deadlines
 * and graces come in any order, setting one must cost the same however many there are, and needs no memory that could
 * be missing. */
#ifndef BROKER_TIMER_H
#define BROKER_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker;

struct timer { /* all zero is one that is not set */
    struct timer *child, *next;
    struct timer **link; /* what points to it; NULL: it is not set */
    int64_t at;
    void (*due)(struct broker *b, struct timer *t); /* it is not set any more when this is called */
};

struct timers { /* all zero is none */
    struct timer *first;
};

/* Sets it to go off at a time, also where it was set before. */
void timer_set(struct timers *all, struct timer *t, int64_t at, void (*due)(struct broker *b, struct timer *t));

/* Unsets it, where it is set. */
void timer_stop(struct timers *all, struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
    return t->link != NULL;
}

/* `ns` after a time, or the end of time. */
static inline int64_t timer_after(int64_t time, int64_t ns)
{
    return ns < INT64_MAX - time ? time + ns : INT64_MAX;
}

/* The time of the earliest, INT64_MAX: none is set. */
static inline int64_t timer_next(const struct timers *all)
{
    return all->first != NULL ? all->first->at : INT64_MAX;
}

/* Calls what is due, earliest first, those included that it sets to a time that has come. */
void timer_expire(struct timers *all, struct broker *b, int64_t now);

#endif
