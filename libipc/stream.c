/* SPDX-License-Identifier: MPL-2.0 */
/* Streams. Decision: a value that is put goes to the broker in that very call, for nothing would send it later while
 * the caller computes; many values share a frame only where the caller has them together (csp__put_block). What a
 * receiver took is a count in a page that the broker reads when the receiver dies, stored before the value is used: so
 * a value that may have been used is never given to another. */
#include "stream.h"
#include "error.h"
#include "scope.h"
#include "select.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_COSTS 64

/* The receiving streams of all threads: a drop must not pull one from under another thread, which has values of it that
 * the broker would give to others. */
static pthread_mutex_t receiving_lock = PTHREAD_MUTEX_INITIALIZER;
static struct csp__stream *receiving;

static struct csp__stream **bucket(struct csp__line *line, csp_chan c)
{
    return &line->streams[c % CSP__BUCKETS];
}

struct csp__stream *csp__stream_find(struct csp__line *line, csp_chan c)
{
    struct csp__stream *s = *bucket(line, c);
    while (s != NULL && s->chan != c)
        s = s->next;
    return s;
}

int csp__stream_elsewhere(const struct csp__line *line, csp_chan c)
{
    pthread_mutex_lock(&receiving_lock);
    const struct csp__stream *s = receiving;
    while (s != NULL && (s->chan != c || s->line == line))
        s = s->next_receiving;
    pthread_mutex_unlock(&receiving_lock);
    return s != NULL;
}

static void note_receiving(struct csp__stream *s)
{
    pthread_mutex_lock(&receiving_lock);
    s->next_receiving = receiving;
    receiving = s;
    pthread_mutex_unlock(&receiving_lock);
}

static void forget_receiving(const struct csp__stream *s)
{
    pthread_mutex_lock(&receiving_lock);
    struct csp__stream **at = &receiving;
    while (*at != s)
        at = &(*at)->next_receiving;
    *at = s->next_receiving;
    pthread_mutex_unlock(&receiving_lock);
}

static void drop_batch(struct csp__stream *s)
{
    struct csp__batch *b = s->recv.first;
    s->recv.first = b->next;
    if (s->recv.first == NULL)
        s->recv.last = &s->recv.first;
    zmq_msg_close(&b->msg);
    free(b);
}

void csp__stream_end(struct csp__line *line, struct csp__stream *s, int ends)
{
    if ((ends & CSP_SEND) != 0) {
        free(s->send.costs);
        s->send = (struct csp__sending){.on = 0};
    }
    if ((ends & CSP_RECV) != 0 && s->recv.on) {
        while (s->recv.first != NULL)
            drop_batch(s);
        line->slot_used[s->recv.slot] = 0;
        s->recv.on = 0;
        forget_receiving(s);
    }
    if (s->send.on || s->recv.on)
        return;
    struct csp__stream **at = bucket(line, s->chan);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    free(s);
}

/* ---- making one */

/* The page of taken counts: a file of the run directory that the broker maps, and removes. */
static int make_page(struct csp__line *line)
{
    char path[sizeof csp__state.dir + 32];
    (void)snprintf(path, sizeof path, "%s/p%" PRIu64, csp__state.dir, line->number);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int err = posix_fallocate(fd, 0, WIRE_PAGE_SIZE); /* a full file system is an error here, not a SIGBUS later */
    void *page = err == 0 ? mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (err == 0 && page == MAP_FAILED)
        err = errno;
    close(fd);
    if (err != 0) {
        (void)unlink(path);
        errno = err;
        return -1;
    }
    line->page = page;
    return 0;
}

static int find_slot(struct csp__line *line, uint32_t *slot)
{
    if (line->page == NULL && make_page(line) != 0)
        return -1;
    const uint8_t *free_one = memchr(line->slot_used, 0, sizeof line->slot_used);
    if (free_one == NULL) {
        errno = ENOBUFS;
        return -1;
    }
    *slot = (uint32_t)(free_one - line->slot_used);
    atomic_store(&line->page[*slot], 0);
    return 0;
}

static struct csp__stream *new_stream(struct csp__line *line, csp_chan c)
{
    struct csp__stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->chan = c;
    s->line = line;
    s->recv.last = &s->recv.first;
    s->next = *bucket(line, c);
    *bucket(line, c) = s;
    return s;
}

static int begin_sending(struct csp__stream *s, size_t window)
{
    uint32_t *costs = malloc(FIRST_COSTS * sizeof *costs);
    if (costs == NULL)
        return -1;
    s->send = (struct csp__sending){.on = 1, .window = window, .costs = costs, .size = FIRST_COSTS};
    return 0;
}

static int begin(struct csp__line *line, struct csp__stream *s, int ends, size_t window)
{
    struct wire_stream body = {.window = window};
    if ((ends & CSP_SEND) != 0 && begin_sending(s, window) != 0)
        return csp__fail(ENOMEM, "stream", s->chan);
    if ((ends & CSP_RECV) != 0) {
        if (find_slot(line, &body.slot) != 0)
            return csp__fail(errno, "stream", s->chan);
        line->slot_used[body.slot] = 1;
        s->recv = (struct csp__receiving){.on = 1, .window = window, .slot = body.slot};
        s->recv.last = &s->recv.first;
        note_receiving(s);
    }
    const void *payload;
    struct csp__request r = {
        .type = WIRE_STREAM, .chan = s->chan, .count = (uint32_t)ends, .head = &body, .head_len = sizeof body};
    int err = csp__ask(line, &r, CSP_FOREVER, sizeof(struct wire_channel), &payload, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, "stream", s->chan);
    struct wire_channel answer;
    memcpy(&answer, payload, sizeof answer);
    s->max_bytes = answer.max_bytes;
    return 0;
}

int csp_stream(csp_chan c, int ends, size_t window)
{
    if (c == 0)
        return csp__fail(EBADF, "stream", c);
    if (ends == 0 || (ends & ~(CSP_SEND | CSP_RECV)) != 0 || window == 0)
        return csp__failf(EINVAL, "stream: ends are CSP_SEND, CSP_RECV or both, and a window is at least 1 byte");
    struct csp__line *line = csp__line("stream");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    if (s != NULL && (((ends & CSP_SEND) != 0 && s->send.on) || ((ends & CSP_RECV) != 0 && s->recv.on)))
        return csp__failf(EINVAL, "stream, channel %" PRIu64 ": it is a stream of this thread already", c);
    if (s == NULL)
        s = new_stream(line, c);
    if (s == NULL)
        return csp__fail(ENOMEM, "stream", c);
    if (begin(line, s, ends, window) == 0)
        return 0;
    int err = errno;
    csp__stream_end(line, s, ends);
    if (err == EINVAL)
        return csp__failf(EINVAL, "stream, channel %" PRIu64 ": one of capacity 0, or a group, cannot be a stream", c);
    errno = err;
    return -1;
}

/* ---- sending */

void csp__stream_room(struct csp__line *line)
{
    struct csp__stream *s = csp__stream_find(line, line->head.channel);
    if (s == NULL || !s->send.on || line->head.seq > s->send.put)
        return;
    struct csp__sending *send = &s->send;
    while (send->committed < line->head.seq)
        send->bytes -= send->costs[send->committed++ % send->size];
    if (line->head.count == EPIPE)
        send->broken = 1;
}

/* What a value counts in the window; an empty one too, or their number would have no bound. */
static size_t cost(size_t len, int gap)
{
    size_t bytes = len + (gap != 0);
    return bytes != 0 ? bytes : 1;
}

static int within(const struct csp__sending *send, uint64_t bytes)
{
    return send->committed == send->put || send->bytes + bytes <= send->window;
}

int csp__stream_has_room(const struct csp__stream *s, uint64_t bytes)
{
    return s->send.broken || within(&s->send, bytes);
}

int csp__stream_may_put(const struct csp__stream *s, size_t len)
{
    return len > s->max_bytes || csp__stream_has_room(s, cost(len, 0));
}

/* Makes room for the costs of so many values more. */
static int reserve_costs(struct csp__sending *send, size_t values)
{
    uint64_t waiting = send->put - send->committed;
    if (waiting + values <= send->size)
        return 0;
    size_t size = send->size;
    while (size < waiting + values)
        size *= 2;
    uint32_t *costs = malloc(size * sizeof *costs);
    if (costs == NULL)
        return -1;
    for (uint64_t i = send->committed; i < send->put; i++)
        costs[i % size] = send->costs[i % send->size];
    free(send->costs);
    send->costs = costs;
    send->size = size;
    return 0;
}

struct part { /* of a block: some values in a row */
    const char *data;
    size_t len;
    const char *lengths;
    uint32_t count;
    unsigned flags;
};

static int put(struct csp__line *line, struct csp__stream *s, const struct part *part)
{
    struct csp__sending *send = &s->send;
    struct wire_head head = wire_head(WIRE_PUT, part->flags, part->len + part->count * sizeof(uint32_t));
    head.channel = s->chan;
    head.seq = send->put;
    head.count = part->count;
    zmq_msg_t msg;
    char *to = reserve_costs(send, part->count) == 0 ? csp__frame(&msg, &head) : NULL;
    if (to == NULL)
        return csp__fail(ENOMEM, "send", s->chan);
    if (part->len != 0)
        memcpy(to, part->data, part->len);
    memcpy(to + part->len, part->lengths, part->count * sizeof(uint32_t));
    if (csp__line_send(line, &msg) != 0)
        return csp__fail(ENOTCONN, "send", s->chan);
    for (uint32_t i = 0; i < part->count; i++) {
        uint32_t bytes = (uint32_t)cost(wire_block_length(part->lengths, 0, i), part->flags & WIRE_GAP);
        send->costs[send->put++ % send->size] = bytes;
        send->bytes += bytes;
    }
    return 0;
}

int csp__stream_put(struct csp__line *line, struct csp__stream *s, const void *p, size_t len)
{
    if (len > s->max_bytes)
        return EMSGSIZE;
    if (s->send.broken)
        return EPIPE;
    uint32_t length = (uint32_t)len;
    return put(line, s, &(struct part){.data = p, .len = len, .lengths = (const char *)&length, .count = 1});
}

int csp__stream_flush(const struct csp__stream *s, csp_time by, const struct csp__call *call)
{
    csp_case flushed = {.op = CSP__OP_FLUSH, .chan = s->chan};
    if (csp__select(&flushed, 1, by, 0, call) < 0)
        return -1;
    return s->send.committed == s->send.put ? 0 : csp__fail(EPIPE, call->what, s->chan);
}

CSP__ENTRY int csp_flush(csp_chan c, csp_time by)
{
    struct csp__line *line = csp__line("flush");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    if (s == NULL || !s->send.on)
        return csp__failf(EINVAL, "flush, channel %" PRIu64 ": it is no sending stream of this thread", c);
    return csp__stream_flush(s, by, CSP__CALL("flush"));
}

/* The values of a block from the i-th on that make a frame: up to a quarter of the window, at least one. */
static struct part next_part(const struct csp__stream *s, const csp__block *b, size_t i, const char *data)
{
    size_t most = s->send.window / 4;
    struct part part = {
        .data = data, .lengths = (const char *)b->lengths + i * sizeof(uint32_t), .flags = b->gap != 0 ? WIRE_GAP : 0};
    size_t bytes = 0;
    while (i < b->count) {
        size_t len = csp__block_length(b, i);
        if (part.count > 0 && bytes + cost(len, b->gap) > most)
            break;
        bytes += cost(len, b->gap);
        part.len += len + (size_t)(b->gap != 0);
        part.count++;
        i++;
    }
    if (i == b->count && b->noeol)
        part.flags |= WIRE_NOEOL;
    return part;
}

/* What a part counts in the window. */
static uint64_t part_cost(const struct part *part)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < part->count; i++)
        bytes += cost(wire_block_length(part->lengths, 0, i), part->flags & WIRE_GAP);
    return bytes;
}

static int await_room(const struct csp__stream *s, uint64_t bytes, csp_time by, const struct csp__call *call)
{
    csp_case room = {.op = CSP__OP_WINDOW, .chan = s->chan, .arg = (int64_t)bytes};
    return csp__stream_has_room(s, bytes) || csp__select(&room, 1, by, 0, call) >= 0 ? 0 : -1;
}

int csp__stream_put_block(struct csp__line *line, struct csp__stream *s, const csp__block *b, csp_time by,
                          const struct csp__call *call)
{
    const char *data = b->data;
    for (size_t i = 0; i < b->count; i++)
        if (csp__block_length(b, i) > s->max_bytes)
            return csp__fail(EMSGSIZE, "send", s->chan);
    if (csp__line_pump(line) < 0) /* a slow sender must learn that nobody receives long before its window is full */
        return csp__fail(ENOTCONN, "send", s->chan);
    if (csp__scope_ends(line))
        return csp__fail(ECANCELED, "send", s->chan);
    for (size_t i = 0; i < b->count;) {
        struct part part = next_part(s, b, i, data);
        if (await_room(s, part_cost(&part), by, call) != 0)
            return -1;
        if (s->send.broken)
            return csp__fail(EPIPE, "send", s->chan);
        if (put(line, s, &part) != 0)
            return -1;
        i += part.count;
        data += part.len;
    }
    return 0;
}

/* ---- receiving */

static int read_batch(struct csp__line *line, struct csp__batch *b)
{
    const struct wire_head *head = &line->head;
    const char *payload = (const char *)zmq_msg_data(&line->frame) + sizeof *head;
    int64_t data = wire_block_data(head, payload);
    if (data < 0)
        return -1;
    *b = (struct csp__batch){.data = (size_t)data,
                             .count = head->count,
                             .gap = (head->flags & WIRE_GAP) != 0,
                             .noeol = (head->flags & WIRE_NOEOL) != 0};
    if ((head->flags & WIRE_CHAN) != 0)
        memcpy(&b->attached, payload + b->data + sizeof(uint32_t), sizeof b->attached);
    zmq_msg_init(&b->msg);
    zmq_msg_move(&b->msg, &line->frame);
    b->payload = (const char *)zmq_msg_data(&b->msg) + sizeof *head;
    return 0;
}

void csp__stream_deliver(struct csp__line *line)
{
    struct csp__stream *s = csp__stream_find(line, line->head.channel);
    if (s == NULL || !s->recv.on)
        return; /* dropped: the values go back by the count in the page */
    s->recv.waiting = 0;
    if ((line->head.flags & WIRE_CLOSED) != 0)
        s->recv.closed = 1;
    if (line->head.count == 0)
        return;
    struct csp__batch *b = malloc(sizeof *b);
    if (b == NULL || read_batch(line, b) != 0) {
        free(b);
        line->gone = 1; /* values that nobody could ever take: as if the line were cut, from which they go back */
        return;
    }
    s->recv.last_count = b->count;
    *s->recv.last = b;
    s->recv.last = &b->next;
}

const void *csp__stream_front(const struct csp__stream *s, size_t *len, csp_chan *attached)
{
    const struct csp__batch *b = s->recv.first;
    if (b == NULL)
        return NULL;
    *len = wire_block_length(b->payload, b->data, b->index);
    *attached = b->attached;
    return b->payload + b->offset;
}

static int say_took(struct csp__line *line, struct csp__stream *s, unsigned flags)
{
    struct wire_head head = wire_head(WIRE_TOOK, flags, 0);
    head.channel = s->chan;
    head.seq = s->recv.taken;
    zmq_msg_t msg;
    if (csp__frame(&msg, &head) == NULL)
        return -1;
    s->recv.told = s->recv.taken;
    s->recv.bytes = 0;
    return csp__line_send(line, &msg);
}

void csp__stream_count(struct csp__line *line, struct csp__stream *s, size_t values, size_t bytes)
{
    s->recv.taken += values;
    s->recv.bytes += bytes;
    atomic_store_explicit(&line->page[s->recv.slot], s->recv.taken, memory_order_release);
}

/* Says what was taken where that is due: at a quarter of the window, half of a delivery, and with nothing left. What
 * the broker does not hear because it is gone the next call will see. */
static void tell(struct csp__line *line, struct csp__stream *s)
{
    const struct csp__receiving *recv = &s->recv;
    if (recv->first == NULL || recv->bytes >= recv->window / 4 || recv->taken - recv->told >= recv->last_count / 2)
        (void)say_took(line, s, 0);
}

void csp__stream_pop(struct csp__line *line, struct csp__stream *s)
{
    struct csp__batch *b = s->recv.first;
    b->offset += wire_block_length(b->payload, b->data, b->index) + (size_t)b->gap;
    if (++b->index == b->count)
        drop_batch(s);
    tell(line, s);
}

void csp__stream_take_block(struct csp__line *line, struct csp__stream *s, csp__block *out)
{
    struct csp__batch *b = s->recv.first;
    uint32_t count = b->count - b->index;
    *out = (csp__block){.data = b->payload + b->offset,
                        .len = b->data - b->offset,
                        .lengths = b->payload + b->data + b->index * sizeof(uint32_t),
                        .count = count,
                        .gap = b->gap,
                        .noeol = b->noeol,
                        .hold = b};
    csp__stream_count(line, s, count, out->len);
    s->recv.first = b->next;
    if (s->recv.first == NULL)
        s->recv.last = &s->recv.first;
    tell(line, s);
}

int csp__stream_wait(struct csp__line *line, struct csp__stream *s)
{
    if (s->recv.waiting || s->recv.closed)
        return 0;
    s->recv.waiting = 1;
    return say_took(line, s, WIRE_WAIT);
}
