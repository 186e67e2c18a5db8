/* SPDX-License-Identifier: MPL-2.0 */
/* Channels: their numbers and names, their buffers, their closing and breaking. Decision: what closing means for those
 * who wait is not done here: the channel is touched, and settle() answers them. */
#include "fnv.h"
#include "lease.h"
#include "pair.h"

#include <stdlib.h>
#include <string.h>

bool name_is_good(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (name[i] == '\0' || name[i] == '\t' || name[i] == '\n')
            return false;
    return length <= WIRE_MAX_NAME;
}

struct channel *channel_named(const struct broker *b, const char *name, size_t length)
{
    for (struct item *i = table_find(&b->names, csp__fnv(CSP__FNV_START, name, length)); i != NULL; i = table_next(i)) {
        struct channel *c = LIST_OWNER(i, struct channel, by_name);
        if (strlen(c->name) == length && memcmp(c->name, name, length) == 0)
            return c;
    }
    return NULL;
}

struct channel *channel_find(const struct broker *b, uint64_t id)
{
    struct item *i = table_find(&b->channels, id);
    return i != NULL ? LIST_OWNER(i, struct channel, item) : NULL;
}

struct channel *channel_new(struct broker *b, const struct wire_make *make, const char *name, size_t length,
                            bool direct)
{
    struct channel *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    list_init(&c->touched);
    list_init(&c->woken);
    list_init(&c->sending);
    list_init(&c->receiving);
    list_init(&c->buffer);
    list_init(&c->put_streams);
    list_init(&c->take_streams);
    list_init(&c->sources);
    list_init(&c->idle);
    c->capacity = make->capacity;
    c->max_bytes = make->max_bytes;
    c->kind = make->kind;
    c->policy = make->policy;
    if (length != 0 && (c->name = strndup(name, length)) == NULL)
        goto no_memory;
    if (direct && pair_make(c) != 0)
        goto no_memory;
    if (table_add(&b->channels, &c->item, b->next_channel) != 0)
        goto no_memory;
    if (c->name != NULL && table_add(&b->names, &c->by_name, csp__fnv(CSP__FNV_START, name, length)) != 0) {
        table_remove(&b->channels, &c->item);
        goto no_memory;
    }
    b->next_channel++;
    return c;
no_memory:
    free(c->pair);
    free(c->name);
    free(c);
    return NULL;
}

void channel_touch(struct broker *b, struct channel *c)
{
    if (list_empty(&c->touched))
        list_push(&b->touched, &c->touched);
}

void channel_close(struct broker *b, struct channel *c)
{
    if (c->state == CHANNEL_OPEN)
        c->state = CHANNEL_CLOSED;
    channel_touch(b, c);
}

void channel_discard(struct broker *b, struct channel *c)
{
    LIST_EACH(node, next, &c->buffer)
    {
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        attached_release(b, &block->attached);
        block_free(block);
    }
    c->lost += c->values;
    c->values = c->bytes = 0;
    if (c->settings != NULL)
        backoff_discard(b, c);
}

bool channel_reap(struct broker *b, struct channel *c)
{
    if (c->name != NULL || c->senders != 0 || c->receivers != 0 || !list_empty(&c->put_streams) ||
        !list_empty(&c->take_streams) || settings_keep(c))
        return false;
    channel_discard(b, c);
    settings_free(b, c);
    pair_free(b, c);
    list_remove(&c->touched);
    list_remove(&c->idle);
    table_remove(&b->channels, &c->item);
    free(c);
    return true;
}

bool channel_unname(struct broker *b, struct channel *c)
{
    bool used = c->senders != 0 || c->receivers != 0 || c->values != 0 || c->lost != 0 || c->settings != NULL ||
                !list_empty(&c->sources) || !list_empty(&c->put_streams) || !list_empty(&c->take_streams) ||
                !list_empty(&c->sending) || !list_empty(&c->receiving);
    if (used || c->state == CHANNEL_OPEN)
        return false;
    table_remove(&b->names, &c->by_name);
    free(c->name);
    c->name = NULL;
    channel_touch(b, c);
    return true;
}

void channel_push(struct broker *b, struct channel *c, struct block *block)
{
    if (c->settings != NULL)
        block->id = value_enters(b, c, block, block->count);
    block->order = c->order;
    c->order += block->count;
    c->values += block->count;
    c->bytes += block->bytes;
    list_push(&c->buffer, &block->wait.node);
}

void channel_lose(struct channel *c, uint32_t n)
{
    c->order += n;
    c->lost += n;
}

void channel_return(struct broker *b, struct channel *c, struct block *block)
{
    struct list *at = c->buffer.next;
    while (at != &c->buffer && LIST_OWNER(at, struct block, wait.node)->order < block->order)
        at = at->next;
    list_remove(&block->wait.node);
    list_push(at, &block->wait.node);
    c->values += block->count;
    c->bytes += block->bytes;
    c->received -= block->count;
    channel_touch(b, c);
}

void channel_pop(struct channel *c, uint32_t n, uint64_t bytes, uint64_t cost)
{
    struct block *first = LIST_OWNER(list_first(&c->buffer), struct block, wait.node);
    c->values -= n;
    c->bytes -= bytes;
    block_advance(first, n, bytes, cost);
    if (first->count == 0)
        block_free(first);
}

struct used channel_used(const struct channel *c)
{
    struct used used = pair_left(c);
    used.values += c->values;
    used.bytes += c->bytes;
    if (c->kind != WIRE_PAIR)
        return used;
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, const struct receiving, on_channel);
        used.values += r->delivered - r->taken;
        used.bytes += r->out_bytes;
    }
    return used;
}

bool channel_room(const struct channel *c, uint64_t length)
{
    struct used used = channel_used(c);
    if (used.values == 0)
        return c->capacity != 0;
    return used.values < c->capacity && used.bytes <= c->max_bytes && length <= c->max_bytes - used.bytes;
}
