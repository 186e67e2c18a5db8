/* SPDX-License-Identifier: MPL-2.0 */
/* Values of 64 bytes one way over several channels in turn, received by a select over all of them: what a select of
 * many cases does to a flow. Decision: select.c shows the bare cost where everything is ready; here the sender works,
 * too.
 *
 *     select-flow pair|stream CASES      CASES 1: a plain csp_recv */
#include "csp.h"
#include "flow.h"

#include <errno.h>
#include <string.h>

enum { MOST = 1024, SIZE = 64, CAPACITY = 4096, WINDOW = 1 << 20 };

static csp_chan channels[MOST];
static csp_case each[MOST];
static size_t cases;
static bool streams;
static char value[SIZE];

static void send_one(void *end, const void *p, size_t len)
{
    size_t *next = end;
    must_csp(csp_send(channels[*next], p, len, CSP_FOREVER) == 0, "send");
    *next = *next + 1 < cases ? *next + 1 : 0;
}

static size_t receive_one(void *end, void *p, size_t cap)
{
    (void)end;
    ssize_t len = csp_recv(channels[0], p, cap, CSP_FOREVER);
    must_csp(len >= 0, "receive");
    return (size_t)len;
}

static size_t select_one(void *end, void *p, size_t cap)
{
    (void)end;
    int chosen;
    while (must_csp((chosen = csp_select(each, cases, CSP_FOREVER)) >= 0, "select"), each[chosen].err == EPIPE)
        each[chosen].chan = 0; /* closed, and the last value is in another one */
    must(each[chosen].err == 0 && each[chosen].len <= cap, "receive");
    memcpy(p, value, each[chosen].len);
    return each[chosen].len;
}

static int sender(void *arg)
{
    size_t next = 0;
    (void)arg;
    for (size_t i = 0; i < cases; i++) {
        must_csp(csp_drop(channels[i], CSP_RECV) == 0, "drop");
        must_csp(!streams || csp_stream(channels[i], CSP_SEND, WINDOW) == 0, "stream");
    }
    flow_send(send_one, &next, SIZE);
    return 0;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 3, "select-flow pair|stream CASES");
    streams = strcmp(argv[1], "stream") == 0;
    cases = number_argument(argv, 2, 1);
    must(cases <= MOST, "CASES");
    for (size_t i = 0; i < cases; i++) {
        channels[i] = streams ? csp_make(CAPACITY) : csp_pair(CAPACITY);
        must_csp(channels[i] != 0, argv[1]);
        each[i] = csp_on_recv(channels[i], value, SIZE);
    }
    csp_proc child = csp_go(sender, NULL);
    must_csp(child >= 0, "go");
    for (size_t i = 0; i < cases; i++) {
        must_csp(csp_drop(channels[i], CSP_SEND) == 0, "drop");
        must_csp(!streams || csp_stream(channels[i], CSP_RECV, WINDOW) == 0, "stream");
    }
    flow_receive(cases == 1 ? receive_one : select_one, NULL, SIZE);
    /* The last value says that the time is over; what other channels hold then is nobody's. */
    for (size_t i = 0; i < cases; i++)
        must_csp(csp_drop(channels[i], CSP_RECV) == 0, "drop");
    must_csp(csp_wait(child, NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_term() == 0, "term");
    return 0;
}
