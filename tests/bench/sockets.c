/* SPDX-License-Identifier: MPL-2.0 */
/* See sockets.h. Decision: buffers are copied on both sides, as csp_send and csp_recv do; who connects sends nothing
 * before the other side is there, and looks for it every millisecond, so that no part of coming up is measured. */
#include "sockets.h"

#include <errno.h>

enum { SOCKETS = 16, MEMORY = 64 << 20 };

static void *context, *sockets[SOCKETS];
static size_t n_sockets;

static void *make(int type, size_t size)
{
    if (context == NULL)
        context = zmq_ctx_new();
    must(context != NULL, "zmq_ctx_new");
    errno = ENOBUFS;
    must(n_sockets < SOCKETS, "zmq_socket");
    void *s = zmq_socket(context, type);
    must(s != NULL, "zmq_socket");
    const int interval = 1;
    must(zmq_setsockopt(s, ZMQ_RECONNECT_IVL, &interval, sizeof interval) == 0, "ZMQ_RECONNECT_IVL");
    int hwm = MEMORY / size < 1000 ? (int)(MEMORY / size) : 1000;
    must(zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof hwm) == 0, "ZMQ_SNDHWM");
    must(zmq_setsockopt(s, ZMQ_RCVHWM, &hwm, sizeof hwm) == 0, "ZMQ_RCVHWM");
    return sockets[n_sockets++] = s;
}

void *zmq_bound(int type, const char *name, size_t size)
{
    void *s = make(type, size);
    must(zmq_bind(s, address_of(name)) == 0, "zmq_bind");
    return s;
}

void *zmq_connected(int type, const char *name, size_t size)
{
    void *s = make(type, size);
    must(zmq_connect(s, address_of(name)) == 0, "zmq_connect");
    return s;
}

void zmq_end_all(void)
{
    while (n_sockets > 0)
        must(zmq_close(sockets[--n_sockets]) == 0, "zmq_close");
    must(context == NULL || zmq_ctx_term(context) == 0, "zmq_ctx_term");
    context = NULL;
}

void zmq_forget_all(void)
{
    context = NULL;
    n_sockets = 0;
}

void zmq_send_one(void *end, const void *p, size_t len)
{
    must(zmq_send(((struct zmq_end *)end)->out, p, len, 0) >= 0, "zmq_send");
}

size_t zmq_receive_one(void *end, void *p, size_t cap)
{
    int len = zmq_recv(((struct zmq_end *)end)->in, p, cap, 0);
    must(len >= 0, "zmq_recv");
    return (size_t)len;
}
