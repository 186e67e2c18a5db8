/* SPDX-License-Identifier: MPL-2.0 */
/* Dead letters: section 16 of docs/protocol.md. Decision: they wait in the queue of senders of their channel as what a
 * stream has put does, in its turn with the others; that stream is the source's own, is made with its settings, and has
 * nobody to be told. So a dead letter needs no memory that could be missing. */
#include "durable.h"
#include "lease.h"

#include <stdio.h>

/* There is room for it, with those that wait already. */
static bool fits(const struct settings *s, const struct block *block)
{
    struct used used = channel_used(s->dead);
    const struct list *waiting = &s->dead->sending;
    for (const struct list *node = waiting->next; node != waiting; node = node->next) {
        const struct waiter *w = LIST_OWNER(node, const struct waiter, node);
        if (w->kind != WAITER_BLOCK)
            return false;
        used.values += LIST_OWNER(w, const struct block, wait)->count;
        used.bytes += LIST_OWNER(w, const struct block, wait)->bytes;
    }
    return used.values == 0 || (used.values < s->dead->capacity && used.bytes + block->bytes <= s->dead->max_bytes);
}

/* Its channel takes no such value, now or ever. */
static bool is_refused(const struct settings *s, const struct block *block)
{
    const struct channel *dead = s->dead;
    if (dead == NULL || dead->state != CHANNEL_OPEN || block->bytes > dead->max_bytes)
        return true;
    return dead->settings != NULL && dead->settings->overflow == WIRE_REJECT && !fits(s, block);
}

/* It is refused because nobody is left to receive it, and the next run has somebody. */
static bool is_left(const struct settings *s, const struct block *block)
{
    const struct channel *dead = s->dead;
    return dead != NULL && dead->durable != NULL && dead->state == CHANNEL_BROKEN && block->bytes <= dead->max_bytes;
}

/* Some of the values may be refused, and others not. */
static bool is_mixed(const struct settings *s, const struct block *block)
{
    const struct channel *dead = s->dead;
    return block->count > 1 && dead != NULL &&
           (block->bytes > dead->max_bytes || (dead->settings != NULL && dead->settings->overflow == WIRE_REJECT));
}

void dead_letter(struct broker *b, struct channel *c, struct block *block)
{
    struct settings *s = c->settings;
    while (is_mixed(s, block)) {
        uint64_t bytes, cost;
        block_fit(block, 1, 1, 0, 0, &bytes, &cost);
        struct block *front = block_split(block, 1, bytes, cost);
        if (front == NULL)
            break; /* all of them share the fate of their sum */
        dead_letter(b, c, front);
    }
    bool refused = is_refused(s, block), left = refused && is_left(s, block);
    value_is_settled(b, c, block, block->count, refused && !left ? FATE_GIVEN_UP : FATE_DEAD_LETTER);
    block->before = block->tries;
    block->key = 0;
    if (left && durable_leave(b, s->dead, block, (struct durable_from){0}))
        channel_lose(s->dead, block->count);
    else if (left)
        s->given_up += block->count;
    if (refused) {
        attached_release(b, &block->attached);
        block_free(block);
        return;
    }
    (void)durable_append(b, s->dead, block,
                         (struct durable_from){0}); /* without memory it is added when there is room for it */
    block->stream = &s->letters;
    s->letters.since = s->letters.waiting == 0 ? b->now : s->letters.since;
    s->letters.put += block->count;
    s->letters.waiting += block->count;
    list_push(&s->dead->sending, &block->wait.node);
    channel_touch(b, s->dead);
}

void dead_refused(struct broker *b, struct block *block)
{
    struct channel *c = block->stream->source, *dead = block->stream->channel;
    if (dead->durable != NULL && block->key != 0) /* stored when it was sent there */
        channel_lose(dead, block->count);
    else
        c->settings->given_up += block->count;
    block->stream->waiting -= block->count;
    attached_release(b, &block->attached);
    block_free(block);
    channel_touch(b, c);
    deadlock_possible(b);
}

/* NAME[REPLICA]. Its length. */
static int who(const struct process *p, char *text, size_t size)
{
    const char *name = p->name != NULL ? p->name : p->guest ? "guest" : "-";
    return snprintf(text, size, "%s[%u]", name, p->replica);
}

struct text *dead_reason(const struct process *p, struct reason why)
{
    static const char *const hows[] = {[HOW_CLEAN] = "ended without settling it",
                                       [HOW_CODE] = "exit status",
                                       [HOW_SIGNAL] = "signal",
                                       [HOW_CANCELLED] = "cancelled",
                                       [HOW_DEADLINE] = "deadline"};
    char text[WIRE_MAX_NAME + 128];
    int n = who(p, text, sizeof text);
    n += snprintf(text + n, sizeof text - (size_t)n, ": %s", p->expired ? "timeout" : hows[why.how]);
    if (!p->expired && (why.how == HOW_CODE || (why.how == HOW_SIGNAL && why.code != 0)))
        n += snprintf(text + n, sizeof text - (size_t)n, " %d", why.code);
    return text_new(text, (size_t)n);
}

struct text *dead_unreasoned(const struct process *p, uint32_t deliveries, bool refused)
{
    char text[WIRE_MAX_NAME + 128];
    int n = who(p, text, sizeof text);
    n += snprintf(text + n, sizeof text - (size_t)n, ": %s, and no reason given: delivered %u time%s",
                  refused ? "rejected" : "given back", deliveries, deliveries == 1 ? "" : "s");
    return text_new(text, (size_t)n);
}
