/* SPDX-License-Identifier: MPL-2.0 */
/* Fibonacci's numbers until somebody says stop: select between sending on one channel and receiving on another. After
 * "A Tour of Go", Concurrency 5. Decision: the two goroutines are two programs that know only names of channels, so
 * that a pipeline file joins them; without arguments the same two functions run in a run of their own, joined by
 * csp_go.
 *
 *     fibonacci producer NUMBERS QUIT          as a worker of config/fibonacci.yaml
 *     fibonacci consumer NUMBERS QUIT COUNT
 *     fibonacci                                by itself */
#include "csp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define MOST 94 /* numbers that 64 bits hold */

static csp_chan numbers, quit;
static long count = 10;

static int broken(const char *place)
{
    (void)fprintf(stderr, "fibonacci: %s: %s\n", place, csp_errmsg());
    return errno == ENOTCONN ? EX_UNAVAILABLE : EX_SOFTWARE;
}

/* Offers the next number, and listens: whichever the other side wants happens. */
static int producer(void *arg)
{
    (void)arg;
    uint64_t x = 0;
    uint64_t y = 1;
    for (;;) {
        char text[24];
        int len = snprintf(text, sizeof text, "%" PRIu64, x);
        csp_case cases[] = {csp_on_send(numbers, text, (size_t)len), csp_on_recv(quit, NULL, 0)};
        int chosen = csp_select(cases, 2, CSP_FOREVER);
        if (chosen < 0)
            return broken("producer");
        if (chosen == 1 || cases[0].err != 0) /* told to quit; or nobody listens any more */
            break;
        uint64_t next = x + y;
        x = y;
        y = next;
    }
    (void)puts("quit");
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int consumer(void *arg)
{
    (void)arg;
    for (long i = 0; i < count; i++) {
        char text[24];
        ssize_t len = csp_recv(numbers, text, sizeof text, CSP_FOREVER);
        if (len < 0)
            return broken("consumer: receive a number");
        (void)printf("%.*s\n", (int)len, text);
    }
    if (fflush(stdout) != 0) /* before the other side prints */
        return EX_IOERR;
    return csp_send(quit, NULL, 0, CSP_FOREVER) == 0 ? EX_OK : broken("consumer: send quit");
}

/* Both in a run of this program's own. */
static int demonstrate(void)
{
    csp_exit why;
    numbers = csp_make(0);
    quit = numbers != 0 ? csp_make(0) : 0;
    csp_proc p = quit != 0 ? csp_go(producer, NULL) : -1;
    if (p < 0)
        return broken("start");
    int status = consumer(NULL);
    if (status == EX_OK && csp_wait(p, &why, CSP_FOREVER) != 0)
        status = broken("wait");
    return csp_term() == 0 ? status : broken("end");
}

static csp_chan open_channel(const char *name, int ends)
{
    csp_chan c = csp_open(name, ends);
    if (c == 0) {
        (void)fprintf(stderr, "fibonacci: channel %s: %s: name it in `in` and `out` of this process\n", name,
                      csp_errmsg());
        exit(errno == ENOENT || errno == EPERM ? EX_CONFIG : EX_UNAVAILABLE);
    }
    return c;
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: fibonacci producer NUMBERS QUIT\n"
                  "       fibonacci consumer NUMBERS QUIT COUNT    (COUNT: 0 to %d)\n"
                  "       fibonacci\n",
                  MOST);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return demonstrate();
    int produces = strcmp(argv[1], "producer") == 0;
    if (!(produces && argc == 4) && !(strcmp(argv[1], "consumer") == 0 && argc == 5))
        return usage();
    if (!produces) {
        char *end;
        errno = 0;
        count = strtol(argv[4], &end, 10);
        if (errno != 0 || end == argv[4] || *end != '\0' || count < 0 || count > MOST)
            return usage();
    }
    numbers = open_channel(argv[2], produces ? CSP_SEND : CSP_RECV);
    quit = open_channel(argv[3], produces ? CSP_RECV : CSP_SEND);
    return produces ? producer(NULL) : consumer(NULL);
}
