/* SPDX-License-Identifier: MPL-2.0 */
/* Output through the splitter that the outlets use, into the library's stage. A channel that nobody receives from any
 * more gets nothing; the run goes on as long as one is left. */
#include "capture.h"

#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_pipe(int *in, int *out)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return -1;
    *in = p[0];
    *out = p[1];
    return fcntl(*in, F_SETFL, O_NONBLOCK);
}

int capture_open(struct capture *c, const struct port *port, const char **what)
{
    *c = (struct capture){.in = -1, .out = -1};
    *what = NULL;
    if (fan_open(&c->fan, port, EXEC_DONE, true, &c->splitter) != 0) {
        if (errno != ENOMEM)
            *what = port->names[c->fan.at];
        return -1;
    }
    return open_pipe(&c->in, &c->out);
}

/* What nobody is left to receive is put all the same, and the whole of a run: a durable channel keeps it. */
static int put(csp_chan to, const csp__block *b, bool last, void *arg)
{
    struct capture *c = arg;
    if (fan_stage(to, b, last, NULL) == 0)
        return 0;
    c->over |= errno == EPIPE;
    return errno == EPIPE ? 0 : -1;
}

/* 0, or -1 with errno. */
static int stage(struct capture *c, const csp__block *b)
{
    return fan_block(&c->fan, b, put, c);
}

static int stage_complete(struct capture *c)
{
    csp__block b;
    if (splitter_block(&c->splitter, &b) == 0)
        return 0;
    if (stage(c, &b) != 0)
        return -1;
    splitter_sent(&c->splitter);
    return 0;
}

static int explain(const struct capture *c, char *why, size_t size)
{
    int error = errno;
    uint64_t record, offset;
    splitter_place(&c->splitter, &record, &offset);
    if (error == EMSGSIZE)
        snprintf(why, size, "record %llu of its output is larger than max_bytes %zu of channel %s",
                 (unsigned long long)record, c->splitter.limit, c->fan.port->names[c->fan.narrow]);
    else if (error == EBADMSG)
        snprintf(why, size, "record %llu of its output is cut short", (unsigned long long)record);
    else if (error == EFBIG)
        snprintf(why, size, "it wrote more than %u MiB", CAPTURE_MOST >> 20);
    else
        snprintf(why, size, "cannot keep its output: %s", strerror(error));
    errno = error;
    return -1;
}

/* *more: maybe there is. A program can make its pipe one that gives a write at a time (O_DIRECT), so only the pipe says
 * that it is empty. */
static int read_some(struct capture *c, bool *more)
{
    size_t room;
    char *at = splitter_space(&c->splitter, &room);
    if (at == NULL)
        return -1;
    ssize_t n = read(c->in, at, room);
    *more = n > 0 || (n < 0 && errno == EINTR);
    if (n <= 0)
        return 0;
    c->bytes += (uint64_t)n;
    if (splitter_added(&c->splitter, (size_t)n) != 0)
        return -1;
    if (c->bytes > CAPTURE_MOST) {
        errno = EFBIG;
        return -1;
    }
    return c->splitter.at.fill >= EXEC_BLOCK ? stage_complete(c) : 0;
}

int capture_read(struct capture *c, bool all, char *why, size_t size)
{
    bool more;
    do
        if (read_some(c, &more) != 0)
            return explain(c, why, size);
    while (all && more);
    return 0;
}

/* The next run writes to those that have receivers. */
static void leave_over(struct capture *c)
{
    for (size_t i = 0; c->over && i < c->fan.port->n; i++)
        if (!c->fan.gone[i] && csp_why(c->fan.port->chans[i], NULL) == 1)
            fan_leave(&c->fan, i);
    c->over = false;
}

static void clear(struct capture *c)
{
    leave_over(c);
    splitter_clear(&c->splitter);
    c->wrote = c->bytes;
    c->bytes = 0;
}

int capture_end(struct capture *c, char *why, size_t size)
{
    csp__block b;
    c->wrote = 0;
    if (c->bytes == 0 && c->splitter.framing != FRAMING_WHOLE)
        return 0;
    if (stage_complete(c) != 0)
        return explain(c, why, size);
    int left = splitter_end(&c->splitter, &b);
    if (left < 0 || (left > 0 && stage(c, &b) != 0))
        return explain(c, why, size);
    clear(c);
    return 0;
}

/* What the pipe still holds is of a run that nobody is left of. */
void capture_drop(struct capture *c)
{
    char waste[4096];
    ssize_t n;
    while ((n = read(c->in, waste, sizeof waste)) > 0 || (n < 0 && errno == EINTR))
        continue;
    clear(c);
}

void capture_free(struct capture *c)
{
    fan_free(&c->fan);
    splitter_free(&c->splitter);
    program_close(c->in);
    program_close(c->out);
}

int tail_open(struct tail *t)
{
    *t = (struct tail){.in = -1, .out = -1};
    return open_pipe(&t->in, &t->out);
}

static void keep(struct tail *t, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            t->ended = true;
            continue;
        }
        if (t->ended)
            t->len = 0;
        t->ended = false;
        if (t->len < sizeof t->line - 1)
            t->line[t->len++] = p[i];
    }
    t->line[t->len] = '\0';
}

static void pass_on(const char *text, size_t n)
{
    for (ssize_t w; n != 0; text += w, n -= (size_t)w)
        if ((w = TEMP_FAILURE_RETRY(write(STDERR_FILENO, text, n))) < 0)
            return;
}

bool tail_read(struct tail *t)
{
    char text[4096];
    ssize_t n = read(t->in, text, sizeof text);
    if (n > 0) {
        keep(t, text, (size_t)n);
        pass_on(text, (size_t)n);
    }
    return n > 0 || (n < 0 && errno == EINTR);
}

void tail_clear(struct tail *t)
{
    t->len = 0;
    t->line[0] = '\0';
    t->ended = false;
}

void tail_free(struct tail *t)
{
    program_close(t->in);
    program_close(t->out);
}
