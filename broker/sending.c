/* SPDX-License-Identifier: MPL-2.0 */
/* Sending streams. Decision: each PUT is an entry of its own in the channel's queue of senders, at the place of its
 * arrival, as the ordinary sends that it stands for would be; so streams and offers take turns by themselves, and what
 * a stream leaves behind when it ends simply stays there, holding a sending end of its own. */
#include "durable.h"
#include "lease.h"
#include "pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sending *sending_find(const struct line *l, const struct channel *c)
{
    struct item *i = table_find(&l->put_streams, c->item.key);
    return i != NULL ? LIST_OWNER(i, struct sending, item) : NULL;
}

int sending_open(struct broker *b, struct line *l, struct channel *c, uint64_t window)
{
    struct sending *s = calloc(1, sizeof *s);
    if (s == NULL || table_add(&l->put_streams, &s->item, c->item.key) != 0) {
        free(s);
        return ENOMEM;
    }
    s->line = l;
    s->channel = c;
    s->window = window;
    s->from = durable_sender(c, l->process);
    list_push(&l->puts, &s->on_line);
    list_push(&c->put_streams, &s->on_channel);
    list_init(&s->to_say);
    c->refused = false; /* if it is closed, this one has not been told */
    channel_touch(b, c);
    return 0;
}

static void detach(struct sending *s)
{
    if (s->line != NULL && s->channel->staged != 0)
        staged_drop(s->line, s);
    if (s->line != NULL)
        table_remove(&s->line->put_streams, &s->item);
    s->line = NULL;
    list_remove(&s->on_line);
}

/* The end of a stream that nobody waits for. */
static void finish(struct broker *b, struct sending *s)
{
    pair_forget(s);
    detach(s);
    list_remove(&s->on_channel);
    list_remove(&s->to_say);
    if (s->holds)
        hold_release(b, s->channel, END_SEND, s->reason);
    channel_touch(b, s->channel);
    free(s);
}

static void hold_on(struct sending *s, struct reason why)
{
    if (s->holds || (s->waiting == 0 && !pair_owes(s)) || (ends_of(s->line->process, s->channel) & END_SEND) == 0)
        return;
    hold_take(s->channel, END_SEND);
    s->holds = true;
    s->reason = why;
}

void sending_detach(struct broker *b, struct sending *s, struct reason why)
{
    hold_on(s, successor_reason(s->line->process, s->channel, why));
    detach(s);
    pair_sender_ends(b, s);
    if (s->waiting == 0 && !pair_keeps(s))
        finish(b, s);
}

static void say(struct broker *b, struct sending *s, int err)
{
    s->outstanding -= s->unsaid;
    s->unsaid = 0;
    s->at_once = false;
    if (reply_room(b, s, err) != 0)
        process_starve(b, s->line->process, "no memory to answer it");
}

static void drop(struct broker *b, struct sending *s)
{
    s->dropped = true;
    if (s->waiting != 0)
        return;
    say(b, s, EPIPE);
    finish(b, s);
}

void sending_drop(struct broker *b, struct sending *s)
{
    staged_drop(s->line, s);
    hold_on(s, (struct reason){0});
    if (!pair_drops(b, s))
        drop(b, s);
}

uint64_t sending_waiting_bytes(const struct sending *s)
{
    uint64_t bytes = 0;
    const struct list *queue = &s->channel->sending;
    for (const struct list *node = queue->next; node != queue && s->waiting != 0; node = node->next) {
        const struct waiter *w = LIST_OWNER(node, const struct waiter, node);
        const struct block *block = LIST_OWNER(w, const struct block, wait);
        if (w->kind == WAITER_BLOCK && block->stream == s)
            bytes += block->bytes;
    }
    return bytes;
}

void sending_resume(struct broker *b, struct sending *s, bool dropped)
{
    if (s->line == NULL && s->waiting == 0)
        finish(b, s);
    else if (s->line != NULL && dropped)
        drop(b, s);
}

/* Reads and checks the block of a PUT. Returns what is wrong with it, or NULL. */
static const char *read_block(const struct message *m, const struct sending *s, uint64_t *bytes, uint64_t *cost)
{
    int64_t data = wire_block_data(&m->head, m->payload);
    if (data < 0 || m->head.count == 0)
        return "the block of a PUT does not add up";
    uint32_t gap = (m->head.flags & WIRE_GAP) != 0, longest = 0, empty = 0;
    bool must_look = gap == 0 || (uint64_t)data > s->channel->max_bytes; /* else none is empty, and none too long */
    for (uint32_t i = 0; must_look && i < m->head.count; i++) {
        uint32_t length = wire_block_length(m->payload, (size_t)data, i);
        longest = length > longest ? length : longest;
        empty += length + gap == 0;
    }
    if (longest > s->channel->max_bytes)
        return "a PUT of a value over max_bytes";
    *bytes = (uint64_t)data - (uint64_t)gap * m->head.count;
    *cost = (uint64_t)data + empty;
    bool staged = (m->head.flags & WIRE_STAGED) != 0;
    bool free = staged || (m->head.flags & WIRE_BACK) != 0 || (s->outstanding == 0 && m->head.count == 1);
    if (!free && (*cost > s->window || s->outstanding > s->window - *cost))
        return "a PUT beyond the window";
    return m->head.seq == (staged ? 0 : s->put) ? NULL : "a PUT out of order";
}

void sending_enqueue(struct broker *b, struct sending *s, struct block *block, struct list *place)
{
    if (s->waiting == 0)
        s->since = b->now;
    s->put += block->count;
    s->waiting += block->count;
    s->outstanding += block->cost;
    s->message = b->messages;
    if (s->at_once && list_empty(&s->to_say))
        list_push(&b->rooms, &s->to_say);
    list_push(place, &block->wait.node);
    channel_touch(b, s->channel);
}

struct sending *sending_heir(const struct sending *s)
{
    struct sending *heir = calloc(1, sizeof *heir);
    if (heir == NULL)
        return NULL;
    heir->channel = s->channel;
    heir->window = s->window;
    heir->from = s->from;
    heir->since = s->since;
    heir->refused = s->refused;
    list_init(&heir->on_line);
    list_init(&heir->to_say);
    list_push(&s->channel->put_streams, &heir->on_channel);
    hold_take(s->channel, END_SEND);
    heir->holds = true;
    return heir;
}

void sending_put(struct broker *b, struct line *l, const struct message *m)
{
    struct channel *c = channel_find(b, m->head.channel);
    struct sending *s = c != NULL ? sending_find(l, c) : NULL;
    bool staged = (m->head.flags & WIRE_STAGED) != 0;
    if (s == NULL || s->dropped || (s->refused && !staged)) {
        b->bad += s == NULL; /* not so if it crossed what ended the stream, which was said */
        return;
    }
    uint64_t bytes, cost;
    const char *fault = pair_check_put(s, m);
    if (fault == NULL)
        fault = read_block(m, s, &bytes, &cost);
    if (fault != NULL) {
        process_fail(b, l->process, fault);
        return;
    }
    struct frame *f = frame_keep(m->msg);
    const unsigned char *data = f != NULL ? frame_data(f) + sizeof m->head : NULL;
    struct block *block = NULL;
    if (f != NULL)
        block = block_new(f, data, data + m->head.length - (size_t)m->head.count * sizeof(uint32_t), m->head.count,
                          m->head.flags & (WIRE_GAP | WIRE_NOEOL));
    frame_release(f);
    if (block == NULL) {
        process_starve(b, l->process, "no memory for what it put");
        return;
    }
    block->bytes = bytes;
    block->cost = cost;
    block->stream = s;
    if (staged)
        staged_keep(b, l, block);
    else
        sending_enqueue(b, s, block, pair_place(b, s, m));
}

void sending_committed(struct broker *b, struct sending *s, uint32_t n, uint64_t cost)
{
    s->committed += n;
    s->waiting -= n;
    if (s->source != NULL) {
        channel_touch(b, s->source);
        deadlock_possible(b); /* nobody waits for its going any more */
        return;
    }
    s->unsaid += cost;
    s->at_once |= s->message == b->messages;
    if (list_empty(&s->to_say))
        list_push(&b->rooms, &s->to_say);
}

void sending_admit_more(struct broker *b, struct channel *c, struct block *tail, struct block *block, uint32_t n,
                        uint64_t bytes, uint64_t cost)
{
    struct sending *s = block->stream;
    if (c->settings != NULL)
        (void)value_enters(b, c, block, n);
    block_extend(tail, block, n, bytes, cost);
    c->order += n;
    c->values += n;
    c->bytes += bytes;
    if (n == block->count)
        block_free(block);
    else
        block_advance(block, n, bytes, cost);
    sending_committed(b, s, n, cost);
}

bool sending_admit(struct broker *b, struct channel *c, struct block *block)
{
    struct used used = channel_used(c);
    uint64_t bytes, cost, space = c->max_bytes > used.bytes ? c->max_bytes - used.bytes : 0;
    uint64_t places = c->capacity > used.values ? c->capacity - used.values : 0;
    uint32_t n = block_fit(block, used.values == 0, places, space, UINT64_MAX, &bytes, &cost);
    if (n == 0 || !(block->key != 0 || durable_room(b, c, bytes, n)))
        return false;
    struct sending *s = block->stream;
    struct block *tail = list_empty(&c->buffer) ? NULL : LIST_OWNER(c->buffer.prev, struct block, wait.node);
    if (tail != NULL && tail->order + tail->count == c->order && block_continues(tail, block)) {
        sending_admit_more(b, c, tail, block, n, bytes, cost);
        return true;
    }
    struct block *front = n == block->count ? block : block_split(block, n, bytes, cost);
    if (front == NULL || durable_append(b, c, front, s->from) != 0) {
        if (front != NULL && front != block)
            list_push(&block->wait.node, &front->wait.node);
        if (s->line != NULL)
            process_starve(b, s->line->process, "no memory for what it put");
        return false;
    }
    list_remove(&front->wait.node);
    front->stream = NULL;
    channel_push(b, c, front);
    sending_committed(b, s, n, cost);
    return true;
}

/* What waits was never sent, which its sender is told; but for what counts as sent: it was acknowledged, or its sender
 * has ended. */
void sending_refuse(struct broker *b, struct channel *c)
{
    LIST_EACH(node, next, &c->sending)
    {
        if (LIST_OWNER(node, struct waiter, node)->kind != WAITER_BLOCK)
            continue;
        struct block *block = LIST_OWNER(node, struct block, wait.node);
        if (block->stream->source != NULL) {
            dead_refused(b, block);
            continue;
        }
        struct sending *from = block->stream;
        if (block->acknowledged)
            from->committed += block->count;
        if (block->acknowledged || (from->holds && from->line == NULL))
            channel_lose(c, block->count);
        from->waiting -= block->count;
        block_free(block);
    }
    LIST_EACH(node, next, &c->put_streams)
    {
        struct sending *s = LIST_OWNER(node, struct sending, on_channel);
        if (!s->refused)
            say(b, s, EPIPE);
        s->refused = true;
        if ((s->line == NULL || s->dropped) && s->parked == 0)
            finish(b, s);
    }
}

/* Whether ROOM can wait for more to be said: not where nothing waits, and not for what found room when it came, and now
 * would keep the caller from filling its window. */
static bool may_wait(const struct sending *s)
{
    if (s->waiting == 0)
        return false;
    uint64_t quarter = s->window / 4;
    return s->line == NULL || (s->unsaid < quarter && !(s->at_once && s->outstanding > s->window - quarter));
}

void sending_say(struct broker *b)
{
    for (struct list *node; (node = list_first(&b->rooms)) != NULL;) {
        struct sending *s = LIST_OWNER(node, struct sending, to_say);
        list_remove(&s->to_say);
        if (may_wait(s))
            continue;
        bool over = s->waiting == 0 && (s->line == NULL || s->dropped);
        if (s->line != NULL && !s->refused)
            say(b, s, over ? EPIPE : 0);
        if (over && !pair_keeps(s))
            finish(b, s);
    }
}
