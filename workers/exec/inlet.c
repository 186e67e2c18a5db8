/* SPDX-License-Identifier: MPL-2.0 */
/* The loop of an inlet: take a block from whichever channel has one, write it. What the pipe still held when its reader
 * died is asked of the kernel (FIONREAD), so the pipe is kept open until the supervisor has asked; where the program
 * must see the end of file, an end for reading is kept instead of the one for writing. */
#include "inlet.h"

#include "keeper.h"
#include "polling.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INLET_SILENCE 5000 /* ms */

int inlet_pour(const struct joint *j, int fd, const char *p, size_t n, uint64_t *written)
{
    while (n != 0) {
        ssize_t w = write(fd, p, n);
        if (w >= 0) {
            *written += (uint64_t)w;
            p += w;
            n -= (size_t)w;
        } else if (errno == EAGAIN) {
            if (joint_wait(j, fd, POLLOUT) == 0) {
                errno = ECANCELED;
                return -1;
            }
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

static int pour(void *arg, const char *p, size_t n)
{
    struct inlet *in = arg;
    return inlet_pour(in->joint, in->fd, p, n, &in->written);
}

const char *inlet_reason(csp_exit why, char *text, size_t size)
{
    switch (why.how) {
    case CSP_CODE:
        snprintf(text, size, "a sender ended with status %d", why.code);
        break;
    case CSP_SIGNAL:
        snprintf(text, size, "a sender was killed by signal %d", why.code);
        break;
    case CSP_DEADLINE:
        snprintf(text, size, "a sender ran out of time");
        break;
    default:
        snprintf(text, size, "a sender was cancelled");
    }
    return text;
}

/* Where a channel has no capacity every value is a rendezvous of its own: blocks of one, by the same calls. */
static int open_streams(const struct inlet *in)
{
    for (size_t i = 0; i < in->port->n; i++)
        if (csp_stream(in->port->chans[i], CSP_RECV, in->window) != 0 && errno != EINVAL) {
            notice_fault(in->joint, "receive from", in->port->names[i]);
            return -1;
        }
    return 0;
}

static int reader_gone(int fd)
{
    struct pollfd p = {.fd = fd};
    return csp__poll(&p, 1, CSP_NOW) == 1;
}

/* The program reads no more: whoever sends to it shall know. */
static void give_up(const struct inlet *in, const bool *closed)
{
    for (size_t i = 0; i < in->port->n; i++)
        if (!closed[i])
            (void)csp_drop(in->port->chans[i], CSP_RECV);
}

/* Channel i has closed. 0, or -1 where that must not be taken for an end of file. */
static int end_of(const struct inlet *in, size_t i)
{
    csp_exit why = {CSP_CLEAN, 0};
    char text[64];
    const char *name = in->port->names[i];
    if (csp_why(in->port->chans[i], &why) < 0) {
        notice_fault(in->joint, "ask of", name);
        return -1;
    }
    if (why.how == CSP_CLEAN)
        return 0;
    if (!reader_gone(in->fd))
        notice_post(in->joint, NOTICE_CUT, 0, "its input channel %s was cut short: %s", name,
                    inlet_reason(why, text, sizeof text));
    return -1;
}

/* When it is to be looked whether the program, which has read, has written. */
static csp_time silent_at(const struct inlet *in)
{
    return in->listens && in->values > 0 && !atomic_load(&in->joint->wrote) ? csp_in(INLET_SILENCE) : CSP_FOREVER;
}

/* Nothing has come for a while, and nothing has gone. One that has not read all of it has its own reasons. */
static void look_for_silence(struct inlet *in)
{
    int unread = 0;
    if (atomic_load(&in->joint->wrote) || ioctl(in->fd, FIONREAD, &unread) != 0 || unread > 0)
        return;
    in->listens = false;
    notice_post(in->joint, NOTICE_SILENT, 0, "%" PRIu64, in->values);
}

/* The values of a leased channel are done when all of their block is written: ack: write. */
static int acknowledge(const struct inlet *in, size_t i, const csp__block *b)
{
    if (b->id == 0 || b->is_letter || in->explicit || csp__acknowledge(in->port->chans[i], b->id, b->count) == 0)
        return 0;
    notice_fault(in->joint, "acknowledge values of", in->port->names[i]);
    return -1;
}

/* One block of channel i to the program. 0, or -1: it reads no more, or the bridge can't go on. */
static int pass(struct inlet *in, size_t i, csp__block *b, const bool *closed)
{
    bool leased = in->explicit && b->id != 0 && !b->is_letter;
    in->values += b->count;
    if (in->explicit && ledger_add(&in->ledger, i, leased ? b->id : 0, b->count) != 0) {
        notice_post(in->joint, NOTICE_FAULT, ENOMEM, "no memory for values of %s", in->port->names[i]);
        csp__block_free(b);
        return -1;
    }
    int result = renderer_block(&in->renderer, b), error = errno;
    int acknowledged = result == 0 ? acknowledge(in, i, b) : 0;
    csp__block_free(b);
    if (acknowledged != 0)
        return -1;
    if (result == 0) {
        trail_forget(&in->renderer.trail, in->written > in->size ? in->written - in->size : 0);
        ledger_keep(&in->ledger, in->renderer.trail.n);
        return 0;
    }
    if (error == EPIPE)
        give_up(in, closed);
    else if (error != ECANCELED)
        notice_post(in->joint, NOTICE_FAULT, error, "cannot write to descriptor %d of the program: %s", in->port->fd,
                    strerror(error));
    return -1;
}

/* Until every channel has ended, or it is to retire (1), or the program does not read or must not (0). */
static int receive(struct inlet *in, csp_case *cases, bool *closed)
{
    size_t n = in->port->n, open = n;
    while (open != 0) {
        csp__block b = {0};
        for (size_t i = 0; i < n; i++)
            cases[i] = csp__on_block(closed[i] ? 0 : in->port->chans[i], &b);
        cases[n] = csp_on_fd(in->fd, 0);
        cases[n + 1] = csp_on_fd(in->joint->halt, POLLIN);
        cases[n + 2] = csp_on_fd(in->joint->retire, POLLIN);
        int which = csp_select(cases, n + 3, silent_at(in));
        if (which < 0 && errno == ETIMEDOUT) {
            look_for_silence(in);
            continue;
        }
        if (which < 0) {
            notice_fault(in->joint, "receive from", in->port->names[0]);
            return 0;
        }
        size_t i = (size_t)which;
        if (i >= n) {
            if (i != n + 1)
                give_up(in, closed);
            return i == n + 2;
        }
        if (cases[i].err == 0) {
            if (pass(in, i, &b, closed) != 0)
                return 0;
        } else if (end_of(in, i) == 0) {
            closed[i] = true;
            open--;
        } else {
            return 0;
        }
    }
    return 1;
}

/* The end of file for the program; the pipe's content can still be asked for. */
static void close_pipe(struct inlet *in)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", in->fd);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    close(in->fd);
    in->fd = fd;
    keeper_release(in->joint->report, in->port->fd);
}

void *inlet_run(void *arg)
{
    struct inlet *in = arg;
    csp_case *cases = calloc(in->port->n + 3, sizeof *cases);
    bool *closed = calloc(in->port->n, sizeof *closed);
    int size = fcntl(in->fd, F_GETPIPE_SZ);
    in->size = size > 0 ? (uint64_t)size : 0;
    renderer_init(&in->renderer, in->port->framing, pour, in);
    if (cases == NULL || closed == NULL)
        notice_post(in->joint, NOTICE_FAULT, ENOMEM, "no memory for %zu channels", in->port->n);
    else if (open_streams(in) == 0 && receive(in, cases, closed) != 0)
        close_pipe(in);
    free(cases);
    free(closed);
    notice_post(in->joint, NOTICE_ENDED, 0, "%s", "");
    return NULL;
}

/* Bytes of what was written. */
static uint64_t read_by_program(const struct inlet *in)
{
    int unread = 0;
    if (in->fd >= 0 && ioctl(in->fd, FIONREAD, &unread) != 0)
        unread = 0;
    return in->written - (uint64_t)unread;
}

uint64_t inlet_lost(const struct inlet *in)
{
    return trail_count(&in->renderer.trail, read_by_program(in));
}

/* From the last on, so that each finds its place at the front. */
void inlet_give_back(struct inlet *in)
{
    size_t from;
    uint64_t id;
    for (size_t n = in->explicit ? trail_untouched(&in->renderer.trail, read_by_program(in)) : 0;
         n != 0 && ledger_pop(&in->ledger, &from, &id); n--)
        if (id != 0)
            (void)csp__give_back_unread(in->port->chans[from], id);
}

void inlet_free(struct inlet *in)
{
    ledger_free(&in->ledger);
    renderer_free(&in->renderer);
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
}
