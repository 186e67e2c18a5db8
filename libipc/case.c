/* SPDX-License-Identifier: MPL-2.0 */
/* The cases of a select. Decision: a case is a plain value that the caller may keep and use again: what a select writes
 * (len, err) is never what it reads of a receiving case, so that one table serves a loop. */
#include "select.h"

csp_case csp_on_send(csp_chan c, const void *p, size_t len)
{
    return (csp_case){.op = CSP__OP_SEND, .chan = c, .buf = (void *)p, .len = len};
}

csp_case csp_on_send_msg(csp_chan c, const csp_msg *m)
{
    return (csp_case){.op = CSP__OP_SEND_MSG, .chan = c, .buf = (void *)m};
}

csp_case csp_on_recv(csp_chan c, void *p, size_t cap)
{
    return (csp_case){.op = CSP__OP_RECV, .chan = c, .buf = p, .arg = cap < INT64_MAX ? (int64_t)cap : INT64_MAX};
}

csp_case csp_on_msg(csp_chan c, csp_msg *m)
{
    return (csp_case){.op = CSP__OP_MSG, .chan = c, .buf = m};
}

csp_case csp_on_time(csp_time when)
{
    return (csp_case){.op = CSP__OP_TIME, .arg = when};
}

csp_case csp_on_tick(csp_tick *t)
{
    return (csp_case){.op = CSP__OP_TICK, .buf = t};
}

csp_case csp_on_fd(int fd, short events)
{
    return (csp_case){.op = CSP__OP_FD, .chan = (csp_chan)fd, .arg = events};
}

csp_case csp_on_exit(csp_proc p, csp_exit *why)
{
    return (csp_case){.op = CSP__OP_EXIT, .arg = p, .buf = why};
}

csp_case csp_on_group(csp_chan group)
{
    return (csp_case){.op = CSP__OP_GROUP, .chan = group};
}
