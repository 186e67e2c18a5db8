/* SPDX-License-Identifier: MPL-2.0 */
/* Sending streams. Decision: a value is held for others only while values are outstanding, so who sends seldom pays no
 * delay and who sends fast pays per frame; and every value goes through the stream's pack, held or not: so there is one
 * place where frames are made. What is held counts as put: the window bounds it with the rest. */
#include "stream.h"
#include "error.h"
#include "hold.h"
#include "pair.h"
#include "scope.h"
#include "select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define FIRST_COSTS 64 /* a power of two */
#define SOME        16 /* values of a pair from one look to the next whether it is idle; at a pace of */
#define MUCH        64 /* so many in the time of csp__line_listen, or more */

int csp__sending_begin(struct csp__sending *send, uint64_t window)
{
    uint32_t *costs = malloc(FIRST_COSTS * sizeof *costs);
    if (costs == NULL)
        return -1;
    uint64_t quarter = window / 4;
    *send = (struct csp__sending){.on = 1,
                                  .window = window,
                                  .costs = costs,
                                  .size = FIRST_COSTS,
                                  .most = quarter < CSP__PACK_MAX ? quarter : CSP__PACK_MAX};
    return 0;
}

void csp__sending_end(struct csp__sending *send)
{
    free(send->costs);
    free(send->staged);
    csp__pack_free(&send->pack);
    *send = (struct csp__sending){.on = 0};
}

/* ---- the window */

void csp__stream_room(struct csp__line *line)
{
    struct csp__stream *s = csp__stream_find(line, line->head.channel);
    if (s == NULL || !s->send.on)
        return;
    struct csp__sending *send = s->send.pair != NULL ? s->send.pair->hosted : &s->send;
    if (line->head.seq > send->put - send->pack.count)
        return;
    while (send->committed < line->head.seq)
        send->bytes -= send->costs[send->committed++ & (send->size - 1)];
    if (line->head.count == EPIPE)
        s->send.broken = 1;
}

static int within(const struct csp__sending *send, uint64_t bytes)
{
    return send->committed == send->put || send->bytes + bytes <= send->window;
}

int csp__stream_has_room(struct csp__stream *s, uint64_t bytes)
{
    if (s->send.pair == NULL || s->send.broken)
        return s->send.broken || within(&s->send, bytes);
    int locked = csp__hold_enter(s->line); /* it counts what was taken, which is said with a frame */
    int has = csp__pair_has_room(s, bytes);
    csp__hold_exit(s->line, locked);
    return has;
}

int csp__stream_may_put(struct csp__stream *s, size_t len)
{
    if (s->send.pair == NULL && (s->exact & CSP_SEND) != 0)
        return 0; /* the broker takes its values one by one */
    return len > s->max_bytes || csp__stream_has_room(s, csp__cost(len, 0));
}

int csp__stream_is_flushed(struct csp__stream *s)
{
    if (s->send.pair == NULL || s->send.broken)
        return s->send.broken || s->send.committed == s->send.put;
    int locked = csp__hold_enter(s->line);
    int is = csp__pair_is_flushed(s);
    csp__hold_exit(s->line, locked);
    return is;
}

int csp__sending_reserve(struct csp__sending *send, size_t values)
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
        costs[i & (size - 1)] = send->costs[i & (send->size - 1)];
    free(send->costs);
    send->costs = costs;
    send->size = size;
    return 0;
}

void csp__sending_note(struct csp__sending *send, uint32_t bytes)
{
    send->costs[send->put++ & (send->size - 1)] = bytes;
    send->bytes += bytes;
}

/* ---- frames */

int csp__stream_ship(struct csp__line *line, struct csp__stream *s)
{
    struct csp__sending *send = &s->send;
    uint32_t count = send->pack.count;
    zmq_msg_t msg;
    if (count == 0)
        return 0;
    if (csp__pack_close(&send->pack, s->chan, send->put - count, &msg) != 0)
        return -1;
    return send->pair != NULL ? csp__pair_ship(line, s, count, &msg) : csp__line_transmit(line, &msg);
}

/* Whether values that were sent are not in a ROOM yet, or not taken from a pair: others may wait for that. Of a pair
 * that is a look at memory which the receiver writes, so not every value takes it. */
static int is_busy(const struct csp__line *line, const struct csp__stream *s)
{
    const struct csp__sending *send = &s->send;
    if (send->pair == NULL)
        return send->committed != send->put - send->pack.count;
    int often = line->deaf < MUCH;
    return (send->pack.count % SOME != 1 && !often) || csp__pair_holds(s);
}

/* Whether more values with so many bytes may share a frame with those in the pack. */
static int may_share(const struct csp__stream *s, uint64_t bytes)
{
    const struct csp__pack *pack = &s->send.pack;
    return pack->cost + bytes <= s->send.most && (s->send.pair == NULL || pack->count < csp__pair_most(s));
}

/* Sends what cannot share a frame with so many bytes more; and where the broker has much to do looks whether it has,
 * before anything is held. 0; EPIPE; EAGAIN: there is no room; -1: ENOMEM, ENOTCONN noted. */
static int prepare(struct csp__line *line, struct csp__stream *s, uint64_t bytes, unsigned flags)
{
    struct csp__sending *send = &s->send;
    struct csp__pack *pack = &send->pack;
    if (pack->count != 0 && (!may_share(s, bytes) || pack->flags != (flags & WIRE_GAP)) && csp__hold_ship(line) != 0)
        return csp__fail(errno, "send", s->chan);
    if (line->holds && pack->count == 0 && send->pair == NULL && is_busy(line, s) && line->left != line->deaf)
        (void)csp__line_listen(line);
    return send->broken ? EPIPE : csp__stream_has_room(s, bytes) ? 0 : EAGAIN;
}

/* Something was added, of so many bytes: it is sent, or held for more like it. 0, or -1: ENOTCONN noted. */
static int conclude(struct csp__line *line, struct csp__stream *s, uint64_t bytes)
{
    if (line->holds && is_busy(line, s) && may_share(s, bytes) && csp__hold_begin(line, s) == 0)
        return 0;
    if ((line->open == NULL || csp__hold_ship(line) == 0) && csp__stream_ship(line, s) == 0)
        return 0;
    if (errno == ENOMEM && csp__hold_begin(line, s) == 0)
        return 0;        /* later */
    csp__line_cut(line); /* with values that nobody could send */
    return csp__fail(ENOTCONN, "send", s->chan);
}

/* ---- values */

static int put(struct csp__line *line, struct csp__stream *s, const void *p, size_t len)
{
    struct csp__sending *send = &s->send;
    size_t bytes = csp__cost(len, 0);
    int result = prepare(line, s, bytes, 0);
    if (result != 0)
        return result;
    if (csp__sending_reserve(send, 1) != 0 || csp__pack_add(&send->pack, p, len) != 0)
        return csp__fail(ENOMEM, "send", s->chan);
    csp__sending_note(send, (uint32_t)bytes);
    return conclude(line, s, bytes);
}

int csp__stream_put(struct csp__line *line, struct csp__stream *s, const void *p, size_t len)
{
    if (len > s->max_bytes)
        return EMSGSIZE;
    int locked = csp__hold_enter(line);
    int result = put(line, s, p, len);
    csp__hold_exit(line, locked);
    return result;
}

int csp__stream_put_fast(struct csp__line *line, struct csp__stream *s, const void *p, size_t len)
{
    if ((p == NULL && len != 0) || len > s->max_bytes)
        return 0;
    int locked = csp__hold_enter(line);
    int result = EAGAIN;
    if (csp__line_hear(line) && !csp__scope_ends(line) && ((s->exact & CSP_SEND) == 0 || s->send.pair != NULL))
        result = put(line, s, p, len);
    csp__hold_exit(line, locked);
    return result == 0 ? 1 : result > 0 ? 0 : -1;
}

static int put_part(struct csp__line *line, struct csp__stream *s, const struct csp__part *part, uint64_t bytes)
{
    struct csp__sending *send = &s->send;
    int result = prepare(line, s, bytes, part->flags);
    if (result != 0)
        return result < 0 || result == EAGAIN ? result : csp__fail(result, "send", s->chan);
    if (csp__sending_reserve(send, part->count) != 0 || csp__pack_add_part(&send->pack, part, bytes) != 0)
        return csp__fail(ENOMEM, "send", s->chan);
    for (uint32_t i = 0; i < part->count; i++)
        csp__sending_note(send, (uint32_t)csp__cost(wire_block_length(part->lengths, 0, i), part->flags & WIRE_GAP));
    return conclude(line, s, bytes);
}

/* ---- blocks */

int csp__block_fits(const struct csp__stream *s, const csp__block *b)
{
    for (size_t i = 0; b->len > s->max_bytes && i < b->count; i++)
        if (csp__block_length(b, i) > s->max_bytes)
            return EMSGSIZE;
    return 0;
}

struct csp__part csp__block_part(const struct csp__stream *s, const csp__block *b, size_t i, const char *data,
                                 uint64_t *cost)
{
    struct csp__part part = {
        .data = data, .lengths = (const char *)b->lengths + i * sizeof(uint32_t), .flags = b->gap != 0 ? WIRE_GAP : 0};
    int is_whole = i == 0 && b->gap != 0 && b->len <= s->send.most; /* then there is no need to look at each */
    *cost = is_whole ? b->len : 0;
    if (is_whole) {
        part.len = b->len;
        part.count = (uint32_t)b->count;
        i = b->count;
    }
    while (i < b->count) {
        size_t len = csp__block_length(b, i);
        size_t bytes = csp__cost(len, b->gap);
        if (part.count > 0 && *cost + bytes > s->send.most)
            break;
        *cost += bytes;
        part.len += len + (size_t)(b->gap != 0);
        part.count++;
        i++;
    }
    if (i == b->count && b->noeol)
        part.flags |= WIRE_NOEOL;
    if (part.count == b->count) {
        part.given = b->given;
        part.size = b->size;
    }
    return part;
}

static int await_room(struct csp__stream *s, uint64_t bytes, csp_time by, const struct csp__call *call)
{
    csp_case room = {.op = CSP__OP_WINDOW, .chan = s->chan, .arg = (int64_t)bytes};
    return csp__stream_has_room(s, bytes) || csp__select(&room, 1, by, 0, call) >= 0 ? 0 : -1;
}

int csp__stream_put_block(struct csp__line *line, struct csp__stream *s, const csp__block *b, csp_time by,
                          const struct csp__call *call)
{
    const char *data = b->data;
    if (csp__block_fits(s, b) != 0)
        return csp__fail(EMSGSIZE, "send", s->chan);
    if (csp__line_pump(line) < 0) /* a slow sender must learn that nobody receives long before its window is full */
        return csp__fail(ENOTCONN, "send", s->chan);
    if (csp__scope_ends(line))
        return csp__fail(ECANCELED, "send", s->chan);
    for (size_t i = 0; i < b->count;) {
        uint64_t cost;
        struct csp__part part = csp__block_part(s, b, i, data, &cost);
        if (await_room(s, cost, by, call) != 0)
            return -1;
        int locked = csp__hold_enter(line);
        int result = put_part(line, s, &part, cost);
        csp__hold_exit(line, locked);
        if (result < 0)
            return -1;
        if (result == EAGAIN)
            continue; /* it has become a pair, which has less room */
        i += part.count;
        data += part.len;
    }
    return 0;
}

/* ---- flush */

int csp__stream_flush(struct csp__stream *s, csp_time by, const struct csp__call *call)
{
    (void)csp__hold_flush(s->line); /* also where it may not wait */
    csp_case flushed = {.op = CSP__OP_FLUSH, .chan = s->chan};
    if (csp__select(&flushed, 1, by, 0, call) < 0)
        return -1;
    return !s->send.broken || s->send.committed == s->send.put ? 0 : csp__fail(EPIPE, call->what, s->chan);
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
