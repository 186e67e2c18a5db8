/* SPDX-License-Identifier: MPL-2.0 */
/* Four producers and four consumers of one channel: every value exactly once, and each producer's in order. Decision:
 * the same processes use the channel plainly or as a stream, for the rules are the same.
 *
 *     many [VALUES=10000] [CAPACITY=0] [WINDOW=0]     values of each producer; bytes of the streams' windows, 0: none
 */
#include "ends.h"
#include "map.h"
#include "number.h"
#include "verdict.h"

#include <errno.h>
#include <stdio.h>

enum { PRODUCERS = 4, CONSUMERS = 4 };

static csp_chan channel, results[CONSUMERS];
static long values, window;

static int produce(void *arg)
{
    int which = *(const int *)arg;
    KEEP({channel, CSP_SEND});
    if (window != 0 && csp_stream(channel, CSP_SEND, (size_t)window) != 0)
        return failure("a sending stream");
    for (int64_t i = 0; i < values; i++)
        if (number_send(channel, i * PRODUCERS + which, CSP_FOREVER) != 0)
            return failure("send");
    return window == 0 || csp_flush(channel, CSP_FOREVER) == 0 ? RIGHT : failure("flush");
}

/* 0; or the value that came too late. By a stream that is excused where a consumer was killed: what it was given ahead
 * and had not received went back, and is received after later ones. */
static int64_t late;

static int take(struct map *map, int64_t last[PRODUCERS], int64_t n)
{
    if (map_add(map, n) != 0)
        return WRONG;
    if (n < last[n % PRODUCERS] && window == 0)
        return wrong("%ld came after %ld", (long)n, (long)last[n % PRODUCERS]);
    if (n < last[n % PRODUCERS])
        late = n;
    last[n % PRODUCERS] = n;
    return RIGHT;
}

static int consume(void *arg)
{
    int which = *(const int *)arg;
    struct map map = map_make((size_t)values * PRODUCERS);
    int64_t last[PRODUCERS] = {-1, -1, -1, -1};
    int64_t n;
    int status = RIGHT;
    KEEP({channel, CSP_RECV}, {results[which], CSP_SEND});
    if (window != 0 && csp_stream(channel, CSP_RECV, (size_t)window) != 0)
        return failure("a receiving stream");
    while (status == RIGHT && number_receive(channel, &n, CSP_FOREVER) == 0)
        status = take(&map, last, n);
    if (status != RIGHT || errno != EPIPE)
        return status != RIGHT ? status : failure("receive");
    if (map_send(results[which], &map) != 0)
        return failure("send the result");
    if (late != 0)
        (void)fprintf(stderr, "many: %ld came after a later one: right only where a consumer was killed\n", (long)late);
    return late == 0 ? RIGHT : CUT_OFF;
}

/* See the comment of the same in sends.c. */
static int judge(void)
{
    struct map all = map_make((size_t)values * PRODUCERS);
    int status = RIGHT;
    for (int i = 0; i < CONSUMERS; i++)
        status = worse(status, map_receive(results[i], &all));
    for (size_t p = 0; p < PRODUCERS && status == RIGHT; p++)
        status = map_judge(&all, p, PRODUCERS);
    map_free(&all);
    return status;
}

int main(int argc, char **argv)
{
    values = argument(argc, argv, 1, 10000, 1, 10000000);
    long capacity = argument(argc, argv, 2, 0, 0, 1000000);
    window = argument(argc, argv, 3, 0, 0, 1 << 30);
    channel = ends_make((size_t)capacity);
    for (int i = 0; i < CONSUMERS; i++)
        results[i] = ends_make(0);
    for (int i = 0; i < PRODUCERS; i++)
        go(produce, &i);
    for (int i = 0; i < CONSUMERS; i++)
        go(consume, &i);
    KEEP({results[0], CSP_RECV}, {results[1], CSP_RECV}, {results[2], CSP_RECV}, {results[3], CSP_RECV});
    return verdict(judge(), "%d x %ld values to %d consumers, capacity %ld%s: each exactly once", PRODUCERS, values,
                   CONSUMERS, capacity, window != 0 ? ", streams" : "");
}
