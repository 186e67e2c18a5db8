/* SPDX-License-Identifier: MPL-2.0 */
/* Frames to callers. Decision: a frame to a peer that is gone is no error: the death is noticed elsewhere, in its
 * order. A PUT that goes on whole is sent as it was received: PUT and DELIVER have one layout, so only the header is
 * written anew, and only before libzmq shares the bytes. */
#include "durable.h"
#include "lease.h"
#include "reserve.h"

#include <errno.h>
#include <string.h>

void reply_send(struct broker *b, uint32_t route, zmq_msg_t *msg)
{
    zmq_msg_t id;
    zmq_msg_init_size(&id, 1 + sizeof route); /* it lies in the zmq_msg_t itself: this needs no memory */
    unsigned char *number = zmq_msg_data(&id);
    number[0] = 0;
    memcpy(number + 1, &route, sizeof route);
    if (csp__socket_send(&b->router, &id, ZMQ_SNDMORE) != 0)
        zmq_msg_close(&id);
    else if (csp__socket_send(&b->router, msg, 0) == 0)
        return;
    zmq_msg_close(msg);
}

/* Everything that the broker says to a caller goes through here. -1: no memory, and nothing was sent. */
static int send_message(struct broker *b, uint32_t route, zmq_msg_t *msg)
{
    int rc;
    if (!durable_holds(b, route, msg, &rc))
        reply_send(b, route, msg);
    else if (rc != 0)
        zmq_msg_close(msg);
    return rc;
}

/* Starts a frame: the header is written, *body points behind it. */
static int begin(zmq_msg_t *msg, const struct wire_head *head, unsigned char **body)
{
    size_t size = sizeof *head + head->length;
    if (zmq_msg_init_size(msg, size) != 0 && (!reserve_spend() || zmq_msg_init_size(msg, size) != 0))
        return -1;
    unsigned char *at = zmq_msg_data(msg);
    memcpy(at, head, sizeof *head);
    *body = at + sizeof *head;
    return 0;
}

static unsigned char *append(unsigned char *at, const void *bytes, size_t size)
{
    if (bytes != NULL)
        memcpy(at, bytes, size);
    return at + size;
}

int reply_frame(struct broker *b, uint32_t route, struct wire_head head, const void *payload, const void *more,
                size_t more_size)
{
    zmq_msg_t msg;
    unsigned char *at;
    if (begin(&msg, &head, &at) != 0)
        return -1;
    append(append(at, payload, head.length - more_size), more, more_size);
    return send_message(b, route, &msg);
}

int reply_answer(struct broker *b, struct line *l, const struct message *m, int err, const void *payload, size_t size)
{
    struct wire_head head = wire_head(WIRE_ANSWER, 0, size);
    head.seq = m->head.seq;
    head.channel = m->head.channel;
    head.count = (uint32_t)err;
    if (!l->connected)
        return 0;
    int rc = reply_frame(b, l->route, head, payload, NULL, 0);
    if (rc != 0)
        process_starve(b, l->process, "no memory to answer it");
    return rc;
}

static int send_commit(struct broker *b, const struct offer *o, uint32_t which, const struct channel *c,
                       const struct wire_commit *commit, const void *value, size_t length, const void *tail,
                       size_t tail_size)
{
    struct wire_head head =
        wire_head(WIRE_COMMIT, tail_size != 0 ? WIRE_LEASE : 0, sizeof *commit + length + tail_size);
    head.seq = o->seq;
    head.count = which;
    head.channel = c != NULL ? c->item.key : 0;
    if (which < o->count && o->cases[which].op == WIRE_OP_SCOPE)
        head.channel = o->cases[which].object;
    zmq_msg_t msg;
    unsigned char *at;
    if (!o->line->connected)
        return 0;
    if (begin(&msg, &head, &at) != 0)
        return -1;
    append(append(append(at, commit, sizeof *commit), value, length), tail, tail_size);
    return send_message(b, o->line->route, &msg);
}

static uint64_t number_of(const struct attached *a)
{
    return a != NULL && a->channel != NULL ? a->channel->item.key : 0;
}

int reply_commit(struct broker *b, const struct offer *o, uint32_t which, struct channel *c, int err,
                 const struct attached *attached, const void *value, size_t length)
{
    struct wire_commit commit = {.err = err, .attached = number_of(attached)};
    return send_commit(b, o, which, c, &commit, value, length, NULL, 0);
}

int reply_take(struct broker *b, const struct offer *o, uint32_t which, struct channel *c, const struct block *block,
               size_t length)
{
    struct wire_commit commit = {.attached = number_of(&block->attached)};
    unsigned char tail[LEASE_TAIL];
    size_t size = block->id != 0 ? lease_tail(c, block, tail) : 0;
    return send_commit(b, o, which, c, &commit, block->data, length, tail, size);
}

int reply_commit_so_far(struct broker *b, const struct offer *o, uint32_t which, const struct block *first)
{
    struct wire_commit commit = {.err = EPIPE};
    struct wire_lease lease = lease_held(first);
    return send_commit(b, o, which, o->cases[which].channel, &commit, NULL, 0, &lease, sizeof lease);
}

int reply_so_far(struct broker *b, const struct receiving *r, const struct block *first)
{
    struct wire_lease lease = lease_held(first);
    struct wire_head head = wire_head(WIRE_DELIVER, WIRE_CLOSED | WIRE_LEASE, sizeof lease);
    head.channel = r->channel->item.key;
    head.seq = r->delivered;
    return r->line->connected ? reply_frame(b, r->line->route, head, &lease, NULL, 0) : 0;
}

int reply_room(struct broker *b, const struct sending *s, int err)
{
    struct wire_head head = wire_head(WIRE_ROOM, 0, 0);
    head.channel = s->channel->item.key;
    head.seq = s->committed;
    head.count = (uint32_t)err;
    return s->line != NULL && s->line->connected ? reply_frame(b, s->line->route, head, NULL, NULL, 0) : 0;
}

/* The block is all of its frame: sends the frame itself, whose bytes libzmq then shares with us. */
static int forward(struct broker *b, uint32_t route, struct frame *f, struct wire_head head)
{
    head.length = (uint32_t)(f->size - sizeof head);
    memcpy(frame_data(f), &head, sizeof head);
    f->sent = true;
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    zmq_msg_copy(&msg, &f->msg);
    return send_message(b, route, &msg);
}

int reply_deliver(struct broker *b, const struct receiving *r, const struct block *block, unsigned flags)
{
    struct wire_head head = wire_head(WIRE_DELIVER, flags, 0);
    head.channel = r->channel->item.key;
    head.seq = r->delivered;
    if (!r->line->connected)
        return 0;
    if (block == NULL)
        return reply_frame(b, r->line->route, head, NULL, NULL, 0);

    head.flags |= block->flags;
    head.count = block->count;
    unsigned char lease[LEASE_TAIL];
    size_t leased = block->id != 0 ? lease_tail(r->channel, block, lease) : 0;
    if (leased == 0 && block_is_frame(block))
        return forward(b, r->line->route, block->frame, head);
    size_t data = block_span(block, block->bytes, block->count), lengths = (size_t)block->count * sizeof(uint32_t);
    uint64_t attached = number_of(&block->attached);
    size_t tail = attached != 0 ? sizeof attached : 0;
    if (attached != 0)
        head.flags |= WIRE_CHAN;
    if (leased != 0)
        head.flags |= WIRE_LEASE;
    head.length = (uint32_t)(data + lengths + tail + leased);
    zmq_msg_t msg;
    unsigned char *at;
    if (begin(&msg, &head, &at) != 0)
        return -1;
    at = append(append(append(at, block->data, data), block->lengths, lengths), &attached, tail);
    append(at, lease, leased);
    return send_message(b, r->line->route, &msg);
}
