/* SPDX-License-Identifier: MPL-2.0 */
/* What can happen in a select without the broker. Decision: a select whose cases are all this thread's own is decided
 * by one look at each, at memory that lies at hand: its stream, found at the last select and known as long as no stream
 * has ended; whether values of it are here; and of a pair the page, which says whether more has come. No socket is
 * asked but that of the case drawn, and no clock but for a timer. Whatever such a look does not settle takes the whole
 * way. */
#include "error.h"
#include "pair.h"
#include "plan.h"
#include "polling.h"
#include "stream.h"

#include <errno.h>

/* ---- the draw */

uint64_t csp__random(struct csp__line *line)
{
    uint64_t x = line->random; /* xorshift64* (Vigna): even enough for a draw, and no lock */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    line->random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

/* Where in a list of so many ready cases the one is that happens. */
static size_t draw(const struct csp__plan *p, size_t ready)
{
    return p->ordered || ready < 2 ? 0 : (size_t)((csp__random(p->line) >> 32) * ready >> 32);
}

/* ---- each case */

static int is_due(struct csp__plan *p, csp_time when, csp_time *now)
{
    if (*now == 0)
        *now = csp_now();
    if (*now >= when)
        return 1;
    if (p->next == CSP_FOREVER || when < p->next)
        p->next = when;
    return 0;
}

int csp__is_ready(struct csp__plan *p, size_t i, csp_time *now)
{
    const csp_case *c = &p->cases[i];
    const struct csp__slot *slot = &p->slots[i];
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
    case CSP__OP_SEND_MSG:
        return slot->stream == NULL || csp__stream_may_put(slot->stream, csp__sent_length(c));
    case CSP__OP_RECV:
    case CSP__OP_MSG:
    case CSP__OP_BLOCK:
        return (slot->stream != NULL && csp__stream_may_take(slot->stream)) ||
               csp__stash_find(p->line, c->chan) != NULL;
    case CSP__OP_TIME:
        return is_due(p, c->arg, now);
    case CSP__OP_TICK:
        return is_due(p, ((const csp_tick *)c->buf)->next, now);
    case CSP__OP_FD:
    case CSP__OP_EXIT:
        return p->line->polls[slot->poll].revents != 0;
    case CSP__OP_WINDOW:
        return csp__stream_has_room(slot->stream, (uint64_t)c->arg);
    case CSP__OP_FLUSH:
        return csp__stream_is_flushed(slot->stream);
    default:
        return 0;
    }
}

int csp__pick(struct csp__plan *p)
{
    csp_time now = 0;
    uint16_t *ready = p->line->ready;
    size_t count = 0;
    p->next = CSP_FOREVER;
    if (p->fds > 0 && csp__poll(p->line->polls + CSP__OWN_POLLS, p->fds, CSP_NOW) < 0)
        return csp__plan_fail(p, errno);
    for (size_t i = 0; i < p->n; i++) {
        if (p->slots[i].kind != CSP__LOCAL || !csp__is_ready(p, i, &now))
            continue;
        if (p->cases[i].op == CSP__OP_FD && (p->line->polls[p->slots[i].poll].revents & POLLNVAL) != 0)
            return csp__plan_fail_case(p, i, EBADF);
        if (p->ordered)
            return (int)i;
        ready[count++] = (uint16_t)i;
    }
    return count != 0 ? ready[draw(p, count)] : CSP__NONE;
}

/* ---- at a look */

enum look { NOT_READY, READY, UNHEARD, UNCLEAR }; /* UNHEARD: not ready, as far as the broker was heard */

/* The slots from the last select on are of no case yet. */
static void know(struct csp__plan *p)
{
    for (; p->line->known < p->n; p->line->known++)
        p->slots[p->line->known].stream = NULL;
}

/* This line's stream of the case's channel, or NULL. */
static inline struct csp__stream *stream_of(struct csp__line *line, const csp_case *c, struct csp__slot *slot)
{
    struct csp__stream *s = slot->stream;
    if (s == NULL || s->chan != c->chan)
        s = slot->stream = csp__stream_find(line, c->chan);
    return s;
}

static inline enum look look_at_receive(struct csp__line *line, const csp_case *c, struct csp__slot *slot)
{
    if (c->buf == NULL && (c->op != CSP__OP_RECV || c->arg != 0))
        return UNCLEAR;
    if (c->chan == 0)
        return NOT_READY;
    struct csp__stream *s = stream_of(line, c, slot);
    if (s == NULL || !s->recv.on)
        return UNCLEAR;
    if (s->recv.first != NULL || (s->recv.closed && csp__stream_is_closed(s)))
        return READY;
    const struct csp__pair *pair = s->recv.pair;
    return pair == NULL || !pair->direct ? UNHEARD : csp__pair_says(pair) ? READY : NOT_READY;
}

static enum look look_at_send(struct csp__line *line, const csp_case *c, struct csp__slot *slot)
{
    if ((c->buf == NULL && c->len != 0) || c->len > WIRE_MAX_VALUE)
        return UNCLEAR;
    if (c->chan == 0)
        return NOT_READY;
    struct csp__stream *s = stream_of(line, c, slot);
    if (s == NULL || !s->send.on || ((s->exact & CSP_SEND) != 0 && s->send.pair == NULL))
        return UNCLEAR;
    return csp__stream_may_put(s, c->len) ? READY : NOT_READY;
}

static enum look look_at_timer(struct csp__plan *p, csp_time when, csp_time *now)
{
    return when != CSP_FOREVER && is_due(p, when, now) ? READY : NOT_READY;
}

static enum look look_at_other(struct csp__plan *p, const csp_case *c, struct csp__slot *slot, csp_time *now)
{
    const csp_tick *t = c->buf;
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
        return look_at_send(p->line, c, slot);
    case CSP__OP_TIME:
        return look_at_timer(p, c->arg, now);
    case CSP__OP_TICK:
        return t != NULL && t->every > 0 ? look_at_timer(p, t->next, now) : UNCLEAR;
    default:
        return UNCLEAR;
    }
}

/* Lists the cases that can happen, as far as can be seen: how many; 0 also where one is unclear. *unheard: some cannot
 * for all that was heard. */
static size_t list_ready(struct csp__plan *p, int *unheard)
{
    csp_time now = 0;
    struct csp__line *line = p->line;
    struct csp__slot *slot = p->slots;
    uint16_t *ready = line->ready;
    size_t count = 0, n = p->n;
    csp_case *c = p->cases;
    for (size_t i = 0; i < n; i++, c++, slot++) {
        enum look seen = csp__receives(c) ? look_at_receive(line, c, slot) : look_at_other(p, c, slot, &now);
        if (seen == UNCLEAR)
            return 0;
        if (c->err != 0)
            c->err = 0;
        ready[count] = (uint16_t)i;
        count += seen == READY;
        *unheard |= seen == UNHEARD;
    }
    return count;
}

int csp__select_fast(struct csp__plan *p)
{
    know(p);
    int unheard = 0;
    size_t count = p->line->stash == NULL ? list_ready(p, &unheard) : 0;
    if (count == 0)
        return CSP__NONE;
    if (unheard && ++p->line->calls % CSP__LISTEN_RUN == 0)
        (void)csp__line_pump(p->line); /* csp__stream_hear alone is rare: what the broker brings would be drawn late */
    if (!csp__stream_hear(p->line))
        return CSP__NONE;
    for (uint16_t *ready = p->line->ready; count != 0; ready++, count--) {
        size_t k = draw(p, count), i = ready[k];
        if (!csp__receives(&p->cases[i]) || csp__stream_may_take(p->slots[i].stream))
            return csp__happen(p, i);
        ready[k] = ready[0]; /* the page has said it, but the frame is not here yet */
    }
    return CSP__NONE;
}
