/* SPDX-License-Identifier: MPL-2.0 */
/* What a receive costs in a select of several cases. Decision: a child fills all channels while the clock stands, and
 * the receives alone are timed; so the sender's part, which differs too, is no part of the figure. All cases are ready.
 *
 *     select channel|pair CASES      CASES 1: a plain csp_recv */
#include "bench.h"
#include "csp.h"

#include <errno.h>
#include <string.h>

enum { MOST = 1024, BATCH = 4096, WINDOW = 1 << 20 };

static csp_chan channels[MOST], empty, filled;
static size_t cases;
static bool pairs;

static void fill(void)
{
    int64_t value = 1;
    for (size_t i = 0; i < BATCH; i++)
        must_csp(csp_send(channels[i % cases], &value, sizeof value, CSP_FOREVER) == 0, "fill");
    for (size_t i = 0; i < cases && !pairs; i++)
        must_csp(csp_flush(channels[i], CSP_FOREVER) == 0, "flush");
}

static int filler(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < cases && !pairs; i++)
        must_csp(csp_stream(channels[i], CSP_SEND, WINDOW) == 0, "stream");
    while (csp_recv(empty, NULL, 0, CSP_FOREVER) >= 0) {
        fill();
        must_csp(csp_send(filled, NULL, 0, CSP_FOREVER) == 0, "filled");
    }
    return 0;
}

/* Seconds of receiving all that was filled in. */
static double receive_all(csp_case *each)
{
    int64_t value;
    must_csp(csp_send(empty, NULL, 0, CSP_FOREVER) == 0, "empty");
    must_csp(csp_recv(filled, NULL, 0, CSP_FOREVER) >= 0, "filled");
    double begin = seconds();
    for (size_t i = 0; i < BATCH; i++)
        if (cases == 1)
            must_csp(csp_recv(channels[0], &value, sizeof value, CSP_FOREVER) == sizeof value, "receive");
        else
            must_csp(csp_select(each, cases, CSP_FOREVER) >= 0, "select");
    return seconds() - begin;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 3, "select channel|pair CASES");
    pairs = strcmp(argv[1], "pair") == 0;
    cases = number_argument(argv, 2, 1);
    must(cases <= MOST, "CASES");
    csp_case each[MOST];
    int64_t value;
    for (size_t i = 0; i < cases; i++) {
        channels[i] = pairs ? csp_pair(BATCH / cases) : csp_make(BATCH / cases);
        must_csp(channels[i] != 0, "make");
        each[i] = csp_on_recv(channels[i], &value, sizeof value);
    }
    must_csp((empty = csp_make(0)) != 0 && (filled = csp_make(0)) != 0, "make");
    csp_proc child = csp_go(filler, NULL);
    must_csp(child >= 0, "go");
    receive_all(each); /* both sides come up */
    double took = 0, until = seconds() + seconds_to_measure();
    size_t batches = 0;
    for (; batches == 0 || seconds() < until; batches++)
        took += receive_all(each);
    print_figure("us", took / (double)(batches * BATCH) * 1e6);
    print_figure("values", (double)(batches + 1) * BATCH);
    must_csp(csp_close(empty) == 0, "close");
    must_csp(csp_wait(child, NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_term() == 0, "term");
    return 0;
}
