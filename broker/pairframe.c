/* SPDX-License-Identifier: MPL-2.0 */
/* What happens to pairs: what their lines say, what other callers do, what ends. Decision: here it is only found which
 * pair is meant, and whether who speaks is a party; what then follows the table of pair.c says. */
#include "pair.h"

#include <errno.h>
#include <string.h>

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* The pair that a frame of the line means, where it is the present generation and the line its receiver's (or its
 * sender's); else NULL: it has crossed the end of that. */
static struct pair *meant(const struct broker *b, const struct line *l, const struct message *m, bool receives)
{
    const struct channel *c = channel_find(b, m->head.channel);
    struct pair *p = c != NULL ? c->pair : NULL;
    if (p == NULL || p->state == PAIR_NONE || p->generation != m->head.seq)
        return NULL;
    const struct line *party = NULL;
    if (receives && p->to != NULL)
        party = p->to->line;
    else if (!receives && p->from != NULL)
        party = p->from->line;
    return party == l ? p : NULL;
}

void pair_bound(struct broker *b, struct line *l, const struct message *m)
{
    struct pair *p = meant(b, l, m, true);
    if (p != NULL)
        pair_happen(b, p, m->head.count == 0 ? EVENT_BOUND : EVENT_NOT_BOUND, &(struct news){l, 0});
}

void pair_joined(struct broker *b, struct line *l, const struct message *m)
{
    struct pair *p = meant(b, l, m, false);
    struct wire_joined w;
    memcpy(&w, m->payload, sizeof w);
    if (p != NULL)
        pair_happen(b, p, m->head.count == 0 ? EVENT_JOINED : EVENT_NOT_JOINED, &(struct news){l, w.put});
}

void pair_recalled(struct broker *b, struct line *l, const struct message *m)
{
    struct pair *p = meant(b, l, m, false);
    if (p != NULL)
        pair_happen(b, p, EVENT_RECALLED, &(struct news){l, 0});
}

void pair_drained(struct broker *b, struct line *l, const struct message *m)
{
    struct pair *p = meant(b, l, m, true);
    struct wire_recall w;
    memcpy(&w, m->payload, sizeof w);
    if (p != NULL)
        pair_happen(b, p, EVENT_DRAINED, &(struct news){l, w.taken});
}

void pair_unpair(struct broker *b, struct line *l, const struct message *m)
{
    const struct channel *c = channel_find(b, m->head.channel);
    struct pair *p = c != NULL ? c->pair : NULL;
    bool sends = p != NULL && p->from != NULL && p->from->line == l;
    if (sends)
        pair_happen(b, p, EVENT_UNPAIR, &(struct news){l, 0});
    bool recalled = sends && p->state == PAIR_RECALLING;
    struct wire_recall w = {recalled ? p->taken : 0};
    reply_answer(b, l, m, recalled ? 0 : ENOENT, &w, sizeof w);
}

/* ---- what others do ---------------------------------------------------------------------------------------------- */

void pair_disturb(struct broker *b, struct channel *c)
{
    if (c->pair != NULL)
        pair_happen(b, c->pair, EVENT_DISTURBED, &(struct news){0});
}

void pair_opened(struct broker *b, struct channel *c)
{
    if (c->pair != NULL)
        c->pair->unfit = false;
    pair_disturb(b, c);
}

bool pair_close(struct broker *b, struct channel *c)
{
    if (c->pair == NULL)
        return false;
    pair_disturb(b, c);
    c->pair->closing = pair_excludes(c);
    return c->pair->closing;
}

bool pair_drops(struct broker *b, struct sending *s)
{
    struct pair *p = s->channel->pair;
    if (p == NULL || p->from != s)
        return false;
    pair_disturb(b, s->channel);
    if (p->from != s)
        return false;
    p->dropping = true;
    return true;
}

void pair_sender_ends(struct broker *b, struct sending *s)
{
    struct pair *p = s->channel->pair;
    if (p == NULL)
        return;
    p->unfit = false;
    if (p->from == s)
        pair_happen(b, p, EVENT_SENDER_ENDS, &(struct news){0});
}

void pair_receiver_ends(struct broker *b, struct receiving *r)
{
    struct pair *p = r->channel->pair;
    if (p == NULL)
        return;
    p->unfit = false;
    if (p->to == r)
        pair_happen(b, p, EVENT_RECEIVER_ENDS, &(struct news){0});
}
