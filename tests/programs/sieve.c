/* SPDX-License-Identifier: MPL-2.0 */
/* The prime sieve that grows by one process a prime: a row, each passing on what its prime does not divide; after Hoare
 * and McIlroy. Decision: no process knows how long the row is. The last one's receiver goes, and the row ends by
 * itself, from its end to its source: EPIPE on a send is how every process of it ends well.
 *
 *     sieve [COUNT=100]     the first COUNT primes */
#include "ends.h"
#include "number.h"
#include "verdict.h"

#include <errno.h>
#include <stdbool.h>

struct filter {
    csp_chan in, out;
    int64_t prime;
};

static int generate(void *arg)
{
    const struct filter *f = arg;
    KEEP({f->out, CSP_SEND});
    for (int64_t n = 2;; n++)
        if (number_send(f->out, n, CSP_FOREVER) != 0)
            return errno == EPIPE ? RIGHT : failure("the source");
}

static int filter(void *arg)
{
    const struct filter *f = arg;
    int64_t last = 0;
    int64_t n;
    KEEP({f->in, CSP_RECV}, {f->out, CSP_SEND});
    while (number_receive(f->in, &n, CSP_FOREVER) == 0) {
        if (n <= last)
            return wrong("%ld after %ld in the filter of %ld", (long)n, (long)last, (long)f->prime);
        last = n;
        if (n % f->prime != 0 && number_send(f->out, n, CSP_FOREVER) != 0)
            return errno == EPIPE ? RIGHT : failure("send in a filter");
    }
    return failure("receive in a filter");
}

static int64_t prime_after(int64_t n)
{
    for (;;) {
        n++;
        int64_t d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        if (d * d > n)
            return n;
    }
}

static int sieve(long count)
{
    struct filter f = {.out = ends_make(0)};
    int64_t expected = 1;
    go(generate, &f);
    for (long i = 0; i < count; i++) {
        ends_drop(f.out, CSP_SEND);
        if (f.in != 0)
            ends_drop(f.in, CSP_RECV);
        if (number_receive(f.out, &f.prime, CSP_FOREVER) != 0)
            return failure("receive a prime");
        expected = prime_after(expected);
        if (f.prime != expected)
            return wrong("prime %ld is %ld, not %ld", i + 1, (long)f.prime, (long)expected);
        f.in = f.out;
        f.out = ends_make(0);
        go(filter, &f);
    }
    return RIGHT;
}

int main(int argc, char **argv)
{
    long count = argument(argc, argv, 1, 100, 1, 10000);
    return verdict(sieve(count), "the first %ld primes, each found by a process of its own", count);
}
