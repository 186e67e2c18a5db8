/* SPDX-License-Identifier: MPL-2.0 */
/* Staged values: section 16 of docs/protocol.md. Decision: they are blocks in a list of their line, which nothing but
 * that line's ACK looks at; so they are seen by nobody, need no room, and go with the line. The ACK moves them and
 * settles the leases in one event, so there is no moment between the two. */
#include "durable.h"
#include "lease.h"
#include "pair.h"

static void unstage(struct block *block)
{
    block->stream->channel->staged -= block->count;
    list_remove(&block->wait.node);
}

void staged_keep(struct broker *b, struct line *l, struct block *block)
{
    struct channel *c = block->stream->channel;
    c->staged += block->count;
    c->hosted = true;
    if (c->pair != NULL)
        pair_disturb(b, c);
    list_push(&l->staged, &block->wait.node);
}

void staged_drop(struct line *l, const struct sending *s)
{
    LIST_EACH(node, next, &l->staged)
    {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        if (s != NULL && block->stream != s)
            continue;
        unstage(block);
        block_free(block);
    }
}

/* Nobody gets it in this run; for its caller it was put all the same. */
static void lose(struct broker *b, struct block *block, bool counted)
{
    struct sending *s = block->stream;
    s->put += block->count;
    s->committed += block->count;
    if (list_empty(&s->to_say))
        list_push(&b->rooms, &s->to_say);
    if (counted)
        channel_lose(s->channel, block->count);
    block_free(block);
}

void staged_cancel(struct broker *b, struct line *l)
{
    for (struct list *node; (node = list_first(&l->staged)) != NULL;) {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        unstage(block);
        lose(b, block, false);
    }
}

void staged_put(struct broker *b, struct line *l)
{
    for (struct list *node; (node = list_first(&l->staged)) != NULL;) {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        struct sending *s = block->stream;
        unstage(block);
        if (s->refused || s->dropped || s->channel->state != CHANNEL_OPEN) {
            (void)durable_leave(b, s->channel, block, s->from);
            lose(b, block, true);
            continue;
        }
        (void)durable_append(b, s->channel, block, s->from); /* without memory it is added when there is room for it */
        block->acknowledged = true;
        sending_enqueue(b, s, block, &s->channel->sending);
    }
}

struct block *staged_take(struct line *l)
{
    struct list *node = list_first(&l->staged);
    struct block *block = node != NULL ? LIST_OWNER(node, struct block, wait.node) : NULL;
    if (block != NULL)
        unstage(block);
    return block;
}
