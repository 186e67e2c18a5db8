/* SPDX-License-Identifier: MPL-2.0 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

static struct frame *frame_new(size_t size, bool large)
{
    struct frame *f = malloc(sizeof *f + (large ? 0 : size));
    if (f == NULL)
        return NULL;
    f->refs = 1;
    f->large = large;
    f->sent = false;
    f->size = size;
    zmq_msg_init(&f->msg);
    return f;
}

struct frame *frame_keep(zmq_msg_t *msg)
{
    struct frame *f = frame_new(zmq_msg_size(msg), zmq_msg_size(msg) > FRAME_COPY);
    if (f != NULL && f->large)
        zmq_msg_move(&f->msg, msg);
    else if (f != NULL)
        memcpy(f->bytes, zmq_msg_data(msg), f->size);
    return f;
}

struct frame *frame_value(const void *value, uint32_t length)
{
    struct frame *f = frame_new(sizeof length + length, false);
    if (f == NULL)
        return NULL;
    memcpy(f->bytes, &length, sizeof length);
    memcpy(f->bytes + sizeof length, value, length);
    return f;
}

unsigned char *frame_data(struct frame *f)
{
    return f->large ? zmq_msg_data(&f->msg) : f->bytes;
}

void frame_release(struct frame *f)
{
    if (f == NULL || --f->refs != 0)
        return;
    zmq_msg_close(&f->msg);
    free(f);
}

struct text *text_new(const char *bytes, size_t length)
{
    if (length > WIRE_MAX_REASON)
        length = WIRE_MAX_REASON;
    struct text *t = length != 0 ? malloc(sizeof *t + length) : NULL;
    if (t == NULL)
        return NULL;
    t->refs = 1;
    t->length = (uint32_t)length;
    memcpy(t->bytes, bytes, length);
    return t;
}

struct text *text_keep(struct text *t)
{
    if (t != NULL)
        t->refs++;
    return t;
}

void text_release(struct text *t)
{
    if (t != NULL && --t->refs == 0)
        free(t);
}

struct block *block_new(struct frame *f, const unsigned char *data, const unsigned char *lengths, uint32_t count,
                        uint16_t flags)
{
    struct block *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    list_init(&b->wait.node);
    b->wait.kind = WAITER_BLOCK;
    b->frame = f;
    f->refs++;
    b->data = data;
    b->lengths = lengths;
    b->count = count;
    b->flags = flags;
    return b;
}

void block_free(struct block *b)
{
    list_remove(&b->wait.node);
    frame_release(b->frame);
    text_release(b->reason);
    free(b);
}

uint32_t block_length(const struct block *b, uint32_t i)
{
    uint32_t n;
    memcpy(&n, b->lengths + (size_t)i * sizeof n, sizeof n);
    return n;
}

uint32_t block_fit(const struct block *b, uint32_t least, uint64_t values, uint64_t max_bytes, uint64_t max_cost,
                   uint64_t *bytes, uint64_t *cost)
{
    if (b->count <= values && b->bytes <= max_bytes && b->cost <= max_cost) {
        *bytes = b->bytes;
        *cost = b->cost;
        return b->count;
    }
    uint32_t gap = (b->flags & WIRE_GAP) != 0, n = 0;
    *bytes = *cost = 0;
    for (; n < b->count; n++) {
        uint64_t length = block_length(b, n);
        uint64_t weight = length + gap != 0 ? length + gap : 1;
        if (n >= least && (n >= values || *bytes + length > max_bytes || *cost + weight > max_cost))
            break;
        *bytes += length;
        *cost += weight;
    }
    return n;
}

void block_advance(struct block *b, uint32_t n, uint64_t bytes, uint64_t cost)
{
    b->data += block_span(b, bytes, n);
    b->lengths += (size_t)n * sizeof(uint32_t);
    b->count -= n;
    b->bytes -= bytes;
    b->cost -= cost;
    b->order += n;
    b->id += b->id != 0 ? n : 0;
    b->key += b->key != 0 ? n : 0;
}

struct block *block_split(struct block *b, uint32_t n, uint64_t bytes, uint64_t cost)
{
    struct block *front = block_new(b->frame, b->data, b->lengths, n, b->flags & (uint16_t)~WIRE_NOEOL);
    if (front == NULL)
        return NULL;
    front->bytes = bytes;
    front->cost = cost;
    front->order = b->order;
    front->id = b->id;
    front->key = b->key;
    front->tries = b->tries;
    front->before = b->before;
    front->untried = b->untried;
    front->since = b->since;
    front->reason = text_keep(b->reason);
    front->stream = b->stream;
    front->acknowledged = b->acknowledged;
    block_advance(b, n, bytes, cost);
    return front;
}

bool block_is_adjacent(const struct block *tail, const struct block *b)
{
    return tail->frame == b->frame && tail->lengths + (size_t)tail->count * sizeof(uint32_t) == b->lengths &&
           tail->data + block_span(tail, tail->bytes, tail->count) == b->data;
}

bool block_continues(const struct block *tail, const struct block *b)
{
    return b->id == 0 && tail->key == 0 && tail->tries == 0 && block_is_adjacent(tail, b);
}

void block_extend(struct block *tail, const struct block *b, uint32_t n, uint64_t bytes, uint64_t cost)
{
    tail->count += n;
    tail->bytes += bytes;
    tail->cost += cost;
    if (n == b->count)
        tail->flags |= b->flags & WIRE_NOEOL;
}

bool block_is_frame(const struct block *b)
{
    struct wire_head head;
    if (!b->frame->large || b->frame->sent)
        return false;
    memcpy(&head, frame_data(b->frame), sizeof head);
    return head.type == WIRE_PUT && head.count == b->count;
}
