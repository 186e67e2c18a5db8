/* SPDX-License-Identifier: MPL-2.0 */
/* Select. Decision: every operation that may wait is a select, so that deadlines, deaths and races are handled in one
 * place. What this process knows by itself (streams, timers, descriptors, exits) it decides alone; the rest stands as
 * one offer at the broker. Where a local case becomes ready while the offer stands, the offer is withdrawn, and the
 * broker's answer says which of the two happened: exactly one. */
#include "select.h"
#include "error.h"
#include "pair.h"
#include "process.h"
#include "scope.h"
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_RUN 16  /* in so many calls of a thread it hears once what the broker says, though it need not wait */
#define SILENT_MS  100 /* that a wait in which the broker has no say may last before it hears of it */
#define FLIGHT_MS  5   /* that a try waits for a value which was sent, and is not there yet */
#define NONE       (-1)
#define FAILED     (-2)

struct plan { /* a select at work */
    struct csp__line *line;
    csp_case *cases;
    struct csp__slot *slots;
    size_t n;
    csp_time by;
    int try_only; /* CSP_NOW, or a deadline that has passed */
    int ordered;
    const char *what;
    size_t shared, fds, streams; /* how many cases are such */
    csp_time next;               /* the nearest of the timers */
    csp_time flight;             /* until when a try waits for what is under way; 0: not set yet */
    int made;                    /* a stream was made, for which the broker has to be asked anew */
    int asked;                   /* the broker was asked for what it has for the streams, and has said all */
    csp_time silent;             /* until when the broker need not hear of a wait for local cases; 0: not set yet */
};

static csp_chan channel_of(const csp_case *c)
{
    return c->op == CSP__OP_FD || c->op == CSP__OP_SCOPE ? 0 : c->chan;
}

static int fail(const struct plan *p, int err)
{
    csp__fail(err, p->what, p->n == 1 ? channel_of(&p->cases[0]) : 0);
    return FAILED;
}

static int fail_case(const struct plan *p, size_t i, int err)
{
    p->cases[i].err = err;
    csp__fail(err, p->what, channel_of(&p->cases[i]));
    return FAILED;
}

/* ---- what each case is */

static int is_valid(const csp_case *c)
{
    const csp_msg *m = c->buf;
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
        return c->buf != NULL || c->len == 0;
    case CSP__OP_SEND_MSG:
        return m != NULL && (m->data != NULL || m->len == 0);
    case CSP__OP_RECV:
        return c->buf != NULL || c->arg == 0;
    case CSP__OP_MSG:
    case CSP__OP_BLOCK:
        return c->buf != NULL;
    case CSP__OP_TICK:
        return c->buf != NULL && ((csp_tick *)c->buf)->every > 0;
    case CSP__OP_FD:
        return (c->arg & ~(int64_t)(POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM)) == 0;
    case CSP__OP_TIME:
    case CSP__OP_EXIT:
    case CSP__OP_GROUP:
    case CSP__OP_WINDOW:
    case CSP__OP_FLUSH:
    case CSP__OP_SCOPE:
        return 1;
    }
    return 0;
}

static int receives(const csp_case *c)
{
    return c->op == CSP__OP_RECV || c->op == CSP__OP_MSG || c->op == CSP__OP_BLOCK;
}

static size_t sent_length(const csp_case *c)
{
    return c->op == CSP__OP_SEND_MSG ? ((const csp_msg *)c->buf)->len : c->len;
}

static enum csp__kind kind_of_send(const struct plan *p, const csp_case *c, struct csp__slot *slot)
{
    if (c->chan == 0)
        return CSP__NEVER;
    if (sent_length(c) > WIRE_MAX_VALUE)
        return CSP__LOCAL; /* ready: EMSGSIZE */
    struct csp__stream *s = csp__stream_find(p->line, c->chan);
    if (s == NULL || !s->send.on)
        return CSP__SHARED;
    if (c->op == CSP__OP_SEND || ((const csp_msg *)c->buf)->chan == 0) {
        if ((s->exact & CSP_SEND) != 0 && s->send.pair == NULL)
            return CSP__SHARED;
        slot->stream = s;
        return CSP__LOCAL;
    }
    if (csp__pair_unpair(p->line, s) != 0) /* what is sent with it is the broker's to give */
        return CSP__SHARED;                /* and the broker is gone, as the offer will say */
    slot->stream = s;
    return csp__stream_is_flushed(s) ? CSP__SHARED : CSP__FLUSHING;
}

static enum csp__kind kind_of_receive(const struct plan *p, const csp_case *c, struct csp__slot *slot)
{
    if (c->chan == 0)
        return CSP__NEVER;
    struct csp__stream *s = csp__stream_find(p->line, c->chan);
    slot->stream = s != NULL && s->recv.on ? s : NULL;
    return slot->stream != NULL || csp__stash_find(p->line, c->chan) != NULL ? CSP__LOCAL : CSP__SHARED;
}

static enum csp__kind kind_of_stream(const struct plan *p, const csp_case *c, struct csp__slot *slot)
{
    struct csp__stream *s = csp__stream_find(p->line, c->chan);
    slot->stream = s != NULL && s->send.on ? s : NULL;
    return slot->stream != NULL ? CSP__LOCAL : CSP__NEVER;
}

static enum csp__kind kind_of(const struct plan *p, const csp_case *c, struct csp__slot *slot)
{
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
    case CSP__OP_SEND_MSG:
        return kind_of_send(p, c, slot);
    case CSP__OP_RECV:
    case CSP__OP_MSG:
    case CSP__OP_BLOCK:
        return kind_of_receive(p, c, slot);
    case CSP__OP_GROUP:
    case CSP__OP_SCOPE:
        return c->chan != 0 ? CSP__SHARED : CSP__NEVER;
    case CSP__OP_WINDOW:
    case CSP__OP_FLUSH:
        return kind_of_stream(p, c, slot);
    case CSP__OP_TIME:
        return c->arg != CSP_FOREVER ? CSP__LOCAL : CSP__NEVER;
    case CSP__OP_TICK:
        return ((const csp_tick *)c->buf)->next != CSP_FOREVER ? CSP__LOCAL : CSP__NEVER;
    default:
        return CSP__LOCAL;
    }
}

static void classify(struct plan *p)
{
    p->shared = p->streams = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct csp__slot *slot = &p->slots[i];
        slot->stream = NULL;
        slot->kind = kind_of(p, &p->cases[i], slot);
        p->shared += slot->kind == CSP__SHARED;
        p->streams += slot->stream != NULL;
    }
}

/* ---- descriptors */

static int add_descriptor(struct plan *p, size_t i, int fd, int64_t events)
{
    if (csp__line_reserve(p->line, p->fds + 1) != 0)
        return fail(p, ENOMEM);
    p->slots[i].poll = CSP__OWN_POLLS + p->fds++;
    p->line->polls[p->slots[i].poll] = (struct pollfd){.fd = fd, .events = (short)events};
    return 0;
}

/* Checks the cases, and finds the descriptors of those that have one. */
static int prepare(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        csp_case *c = &p->cases[i];
        c->err = 0;
        p->slots[i] = (struct csp__slot){.kind = CSP__NEVER};
    }
    for (size_t i = 0; i < p->n; i++) {
        csp_case *c = &p->cases[i];
        if (!is_valid(c))
            return csp__failf(EINVAL, "%s: case %zu was not made by csp_on_*, or has a NULL buffer, or a bad argument",
                              p->what, i);
        int result = 0;
        if (c->op == CSP__OP_EXIT) {
            p->slots[i].child = csp__child_find((csp_proc)c->arg);
            result = p->slots[i].child != NULL ? add_descriptor(p, i, p->slots[i].child->fd, POLLIN)
                                               : fail_case(p, i, ECHILD);
        } else if (c->op == CSP__OP_FD) {
            result = (int)c->chan >= 0 ? add_descriptor(p, i, (int)c->chan, c->arg) : fail_case(p, i, EBADF);
        }
        if (result != 0)
            return FAILED;
    }
    return 0;
}

static void release(const struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->slots[i].child != NULL)
            csp__child_release(p->slots[i].child);
}

/* ---- what is ready here */

static int is_due(struct plan *p, csp_time when, csp_time *now)
{
    if (*now == 0)
        *now = csp_now();
    if (*now >= when)
        return 1;
    if (p->next == CSP_FOREVER || when < p->next)
        p->next = when;
    return 0;
}

static int is_ready(struct plan *p, size_t i, csp_time *now)
{
    const csp_case *c = &p->cases[i];
    const struct csp__slot *slot = &p->slots[i];
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
    case CSP__OP_SEND_MSG:
        return slot->stream == NULL || csp__stream_may_put(slot->stream, sent_length(c));
    case CSP__OP_RECV:
    case CSP__OP_MSG:
    case CSP__OP_BLOCK:
        return (slot->stream != NULL && csp__stream_may_take(slot->stream)) ||
               csp__stash_find(p->line, c->chan) != NULL;
    case CSP__OP_TIME:
        return is_due(p, c->arg, now);
    case CSP__OP_TICK:
        return is_due(p, ((const csp_tick *)c->buf)->next, now);
    case CSP__OP_FD:
    case CSP__OP_EXIT:
        return p->line->polls[slot->poll].revents != 0;
    case CSP__OP_WINDOW:
        return csp__stream_has_room(slot->stream, (uint64_t)c->arg);
    case CSP__OP_FLUSH:
        return csp__stream_is_flushed(slot->stream);
    default:
        return 0;
    }
}

static uint64_t next_random(struct csp__line *line)
{
    uint64_t x = line->random; /* xorshift64* (Vigna): even enough for a draw, and no lock */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    line->random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

/* The ready local case that is to happen: the first, or a fair draw among all. NONE; or FAILED: a bad descriptor. */
static int pick(struct plan *p)
{
    csp_time now = 0;
    uint64_t ready = 0;
    int picked = NONE;
    p->next = CSP_FOREVER;
    while (p->fds > 0 && poll(p->line->polls + CSP__OWN_POLLS, p->fds, 0) < 0)
        if (errno != EINTR)
            return fail(p, errno);
    for (size_t i = 0; i < p->n; i++) {
        if (p->slots[i].kind != CSP__LOCAL || !is_ready(p, i, &now))
            continue;
        if (p->cases[i].op == CSP__OP_FD && (p->line->polls[p->slots[i].poll].revents & POLLNVAL) != 0)
            return fail_case(p, i, EBADF);
        if (p->ordered)
            return (int)i;
        ready++;
        if (ready == 1 || next_random(p->line) % ready == 0)
            picked = (int)i;
    }
    return picked;
}

/* ---- making a case happen here */

static int take_message(csp_case *c, const void *data, size_t len, csp_chan attached)
{
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return -1;
    if (len != 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    *(csp_msg *)c->buf = (csp_msg){.data = copy, .len = len, .chan = attached};
    c->len = len;
    return 0;
}

/* Gives the value to a receiving case. 0: done; EMSGSIZE; -1: no memory. */
static int take(csp_case *c, const void *data, size_t len, csp_chan attached)
{
    c->len = len;
    if (c->op == CSP__OP_MSG)
        return take_message(c, data, len, attached);
    if (len > (size_t)c->arg)
        return EMSGSIZE;
    if (len != 0)
        memcpy(c->buf, data, len);
    return 0;
}

static int happen_stash(const struct plan *p, size_t i, struct csp__stash *s)
{
    csp_case *c = &p->cases[i];
    const char *data = (const char *)zmq_msg_data(&s->msg) + s->offset;
    if (c->op == CSP__OP_BLOCK)
        c->err = csp__block_of_message(c->buf, &s->msg, s->offset, s->len);
    else
        c->err = take(c, data, s->len, s->attached);
    if (c->err < 0)
        return fail(p, ENOMEM);
    if (c->err == 0)
        csp__stash_remove(p->line, s);
    return (int)i;
}

static int happen_stream(const struct plan *p, size_t i, struct csp__stream *s)
{
    csp_case *c = &p->cases[i];
    size_t len;
    csp_chan attached;
    const void *data = csp__stream_front(s, &len, &attached);
    if (data == NULL && !s->recv.closed)
        return NONE; /* a pair was recalled since it was seen to be ready */
    if (data == NULL) {
        c->len = 0;
        c->err = EPIPE;
        return (int)i;
    }
    if (c->op == CSP__OP_BLOCK) {
        if (csp__stream_take_block(p->line, s, c->buf) != 0)
            return NONE;
        c->len = ((csp__block *)c->buf)->len;
        return (int)i;
    }
    csp_msg before = c->op == CSP__OP_MSG ? *(csp_msg *)c->buf : (csp_msg){.data = NULL};
    c->err = take(c, data, len, attached);
    if (c->err < 0)
        return fail(p, ENOMEM);
    if (c->err != 0)
        return (int)i;
    if (csp__stream_count(p->line, s, 1, len) != 0) { /* nobody has seen the copy yet: this call has not returned */
        if (c->op == CSP__OP_MSG) {
            csp_msg_free(c->buf);
            *(csp_msg *)c->buf = before;
        }
        return NONE;
    }
    csp__stream_pop(p->line, s);
    return (int)i;
}

static int happen_put(const struct plan *p, size_t i, struct csp__stream *s)
{
    csp_case *c = &p->cases[i];
    const void *data = c->op == CSP__OP_SEND_MSG ? ((const csp_msg *)c->buf)->data : c->buf;
    if (s != NULL && !csp__stream_may_put(s, sent_length(c)))
        return NONE; /* a pair was recalled since it was seen to be ready */
    int err = s != NULL ? csp__stream_put(p->line, s, data, sent_length(c)) : EMSGSIZE;
    if (err == EAGAIN)
        return NONE;
    c->err = err;
    return err >= 0 ? (int)i : FAILED;
}

static void advance(csp_tick *t)
{
    csp_time behind = csp_now() - t->next;
    csp_time periods = behind / t->every + 1;
    csp_time step;
    if (__builtin_mul_overflow(periods, t->every, &step) || __builtin_add_overflow(t->next, step, &t->next))
        t->next = INT64_MAX;
}

static int happen_exit(const struct plan *p, size_t i)
{
    csp_case *c = &p->cases[i];
    int ended = csp__child_reap(p->line, p->slots[i].child, c->buf);
    return ended > 0 ? (int)i : ended == 0 ? NONE : fail_case(p, i, ECHILD);
}

/* Makes the ready local case happen. Its index; NONE: it cannot happen after all; FAILED. */
static int happen(const struct plan *p, size_t i)
{
    csp_case *c = &p->cases[i];
    struct csp__stash *s;
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
    case CSP__OP_SEND_MSG:
        return happen_put(p, i, p->slots[i].stream);
    case CSP__OP_RECV:
    case CSP__OP_MSG:
    case CSP__OP_BLOCK:
        s = csp__stash_find(p->line, c->chan);
        return s != NULL ? happen_stash(p, i, s) : happen_stream(p, i, p->slots[i].stream);
    case CSP__OP_TICK:
        advance(c->buf);
        return (int)i;
    case CSP__OP_FD:
        c->len = (size_t)(unsigned short)p->line->polls[p->slots[i].poll].revents;
        return (int)i;
    case CSP__OP_EXIT:
        return happen_exit(p, i);
    default:
        return (int)i;
    }
}

/* ---- what the broker decides */

/* The value in the line's frame goes to the case; one that does not fit, or has no memory, to the stash. */
static int receive(const struct plan *p, csp_case *c, csp_chan attached, size_t offset, size_t len)
{
    const char *data = (const char *)zmq_msg_data(&p->line->frame) + offset;
    int err;
    if (c->op == CSP__OP_BLOCK)
        err = csp__block_of_message(c->buf, &p->line->frame, offset, len);
    else
        err = take(c, data, len, attached);
    if (err != 0)
        csp__stash_put(p->line, c->chan, attached, offset, len);
    return err;
}

/* The channel is a pair, and this thread has no stream of it: makes one. NONE: try again; FAILED. */
static int make_exact(struct plan *p, size_t i)
{
    const csp_case *c = &p->cases[i];
    int err = csp__stream_exact(p->line, c->chan, receives(c) ? CSP_RECV : CSP_SEND);
    p->made = 1;
    return err == 0 ? NONE : fail_case(p, i, err);
}

/* The COMMIT is in the line's frame. */
static int committed(struct plan *p)
{
    const struct wire_head *head = &p->line->head;
    p->line->replied = 0;
    if (head->type != WIRE_COMMIT || (head->count != WIRE_NO_CASE && head->count >= p->n))
        return fail(p, EPROTO);
    struct wire_commit commit;
    memcpy(&commit, (const char *)zmq_msg_data(&p->line->frame) + sizeof *head, sizeof commit);
    if (head->count == WIRE_NO_CASE)
        return commit.err == 0 ? NONE : fail(p, commit.err);
    size_t offset = sizeof *head + sizeof commit;
    csp_case *c = &p->cases[head->count];
    int index = (int)head->count;
    if (commit.err == EBADF)
        return fail_case(p, head->count, EBADF);
    if (commit.err == EPROTOTYPE)
        return make_exact(p, head->count);
    c->err = commit.err;
    if (receives(c) && c->err != 0)
        c->len = 0;
    else if (receives(c))
        c->err = receive(p, c, commit.attached, offset, head->length - sizeof commit);
    else if (c->op == CSP__OP_SCOPE && head->length == sizeof commit + sizeof(struct wire_exit))
        memcpy(c->buf, (const char *)zmq_msg_data(&p->line->frame) + offset, sizeof(struct wire_exit));
    return c->err >= 0 ? index : fail(p, ENOMEM);
}

static int is_expired(const struct plan *p)
{
    return p->try_only || (p->by != CSP_FOREVER && csp_now() >= p->by);
}

/* Whether it was a send on a pair that is joined no more: now the broker is to be asked. */
static int is_recalled(const struct plan *p, size_t i)
{
    const struct csp__stream *s = p->slots[i].stream;
    return p->slots[i].kind == CSP__LOCAL && s != NULL && (s->exact & CSP_SEND) != 0 && s->send.pair == NULL &&
           (p->cases[i].op == CSP__OP_SEND || p->cases[i].op == CSP__OP_SEND_MSG);
}

/* Whether a case that is not the broker's has become ready, or the broker's, so that the offer is to be withdrawn. */
static int is_disturbed(struct plan *p)
{
    if (p->line->pairs_called)
        return 1;
    for (size_t i = 0; i < p->n; i++)
        if ((p->slots[i].kind == CSP__FLUSHING && csp__stream_is_flushed(p->slots[i].stream)) || is_recalled(p, i))
            return 1;
    return p->n > p->shared && pick(p) != NONE; /* a failure too: it shows again when nothing stands */
}

/* What comes over pairs ends the wait. */
static void await_values(struct plan *p)
{
    for (size_t i = 0; p->streams > 0 && i < p->n; i++)
        if (p->slots[i].kind == CSP__LOCAL && p->slots[i].stream != NULL && receives(&p->cases[i]))
            csp__pair_await(p->slots[i].stream);
}

static void say_waits(struct plan *p)
{
    for (size_t i = 0; p->streams > 0 && i < p->n; i++)
        if (p->slots[i].kind == CSP__LOCAL && p->slots[i].stream != NULL && receives(&p->cases[i]))
            (void)csp__stream_wait(p->line, p->slots[i].stream);
}

/* Tells the receivers of pairs that room is waited for. 1: there is some now. */
static int want_room(struct plan *p)
{
    csp_time now = 0;
    for (size_t i = 0; p->streams > 0 && i < p->n; i++) {
        struct csp__stream *s = p->slots[i].stream;
        if (p->slots[i].kind != CSP__LOCAL || s == NULL || receives(&p->cases[i]) || s->send.pair == NULL)
            continue;
        csp__pair_want(s);
        if (is_ready(p, i, &now))
            return 1;
    }
    return 0;
}

/* Waits for anything: a frame, a descriptor, a timer, the deadline; at most until `by`. */
static void wait_any(struct plan *p, csp_time by)
{
    if (want_room(p))
        return;
    await_values(p);
    csp__line_wait(p->line, p->fds, csp__sooner(by, csp__sooner(p->by, p->next)));
}

static int sends_shared(const struct plan *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->slots[i].kind == CSP__SHARED && (p->cases[i].op == CSP__OP_SEND || p->cases[i].op == CSP__OP_SEND_MSG))
            return 1;
    return 0;
}

/* Offers the first n cases, and waits for the COMMIT: its index, NONE or FAILED. */
static int offer(struct plan *p, size_t n, int now)
{
    unsigned flags = (now ? WIRE_NOW : 0) | (p->ordered ? WIRE_ORDERED : 0) | csp__scope_flags();
    if (p->line->spare == NULL && (p->line->spare = malloc(sizeof *p->line->spare)) == NULL)
        return fail(p, ENOMEM);
    if (csp__offer(p->line, p->cases, p->slots, n, p->by, flags) != 0)
        return fail(p, errno);
    int withdrawn = now;
    int state;
    p->line->offers_send = sends_shared(p, n);
    while ((state = csp__line_pump(p->line)) == 0) {
        if (!withdrawn && (is_disturbed(p) || is_expired(p))) {
            withdrawn = 1;
            csp__withdraw(p->line);
            continue;
        }
        if (withdrawn)
            csp__line_wait(p->line, 0, CSP_FOREVER);
        else
            wait_any(p, CSP_FOREVER);
    }
    p->line->offers_send = 0;
    if (state > 0) {
        int result = committed(p);
        if (p->line->pairs_called) {
            if (result >= 0 && !receives(&p->cases[result]) && p->cases[result].err == 0)
                csp__pairs_committed(p->line, p->cases[result].chan, sent_length(&p->cases[result]));
            csp__pairs_settle(p->line);
        }
        return result;
    }
    return pick(p) >= 0 ? NONE : fail(p, ENOTCONN); /* what is ready here happens, broker or not */
}

/* ---- the whole */

/* Whether the broker is asked although the local case is ready. */
static int is_brokers_turn(const struct plan *p, int local)
{
    if (!p->ordered)
        return csp__turns_pass(&p->line->turns, p->cases, p->slots, p->n, next_random(p->line) >> 63);
    for (int i = 0; i < local; i++)
        if (p->slots[i].kind == CSP__SHARED)
            return 1;
    return 0;
}

static int ask_broker(struct plan *p, int local)
{
    if (local == NONE)
        return offer(p, p->n, p->try_only);
    return offer(p, p->ordered ? (size_t)local : p->n, 1);
}

/* A value that was sent on a pair before this call is received by it, though it be on its way still: waits for that,
 * but not for ever, because its sender may have been killed before the frame had gone. 0: there is none. */
static int await_flight(struct plan *p)
{
    int any = 0;
    for (size_t i = 0; p->streams > 0 && i < p->n && !any; i++)
        any = p->slots[i].kind == CSP__LOCAL && p->slots[i].stream != NULL && receives(&p->cases[i]) &&
              csp__pair_expects(p->slots[i].stream);
    if (!any || (p->flight != 0 && csp_now() >= p->flight))
        return 0;
    if (p->flight == 0)
        p->flight = csp_in(FLIGHT_MS);
    await_values(p);
    csp__line_wait(p->line, p->fds, p->flight);
    (void)csp__line_pump(p->line);
    return 1;
}

/* Whether a value of a pair that is not direct may be at the broker, which has not been asked. */
static int may_be_hosted(const struct plan *p)
{
    for (size_t i = 0; p->streams > 0 && !p->asked && i < p->n; i++) {
        const struct csp__stream *s = p->slots[i].stream;
        if (p->slots[i].kind == CSP__LOCAL && s != NULL && receives(&p->cases[i]) && csp__pair_is_hosted(s))
            return 1;
    }
    return 0;
}

/* The time is up, and nothing was ready: the last look at what is under way. NONE: try again; FAILED: it failed. */
static int give_up(struct plan *p)
{
    if (may_be_hosted(p)) { /* what it had for us comes before its answer */
        p->asked = 1;
        return offer(p, p->n, 1);
    }
    return await_flight(p) ? NONE : fail(p, p->by == CSP_NOW ? EAGAIN : ETIMEDOUT);
}

/* The broker has no say, and nothing is ready: waits for a while without a word, then in an offer, by which the broker
 * knows who waits for what. */
static int await(struct plan *p)
{
    if (is_expired(p))
        return give_up(p);
    if (p->silent == 0)
        p->silent = csp_in(SILENT_MS);
    else if (csp_now() >= p->silent)
        return offer(p, p->n, 0);
    wait_any(p, p->silent);
    return csp__line_pump(p->line) < 0 && pick(p) == NONE ? fail(p, ENOTCONN) : NONE;
}

/* One attempt: the index of what happened; FAILED; NONE: try again. */
static int attempt(struct plan *p)
{
    classify(p);
    int local = pick(p);
    if (local == NONE && p->streams > 0) {
        (void)csp__line_pump(p->line);
        classify(p);
        local = pick(p);
    }
    if (local == FAILED)
        return FAILED;
    int ends = csp__scope_ends(p->line);
    if (ends && p->shared == 0) /* when that was heard is chance: a call that asks the broker asks all the same */
        return fail(p, ECANCELED);
    if (local == NONE)
        say_waits(p);
    if (p->shared > 0 && (local == NONE || is_brokers_turn(p, local))) {
        int result = ask_broker(p, local);
        if (result != NONE)
            return result;
        if (local == NONE) {
            int again = p->made || !is_expired(p) || pick(p) != NONE;
            p->asked = !p->made;
            p->made = 0;
            return again || await_flight(p) ? NONE : fail(p, p->by == CSP_NOW ? EAGAIN : ETIMEDOUT);
        }
    }
    if (ends)
        return fail(p, ECANCELED);
    return local != NONE ? happen(p, (size_t)local) : await(p);
}

static int run(struct plan *p)
{
    int result = prepare(p);
    if (result == 0)
        do
            result = attempt(p);
        while (result == NONE);
    release(p);
    return result;
}

int csp__select(csp_case *cases, size_t n, csp_time by, int ordered, const struct csp__call *call)
{
    const char *what = call->what;
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    line->place = call->place;
    if (++line->calls % LISTEN_RUN == 0)
        (void)csp__line_pump(line);
    if (n > WIRE_MAX_CASES)
        return csp__failf(ENOBUFS, "%s: %zu cases, of at most %d", what, n, WIRE_MAX_CASES);
    if (n > 0 && cases == NULL)
        return csp__failf(EINVAL, "%s: no cases", what);
    if (n > line->slots_size) {
        struct csp__slot *slots = realloc(line->slots, n * sizeof *slots);
        if (slots == NULL)
            return csp__fail(ENOMEM, what, 0);
        line->slots = slots;
        line->slots_size = n;
    }
    struct plan p = {.line = line,
                     .cases = cases,
                     .slots = line->slots,
                     .n = n,
                     .by = by,
                     .try_only = by == CSP_NOW || (by != CSP_FOREVER && by <= csp_now()),
                     .ordered = ordered,
                     .what = what,
                     .next = CSP_FOREVER};
    int result = run(&p);
    return result >= 0 ? result : -1;
}

CSP__ENTRY int csp_select(csp_case *cases, size_t n, csp_time by)
{
    return csp__select(cases, n, by, 0, CSP__CALL("select"));
}

CSP__ENTRY int csp_select_first(csp_case *cases, size_t n, csp_time by)
{
    return csp__select(cases, n, by, 1, CSP__CALL("select"));
}
