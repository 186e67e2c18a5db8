/* SPDX-License-Identifier: MPL-2.0 */
/* The prime sieve: a row of processes, one for each prime found, each passing on what its prime does not divide. After
 * the sieve of the Go documentation, which is after Hoare and McIlroy. Decision: each process gives up the ends that it
 * has no use for as soon as the next one has them; so when the last receiver goes the whole row ends by itself, from
 * its end to its source, and nobody needs to be killed.
 *
 *     sieve COUNT    prints the first COUNT primes */
#include "csp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define MOST 100000

struct filter {
    csp_chan in, out;
    long prime;
};

static int broken(const char *place)
{
    (void)fprintf(stderr, "sieve: %s: %s\n", place, csp_errmsg());
    return errno == ENOTCONN ? EX_UNAVAILABLE : EX_SOFTWARE;
}

/* Sends on, or says why not: 0 it went; 1 nobody receives any more, which is our end; -1. */
static int pass(csp_chan c, long n)
{
    if (csp_send(c, &n, sizeof n, CSP_FOREVER) == 0)
        return 0;
    return errno == EPIPE ? 1 : -1;
}

/* 2, 3, 4, ... */
static int generate(void *arg)
{
    csp_chan out = *(csp_chan *)arg;
    int result = csp_drop(out, CSP_RECV);
    for (long n = 2; result == 0; n++)
        result = pass(out, n);
    return result > 0 ? EX_OK : broken("the source");
}

static int filter(void *arg)
{
    const struct filter *f = arg;
    int result = csp_drop(f->out, CSP_RECV);
    while (result == 0) {
        long n;
        if (csp_recv(f->in, &n, sizeof n, CSP_FOREVER) < 0)
            result = errno == EPIPE ? 1 : -1;
        else if (n % f->prime != 0)
            result = pass(f->out, n);
    }
    return result > 0 ? EX_OK : broken("a filter");
}

/* Starts a process that fills a new channel, whose receiving end is ours alone. */
static csp_chan grow(int (*fn)(void *), struct filter *f, csp_proc *process)
{
    f->out = csp_make(0);
    if (f->out == 0)
        return 0;
    *process = csp_go(fn, fn == generate ? (void *)&f->out : f);
    if (*process < 0 || csp_drop(f->out, CSP_SEND) != 0)
        return 0;
    return f->in == 0 || csp_drop(f->in, CSP_RECV) == 0 ? f->out : 0;
}

/* The row has fallen apart, or is about to: waits for each of it. */
static int reap(const csp_proc *processes, long n)
{
    int status = EX_OK;
    for (long i = 0; i < n; i++) {
        csp_exit why;
        if (csp_wait(processes[i], &why, CSP_FOREVER) != 0)
            return broken("wait");
        if (why.how != CSP_CLEAN)
            status = EX_SOFTWARE;
    }
    return status;
}

static int sieve(long count, csp_proc *processes)
{
    struct filter f = {.in = 0};
    csp_chan c = grow(generate, &f, &processes[0]);
    for (long i = 1; i <= count && c != 0; i++) {
        if (csp_recv(c, &f.prime, sizeof f.prime, CSP_FOREVER) < 0)
            return broken("receive a prime");
        if (printf("%ld\n", f.prime) < 0 || fflush(stdout) != 0)
            return EX_IOERR;
        if (i == count)
            return csp_drop(c, CSP_RECV) == 0 ? reap(processes, count) : broken("end");
        f.in = c;
        c = grow(filter, &f, &processes[i]);
    }
    return broken("start a process");
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long count = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    if (argc != 2 || *end != '\0' || count < 1 || count > MOST) {
        (void)fprintf(stderr, "usage: sieve COUNT    (1 to %d)\n", MOST);
        return EX_USAGE;
    }
    csp_proc *processes = calloc((size_t)count, sizeof *processes);
    if (processes == NULL) {
        (void)fprintf(stderr, "sieve: no memory for %ld processes: ask for fewer primes\n", count);
        return EX_OSERR;
    }
    int status = sieve(count, processes);
    free(processes);
    return csp_term() == 0 || status != EX_OK ? status : broken("end");
}
