/* SPDX-License-Identifier: MPL-2.0 */
/* Select. Decision: every operation that may wait is a select, so that deadlines, deaths and races are handled in one
 * place. What this process knows by itself (streams, timers, descriptors, exits) it decides alone; the rest stands as
 * one offer at the broker. Where a local case becomes ready while the offer stands, the offer is withdrawn, and the
 * broker's answer says which of the two happened: exactly one. */
#include "select.h"
#include "error.h"
#include "pair.h"
#include "plan.h"
#include "process.h"
#include "scope.h"
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_MS 100 /* that a wait in which the broker has no say may last before it hears of it */
#define FLIGHT_MS 5   /* that a try waits for a value which was sent, and is not there yet */

static csp_chan channel_of(const csp_case *c)
{
    return c->op == CSP__OP_FD || c->op == CSP__OP_SCOPE ? 0 : c->chan;
}

int csp__plan_fail(const struct csp__plan *p, int err)
{
    csp__fail(err, p->what, p->n == 1 ? channel_of(&p->cases[0]) : 0);
    return CSP__FAILED;
}

int csp__plan_fail_case(const struct csp__plan *p, size_t i, int err)
{
    p->cases[i].err = err;
    csp__fail(err, p->what, channel_of(&p->cases[i]));
    return CSP__FAILED;
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

static enum csp__kind kind_of_send(const struct csp__plan *p, const csp_case *c, struct csp__slot *slot)
{
    if (c->chan == 0)
        return CSP__NEVER;
    if (csp__sent_length(c) > WIRE_MAX_VALUE)
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

static enum csp__kind kind_of_receive(const struct csp__plan *p, const csp_case *c, struct csp__slot *slot)
{
    if (c->chan == 0)
        return CSP__NEVER;
    struct csp__stream *s = csp__stream_find(p->line, c->chan);
    slot->stream = s != NULL && s->recv.on ? s : NULL;
    return slot->stream != NULL || csp__stash_find(p->line, c->chan) != NULL ? CSP__LOCAL : CSP__SHARED;
}

static enum csp__kind kind_of_stream(const struct csp__plan *p, const csp_case *c, struct csp__slot *slot)
{
    struct csp__stream *s = csp__stream_find(p->line, c->chan);
    slot->stream = s != NULL && s->send.on ? s : NULL;
    return slot->stream != NULL ? CSP__LOCAL : CSP__NEVER;
}

static enum csp__kind kind_of(const struct csp__plan *p, const csp_case *c, struct csp__slot *slot)
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

static void classify(struct csp__plan *p)
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

static int add_descriptor(struct csp__plan *p, size_t i, int fd, int64_t events)
{
    if (csp__line_reserve(p->line, p->fds + 1) != 0)
        return csp__plan_fail(p, ENOMEM);
    p->slots[i].poll = CSP__OWN_POLLS + p->fds++;
    p->line->polls[p->slots[i].poll] = (struct pollfd){.fd = fd, .events = (short)events};
    return 0;
}

/* Checks the cases, and finds the descriptors of those that have one. */
static int prepare(struct csp__plan *p)
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
                                               : csp__plan_fail_case(p, i, ECHILD);
        } else if (c->op == CSP__OP_FD) {
            result = (int)c->chan >= 0 ? add_descriptor(p, i, (int)c->chan, c->arg) : csp__plan_fail_case(p, i, EBADF);
        }
        if (result != 0)
            return CSP__FAILED;
    }
    return 0;
}

static void release(const struct csp__plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->slots[i].child != NULL)
            csp__child_release(p->slots[i].child);
}

/* ---- what the broker decides */

/* The value in the line's frame goes to the case; one that does not fit, or has no memory, to the stash. Its errno or
 * 0; -1: no memory; EPROTO: the frame contradicts itself. */
static int receive(const struct csp__plan *p, csp_case *c, csp_chan attached)
{
    struct csp__line *line = p->line;
    const struct wire_head *head = &line->head;
    const char *payload = (const char *)zmq_msg_data(&line->frame) + sizeof *head;
    const char *data = payload + sizeof(struct wire_commit);
    struct csp__given given = {.data = data, .len = head->length - sizeof(struct wire_commit), .attached = attached};
    if (wire_lease(head, payload, &given.lease) != 0)
        return EPROTO;
    if (given.lease.id != 0)
        given.len -= sizeof given.lease + given.lease.reason;
    if (given.lease.reason != 0)
        given.reason = data + given.len;
    if (csp__is_leased(&given.lease))
        csp__lease_count(c->chan, 1);
    size_t offset = sizeof *head + sizeof(struct wire_commit);
    int err;
    if (c->op == CSP__OP_BLOCK)
        err = csp__block_of_message(c->buf, &line->frame, &given.lease, offset, given.len);
    else
        err = csp__take(line, c, &given);
    if (err != 0)
        csp__stash_put(line, c->chan, attached, &given.lease, offset, given.len);
    else
        csp__lease_note(line, c, &given.lease);
    return err;
}

/* The channel is a pair, and this thread has no stream of it: makes one. CSP__NONE: try again; CSP__FAILED. */
static int make_exact(struct csp__plan *p, size_t i)
{
    const csp_case *c = &p->cases[i];
    int err = csp__stream_exact(p->line, c->chan, csp__receives(c) ? CSP_RECV : CSP_SEND);
    p->made = 1;
    return err == 0 ? CSP__NONE : csp__plan_fail_case(p, i, err);
}

/* The COMMIT is in the line's frame. */
static int committed(struct csp__plan *p)
{
    const struct wire_head *head = &p->line->head;
    p->line->replied = 0;
    if (head->type != WIRE_COMMIT || (head->count != WIRE_NO_CASE && head->count >= p->n))
        return csp__plan_fail(p, EPROTO);
    struct wire_commit commit;
    memcpy(&commit, (const char *)zmq_msg_data(&p->line->frame) + sizeof *head, sizeof commit);
    if (head->count == WIRE_NO_CASE)
        return commit.err == 0 ? CSP__NONE : csp__plan_fail(p, commit.err);
    size_t offset = sizeof *head + sizeof commit;
    csp_case *c = &p->cases[head->count];
    int index = (int)head->count;
    if (commit.err == EBADF)
        return csp__plan_fail_case(p, head->count, EBADF);
    if (commit.err == EPROTOTYPE)
        return make_exact(p, head->count);
    c->err = commit.err;
    if (c->err == EPIPE && (head->flags & WIRE_LEASE) != 0 && !csp__lease_holds(c->chan)) {
        p->made = 1;
        return CSP__NONE; /* closed for now, for what was settled since: it is to be asked for again */
    }
    if (csp__receives(c) && c->err != 0)
        c->len = 0;
    else if (csp__receives(c))
        c->err = receive(p, c, commit.attached);
    else if (c->op == CSP__OP_SCOPE && head->length == sizeof commit + sizeof(struct wire_exit))
        memcpy(c->buf, (const char *)zmq_msg_data(&p->line->frame) + offset, sizeof(struct wire_exit));
    if (c->err == EPROTO)
        return csp__plan_fail(p, EPROTO);
    return c->err >= 0 ? index : csp__plan_fail(p, ENOMEM);
}

static int is_expired(const struct csp__plan *p)
{
    return p->try_only || (p->by != CSP_FOREVER && csp_now() >= p->by);
}

/* Whether it was a send on a pair that is joined no more: now the broker is to be asked. */
static int is_recalled(const struct csp__plan *p, size_t i)
{
    const struct csp__stream *s = p->slots[i].stream;
    return p->slots[i].kind == CSP__LOCAL && s != NULL && (s->exact & CSP_SEND) != 0 && s->send.pair == NULL &&
           (p->cases[i].op == CSP__OP_SEND || p->cases[i].op == CSP__OP_SEND_MSG);
}

/* Whether a case that is not the broker's has become ready, or the broker's, so that the offer is to be withdrawn. */
static int is_disturbed(struct csp__plan *p)
{
    if (p->line->pairs_called)
        return 1;
    for (size_t i = 0; i < p->n; i++)
        if ((p->slots[i].kind == CSP__FLUSHING && csp__stream_is_flushed(p->slots[i].stream)) || is_recalled(p, i))
            return 1;
    return p->n > p->shared && csp__pick(p) != CSP__NONE; /* a failure too: it shows again when nothing stands */
}

/* What comes over pairs ends the wait. */
static void await_values(struct csp__plan *p)
{
    for (size_t i = 0; p->streams > 0 && i < p->n; i++)
        if (p->slots[i].kind == CSP__LOCAL && p->slots[i].stream != NULL && csp__receives(&p->cases[i]))
            csp__pair_await(p->slots[i].stream);
}

static void say_waits(struct csp__plan *p)
{
    for (size_t i = 0; p->streams > 0 && i < p->n; i++)
        if (p->slots[i].kind == CSP__LOCAL && p->slots[i].stream != NULL && csp__receives(&p->cases[i]))
            (void)csp__stream_wait(p->line, p->slots[i].stream);
}

/* Tells the receivers of pairs that room is waited for. 1: there is some now. */
static int want_room(struct csp__plan *p)
{
    csp_time now = 0;
    for (size_t i = 0; p->streams > 0 && i < p->n; i++) {
        struct csp__stream *s = p->slots[i].stream;
        if (p->slots[i].kind != CSP__LOCAL || s == NULL || csp__receives(&p->cases[i]) || s->send.pair == NULL)
            continue;
        csp__pair_want(s);
        if (csp__is_ready(p, i, &now))
            return 1;
    }
    return 0;
}

/* Waits for anything: a frame, a descriptor, a timer, the deadline; at most until `by`. */
static void wait_any(struct csp__plan *p, csp_time by)
{
    if (want_room(p))
        return;
    await_values(p);
    csp__line_wait(p->line, p->fds, csp__sooner(by, csp__sooner(p->by, p->next)));
}

static int sends_shared(const struct csp__plan *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->slots[i].kind == CSP__SHARED && (p->cases[i].op == CSP__OP_SEND || p->cases[i].op == CSP__OP_SEND_MSG))
            return 1;
    return 0;
}

/* Offers the first n cases, and waits for the COMMIT: its index, CSP__NONE or CSP__FAILED. */
static int offer(struct csp__plan *p, size_t n, int now)
{
    unsigned flags = (now ? WIRE_NOW : 0) | (p->ordered ? WIRE_ORDERED : 0) | csp__scope_flags();
    if (p->line->spare == NULL && (p->line->spare = malloc(sizeof *p->line->spare)) == NULL)
        return csp__plan_fail(p, ENOMEM);
    if (csp__offer(p->line, p->cases, p->slots, n, p->by, flags) != 0)
        return csp__plan_fail(p, errno);
    int withdrawn = now;
    int state;
    p->line->offers_send = sends_shared(p, n);
    while ((state = csp__line_pump(p->line)) == 0) {
        if (!withdrawn && (is_disturbed(p) || is_expired(p))) {
            withdrawn = 1;
            csp__withdraw(p->line);
            continue;
        }
        if (withdrawn) {
            csp__line_wait(p->line, 0, CSP_FOREVER);
        } else {
            say_waits(p); /* once more behind a DELIVER(DIRECT) or RECALL: the broker has forgotten it with that */
            wait_any(p, CSP_FOREVER);
        }
    }
    p->line->offers_send = 0;
    if (state > 0) {
        int result = committed(p);
        int err = errno; /* of that, if it has failed */
        if (p->line->pairs_called) {
            if (result >= 0 && !csp__receives(&p->cases[result]) && p->cases[result].err == 0)
                csp__pairs_committed(p->line, p->cases[result].chan, csp__sent_length(&p->cases[result]));
            csp__pairs_settle(p->line);
        }
        errno = err;
        return result;
    }
    return csp__pick(p) >= 0 ? CSP__NONE : csp__plan_fail(p, ENOTCONN); /* what is ready here happens, broker or not */
}

/* ---- the whole */

/* Whether the broker is asked although the local case is ready. */
static int is_brokers_turn(const struct csp__plan *p, int local)
{
    if (!p->ordered)
        return csp__turns_pass(&p->line->turns, p->cases, p->slots, p->n, csp__random(p->line) >> 63);
    for (int i = 0; i < local; i++)
        if (p->slots[i].kind == CSP__SHARED)
            return 1;
    return 0;
}

static int ask_broker(struct csp__plan *p, int local)
{
    if (local == CSP__NONE)
        return offer(p, p->n, p->try_only);
    return offer(p, p->ordered ? (size_t)local : p->n, 1);
}

/* A value that was sent on a pair before this call is received by it, though it be on its way still: waits for that,
 * but not for ever, because its sender may have been killed before the frame had gone. 0: there is none. */
static int await_flight(struct csp__plan *p)
{
    int any = 0;
    for (size_t i = 0; p->streams > 0 && i < p->n && !any; i++)
        any = p->slots[i].kind == CSP__LOCAL && p->slots[i].stream != NULL && csp__receives(&p->cases[i]) &&
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
static int may_be_hosted(const struct csp__plan *p)
{
    for (size_t i = 0; p->streams > 0 && !p->asked && i < p->n; i++) {
        const struct csp__stream *s = p->slots[i].stream;
        if (p->slots[i].kind == CSP__LOCAL && s != NULL && csp__receives(&p->cases[i]) && csp__pair_is_hosted(s))
            return 1;
    }
    return 0;
}

/* The time is up, and nothing was ready: the last look at what is under way. CSP__NONE: try again; CSP__FAILED: it
 * failed. */
static int give_up(struct csp__plan *p)
{
    if (may_be_hosted(p)) { /* what it had for us comes before its answer */
        p->asked = 1;
        return offer(p, p->n, 1);
    }
    return await_flight(p) ? CSP__NONE : csp__plan_fail(p, p->by == CSP_NOW ? EAGAIN : ETIMEDOUT);
}

/* The broker has no say, and nothing is ready: waits for a while without a word, then in an offer, by which the broker
 * knows who waits for what. */
static int await(struct csp__plan *p)
{
    if (is_expired(p))
        return give_up(p);
    if (p->silent == 0)
        p->silent = csp_in(SILENT_MS);
    else if (csp_now() >= p->silent)
        return offer(p, p->n, 0);
    wait_any(p, p->silent);
    return csp__line_pump(p->line) < 0 && csp__pick(p) == CSP__NONE ? csp__plan_fail(p, ENOTCONN) : CSP__NONE;
}

/* One attempt: the index of what happened; CSP__FAILED; CSP__NONE: try again. */
static int attempt(struct csp__plan *p)
{
    classify(p);
    int local = csp__pick(p);
    if (local == CSP__NONE && p->streams > 0) {
        (void)csp__line_pump(p->line);
        classify(p);
        local = csp__pick(p);
    }
    if (local == CSP__FAILED)
        return CSP__FAILED;
    int ends = csp__scope_ends(p->line);
    if (ends && p->shared == 0) /* when that was heard is chance: a call that asks the broker asks all the same */
        return csp__plan_fail(p, ECANCELED);
    if (local == CSP__NONE)
        say_waits(p);
    if (p->shared > 0 && (local == CSP__NONE || is_brokers_turn(p, local))) {
        int result = ask_broker(p, local);
        if (result != CSP__NONE)
            return result;
        if (local == CSP__NONE) {
            int again = p->made || !is_expired(p) || csp__pick(p) != CSP__NONE;
            p->asked = !p->made;
            p->made = 0;
            return again || await_flight(p) ? CSP__NONE : csp__plan_fail(p, p->by == CSP_NOW ? EAGAIN : ETIMEDOUT);
        }
    }
    if (ends)
        return csp__plan_fail(p, ECANCELED);
    return local != CSP__NONE ? csp__happen(p, (size_t)local) : await(p);
}

static int run(struct csp__plan *p)
{
    if (++p->line->calls % CSP__LISTEN_RUN == 0)
        (void)csp__line_pump(p->line);
    p->try_only = p->by == CSP_NOW || (p->by != CSP_FOREVER && p->by <= csp_now());
    int result = prepare(p);
    if (result == 0)
        do
            result = attempt(p);
        while (result == CSP__NONE);
    release(p);
    return result;
}

static int reserve(struct csp__line *line, size_t n)
{
    struct csp__slot *slots = realloc(line->slots, n * sizeof *slots);
    if (slots != NULL)
        line->slots = slots;
    uint16_t *ready = realloc(line->ready, n * sizeof *ready);
    if (ready != NULL)
        line->ready = ready;
    if (slots == NULL || ready == NULL)
        return -1;
    line->slots_size = n;
    return 0;
}

/* What this thread received with csp_recv, from a channel that it receives from again, it means to be done. */
static void pass_on(const struct csp__plan *p)
{
    for (size_t i = 0; i < p->n && p->line->plain != NULL; i++)
        if (p->cases[i].chan != 0 && csp__receives(&p->cases[i]))
            csp__lease_done(p->line, p->cases[i].chan);
}

int csp__select(csp_case *cases, size_t n, csp_time by, int ordered, const struct csp__call *call)
{
    const char *what = call->what;
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    line->place = call->place;
    if (n > WIRE_MAX_CASES)
        return csp__failf(ENOBUFS, "%s: %zu cases, of at most %d", what, n, WIRE_MAX_CASES);
    if (n > 0 && cases == NULL)
        return csp__failf(EINVAL, "%s: no cases", what);
    if (n > line->slots_size && reserve(line, n) != 0)
        return csp__fail(ENOMEM, what, 0);
    struct csp__plan p = {.line = line,
                          .cases = cases,
                          .slots = line->slots,
                          .n = n,
                          .by = by,
                          .ordered = ordered,
                          .what = what,
                          .next = CSP_FOREVER};
    if (line->plain != NULL)
        pass_on(&p);
    int result = csp__select_fast(&p);
    if (result == CSP__NONE)
        result = run(&p);
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
