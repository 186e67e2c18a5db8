/* SPDX-License-Identifier: MPL-2.0 */
/* Receiving streams. Decision: what a receiver took is a count in a page that the broker reads when the receiver dies,
 * stored before the value is used: so a value that may have been used is never given to another. Values stay in the
 * frame that brought them until they are taken. */
#include "pair.h"
#include "stream.h"
#include "hold.h"
#include "lease.h"
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CACHE_LINE 64

/* The receiving streams of all threads: a drop must not pull one from under another thread, which has values of it that
 * the broker would give to others. */
static pthread_mutex_t receiving_lock = PTHREAD_MUTEX_INITIALIZER;
static struct csp__stream *receiving;

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

void csp__batch_free(struct csp__batch *b)
{
    if (b->pair != NULL)
        csp__pair_release(b->pair);
    zmq_msg_close(&b->msg);
    free(b);
}

void csp__batch_queue(struct csp__stream *s, struct csp__batch *b)
{
    b->next = NULL;
    *s->recv.last = b;
    s->recv.last = &b->next;
}

void csp__batches_drop(struct csp__stream *s, const struct csp__pair *pair)
{
    struct csp__batch **at = &s->recv.first;
    while (*at != NULL) {
        struct csp__batch *b = *at;
        if (b->pair == pair) {
            *at = b->next;
            csp__batch_free(b);
        } else {
            at = &b->next;
        }
    }
    s->recv.last = at;
}

static void drop_batch(struct csp__stream *s)
{
    struct csp__batch *b = s->recv.first;
    s->recv.first = b->next;
    if (s->recv.first == NULL)
        s->recv.last = &s->recv.first;
    csp__batch_free(b);
}

/* ---- beginning and ending */

/* The page of taken counts: a file of the run directory that the broker maps, and removes. */
static int make_page(struct csp__line *line)
{
    char path[sizeof csp__state.dir + 32];
    if (csp__line_join(line) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s/p%" PRIu64, csp__state.dir, line->number);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        errno = ENOBUFS; /* that there is no descriptor, or no room, is a limit of where it runs */
        return -1;
    }
    int err;
    do
        err = posix_fallocate(fd, 0, WIRE_PAGE_SIZE); /* a full file system is an error here, not a SIGBUS later */
    while (err == EINTR);
    void *page = err == 0 ? mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (err == 0 && page == MAP_FAILED)
        err = errno;
    close(fd);
    if (err != 0) {
        (void)unlink(path);
        errno = err == ENOMEM ? ENOMEM : ENOBUFS;
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

int csp__receiving_begin(struct csp__line *line, struct csp__stream *s, uint64_t window)
{
    uint32_t slot;
    if (find_slot(line, &slot) != 0)
        return -1;
    line->slot_used[slot] = 1;
    s->recv = (struct csp__receiving){.on = 1, .window = window, .slot = slot};
    s->recv.last = &s->recv.first;
    note_receiving(s);
    return 0;
}

void csp__receiving_end(struct csp__line *line, struct csp__stream *s)
{
    while (s->recv.first != NULL)
        drop_batch(s);
    line->slot_used[s->recv.slot] = 0;
    s->recv.on = 0;
    forget_receiving(s);
}

/* ---- values */

static int read_block(struct csp__line *line, struct csp__batch *b)
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
    (void)wire_lease(head, payload, &b->lease); /* wire_block_data has checked it */
    zmq_msg_init(&b->msg);
    zmq_msg_move(&b->msg, &line->frame);
    b->payload = (const char *)zmq_msg_data(&b->msg) + sizeof *head;
    if (b->lease.reason != 0)
        b->reason = b->payload + head->length - sizeof b->lease - b->lease.reason;
    return 0;
}

struct csp__batch *csp__batch_read(struct csp__line *line)
{
    struct csp__batch *b = malloc(sizeof *b);
    if (b != NULL && read_block(line, b) == 0)
        return b;
    free(b);
    return NULL;
}

void csp__stream_deliver(struct csp__line *line)
{
    struct csp__stream *s = csp__stream_find(line, line->head.channel);
    if (s == NULL || !s->recv.on || line->cut)
        return; /* dropped: the values go back by the count in the page */
    s->recv.waiting = s->recv.idle = 0;
    if ((line->head.flags & WIRE_CLOSED) != 0)
        s->recv.closed =
            (line->head.flags & WIRE_LEASE) != 0 && line->head.count == 0 ? CSP__CLOSED_FOR_NOW : CSP__CLOSED;
    if ((line->head.flags & WIRE_DIRECT) != 0)
        csp__pair_direct(line, s);
    if (line->head.count == 0)
        return;
    struct csp__batch *b = csp__batch_read(line);
    if (b == NULL) {
        csp__line_cut(line); /* nobody could ever take them: they go back, with what comes after them */
        return;
    }
    if (s->recv.closed == CSP__CLOSED_FOR_NOW)
        s->recv.closed = CSP__OPEN; /* some of what was leased came back */
    s->recv.marked |= b->lease.id != 0;
    s->recv.delivered += b->count;
    csp__batch_queue(s, b);
}

/* A close for now, where what was leased has been settled since, is to be asked for again. */
int csp__stream_is_closed(struct csp__stream *s)
{
    if (s->recv.closed == CSP__CLOSED_FOR_NOW && !csp__lease_holds(s->chan))
        csp__stream_tell_closed(&s->recv);
    return s->recv.closed != CSP__OPEN;
}

int csp__stream_may_take(struct csp__stream *s)
{
    if (s->recv.first == NULL && s->recv.pair != NULL)
        csp__pair_pull(s->line, s);
    return s->recv.first != NULL || csp__stream_is_closed(s);
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

const char *csp__stream_lease(const struct csp__stream *s, struct wire_lease *lease)
{
    const struct csp__batch *b = s->recv.first;
    *lease = b->lease;
    if (lease->id != 0)
        lease->id += b->index;
    return b->reason;
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

void csp__stream_tell(struct csp__line *line, struct csp__stream *s)
{
    (void)say_took(line, s, 0);
}

int csp__stream_count(struct csp__line *line, struct csp__stream *s, size_t values, size_t bytes)
{
    if (s->recv.first->pair != NULL)
        return csp__pair_take(line, s, values);
    s->recv.taken += values;
    s->recv.bytes += bytes;
    atomic_store_explicit(&line->page[s->recv.slot], s->recv.taken, memory_order_release);
    if (s->recv.pair != NULL)
        csp__pair_before(s);
    return 0;
}

/* Says what was taken where that is due: at a quarter of the window, half of what was delivered, and with nothing left.
 * What the broker does not hear because it is gone the next call will see. */
static void tell(struct csp__line *line, struct csp__stream *s)
{
    const struct csp__receiving *recv = &s->recv;
    if ((s->exact & CSP_RECV) != 0 || recv->first == NULL || recv->first->pair != NULL ||
        recv->bytes >= recv->window / 4 || recv->taken - recv->told >= (recv->delivered - recv->told) / 2)
        (void)say_took(line, s, 0);
}

int csp__stream_hear(struct csp__line *line)
{
    int locked = csp__hold_enter(line);
    int fine = csp__line_hear(line);
    csp__hold_exit(line, locked);
    return fine && !csp__scope_ends(line);
}

/* Among many streams it is some calls until the next value is needed, and out of the cache by then. */
static void foresee(const struct csp__batch *b)
{
    const char *value = b->payload + b->offset;
    __builtin_prefetch(value);
    __builtin_prefetch(value + CACHE_LINE);
    __builtin_prefetch(b->payload + b->data + (size_t)b->index * sizeof(uint32_t));
}

void csp__stream_pop(struct csp__line *line, struct csp__stream *s)
{
    struct csp__batch *b = s->recv.first;
    int hosted = b->pair == NULL;
    b->offset += wire_block_length(b->payload, b->data, b->index) + (size_t)b->gap;
    if (++b->index == b->count)
        drop_batch(s);
    else
        foresee(b);
    if (hosted)
        tell(line, s);
}

const void *csp__stream_front_fast(struct csp__line *line, struct csp__stream *s, size_t *len, csp_chan *attached)
{
    if (line->stash != NULL || !csp__stream_hear(line))
        return NULL;
    if (s->recv.first == NULL && s->recv.pair != NULL)
        csp__pair_pull(line, s);
    return csp__stream_front(s, len, attached);
}

int csp__stream_take_block(struct csp__line *line, struct csp__stream *s, csp__block *out)
{
    struct csp__batch *b = s->recv.first;
    uint32_t count = b->count - b->index;
    if (csp__stream_count(line, s, count, b->data - b->offset) != 0)
        return -1;
    *out = (csp__block){.data = b->payload + b->offset,
                        .len = b->data - b->offset,
                        .lengths = b->payload + b->data + b->index * sizeof(uint32_t),
                        .count = count,
                        .gap = b->gap,
                        .noeol = b->noeol,
                        .id = b->lease.id != 0 ? b->lease.id + b->index : 0,
                        .tries = b->lease.tries,
                        .is_letter = b->lease.letter,
                        .reason = b->reason,
                        .reason_len = b->lease.reason,
                        .hold = b};
    s->recv.first = b->next;
    if (s->recv.first == NULL)
        s->recv.last = &s->recv.first;
    if (csp__is_leased(&b->lease))
        csp__lease_count(s->chan, count);
    if (b->pair == NULL) {
        tell(line, s);
    } else {
        csp__pair_release(b->pair);
        b->pair = NULL; /* the block outlives it */
    }
    return 0;
}

int csp__stream_wait(struct csp__line *line, struct csp__stream *s)
{
    if (s->recv.waiting || s->recv.closed)
        return 0;
    s->recv.waiting = 1;
    return say_took(line, s, WIRE_WAIT | (s->recv.idle ? WIRE_IDLE : 0));
}

void csp__idle(csp_chan c)
{
    struct csp__line *line = csp__line("be idle");
    struct csp__stream *s = line != NULL ? csp__stream_find(line, c) : NULL;
    if (s == NULL || !s->recv.on || s->recv.idle)
        return;
    (void)csp__line_pump(line);
    if (s->recv.first != NULL)
        return;
    s->recv.idle = 1;
    s->recv.waiting = 0; /* it is said anew */
    (void)csp__stream_wait(line, s);
}
