/* SPDX-License-Identifier: MPL-2.0 */
/* The baseline of oneway: bare libzmq over ipc, in one hop. Decision: who receives binds, and the sender connects; the
 * sender stays until the receiver has all, as a receiver at its high-water mark loses what is under way from a socket
 * that closes, whatever its linger.
 *
 *     zmq-oneway pair|push SIZE */
#include "flow.h"
#include "sockets.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static size_t size;
static bool pushes;

static void sender(void *arg)
{
    (void)arg;
    struct zmq_end end = {.out = zmq_connected(pushes ? ZMQ_PUSH : ZMQ_PAIR, "values", size)};
    flow_send(zmq_send_one, &end, size);
    pause();
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc >= 3, "zmq-oneway pair|push SIZE");
    pushes = strcmp(argv[1], "push") == 0;
    size = number_argument(argv, 2, 0);
    pid_t child = child_of(sender, NULL);
    struct zmq_end end = {.in = zmq_bound(pushes ? ZMQ_PULL : ZMQ_PAIR, "values", size)};
    flow_receive(zmq_receive_one, &end, size);
    dismiss(&child, 1);
    zmq_end_all();
    return 0;
}
