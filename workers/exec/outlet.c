/* SPDX-License-Identifier: MPL-2.0 */
/* The loop of an outlet: read what is there, send what is complete. Ends of channels are not given up here: they go
 * with the process, since only when the program has ended is it known whether it ended well. */
#include "outlet.h"

#include "inlet.h"
#include "run.h"
#include "tell.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTLET_GIVEN (32u << 10) /* bytes of a block that are not copied; what is less shares a frame with others */

/* The channel of the last failure. */
static void fault(const struct outlet *out)
{
    notice_fault(out->joint, "send to", out->port->names[out->fan.at]);
}

int outlet_open(struct outlet *out, size_t window)
{
    out->skip = out->port->skip;
    if (fan_open(&out->fan, out->port, window, false, &out->splitter) == 0)
        return 0;
    if (errno == ENOMEM)
        notice_post(out->joint, NOTICE_FAULT, ENOMEM, "no memory for descriptor %d", out->port->fd);
    else
        fault(out);
    return -1;
}

static void lose(const struct outlet *out)
{
    notice_post(out->joint, NOTICE_LOST, 0, "%s", "");
}

/* All receivers have gone. Said first, then done: the program may die of it. */
static void broken(struct outlet *out, size_t i)
{
    csp_exit why = {CSP_CLEAN, 0};
    char text[64];
    const char *name = out->port->names[i];
    (void)csp_why(out->port->chans[i], &why);
    if (why.how == CSP_CLEAN)
        notice_post(out->joint, NOTICE_GONE, 0, "the receivers of %s ended", name);
    else
        notice_post(out->joint, NOTICE_CUT, 0, "its output channel %s was cut: %s", name,
                    inlet_reason(why, text, sizeof text));
    close(out->fd);
    out->fd = -1;
}

/* The block's memory, where it is to be given away. */
struct gift {
    char *memory;
    size_t size;
};

/* A block to one channel, with its memory where it is the last one. */
static int put(csp_chan c, const csp__block *b, bool last, void *arg)
{
    struct gift *gift = arg;
    if (!last || gift == NULL || gift->memory == NULL)
        return csp__put_block(c, b, CSP_FOREVER);
    char *memory = gift->memory;
    gift->memory = NULL;
    return csp__give_block(c, b, memory, gift->size, CSP_FOREVER);
}

/* A block did not go to the channel `at`: nothing more can be sent. */
static int stop(struct outlet *out, int error)
{
    if (error == EPIPE)
        broken(out, out->fan.at);
    else
        fault(out);
    return -1;
}

/* One block to all that still have receivers. 0, or -1 where nothing more can be sent. */
static int send_block(struct outlet *out, const csp__block *b, struct gift *gift)
{
    if (fan_block(&out->fan, b, put, gift) == 0)
        return 0;
    int error = errno;
    (void)stop(out, error);
    if (error == ECANCELED)
        lose(out);
    return -1;
}

int outlet_stage(struct outlet *out, const csp__block *b)
{
    return fan_block(&out->fan, b, fan_stage, NULL) == 0 ? 0 : stop(out, errno);
}

/* What a cancelled program writes goes nowhere; it must not have to wait for that, nor die of it. */
static void discard(const struct outlet *out)
{
    char waste[4096];
    bool lost = false;
    ssize_t n = 0;
    while (out->fd >= 0 && (n = read(out->fd, waste, sizeof waste)) != 0) {
        lost = lost || n > 0;
        if (n < 0 && errno == EAGAIN && joint_wait(out->joint, out->fd, POLLIN) == 0)
            break;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    if (lost)
        lose(out);
}

/* Takes what was sent before this run off the front of a block. True: some of it was. */
static bool skip(struct outlet *out, csp__block *b)
{
    size_t n = out->skip < b->count ? (size_t)out->skip : b->count, bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += csp__block_length(b, i) + (b->gap != 0);
    b->data = (const char *)b->data + bytes;
    b->len -= bytes;
    b->lengths = (const char *)b->lengths + n * sizeof(uint32_t);
    b->count -= n;
    out->skip -= n;
    return n != 0;
}

/* What is complete goes, a large block without being copied. Where there is no memory for the next buffer it is copied
 * after all, which needs less. */
static int send_complete(struct outlet *out)
{
    csp__block b;
    struct gift gift = {.memory = NULL};
    (void)splitter_block(&out->splitter, &b);
    if (!skip(out, &b) && b.count != 0 && b.len >= OUTLET_GIVEN)
        gift.memory = splitter_give(&out->splitter, &gift.size);
    bool given = gift.memory != NULL;
    int result = b.count != 0 ? send_block(out, &b, given ? &gift : NULL) : 0;
    free(gift.memory);
    if (result == 0 && !given)
        splitter_sent(&out->splitter);
    return result;
}

/* As outlet_read, and the n bytes that came. */
static int read_some(int fd, struct splitter *s, const char **bytes, size_t *n)
{
    size_t room;
    char *at = splitter_space(s, &room);
    if (at == NULL)
        return -1;
    ssize_t got = room != 0 ? read(fd, at, room) : -1;
    if (room == 0)
        errno = EAGAIN;
    if (got <= 0)
        return (int)got;
    *bytes = at;
    *n = (size_t)got;
    return splitter_added(s, *n) != 0 ? -1 : 1;
}

int outlet_read(int fd, struct splitter *s)
{
    const char *bytes;
    size_t n;
    return read_some(fd, s, &bytes, &n);
}

/* Reads once, and says when the line has come that says that the program is ready. */
static int read_once(struct outlet *out)
{
    const char *bytes = NULL;
    size_t n = 0;
    int result = read_some(out->fd, &out->splitter, &bytes, &n), error = errno;
    if (n > 0 && out->port->fd == STDOUT_FILENO)
        atomic_store(&out->joint->wrote, true);
    if (spotter_feed(&out->spotter, bytes, n))
        (void)csp__tell(out->joint->report, "ready\n");
    errno = error;
    return result;
}

/* The program wrote what can't be a value, or the bridge has no memory for it. */
void outlet_bad(struct outlet *out, int error)
{
    const struct port *p = out->port;
    unsigned long long record, offset;
    uint64_t at[2];
    splitter_place(&out->splitter, &at[0], &at[1]);
    record = at[0];
    offset = at[1];
    if (error == EMSGSIZE)
        notice_post(out->joint, NOTICE_BAD, error,
                    "record %llu at byte %llu is larger than max_bytes %zu of channel %s", record, offset,
                    out->splitter.limit, p->names[out->fan.narrow]);
    else if (error == EBADMSG)
        notice_post(out->joint, NOTICE_BAD, error, "record %llu at byte %llu for channel %s is cut short", record,
                    offset, p->names[0]);
    else
        notice_post(out->joint, NOTICE_FAULT, error, "cannot read descriptor %d of the program at byte %llu: %s", p->fd,
                    offset, strerror(error));
}

/* Until the end of file, or what is to be taken for it: 1. 0: nothing more is to be sent. What comes is collected into
 * a block; but for tasks each pipe of it goes by itself, or a program that is fast enough would be ahead by a block. */
static int read_all(struct outlet *out)
{
    for (;;) {
        int got = read_once(out), error = errno;
        if ((got > 0 && !out->port->tasks) || (got < 0 && error == EINTR))
            continue;
        bool waiting = out->splitter.at.count != 0;
        if (waiting && send_complete(out) != 0)
            return 0;
        if (got > 0)
            continue;
        if (got == 0)
            return 1;
        if (error != EAGAIN) {
            outlet_bad(out, error);
            return 0;
        }
        if (!waiting && joint_wait(out->joint, out->fd, POLLIN) == 0)
            return 1;
    }
}

/* The value that was begun, once it is known how the program ended. */
static void send_rest(struct outlet *out)
{
    csp__block b;
    (void)joint_wait(out->joint, -1, 0);
    if (!atomic_load(&out->joint->complete))
        return;
    int left = splitter_end(&out->splitter, &b);
    if (left > 0 && !skip(out, &b))
        (void)send_block(out, &b, NULL);
    else if (left < 0)
        outlet_bad(out, errno);
}

static void flush(const struct outlet *out)
{
    for (size_t i = 0; i < out->port->n; i++)
        if (!out->fan.gone[i] && csp_flush(out->port->chans[i], CSP_FOREVER) != 0 && errno != EPIPE && errno != EINVAL)
            notice_fault(out->joint, "send to", out->port->names[i]);
}

void *outlet_run(void *arg)
{
    struct outlet *out = arg;
    if (outlet_open(out, out->port->tasks ? EXEC_HELD : EXEC_WINDOW) == 0) {
        int dry = read_all(out);
        if (dry == 0 && csp__cancelled() != 0)
            discard(out);
        notice_post(out->joint, NOTICE_DRY, 0, "%s", "");
        if (dry != 0)
            send_rest(out);
        flush(out);
    }
    notice_post(out->joint, NOTICE_ENDED, 0, "%s", "");
    return NULL;
}

void outlet_free(struct outlet *out)
{
    fan_free(&out->fan);
    splitter_free(&out->splitter);
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
}
