/* SPDX-License-Identifier: MPL-2.0 */
/* One select for everything: the next value, room in the pipe to the program, its answers, and room for those. What a
 * program keeps in its buffers until the end of its input it gets the end for when nothing else is to come. */
#include "filter.h"

#include "feed.h"
#include "hand.h"
#include "keeper.h"
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILTER_MOST  64 /* values with the program at a time, while it answers: one, if it was delivered before */
#define FILTER_BYTES (64u << 10) /* after so many bytes no further one */
#define QUIET_MS     200         /* without an answer: it gets more, or its end of file */
#define ALONE_MS     2000        /* so for one that is alone: it is by the block that it answers, or slow */

struct state {
    const struct filter *f;
    struct hand hand; /* what is with the program */
    bool alone;       /* one of them was delivered before: who dies of it takes no others with it */
    bool blocks;      /* it answers by the block: then it gets no value alone */
    struct feed feed;
    bool *closed;   /* by input */
    bool *held_off; /* closed for now: nothing is to come but what others may give back */
    size_t open;
    size_t room;    /* the output channel that may have none, from here on */
    csp_time quiet; /* since nothing was answered, and nothing more is received before; else CSP_FOREVER */
    bool full;      /* the program reads no more, or gets no more */
    csp_case *cases;
};

/* What the cases of a select are for, behind those of the inputs. */
enum { CASE_HALT, CASE_RETIRE, CASE_IN, CASE_OUT, CASE_ROOM, CASE_TIME, NCASES };

/* ---- to the program */

static const struct port *inputs(const struct state *s)
{
    return s->f->in->port;
}

static void end_input(struct state *s)
{
    struct inlet *in = s->f->in;
    s->full = true;
    if (in->fd < 0)
        return;
    close(in->fd);
    in->fd = -1;
    keeper_release(s->f->joint->report, in->port->fd);
}

/* Nothing more is received, and the program has its end of file when it has all. */
static void retire(struct state *s)
{
    for (size_t i = 0; i < inputs(s)->n; i++)
        if (!s->closed[i]) {
            s->closed[i] = true;
            s->open--;
        }
}

static int take_value(struct state *s, size_t from, csp_msg *m)
{
    int result = feed_put(&s->feed, inputs(s)->framing, m);
    if (result == 0) {
        hand_add(&s->hand, from, m->id, m->len);
        s->held_off[from] = false;
        s->alone = !s->blocks && m->tries > 1;
    } else {
        notice_post(s->f->joint, NOTICE_FAULT, ENOMEM, "no memory for a value of %s", inputs(s)->names[from]);
    }
    csp_msg_free(m);
    return result;
}

static void write_some(struct state *s)
{
    if (feed_write(&s->feed, s->f->in->fd) != 0)
        s->full = true; /* its reader has gone: what it has not answered goes back when it has ended */
}

/* Closed, or so far as those say who do not hold what is still with the program. 0; -1: it was cut short. */
static int close_input(struct state *s, size_t i)
{
    csp_exit why = {CSP_CLEAN, 0};
    char text[64];
    if (hand_holds(&s->hand, i)) {
        s->held_off[i] = true;
        return 0;
    }
    s->closed[i] = true;
    s->open--;
    if (csp_why(inputs(s)->chans[i], &why) < 0) {
        notice_fault(s->f->joint, "ask of", inputs(s)->names[i]);
        return -1;
    }
    if (why.how == CSP_CLEAN)
        return 0;
    notice_post(s->f->joint, NOTICE_CUT, 0, "its input channel %s was cut short: %s", inputs(s)->names[i],
                inlet_reason(why, text, sizeof text));
    return -1;
}

/* ---- from the program */

static void forget(struct state *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->held_off[s->hand.held[i].from] = false;
    hand_drop(&s->hand, n);
    s->room = 0;
    s->quiet = CSP_FOREVER;
    if (s->hand.n == 0)
        s->alone = false;
}

/* A part of a block, which goes on behind it. */
static csp__block cut(csp__block *b, size_t n)
{
    csp__block part = *b;
    part.count = n;
    part.len = 0;
    for (size_t i = 0; i < n; i++)
        part.len += csp__block_length(b, i) + (size_t)b->gap;
    part.noeol = n == b->count && b->noeol;
    b->data += part.len;
    b->len -= part.len;
    b->lengths = (const char *)b->lengths + n * sizeof(uint32_t);
    b->count -= n;
    return part;
}

/* Answers and acknowledgements, in one step as far as they belong together. */
static int settle(struct state *s, csp__block *b)
{
    if (b->count == 1 && s->hand.n > 1)
        s->blocks = false;
    while (b->count != 0) {
        size_t n = hand_run(&s->hand, b->count, s->f->ordered);
        if (n == 0) {
            notice_post(s->f->joint, NOTICE_BAD, 0,
                        "it wrote a line for which it had read none: with ack: line each value gives just one");
            return -1;
        }
        csp__block part = cut(b, n);
        if (outlet_stage(s->f->out, &part) != 0)
            return -1;
        if (csp__settle(inputs(s)->chans[s->hand.held[0].from], s->hand.ids, n) != 0) {
            notice_fault(s->f->joint, "acknowledge a value of", inputs(s)->names[s->hand.held[0].from]);
            return -1;
        }
        forget(s, n);
    }
    return 0;
}

static int settle_complete(struct state *s)
{
    struct outlet *out = s->f->out;
    csp__block b;
    if (splitter_block(&out->splitter, &b) == 0)
        return 0;
    if (settle(s, &b) != 0)
        return -1;
    splitter_sent(&out->splitter);
    return 0;
}

/* 1; 0 at the end of its output; -1: nothing more is to be done. */
static int read_answers(struct state *s)
{
    struct outlet *out = s->f->out;
    int result = outlet_read(out->fd, &out->splitter), error = errno;
    if (settle_complete(s) != 0)
        return -1;
    if (result < 0 && error != EAGAIN && error != EINTR) {
        outlet_bad(out, error);
        return -1;
    }
    return result == 0 ? 0 : 1;
}

/* Nothing of the program is left, but maybe what it wrote last. 0, or -1 as read_answers. */
static int read_last(struct state *s)
{
    struct outlet *out = s->f->out;
    int result = 1;
    while (result > 0) {
        result = outlet_read(out->fd, &out->splitter);
        int error = errno;
        if (settle_complete(s) != 0)
            return -1;
        if (result < 0 && error == EINTR)
            result = 1;
        else if (result < 0 && error != EAGAIN) {
            outlet_bad(out, error);
            return -1;
        }
    }
    return 0;
}

/* The answer that was begun, once it is known how the program ended. */
static void settle_rest(struct state *s)
{
    csp__block b;
    struct outlet *out = s->f->out;
    (void)joint_wait(s->f->joint, -1, 0);
    if (!atomic_load(&s->f->joint->complete))
        return;
    int left = splitter_end(&out->splitter, &b);
    if (left > 0)
        (void)settle(s, &b);
    else if (left < 0)
        outlet_bad(out, errno);
}

/* ---- the loop */

static csp_time quiet_end(const struct state *s)
{
    return s->quiet + (int64_t)(s->alone ? ALONE_MS : QUIET_MS) * 1000000;
}

/* For what the program answers: else it is not read, and has time. */
static bool has_room(const struct state *s)
{
    return s->f->ordered || s->room == s->f->out->port->n;
}

static csp_time next_time(const struct state *s)
{
    csp_time late = CSP_FOREVER, flush = CSP_FOREVER;
    if (s->f->timeout > 0 && s->hand.n != 0 && has_room(s))
        late = s->hand.held[0].since + s->f->timeout * 1000000;
    if (s->quiet != CSP_FOREVER && !s->full)
        flush = quiet_end(s);
    return late == CSP_FOREVER || (flush != CSP_FOREVER && flush < late) ? flush : late;
}

/* A program that answers by the block has to have enough for one; and where nothing more is to come, the end. 0, or -1:
 * the program is too late. */
static int take_time(struct state *s)
{
    if (s->f->timeout > 0 && s->hand.n != 0 && has_room(s) &&
        csp_now() >= s->hand.held[0].since + s->f->timeout * 1000000) {
        notice_post(s->f->joint, NOTICE_LATE, 0, "killed because a value took longer than its timeout of %lld ms",
                    (long long)s->f->timeout);
        return -1;
    }
    if (s->quiet == CSP_FOREVER || csp_now() < quiet_end(s))
        return 0;
    s->quiet = CSP_FOREVER;
    if (s->alone) {
        s->alone = false;
        s->blocks = true;
    } else if (s->hand.n < s->hand.most)
        retire(s);
    else if (hand_reserve(&s->hand, s->hand.most * 2) != 0) {
        notice_post(s->f->joint, NOTICE_FAULT, ENOMEM, "no memory for what the program has not answered");
        return -1;
    }
    return 0;
}

static csp_case fd_case(bool wanted, int fd, short events)
{
    return wanted && fd >= 0 ? csp_on_fd(fd, events) : csp_on_time(CSP_FOREVER);
}

static bool any_held_off(const struct state *s)
{
    for (size_t i = 0; i < inputs(s)->n; i++)
        if (s->held_off[i] && !s->closed[i])
            return true;
    return false;
}

static void prepare(struct state *s, csp_msg *m)
{
    const struct filter *f = s->f;
    size_t n = inputs(s)->n;
    bool more = !s->full && !s->alone && s->hand.n < s->hand.most && s->hand.bytes < FILTER_BYTES;
    bool room = has_room(s);
    if (!room) /* it is not the program that is waited for */
        s->quiet = CSP_FOREVER;
    else if (s->quiet == CSP_FOREVER && s->hand.n != 0 && (s->alone || s->hand.n == s->hand.most || any_held_off(s)))
        s->quiet = csp_now();
    csp_chan full = room ? 0 : f->out->port->chans[s->room];
    for (size_t i = 0; i < n; i++) {
        bool open = more && !s->closed[i] && !s->held_off[i];
        s->cases[i] = csp__on_value(open ? inputs(s)->chans[i] : 0, m);
        if (open && s->hand.n == 0)
            csp__idle(inputs(s)->chans[i]);
    }
    csp_case *c = s->cases + n;
    c[CASE_HALT] = fd_case(true, f->joint->halt, POLLIN);
    c[CASE_RETIRE] = fd_case(s->open != 0, f->joint->retire, POLLIN);
    c[CASE_IN] = fd_case(!s->full, f->in->fd, !feed_is_empty(&s->feed) ? POLLOUT : 0);
    c[CASE_OUT] = fd_case(room, f->out->fd, POLLIN);
    c[CASE_ROOM] = csp__on_room(full);
    c[CASE_TIME] = csp_on_time(next_time(s));
}

/* What happened. 1: go on; 0: the program has no more to say; -1: nothing more is to be done. */
static int take(struct state *s, size_t which, csp_msg *m)
{
    size_t n = inputs(s)->n;
    if (which < n) {
        if (s->cases[which].err == 0)
            return take_value(s, which, m) != 0 ? -1 : 1;
        return close_input(s, which) != 0 ? -1 : 1;
    }
    switch (which - n) {
    case CASE_RETIRE:
        retire(s);
        return 1;
    case CASE_IN:
        if (!feed_is_empty(&s->feed))
            write_some(s);
        else
            s->full = true;
        return 1;
    case CASE_OUT:
        return read_answers(s);
    case CASE_ROOM:
        s->room++;
        if (s->hand.n != 0 && has_room(s))
            s->hand.held[0].since = csp_now();
        return 1;
    case CASE_TIME:
        return take_time(s) != 0 ? -1 : 1;
    default:
        return read_last(s);
    }
}

static int pass(struct state *s)
{
    int result = 1;
    while (result > 0) {
        csp_msg m = {0};
        if (s->open == 0 && feed_is_empty(&s->feed) && !s->full)
            end_input(s);
        prepare(s, &m);
        int which = csp_select(s->cases, inputs(s)->n + NCASES, CSP_FOREVER);
        if (which < 0)
            notice_fault(s->f->joint, "receive from", inputs(s)->names[0]);
        result = which < 0 ? -1 : take(s, (size_t)which, &m);
    }
    return result;
}

static int open_inputs(const struct state *s)
{
    for (size_t i = 0; i < inputs(s)->n; i++)
        if (csp_stream(inputs(s)->chans[i], CSP_RECV, EXEC_HELD) != 0) {
            notice_fault(s->f->joint, "receive from", inputs(s)->names[i]);
            return -1;
        }
    return 0;
}

void *filter_run(void *arg)
{
    const struct filter *f = arg;
    struct state s = {.f = f, .open = f->in->port->n, .quiet = CSP_FOREVER};
    s.cases = calloc(s.open + NCASES, sizeof *s.cases);
    s.closed = calloc(s.open, sizeof *s.closed);
    s.held_off = calloc(s.open, sizeof *s.held_off);
    s.room = f->out->port->n;
    if (s.cases == NULL || s.closed == NULL || s.held_off == NULL || hand_reserve(&s.hand, FILTER_MOST) != 0) {
        notice_post(f->joint, NOTICE_FAULT, ENOMEM, "no memory for %zu channels", s.open);
    } else if (outlet_open(f->out, EXEC_DONE) == 0 && open_inputs(&s) == 0) {
        int result = pass(&s);
        notice_post(f->joint, NOTICE_DRY, 0, "%s", "");
        if (result == 0)
            settle_rest(&s);
    }
    notice_post(f->joint, NOTICE_ENDED, 0, "%s", "");
    free(s.cases);
    free(s.closed);
    free(s.held_off);
    feed_free(&s.feed);
    hand_free(&s.hand);
    return NULL;
}
