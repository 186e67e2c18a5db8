/* SPDX-License-Identifier: MPL-2.0 */
/* The two loops of trips.h. Decision: the first tenth of the time is no part of the figure (both sides come up, and the
 * scheduler finds places for them); the first byte of the last value is 1. */
#include "trips.h"

#include <stdlib.h>

enum { MOST = 1 << 20 };

void trips_ask(bench_send *send, bench_recv *recv, void *end, size_t size)
{
    char *value = calloc(1, size);
    double *took = malloc(MOST * sizeof *took);
    must(value != NULL && took != NULL, "memory");
    send(end, value, size); /* when that is back both sides are there */
    recv(end, value, size);
    double now = seconds(), until = now + seconds_to_measure(), settled = now + seconds_to_measure() / 10;
    size_t n = 0, all = 2;
    while (now < until || n == 0) {
        send(end, value, size);
        recv(end, value, size);
        double before = now;
        now = seconds();
        all++;
        if (now >= settled && n < MOST)
            took[n++] = (now - before) * 1e6;
    }
    value[0] = 1;
    send(end, value, size);
    recv(end, value, size);
    print_figure("us", quantile(took, n, 0.5));
    print_figure("us-p99", quantile(took, n, 0.99));
    print_figure("values", (double)all);
    free(took);
    free(value);
}

void trips_answer(bench_send *send, bench_recv *recv, void *end, size_t size)
{
    char *value = calloc(1, size);
    must(value != NULL, "memory");
    while (value[0] == 0) {
        recv(end, value, size);
        send(end, value, size);
    }
    free(value);
}
