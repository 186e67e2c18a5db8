/* SPDX-License-Identifier: MPL-2.0 */
/* Values one way from a process to another through libipc, as a user's program has them: csp_send, csp_recv. Decision:
 * the window of a stream is that of a pipeline's edge, 1 MiB, on both sides.
 *
 *     oneway pair|stream|channel SIZE [CAPACITY=4096, 1024 of a channel] */
#include "csp.h"
#include "flow.h"

#include <errno.h>
#include <string.h>

enum { WINDOW = 1 << 20 };

static csp_chan values;
static size_t size;
static bool streams;

static void send_one(void *end, const void *p, size_t len)
{
    (void)end;
    must_csp(csp_send(values, p, len, CSP_FOREVER) == 0, "send");
}

static size_t receive_one(void *end, void *p, size_t cap)
{
    (void)end;
    ssize_t len = csp_recv(values, p, cap, CSP_FOREVER);
    must_csp(len >= 0, "receive");
    return (size_t)len;
}

static int sender(void *arg)
{
    (void)arg;
    must_csp(csp_drop(values, CSP_RECV) == 0, "drop");
    must_csp(!streams || csp_stream(values, CSP_SEND, WINDOW) == 0, "stream");
    flow_send(send_one, NULL, size);
    return 0;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc >= 3, "oneway pair|stream|channel SIZE [CAPACITY]");
    const char *kind = argv[1];
    size = number_argument(argv, 2, 0);
    streams = strcmp(kind, "stream") == 0;
    size_t capacity = number_argument(argv, 3, strcmp(kind, "channel") == 0 ? 1024 : 4096);
    values = strcmp(kind, "pair") == 0 ? csp_pair(capacity) : csp_make(capacity);
    must_csp(values != 0, kind);
    csp_proc child = csp_go(sender, NULL);
    must_csp(child >= 0, "go");
    must_csp(csp_drop(values, CSP_SEND) == 0, "drop");
    must_csp(!streams || csp_stream(values, CSP_RECV, WINDOW) == 0, "stream");
    flow_receive(receive_one, NULL, size);
    must_csp(csp_wait(child, NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_term() == 0, "term");
    return 0;
}
