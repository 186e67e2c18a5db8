/* SPDX-License-Identifier: MPL-2.0 */
/* What is out on lease, and how it comes back: section 16 of docs/protocol.md. Decision: a lease is a block in a list
 * by order, of the process and the channel, and is found from its front, because who receives in order mostly settles
 * in order; the values of a block are taken apart only where they do not share their fate. */
#include "durable.h"
#include "lease.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

static struct block *block_of(struct list *node)
{
    return LIST_OWNER(node, struct block, wait.node);
}

/* ---- who holds what ---------------------------------------------------------------------------------------------- */

struct holding *lease_find(const struct process *p, const struct channel *c)
{
    struct item *i = table_find(&p->holdings, c->item.key);
    return i != NULL ? LIST_OWNER(i, struct holding, item) : NULL;
}

int lease_prepare(struct process *p, struct channel *c)
{
    p = lease_holder(p);
    if (lease_find(p, c) != NULL)
        return 0;
    struct holding *h = calloc(1, sizeof *h);
    if (h == NULL || table_add(&p->holdings, &h->item, c->item.key) != 0) {
        free(h);
        return -1;
    }
    h->process = p;
    h->channel = c;
    list_init(&h->blocks);
    list_push(&p->leases, &h->of_process);
    list_push(&c->settings->holdings, &h->of_channel);
    return 0;
}

static void release(struct holding *h)
{
    table_remove(&h->process->holdings, &h->item);
    list_remove(&h->of_process);
    list_remove(&h->of_channel);
    free(h);
}

void lease_forget(struct channel *c)
{
    LIST_EACH(node, next, &c->settings->holdings)
    release(LIST_OWNER(node, struct holding, of_channel));
}

static void count(struct holding *h, int64_t n)
{
    h->count += (uint64_t)n;
    h->channel->settings->out += (uint64_t)n;
}

/* They can be one lease: what the one says of its values the other does. */
static bool joins(const struct process *p, const struct block *tail, const struct block *block)
{
    bool stored = tail->key != 0 ? tail->key + tail->count == block->key : block->key == 0;
    return stored && block_is_adjacent(tail, block) && tail->id + tail->count == block->id &&
           tail->tries == block->tries && tail->before == block->before && tail->reason == block->reason &&
           tail->attached.channel == NULL && block->attached.channel == NULL &&
           (p->timeout == 0 || tail->since == block->since);
}

void lease_take(struct broker *b, struct process *p, struct channel *c, struct block *block)
{
    p = lease_holder(p);
    struct holding *h = lease_find(p, c);
    value_was_tried(b, c, block);
    block->since = b->now;
    count(h, block->count);
    timeout_start(b, p);
    struct list *before = h->blocks.prev;
    while (before != &h->blocks && block_of(before)->order > block->order)
        before = before->prev;
    if (before != &h->blocks && joins(p, block_of(before), block)) {
        block_extend(block_of(before), block, block->count, block->bytes, block->cost);
        block_free(block);
    } else
        list_push(before->next, &block->wait.node);
}

void lease_sync(struct broker *b, struct process *p, struct channel *c)
{
    LIST_EACH(node, next, &p->lines)
    {
        struct receiving *r = receiving_find(LIST_OWNER(node, struct line, node), c);
        if (r != NULL && receiving_sync(b, r) != 0)
            return;
    }
}

struct block *lease_cut(struct broker *b, struct holding *h, struct block *block, uint32_t skip, uint32_t n)
{
    uint64_t bytes, cost;
    if (skip == 0 && h->blocks.next == &block->wait.node)
        h->since = b->now;
    if (skip != 0) {
        block_fit(block, skip, skip, 0, 0, &bytes, &cost);
        struct block *front = block_split(block, skip, bytes, cost);
        if (front == NULL)
            return NULL;
        list_push(&block->wait.node, &front->wait.node);
    }
    struct block *cut = block;
    if (n != block->count) {
        block_fit(block, n, n, 0, 0, &bytes, &cost);
        cut = block_split(block, n, bytes, cost);
    }
    if (cut == NULL)
        return NULL;
    list_remove(&cut->wait.node);
    count(h, -(int64_t)n);
    deadlock_possible(b); /* nobody waits for its return any more */
    return cut;
}

bool lease_is_over(const struct channel *c)
{
    const struct settings *s = c->settings;
    return s == NULL || (s->out == 0 && s->backing_off == 0 && s->letters.waiting == 0 && list_empty(&s->parcels));
}

const struct block *lease_so_far(const struct channel *c, struct process *p)
{
    if (c->settings == NULL || c->settings->out == 0 || c->state != CHANNEL_CLOSED || c->values != 0)
        return NULL;
    const struct holding *h = lease_find(lease_holder(p), c);
    return h != NULL && h->count != 0 ? block_of(h->blocks.next) : NULL;
}

struct wire_lease lease_held(const struct block *first)
{
    return (struct wire_lease){.id = first->id, .tries = first->tries};
}

static uint64_t first_of(const struct list *blocks, uint64_t least)
{
    const struct list *node = blocks->next;
    uint64_t order = node != blocks ? LIST_OWNER(node, const struct block, wait.node)->order : UINT64_MAX;
    return order < least ? order : least;
}

uint64_t lease_frontier(const struct channel *c)
{
    uint64_t first = first_of(&c->buffer, c->order), delayed = backoff_first(c);
    first = delayed < first ? delayed : first;
    const struct list *holdings = &c->settings->holdings;
    for (const struct list *node = holdings->next; node != holdings; node = node->next)
        first = first_of(&LIST_OWNER(node, const struct holding, of_channel)->blocks, first);
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next) {
        /* in the order of delivery: what came back, and went to this one, stands behind later values */
        const struct list *out = &LIST_OWNER(node, const struct receiving, on_channel)->out;
        for (const struct list *at = out->next; at != out; at = at->next) {
            uint64_t order = LIST_OWNER(at, const struct block, wait.node)->order;
            first = order < first ? order : first;
        }
    }
    return first;
}

/* ---- what becomes of it ------------------------------------------------------------------------------------------ */

void lease_done(struct broker *b, struct channel *c, struct block *block)
{
    value_is_settled(b, c, block, block->count, FATE_DONE);
    attached_release(b, &block->attached);
    block_free(block);
}

void lease_give_up(struct broker *b, struct channel *c, struct block *block)
{
    if (c->durable == NULL)
        c->settings->given_up += block->count;
    else { /* as what was in its buffer: it is in the store */
        c->received -= block->count;
        c->lost += block->count;
    }
    attached_release(b, &block->attached);
    block_free(block);
}

void lease_untry(struct broker *b, struct channel *c, struct block *block)
{
    block->tries--;
    durable_untried(b, c, block);
    if (c->state == CHANNEL_BROKEN)
        lease_give_up(b, c, block);
    else
        channel_return(b, c, block);
    channel_touch(b, c);
}

void lease_fail(struct broker *b, struct channel *c, struct block *block, int64_t delay)
{
    const struct settings *s = c->settings;
    uint32_t failures = block->tries - block->before;
    if (delay == WIRE_BACK_OFF)
        delay = backoff_delay(s, failures);
    channel_touch(b, c);
    if (delay == WIRE_DEAD_LETTER || failures >= s->attempts)
        dead_letter(b, c, block);
    else if (c->state == CHANNEL_BROKEN)
        lease_give_up(b, c, block);
    else if (delay > 0)
        backoff_wait(b, c, block, delay);
    else
        channel_return(b, c, block);
}

/* From its back, so that what goes first comes last, and finds its place at the front of the buffer. */
static void return_all(struct broker *b, struct holding *h, struct text *why)
{
    const struct settings *s = h->channel->settings;
    LIST_EACH(node, next, &h->blocks)
    {
        struct block *block = block_of(node);
        if (block->tries - block->before < s->attempts)
            continue;
        text_release(block->reason);
        block->reason = text_keep(why);
        count(h, -(int64_t)block->count);
        list_remove(node);
        lease_fail(b, h->channel, block, 0); /* dead letters in order */
    }
    while (!list_empty(&h->blocks)) {
        struct block *block = block_of(h->blocks.prev);
        count(h, -(int64_t)block->count);
        list_remove(&block->wait.node);
        record_return_lease(b, h->process, h->channel, block);
        lease_fail(b, h->channel, block, 0);
    }
}

void lease_end(struct broker *b, struct process *p, struct reason why)
{
    struct text *text = NULL;
    LIST_EACH(node, next, &p->leases)
    {
        struct holding *h = LIST_OWNER(node, struct holding, of_process);
        if (p->guest && why.how == HOW_CLEAN)
            while (!list_empty(&h->blocks)) {
                struct block *block = block_of(h->blocks.next);
                count(h, -(int64_t)block->count);
                list_remove(&block->wait.node);
                lease_done(b, h->channel, block);
            }
        if (h->count != 0 && text == NULL)
            text = dead_reason(p, why);
        return_all(b, h, text);
        release(h);
    }
    text_release(text);
    table_free(&p->holdings);
    timer_stop(&b->timers, &p->overdue);
    list_remove(&p->guest_of);
    LIST_EACH(node, next, &p->inside)
    {
        LIST_OWNER(node, struct process, guest_of)->host = NULL;
        list_remove(node);
    }
}

/* ---- on the wire ------------------------------------------------------------------------------------------------- */

size_t lease_tail(const struct channel *c, const struct block *block, unsigned char *tail)
{
    bool leased = is_leased(c), letter = block->before != 0;
    if (!leased && !letter)
        return 0;
    struct wire_lease w = {.id = block->id, .tries = block->tries + leased, .letter = !leased};
    if (letter && block->reason != NULL) {
        w.reason = (uint16_t)block->reason->length;
        memcpy(tail, block->reason->bytes, w.reason);
    }
    memcpy(tail + w.reason, &w, sizeof w);
    return w.reason + sizeof w;
}
