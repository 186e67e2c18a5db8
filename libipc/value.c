/* SPDX-License-Identifier: MPL-2.0 */
/* Sending and receiving one value. Decision: each is a select of one case, so that there is one path to get right; only
 * the result is dressed differently. The nil channel, which a select passes over, is an error here: a plain operation
 * on it could never end. */
#include "error.h"
#include "select.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

int csp__one(csp_case *c, csp_time by, const struct csp__call *call)
{
    if (c->chan == 0)
        return csp__fail(EBADF, call->what, 0);
    if (csp__select(c, 1, by, 0, call) < 0)
        return -1;
    return c->err == 0 ? 0 : csp__fail(c->err, call->what, c->chan);
}

CSP__ENTRY int csp_send(csp_chan c, const void *p, size_t len, csp_time by)
{
    csp_case send = csp_on_send(c, p, len);
    return csp__one(&send, by, CSP__CALL("send"));
}

CSP__ENTRY int csp_send_msg(csp_chan c, const csp_msg *m, csp_time by)
{
    csp_case send = csp_on_send_msg(c, m);
    return csp__one(&send, by, CSP__CALL("send"));
}

CSP__ENTRY ssize_t csp_recv(csp_chan c, void *p, size_t cap, csp_time by)
{
    csp_case receive = csp_on_recv(c, p, cap);
    return csp__one(&receive, by, CSP__CALL("receive")) == 0 ? (ssize_t)receive.len : -1;
}

CSP__ENTRY int csp_recv_msg(csp_chan c, csp_msg *m, csp_time by)
{
    if (m == NULL)
        return csp__failf(EINVAL, "receive: nowhere to put the value");
    *m = (csp_msg){.data = NULL};
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
