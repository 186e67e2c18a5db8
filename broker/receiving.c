/* SPDX-License-Identifier: MPL-2.0 */
/* Receiving streams. Decision: what was delivered stays here until the count in the line's page says that it was taken,
 * so that it can return to its place whatever happens to the receiver; the count is read when it matters, and TOOK only
 * says that now it may. A stream is in its channel's queue of receivers just while it can take more. */
#include "durable.h"
#include "lease.h"
#include "pair.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_NS INT64_C(10000000) /* several receivers: each has ahead what it takes in this time */

struct receiving *receiving_find(const struct line *l, const struct channel *c)
{
    struct item *i = table_find(&l->take_streams, c->item.key);
    return i != NULL ? LIST_OWNER(i, struct receiving, item) : NULL;
}

static void enqueue(struct broker *b, struct receiving *r)
{
    if (list_empty(&r->wait.node) && !r->closed)
        list_push(&r->channel->receiving, &r->wait.node);
    channel_touch(b, r->channel);
}

int receiving_open(struct broker *b, struct line *l, struct channel *c, uint64_t window, uint32_t slot)
{
    uint8_t bit = (uint8_t)(1u << slot % 8);
    if (slot >= WIRE_MAX_SLOTS || (l->slots[slot / 8] & bit) != 0)
        return EINVAL;
    int err = page_open(b, l);
    if (err != 0)
        return err;
    if (page_count(l, slot) != 0)
        return EINVAL;
    if (is_leased(c) && lease_prepare(l->process, c) != 0)
        return ENOMEM;
    struct receiving *r = calloc(1, sizeof *r);
    if (r == NULL || table_add(&l->take_streams, &r->item, c->item.key) != 0) {
        free(r);
        return ENOMEM;
    }
    l->slots[slot / 8] |= bit;
    r->wait.kind = WAITER_STREAM;
    list_init(&r->wait.node);
    list_init(&r->out);
    r->line = l;
    r->channel = c;
    r->window = window;
    r->slot = slot;
    r->before.at = r->last.at = r->since = b->now;
    list_push(&l->takes, &r->on_line);
    list_push(&c->take_streams, &r->on_channel);
    c->guests += l->process->guest;
    l->counted += c->kind == WIRE_PAIR;
    enqueue(b, r);
    return 0;
}

/* The first k values of the block, with these sums, were taken: they are done with, or leased. False: no memory. */
static bool take(struct broker *b, struct receiving *r, struct block *block, uint32_t k, uint64_t bytes, uint64_t cost)
{
    struct process *p = r->line->process;
    bool leased = is_leased(r->channel);
    if (leased &&
        lease_prepare(p, r->channel) != 0) /* a guest's: inside of whom it is may have ended since it opened */
        return false;
    struct block *front = !leased || k == block->count ? block : block_split(block, k, bytes, cost);
    if (front == NULL)
        return false;
    p->carried -= front->attached.channel != NULL;
    attached_grant(b, &front->attached, p, leased);
    if (leased) {
        list_remove(&front->wait.node);
        lease_take(b, p, r->channel, front);
        return true;
    }
    durable_gone(b, r->channel, block, k);
    block_advance(block, k, bytes, cost);
    if (block->count == 0)
        block_free(block);
    return true;
}

/* n values from the front of what is out were taken. */
static void taken(struct broker *b, struct receiving *r, uint64_t n)
{
    while (n != 0) {
        struct block *block = LIST_OWNER(list_first(&r->out), struct block, wait.node);
        uint64_t bytes, cost;
        uint32_t k = block_fit(block, 0, n, UINT64_MAX, UINT64_MAX, &bytes, &cost);
        if (!take(b, r, block, k, bytes, cost)) {
            process_starve(b, r->line->process, "no memory for what it took");
            return;
        }
        r->taken += k;
        r->out_cost -= cost;
        r->out_bytes -= bytes;
        n -= k;
    }
    if (list_empty(&r->out))
        deadlock_possible(b); /* nobody waits for their return any more */
}

int receiving_sync(struct broker *b, struct receiving *r)
{
    uint64_t n = page_count(r->line, r->slot);
    if (n < r->taken || n > r->delivered) {
        process_fail(b, r->line->process, "the count in its page cannot be");
        return -1;
    }
    n = record_took(b, r, n);
    taken(b, r, n - r->taken);
    if (b->now - r->last.at >= LOOK_NS) {
        r->before.at = r->last.at;
        r->before.taken = r->last.taken;
        r->last.at = b->now;
        r->last.taken = r->taken;
    }
    return 0;
}

void receiving_sync_process(struct broker *b, struct process *p)
{
    LIST_EACH(line, next_line, &p->lines)
    {
        struct line *l = LIST_OWNER(line, struct line, node);
        LIST_EACH(node, next, &l->takes)
        if (receiving_sync(b, LIST_OWNER(node, struct receiving, on_line)) != 0)
            return;
    }
}

void receiving_pause(struct broker *b, struct line *l)
{
    if (l->counted == 0)
        return;
    LIST_EACH(node, next, &l->takes)
    {
        struct receiving *r = LIST_OWNER(node, struct receiving, on_line);
        if (r->channel->kind != WIRE_PAIR || list_empty(&r->out))
            continue;
        if (receiving_sync(b, r) != 0)
            return;
        channel_touch(b, r->channel);
    }
}

void receiving_end(struct broker *b, struct receiving *r)
{
    struct channel *c = r->channel;
    struct process *p = r->line->process;
    receiving_sync(b, r); /* a wrong count takes nothing: all of it returns */
    pair_receiver_ends(b, r);
    LIST_EACH(node, next, &r->out)
    {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        if (block->attached.channel != NULL) {
            ends_unreserve(p, block->attached.channel);
            p->carried--;
        }
        record_return(b, r, block);
        if (is_leased(c) && block->tries == block->before)
            durable_untried(b, c, block);
        channel_return(b, c, block);
    }
    r->line->slots[r->slot / 8] &= (uint8_t) ~(1u << r->slot % 8);
    c->guests -= p->guest;
    r->line->counted -= c->kind == WIRE_PAIR;
    table_remove(&r->line->take_streams, &r->item);
    list_remove(&r->on_line);
    list_remove(&r->on_channel);
    list_remove(&r->wait.node);
    free(r);
    receiving_rearm(b, c);
}

void receiving_took(struct broker *b, struct line *l, const struct message *m)
{
    struct channel *c = channel_find(b, m->head.channel);
    struct receiving *r = c != NULL ? receiving_find(l, c) : NULL;
    if (r == NULL)
        return; /* it crossed the end of the stream by another line */
    if (m->head.seq > r->delivered) {
        process_fail(b, l->process, "a TOOK of more than was delivered");
        return;
    }
    if (receiving_sync(b, r) != 0)
        return;
    if ((m->head.flags & WIRE_WAIT) != 0 && m->head.seq == r->delivered) {
        r->hungry = true;
        r->idle = (m->head.flags & WIRE_IDLE) != 0;
        b->idle_possible = true;
        r->since = b->now;
        receiving_pause(b, l);
    }
    enqueue(b, r);
}

void receiving_rearm(struct broker *b, struct channel *c)
{
    LIST_EACH(node, next, &c->take_streams)
    enqueue(b, LIST_OWNER(node, struct receiving, on_channel));
    channel_touch(b, c);
}

static bool has_rivals(const struct channel *c)
{
    return c->receivers - c->standing[1] + c->guests > 1;
}

/* How many values of the block the stream may be given. */
static uint32_t allowance(const struct broker *b, const struct receiving *r, const struct block *block, uint64_t *bytes,
                          uint64_t *cost)
{
    bool idle = list_empty(&r->out), rivals = has_rivals(r->channel);
    uint64_t allowed = values_allowed(r->channel, r->line->process, r->hungry), values = allowed, pace = UINT64_MAX,
             out = r->delivered - r->taken;
    if (rivals) {
        int64_t passed = b->now - r->before.at;
        uint64_t time = (uint64_t)(passed > LOOK_NS ? passed : LOOK_NS);
        pace = ((r->taken - r->before.taken) * LOOK_NS + time / 2) / time; /* rounded: one of 8 ms each has one ahead */
        if (pace == 0 && r->hungry)
            pace = 1;
        uint64_t ahead = pace > out ? pace - out : 0;
        values = ahead < allowed ? ahead : allowed;
    }
    if (values == 0 || (!idle && r->out_cost >= r->window))
        return 0;
    uint32_t n = block_fit(block, idle, values, UINT64_MAX, idle ? r->window : r->window - r->out_cost, bytes, cost);
    if (!idle && n < block->count && block->count <= pace && block->count <= allowed && block->cost <= r->window)
        return 0; /* soon it fits whole, and then needs no copy */
    return n;
}

/* The block that waits to be sent and goes on where the whole content of the buffer ends, in one frame; or NULL. */
static struct block *continuation(const struct channel *c, const struct block *block)
{
    struct list *node = list_first(&c->sending);
    if (c->kind == WIRE_PAIR || c->settings != NULL || block->stream != NULL || c->values != block->count ||
        node == NULL || LIST_OWNER(node, struct waiter, node)->kind != WAITER_BLOCK)
        return NULL;
    struct block *rest = LIST_OWNER(node, struct block, wait.node);
    return block->order + block->count == c->order && block_continues(block, rest) ? rest : NULL;
}

/* The same for a block and its continuation, of which only as much as fits is in the buffer: where more may be
 * delivered than that, it goes through the buffer in this very instant, so that a frame which is larger than the
 * capacity stays in one piece. */
static uint32_t allowance_joined(struct broker *b, const struct receiving *r, struct block *block, uint64_t *bytes,
                                 uint64_t *cost)
{
    struct channel *c = r->channel;
    struct block *rest = continuation(c, block);
    if (rest == NULL)
        return allowance(b, r, block, bytes, cost);
    struct block whole = *block;
    block_extend(&whole, rest, rest->count, rest->bytes, rest->cost);
    uint32_t n = allowance(b, r, &whole, bytes, cost);
    if (n > block->count)
        sending_admit_more(b, c, block, rest, n - block->count, *bytes - block->bytes, *cost - block->cost);
    return n;
}

/* Takes the n values off the front of where they wait. NULL: no memory. */
static struct block *detach(struct broker *b, struct channel *c, struct block *block, uint32_t n, uint64_t bytes,
                            uint64_t cost)
{
    struct sending *s = block->stream;
    struct block *front = n == block->count ? block : block_split(block, n, bytes, cost);
    if (front == NULL)
        return NULL;
    list_remove(&front->wait.node);
    if (s != NULL) {
        front->stream = NULL;
        front->order = c->order;
        c->order += n;
        sending_committed(b, s, n, cost);
    } else {
        c->values -= n;
        c->bytes -= bytes;
    }
    return front;
}

bool receiving_serve(struct broker *b, struct channel *c, struct receiving *r)
{
    struct list *node = list_first(&c->buffer);
    struct waiter *w = node != NULL ? LIST_OWNER(node, struct waiter, node) : NULL;
    if (w == NULL && c->kind != WIRE_PAIR &&
        c->settings == NULL) /* its capacity counts what is out; it counts what enters */
        w = pair_sender(c);
    if (w == NULL || w->kind != WAITER_BLOCK || values_allowed(c, r->line->process, r->hungry) == 0)
        return false;
    struct block *block = LIST_OWNER(w, struct block, wait);
    struct process *p = r->line->process;
    list_remove(&r->wait.node);
    uint64_t bytes, cost;
    uint32_t n = allowance_joined(b, r, block, &bytes, &cost);
    if (n == 0)
        return true;
    if (block->attached.channel != NULL && ends_reserve(p, block->attached.channel) != 0)
        goto no_memory;
    block = detach(b, c, block, n, bytes, cost);
    if (block == NULL)
        goto no_memory;
    p->carried += block->attached.channel != NULL;
    list_push(&r->out, &block->wait.node);
    durable_delivered(b, c, block);
    record_deliver(b, r, block); /* before the block is sent on: what libzmq has is not ours to read */
    int rc = reply_deliver(b, r, block, 0);
    r->delivered += n;
    r->out_cost += cost;
    r->out_bytes += bytes;
    r->hungry = false;
    c->received += n;
    if (rc == 0) {
        list_push(&c->receiving, &r->wait.node);
        return true;
    }
no_memory:
    process_starve(b, p, "no memory to deliver to it");
    return true;
}

/* The receiving streams of a channel that have values out; *one is one of them. */
static unsigned count_out(struct broker *b, struct channel *c, const struct receiving **one)
{
    unsigned n = 0;
    LIST_EACH(node, next, &c->take_streams)
    {
        struct receiving *r = LIST_OWNER(node, struct receiving, on_channel);
        if (list_empty(&r->out))
            continue;
        receiving_sync(b, r);
        if (list_empty(&r->out))
            continue;
        n++;
        *one = r;
    }
    return n;
}

bool receiving_finished(struct broker *b, struct channel *c, const struct line *l)
{
    if (c->state != CHANNEL_CLOSED || c->values != 0)
        return c->state == CHANNEL_BROKEN;
    const struct receiving *one = NULL;
    unsigned n = count_out(b, c, &one);
    return (n == 0 || (n == 1 && one->line == l && !is_leased(c))) && lease_is_over(c);
}

/* Those who wait while they hold what is left are told, for now. */
static void tell_so_far(struct broker *b, struct channel *c)
{
    LIST_EACH(node, next, &c->take_streams)
    {
        struct receiving *r = LIST_OWNER(node, struct receiving, on_channel);
        const struct block *first = r->hungry ? lease_so_far(c, r->line->process) : NULL;
        if (first == NULL)
            continue;
        r->hungry = false;
        record_deliver(b, r, NULL);
        if (reply_so_far(b, r, first) != 0)
            process_starve(b, r->line->process, "no memory to deliver to it");
    }
}

void receiving_tell_closed(struct broker *b, struct channel *c)
{
    const struct receiving *one = NULL;
    unsigned n = c->state == CHANNEL_BROKEN ? 0 : count_out(b, c, &one);
    if (c->state != CHANNEL_BROKEN && !lease_is_over(c)) { /* of what was taken by now, too */
        tell_so_far(b, c);
        return;
    }
    LIST_EACH(node, next, &c->take_streams)
    {
        struct receiving *r = LIST_OWNER(node, struct receiving, on_channel);
        if (r->closed || !(n == 0 || (n == 1 && one == r && !is_leased(c)))) /* what is taken of it may come back */
            continue;
        r->closed = true;
        list_remove(&r->wait.node);
        record_deliver(b, r, NULL);
        if (reply_deliver(b, r, NULL, WIRE_CLOSED) != 0)
            process_starve(b, r->line->process, "no memory to deliver to it");
    }
}
