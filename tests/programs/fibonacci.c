/* SPDX-License-Identifier: MPL-2.0 */
/* Fibonacci's numbers until somebody says stop, after "A Tour of Go", Concurrency 5. Decision: the producer counts what
 * it sent, so that a number offered in the case that lost to `quit` and yet seen, or one too many, does not pass.
 *
 *     fibonacci [COUNT=10]     the first COUNT numbers, modulo 2^64 */
#include "ends.h"
#include "number.h"
#include "verdict.h"

static csp_chan numbers, quit;
static long count;

static int produce(void *arg)
{
    (void)arg;
    uint64_t x = 0;
    uint64_t y = 1;
    KEEP({numbers, CSP_SEND}, {quit, CSP_RECV});
    for (long sent = 0;; sent++) {
        struct number next = number((int64_t)x);
        struct number stop;
        csp_case cases[] = {csp_on_send(numbers, &next, sizeof next), on_number(quit, &stop)};
        int chosen = csp_select(cases, 2, CSP_FOREVER);
        if (chosen < 0)
            return failure("the producer's select");
        if (cases[chosen].err != 0)
            return CUT_OFF;
        if (chosen == 1) {
            number_got(&cases[1]);
            return sent == count && stop.n == count ? RIGHT : wrong("quit after %ld numbers, not %ld", sent, count);
        }
        uint64_t sum = x + y;
        x = y;
        y = sum;
    }
}

static int consume(void *arg)
{
    (void)arg;
    uint64_t x = 0;
    uint64_t y = 1;
    KEEP({numbers, CSP_RECV}, {quit, CSP_SEND});
    for (long i = 0; i < count; i++) {
        int64_t got;
        if (number_receive(numbers, &got, CSP_FOREVER) != 0)
            return failure("receive a number");
        if ((uint64_t)got != x)
            return wrong("number %ld is %lu, not %lu", i, (unsigned long)got, (unsigned long)x);
        uint64_t sum = x + y;
        x = y;
        y = sum;
    }
    return number_send(quit, count, CSP_FOREVER) == 0 ? RIGHT : failure("send quit");
}

int main(int argc, char **argv)
{
    count = argument(argc, argv, 1, 10, 0, 1000000);
    numbers = ends_make(0);
    quit = ends_make(0);
    go(produce, NULL);
    go(consume, NULL);
    return verdict(RIGHT, "%ld numbers, then quit", count);
}
