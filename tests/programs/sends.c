/* SPDX-License-Identifier: MPL-2.0 */
/* Selects of several sends in a loop: two producers, four channels, two consumers that select between receives. After
 * Go's test/chan/doubleselect.go. Decision: a producer offers its next number on all channels at once and counts only
 * what happened; so a number committed twice, or on a losing channel, or dropped, shows in the consumers' maps.
 *
 *     sends [ROUNDS=100000] [CAPACITY=0]     rounds of each producer */
#include "ends.h"
#include "map.h"
#include "number.h"
#include "verdict.h"

enum { PRODUCERS = 2, CONSUMERS = 2, CHANNELS = 4 };

static csp_chan channels[CHANNELS], results[CONSUMERS];
static long rounds;

static int produce(void *arg)
{
    int64_t which = *(const int *)arg;
    KEEP({channels[0], CSP_SEND}, {channels[1], CSP_SEND}, {channels[2], CSP_SEND}, {channels[3], CSP_SEND});
    for (int64_t i = 0; i < rounds; i++) {
        struct number n = number(i * PRODUCERS + which);
        csp_case cases[CHANNELS];
        for (int k = 0; k < CHANNELS; k++)
            cases[k] = csp_on_send(channels[k], &n, sizeof n);
        int chosen = csp_select(cases, CHANNELS, CSP_FOREVER);
        if (chosen < 0)
            return failure("select of sends");
        if (cases[chosen].err != 0)
            return CUT_OFF;
    }
    return RIGHT;
}

/* Each consumer has two channels of the four, and ends when both are closed. */
static int consume(void *arg)
{
    int which = *(const int *)arg;
    csp_chan mine[] = {channels[which], channels[which + CONSUMERS]};
    struct map map = map_make((size_t)rounds * PRODUCERS);
    int64_t last[2][PRODUCERS] = {{-1, -1}, {-1, -1}};
    KEEP({mine[0], CSP_RECV}, {mine[1], CSP_RECV}, {results[which], CSP_SEND});
    while (mine[0] != 0 || mine[1] != 0) {
        struct number n;
        csp_case cases[] = {on_number(mine[0], &n), on_number(mine[1], &n)};
        int chosen = csp_select(cases, 2, CSP_FOREVER);
        if (chosen < 0)
            return failure("select of receives");
        if (cases[chosen].err != 0) {
            mine[chosen] = 0;
            continue;
        }
        number_got(&cases[chosen]);
        if (map_add(&map, n.n) != 0)
            return WRONG;
        if (n.n < last[chosen][n.n % PRODUCERS])
            return wrong("%ld came after %ld", (long)n.n, (long)last[chosen][n.n % PRODUCERS]);
        last[chosen][n.n % PRODUCERS] = n.n;
    }
    return map_send(results[which], &map) == 0 ? RIGHT : failure("send the result");
}

/* The union of what the consumers got: all of it where nobody died; where a producer died what it sent before; where a
 * consumer died there are gaps. In none of these anything twice. */
static int judge(void)
{
    struct map all = map_make((size_t)rounds * PRODUCERS);
    int status = RIGHT;
    for (int i = 0; i < CONSUMERS; i++)
        status = worse(status, map_receive(results[i], &all));
    for (int64_t p = 0; p < PRODUCERS; p++)
        if (status == RIGHT)
            status = map_judge(&all, (size_t)p, PRODUCERS);
    map_free(&all);
    return status;
}

int main(int argc, char **argv)
{
    rounds = argument(argc, argv, 1, 100000, 1, 10000000);
    long capacity = argument(argc, argv, 2, 0, 0, 1000);
    for (int i = 0; i < CHANNELS; i++)
        channels[i] = ends_make((size_t)capacity);
    for (int i = 0; i < CONSUMERS; i++)
        results[i] = ends_make(0);
    for (int i = 0; i < PRODUCERS; i++)
        go(produce, &i);
    for (int i = 0; i < CONSUMERS; i++)
        go(consume, &i);
    KEEP({results[0], CSP_RECV}, {results[1], CSP_RECV});
    return verdict(judge(), "%d producers, %ld selects of %d sends each: nothing twice, nothing lost", PRODUCERS,
                   rounds, CHANNELS);
}
