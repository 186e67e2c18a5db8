/* SPDX-License-Identifier: MPL-2.0 */
/* The baselines of roundtrip: two processes with a PAIR socket, or a relay between them, as a broker has to be.
 * Decision: the relay does what costs least: it receives without waiting first, and polls only where there is nothing.
 *
 *     zmq-roundtrip pair|relay [SIZE=8] */
#include "trips.h"
#include "sockets.h"

#include <errno.h>
#include <string.h>

static size_t size;

static void answer_pair(void *arg)
{
    (void)arg;
    void *s = zmq_connected(ZMQ_PAIR, "pair", size);
    struct zmq_end end = {.in = s, .out = s};
    trips_answer(zmq_send_one, zmq_receive_one, &end, size);
    zmq_end_all();
}

static void ask_pair(void)
{
    pid_t child = child_of(answer_pair, NULL);
    void *s = zmq_bound(ZMQ_PAIR, "pair", size);
    struct zmq_end end = {.in = s, .out = s};
    trips_ask(zmq_send_one, zmq_receive_one, &end, size);
    reap(&child, 1);
    zmq_end_all();
}

/* Values alternate: what comes first goes to the answerer, the next to the asker. */
static void relay(void *arg)
{
    (void)arg;
    void *in = zmq_bound(ZMQ_PULL, "relay", size);
    void *out[] = {zmq_connected(ZMQ_PUSH, "answerer", size), zmq_connected(ZMQ_PUSH, "asker", size)};
    zmq_msg_t m;
    zmq_msg_init(&m);
    bool last = false;
    for (unsigned i = 0; !last || i % 2 == 1; i++) {
        while (zmq_msg_recv(&m, in, ZMQ_DONTWAIT) < 0) {
            must(errno == EAGAIN, "zmq_msg_recv");
            zmq_pollitem_t item = {.socket = in, .events = ZMQ_POLLIN};
            must(zmq_poll(&item, 1, -1) > 0, "zmq_poll");
        }
        last = *(const char *)zmq_msg_data(&m) != 0;
        must(zmq_msg_send(&m, out[i % 2], 0) >= 0, "zmq_msg_send");
    }
    zmq_end_all();
}

static void answer_relay(void *arg)
{
    (void)arg;
    struct zmq_end end = {.in = zmq_bound(ZMQ_PULL, "answerer", size), .out = zmq_connected(ZMQ_PUSH, "relay", size)};
    trips_answer(zmq_send_one, zmq_receive_one, &end, size);
    zmq_end_all();
}

static void ask_relay(void)
{
    pid_t children[] = {child_of(relay, NULL), child_of(answer_relay, NULL)};
    struct zmq_end end = {.in = zmq_bound(ZMQ_PULL, "asker", size), .out = zmq_connected(ZMQ_PUSH, "relay", size)};
    trips_ask(zmq_send_one, zmq_receive_one, &end, size);
    reap(children, 2);
    zmq_end_all();
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc >= 2, "zmq-roundtrip pair|relay [SIZE]");
    size = number_argument(argv, 2, 8);
    if (strcmp(argv[1], "relay") == 0)
        ask_relay();
    else
        ask_pair();
    return 0;
}
