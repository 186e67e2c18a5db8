/* SPDX-License-Identifier: MPL-2.0 */
/* The settings of a channel: SET, section 16 of docs/protocol.md; and the points at which the fate of its values
 * changes. Decision: they are made before the first value and stay as they are, so that nothing which depends on them
 * is ever half one way and half the other; and what they need for dead letters they have from then on. */
#include "durable.h"
#include "lease.h"
#include "pair.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_BITS 40 /* of an id for the place in its channel, the rest for the channel */

/* Dead letters of `dead` come, over any number of channels, to c. */
static bool leads_to(const struct channel *dead, const struct channel *c)
{
    while (dead != NULL && dead != c)
        dead = dead->settings != NULL ? dead->settings->dead : NULL;
    return dead == c;
}

static bool may_set(const struct broker *b, const struct process *p, const struct channel *c)
{
    return c->name != NULL ? p == b->root : ends_of(p, c) == (END_SEND | END_RECV);
}

static bool may_send(const struct broker *b, const struct process *p, const struct channel *c)
{
    return (c->name != NULL && p == b->root) || ends_allow(p, c, END_SEND);
}

static int check(const struct broker *b, const struct process *p, const struct channel *c, const struct wire_set *w,
                 const struct channel *dead)
{
    if (c == NULL)
        return EBADF;
    if (c->kind != WIRE_CHANNEL || c->capacity == 0 || w->least < 0 || w->most < w->least || w->ordered > 1 ||
        w->overflow > WIRE_REJECT)
        return EINVAL;
    if (!may_set(b, p, c))
        return EPERM;
    if (w->dead != 0 && (dead == NULL || (dead->kind != WIRE_GROUP && !may_send(b, p, dead))))
        return EBADF;
    if (dead != NULL && (dead->kind != WIRE_CHANNEL || dead->capacity == 0 || leads_to(dead, c)))
        return EINVAL;
    bool used = c->order != 0 || !list_empty(&c->sending) || !list_empty(&c->put_streams) ||
                !list_empty(&c->take_streams) || c->state != CHANNEL_OPEN;
    return used || c->settings != NULL ? EBUSY : 0;
}

/* Its values go by the broker from now on. */
static void host(struct broker *b, struct channel *c)
{
    c->hosted = true;
    if (c->pair != NULL)
        pair_disturb(b, c);
}

static int make(struct broker *b, struct channel *c, const struct wire_set *w, struct channel *dead)
{
    struct settings *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ENOMEM;
    s->channel = c;
    s->least = w->least;
    s->most = w->most;
    s->ordered = w->ordered != 0;
    s->attempts = s->ordered && w->attempts == 0 ? 1 : w->attempts;
    s->leased = s->attempts != 0;
    s->overflow = (enum wire_overflow)w->overflow;
    s->base = c->item.key << ID_BITS;
    list_init(&s->of_dead);
    list_init(&s->holdings);
    list_init(&s->delayed);
    list_init(&s->parcels);
    list_init(&s->letters.on_line);
    list_init(&s->letters.on_channel);
    list_init(&s->letters.to_say);
    s->letters.channel = dead;
    s->letters.source = c;
    s->dead = dead;
    c->settings = s;
    host(b, c);
    if (dead == NULL)
        return 0;
    hold_take(dead, END_SEND);
    list_push(&dead->sources, &s->of_dead);
    host(b, dead);
    return 0;
}

void settings_set(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_set w;
    memcpy(&w, m->payload, sizeof w);
    struct channel *c = channel_find(b, m->head.channel), *dead = w.dead != 0 ? channel_find(b, w.dead) : NULL;
    int err = check(b, l->process, c, &w, dead);
    if (err == 0)
        err = make(b, c, &w, dead);
    if (err == 0 && m->head.length != sizeof w)
        durable_set(b, l, m, c); /* which answers */
    else
        reply_answer(b, l, m, err, NULL, 0);
}

bool settings_keep(const struct channel *c)
{
    const struct settings *s = c->settings;
    return s != NULL && (s->out != 0 || s->letters.waiting != 0 || !list_empty(&s->parcels));
}

static void release_dead(struct broker *b, struct settings *s)
{
    struct channel *dead = s->dead;
    s->dead = NULL;
    list_remove(&s->of_dead);
    if (dead != NULL)
        hold_release(b, dead, END_SEND, (struct reason){0});
}

void settings_free(struct broker *b, struct channel *c)
{
    struct settings *s = c->settings;
    if (s == NULL)
        return;
    backoff_discard(b, c);
    lease_forget(c);
    release_dead(b, s);
    c->settings = NULL;
    free(s);
}

static bool any_out(struct broker *b, struct channel *c)
{
    LIST_EACH(node, next, &c->take_streams)
    {
        struct receiving *r = LIST_OWNER(node, struct receiving, on_channel);
        receiving_sync(b, r);
        if (!list_empty(&r->out))
            return true;
    }
    return false;
}

void settings_finish(struct broker *b, struct channel *c)
{
    struct settings *s = c->settings;
    if (s != NULL && s->dead != NULL && s->backing_off == 0 && s->letters.waiting == 0 && !any_out(b, c) && s->out == 0)
        release_dead(b, s);
}

uint64_t settings_allow(const struct channel *c, struct process *p, bool waits)
{
    const struct settings *s = c->settings;
    if (s->letters.waiting != 0)
        return 0;
    return s->ordered ? parked_allow(c, p, waits) : UINT64_MAX;
}

/* ---- the points -------------------------------------------------------------------------------------------------- */

uint64_t value_enters(struct broker *b, struct channel *c, const struct block *block, uint32_t n)
{
    (void)b;
    (void)n;
    return block->id != 0 ? block->id : c->settings->base + c->order + 1;
}

void value_was_tried(struct broker *b, struct channel *c, struct block *block)
{
    block->tries++;
    durable_leased(b, c, block);
}

void value_is_settled(struct broker *b, struct channel *c, const struct block *block, uint32_t n, enum fate fate)
{
    record_settled(b, c, block, n, fate);
    durable_gone(b, c, block, n);
    b->idle_possible = true;
    if (fate == FATE_GIVEN_UP)
        c->settings->given_up += n;
    if (fate == FATE_DROPPED)
        c->settings->dropped += n;
    channel_touch(b, c);
}
