/* SPDX-License-Identifier: MPL-2.0 */
/* Streams: making and ending them. Decision: a stream is one record for both directions of a channel in a line, so that
 * whatever comes for the channel is found with one look; each direction is a half of its own (sending.c, receiving.c).
 */
#include "stream.h"
#include "error.h"
#include "hold.h"
#include "pair.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PREFETCH 65536 /* bytes: of a pair that is hosted */

static struct csp__stream **bucket(struct csp__line *line, csp_chan c)
{
    return &line->streams[c % CSP__BUCKETS];
}

void csp__stream_end(struct csp__line *line, struct csp__stream *s, int ends)
{
    csp__pairs_end(line, s, ends);
    s->exact &= ~ends;
    if ((ends & CSP_SEND) != 0 && s->send.on) {
        csp__hold_forget(line, s);
        csp__sending_end(&s->send);
    }
    if ((ends & CSP_RECV) != 0 && s->recv.on)
        csp__receiving_end(line, s);
    if (s->send.on || s->recv.on)
        return;
    struct csp__stream **at = bucket(line, s->chan);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    line->known = 0;
    free(s);
}

static struct csp__stream *new_stream(struct csp__line *line, csp_chan c)
{
    struct csp__stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->chan = c;
    s->line = line;
    s->next = *bucket(line, c);
    *bucket(line, c) = s;
    return s;
}

static int begin(struct csp__line *line, struct csp__stream *s, int ends, size_t window)
{
    if ((ends & CSP_SEND) != 0 && csp__sending_begin(&s->send, window) != 0)
        return csp__fail(ENOMEM, "stream", s->chan);
    if ((ends & CSP_RECV) != 0 && csp__receiving_begin(line, s, window) != 0)
        return csp__fail(errno, "stream", s->chan);
    const void *payload;
    struct wire_stream body = {.window = window, .slot = (ends & CSP_RECV) != 0 ? s->recv.slot : 0};
    struct csp__request r = {
        .type = WIRE_STREAM, .chan = s->chan, .count = (uint32_t)ends, .head = &body, .head_len = sizeof body};
    int err = csp__ask(line, &r, CSP_FOREVER, sizeof(struct wire_channel), &payload, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, "stream", s->chan);
    struct wire_channel answer;
    memcpy(&answer, payload, sizeof answer);
    s->max_bytes = answer.max_bytes;
    s->capacity = answer.capacity;
    return 0;
}

/* A hosted send is an offer: so nothing of the window is used. */
int csp__stream_exact(struct csp__line *line, csp_chan c, int end)
{
    struct csp__stream *s = csp__stream_find(line, c);
    if (s != NULL && (end == CSP_SEND ? s->send.on : s->recv.on))
        return EPROTO; /* the broker knows that */
    if (s == NULL && (s = new_stream(line, c)) == NULL)
        return ENOMEM;
    s->exact |= end;
    if (begin(line, s, end, end == CSP_SEND ? 1 : PREFETCH) == 0)
        return 0;
    int err = errno;
    csp__stream_end(line, s, end);
    return err;
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
        return csp__failf(EINVAL,
                          "stream, channel %" PRIu64 ": one of capacity 0, a group, or one to send on whose overflow "
                          "policy is reject, cannot be a stream",
                          c);
    errno = err;
    return -1;
}
