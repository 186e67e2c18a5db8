/* SPDX-License-Identifier: MPL-2.0 */
/* The choice: section 5 of docs/protocol.md. Decision: an arriving offer draws among its ready cases and commits at
 * once with those who wait; whatever else an event makes possible is found by settling the touched channels, in order
 * of waiting. At capacity 0 only an arriving offer can meet another: of two that both wait one would have met the
 * other. */
#include "durable.h"
#include "lease.h"
#include "pair.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>

static struct waiter *first(const struct list *queue)
{
    struct list *node = list_first(queue);
    return node != NULL ? LIST_OWNER(node, struct waiter, node) : NULL;
}

/* In the buffer, and on the disk. */
static bool has_room(struct broker *b, struct channel *c, uint64_t length)
{
    return channel_room(c, length) && durable_room(b, c, length, 1);
}

static int send_ready(struct broker *b, const struct offer_case *oc)
{
    struct channel *c = oc->channel;
    if (c->state != CHANNEL_OPEN && !pair_excludes(c))
        return EPIPE;
    if (oc->length > c->max_bytes)
        return EMSGSIZE;
    if (!pair_admits(c, oc->offer->line))
        return NOT_READY;
    if (c->capacity == 0)
        return list_empty(&c->receiving) ? NOT_READY : 0;
    if (list_empty(&c->sending) && has_room(b, c, oc->length))
        return 0;
    return overflow_rejects(c) ? ENOBUFS : overflow_drops(c) && c->values != 0 ? 0 : NOT_READY;
}

static int receive_ready(struct broker *b, const struct offer_case *oc)
{
    struct channel *c = oc->channel;
    if (c->values != 0 && values_allowed(c, oc->offer->line->process, true) == 0)
        return NOT_READY;
    if (c->values != 0 || (c->capacity == 0 && !list_empty(&c->sending)))
        return 0;
    bool told = lease_so_far(c, oc->offer->line->process) != NULL;
    return !pair_excludes(c) && (told || receiving_finished(b, c, oc->offer->line)) ? EPIPE : NOT_READY;
}

/* On a channel of kind PAIR only streams send and receive. */
static bool needs_stream(const struct offer_case *oc)
{
    const struct channel *c = oc->channel;
    const struct line *l = oc->offer->line;
    if (c->kind != WIRE_PAIR)
        return false;
    return oc->op == WIRE_OP_SEND ? sending_find(l, c) == NULL : receiving_find(l, c) == NULL;
}

/* Those of its channels that are joined directly must be hosted. */
static void disturb(struct broker *b, const struct offer *o)
{
    for (uint32_t i = 0; i < o->count; i++) {
        const struct offer_case *oc = &o->cases[i];
        if (oc->channel != NULL && oc->channel->pair != NULL && oc->ready != EBADF && !needs_stream(oc))
            pair_offered(b, oc->channel, o->line, oc->op == WIRE_OP_SEND);
    }
}

/* Finds the ready cases of an offer that arrives; their number. */
static uint32_t evaluate(struct broker *b, struct offer *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        struct offer_case *oc = &o->cases[i];
        if (oc->op == WIRE_OP_SCOPE)
            oc->ready = scope_ready(oc);
        else if (oc->ready != EBADF && oc->channel != NULL) {
            if (needs_stream(oc))
                oc->ready = EPROTOTYPE;
            else if (oc->op == WIRE_OP_SEND)
                oc->ready = send_ready(b, oc);
            else if (oc->op == WIRE_OP_RECV)
                oc->ready = receive_ready(b, oc);
            else
                oc->ready = oc->channel->group == 0 ? 0 : NOT_READY;
        }
        n += oc->ready != NOT_READY;
    }
    return n;
}

static uint32_t nth_ready(const struct offer *o, uint32_t n)
{
    uint32_t i = 0;
    while (o->cases[i].ready == NOT_READY || n-- != 0)
        i++;
    return i;
}

/* A value goes from one offer to another. False: no memory for it, which ends the receiver's offer alone. */
static bool rendezvous(struct broker *b, struct offer *from, uint32_t out, struct offer *to, uint32_t in)
{
    struct offer_case *oc = &from->cases[out];
    struct channel *c = oc->channel;
    struct process *p = to->line->process;
    struct channel *gift = oc->attached.channel;
    if (gift != NULL && ends_reserve(p, gift) != 0) {
        offer_done(b, to, in, ENOMEM);
        return false;
    }
    if (reply_commit(b, to, in, c, 0, &oc->attached, oc->value, oc->length) != 0) {
        if (gift != NULL)
            ends_unreserve(p, gift);
        offer_done(b, to, in, ENOMEM);
        return false;
    }
    if (gift != NULL)
        ends_grant(p, gift, oc->attached.ends);
    record_commit(b, to, in, 0, &c->order, oc->value, oc->length);
    c->order++;
    c->received++;
    offer_end(b, to);
    offer_done(b, from, out, 0);
    return true;
}

/* The first block of the buffer; where it will be leased its first value is a block of its own. NULL: no memory. */
static struct block *front_of(struct channel *c, struct process *p)
{
    struct block *block = LIST_OWNER(list_first(&c->buffer), struct block, wait.node);
    if (!is_leased(c))
        return block;
    if (lease_prepare(p, c) != 0)
        return NULL;
    uint64_t bytes, cost;
    block_fit(block, 1, 1, 0, 0, &bytes, &cost);
    struct block *front = block->count == 1 ? block : block_split(block, 1, bytes, cost);
    if (front != NULL && front != block)
        list_push(&block->wait.node, &front->wait.node);
    return front;
}

/* The first value of the buffer goes to an offer. Without memory the value stays. */
static void take_front(struct broker *b, struct offer *o, uint32_t which)
{
    struct channel *c = o->cases[which].channel;
    struct process *p = o->line->process;
    struct block *block = front_of(c, p);
    uint64_t bytes, cost;
    struct channel *gift = block != NULL ? block->attached.channel : NULL;
    if (block == NULL || (gift != NULL && ends_reserve(p, gift) != 0)) {
        offer_done(b, o, which, ENOMEM);
        return;
    }
    block_fit(block, 1, 1, 0, 0, &bytes, &cost);
    if (reply_take(b, o, which, c, block, bytes) != 0) {
        if (gift != NULL)
            ends_unreserve(p, gift);
        offer_done(b, o, which, ENOMEM);
        return;
    }
    record_commit(b, o, which, 0, &block->order, block->data, bytes);
    attached_grant(b, &block->attached, p, is_leased(c));
    c->received++;
    if (is_leased(c)) {
        durable_delivered(b, c, block);
        list_remove(&block->wait.node);
        c->values--;
        c->bytes -= bytes;
        lease_take(b, p, c, block);
    } else {
        durable_gone(b, c, block, 1);
        channel_pop(c, 1, bytes, cost);
    }
    channel_touch(b, c);
    offer_end(b, o);
}

/* A send case's value goes into the buffer. */
static void put_back(struct broker *b, struct offer *o, uint32_t which, const struct message *m)
{
    struct channel *c = o->cases[which].channel;
    if (c->settings != NULL && !channel_room(c, o->cases[which].length)) {
        if (c->settings->overflow == WIRE_DROP_NEWEST) {
            overflow_drop_offered(b, o, which);
            return;
        }
        overflow_make_room(b, c, o->cases[which].length);
    }
    struct block *block = offer_block(o, which, m);
    if (block == NULL || durable_append(b, c, block, durable_sender(c, o->line->process)) != 0) {
        if (block != NULL) {
            attached_release(b, &block->attached);
            block_free(block);
        }
        offer_done(b, o, which, ENOMEM);
        return;
    }
    channel_push(b, c, block);
    channel_touch(b, c);
    offer_done(b, o, which, 0);
}

/* Commits a ready case of an arriving offer. False: nothing was committed, look again. */
static bool commit(struct broker *b, struct offer *o, uint32_t which, const struct message *m)
{
    struct offer_case *oc = &o->cases[which];
    uint32_t other;
    if (oc->ready != 0 || oc->op == WIRE_OP_WAIT)
        offer_done(b, o, which, oc->ready);
    else if (oc->op == WIRE_OP_SCOPE)
        scope_leave(b, o, which);
    else if (oc->op == WIRE_OP_SEND && oc->channel->capacity == 0) {
        struct offer *to = offer_of(first(&oc->channel->receiving), &other);
        return rendezvous(b, o, which, to, other);
    } else if (oc->op == WIRE_OP_SEND)
        put_back(b, o, which, m);
    else if (oc->channel->values != 0)
        take_front(b, o, which);
    else {
        struct offer *from = offer_of(first(&oc->channel->sending), &other);
        rendezvous(b, from, other, o, which);
    }
    return true;
}

static uint32_t draw(struct broker *b, uint32_t n)
{
    uint32_t drawn = random_below(&b->random, n);
    record_draw(b, n, drawn);
    return drawn;
}

void match_offer(struct broker *b, struct line *l, const struct message *m)
{
    struct offer *o = offer_new(b, l, m);
    if (o == NULL)
        return;
    if (scope_ends(o)) {
        offer_done(b, o, WIRE_NO_CASE, ECANCELED);
        return;
    }
    disturb(b, o);
    for (;;) {
        uint32_t n = evaluate(b, o);
        if (n == 0)
            break;
        uint32_t drawn = n > 1 && (m->head.flags & WIRE_ORDERED) == 0 ? draw(b, n) : 0;
        if (commit(b, o, nth_ready(o, drawn), m))
            return;
    }
    receiving_pause(b, l);
    if ((m->head.flags & WIRE_NOW) != 0)
        offer_done(b, o, WIRE_NO_CASE, 0);
    else if (offer_wait(b, o, m) != 0)
        offer_done(b, o, WIRE_NO_CASE, ENOMEM);
}

void match_withdraw(struct broker *b, struct line *l, const struct message *m)
{
    if (l->offer != NULL && l->offer->seq == m->head.seq)
        offer_done(b, l->offer, WIRE_NO_CASE, 0);
}

void match_dropped(struct broker *b, struct process *p, const struct channel *c)
{
    LIST_EACH(node, next, &p->lines)
    {
        struct offer *o = LIST_OWNER(node, struct line, node)->offer;
        for (uint32_t i = 0; o != NULL && i < o->count; i++) {
            const struct offer_case *oc = &o->cases[i];
            if (oc->channel == c && !ends_allow(p, c, oc->op == WIRE_OP_SEND ? END_SEND : END_RECV)) {
                offer_done(b, o, i, EBADF);
                break;
            }
        }
    }
}

static bool admit(struct broker *b, struct channel *c)
{
    bool any = false;
    for (struct waiter *w; c->capacity != 0 && (w = pair_sender(c)) != NULL; any = true) {
        if (w->kind == WAITER_BLOCK) {
            const struct waiter *r = first(&c->receiving);
            if (c->kind != WIRE_PAIR && c->settings == NULL && c->values == 0 && r != NULL && r->kind == WAITER_STREAM)
                return any; /* straight from stream to stream: the buffer would be empty again at once */
            if (!sending_admit(b, c, LIST_OWNER(w, struct block, wait)))
                return any;
        } else {
            uint32_t which;
            struct offer *o = offer_of(w, &which);
            if (!has_room(b, c, o->cases[which].length))
                return any;
            put_back(b, o, which, NULL);
        }
    }
    return any;
}

/* The receiver whose turn it is: the first; where a channel is ordered, the first to whom something may be delivered.
 */
static struct waiter *receiver(const struct channel *c)
{
    struct waiter *w = first(&c->receiving);
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
            take_front(b, o, which);
        }
    }
    return any;
}

/* Answers all offers in a queue. */
static void answer_all(struct broker *b, struct list *queue, int err)
{
    for (struct waiter *w; (w = first(queue)) != NULL;) {
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
