/* SPDX-License-Identifier: MPL-2.0 */
/* Channels: making, opening, dropping, closing. Decision: each is one question to the broker, which alone knows who
 * holds what; nothing is remembered here but a thread's streams and the names for error messages. */
#include "error.h"
#include "lease.h"
#include "line.h"
#include "name.h"
#include "pair.h"
#include "run.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_BYTES (64u << 20) /* of a channel made by csp_make */

/* Asks for a channel. Returns it, or 0 with the error noted; *max_bytes is its limit. */
static csp_chan ask_channel(const char *what, const struct csp__request *r, size_t *max_bytes)
{
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return 0;
    const void *payload;
    int err = csp__ask(line, r, CSP_FOREVER, sizeof(struct wire_channel), &payload, NULL);
    if (err != 0) {
        csp__fail(err < 0 ? errno : err, what, 0);
        return 0;
    }
    struct wire_channel answer;
    memcpy(&answer, payload, sizeof answer);
    if (max_bytes != NULL)
        *max_bytes = answer.max_bytes;
    return answer.channel;
}

csp_chan csp_make(size_t capacity)
{
    struct wire_make body = {.capacity = capacity, .max_bytes = MAX_BYTES, .kind = WIRE_CHANNEL};
    return ask_channel("make", &(struct csp__request){.type = WIRE_MAKE, .head = &body, .head_len = sizeof body}, NULL);
}

csp_chan csp_pair(size_t capacity)
{
    struct wire_make body = {.capacity = capacity, .max_bytes = MAX_BYTES, .kind = WIRE_PAIR};
    if (capacity == 0) {
        csp__failf(EINVAL, "make a pair: its capacity is at least 1");
        return 0;
    }
    return ask_channel("make a pair", &(struct csp__request){.type = WIRE_MAKE, .head = &body, .head_len = sizeof body},
                       NULL);
}

csp_chan csp_group_make(void)
{
    struct wire_make body = {.kind = WIRE_GROUP};
    return ask_channel("make a wait group",
                       &(struct csp__request){.type = WIRE_MAKE, .head = &body, .head_len = sizeof body}, NULL);
}

/* The length of a name that may be one, or 0 with the error noted. */
static size_t check_name(const char *what, const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;
    if (len != 0 && len <= WIRE_MAX_NAME)
        return len;
    csp__failf(EINVAL, "%s: a channel's name has 1 to %d bytes", what, WIRE_MAX_NAME);
    return 0;
}

csp_chan csp__declare(const char *name, size_t capacity, size_t max_bytes, unsigned how)
{
    size_t len = check_name("declare", name);
    if (len == 0)
        return 0;
    struct wire_make body = {.capacity = capacity,
                             .max_bytes = max_bytes,
                             .kind = WIRE_CHANNEL,
                             .policy = (how & CSP__NEVER_CLOSES) != 0  ? WIRE_CLOSE_NEVER
                                       : (how & CSP__CLOSES_IDLE) != 0 ? WIRE_CLOSE_IDLE
                                                                       : WIRE_CLOSE_SENDERS};
    struct csp__request r = {.type = WIRE_MAKE,
                             .flags = (how & CSP__MAY_BE_DIRECT) != 0 ? WIRE_DIRECT : 0,
                             .head = &body,
                             .head_len = sizeof body,
                             .rest = name,
                             .rest_len = len};
    csp_chan c = ask_channel("declare", &r, NULL);
    if (c != 0)
        csp__name_note(c, name, max_bytes);
    return c;
}

static int check_ends(const char *what, int ends)
{
    if (ends != 0 && (ends & ~(CSP_SEND | CSP_RECV)) == 0)
        return 0;
    return csp__failf(EINVAL, "%s: the ends are CSP_SEND, CSP_RECV or both", what);
}

csp_chan csp_open(const char *name, int ends)
{
    size_t len = check_name("open", name);
    if (len == 0 || check_ends("open", ends) != 0)
        return 0;
    size_t max_bytes = 0;
    struct csp__request r = {.type = WIRE_OPEN, .count = (uint32_t)ends, .rest = name, .rest_len = len};
    csp_chan c = ask_channel("open", &r, &max_bytes);
    if (c != 0)
        csp__name_note(c, name, max_bytes);
    else if (errno == ENOENT)
        csp__failf(ENOENT, "open: the run has no channel named %s", name);
    else if (errno == EPERM)
        csp__failf(EPERM, "open: the pipeline file does not grant this process those ends of %s", name);
    return c;
}

/* What a receiving stream has and did not take goes back by the count in its page, so nothing need be said of it. */
int csp_drop(csp_chan c, int ends)
{
    if (check_ends("drop", ends) != 0)
        return -1;
    struct csp__line *line = csp__line("drop");
    if (line == NULL)
        return -1;
    if ((ends & CSP_RECV) != 0 && csp__stream_elsewhere(line, c))
        return csp__failf(EBUSY, "drop, channel %" PRIu64 ": another thread receives it as a stream: it must drop it",
                          c);
    struct csp__request r = {.type = WIRE_DROP, .chan = c, .count = (uint32_t)ends};
    struct csp__stream *s = csp__stream_find(line, c);
    if (s != NULL && (ends & CSP_SEND) != 0 && csp__pair_unpair(line, s) != 0)
        return csp__fail(errno, "drop", c);
    int err = csp__ask(line, &r, CSP_FOREVER, 0, NULL, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, "drop", c);
    s = csp__stream_find(line, c);
    if (s != NULL)
        csp__stream_end(line, s, ends);
    if ((ends & CSP_RECV) != 0) {
        csp__lease_done(line, c);
        csp__lease_return_stash(line, c);
    }
    struct csp__stash *stash = (ends & CSP_RECV) != 0 ? csp__stash_find(line, c) : NULL;
    if (stash != NULL)
        csp__stash_remove(line, stash);
    return 0;
}

CSP__ENTRY int csp_close(csp_chan c)
{
    struct csp__line *line = csp__line("close");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    if (s != NULL && s->send.on) {
        if (csp__pair_unpair(line, s) != 0)
            return csp__fail(errno, "close", c);
        (void)csp__line_pump(line);
        if (!csp__stream_is_flushed(s) && csp__stream_flush(s, CSP_FOREVER, CSP__CALL("close")) != 0 && errno != EPIPE)
            return -1;
    }
    if (csp__request("close", &(struct csp__request){.type = WIRE_CLOSE, .chan = c}) != 0)
        return -1;
    if (s != NULL && s->send.on)
        s->send.broken = 1; /* the ROOM that says so may be on its way still */
    return 0;
}

int csp_close_when_idle(csp_chan c)
{
    static const char what[] = "close when idle";
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    if (s != NULL && s->send.on && csp__pair_unpair(line, s) != 0)
        return csp__fail(errno, what, c);
    if (csp__request(what, &(struct csp__request){.type = WIRE_CLOSE, .chan = c, .count = WIRE_CLOSE_WHEN_IDLE}) != 0)
        return -1;
    s = csp__stream_find(line, c);
    if (s != NULL)
        csp__stream_end(line, s, CSP_SEND);
    return 0;
}

int csp_why(csp_chan c, csp_exit *why)
{
    struct csp__line *line = csp__line("why");
    if (line == NULL)
        return -1;
    const void *payload;
    struct wire_why answer;
    int err =
        csp__ask(line, &(struct csp__request){.type = WIRE_WHY, .chan = c}, CSP_FOREVER, sizeof answer, &payload, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, "why", c);
    memcpy(&answer, payload, sizeof answer);
    if (why != NULL)
        *why = (csp_exit){.how = answer.how, .code = answer.code};
    return answer.closed != 0;
}
