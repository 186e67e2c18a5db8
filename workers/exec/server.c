/* SPDX-License-Identifier: MPL-2.0 */
/* The loop of a server. While a request is being written the answer is read too, so that a program that answers while
 * it reads (cat, with a line longer than a pipe) does not come to a standstill with its bridge. */
#include "server.h"

#include "outlet.h"
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define SERVER_MAX_ANSWER (64u << 20) /* max_bytes of a channel made by csp_make, as reply channels are */

enum outcome { SERVED, PROGRAM_GONE, HALTED, CANCELLED, BROKEN };

static void fault(const struct server *s, int error)
{
    if (error == EMSGSIZE)
        notice_post(s->joint, NOTICE_BAD, error, "an answer for channel %s is larger than %u bytes", s->name,
                    SERVER_MAX_ANSWER);
    else
        notice_post(s->joint, NOTICE_FAULT, error, "cannot serve %s: %s", s->name, strerror(error));
}

/* What the program says without having been asked is nobody's answer. */
static enum outcome discard(struct server *s)
{
    int got = outlet_read(s->out, &s->splitter);
    if (got == 0)
        return PROGRAM_GONE;
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        fault(s, errno);
        return BROKEN;
    }
    splitter_sent(&s->splitter);
    return SERVED;
}

/* Writes as much of [*p, *p + *n) as the pipe takes. */
static int write_some(struct server *s, const char **p, size_t *n)
{
    ssize_t w = *n != 0 ? write(s->in, *p, *n) : 0;
    if (w < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    *p += w;
    *n -= (size_t)w;
    return 0;
}

/* The line goes in, newline and all, and a line comes out: it is the first of the splitter's block then. */
static enum outcome exchange(struct server *s, const char *p, size_t n)
{
    while (n != 0 || s->splitter.at.count == 0) {
        struct pollfd fds[] = {{.fd = s->out, .events = POLLIN},
                               {.fd = s->joint->halt, .events = POLLIN},
                               {.fd = n != 0 ? s->in : -1, .events = POLLOUT}};
        if (poll(fds, 3, -1) < 0)
            continue;
        if (fds[2].revents != 0 && write_some(s, &p, &n) != 0)
            return PROGRAM_GONE;
        if (fds[0].revents == 0 && fds[1].revents != 0)
            return HALTED;
        int got = fds[0].revents != 0 ? outlet_read(s->out, &s->splitter) : 1;
        if (got == 0)
            return PROGRAM_GONE;
        if (got < 0 && errno != EAGAIN && errno != EINTR) {
            fault(s, errno);
            return BROKEN;
        }
    }
    return SERVED;
}

/* An answer that can't be given any more is no error: the asker has gone. */
static enum outcome answer(struct server *s, csp_chan reply, csp_time by)
{
    csp__block b;
    splitter_block(&s->splitter, &b);
    int result = csp_send(reply, b.data, csp__block_length(&b, 0), by), error = errno;
    splitter_sent(&s->splitter);
    if (result == 0 || error != ENOTCONN)
        return SERVED;
    errno = error;
    notice_fault(s->joint, "answer a request of", s->name);
    return BROKEN;
}

/* With the request came both ends of the reply channel, if the asker held both. The receiving one is not ours to keep:
 * the asker's going must break the channel. */
static enum outcome serve(struct server *s, csp_msg *m)
{
    csp_time by;
    const char *words;
    size_t len;
    enum outcome outcome = SERVED;
    if (m->chan != 0)
        (void)csp_drop(m->chan, CSP_RECV);
    if (m->chan != 0 && request_read(m, &by, &words, &len) == 0 && by > csp_now()) {
        ((char *)m->data)[m->len] = '\n';
        outcome = exchange(s, words, len + 1);
        s->lost = outcome != SERVED;
        if (outcome == SERVED)
            outcome = answer(s, m->chan, by);
    }
    if (m->chan != 0)
        (void)csp_drop(m->chan, CSP_SEND);
    csp_msg_free(m);
    return outcome;
}

/* Waits for a request, or for the end of the program or of the channel. In order: a line that nobody asked for is out
 * of the way before the next request goes in. */
static enum outcome serve_next(struct server *s)
{
    csp_msg m = {0};
    int error;
    csp_case cases[] = {csp_on_fd(s->out, POLLIN), csp_on_fd(s->joint->halt, POLLIN),
                        csp_on_fd(s->joint->retire, POLLIN), csp_on_msg(s->requests, &m)};
    switch (csp_select_first(cases, sizeof cases / sizeof *cases, CSP_FOREVER)) {
    case 0:
        return discard(s);
    case 1:
    case 2:
        return HALTED;
    case 3:
        return cases[3].err == 0 ? serve(s, &m) : HALTED;
    default:
        error = errno;
        notice_fault(s->joint, "receive from", s->name);
        return error == ECANCELED ? CANCELLED : BROKEN;
    }
}

/* What the program still says is read, so that it can end; its stdin is closed, unless a signal is to end it. */
static void finish(struct server *s, bool cancelled)
{
    if (!cancelled) {
        close(s->in);
        s->in = -1;
    }
    while (joint_wait(s->joint, s->out, POLLIN) != 0 && discard(s) == SERVED)
        ;
}

void *server_run(void *arg)
{
    struct server *s = arg;
    enum outcome outcome = SERVED;
    if (splitter_init(&s->splitter, FRAMING_LINE, SERVER_MAX_ANSWER) != 0)
        fault(s, ENOMEM);
    else
        while (outcome == SERVED)
            outcome = serve_next(s);
    if (outcome != BROKEN)
        finish(s, outcome == CANCELLED);
    notice_post(s->joint, NOTICE_DRY, 0, "%s", "");
    notice_post(s->joint, NOTICE_ENDED, 0, "%s", "");
    return NULL;
}

void server_free(struct server *s)
{
    splitter_free(&s->splitter);
    if (s->in >= 0)
        close(s->in);
    if (s->out >= 0)
        close(s->out);
    s->in = s->out = -1;
}
