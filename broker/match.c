/* SPDX-License-Identifier: MPL-2.0 */
/* The choice: section 5 of docs/protocol.md. Decision: an arriving offer draws among its ready cases and commits at
 * once with those who wait; whatever else that makes possible is found by settle(). At capacity 0 only an arriving
 * offer can meet another: of two that both wait one would have met the other. */
#include "exchange.h"
#include "lease.h"
#include "pair.h"
#include "record.h"

#include <errno.h>

static int send_ready(struct broker *b, const struct offer_case *oc)
{
    struct channel *c = oc->channel;
    if (c->state != CHANNEL_OPEN && !pair_excludes(c))
        return EPIPE;
    if (oc->length > c->max_bytes)
        return EMSGSIZE;
    if (!pair_admits(c, oc->offer->line))
        return NOT_READY;
    if (c->capacity == 0)
        return list_empty(&c->receiving) ? NOT_READY : 0;
    if (list_empty(&c->sending) && exchange_has_room(b, c, oc->length))
        return 0;
    return overflow_rejects(c) ? ENOBUFS : overflow_drops(c) && c->values != 0 ? 0 : NOT_READY;
}

static int receive_ready(struct broker *b, const struct offer_case *oc)
{
    struct channel *c = oc->channel;
    if (c->values != 0 && values_allowed(c, oc->offer->line->process, true) == 0)
        return NOT_READY;
    if (c->values != 0 || (c->capacity == 0 && !list_empty(&c->sending)))
        return 0;
    bool told = lease_so_far(c, oc->offer->line->process) != NULL;
    return !pair_excludes(c) && (told || receiving_finished(b, c, oc->offer->line)) ? EPIPE : NOT_READY;
}

/* On a channel of kind PAIR only streams send and receive. */
static bool needs_stream(const struct offer_case *oc)
{
    const struct channel *c = oc->channel;
    const struct line *l = oc->offer->line;
    if (c->kind != WIRE_PAIR)
        return false;
    return oc->op == WIRE_OP_SEND ? sending_find(l, c) == NULL : receiving_find(l, c) == NULL;
}

/* Those of its channels that are joined directly must be hosted. */
static void disturb(struct broker *b, const struct offer *o)
{
    for (uint32_t i = 0; i < o->count; i++) {
        const struct offer_case *oc = &o->cases[i];
        if (oc->channel != NULL && oc->channel->pair != NULL && oc->ready != EBADF && !needs_stream(oc))
            pair_offered(b, oc->channel, o->line, oc->op == WIRE_OP_SEND);
    }
}

/* Finds the ready cases of an offer that arrives; their number. */
static uint32_t evaluate(struct broker *b, struct offer *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        struct offer_case *oc = &o->cases[i];
        if (oc->op == WIRE_OP_SCOPE)
            oc->ready = scope_ready(oc);
        else if (oc->ready != EBADF && oc->channel != NULL) {
            if (needs_stream(oc))
                oc->ready = EPROTOTYPE;
            else if (oc->op == WIRE_OP_SEND)
                oc->ready = send_ready(b, oc);
            else if (oc->op == WIRE_OP_RECV)
                oc->ready = receive_ready(b, oc);
            else
                oc->ready = oc->channel->group == 0 ? 0 : NOT_READY;
        }
        n += oc->ready != NOT_READY;
    }
    return n;
}

static uint32_t nth_ready(const struct offer *o, uint32_t n)
{
    uint32_t i = 0;
    while (o->cases[i].ready == NOT_READY || n-- != 0)
        i++;
    return i;
}

/* Commits a ready case of an arriving offer. False: nothing was committed, look again. */
static bool commit(struct broker *b, struct offer *o, uint32_t which, const struct message *m)
{
    struct offer_case *oc = &o->cases[which];
    uint32_t other;
    if (oc->ready != 0 || oc->op == WIRE_OP_WAIT)
        offer_done(b, o, which, oc->ready);
    else if (oc->op == WIRE_OP_SCOPE)
        scope_leave(b, o, which);
    else if (oc->op == WIRE_OP_SEND && oc->channel->capacity == 0) {
        struct offer *to = offer_of(waiter_first(&oc->channel->receiving), &other);
        return exchange_meet(b, o, which, to, other);
    } else if (oc->op == WIRE_OP_SEND)
        exchange_put(b, o, which, m);
    else if (oc->channel->values != 0)
        exchange_take(b, o, which);
    else {
        struct offer *from = offer_of(waiter_first(&oc->channel->sending), &other);
        exchange_meet(b, from, other, o, which);
    }
    return true;
}

static uint32_t draw(struct broker *b, uint32_t n)
{
    uint32_t drawn = random_below(&b->random, n);
    record_draw(b, n, drawn);
    return drawn;
}

void match_offer(struct broker *b, struct line *l, const struct message *m)
{
    struct offer *o = offer_new(b, l, m);
    if (o == NULL)
        return;
    if (scope_ends(o)) {
        offer_done(b, o, WIRE_NO_CASE, ECANCELED);
        return;
    }
    disturb(b, o);
    for (;;) {
        uint32_t n = evaluate(b, o);
        if (n == 0)
            break;
        uint32_t drawn = n > 1 && (m->head.flags & WIRE_ORDERED) == 0 ? draw(b, n) : 0;
        if (commit(b, o, nth_ready(o, drawn), m))
            return;
    }
    receiving_pause(b, l);
    if ((m->head.flags & WIRE_NOW) != 0)
        offer_done(b, o, WIRE_NO_CASE, 0);
    else if (offer_wait(b, o, m) != 0)
        offer_done(b, o, WIRE_NO_CASE, ENOMEM);
}

void match_withdraw(struct broker *b, struct line *l, const struct message *m)
{
    if (l->offer != NULL && l->offer->seq == m->head.seq)
        offer_done(b, l->offer, WIRE_NO_CASE, 0);
}

void match_dropped(struct broker *b, struct process *p, const struct channel *c)
{
    LIST_EACH(node, next, &p->lines)
    {
        struct offer *o = LIST_OWNER(node, struct line, node)->offer;
        for (uint32_t i = 0; o != NULL && i < o->count; i++) {
            const struct offer_case *oc = &o->cases[i];
            if (oc->channel == c && !ends_allow(p, c, oc->op == WIRE_OP_SEND ? END_SEND : END_RECV)) {
                offer_done(b, o, i, EBADF);
                break;
            }
        }
    }
}
