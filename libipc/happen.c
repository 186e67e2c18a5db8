/* SPDX-License-Identifier: MPL-2.0 */
/* Making a ready case of a select happen in this process. Decision: it may turn out that it cannot (what made it ready
 * was taken back, or another thread was faster): then nothing has changed, and the select looks again. */
#include "pair.h"
#include "plan.h"
#include "process.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int take_message(csp_case *c, const struct csp__given *given)
{
    size_t len = given->len;
    size_t reason = given->reason != NULL ? given->lease.reason + 1u : 0;
    char *copy = malloc(len + 1 + reason);
    if (copy == NULL)
        return -1;
    if (len != 0 && given->data != NULL)
        memcpy(copy, given->data, len);
    copy[len] = '\0';
    *(csp_msg *)c->buf = (csp_msg){
        .data = copy, .len = len, .chan = given->attached, .id = given->lease.id, .tries = given->lease.tries};
    if (reason != 0) {
        char *text = copy + len + 1;
        memcpy(text, given->reason, reason - 1);
        text[reason - 1] = '\0';
        ((csp_msg *)c->buf)->reason = text;
    }
    return 0;
}

int csp__take(struct csp__line *line, csp_case *c, const struct csp__given *given)
{
    c->len = given->len;
    if (csp__is_leased(&given->lease) && csp__lease_prepare(line) != 0)
        return -1;
    if (c->op == CSP__OP_MSG)
        return take_message(c, given);
    if (given->len > (size_t)c->arg)
        return EMSGSIZE;
    if (given->len != 0)
        memcpy(c->buf, given->data, given->len);
    return 0;
}

static int happen_stash(const struct csp__plan *p, size_t i, struct csp__stash *s)
{
    csp_case *c = &p->cases[i];
    const char *data = (const char *)zmq_msg_data(&s->msg) + s->offset;
    const struct csp__given given = {.data = data,
                                     .len = s->len,
                                     .attached = s->attached,
                                     .lease = s->lease,
                                     .reason = s->lease.reason != 0 ? data + s->len : NULL};
    if (c->op == CSP__OP_BLOCK)
        c->err = csp__block_of_message(c->buf, &s->msg, &s->lease, s->offset, s->len);
    else
        c->err = csp__take(p->line, c, &given);
    if (c->err < 0)
        return csp__plan_fail(p, ENOMEM);
    if (c->err == 0) {
        csp__lease_note(p->line, c, &s->lease);
        csp__stash_remove(p->line, s);
    }
    return (int)i;
}

static int happen_stream(const struct csp__plan *p, size_t i, struct csp__stream *s)
{
    csp_case *c = &p->cases[i];
    struct csp__given given = {.data = NULL};
    given.data = csp__stream_front(s, &given.len, &given.attached);
    if (given.data == NULL && !csp__stream_is_closed(s))
        return CSP__NONE; /* a pair was recalled since it was seen to be ready */
    if (given.data == NULL) {
        c->len = 0;
        c->err = EPIPE;
        csp__stream_tell_closed(&s->recv);
        return (int)i;
    }
    if (c->op == CSP__OP_BLOCK) {
        if (csp__stream_take_block(p->line, s, c->buf) != 0)
            return CSP__NONE;
        c->len = ((csp__block *)c->buf)->len;
        return (int)i;
    }
    csp_msg before = c->op == CSP__OP_MSG ? *(csp_msg *)c->buf : (csp_msg){.data = NULL};
    given.reason = csp__stream_lease(s, &given.lease);
    c->err = csp__take(p->line, c, &given);
    if (c->err < 0)
        return csp__plan_fail(p, ENOMEM);
    if (c->err != 0)
        return (int)i;
    if (csp__stream_count(p->line, s, 1, given.len) !=
        0) { /* nobody has seen the copy yet: this call has not returned */
        if (c->op == CSP__OP_MSG) {
            csp_msg_free(c->buf);
            *(csp_msg *)c->buf = before;
        }
        return CSP__NONE;
    }
    if (csp__is_leased(&given.lease)) {
        csp__lease_count(c->chan, 1);
        csp__lease_note(p->line, c, &given.lease);
    }
    csp__stream_pop(p->line, s);
    return (int)i;
}

static int happen_put(const struct csp__plan *p, size_t i, struct csp__stream *s)
{
    csp_case *c = &p->cases[i];
    const void *data = c->op == CSP__OP_SEND_MSG ? ((const csp_msg *)c->buf)->data : c->buf;
    if (s != NULL && !csp__stream_may_put(s, csp__sent_length(c)))
        return CSP__NONE; /* a pair was recalled since it was seen to be ready */
    int err = s != NULL ? csp__stream_put(p->line, s, data, csp__sent_length(c)) : EMSGSIZE;
    if (err == EAGAIN)
        return CSP__NONE;
    c->err = err;
    return err >= 0 ? (int)i : CSP__FAILED;
}

static void advance(csp_tick *t)
{
    csp_time behind = csp_now() - t->next;
    csp_time periods = behind / t->every + 1;
    csp_time step;
    if (__builtin_mul_overflow(periods, t->every, &step) || __builtin_add_overflow(t->next, step, &t->next))
        t->next = INT64_MAX;
}

static int happen_exit(const struct csp__plan *p, size_t i)
{
    csp_case *c = &p->cases[i];
    int ended = csp__child_reap(p->line, p->slots[i].child, c->buf);
    return ended > 0 ? (int)i : ended == 0 ? CSP__NONE : csp__plan_fail_case(p, i, ECHILD);
}

int csp__happen(const struct csp__plan *p, size_t i)
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
