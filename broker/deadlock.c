/* SPDX-License-Identifier: MPL-2.0 */
/* When a deadlock is looked for, and when one that was found is said: section 12 of docs/protocol.md. Decision: a
 * process is believed to be stuck only when it was found so for some time, for a signal may be on its way to it; and
 * when it has no thread that the broker does not know. What is not sure counts as alive, with all whom it could wake.
 */
#include "alive.h"
#include "durable.h"

#include <time.h>

#include <errno.h>

#define LOOK_NS      INT64_C(250000000) /* between two looks; and how long it must have been found stuck */
#define SPARE        50 /* times as long as a look took nothing is looked for: so it never costs more than a fiftieth */
#define LATE_NS      INT64_C(500000000)   /* how long the first waits for others to be found so with it */
#define DISK_NS      INT64_C(1000000000)  /* before it is looked again where a disk is waited for */
#define THREADS_NS   INT64_C(1000000000)  /* before one with other threads is looked at again: at first, */
#define THREADS_MOST INT64_C(16000000000) /* and at most, when it doubled each time */

void deadlock_moved(struct process *p)
{
    p->stuck = p->said = false;
    p->stuck_since = 0;
    p->threads_until = p->threads_wait = 0;
}

/* Notes who was found, since when. The age of the eldest that was not said yet, -1: there is none; and the youngest's.
 */
static int64_t note(const struct pass *s, int64_t *youngest)
{
    int64_t eldest = -1;
    LIST_EACH(node, next, &s->b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        if (!alive_is_stuck(p))
            p->stuck_since = 0;
        else if (p->stuck_since == 0)
            p->stuck_since = s->now;
        p->stuck = p->said && p->stuck_since != 0;
        if (p->stuck_since == 0 || p->said)
            continue;
        int64_t age = s->now - p->stuck_since;
        *youngest = eldest < 0 || age < *youngest ? age : *youngest;
        eldest = age > eldest ? age : eldest;
    }
    return eldest;
}

/* Those that were not found for long enough may still go on by a signal, and wake others: what is left is certain. */
static void spare_the_young(struct pass *s)
{
    LIST_EACH(node, next, &s->b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        if (alive_is_stuck(p) && s->now - p->stuck_since < LOOK_NS)
            alive_add(s, p);
    }
}

/* Those that may go on where the broker does not see it; nothing has changed in those that were said. */
static void spare_threads(struct pass *s)
{
    struct broker *b = s->b;
    LIST_EACH(node, next, &b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        if (!alive_is_stuck(p) || p->said || !threads_are_more(p))
            continue;
        p->threads_wait = p->threads_wait == 0 ? THREADS_NS : p->threads_wait * 2;
        if (p->threads_wait > THREADS_MOST)
            p->threads_wait = THREADS_MOST;
        p->threads_until = s->now + p->threads_wait;
        s->thread = p->threads_until < s->thread ? p->threads_until : s->thread;
        p->stuck_since = 0;
        alive_add(s, p);
    }
}

/* How many processes are stuck, when there is something to say; else 0. */
static unsigned decide(struct pass *s)
{
    int64_t youngest = 0, eldest = note(s, &youngest);
    if (eldest < LOOK_NS || (youngest < LOOK_NS && eldest < LATE_NS))
        return 0;
    spare_the_young(s);
    spare_threads(s);
    unsigned n = 0;
    bool more = false;
    LIST_EACH(node, next, &s->b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        if (alive_is_stuck(p)) {
            more |= !p->said;
            p->stuck = p->said = true;
        }
        n += p->stuck;
    }
    return more ? n : 0;
}

static bool any_unsaid(const struct broker *b)
{
    LIST_EACH(node, next, &b->all)
    {
        const struct process *p = LIST_OWNER(node, struct process, all);
        if (p->stuck_since != 0 && !p->said)
            return true;
    }
    return false;
}

/* It could not be said. */
static void unsay(struct broker *b)
{
    LIST_EACH(node, next, &b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        p->stuck = p->said = false;
    }
}

/* What this thread has used, in ns: a look that was interrupted for long cost nothing meanwhile. */
static int64_t processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Between two looks. */
static int64_t interval(const struct broker *b)
{
    int64_t spare = b->deadlock.took * SPARE;
    return spare > LOOK_NS ? spare : LOOK_NS;
}

static void due(struct broker *b, struct timer *t)
{
    (void)t;
    b->deadlock.due = true;
}

void deadlock_possible(struct broker *b)
{
    b->idle_possible = true; /* the same events make a channel so */
    if (b->on_deadlock == DEADLOCK_IGNORE || (timer_is_set(&b->deadlock.timer) && b->deadlock.changed))
        return;
    b->deadlock.changed = true;
    timer_set(&b->deadlock.timers, &b->deadlock.timer, timer_after(b->deadlock.looked, interval(b)), due);
}

/* Of those that are stuck, how many not even a guest that comes to a channel that never closes could wake. */
static unsigned give_up(struct broker *b)
{
    struct pass s;
    unsigned n = 0;
    alive_find(&s, b, true);
    LIST_EACH(node, next, &b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        p->hope = p->stuck && !alive_is_stuck(p);
        n += p->stuck && !p->hope;
    }
    return n;
}

void deadlock_look(struct broker *b)
{
    if (!b->deadlock.due || b->over || reporter_is_busy(b))
        return;
    if (durable_waits(b)) { /* who waits for a disk waits for nobody here */
        b->deadlock.due = false;
        timer_set(&b->deadlock.timers, &b->deadlock.timer, timer_after(csp_now(), DISK_NS), due);
        return;
    }
    struct pass s;
    b->deadlock.due = b->deadlock.changed = false;
    int64_t began = processor_time();
    alive_find(&s, b, false);
    unsigned n = decide(&s), hopeless = n != 0 ? give_up(b) : 0;
    b->deadlock.looked = s.now;
    b->deadlock.took = processor_time() - began;
    if (n != 0 && reporter_tell(b, n, hopeless) != 0)
        unsay(b);
    int64_t again = any_unsaid(b) ? timer_after(s.now, interval(b)) : s.thread;
    if (again != INT64_MAX)
        timer_set(&b->deadlock.timers, &b->deadlock.timer, again, due);
}

void deadlock_fail(struct broker *b)
{
    struct pass s;
    int64_t youngest;
    alive_find(&s, b, false);
    note(&s, &youngest);
    spare_the_young(&s);
    LIST_EACH(node, next, &b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        bool fails = p->said && alive_is_stuck(p);
        p->said = false; /* one that got away, and is stuck after all, is said and fails then */
        LIST_EACH(at, after, &p->lines)
        {
            const struct line *l = LIST_OWNER(at, struct line, node);
            if (fails && l->offer != NULL)
                offer_done(b, l->offer, WIRE_NO_CASE, EDEADLK);
        }
    }
}
