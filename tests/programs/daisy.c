/* SPDX-License-Identifier: MPL-2.0 */
/* A daisy chain: each process adds one to what comes from its neighbour. Decision: every process exists and waits
 * before the value sets out, and each ends by itself when it has passed it on.
 *
 *     daisy [COUNT=1000]     processes */
#include "ends.h"
#include "number.h"
#include "verdict.h"

struct link {
    csp_chan from, to;
};

static int pass(void *arg)
{
    const struct link *l = arg;
    int64_t n;
    KEEP({l->from, CSP_RECV}, {l->to, CSP_SEND});
    if (number_receive(l->from, &n, CSP_FOREVER) != 0)
        return failure("receive");
    if (number_send(l->to, n + 1, CSP_FOREVER) != 0)
        return failure("send");
    /* Nothing but the one value: when the one before has ended its end has gone. */
    return number_receive(l->from, &n, CSP_FOREVER) != 0 ? RIGHT : wrong("a second value: %ld", (long)n);
}

static int chain(long count)
{
    csp_chan first = ends_make(0);
    struct link l = {.to = first};
    int64_t n;
    for (long i = 0; i < count; i++) {
        l.from = l.to;
        l.to = ends_make(0);
        go(pass, &l);
        ends_drop(l.from, l.from == first ? CSP_RECV : CSP_SEND | CSP_RECV);
    }
    ends_drop(l.to, CSP_SEND);
    if (number_send(first, 0, CSP_FOREVER) != 0)
        return failure("send into the chain");
    ends_drop(first, CSP_SEND);
    if (number_receive(l.to, &n, CSP_FOREVER) != 0)
        return failure("receive from the chain");
    return n == count ? RIGHT : wrong("%ld came out of a chain of %ld", (long)n, count);
}

int main(int argc, char **argv)
{
    long count = argument(argc, argv, 1, 1000, 1, 5000);
    return verdict(chain(count), "one value through a chain of %ld processes", count);
}
