/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: every count that the broker keeps is counted anew, and what must not wait is looked for among all who wait:
 * it is slow, and needs no knowledge of how a state came about. */
#include "sane.h"

#include "frames.h"
#include "fuzz.h"
#include "broker/durable.h"
#include "broker/lease.h"
#include "broker/pair.h"
#include "world.h"

#include <string.h>

/* ---- what was said ----------------------------------------------------------------------------------------------- */

void world_said(uint32_t route, const struct wire_head *head, const unsigned char *payload)
{
    struct talk *t = &talks[route];
    struct wire_lease lease;
    switch (head->type) {
    case WIRE_WELCOME: /* a new line, whose numbers begin anew */
        t->committed = t->answered = 0;
        break;
    case WIRE_COMMIT:
        HOLD(head->seq <= t->offered && head->seq > t->committed); /* just one each */
        t->committed = head->seq;
        HOLD(wire_lease(head, payload, &lease) == 0);
        break;
    case WIRE_ANSWER:
        HOLD(head->seq <= t->asked && head->seq > t->answered);
        t->answered = head->seq;
        break;
    case WIRE_DELIVER:
        HOLD((head->count == 0) == ((head->flags & (WIRE_CLOSED | WIRE_DIRECT)) != 0));
        HOLD(wire_block_data(head, payload) >= 0);
        break;
    default:
        break;
    }
}

/* ---- lines and processes ----------------------------------------------------------------------------------------- */

static size_t length(const struct list *l)
{
    size_t n = 0;
    for (const struct list *node = l->next; node != l; node = node->next, n++)
        HOLD(node->next->prev == node && node->prev->next == node);
    return n;
}

static void sane_offer(const struct offer *o)
{
    HOLD(o->line->offer == o);
    for (uint32_t i = 0; i < o->count; i++) {
        const struct offer_case *c = &o->cases[i];
        HOLD(c->offer == o && (c->channel == NULL || !list_empty(&c->wait.node)));
    }
}

static void sane_receiving(const struct receiving *r)
{
    uint64_t values = 0, bytes = 0, cost = 0;
    for (const struct list *node = r->out.next; node != &r->out; node = node->next) {
        const struct block *block = LIST_OWNER(node, const struct block, wait.node);
        HOLD(block->count != 0 && block->stream == NULL);
        values += block->count;
        bytes += block->bytes;
        cost += block->cost;
    }
    HOLD(values == r->delivered - r->taken && bytes == r->out_bytes && cost == r->out_cost);
    HOLD(receiving_find(r->line, r->channel) == r && (r->line->slots[r->slot / 8] >> r->slot % 8 & 1) != 0);
}

static void sane_line(struct broker *b, const struct line *l)
{
    bool said = !durable_waits(b); /* else it waits for the disk */
    const struct talk *t = &talks[l->route];
    unsigned counted = 0, carried = 0;
    HOLD(line_find(b, l->route) == l && l->process->state != PROCESS_ENDED);
    if (l->offer != NULL)
        sane_offer(l->offer);
    if (said && l->connected && !t->odd && l->seq == t->offered && l->seq != 0)
        HOLD(l->offer != NULL ? l->offer->seq == l->seq && t->committed != l->seq : t->committed == l->seq);
    if (said && l->connected && !t->odd && l->seq == t->asked && l->seq != 0)
        HOLD(t->answered == l->seq);
    HOLD(length(&l->takes) == l->take_streams.count && length(&l->puts) == l->put_streams.count);
    for (const struct list *node = l->takes.next; node != &l->takes; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, const struct receiving, on_line);
        sane_receiving(r);
        HOLD(r->line == l);
        counted += r->channel->kind == WIRE_PAIR;
        for (const struct list *at = r->out.next; at != &r->out; at = at->next)
            carried += LIST_OWNER(at, const struct block, wait.node)->attached.channel != NULL;
    }
    HOLD(counted == l->counted && carried <= l->process->carried);
}

static void sane_processes(struct broker *b)
{
    unsigned live = 0;
    length(&b->all);
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, const struct process, all);
        unsigned connected = 0;
        live += p->state != PROCESS_ENDED;
        HOLD(process_find(b, p->item.key) == p);
        HOLD(p->state != PROCESS_ENDED || (list_empty(&p->lines) && list_empty(&p->held)));
        HOLD(length(&p->held) == p->ends.count);
        for (const struct list *at = p->lines.next; at != &p->lines; at = at->next) {
            const struct line *l = LIST_OWNER(at, const struct line, node);
            HOLD(l->process == p);
            sane_line(b, l);
            connected += l->connected;
        }
        HOLD(connected == p->connected);
    }
    HOLD(live == b->live && b->live <= b->limit + 1 && b->lines.count <= b->limit);
}

/* ---- channels ---------------------------------------------------------------------------------------------------- */

static void hold(const struct attached *a, const struct channel *c, uint64_t *senders, uint64_t *receivers)
{
    if (a->channel != c)
        return;
    *senders += (a->ends & END_SEND) != 0;
    *receivers += (a->ends & END_RECV) != 0;
}

/* What is leased goes back with what is attached to it. */
static void hold_leased(const struct settings *s, const struct channel *c, uint64_t *senders, uint64_t *receivers)
{
    for (const struct list *at = s->delayed.next; at != &s->delayed; at = at->next)
        hold(&backoff_block(at)->attached, c, senders, receivers);
    for (const struct list *node = s->holdings.next; node != &s->holdings; node = node->next) {
        const struct holding *h = LIST_OWNER(node, const struct holding, of_channel);
        for (const struct list *at = h->blocks.next; at != &h->blocks; at = at->next)
            hold(&LIST_OWNER(at, const struct block, wait.node)->attached, c, senders, receivers);
    }
}

/* The holders of its ends, all counted anew: processes, values and streams that outlive their end. */
static void sane_ends(const struct broker *b, const struct channel *c)
{
    uint64_t senders = 0, receivers = 0;
    bool parked = false; /* what is parked holds what was attached to the values that it settles */
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, const struct process, all);
        unsigned mask = ends_of(p, c);
        senders += (mask & END_SEND) != 0;
        receivers += (mask & END_RECV) != 0;
        for (const struct list *at = p->lines.next; at != &p->lines; at = at->next) {
            const struct line *l = LIST_OWNER(at, const struct line, node);
            for (uint32_t i = 0; l->offer != NULL && i < l->offer->count; i++)
                hold(&l->offer->cases[i].attached, c, &senders, &receivers);
        }
    }
    for (uint64_t id = 1; id < b->next_channel; id++) {
        const struct channel *other = channel_find(b, id);
        if (other == NULL)
            continue;
        for (const struct list *at = other->buffer.next; at != &other->buffer; at = at->next)
            hold(&LIST_OWNER(at, const struct block, wait.node)->attached, c, &senders, &receivers);
        for (const struct list *at = other->sending.next; at != &other->sending; at = at->next)
            if (LIST_OWNER(at, const struct waiter, node)->kind == WAITER_BLOCK) /* a dead letter */
                hold(&LIST_OWNER(at, const struct block, wait.node)->attached, c, &senders, &receivers);
        if (other->settings != NULL)
            hold_leased(other->settings, c, &senders, &receivers);
        parked |= other->settings != NULL && !list_empty(&other->settings->parcels);
        for (const struct list *at = other->take_streams.next; at != &other->take_streams; at = at->next) {
            const struct receiving *r = LIST_OWNER(at, const struct receiving, on_channel);
            for (const struct list *node = r->out.next; node != &r->out; node = node->next)
                hold(&LIST_OWNER(node, const struct block, wait.node)->attached, c, &senders, &receivers);
        }
    }
    for (const struct list *at = c->put_streams.next; at != &c->put_streams; at = at->next)
        senders += LIST_OWNER(at, const struct sending, on_channel)->holds;
    senders += length(&c->sources); /* by whom dead letters may come */
    HOLD(senders <= c->senders && receivers <= c->receivers);
    HOLD(parked || (senders == c->senders && receivers == c->receivers));
}

static void sane_buffer(const struct channel *c)
{
    uint64_t values = 0, bytes = 0, next = 0;
    length(&c->buffer);
    for (const struct list *node = c->buffer.next; node != &c->buffer; node = node->next) {
        const struct block *block = LIST_OWNER(node, const struct block, wait.node);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < block->count; i++)
            sum += block_length(block, i);
        HOLD(block->count != 0 && sum == block->bytes && (values == 0 || block->order >= next));
        HOLD(c->durable != NULL || sum <= c->max_bytes * block->count); /* what comes again may be larger */
        HOLD(!block->untried || (c->durable != NULL && is_leased(c) && block->tries == block->before));
        next = block->order + block->count;
        values += block->count;
        bytes += block->bytes;
    }
    HOLD(values == c->values && bytes == c->bytes && (values == 0 || next <= c->order));
    HOLD(values == 0 || c->state != CHANNEL_BROKEN);
}

static void sane_sending(const struct sending *s)
{
    uint64_t waiting = 0;
    const struct list *queue = &s->channel->sending;
    for (const struct list *node = queue->next; node != queue; node = node->next) {
        const struct waiter *w = LIST_OWNER(node, const struct waiter, node);
        if (w->kind == WAITER_BLOCK && LIST_OWNER(w, const struct block, wait)->stream == s)
            waiting += LIST_OWNER(w, const struct block, wait)->count;
    }
    HOLD(waiting + s->parked == s->waiting && s->committed <= s->put && s->unsaid <= s->outstanding);
    HOLD(s->line == NULL || sending_find(s->line, s->channel) == s);
    HOLD(s->line != NULL || s->waiting != 0 || pair_keeps(s) || pair_owes(s));
}

/* A dead letter waits, or what others' output waits for. */
static bool is_held_up(const struct channel *c)
{
    return c->settings != NULL && (c->settings->letters.waiting != 0 || c->settings->ordered);
}

/* Nobody waits for what there is. */
static void sane_waiting(struct channel *c)
{
    const struct list *first = list_first(&c->receiving);
    const struct waiter *to = first != NULL ? LIST_OWNER(first, const struct waiter, node) : NULL;
    const struct waiter *from = pair_sender(c);
    HOLD(to == NULL || to->kind != WAITER_CASE || c->kind == WIRE_GROUP || c->values == 0 || is_held_up(c));
    HOLD(c->state != CHANNEL_BROKEN || pair_excludes(c) || (from == NULL && (to == NULL || to->kind == WAITER_STREAM)));
    if (c->state != CHANNEL_OPEN || from == NULL || c->capacity == 0 || c->durable != NULL) /* a disk may be full */
        return;
    if (pair_excludes(c) && &from->node != list_first(&c->sending))
        return; /* others wait before it for a recall, which one that is dying does not get */
    if (c->pair != NULL && c->pair->state == PAIR_LEFT)
        return; /* what is taken of that is seen when the receiver says TOOK */
    if (from->kind == WAITER_CASE) {
        const struct offer_case *oc = LIST_OWNER(from, const struct offer_case, wait);
        HOLD(!channel_room(c, oc->length) && oc->length <= c->max_bytes);
    } else {
        struct used used = channel_used(c);
        uint64_t bytes, cost, space = c->max_bytes > used.bytes ? c->max_bytes - used.bytes : 0;
        uint64_t places = c->capacity > used.values ? c->capacity - used.values : 0;
        HOLD(block_fit(LIST_OWNER(from, const struct block, wait), used.values == 0, places, space, UINT64_MAX, &bytes,
                       &cost) == 0);
    }
}

static void sane_settings(const struct settings *s)
{
    uint64_t out = 0, waiting = 0;
    for (const struct list *node = s->holdings.next; node != &s->holdings; node = node->next) {
        const struct holding *h = LIST_OWNER(node, const struct holding, of_channel);
        uint64_t count = 0, next = 0;
        length(&h->blocks);
        for (const struct list *at = h->blocks.next; at != &h->blocks; at = at->next) {
            const struct block *block = LIST_OWNER(at, const struct block, wait.node);
            HOLD(block->count != 0 && block->tries != 0 && !block->untried && (count == 0 || block->order >= next));
            next = block->order + block->count;
            count += block->count;
        }
        HOLD(count == h->count && h->channel == s->channel && lease_find(h->process, h->channel) == h);
        HOLD(h->process->state != PROCESS_ENDED || count == 0);
        out += count;
    }
    HOLD(out == s->out);
    for (const struct list *node = s->delayed.next; node != &s->delayed; node = node->next)
        waiting += backoff_block(node)->count;
    HOLD(waiting == s->backing_off);
    HOLD(s->dead == NULL || !list_empty(&s->of_dead));
}

static void sane_channel(const struct broker *b, struct channel *c)
{
    uint64_t out = 0;
    unsigned guests = 0;
    length(&c->sending);
    length(&c->receiving);
    sane_ends(b, c);
    sane_buffer(c);
    for (const struct list *node = c->put_streams.next; node != &c->put_streams; node = node->next)
        sane_sending(LIST_OWNER(node, const struct sending, on_channel));
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, const struct receiving, on_channel);
        HOLD(r->channel == c);
        out += r->delivered - r->taken;
        guests += r->line->process->guest;
    }
    HOLD(guests == c->guests);
    HOLD(c->received >= out);
    if (c->settings != NULL)
        sane_settings(c->settings);
    else if (c->pair == NULL) /* what has left its senders was received, is here, or was lost */
        HOLD(c->order == c->received + c->values + c->lost);
    if (c->kind != WIRE_GROUP)
        sane_waiting(c);
    HOLD(c->name != NULL || c->senders != 0 || c->receivers != 0 || !list_empty(&c->put_streams) ||
         !list_empty(&c->take_streams) || settings_keep(c));
}

void sane(struct broker *b)
{
    HOLD(list_empty(&b->touched) && list_empty(&b->rooms) && list_empty(&b->failing));
    HOLD(list_empty(&b->cancelling) && list_empty(&b->condemned) && list_empty(&b->emptied));
    sane_processes(b);
    size_t n = 0;
    for (uint64_t id = 1; id < b->next_channel; id++) {
        struct channel *c = channel_find(b, id);
        if (c != NULL)
            sane_channel(b, c);
        n += c != NULL;
    }
    HOLD(n == b->channels.count);
}
