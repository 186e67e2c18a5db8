/* SPDX-License-Identifier: MPL-2.0 */
/* A ZeroMQ socket that is waited for with poll(2) on its ZMQ_FD, and not with zmq_poll, which asks the kernel five more
 * times for each wait. The rule: that descriptor says that commands have come for the socket, not that there are
 * messages; it is readable until a call on the socket takes the commands in, which sending does too. So it may be
 * waited for only after a receive has said EAGAIN (which took in all commands, and found no message) and nothing was
 * sent since: any message after that comes with a command. Decision: the socket itself notes whether that is so, and
 * where it is not, it is asked: so a caller that forgets the rule is slower, but never sleeps over a message. */
#include "socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_BUFFER (512 << 10) /* bytes; libzmq sets none on ipc, and the default is 208 KiB */

int csp__socket_adopt(struct csp__socket *s, void *zmq)
{
    size_t size = sizeof s->fd;
    *s = (struct csp__socket){.zmq = zmq, .fd = -1};
    return TEMP_FAILURE_RETRY(zmq_getsockopt(zmq, ZMQ_FD, &s->fd, &size));
}

int csp__socket_connect(void *zmq, const char *address)
{
    return TEMP_FAILURE_RETRY(zmq_connect(zmq, address));
}

int csp__socket_bind(void *zmq, const char *address)
{
    return TEMP_FAILURE_RETRY(zmq_bind(zmq, address));
}

int csp__socket_receive(struct csp__socket *s, zmq_msg_t *msg)
{
    int n = TEMP_FAILURE_RETRY(zmq_msg_recv(msg, s->zmq, ZMQ_DONTWAIT));
    s->quiet = n < 0 && errno == EAGAIN;
    return n < 0 ? -1 : 0;
}

int csp__socket_send(struct csp__socket *s, zmq_msg_t *msg, int flags)
{
    s->quiet = 0;
    return TEMP_FAILURE_RETRY(zmq_msg_send(msg, s->zmq, flags | ZMQ_DONTWAIT)) < 0 ? -1 : 0;
}

void csp__socket_widen(zmq_msg_t *msg)
{
    int size = SEND_BUFFER, fd = zmq_msg_get(msg, ZMQ_SRCFD);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

int csp__socket_is_quiet(struct csp__socket *s)
{
    if (s->quiet)
        return 1;
    int events = 0;
    size_t size = sizeof events;
    s->quiet = zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) == 0;
    return s->quiet;
}
