/* SPDX-License-Identifier: MPL-2.0 */
/* Offers: section 5 of docs/protocol.md, the caller's side. Decision: an offer names every case of its select, also
 * those that the broker does not decide: so the number of the case that it commits is the caller's own, and the broker
 * knows all that a caller waits for. */
#include "select.h"

#include <errno.h>
#include <string.h>

struct value {
    const void *data;
    size_t len;
    csp_chan attached;
};

static struct value value_of(const csp_case *c)
{
    if (c->op == CSP__OP_SEND)
        return (struct value){.data = c->buf, .len = c->len};
    if (c->op != CSP__OP_SEND_MSG)
        return (struct value){.data = NULL};
    const csp_msg *m = c->buf;
    return (struct value){.data = m->data, .len = m->len, .attached = m->chan};
}

static uint32_t shared_op(const csp_case *c)
{
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
    case CSP__OP_SEND_MSG:
        return WIRE_OP_SEND;
    case CSP__OP_GROUP:
        return WIRE_OP_WAIT;
    case CSP__OP_SCOPE:
        return WIRE_OP_SCOPE;
    default:
        return WIRE_OP_RECV;
    }
}

/* What a case waits for that this process decides alone. */
static struct wire_case local_case(const csp_case *c)
{
    switch ((enum csp__op)c->op) {
    case CSP__OP_SEND:
    case CSP__OP_SEND_MSG:
        return (struct wire_case){.op = WIRE_OP_PUT, .length = (uint32_t)value_of(c).len, .channel = c->chan};
    case CSP__OP_WINDOW:
        return (struct wire_case){.op = WIRE_OP_PUT, .length = (uint32_t)c->arg, .channel = c->chan};
    case CSP__OP_FLUSH:
        return (struct wire_case){.op = WIRE_OP_FLUSH, .channel = c->chan};
    case CSP__OP_RECV:
    case CSP__OP_MSG:
    case CSP__OP_BLOCK:
        return (struct wire_case){.op = WIRE_OP_TAKE, .channel = c->chan};
    case CSP__OP_TIME:
        return (struct wire_case){.op = WIRE_OP_TIME, .channel = (uint64_t)c->arg};
    case CSP__OP_TICK:
        return (struct wire_case){.op = WIRE_OP_TIME, .channel = (uint64_t)((const csp_tick *)c->buf)->next};
    case CSP__OP_FD:
        return (struct wire_case){.op = WIRE_OP_FD, .channel = c->chan};
    case CSP__OP_EXIT:
        return (struct wire_case){.op = WIRE_OP_EXIT, .channel = (uint64_t)c->arg};
    default:
        return (struct wire_case){.op = WIRE_OP_NONE};
    }
}

/* Names a case, and gives the value that it sends, if the broker is to have it. */
static struct wire_case name_case(const csp_case *c, enum csp__kind kind, struct value *value)
{
    *value = (struct value){.data = NULL};
    switch (kind) {
    case CSP__SHARED:
        *value = value_of(c);
        return (struct wire_case){
            .op = shared_op(c), .length = (uint32_t)value->len, .channel = c->chan, .attached = value->attached};
    case CSP__FLUSHING:
        return (struct wire_case){.op = WIRE_OP_FLUSH, .channel = c->chan};
    case CSP__LOCAL:
        return local_case(c);
    default:
        return (struct wire_case){.op = WIRE_OP_NONE};
    }
}

int csp__offer(struct csp__line *line, const csp_case *cases, const struct csp__slot *slots, size_t n, csp_time by,
               unsigned flags)
{
    size_t values = 0;
    for (size_t i = 0; i < n; i++)
        if (slots[i].kind == CSP__SHARED)
            values += value_of(&cases[i]).len;
    if (values > WIRE_MAX_VALUE) {
        errno = ENOBUFS;
        return -1;
    }
    struct wire_head head =
        wire_head(WIRE_OFFER, flags, sizeof(struct wire_offer) + n * sizeof(struct wire_case) + values);
    head.count = (uint32_t)n;
    head.seq = ++line->seq;
    zmq_msg_t msg;
    char *table = csp__frame(&msg, &head);
    if (table == NULL)
        return -1;
    struct wire_offer body = {.place = (uint64_t)(uintptr_t)line->place, .deadline = by};
    memcpy(table, &body, sizeof body);
    table += sizeof body;
    char *data = table + n * sizeof(struct wire_case);
    for (size_t i = 0; i < n; i++) {
        struct value v;
        struct wire_case c = name_case(&cases[i], slots[i].kind, &v);
        if (v.len != 0)
            memcpy(data, v.data, v.len);
        data += v.len;
        memcpy(table + i * sizeof c, &c, sizeof c);
    }
    line->replied = 0;
    return csp__line_send(line, &msg);
}

void csp__withdraw(struct csp__line *line)
{
    struct wire_head head = wire_head(WIRE_WITHDRAW, 0, 0);
    head.seq = line->seq;
    zmq_msg_t msg;
    if (csp__frame(&msg, &head) != NULL) /* a header alone lies in the zmq_msg_t itself: this needs no memory */
        (void)csp__line_send(line, &msg);
}
