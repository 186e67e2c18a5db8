/* SPDX-License-Identifier: MPL-2.0 */
/* Values for which there is no room: section 16 of docs/protocol.md, rule 13. Decision: something is dropped only when
 * all that could be received at this moment was: so who keeps up misses nothing, however the values came. */
#include "lease.h"

static enum wire_overflow policy(const struct channel *c)
{
    return c->settings != NULL ? c->settings->overflow : WIRE_BLOCK;
}

bool overflow_rejects(const struct channel *c)
{
    return policy(c) == WIRE_REJECT;
}

bool overflow_drops(const struct channel *c)
{
    return policy(c) == WIRE_DROP_OLDEST || policy(c) == WIRE_DROP_NEWEST;
}

/* One value off the front of a block that is in the buffer or waits. */
static void drop_first(struct broker *b, struct channel *c, struct block *block, uint64_t bytes, uint64_t cost)
{
    value_is_settled(b, c, block, 1, FATE_DROPPED);
    attached_release(b, &block->attached);
    block_advance(block, 1, bytes, cost);
    if (block->count == 0)
        block_free(block);
}

static void drop_oldest(struct broker *b, struct channel *c)
{
    struct block *block = LIST_OWNER(list_first(&c->buffer), struct block, wait.node);
    uint64_t bytes, cost;
    block_fit(block, 1, 1, 0, 0, &bytes, &cost);
    c->values--;
    c->bytes -= bytes;
    drop_first(b, c, block, bytes, cost);
}

static void drop_newest(struct broker *b, struct channel *c, struct waiter *w)
{
    if (w->kind == WAITER_CASE) {
        uint32_t which;
        struct offer *o = offer_of(w, &which);
        overflow_drop_offered(b, o, which);
        return;
    }
    struct block *block = LIST_OWNER(w, struct block, wait);
    struct sending *s = block->stream;
    uint64_t bytes, cost;
    block_fit(block, 1, 1, 0, 0, &bytes, &cost);
    drop_first(b, c, block, bytes, cost);
    sending_committed(b, s, 1, cost);
}

void overflow_drop_offered(struct broker *b, struct offer *o, uint32_t which)
{
    struct channel *c = o->cases[which].channel;
    c->settings->dropped++;
    offer_done(b, o, which, 0);
}

void overflow_make_room(struct broker *b, struct channel *c, uint64_t length)
{
    while (c->values != 0 && !channel_room(c, length))
        drop_oldest(b, c);
}

bool overflow_settle(struct broker *b, struct channel *c)
{
    struct list *node = list_first(&c->sending);
    if (!overflow_drops(c) || node == NULL || c->values == 0 || c->state != CHANNEL_OPEN)
        return false;
    struct waiter *w = LIST_OWNER(node, struct waiter, node);
    bool waits = w->kind == WAITER_CASE || LIST_OWNER(w, struct block, wait)->key == 0; /* else it is in the store */
    if (policy(c) == WIRE_DROP_NEWEST && waits)
        drop_newest(b, c, w);
    else
        drop_oldest(b, c);
    return true;
}
