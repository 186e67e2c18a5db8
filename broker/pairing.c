/* SPDX-License-Identifier: MPL-2.0 */
/* What the other parts of the broker ask about pairs: who may send now, what belongs where, what is on a pair.
 * Decision: these look and change nothing but counts, so that all transitions are in pair.c. What a page says is used
 * for what is shown, and for whom to believe alive; a page that lies can harm those alone who share it. */
#include "pair.h"

#include <stdlib.h>

int pair_make(struct channel *c)
{
    c->pair = calloc(1, sizeof *c->pair);
    if (c->pair == NULL)
        return -1;
    c->pair->channel = c;
    return 0;
}

/* There are no streams any more: so there is no generation. */
void pair_free(struct broker *b, struct channel *c)
{
    (void)b;
    free(c->pair);
    c->pair = NULL;
}

static bool is_stream_of(const struct waiter *w, const struct sending *s)
{
    return w->kind == WAITER_BLOCK && s != NULL && LIST_OWNER(w, const struct block, wait)->stream == s;
}

bool pair_admits(const struct channel *c, const struct line *l)
{
    const struct pair *p = c->pair;
    return !pair_excludes(c) || (!p->joined && p->from != NULL && p->from->line == l);
}

struct waiter *pair_sender(const struct channel *c)
{
    const struct pair *p = c->pair;
    bool all = !pair_excludes(c);
    /* else what its stream put, or its line offered before it joined */
    for (struct list *node = c->sending.next; node != &c->sending; node = node->next) {
        struct waiter *w = LIST_OWNER(node, struct waiter, node);
        if (all || is_stream_of(w, p->from) ||
            (w->kind == WAITER_CASE && pair_admits(c, LIST_OWNER(w, struct offer_case, wait)->offer->line)))
            return w;
    }
    return NULL;
}

void pair_offered(struct broker *b, struct channel *c, const struct line *l, bool sends)
{
    const struct pair *p = c->pair;
    bool own = sends && p->from != NULL && p->from->line == l && p->state <= PAIR_JOINING;
    if (!own)
        pair_disturb(b, c);
}

bool pair_is_closing(const struct channel *c)
{
    return c->pair != NULL && c->pair->closing;
}

static bool is_ending(const struct line *l)
{
    return !l->connected || l->process->dead || l->process->reaped || l->process->fault != NULL;
}

bool pair_is_busy(const struct channel *c, const struct line *l, unsigned ends)
{
    if (c->kind != WIRE_PAIR)
        return false;
    for (const struct list *node = c->put_streams.next; node != &c->put_streams; node = node->next) {
        const struct sending *s = LIST_OWNER(node, const struct sending, on_channel);
        bool dropped = s->dropped || (c->pair->dropping && c->pair->from == s);
        if ((ends & END_SEND) != 0 && s->line != NULL && s->line != l && !dropped && !is_ending(s->line))
            return true;
    }
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next) {
        const struct line *other = LIST_OWNER(node, const struct receiving, on_channel)->line;
        if ((ends & END_RECV) != 0 && other != l && !is_ending(other))
            return true;
    }
    return false;
}

/* ---- its sending stream ------------------------------------------------------------------------------------------ */

bool pair_owes(const struct sending *s)
{
    return pair_excludes(s->channel) && s->channel->pair->from == s;
}

bool pair_keeps(const struct sending *s)
{
    const struct pair *p = s->channel->pair;
    return p != NULL && p->from == s && p->state == PAIR_ORPHANED && !p->drained;
}

void pair_forget(struct sending *s)
{
    struct pair *p = s->channel->pair;
    if (p != NULL && p->from == s)
        p->from = NULL;
}

const char *pair_check_put(const struct sending *s, const struct message *m)
{
    const struct pair *p = s->channel->pair;
    bool back = (m->head.flags & WIRE_BACK) != 0, joined = p != NULL && p->from == s && p->joined;
    if (!back)
        return joined ? "a PUT beside the pair" : NULL;
    if (!joined || p->state != PAIR_RECALLING)
        return "a PUT with BACK of what was not recalled";
    uint64_t sent = pair_sent(p);
    uint64_t owed = sent > p->taken + p->back ? sent - p->taken - p->back : 0;
    return m->head.count > owed ? "more values come back than were not taken" : NULL;
}

struct list *pair_place(struct broker *b, struct sending *s, const struct message *m)
{
    struct list *queue = &s->channel->sending, *at = queue;
    if ((m->head.flags & WIRE_BACK) == 0)
        return queue;
    struct pair *p = s->channel->pair;
    p->back += m->head.count;
    if (p->to != NULL)
        receiving_sync(b,
                       p->to); /* its sender saw what was taken: there is room for what comes back, before any close */
    while (at->prev != queue && !is_stream_of(LIST_OWNER(at->prev, struct waiter, node), s))
        at = at->prev; /* it was sent before anything that others wait with */
    return at;
}

/* ---- what others want to know ------------------------------------------------------------------------------------ */

static uint64_t page_taken(const struct pair *p)
{
    return atomic_load_explicit(&p->page->taken, memory_order_acquire) & ~WIRE_REVOKED;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Values that went over it, as far as is known. */
static uint64_t went(const struct pair *p)
{
    return p->drained ? p->taken : pair_sent(p);
}

struct pair_counts pair_counts(const struct channel *c)
{
    const struct pair *p = c->pair;
    struct pair_counts n = {0};
    if (p == NULL || p->state < PAIR_JOINING)
        return n;
    uint64_t taken = page_taken(p), sent = went(p);
    if (p->state == PAIR_RECALLING) { /* what was taken is in the channel's counts */
        n.values = minus(sent, p->taken + p->back);
        return n;
    }
    n.values = minus(sent, taken);
    n.taken = taken < sent ? taken : sent;
    uint64_t bytes = n.values != 0 ? atomic_load_explicit(&p->page->bytes, memory_order_relaxed) : 0;
    n.bytes = bytes < c->max_bytes ? bytes : c->max_bytes;
    return n;
}

struct used pair_left(const struct channel *c)
{
    struct pair_counts n = {0};
    if (c->pair != NULL && c->pair->state == PAIR_LEFT)
        n = pair_counts(c);
    return (struct used){n.values, n.bytes};
}

bool pair_sends(const struct sending *s)
{
    const struct pair *p = s->channel->pair;
    return p != NULL && p->from == s && p->state == PAIR_DIRECT;
}

bool pair_receives(const struct receiving *r)
{
    const struct pair *p = r->channel->pair;
    return p != NULL && p->to == r && p->told && p->state != PAIR_RECALLING;
}

bool pair_has_room(const struct sending *s)
{
    const struct pair *p = s->channel->pair;
    uint64_t wanted = atomic_load_explicit(&p->page->wanted, memory_order_acquire);
    return wanted == 0 || wanted <= page_taken(p) + atomic_load_explicit(&p->page->before, memory_order_acquire);
}

bool pair_has_value(const struct receiving *r)
{
    const struct pair *p = r->channel->pair;
    uint64_t taken = page_taken(p);
    return went(p) > taken || page_count(r->line, r->slot) != r->delivered;
}

static bool moves(const struct channel *c)
{
    const struct pair *p = c->pair;
    if (p == NULL || p->state == PAIR_NONE || p->state == PAIR_LEFT)
        return false;
    return p->state != PAIR_DIRECT || !p->told;
}

bool pair_moves(const struct line *l)
{
    for (const struct list *node = l->puts.next; node != &l->puts; node = node->next) {
        const struct sending *s = LIST_OWNER(node, const struct sending, on_line);
        if (moves(s->channel) && s->channel->pair->from == s)
            return true;
    }
    for (const struct list *node = l->takes.next; node != &l->takes; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, const struct receiving, on_line);
        if (moves(r->channel) && r->channel->pair->to == r)
            return true;
    }
    return false;
}
