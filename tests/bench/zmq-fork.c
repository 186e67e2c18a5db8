/* SPDX-License-Identifier: MPL-2.0 */
/* The baseline of start: fork, a context and a PUSH socket in the child, and its first message at the parent. Decision:
 * as in start.c the child's end and its reaping are outside of the clock. */
#include "sockets.h"

enum { MOST = 4096 };

static void child(void *arg)
{
    (void)arg;
    zmq_forget_all();
    struct zmq_end end = {.out = zmq_connected(ZMQ_PUSH, "values", 8)};
    zmq_send_one(&end, "value", 5);
    zmq_end_all();
}

int main(void)
{
    static double took[MOST];
    char value[8];
    struct zmq_end end = {.in = zmq_bound(ZMQ_PULL, "values", 8)};
    size_t n = 0;
    for (double until = seconds() + seconds_to_measure(); n == 0 || (n < MOST && seconds() < until); n++) {
        double begin = seconds();
        pid_t p = child_of(child, NULL);
        zmq_receive_one(&end, value, sizeof value);
        took[n] = (seconds() - begin) * 1e6;
        reap(&p, 1);
    }
    print_figure("us", quantile(took, n, 0.5));
    print_figure("values", (double)n);
    zmq_end_all();
    return 0;
}
