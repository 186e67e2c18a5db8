/* SPDX-License-Identifier: MPL-2.0 */
/* Frames that were received and are kept, and runs of values in them. Decision: a value is never copied to be kept: a
 * block points into its frame, which counts its blocks, so that splitting and moving are work on pointers. Only frames
 * up to FRAME_COPY bytes are copied, because libzmq cuts those out of a buffer of 8 KiB that each of them would hold.
 */
#ifndef BROKER_FRAME_H
#define BROKER_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "list.h"
#include "wire.h"

#define FRAME_COPY 8192

struct frame {
    unsigned refs;
    bool large; /* `msg` has the bytes, else `bytes` does */
    bool sent;  /* shared with libzmq, which may be writing it out: not to be changed any more */
    zmq_msg_t msg;
    size_t size;
    unsigned char bytes[];
};

/* Keeps a received message, which is then empty. One reference is the caller's. NULL: no memory, msg is as it was. */
struct frame *frame_keep(zmq_msg_t *msg);
/* A frame of our own with a value and, before it, its length. NULL: no memory. */
struct frame *frame_value(const void *value, uint32_t length);
unsigned char *frame_data(struct frame *f);
void frame_release(struct frame *f);

struct channel;
struct sending;

/* Why a value was refused: text that several blocks share. */
struct text {
    unsigned refs;
    uint32_t length;
    char bytes[];
};
struct text *text_new(const char *bytes, size_t length); /* cut at WIRE_MAX_REASON; NULL: it is empty, or no memory */
struct text *text_keep(struct text *t);                  /* another reference */
void text_release(struct text *t);                       /* NULL may be */

/* A hold on the ends of a channel that a value carries. */
struct attached {
    struct channel *channel; /* NULL: none */
    unsigned ends;
};

enum waiter_kind { WAITER_CASE, WAITER_BLOCK, WAITER_STREAM };

/* An entry of a channel's queue of senders or receivers: a struct offer_case, block or receiving starts with it. */
struct waiter {
    struct list node;
    enum waiter_kind kind;
};

struct block {
    struct waiter wait; /* in a channel's senders, or its node alone in a buffer or among what a stream has out */
    struct frame *frame;
    const unsigned char *data;    /* the first value */
    const unsigned char *lengths; /* its length, unaligned; the others' follow */
    uint32_t count;
    uint16_t flags; /* WIRE_GAP, WIRE_NOEOL */
    uint64_t bytes; /* of the values alone */
    uint64_t cost;  /* what they count against a window: bytes and gaps, an empty value as one */
    uint64_t order; /* of the first value in the channel, from when it left the sender */
    struct attached attached;
    struct sending *stream; /* whose values wait */
    bool acknowledged;      /* an ACK put them: for their sender they are sent, whether there is room or not */
    uint64_t id;            /* of the first value, the others' follow; 0: none. lease.h */
    uint32_t tries, before; /* deliveries, and those of them on other channels */
    int64_t since;          /* it was leased */
    uint64_t key;           /* of the first value in a durable channel's store; 0: it is not there. durable.h */
    bool untried;           /* the store says, or said while it was out, that it has no try here */
    struct text *reason;    /* why it was refused last; NULL: not known, or never */
};

/* Makes a block and a reference to its frame. NULL: no memory. */
struct block *block_new(struct frame *f, const unsigned char *data, const unsigned char *lengths, uint32_t count,
                        uint16_t flags);

/* Frees a block; what is attached to it is the caller's matter. */
void block_free(struct block *b);

/* Length of the i-th value. */
uint32_t block_length(const struct block *b, uint32_t i);

/* Bytes that n values from the front take in the data, gaps included. */
static inline uint64_t block_span(const struct block *b, uint64_t bytes, uint32_t n)
{
    return bytes + ((b->flags & WIRE_GAP) != 0 ? n : 0);
}

/* How many values from the front fit into all three bounds; *bytes and *cost get their sums. At least `least`. */
uint32_t block_fit(const struct block *b, uint32_t least, uint64_t values, uint64_t max_bytes, uint64_t max_cost,
                   uint64_t *bytes, uint64_t *cost);

/* Takes n values with these sums off the front. */
void block_advance(struct block *b, uint32_t n, uint64_t bytes, uint64_t cost);

/* Splits n values with these sums, fewer than all, off the front into a block of their own. NULL: no memory. */
struct block *block_split(struct block *b, uint32_t n, uint64_t bytes, uint64_t cost);

/* Whether the values of b follow those of `tail` in the same frame. */
bool block_is_adjacent(const struct block *tail, const struct block *b);

/* The same, and are not told apart: none was delivered yet. */
bool block_continues(const struct block *tail, const struct block *b);

/* Makes `tail` longer by n values from the front of b, which continues it. */
void block_extend(struct block *tail, const struct block *b, uint32_t n, uint64_t bytes, uint64_t cost);

/* The block is the whole of a PUT that was never sent on: it can be, as it is, with a new header. */
bool block_is_frame(const struct block *b);

#endif
