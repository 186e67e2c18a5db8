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
    process_fail(b, l->process, "no memory for what it settles");
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

void settlement_ack(struct broker *b, struct line *l, const struct message *m)
{
    struct channel *c = channel_find(b, m->head.channel);
    uint32_t n = m->head.count;
    if (m->head.length != n * sizeof(uint64_t)) {
        process_fail(b, l->process, "an ACK whose ids do not add up");
        return;
    }
    struct holding *h = held(b, l, c);
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
        block = lease_cut(h, block, at, run);
        if (block == NULL) {
            no_memory(b, l);
            return;
        }
        lease_done(b, c, block);
    }
}

static void fail(struct broker *b, struct holding *h, struct block *block, int64_t delay, struct text *reason)
{
    struct channel *c = h->channel;
    text_release(block->reason);
    block->reason = text_keep(reason);
    lease_fail(b, c, block, delay);
}

void settlement_nack(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_nack w;
    memcpy(&w, m->payload, sizeof w);
    if (w.delay < WIRE_BACK_OFF) {
        process_fail(b, l->process, "a NACK with a delay that there is not");
        return;
    }
    struct channel *c = channel_find(b, m->head.channel);
    struct holding *h = held(b, l, c);
    uint32_t at;
    struct block *block = find(h, w.id, &at);
    if (block == NULL)
        return;
    block = lease_cut(h, block, at, 1);
    if (block == NULL) {
        no_memory(b, l);
        return;
    }
    struct text *reason = text_new((const char *)m->payload + sizeof w, m->head.length - sizeof w);
    fail(b, h, block, w.delay, reason);
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
        block = lease_cut(h, block, 0, part);
        if (block == NULL) {
            no_memory(b, l);
            return n;
        }
        n += part;
        if (delay == WIRE_DONE)
            lease_done(b, h->channel, block);
        else
            fail(b, h, block, delay, reason);
    }
    return n;
}

void settlement_settle(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_settle w;
    memcpy(&w, m->payload, sizeof w);
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
