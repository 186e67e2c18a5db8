/* SPDX-License-Identifier: MPL-2.0 */
/* The receiving side of a pair. Decision: what comes over the pair waits in the stream's one queue, behind what the
 * broker delivered, and each batch knows its pair: so a value is taken from the front whatever way it came, and only
 * the count differs. Whether anything came is read from the page, so that where nothing did no socket is asked. */
#include "line.h"
#include "pair.h"
#include "stream.h"

#include <errno.h>
#include <string.h>

#define ORPHAN_MS 500
#define LOOK_MS   2 /* how often it is looked whether the connection is gone: that wakes nobody */

/* ---- introduction */

void csp__pair_bind(struct csp__line *line)
{
    struct csp__stream *s = csp__stream_find(line, line->head.channel);
    if (s == NULL || !s->recv.on)
        return; /* it crossed a drop */
    if (s->recv.pair != NULL)
        csp__pair_leave(line, s->recv.pair);
    struct csp__pair *pair = csp__pair_new(line, s, 0);
    if (pair == NULL) {
        struct csp__pair nobody = {.chan = s->chan, .generation = line->head.seq};
        (void)csp__pair_say(line, &nobody, WIRE_BOUND, errno, NULL, 0);
        return;
    }
    int err = csp__pair_open(line, pair) == 0 ? 0 : errno;
    atomic_store(&pair->page->before, s->recv.taken);
    pair->told = s->recv.taken;
    (void)csp__pair_say(line, pair, WIRE_BOUND, err, NULL, 0);
    if (err == 0)
        s->recv.pair = pair;
    else
        csp__pair_end(line, pair);
}

/* ---- ROOM */

static uint64_t total(const struct csp__pair *pair)
{
    return pair->stream->recv.taken + pair->taken;
}

static void say_room(struct csp__pair *pair)
{
    if (pair->socket.zmq == NULL || !pair->greeted || atomic_exchange(&pair->page->wanted, 0) == 0)
        return;
    struct wire_head head = wire_head(WIRE_ROOM, 0, 0);
    head.channel = pair->chan;
    head.seq = pair->taken;
    pair->told = total(pair);
    zmq_msg_t msg;
    if (csp__frame(&msg, &head) == NULL)
        return; /* a header alone needs no memory */
    if (csp__socket_send(&pair->socket, &msg, 0) != 0)
        zmq_msg_close(&msg); /* the sender is gone: nobody waits */
}

/* Where the sender waits for what has been taken. */
static void say_room_reached(struct csp__pair *pair)
{
    uint64_t wanted = atomic_load(&pair->page->wanted);
    if (wanted != 0 && total(pair) >= wanted)
        say_room(pair);
}

void csp__pair_before(const struct csp__stream *s)
{
    atomic_store(&s->recv.pair->page->before, s->recv.taken);
    say_room_reached(s->recv.pair);
}

/* ---- reading */

static int is_greeting(const struct csp__pair *pair, const struct wire_head *head, const void *payload)
{
    return head->type == WIRE_GREET && head->seq == pair->generation &&
           memcmp(payload, pair->token, sizeof pair->token) == 0;
}

/* Reads one frame of values, into the line's frame and head. 1, or 0: none is there. */
static int read_frame(struct csp__line *line, struct csp__pair *pair)
{
    const struct wire_head *head = &line->head;
    while (csp__socket_receive(&pair->socket, &line->frame) == 0) {
        if (wire_check(zmq_msg_data(&line->frame), zmq_msg_size(&line->frame), &line->head) != 0 ||
            head->channel != pair->chan)
            continue;
        if (!pair->greeted)
            pair->greeted = is_greeting(pair, head, (const char *)zmq_msg_data(&line->frame) + sizeof *head);
        else if (head->type == WIRE_PUT && head->seq == pair->read && head->count != 0)
            return 1;
    }
    return 0;
}

static int read_values(struct csp__line *line, struct csp__pair *pair)
{
    if (!read_frame(line, pair))
        return 0;
    struct csp__batch *b = csp__batch_read(line);
    if (b == NULL) {
        csp__line_cut(line); /* as with a DELIVER */
        return 0;
    }
    b->pair = pair;
    pair->users++;
    pair->read += b->count;
    if (pair->direct) {
        csp__batch_queue(pair->stream, b);
    } else {
        *pair->last = b;
        pair->last = &b->next;
    }
    return 1;
}

void csp__pair_pull(struct csp__line *line, struct csp__stream *s)
{
    struct csp__pair *pair = s->recv.pair;
    struct wire_page *page = pair->page;
    if (!pair->direct || pair->socket.zmq == NULL || s->recv.first != NULL)
        return;
    if ((atomic_load_explicit(&page->taken, memory_order_relaxed) & WIRE_REVOKED) != 0) {
        csp__pair_leave(line, pair);
        return;
    }
    if (!pair->readable && atomic_load_explicit(&page->sent, memory_order_acquire) == pair->read)
        return;
    pair->readable = 0;
    (void)read_values(line, pair);
}

int csp__pair_expects(const struct csp__stream *s)
{
    const struct csp__pair *pair = s->recv.pair;
    return pair != NULL && pair->direct && pair->socket.zmq != NULL &&
           (atomic_load(&pair->page->taken) & WIRE_REVOKED) == 0 && atomic_load(&pair->page->sent) > pair->read;
}

int csp__pair_is_hosted(const struct csp__stream *s)
{
    return (s->exact & CSP_RECV) != 0 && (s->recv.pair == NULL || !s->recv.pair->direct);
}

void csp__pair_await(struct csp__stream *s)
{
    struct csp__pair *pair = s->recv.pair;
    if (pair != NULL && pair->direct)
        pair->awaited = 1;
}

void csp__pair_before_wait(struct csp__pair *pair)
{
    if (total(pair) > pair->told)
        say_room(pair);
    else
        say_room_reached(pair);
}

void csp__pair_greeting(struct csp__line *line, struct csp__pair *pair)
{
    (void)read_values(line, pair); /* a frame of values behind it is kept until the pair is direct */
}

/* ---- taking */

void csp__pair_leave(struct csp__line *line, struct csp__pair *pair)
{
    struct csp__stream *s = pair->stream;
    if (s->recv.pair == pair)
        s->recv.pair = NULL;
    pair->users++;
    csp__batches_drop(s, pair);
    if (!pair->ended)
        csp__pair_end(line, pair);
    csp__pair_release(pair);
}

int csp__pair_take(struct csp__line *line, struct csp__stream *s, size_t values)
{
    struct csp__pair *pair = s->recv.first->pair;
    uint64_t expected = pair->taken;
    if (!atomic_compare_exchange_strong(&pair->page->taken, &expected, expected + values)) {
        csp__pair_leave(line, pair);
        return -1;
    }
    pair->taken += values;
    if (pair->orphan)
        csp__stream_tell(line, s); /* another sender may wait for its room */
    say_room_reached(pair);
    return 0;
}

void csp__pair_direct(struct csp__line *line, struct csp__stream *s)
{
    struct csp__pair *pair = s->recv.pair;
    if (pair == NULL || pair->direct)
        return;
    pair->direct = 1;
    while (pair->early != NULL) {
        struct csp__batch *b = pair->early;
        pair->early = b->next;
        csp__batch_queue(s, b);
    }
    pair->last = &pair->early;
    if (pair->orphan) {
        s->recv.pair = NULL;
        csp__pair_end(line, pair);
    }
}

/* ---- the sender's death */

static int is_connected(const struct csp__pair *pair)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(pair->socket.zmq, ZMQ_EVENTS, &events, &size) != 0 || (events & ZMQ_POLLOUT) != 0;
}

/* Reads all that comes until the connection is gone: then there is nobody to whom a frame could be sent. Before the
 * GREET came it is not there yet, though the sender's frames may be on the way. */
static void read_rest(struct csp__line *line, struct csp__pair *pair)
{
    csp_time by = csp_in(ORPHAN_MS);
    int connected = 1;
    do {
        zmq_pollitem_t item = {.socket = pair->socket.zmq, .events = ZMQ_POLLIN};
        connected = !pair->greeted || is_connected(pair);
        while (read_values(line, pair))
            ;
        if (pair->read == atomic_load(&pair->page->sent) || !connected)
            return;
        (void)zmq_poll(&item, 1, LOOK_MS);
    } while (csp_now() < by && !line->gone);
}

void csp__pair_orphan(struct csp__line *line)
{
    struct csp__pair *pair = csp__pair_find(line, line->head.channel, line->head.seq, 0);
    if (pair == NULL || pair->orphan)
        return;
    struct csp__stream *s = pair->stream;
    pair->orphan = 1;
    if (pair->socket.zmq != NULL)
        read_rest(line, pair);
    csp__pair_close(line, pair);
    struct wire_recall body = {.taken = pair->read};
    (void)csp__pair_say(line, pair, WIRE_DRAINED, 0, &body, sizeof body);
    if (pair->direct) {
        s->recv.pair = NULL; /* what came of it waits in the queue */
        csp__pair_end(line, pair);
    }
}
