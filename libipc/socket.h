/* SPDX-License-Identifier: MPL-2.0 */
/* A ZeroMQ socket that is waited for with poll(2). */
#ifndef CSP_SOCKET_H
#define CSP_SOCKET_H

#include <zmq.h>

/* `quiet` is the whole of it: see socket.c. Only these functions send and receive on the socket. */
struct csp__socket {
    void *zmq; /* NULL: none */
    int fd;    /* its ZMQ_FD */
    int quiet; /* a receive has found nothing, and nothing was done with the socket since */
};

/* zmq_connect and zmq_bind; a signal before they have begun is no failure. */
int csp__socket_connect(void *zmq, const char *address);
int csp__socket_bind(void *zmq, const char *address);

/* Takes a socket over; who closes it is the caller. 0, or -1 with errno. */
int csp__socket_adopt(struct csp__socket *s, void *zmq);

/* Receives a part or frame, without waiting. 0, or -1 with errno: EAGAIN where there is none. */
int csp__socket_receive(struct csp__socket *s, zmq_msg_t *msg);

/* Sends one, without waiting; flags: 0 or ZMQ_SNDMORE. 0, or -1 with errno, and then msg is still the caller's. */
int csp__socket_send(struct csp__socket *s, zmq_msg_t *msg, int flags);

/* Lets the system hold more of what is sent over the connection that msg came by: a frame of 256 KiB goes at once then,
 * not in pieces with a wait for room before each. As much as the system's limit allows. */
void csp__socket_widen(zmq_msg_t *msg);

/* Whether its descriptor may be waited for, for POLLIN. 0: there is something to receive, or there may be. */
int csp__socket_is_quiet(struct csp__socket *s);

#endif
