/* SPDX-License-Identifier: MPL-2.0 */
/* Which streams are joined directly, and when: section 15 of docs/protocol.md. Decision: it is looked for whenever
 * something happened on the channel, what costs least first; what must be searched for is looked for once a millisecond
 * at most. Where the page cannot be made the channel stays hosted: it works all the same. */
#include "pair.h"

#include "entropy.h"

#include <string.h>

#define AGAIN_NS INT64_C(1000000)

/* The streams that can be joined: 0, or -1. */
static int find_both(struct pair *p)
{
    const struct channel *c = p->channel;
    const struct list *from = list_first(&c->put_streams), *to = list_first(&c->take_streams);
    if (from == NULL || to == NULL || from->next != &c->put_streams || to->next != &c->take_streams)
        return -1;
    p->from = LIST_OWNER(from, struct sending, on_channel);
    p->to = LIST_OWNER(to, struct receiving, on_channel);
    const struct line *s = p->from->line, *r = p->to->line;
    if (s == NULL || s == r || p->from->dropped || p->from->refused || p->to->closed)
        return -1;
    return !s->connected || !r->connected || s->process->guest || r->process->guest ? -1 : 0;
}

/* Offers of other lines than `own`, which withdraws its own when it is told to join; but not one that has a channel
 * attached: it would have the pair recalled at once. */
static bool others_wait(const struct list *queue, const struct line *own)
{
    for (const struct list *node = queue->next; node != queue; node = node->next) {
        const struct waiter *w = LIST_OWNER(node, const struct waiter, node);
        const struct offer_case *oc = LIST_OWNER(w, const struct offer_case, wait);
        if (w->kind == WAITER_CASE && (oc->offer->line != own || oc->attached.channel != NULL))
            return true;
    }
    return false;
}

static bool any_attached(const struct list *blocks)
{
    for (const struct list *node = blocks->next; node != blocks; node = node->next)
        if (LIST_OWNER(node, const struct block, wait.node)->attached.channel != NULL)
            return true;
    return false;
}

/* What it takes long to look for is looked for once a millisecond. */
static bool is_free(const struct broker *b, struct pair *p)
{
    const struct channel *c = p->channel;
    if (!others_wait(&c->sending, p->from->line) && !others_wait(&c->receiving, NULL) && !any_attached(&c->buffer) &&
        !any_attached(&p->to->out))
        return true;
    p->not_before = b->now + AGAIN_NS;
    return false;
}

void pair_introduce(struct broker *b, struct pair *p)
{
    const struct channel *c = p->channel;
    struct wire_pair w = {.taken = 0};
    char path[4096];
    if (p->unfit || c->hosted || !list_empty(&b->idles) || b->record != NULL || c->state != CHANNEL_OPEN ||
        c->capacity == 0 || b->now < p->not_before || find_both(p) != 0 || !is_free(b, p)) {
        p->from = NULL;
        p->to = NULL;
        return;
    }
    p->generation++;
    pair_file(b, p, 'y', path, sizeof path);
    if (csp__entropy(p->token, sizeof p->token) == 0)
        p->page = page_make(path);
    if (p->page == NULL) {
        p->unfit = true;
        p->from = NULL;
        p->to = NULL;
        return;
    }
    p->state = PAIR_BINDING;
    memcpy(w.token, p->token, sizeof w.token);
    pair_say(b, p, p->to->line, WIRE_BIND, &w, sizeof w);
}
