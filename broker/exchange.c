/* SPDX-License-Identifier: MPL-2.0 */
/* How one value passes by offers: from one to another, from the buffer, into it. Decision: what needs memory comes
 * before anything is changed; without it the offer that asked ends with ENOMEM, and the value stays where it was. */
#include "exchange.h"

#include "durable.h"
#include "lease.h"
#include "record.h"

#include <errno.h>

bool exchange_has_room(struct broker *b, struct channel *c, uint64_t length)
{
    return channel_room(c, length) && durable_room(b, c, length, 1);
}

bool exchange_meet(struct broker *b, struct offer *from, uint32_t out, struct offer *to, uint32_t in)
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

void exchange_take(struct broker *b, struct offer *o, uint32_t which)
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

void exchange_put(struct broker *b, struct offer *o, uint32_t which, const struct message *m)
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
