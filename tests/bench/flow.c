/* SPDX-License-Identifier: MPL-2.0 */
/* The two loops of flow.h. Decision: a clock is read every 64 KiB or 256 values, which costs a value nothing that
 * shows; the first byte of the last value is 1. */
#include "flow.h"

#include <stdlib.h>

static size_t values_a_look(size_t size)
{
    size_t n = 65536 / size;
    return n < 1 ? 1 : n > 256 ? 256 : n;
}

void flow_send(bench_send *send, void *end, size_t size)
{
    char *value = calloc(1, size);
    must(value != NULL, "memory");
    size_t look = values_a_look(size);
    send(end, value, size); /* and time begins when both sides are there */
    for (double until = seconds() + seconds_to_measure(); seconds() < until;)
        for (size_t i = 0; i < look; i++)
            send(end, value, size);
    value[0] = 1;
    send(end, value, size);
    free(value);
}

void flow_receive(bench_recv *recv, void *end, size_t size)
{
    char *value = calloc(1, size);
    must(value != NULL, "memory");
    size_t look = values_a_look(size);
    uint64_t all = 1, counted = 0;
    recv(end, value, size);
    double begin = seconds(), settled = begin + seconds_to_measure() / 10;
    while (value[0] == 0) {
        recv(end, value, size);
        all++;
        counted++;
        if (settled > 0 && all % look == 0 && seconds() >= settled) {
            begin = seconds();
            settled = counted = 0;
        }
    }
    print_figure("values/s", (double)counted / (seconds() - begin));
    print_figure("values", (double)all);
    free(value);
}
