/* SPDX-License-Identifier: MPL-2.0 */
/* Ends of channels: who holds them, and what happens when the last goes. Decision: a grant that must not fail for want
 * of memory (to the receiver of a value with a channel attached) is reserved before the value is committed, so that the
 * commit itself cannot leave it half done. */
#include "broker.h"

#include <stdlib.h>

static struct end *find(const struct process *p, const struct channel *c)
{
    struct item *i = table_find(&p->ends, c->item.key);
    return i != NULL ? LIST_OWNER(i, struct end, item) : NULL;
}

unsigned ends_of(const struct process *p, const struct channel *c)
{
    const struct end *e = find(p, c);
    return e != NULL ? e->mask : 0;
}

bool ends_allow(const struct process *p, const struct channel *c, unsigned ends)
{
    return (p->guest && c->name != NULL) || (ends_of(p, c) & ends) == ends;
}

static void drop_if_unused(struct process *p, struct end *e)
{
    if (e->mask != 0 || e->reserved != 0)
        return;
    table_remove(&p->ends, &e->item);
    list_remove(&e->node);
    free(e);
}

int ends_reserve(struct process *p, struct channel *c)
{
    struct end *e = find(p, c);
    if (e == NULL) {
        e = calloc(1, sizeof *e);
        if (e == NULL)
            return -1;
        if (table_add(&p->ends, &e->item, c->item.key) != 0) {
            free(e);
            return -1;
        }
        e->channel = c;
        list_push(&p->held, &e->node);
    }
    e->reserved++;
    return 0;
}

void ends_unreserve(struct process *p, struct channel *c)
{
    struct end *e = find(p, c);
    e->reserved--;
    drop_if_unused(p, e);
}

void ends_grant(struct process *p, struct channel *c, unsigned ends)
{
    struct end *e = find(p, c);
    e->reserved--;
    hold_take(c, ends & ~e->mask);
    e->mask |= ends;
}

int ends_give(struct process *p, struct channel *c, unsigned ends)
{
    if (ends_reserve(p, c) != 0)
        return -1;
    ends_grant(p, c, ends);
    return 0;
}

void hold_take(struct channel *c, unsigned ends)
{
    c->senders += (ends & END_SEND) != 0;
    c->receivers += (ends & END_RECV) != 0;
}

void hold_release(struct broker *b, struct channel *c, unsigned ends, struct reason why)
{
    if ((ends & END_SEND) != 0) {
        if (c->why.how == HOW_CLEAN)
            c->why = why;
        if (--c->senders == 0 && c->policy != WIRE_CLOSE_NEVER)
            channel_close(b, c);
    }
    if ((ends & END_RECV) != 0) {
        if (--c->receivers == 0)
            c->state = CHANNEL_BROKEN;
        receiving_rearm(b, c);
    }
    channel_touch(b, c);
    deadlock_possible(b);
}

void ends_release(struct broker *b, struct process *p, struct channel *c, unsigned ends, struct reason why)
{
    struct end *e = find(p, c);
    if (e == NULL)
        return;
    ends &= e->mask;
    e->mask &= ~ends;
    drop_if_unused(p, e);
    hold_release(b, c, ends, why);
}

void ends_release_all(struct broker *b, struct process *p, struct reason why)
{
    LIST_EACH(node, next, &p->held)
    {
        struct end *e = LIST_OWNER(node, struct end, node);
        ends_release(b, p, e->channel, e->mask, successor_reason(p, e->channel, why));
    }
    table_free(&p->ends);
}

void attached_release(struct broker *b, struct attached *a)
{
    if (a->channel != NULL)
        hold_release(b, a->channel, a->ends, (struct reason){0});
    a->channel = NULL;
}

void attached_grant(struct broker *b, struct attached *a, struct process *p, bool stays)
{
    if (a->channel == NULL)
        return;
    ends_grant(p, a->channel, a->ends);
    if (!stays)
        attached_release(b, a); /* the process holds them now: this cannot be the last */
}
