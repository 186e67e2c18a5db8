/* SPDX-License-Identifier: MPL-2.0 */
/* Offers: one record, linked into the queues of all its channels and removed whole. Decision: what an offer needs to
 * wait (its values, holds on the ends attached to them) it takes only when it waits: most are answered at once. */
#include "lease.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *read_case(struct broker *b, struct offer *o, uint32_t i, const struct wire_case *w,
                             const unsigned char **value, size_t *left)
{
    struct offer_case *c = &o->cases[i];
    c->wait.kind = WAITER_CASE;
    list_init(&c->wait.node);
    c->offer = o;
    c->op = (uint8_t)w->op;
    c->object = w->channel;
    c->length = w->length;
    c->value = *value;
    c->ready = NOT_READY;
    if (w->op >= WIRE_OP_END)
        return "a case of unknown kind";
    if (w->op > WIRE_OP_SCOPE)
        return NULL; /* what the caller waits for and decides alone */
    if (w->op != WIRE_OP_SEND && (w->length != 0 || w->attached != 0))
        return "a value in a case that sends none";
    if (w->length > *left)
        return "a value beyond the offer's end";
    *value += w->length;
    *left -= w->length;
    o->leaves |= w->op == WIRE_OP_SCOPE;
    if (w->op == WIRE_OP_NONE || w->op == WIRE_OP_SCOPE || w->channel == 0)
        return NULL;
    const struct process *p = o->line->process;
    c->channel = channel_find(b, w->channel);
    unsigned end = w->op == WIRE_OP_SEND ? END_SEND : END_RECV;
    bool group = c->channel != NULL && c->channel->kind == WIRE_GROUP;
    if (c->channel == NULL || group != (w->op == WIRE_OP_WAIT) || !ends_allow(p, c->channel, end))
        c->ready = EBADF;
    else if (w->attached != 0) {
        c->attached.channel = channel_find(b, w->attached);
        c->attached.ends = c->attached.channel != NULL ? ends_of(p, c->attached.channel) : 0;
        if (c->attached.ends == 0) {
            c->attached.channel = NULL;
            c->ready = EBADF;
        }
    }
    return NULL;
}

struct offer *offer_new(struct broker *b, struct line *l, const struct message *m)
{
    uint32_t count = m->head.count;
    size_t table = sizeof(struct wire_offer) + (size_t)count * sizeof(struct wire_case), left = m->head.length - table;
    struct offer *o = calloc(1, sizeof *o + (size_t)count * sizeof o->cases[0]);
    if (o == NULL) {
        struct offer none = {.line = l, .seq = m->head.seq};
        if (reply_commit(b, &none, WIRE_NO_CASE, NULL, ENOMEM, NULL, NULL, 0) != 0)
            process_starve(b, l->process, "no memory to answer it");
        return NULL;
    }
    o->line = l;
    o->seq = m->head.seq;
    o->since = b->now;
    o->count = count;
    o->shielded = (m->head.flags & WIRE_SHIELD) != 0;
    struct wire_offer head;
    memcpy(&head, m->payload, sizeof head);
    o->place = head.place;
    o->deadline = head.deadline;
    const unsigned char *value = m->payload + table;
    const char *fault = NULL;
    for (uint32_t i = 0; i < count && fault == NULL; i++) {
        struct wire_case w;
        memcpy(&w, m->payload + sizeof head + (size_t)i * sizeof w, sizeof w);
        fault = read_case(b, o, i, &w, &value, &left);
    }
    if (fault == NULL && left != 0)
        fault = "bytes after the offer's values";
    if (fault == NULL)
        return o;
    process_fail(b, l->process, fault);
    free(o);
    return NULL;
}

/* Keeps the frame, where it is not kept yet, and points the values into it. */
static int keep(struct offer *o, const struct message *m)
{
    if (o->frame != NULL)
        return 0;
    const unsigned char *old = m->payload;
    o->frame = frame_keep(m->msg);
    if (o->frame == NULL)
        return -1;
    const unsigned char *payload = frame_data(o->frame) + sizeof(struct wire_head);
    for (uint32_t i = 0; i < o->count; i++)
        o->cases[i].value = payload + (o->cases[i].value - old);
    return 0;
}

/* Notes who waits for the end of a process: whom that may wake must be found from it. */
static void await_exit(struct broker *b, struct offer_case *c)
{
    struct process *p = process_find(b, c->object);
    if (p != NULL)
        list_push(&p->awaited, &c->wait.node);
}

int offer_wait(struct broker *b, struct offer *o, const struct message *m)
{
    bool sends = false;
    for (uint32_t i = 0; i < o->count; i++)
        sends |= o->cases[i].op == WIRE_OP_SEND && o->cases[i].channel != NULL;
    if (sends && keep(o, m) != 0)
        return -1;
    for (uint32_t i = 0; i < o->count; i++) {
        struct offer_case *c = &o->cases[i];
        if (c->op == WIRE_OP_EXIT)
            await_exit(b, c);
        if (c->channel == NULL)
            continue;
        list_push(c->op == WIRE_OP_SEND ? &c->channel->sending : &c->channel->receiving, &c->wait.node);
        if (c->attached.channel != NULL)
            hold_take(c->attached.channel, c->attached.ends);
    }
    o->holds = true;
    o->line->offer = o;
    deadlock_possible(b);
    return 0;
}

struct block *offer_block(struct offer *o, uint32_t which, const struct message *m)
{
    struct offer_case *c = &o->cases[which];
    size_t whole = o->frame != NULL ? o->frame->size : sizeof m->head + m->head.length;
    struct frame *f;
    const unsigned char *data, *length;
    if (c->length <= FRAME_COPY || whole / 2 > c->length) { /* a small value must not hold a large frame */
        f = frame_value(c->value, c->length);
        if (f == NULL)
            return NULL;
        length = frame_data(f);
        data = length + sizeof c->length;
    } else {
        if (keep(o, m) != 0)
            return NULL;
        f = o->frame;
        f->refs++;
        length = frame_data(f) + sizeof(struct wire_head) + sizeof(struct wire_offer) +
                 which * sizeof(struct wire_case) + offsetof(struct wire_case, length);
        data = c->value;
    }
    struct block *block = block_new(f, data, length, 1, 0);
    frame_release(f);
    if (block == NULL)
        return NULL;
    block->bytes = c->length;
    block->cost = c->length != 0 ? c->length : 1;
    block->attached = c->attached;
    if (c->attached.channel != NULL && !o->holds)
        hold_take(c->attached.channel, c->attached.ends);
    c->attached.channel = NULL;
    return block;
}

void offer_end(struct broker *b, struct offer *o)
{
    for (uint32_t i = 0; i < o->count; i++) {
        struct offer_case *c = &o->cases[i];
        if (c->channel != NULL && list_first(&c->channel->sending) == &c->wait.node)
            channel_touch(b, c->channel); /* the next sender may fit where this one did not */
        list_remove(&c->wait.node);
        if (o->holds)
            attached_release(b, &c->attached);
    }
    if (o->line->offer == o) {
        o->line->offer = NULL;
        deadlock_moved(o->line->process);
    }
    frame_release(o->frame);
    free(o);
}

void offer_done(struct broker *b, struct offer *o, uint32_t which, int err)
{
    struct channel *c = which < o->count ? o->cases[which].channel : NULL;
    bool receives = c != NULL && err == EPIPE && o->cases[which].op == WIRE_OP_RECV;
    const struct block *held = receives ? lease_so_far(c, o->line->process) : NULL;
    if ((held != NULL ? reply_commit_so_far(b, o, which, held) : reply_commit(b, o, which, c, err, NULL, NULL, 0)) != 0)
        process_starve(b, o->line->process, "no memory to answer it");
    if (c != NULL && err == 0 && o->cases[which].op == WIRE_OP_SEND) { /* its value has just left it */
        uint64_t order = c->order - 1;
        record_commit(b, o, which, err, &order, o->cases[which].value, o->cases[which].length);
    } else
        record_commit(b, o, which, err, NULL, NULL, 0);
    offer_end(b, o);
}

struct offer *offer_of(struct waiter *w, uint32_t *which)
{
    struct offer_case *c = LIST_OWNER(w, struct offer_case, wait);
    *which = (uint32_t)(c - c->offer->cases);
    return c->offer;
}
