/* SPDX-License-Identifier: MPL-2.0 */
/* One step: the values that came of a task, and its acknowledgement; section 16 of docs/protocol.md. Decision: what is
 * staged waits in the broker, not here, so that the frame that settles is small, and there is nothing that could be
 * sent in half; here is kept only what the values will count in their streams' windows once they are put. */
#include "error.h"
#include "lease.h"
#include "pair.h"
#include "run.h"
#include "select.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_STAGED 64

static int reserve_staged(struct csp__sending *send, size_t values)
{
    size_t size = send->staged_size != 0 ? send->staged_size : FIRST_STAGED;
    while (size < send->nstaged + values)
        size *= 2;
    if (size == send->staged_size)
        return 0;
    uint32_t *staged = realloc(send->staged, size * sizeof *staged);
    if (staged == NULL)
        return -1;
    send->staged = staged;
    send->staged_size = size;
    return 0;
}

/* Sends the values of a part to be kept. 0, or -1: ENOMEM, ENOTCONN. */
static int stage_part(struct csp__line *line, struct csp__stream *s, const struct csp__part *part)
{
    size_t lengths = part->count * sizeof(uint32_t);
    struct wire_head head = wire_head(WIRE_PUT, part->flags | WIRE_STAGED, part->len + lengths);
    head.channel = s->chan;
    head.count = part->count;
    zmq_msg_t msg;
    char *to = csp__frame(&msg, &head);
    if (to == NULL)
        return -1;
    if (part->len != 0)
        memcpy(to, part->data, part->len);
    memcpy(to + part->len, part->lengths, lengths);
    return csp__line_send(line, &msg);
}

static int stage(struct csp__line *line, struct csp__stream *s, const csp__block *b)
{
    const char *data = b->data;
    line->staged = 1;
    if (reserve_staged(&s->send, b->count) != 0)
        return csp__fail(ENOMEM, "stage", s->chan);
    for (size_t i = 0; i < b->count;) {
        uint64_t cost;
        struct csp__part part = csp__block_part(s, b, i, data, &cost);
        if (stage_part(line, s, &part) != 0)
            return csp__fail(errno, "stage", s->chan);
        for (uint32_t k = 0; k < part.count; k++)
            s->send.staged[s->send.nstaged++] =
                (uint32_t)csp__cost(wire_block_length(part.lengths, 0, k), (part.flags & WIRE_GAP) != 0);
        i += part.count;
        data += part.len;
    }
    return 0;
}

int csp__stage_block(csp_chan c, const csp__block *b)
{
    struct csp__line *line = csp__line("stage");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    if (s == NULL || !s->send.on || s->exact != 0)
        return csp__failf(EINVAL, "stage, channel %" PRIu64 ": it is no sending stream of this thread", c);
    if (csp__block_fits(s, b) != 0)
        return csp__fail(EMSGSIZE, "stage", c);
    if (csp__line_pump(line) < 0)
        return csp__fail(ENOTCONN, "stage", c);
    if (csp__pair_unpair(line, s) != 0)
        return csp__fail(errno, "stage", c);
    int rc = stage(line, s, b); /* the broker knows what becomes of it */
    return rc == 0 && s->send.broken ? csp__fail(EPIPE, "stage", c) : rc;
}

/* ---- settling */

typedef int csp__staged_fn(struct csp__line *line, struct csp__stream *s);

/* Calls it for each stream of the line that has staged something, until one fails. */
static int each_staged(struct csp__line *line, csp__staged_fn *fn)
{
    for (size_t i = 0; i < CSP__BUCKETS; i++)
        for (struct csp__stream *s = line->streams[i]; s != NULL; s = s->next)
            if (s->send.nstaged != 0 && fn(line, s) != 0)
                return -1;
    return 0;
}

/* A pair may have been joined since it was staged. */
static int prepare(struct csp__line *line, struct csp__stream *s)
{
    if (csp__pair_unpair(line, s) == 0 && csp__sending_reserve(&s->send, s->send.nstaged) == 0)
        return 0;
    errno = errno == ENOTCONN ? ENOTCONN : ENOMEM;
    return -1;
}

static int note_put(struct csp__line *line, struct csp__stream *s)
{
    (void)line;
    for (size_t i = 0; i < s->send.nstaged; i++)
        csp__sending_note(&s->send, s->send.staged[i]);
    s->send.nstaged = 0;
    return 0;
}

static int drop(struct csp__line *line, struct csp__stream *s)
{
    (void)line;
    s->send.nstaged = 0;
    return 0;
}

void csp__staged_drop(struct csp__line *line)
{
    if (line->staged)
        (void)each_staged(line, drop);
    line->staged = 0;
}

int csp__settle(csp_chan c, const uint64_t *ids, size_t n)
{
    static const char what[] = "settle";
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    if ((line->staged && each_staged(line, prepare) != 0) || csp__say_ack(line, c, ids, n, WIRE_STAGED) != 0)
        return csp__fail(errno, what, c);
    line->staged = 0;
    return each_staged(line, note_put);
}

int csp__acknowledge(csp_chan c, uint64_t first, size_t n)
{
    static const char what[] = "acknowledge";
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    struct wire_head head = wire_head(WIRE_ACK, 0, n * sizeof first);
    head.channel = c;
    head.count = (uint32_t)n;
    zmq_msg_t msg;
    char *to = csp__frame(&msg, &head);
    if (to == NULL)
        return csp__fail(ENOMEM, what, c);
    for (size_t i = 0; i < n; i++, to += sizeof first) {
        uint64_t id = first + i;
        memcpy(to, &id, sizeof id);
    }
    csp__staged_drop(line);
    csp__lease_count(c, -(int64_t)n);
    return csp__line_send(line, &msg) == 0 ? 0 : csp__fail(errno, what, c);
}

int csp__give_back(csp_chan c, uint64_t id, csp_time delay, const char *reason, size_t len)
{
    static const char what[] = "give back";
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    return csp__say_nack(line, c, id, delay, reason, len) == 0 ? 0 : csp__fail(errno, what, c);
}

int csp__give_back_unread(csp_chan c, uint64_t id)
{
    return csp__give_back(c, id, WIRE_UNREAD, NULL, 0);
}

csp_case csp__on_room(csp_chan c)
{
    return (csp_case){.op = CSP__OP_WINDOW, .chan = c};
}

csp_case csp__on_value(csp_chan c, csp_msg *m)
{
    csp_case one = csp_on_msg(c, m);
    one.arg = 1;
    return one;
}
