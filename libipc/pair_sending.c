/* SPDX-License-Identifier: MPL-2.0 */
/* The sending side of a pair. Decision: what a sending stream counts (put, committed, costs) is counted anew in each
 * generation, and committed is there what the page says was taken; what it counted while it was hosted is put aside,
 * and goes on when the pair is recalled. So a recall is no more than the frames that were kept, and two counts joined.
 */
#include "pair.h"
#include "hold.h"
#include "line.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int is_exact(const struct csp__stream *s)
{
    return (s->exact & CSP_SEND) != 0;
}

/* ---- joining */

static int greet(struct csp__line *line, struct csp__pair *pair)
{
    struct wire_head head = wire_head(WIRE_GREET, 0, sizeof pair->token);
    head.channel = pair->chan;
    head.seq = pair->generation;
    zmq_msg_t msg;
    void *to = csp__frame(&msg, &head);
    if (to == NULL) {
        line->gone = 1;
        return -1;
    }
    memcpy(to, pair->token, sizeof pair->token);
    if (csp__socket_send(&pair->socket, &msg, 0) == 0)
        return 0;
    zmq_msg_close(&msg);
    return -1;
}

/* Puts aside what the half counted, and begins to count for the pair. */
static int begin(struct csp__pair *pair, struct csp__stream *s)
{
    struct csp__sending direct;
    pair->hosted = malloc(sizeof *pair->hosted);
    if (pair->hosted == NULL || csp__sending_begin(&direct, s->send.window) != 0) {
        free(pair->hosted);
        pair->hosted = NULL;
        return -1;
    }
    struct csp__sending *send = &s->send;
    *pair->hosted = *send;
    pair->hosted->pack = (struct csp__pack){.buf = NULL};
    send->put = send->committed = send->bytes = 0;
    send->costs = direct.costs;
    send->size = direct.size;
    if (is_exact(s))
        send->most = CSP__PACK_MAX;
    send->pair = pair;
    uint64_t unread = pair->hosted->put - pair->call.read;
    pair->prior_before = pair->call.taken + pair->call.values + unread;
    pair->prior = pair->call.values + unread;
    pair->prior_bytes = pair->call.bytes;
    for (uint64_t i = pair->call.read; i < pair->hosted->put; i++)
        pair->prior_bytes += pair->hosted->costs[i & (pair->hosted->size - 1)];
    return 0;
}

static void join(struct csp__line *line, struct csp__pair *pair)
{
    struct csp__stream *s = pair->stream;
    struct wire_joined body = {.put = s->send.put};
    pair->called = 0;
    int err = csp__hold_flush(line) == 0 && csp__pair_open(line, pair) == 0 ? 0 : errno;
    if (err == 0 && (pair->call.read > s->send.put || pair->call.read < s->send.committed))
        err = EPROTO;
    if (err == 0 && begin(pair, s) != 0)
        err = ENOMEM;
    (void)csp__pair_say(line, pair, WIRE_JOINED, err, &body, sizeof body);
    if (err != 0)
        csp__pair_end(line, pair);
    else
        (void)greet(line, pair);
}

static int is_called(const struct csp__line *line, const struct csp__stream *s)
{
    const struct csp__pair *pair = line->pairs;
    while (pair != NULL && (pair->stream != s || !pair->called))
        pair = pair->next;
    return pair != NULL;
}

void csp__pair_connect(struct csp__line *line)
{
    struct csp__stream *s = csp__stream_find(line, line->head.channel);
    if (s == NULL || !s->send.on || s->send.pair != NULL || is_called(line, s))
        return; /* it crossed a drop; or a second one, which no good broker says before it recalls the first */
    struct csp__pair *pair = csp__pair_new(line, s, 1);
    if (pair == NULL) {
        struct csp__pair nobody = {.chan = s->chan, .generation = line->head.seq};
        struct wire_joined body = {.put = s->send.put};
        int err = errno;
        (void)csp__pair_say(line, &nobody, WIRE_JOINED, err, &body, sizeof body);
        return;
    }
    pair->called = 1;
    if (!line->offers_send)
        join(line, pair);
    else
        line->pairs_called = 1;
}

void csp__pairs_committed(const struct csp__line *line, csp_chan c, size_t len)
{
    for (struct csp__pair *pair = line->pairs; pair != NULL; pair = pair->next)
        if (pair->called && pair->chan == c) {
            pair->call.values++;
            pair->call.bytes += len;
        }
}

void csp__pairs_settle(struct csp__line *line)
{
    line->pairs_called = 0;
    for (struct csp__pair *pair = line->pairs, *next; pair != NULL; pair = next) {
        next = pair->next;
        if (pair->called)
            join(line, pair);
    }
}

/* ---- the bound */

/* Counts what was taken since the last look. What was taken on the whole. */
static uint64_t look(struct csp__stream *s)
{
    struct csp__sending *send = &s->send;
    struct csp__pair *pair = send->pair;
    uint64_t before = atomic_load(&pair->page->before);
    uint64_t taken = atomic_load(&pair->page->taken) & ~WIRE_REVOKED;
    for (; send->committed < taken && send->committed < send->put; send->committed++) {
        uint32_t cost = send->costs[send->committed & (send->size - 1)];
        send->bytes -= cost;
        if (pair->edge > send->committed)
            pair->inner -= cost;
        else
            pair->edge = send->committed + 1;
    }
    pair->prior = before < pair->prior_before ? pair->prior_before - before : 0;
    if (pair->prior == 0)
        pair->prior_bytes = 0;
    for (; !is_exact(s) && pair->edge < send->put; pair->edge++) { /* as the broker admits them to its buffer */
        uint32_t cost = send->costs[pair->edge & (send->size - 1)];
        uint64_t held = pair->edge - send->committed + pair->prior;
        if (held != 0 && (held >= s->capacity || pair->inner + pair->prior_bytes + cost > s->max_bytes))
            break;
        pair->inner += cost;
    }
    return before + taken;
}

static int fits(const struct csp__stream *s, uint64_t bytes)
{
    const struct csp__sending *send = &s->send;
    const struct csp__pair *pair = send->pair;
    if (!is_exact(s))
        return pair->edge == send->put || send->bytes - pair->inner + bytes <= send->window;
    uint64_t held = send->put - send->committed + pair->prior;
    return held == 0 || (held < s->capacity && send->bytes + pair->prior_bytes + bytes <= s->max_bytes);
}

int csp__pair_has_room(struct csp__stream *s, uint64_t bytes)
{
    if (fits(s, bytes))
        return 1;
    (void)look(s);
    return fits(s, bytes);
}

int csp__pair_is_flushed(struct csp__stream *s)
{
    (void)look(s);
    return is_exact(s) || s->send.pair->edge == s->send.put;
}

int csp__pair_holds(const struct csp__stream *s)
{
    const struct csp__pair *pair = s->send.pair;
    return pair->sent > (atomic_load_explicit(&pair->page->taken, memory_order_relaxed) & ~WIRE_REVOKED);
}

uint32_t csp__pair_most(const struct csp__stream *s)
{
    uint64_t quarter = s->capacity / 4;
    return !is_exact(s) || quarter > UINT32_MAX ? UINT32_MAX : quarter != 0 ? (uint32_t)quarter : 1;
}

void csp__pair_want(struct csp__stream *s)
{
    const struct csp__sending *send = &s->send;
    uint64_t total = look(s);
    uint64_t step = (send->put - send->committed + send->pair->prior) / 8;
    if (is_exact(s) && step > s->capacity / 8)
        step = s->capacity / 8;
    if (step == 0 || (is_exact(s) && s->capacity < 64))
        step = 1;
    atomic_store(&send->pair->page->wanted, total + step);
    send->pair->awaited = 1;
}

/* ---- frames */

static int keep(struct csp__pair *pair, uint32_t count, zmq_msg_t *msg)
{
    struct csp__kept *k = malloc(sizeof *k);
    if (k == NULL)
        return -1;
    zmq_msg_init(&k->msg);
    if (zmq_msg_copy(&k->msg, msg) != 0) {
        free(k);
        return -1;
    }
    k->next = NULL;
    k->count = count;
    k->first = pair->sent;
    pair->sent += count;
    *pair->kept_end = k;
    pair->kept_end = &k->next;
    return 0;
}

static void drop_kept(struct csp__pair *pair, uint64_t taken)
{
    struct csp__kept *k;
    while ((k = pair->kept) != NULL && k->first + k->count <= taken) {
        pair->kept = k->next;
        if (pair->kept == NULL)
            pair->kept_end = &pair->kept;
        zmq_msg_close(&k->msg);
        free(k);
    }
}

int csp__pair_ship(struct csp__line *line, struct csp__stream *s, uint32_t count, zmq_msg_t *msg)
{
    struct csp__pair *pair = s->send.pair;
    struct wire_page *page = pair->page;
    drop_kept(pair, atomic_load_explicit(&page->taken, memory_order_relaxed) & ~WIRE_REVOKED);
    if (keep(pair, count, msg) != 0) {
        zmq_msg_close(msg);
        csp__line_cut(line); /* values that were sent, and nobody could ever send again */
        errno = ENOTCONN;
        return -1;
    }
    atomic_store_explicit(&page->bytes, s->send.bytes, memory_order_relaxed);
    atomic_store(&page->sent, pair->sent);
    if (csp__socket_send(&pair->socket, msg, 0) != 0)
        zmq_msg_close(msg); /* the receiver is gone: a recall will come, and it is kept */
    return 0;
}

/* ---- recall */

/* Sends what a kept frame has from `from` on to the broker, as values from `seq` on. */
static int send_back(struct csp__line *line, const struct csp__kept *k, uint64_t from, uint64_t seq)
{
    zmq_msg_t *kept = (zmq_msg_t *)&k->msg;
    struct wire_head head;
    if (wire_check(zmq_msg_data(kept), zmq_msg_size(kept), &head) != 0)
        return -1;
    const char *payload = (const char *)zmq_msg_data(kept) + sizeof head;
    size_t data = head.length - head.count * sizeof(uint32_t);
    uint32_t skipped = from > k->first ? (uint32_t)(from - k->first) : 0;
    size_t offset = 0;
    for (uint32_t i = 0; i < skipped; i++)
        offset += wire_block_length(payload, data, i) + ((head.flags & WIRE_GAP) != 0);
    size_t lengths = (head.count - skipped) * sizeof(uint32_t);
    struct wire_head back = wire_head(WIRE_PUT, head.flags | WIRE_BACK, data - offset + lengths);
    back.channel = head.channel;
    back.seq = seq;
    back.count = head.count - skipped;
    zmq_msg_t msg;
    char *to = csp__frame(&msg, &back);
    if (to == NULL)
        return -1;
    memcpy(to, payload + offset, data - offset);
    memcpy(to + data - offset, payload + data + skipped * sizeof(uint32_t), lengths);
    return csp__line_send(line, &msg);
}

/* The counts from before the join, with the values from `taken` on behind them. */
static int join_counts(struct csp__sending *send, struct csp__sending *hosted, uint64_t taken)
{
    uint64_t back = send->put - taken;
    uint64_t size = hosted->size;
    while (size < hosted->put - hosted->committed + back)
        size *= 2;
    uint32_t *costs = malloc(size * sizeof *costs);
    if (costs == NULL)
        return -1;
    for (uint64_t i = hosted->committed; i < hosted->put; i++)
        costs[i & (size - 1)] = hosted->costs[i & (hosted->size - 1)];
    for (uint64_t i = 0; i < back; i++) {
        uint32_t cost = send->costs[(taken + i) & (send->size - 1)];
        costs[(hosted->put + i) & (size - 1)] = cost;
        hosted->bytes += cost;
    }
    free(send->costs);
    send->costs = costs;
    send->size = size;
    send->committed = hosted->committed;
    send->bytes = hosted->bytes;
    send->put = hosted->put + back;
    send->most = hosted->most;
    return 0;
}

/* What is held is a frame as the others, but that it was never sent. */
static int keep_pack(struct csp__stream *s)
{
    struct csp__sending *send = &s->send;
    uint32_t count = send->pack.count;
    zmq_msg_t msg;
    if (count == 0)
        return 0;
    if (csp__pack_close(&send->pack, s->chan, send->put - count, &msg) != 0)
        return -1;
    int rc = keep(send->pair, count, &msg);
    zmq_msg_close(&msg);
    if (rc != 0)
        return -1;
    atomic_store(&send->pair->page->sent, send->pair->sent); /* the broker knows by that how many may come back */
    return 0;
}

static int go_hosted(struct csp__line *line, struct csp__stream *s, uint64_t taken)
{
    struct csp__pair *pair = s->send.pair;
    int locked = csp__hold_enter(line);
    (void)look(s);
    int result = taken >= s->send.committed && taken <= s->send.put ? keep_pack(s) : -1;
    csp__hold_forget(line, s);
    csp__hold_exit(line, locked);
    csp__pair_close(line, pair);
    if (result == 0) {
        uint64_t seq = pair->hosted->put;
        result = join_counts(&s->send, pair->hosted, taken);
        drop_kept(pair, taken);
        for (const struct csp__kept *k = pair->kept; k != NULL && result == 0; k = k->next) {
            result = send_back(line, k, taken, seq);
            seq += k->first < taken ? k->count - (taken - k->first) : k->count;
        }
    }
    s->send.pair = NULL;
    if (result == 0)
        result = csp__pair_say(line, pair, WIRE_RECALLED, 0, NULL, 0);
    else
        csp__line_cut(line); /* no other order of these values is left */
    csp__pair_end(line, pair);
    return result;
}

void csp__pair_recall(struct csp__line *line)
{
    struct csp__pair *pair = csp__pair_find(line, line->head.channel, line->head.seq, 0);
    struct wire_recall body;
    if (pair != NULL) {
        pair->stream->recv.waiting = 0; /* the broker has to hear of that again */
        csp__pair_leave(line, pair);
        return;
    }
    pair = csp__pair_find(line, line->head.channel, line->head.seq, 1);
    memcpy(&body, (const char *)zmq_msg_data(&line->frame) + sizeof line->head, sizeof body);
    if (pair == NULL)
        return;
    if (pair->called) { /* it was never joined, and that is said in order */
        struct wire_joined joined = {.put = pair->stream->send.put};
        (void)csp__pair_say(line, pair, WIRE_JOINED, 0, &joined, sizeof joined);
        (void)csp__pair_say(line, pair, WIRE_RECALLED, 0, NULL, 0);
        csp__pair_end(line, pair);
    } else {
        (void)go_hosted(line, pair->stream, body.taken);
    }
}

int csp__pair_unpair(struct csp__line *line, struct csp__stream *s)
{
    const void *payload;
    if (s->send.pair == NULL)
        return 0;
    uint64_t generation = s->send.pair->generation;
    struct csp__request r = {.type = WIRE_UNPAIR, .chan = s->chan};
    int err = csp__ask(line, &r, CSP_FOREVER, sizeof(struct wire_recall), &payload, NULL);
    if (err < 0)
        return -1;
    if (err != 0 || s->send.pair == NULL || s->send.pair->generation != generation)
        return 0; /* a recall came first */
    struct wire_recall answer;
    memcpy(&answer, payload, sizeof answer);
    return go_hosted(line, s, answer.taken);
}

int csp__pairs_unpair(struct csp__line *line)
{
    struct csp__pair *pair = line->pairs;
    while (pair != NULL) {
        if (!pair->sends || pair->called) {
            pair = pair->next;
            continue;
        }
        struct csp__stream *s = pair->stream;
        if (csp__pair_unpair(line, s) != 0)
            return -1;
        if (s->send.pair != NULL)
            return 0; /* the broker does not know of it any more */
        pair = line->pairs;
    }
    return 0;
}
