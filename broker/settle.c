/* SPDX-License-Identifier: MPL-2.0 */
/* What an event has made possible on the channels that it touched: section 5 of docs/protocol.md. Decision: one channel
 * after the other, until nothing applies, in order of waiting; so no handler has to know what follows from what it
 * changed, however ends, values and offers hang together. */
#include "exchange.h"
#include "lease.h"
#include "pair.h"

#include <errno.h>

static bool admit(struct broker *b, struct channel *c)
{
    bool any = false;
    for (struct waiter *w; c->capacity != 0 && (w = pair_sender(c)) != NULL; any = true) {
        if (w->kind == WAITER_BLOCK) {
            const struct waiter *r = waiter_first(&c->receiving);
            if (c->kind != WIRE_PAIR && c->settings == NULL && c->values == 0 && r != NULL && r->kind == WAITER_STREAM)
                return any; /* straight from stream to stream: the buffer would be empty again at once */
            if (!sending_admit(b, c, LIST_OWNER(w, struct block, wait)))
                return any;
        } else {
            uint32_t which;
            struct offer *o = offer_of(w, &which);
            if (!exchange_has_room(b, c, o->cases[which].length))
                return any;
            exchange_put(b, o, which, NULL);
        }
    }
    return any;
}

/* The receiver whose turn it is: the first; where a channel is ordered, the first to whom something may be delivered.
 */
static struct waiter *receiver(const struct channel *c)
{
    struct waiter *w = waiter_first(&c->receiving);
    if (w == NULL || c->settings == NULL || !c->settings->ordered || c->values == 0)
        return w;
    for (struct list *node = c->receiving.next; node != &c->receiving; node = node->next) {
        struct waiter *other = LIST_OWNER(node, struct waiter, node);
        bool stream = other->kind == WAITER_STREAM;
        const struct receiving *r = stream ? LIST_OWNER(other, const struct receiving, wait) : NULL;
        uint32_t which;
        struct process *p = stream ? r->line->process : offer_of(other, &which)->line->process;
        if (values_allowed(c, p, !stream || r->hungry) != 0)
            return other;
    }
    return w;
}

static bool serve(struct broker *b, struct channel *c)
{
    bool any = false;
    for (struct waiter *w; (w = receiver(c)) != NULL; any = true) {
        uint32_t which;
        if (w->kind == WAITER_STREAM) {
            if (!receiving_serve(b, c, LIST_OWNER(w, struct receiving, wait)))
                return any;
        } else {
            struct offer *o = offer_of(w, &which);
            if (c->values == 0 || values_allowed(c, o->line->process, true) == 0)
                return any;
            exchange_take(b, o, which);
        }
    }
    return any;
}

/* Answers all offers in a queue. */
static void answer_all(struct broker *b, struct list *queue, int err)
{
    for (struct waiter *w; (w = waiter_first(queue)) != NULL;) {
        uint32_t which;
        struct offer *o = offer_of(w, &which);
        offer_done(b, o, which, err);
    }
}

/* Closed or broken, and nothing left: tells those who can be told. */
static void finish(struct broker *b, struct channel *c)
{
    receiving_tell_closed(b, c);
    settings_finish(b, c);
    LIST_EACH(node, next, &c->receiving)
    {
        struct waiter *w = LIST_OWNER(node, struct waiter, node);
        uint32_t which;
        if (w->kind != WAITER_CASE)
            continue;
        struct offer *o = offer_of(w, &which);
        if (lease_so_far(c, o->line->process) == NULL && !receiving_finished(b, c, o->line))
            continue;
        while (next != &c->receiving && LIST_OWNER(next, struct waiter, node)->kind == WAITER_CASE &&
               LIST_OWNER(next, struct offer_case, wait.node)->offer == o)
            next = next->next; /* its other cases go with it */
        offer_done(b, o, which, EPIPE);
    }
}

static void settle_channel(struct broker *b, struct channel *c)
{
    if (c->kind == WIRE_GROUP) {
        if (c->group == 0)
            answer_all(b, &c->receiving, 0);
        return;
    }
    if (c->state != CHANNEL_OPEN) {
        if (c->state == CHANNEL_BROKEN)
            channel_discard(b, c);
        if (!c->refused && !pair_excludes(c)) {
            c->refused = true;
            sending_refuse(b, c);
            answer_all(b, &c->sending, EPIPE);
        }
    }
    if (c->settings != NULL && !list_empty(&c->settings->parcels))
        parked_release(b, c);
    bool more = true;
    while (more) {
        more = admit(b, c);
        more = serve(b, c) || more;
        more = more || (c->settings != NULL && overflow_settle(b, c));
    }
    if (c->pair != NULL)
        pair_settle(b, c);
    if (c->state != CHANNEL_OPEN && c->values == 0 && !pair_excludes(c))
        finish(b, c);
}

void settle(struct broker *b)
{
    scope_settle(b); /* before what the same event made possible: what is cancelled takes no part in it */
    while (!list_empty(&b->touched) || !list_empty(&b->rooms) || idle_close(b)) {
        for (struct list *node; (node = list_first(&b->touched)) != NULL;) {
            struct channel *c = LIST_OWNER(node, struct channel, touched);
            list_remove(&c->touched);
            settle_channel(b, c);
            if (list_empty(&c->touched))
                channel_reap(b, c);
        }
        sending_say(b);
    }
}
