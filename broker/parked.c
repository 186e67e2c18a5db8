/* SPDX-License-Identifier: MPL-2.0 */
/* Output in the order of input: section 16 of docs/protocol.md. Decision: what an ACK puts too early is kept in a
 * parcel, in order of the first value that it names, together with the values that it settled: those are in the store
 * of a durable channel until their output is. What is parked has a sending stream of its own that nobody speaks for, so
 * its end is held and its values wait as those do which a process leaves behind. */
#include "durable.h"
#include "lease.h"

#include <stdlib.h>

#define MOST_BYTES  (UINT64_C(64) << 20)
#define MOST_VALUES 1024 /* ahead of the first that is not settled */

struct parcel {
    struct list node; /* in settings.parcels */
    uint64_t first;   /* order of the first value that it settled */
    uint64_t bytes;
    struct list blocks, settled;
};

/* A block of it goes no further. */
static void drop(struct broker *b, struct block *block)
{
    struct sending *s = block->stream;
    s->waiting -= block->count;
    s->parked -= block->count;
    block_free(block);
    sending_resume(b, s, false);
}

static void go_on(struct broker *b, struct block *block)
{
    struct sending *s = block->stream;
    struct channel *c = s->channel;
    list_remove(&block->wait.node);
    if (s->refused || c->state != CHANNEL_OPEN) {
        (void)durable_leave(b, c, block, s->from);
        channel_lose(c, block->count);
        drop(b, block);
        return;
    }
    s->parked -= block->count;
    (void)durable_append(b, c, block, s->from); /* without memory it is added when there is room for it */
    list_push(&c->sending, &block->wait.node);
    channel_touch(b, c);
}

/* Moves a block of what the line has staged; same_stream: as the one before. False: no memory. */
static bool pack(struct broker *b, struct parcel *p, struct block *block, bool same_stream)
{
    struct sending *from = block->stream, *s = NULL;
    if (same_stream)
        s = LIST_OWNER(p->blocks.prev, struct block, wait.node)->stream;
    else
        s = sending_heir(from);
    from->put += block->count;
    if (s == NULL) {
        from->committed += block->count;
        block_free(block);
        return false;
    }
    from->waiting += block->count;
    from->outstanding += block->cost;
    sending_committed(b, from, block->count, block->cost);
    block->stream = s;
    s->put += block->count;
    s->waiting += block->count;
    s->parked += block->count;
    p->bytes += block->bytes;
    list_push(&p->blocks, &block->wait.node);
    return true;
}

bool parked_add(struct broker *b, struct line *l, struct channel *c, uint64_t first, struct list *settled)
{
    struct settings *s = c->settings;
    struct parcel *p = calloc(1, sizeof *p);
    if (p == NULL)
        return false;
    p->first = first;
    list_init(&p->blocks);
    list_init(&p->settled);
    const struct sending *last = NULL;
    for (struct block *block; (block = staged_take(l)) != NULL;) {
        bool same_stream = last != NULL && block->stream == last;
        last = block->stream;
        if (pack(b, p, block, same_stream))
            continue;
        LIST_EACH(node, next, &p->blocks)
        {
            list_remove(node);
            drop(b, LIST_OWNER(node, struct block, wait.node));
        }
        free(p);
        return false;
    }
    LIST_EACH(node, next, settled)
    {
        list_remove(node);
        list_push(&p->settled, node);
    }
    struct list *before = s->parcels.prev;
    while (before != &s->parcels && LIST_OWNER(before, struct parcel, node)->first > first)
        before = before->prev;
    list_push(before->next, &p->node);
    s->parked += p->bytes;
    channel_touch(b, c);
    return true;
}

/* Values before these stay in the store, and so do these: the next run does them in their order. */
static void forget(struct broker *b, struct channel *c, struct parcel *p)
{
    list_remove(&p->node);
    c->settings->parked -= p->bytes;
    LIST_EACH(at, next, &p->blocks)
    {
        list_remove(at);
        drop(b, LIST_OWNER(at, struct block, wait.node));
    }
    LIST_EACH(at, next, &p->settled)
    {
        list_remove(at);
        lease_give_up(b, c, LIST_OWNER(at, struct block, wait.node));
    }
    free(p);
}

void parked_release(struct broker *b, struct channel *c)
{
    struct settings *s = c->settings;
    if (c->state == CHANNEL_BROKEN && c->durable != NULL) {
        LIST_EACH(node, after, &s->parcels)
        forget(b, c, LIST_OWNER(node, struct parcel, node));
        return;
    }
    LIST_EACH(node, after, &s->parcels)
    {
        struct parcel *p = LIST_OWNER(node, struct parcel, node);
        if (p->first > lease_frontier(c))
            return;
        list_remove(&p->node);
        s->parked -= p->bytes;
        LIST_EACH(at, next, &p->blocks)
        go_on(b, LIST_OWNER(at, struct block, wait.node));
        LIST_EACH(at, next, &p->settled)
        {
            list_remove(at);
            lease_done(b, c, LIST_OWNER(at, struct block, wait.node));
        }
        free(p);
    }
}

void parked_each(const struct channel *c, void (*each)(void *arg, struct channel *to), void *arg)
{
    const struct list *parcels = &c->settings->parcels;
    for (const struct list *node = parcels->next; node != parcels; node = node->next) {
        const struct list *blocks = &LIST_OWNER(node, const struct parcel, node)->blocks;
        for (const struct list *at = blocks->next; at != blocks; at = at->next)
            each(arg, LIST_OWNER(at, const struct block, wait.node)->stream->channel);
    }
}

/* The process holds the first value that is not settled. */
static bool holds_first(const struct channel *c, struct process *p, uint64_t frontier)
{
    const struct holding *h = lease_find(lease_holder(p), c);
    return h != NULL && h->count != 0 && LIST_OWNER(h->blocks.next, const struct block, wait.node)->order == frontier;
}

uint64_t parked_allow(const struct channel *c, struct process *p, bool waits)
{
    const struct settings *s = c->settings;
    const struct list *front = c->buffer.next;
    if (front == &c->buffer)
        return UINT64_MAX;
    uint64_t order = LIST_OWNER(front, const struct block, wait.node)->order, frontier = lease_frontier(c);
    if (backoff_first(c) < order)
        return 0;
    uint64_t ahead = order - frontier, n = ahead < MOST_VALUES ? MOST_VALUES - ahead : 0;
    if (s->parked >= MOST_BYTES)
        n = ahead == 0;
    return n == 0 && waits && holds_first(c, p, frontier) ? 1 : n;
}
