/* SPDX-License-Identifier: MPL-2.0 */
/* A select at work: what its parts share. select.c is the whole, ready.c what can happen here, happen.c how it does. */
#ifndef CSP_PLAN_H
#define CSP_PLAN_H

#include "lease.h"
#include "select.h"

#define CSP__NONE   (-1)
#define CSP__FAILED (-2)

/* In so many calls of a thread it hears once what the broker says, though it need not wait. */
#define CSP__LISTEN_RUN 16

struct csp__plan {
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
    int made;                    /* what it said holds no more, and the broker has to be asked anew */
    int asked;                   /* the broker was asked for what it has for the streams, and has said all */
    csp_time silent;             /* until when the broker need not hear of a wait for local cases; 0: not set yet */
};

static inline int csp__receives(const csp_case *c)
{
    return c->op == CSP__OP_RECV || c->op == CSP__OP_MSG || c->op == CSP__OP_BLOCK;
}

static inline size_t csp__sent_length(const csp_case *c)
{
    return c->op == CSP__OP_SEND_MSG ? ((const csp_msg *)c->buf)->len : c->len;
}

/* Note the error, and are CSP__FAILED; the second as of this case. */
int csp__plan_fail(const struct csp__plan *p, int err);
int csp__plan_fail_case(const struct csp__plan *p, size_t i, int err);

/* ---- ready.c */

/* A whole select that needs no more than a look: all its cases are receives from streams of this thread, sends on them,
 * timers or nil ones, and one can happen now. Its index; CSP__FAILED; CSP__NONE: anything else, and nothing was done.
 */
int csp__select_fast(struct csp__plan *p);

/* The ready local case that is to happen: the first, or a fair draw among all. CSP__NONE; or CSP__FAILED: a bad
 * descriptor. */
int csp__pick(struct csp__plan *p);

/* Whether a local case can happen now; *now is the time, or 0 where nobody has asked yet. */
int csp__is_ready(struct csp__plan *p, size_t i, csp_time *now);

uint64_t csp__random(struct csp__line *line);

/* ---- happen.c */

/* Makes the ready local case happen. Its index; CSP__NONE: it cannot happen after all; CSP__FAILED. */
int csp__happen(const struct csp__plan *p, size_t i);

/* Gives the value to a receiving case, and prepares for its lease. 0: done; EMSGSIZE; -1: no memory. */
int csp__take(struct csp__line *line, csp_case *c, const struct csp__given *given);

#endif
