/* SPDX-License-Identifier: MPL-2.0 */
/* Sending and receiving one value. Decision: each is a select of one case, so that there is one path to get right; only
 * the result is dressed differently, and on a stream that has room, or a value, nothing is left to select. The nil
 * channel, which a select passes over, is an error here: a plain operation on it could never end. */
#include "error.h"
#include "select.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int csp__one(csp_case *c, csp_time by, const struct csp__call *call)
{
    if (c->chan == 0)
        return csp__fail(EBADF, call->what, 0);
    if (csp__select(c, 1, by, 0, call) < 0)
        return -1;
    return c->err == 0 ? 0 : csp__fail(c->err, call->what, c->chan);
}

/* 1: the value is put on the stream; 0: a select is to be asked; -1: an error is noted. */
static int put_fast(csp_chan c, const void *p, size_t len)
{
    struct csp__line *line = csp__line("send");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    return s != NULL && s->send.on ? csp__stream_put_fast(line, s, p, len) : 0;
}

CSP__ENTRY int csp_send(csp_chan c, const void *p, size_t len, csp_time by)
{
    int put = c != 0 ? put_fast(c, p, len) : 0;
    if (put != 0)
        return put > 0 ? 0 : -1;
    csp_case send = csp_on_send(c, p, len);
    return csp__one(&send, by, CSP__CALL("send"));
}

CSP__ENTRY int csp_send_msg(csp_chan c, const csp_msg *m, csp_time by)
{
    int put = c != 0 && m != NULL && m->chan == 0 ? put_fast(c, m->data, m->len) : 0;
    if (put != 0)
        return put > 0 ? 0 : -1;
    csp_case send = csp_on_send_msg(c, m);
    return csp__one(&send, by, CSP__CALL("send"));
}

/* The value that a stream has at hand, for a receive that needs no select; NULL: it needs one. */
static const void *at_hand(struct csp__line *line, csp_chan c, struct csp__stream **stream, size_t *len,
                           csp_chan *attached)
{
    struct csp__stream *s = csp__stream_find(line, c);
    *stream = s;
    if (s == NULL || s->recv.marked || (s->recv.first == NULL && s->recv.pair == NULL))
        return NULL;
    return csp__stream_front_fast(line, s, len, attached);
}

/* It was copied, and nobody has seen the copy. 0; -1: it was taken back. */
static int take(struct csp__stream *s, size_t len)
{
    if (csp__stream_count(s->line, s, 1, len) != 0)
        return -1;
    csp__stream_pop(s->line, s);
    return 0;
}

CSP__ENTRY ssize_t csp_recv(csp_chan c, void *p, size_t cap, csp_time by)
{
    struct csp__stream *s;
    size_t len;
    csp_chan attached;
    struct csp__line *line = csp__line("receive");
    if (line == NULL)
        return -1;
    const void *value = at_hand(line, c, &s, &len, &attached);
    if (value != NULL && len <= cap && (p != NULL || cap == 0)) {
        if (len != 0)
            memcpy(p, value, len);
        if (take(s, len) == 0)
            return (ssize_t)len;
    }
    csp_case receive = csp_on_recv(c, p, cap);
    return csp__one(&receive, by, CSP__CALL("receive")) == 0 ? (ssize_t)receive.len : -1;
}

CSP__ENTRY int csp_recv_msg(csp_chan c, csp_msg *m, csp_time by)
{
    if (m == NULL)
        return csp__failf(EINVAL, "receive: nowhere to put the value");
    struct csp__stream *s;
    size_t len;
    csp_chan attached;
    *m = (csp_msg){.data = NULL};
    struct csp__line *line = csp__line("receive");
    if (line == NULL)
        return -1;
    const void *value = at_hand(line, c, &s, &len, &attached);
    char *copy = value != NULL ? malloc(len + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, value, len);
        copy[len] = '\0';
        if (take(s, len) == 0) {
            *m = (csp_msg){.data = copy, .len = len, .chan = attached};
            return 0;
        }
        free(copy);
    }
    csp_case receive = csp_on_msg(c, m);
    return csp__one(&receive, by, CSP__CALL("receive"));
}

void csp_msg_free(csp_msg *m)
{
    int err = errno;
    if (m != NULL) {
        free(m->data);
        *m = (csp_msg){.data = NULL};
    }
    errno = err;
}
