/* SPDX-License-Identifier: MPL-2.0 */
/* Channels that close when nothing is left to be done: section 16 of docs/protocol.md. Decision: a greatest fixpoint:
 * all channels that are quiet are taken to be idle, and one after the other is found not to be, because somebody who
 * could send on it does not wait, or waits for one that is not; so a cycle of which each waits for the next is found
 * idle together. It is looked for only while a run has such a channel, and something happened that could make it so,
 * and in a large run only so often that it costs little. */
#include "lease.h"
#include "pair.h"

#define AGAIN_NS INT64_C(100000000) /* where only threads without a line were in the way */
#define FREE     2000               /* channels and processes that a look may visit as often as it likes; */
#define SPARE_NS 1000 /* for each, where they are more, nothing is looked for so long: many times what it took */

static struct channel *channel_of(struct item *it)
{
    return it != NULL ? LIST_OWNER(it, struct channel, item) : NULL;
}

#define EACH_CHANNEL(b, c)                                                                                             \
    for (size_t i_ = 0; i_ < (b)->channels.size; i_++)                                                                 \
        for (struct channel * (c) = channel_of((b)->channels.slots[i_]); (c) != NULL; (c) = channel_of((c)->item.next))

void idle_set(struct broker *b, struct channel *c)
{
    c->policy = WIRE_CLOSE_IDLE;
    if (list_empty(&c->idle))
        list_push(&b->idles, &c->idle);
    EACH_CHANNEL(b, other)
    {
        if (other->pair != NULL)
            pair_disturb(b, other);
    }
    b->idle_possible = true;
}

static bool is_quiet(const struct channel *c)
{
    const struct settings *s = c->settings;
    if (c->kind == WIRE_GROUP || c->values != 0 || c->staged != 0 || !list_empty(&c->sending) ||
        (c->pair != NULL && c->pair->state != PAIR_NONE))
        return false;
    if (s != NULL && (s->out != 0 || s->backing_off != 0 || s->letters.waiting != 0 || !list_empty(&s->parcels)))
        return false;
    for (const struct list *node = c->put_streams.next; node != &c->put_streams; node = node->next)
        if (LIST_OWNER(node, const struct sending, on_channel)->waiting != 0)
            return false;
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next)
        if (!list_empty(&LIST_OWNER(node, const struct receiving, on_channel)->out))
            return false;
    return true;
}

/* It is idle as far as is known, and no guest will come to send on it. */
static bool gives_nothing(const struct channel *c)
{
    uint64_t loop = c->policy == WIRE_CLOSE_NEVER ? c->both : 0;
    return c->quiet && !(c->name != NULL && c->state == CHANNEL_OPEN && c->senders == loop);
}

static bool streams_are_idle(const struct process *p)
{
    unsigned n = 0;
    for (const struct list *node = p->leases.next; node != &p->leases; node = node->next)
        if (LIST_OWNER(node, const struct holding, of_process)->count != 0)
            return false;
    for (const struct list *node = p->lines.next; node != &p->lines; node = node->next) {
        const struct line *l = LIST_OWNER(node, const struct line, node);
        if (!list_empty(&l->staged))
            return false;
        for (const struct list *at = l->takes.next; at != &l->takes; at = at->next, n++) {
            const struct receiving *r = LIST_OWNER(at, const struct receiving, on_line);
            if (!r->hungry || !r->idle || !gives_nothing(r->channel))
                return false;
        }
    }
    return n != 0;
}

static bool line_waits(const struct line *l)
{
    const struct offer *o = l->offer;
    if (o == NULL || o->deadline >= 0 || o->count == 0 || !list_empty(&l->gone) || !list_empty(&l->staged))
        return false;
    for (uint32_t i = 0; i < o->count; i++) {
        const struct offer_case *oc = &o->cases[i];
        const struct receiving *r = NULL;
        const struct channel *c = oc->channel;
        LIST_EACH(node, next, &l->takes)
        {
            const struct receiving *each = LIST_OWNER(node, const struct receiving, on_line);
            r = oc->op == WIRE_OP_TAKE && each->channel->item.key == oc->object ? each : r;
        }
        if (oc->op == WIRE_OP_NONE || oc->object == 0)
            continue;
        c = r != NULL ? r->channel : c;
        if ((oc->op != WIRE_OP_RECV && (r == NULL || !r->hungry)) || c == NULL || !gives_nothing(c))
            return false;
    }
    return true;
}

/* *threads: it would, but for threads without a line. */
static bool waits(const struct process *p, bool *threads)
{
    if (p->state != PROCESS_ATTACHED || p->dead || p->fault != NULL || p->cancelled != HOW_CLEAN)
        return false;
    if (streams_are_idle(p))
        return true;
    for (const struct list *node = p->lines.next; node != &p->lines; node = node->next)
        if (!line_waits(LIST_OWNER(node, const struct line, node)))
            return false;
    if (list_empty(&p->lines))
        return false;
    bool more = threads_are_more(p);
    *threads |= more;
    return !more;
}

/* Takes every channel that is quiet, and whose sending ends are all of processes and settings, for idle. */
static void suppose(struct broker *b)
{
    EACH_CHANNEL(b, c)
    {
        c->quiet = is_quiet(c);
        c->both = c->known = 0;
    }
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, const struct process, all);
        for (const struct list *at = p->held.next; at != &p->held; at = at->next) {
            const struct end *e = LIST_OWNER(at, const struct end, node);
            e->channel->known += (e->mask & END_SEND) != 0;
            e->channel->both += e->mask == (END_SEND | END_RECV);
        }
    }
    EACH_CHANNEL(b, c)
    {
        for (const struct list *node = c->sources.next; node != &c->sources; node = node->next)
            c->known++;
        c->quiet = c->quiet && c->senders == c->known;
    }
}

/* Finds channels that are not idle after all. True: there was one. */
static bool refute(struct broker *b, bool *threads)
{
    bool any = false;
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, const struct process, all);
        bool sends = false;
        for (const struct list *at = p->held.next; at != &p->held && !sends; at = at->next) {
            const struct end *e = LIST_OWNER(at, const struct end, node);
            sends = (e->mask & END_SEND) != 0 && e->channel->quiet;
        }
        if (p->standing || !sends || waits(p, threads))
            continue;
        any = true;
        for (const struct list *at = p->held.next; at != &p->held; at = at->next) {
            const struct end *e = LIST_OWNER(at, const struct end, node);
            e->channel->quiet = e->channel->quiet && (e->mask & END_SEND) == 0;
        }
    }
    EACH_CHANNEL(b, c)
    {
        struct channel *dead = c->settings != NULL ? c->settings->dead : NULL;
        if (dead == NULL || !dead->quiet || c->quiet)
            continue;
        dead->quiet = false;
        any = true;
    }
    return any;
}

static void again(struct broker *b, struct timer *t)
{
    (void)t;
    b->idle_possible = true;
}

/* One of those that could close is quiet. */
static bool is_near(struct broker *b)
{
    bool near = false;
    LIST_EACH(node, next, &b->idles)
    {
        const struct channel *c = LIST_OWNER(node, const struct channel, idle);
        if (c->state != CHANNEL_OPEN)
            list_remove(node);
        else
            near = near || (c->senders != 0 && is_quiet(c));
    }
    return near;
}

/* A large run is not looked through at each event. */
static bool is_too_soon(struct broker *b)
{
    if (b->now >= b->idle_next)
        return false;
    timer_set(&b->timers, &b->idle_again, b->idle_next, again);
    return true;
}

/* By what was visited, and not by the time that it took, so that a replay does the same. */
static void spare(struct broker *b, uint64_t passes)
{
    uint64_t visited = passes * (b->channels.count + b->processes.count);
    if (visited > FREE)
        b->idle_next = timer_after(b->now, (int64_t)(visited * SPARE_NS));
}

bool idle_close(struct broker *b)
{
    if (!b->idle_possible || list_empty(&b->idles))
        return false;
    b->idle_possible = false;
    if (!is_near(b) || is_too_soon(b))
        return false;
    bool threads = false, any = false;
    uint64_t passes = 2;
    suppose(b);
    while (refute(b, &threads))
        passes++;
    spare(b, passes);
    LIST_EACH(node, next, &b->idles)
    {
        struct channel *c = LIST_OWNER(node, struct channel, idle);
        if (!c->quiet || c->senders == 0) /* nobody has come yet */
            continue;
        list_remove(node);
        channel_close(b, c);
        any = true;
    }
    if (threads && !any)
        timer_set(&b->timers, &b->idle_again, timer_after(b->now, AGAIN_NS), again);
    return any;
}
