/* SPDX-License-Identifier: MPL-2.0 */
/* Values that wait for their time: section 16 of docs/protocol.md. Decision: each has a timer of its own among the
 * others of the broker, so that a delay is a lower bound and the value returns as one that a dead process held would:
 * to its place by order, past those that were let pass. */
#include "lease.h"

#include <stdlib.h>

struct delayed {
    struct timer timer;
    struct list node; /* in settings.delayed */
    struct channel *channel;
    struct block *block;
};

int64_t backoff_delay(const struct settings *s, uint32_t failures)
{
    int64_t delay = s->least;
    for (uint32_t i = 1; i < failures && delay < s->most && delay != 0; i++)
        delay = delay <= s->most / 2 ? delay * 2 : s->most;
    return delay < s->most ? delay : s->most;
}

static struct block *end(struct broker *b, struct delayed *d)
{
    struct block *block = d->block;
    timer_stop(&b->timers, &d->timer);
    list_remove(&d->node);
    d->channel->settings->backing_off -= block->count;
    free(d);
    return block;
}

static void due(struct broker *b, struct timer *t)
{
    struct delayed *d = LIST_OWNER(t, struct delayed, timer);
    struct channel *c = d->channel;
    channel_return(b, c, end(b, d));
    deadlock_possible(b); /* it may be there and yet not delivered */
}

void backoff_wait(struct broker *b, struct channel *c, struct block *block, int64_t delay)
{
    struct settings *s = c->settings;
    struct delayed *d = calloc(1, sizeof *d);
    if (d == NULL) {
        channel_return(b, c, block);
        return;
    }
    d->channel = c;
    d->block = block;
    struct list *before = s->delayed.prev;
    while (s->ordered && before != &s->delayed && LIST_OWNER(before, struct delayed, node)->block->order > block->order)
        before = before->prev;
    list_push(before->next, &d->node);
    s->backing_off += block->count;
    timer_set(&b->timers, &d->timer, timer_after(b->now, delay), due);
}

void backoff_discard(struct broker *b, struct channel *c)
{
    struct settings *s = c->settings;
    LIST_EACH(node, next, &s->delayed)
    {
        struct block *block = end(b, LIST_OWNER(node, struct delayed, node));
        lease_give_up(b, c, block);
    }
}

const struct block *backoff_block(const struct list *node)
{
    return LIST_OWNER(node, const struct delayed, node)->block;
}

uint64_t backoff_first(const struct channel *c)
{
    const struct list *delayed = &c->settings->delayed, *node = delayed->next;
    return node != delayed ? backoff_block(node)->order : UINT64_MAX;
}
