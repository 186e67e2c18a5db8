/* SPDX-License-Identifier: MPL-2.0 */
/* The one path of every operation that may wait: a select. */
#ifndef CSP_SELECT_H
#define CSP_SELECT_H

#include "block.h"
#include "line.h"

/* csp_case.op: numbers that no other memory is likely to hold, so that a case which csp_on_* did not make is seen. */
enum csp__op {
    CSP__OP_SEND = 0x63730001,
    CSP__OP_SEND_MSG,
    CSP__OP_RECV, /* arg: bytes of buf */
    CSP__OP_MSG,
    CSP__OP_BLOCK,
    CSP__OP_TIME, /* arg: when */
    CSP__OP_TICK,
    CSP__OP_FD,   /* chan: the descriptor; arg: events */
    CSP__OP_EXIT, /* arg: the process */
    CSP__OP_GROUP,
    CSP__OP_WINDOW, /* chan: a sending stream with room in its window for arg bytes */
    CSP__OP_FLUSH,  /* chan: a sending stream of which nothing is outstanding */
    CSP__OP_SCOPE,  /* chan: the innermost scope, without members; buf: a wire_exit */
};

enum csp__kind {
    CSP__NEVER,
    CSP__SHARED,   /* the broker decides */
    CSP__LOCAL,    /* this process does */
    CSP__FLUSHING, /* neither yet: a value with a channel attached waits until its stream is flushed */
};

struct csp__child;

struct csp__slot { /* what a select knows of a case */
    enum csp__kind kind;
    struct csp__stream *stream;
    struct csp__child *child;
    size_t poll; /* its descriptor: index in line->polls */
};

/* Sends the OFFER of the first n cases: those that are shared, and what the others wait for. 0, or -1: ENOMEM, ENOBUFS,
 * ENOTCONN. */
int csp__offer(struct csp__line *line, const csp_case *cases, const struct csp__slot *slots, size_t n, csp_time by,
               unsigned flags);

/* Withdraws the offer that is out; its COMMIT comes all the same, or the broker is gone. */
void csp__withdraw(struct csp__line *line);

/* csp_select for a public call. */
int csp__select(csp_case *cases, size_t n, csp_time by, int ordered, const struct csp__call *call);

/* A select of one case that sends or receives: 0, or -1 with the error noted, the case's own too. */
int csp__one(csp_case *c, csp_time by, const struct csp__call *call);

#endif
