/* SPDX-License-Identifier: MPL-2.0 */
/* What the holders of leases say of them: ACK, NACK, SETTLE of section 16 of docs/protocol.md. Decision: an id that is
 * not leased to who names it came late and is left alone, whatever it was; so nobody can settle for another, and who
 * was taken for dead does no harm when it goes on. */
#include "lease.h"

#include <errno.h>
#include <string.h>

/* The block that has this id, and where in it. NULL: it is not leased to them. */
static struct block *find(struct holding *h, uint64_t id, uint32_t *at)
{
    if (h == NULL)
        return NULL;
    LIST_EACH(node, next, &h->blocks)
    {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        if (id < block->id || id - block->id >= block->count)
            continue;
        *at = (uint32_t)(id - block->id);
        return block;
    }
    return NULL;
}

static void no_memory(struct broker *b, struct line *l)
{
    process_starve(b, l->process, "no memory for what it settles");
}

/* What the line may settle of the channel; what its process has taken is leased by now. */
static struct holding *held(struct broker *b, const struct line *l, struct channel *c)
{
    struct process *p = lease_holder(l->process);
    if (c == NULL || !is_leased(c))
        return NULL;
    lease_sync(b, p, c);
    if (p != l->process)
        lease_sync(b, l->process, c);
    return lease_find(p, c);
}

/* All that the ACK names is leased to them. */
static bool holds_all(struct holding *h, const struct message *m)
{
    uint64_t id;
    uint32_t at;
    for (uint32_t i = 0; i < m->head.count; i++) {
        memcpy(&id, m->payload + i * sizeof id, sizeof id);
        if (find(h, id, &at) == NULL)
            return false;
    }
    return true;
}

/* Cuts out what the ACK names, as far as it is leased to them, into a list. The order of the first. */
static uint64_t cut_named(struct broker *b, struct line *l, struct holding *h, const struct message *m,
                          struct list *named)
{
    uint32_t n = m->head.count;
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0, run; h != NULL && i < n; i += run) {
        uint64_t id, next;
        uint32_t at;
        run = 1;
        memcpy(&id, m->payload + i * sizeof id, sizeof id);
        struct block *block = find(h, id, &at);
        if (block == NULL)
            continue;
        for (; i + run < n && at + run < block->count; run++) {
            memcpy(&next, m->payload + (i + run) * sizeof next, sizeof next);
            if (next != id + run)
                break;
        }
        block = lease_cut(b, h, block, at, run);
        if (block == NULL) {
            no_memory(b, l);
            return UINT64_MAX;
        }
        first = block->order < first ? block->order : first;
        list_push(named, &block->wait.node);
    }
    return first;
}

/* They are not done. Where they become dead letters by that, it is never without a reason. */
static void fail(struct broker *b, struct line *l, struct channel *c, struct block *block, int64_t delay,
                 struct text *reason)
{
    uint32_t failures = block->tries - block->before;
    text_release(block->reason);
    block->reason = reason != NULL ? text_keep(reason)
                    : delay == WIRE_DEAD_LETTER || failures >= c->settings->attempts
                        ? dead_unreasoned(lease_holder(l->process), failures, delay == WIRE_DEAD_LETTER)
                        : NULL;
    lease_fail(b, c, block, delay);
}

/* They return, or are done. */
static void settle_all(struct broker *b, struct line *l, struct channel *c, struct list *named, bool done)
{
    LIST_EACH(node, next, named)
    {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        list_remove(node);
        if (done)
            lease_done(b, c, block);
        else
            fail(b, l, c, block, 0, NULL);
    }
}

void settlement_ack(struct broker *b, struct line *l, const struct message *m)
{
    struct channel *c = channel_find(b, m->head.channel);
    if (m->head.length != m->head.count * sizeof(uint64_t)) {
        process_fail(b, l->process, "an ACK whose ids do not add up");
        return;
    }
    struct holding *h = held(b, l, c);
    bool staged = (m->head.flags & WIRE_STAGED) != 0, all = !staged || holds_all(h, m);
    struct list named;
    list_init(&named);
    uint64_t first = cut_named(b, l, h, m, &named);
    bool done = all && l->process->fault == NULL;
    if (!staged)
        staged_drop(l, NULL);
    else if (!done)
        staged_cancel(b, l);
    else if (c == NULL || !is_leased(c) || !c->settings->ordered || list_empty(&named) || list_empty(&l->staged))
        staged_put(b, l);
    else if (!parked_add(b, l, c, first, &named)) {
        no_memory(b, l);
        staged_drop(l, NULL);
        done = false;
    }
    if (h != NULL)
        settle_all(b, l, c, &named, done);
}

void settlement_nack(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_nack w;
    memcpy(&w, m->payload, sizeof w);
    if (w.delay < WIRE_UNREAD || w.delay == WIRE_DONE) {
        process_fail(b, l->process, "a NACK with a delay that there is not");
        return;
    }
    staged_drop(l, NULL);
    struct channel *c = channel_find(b, m->head.channel);
    struct holding *h = held(b, l, c);
    uint32_t at;
    struct block *block = find(h, w.id, &at);
    if (block == NULL)
        return;
    block = lease_cut(b, h, block, at, 1);
    if (block == NULL) {
        no_memory(b, l);
        return;
    }
    if (w.delay == WIRE_UNREAD) {
        lease_untry(b, c, block);
        return;
    }
    struct text *reason = text_new((const char *)m->payload + sizeof w, m->head.length - sizeof w);
    fail(b, l, c, block, w.delay, reason);
    text_release(reason);
}

/* Settles the oldest `most` leases; how many there were, and *err. */
static uint64_t settle_oldest(struct broker *b, struct line *l, struct holding *h, uint64_t most, int64_t delay,
                              struct text *reason)
{
    uint64_t n = 0;
    while (n < most && !list_empty(&h->blocks)) {
        struct block *block = LIST_OWNER(h->blocks.next, struct block, wait.node);
        uint32_t part = block->count < most - n ? block->count : (uint32_t)(most - n);
        block = lease_cut(b, h, block, 0, part);
        if (block == NULL) {
            no_memory(b, l);
            return n;
        }
        n += part;
        if (delay == WIRE_DONE)
            lease_done(b, h->channel, block);
        else
            fail(b, l, h->channel, block, delay, reason);
    }
    return n;
}

void settlement_settle(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_settle w;
    memcpy(&w, m->payload, sizeof w);
    staged_drop(l, NULL);
    struct channel *c = channel_find(b, m->head.channel);
    struct holding *h = held(b, l, c);
    int err = w.delay < WIRE_DONE ? EINVAL : c == NULL ? EBADF : h == NULL || h->count == 0 ? ENOENT : 0;
    if (err == 0) {
        struct text *reason = text_new((const char *)m->payload + sizeof w, m->head.length - sizeof w);
        w.count = settle_oldest(b, l, h, w.count != 0 ? w.count : UINT64_MAX, w.delay, reason);
        text_release(reason);
    }
    reply_answer(b, l, m, err, &w, sizeof w);
}
