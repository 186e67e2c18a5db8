/* SPDX-License-Identifier: MPL-2.0 */
/* The concurrent search over three workers, and the same with a time-out; after R. Pike's "Go Concurrency Patterns".
 * Decision: the last worker answers only when the time-out has passed and the receiver has dropped its end, so that
 * somebody is late for certain; in Go it would block for ever on the channel that nobody reads, here it ends with
 * EPIPE. The second one answers at about the deadline: whichever wins, both sides must say the same.
 *
 *     search [QUERIES=50] [MS=0]     time-out of each query; 0: none */
#include "ends.h"
#include "number.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

enum { WORKERS = 3 };

static csp_chan answers, gate;
static long ms, query;

/* Until `when`, or until the gate goes. */
static void think(csp_time when)
{
    struct number none;
    csp_case cases[] = {csp_on_time(when), on_number(gate, &none)};
    (void)csp_select(cases, when == CSP_FOREVER ? 2 : 1, CSP_FOREVER);
}

static int work(void *arg)
{
    int which = *(const int *)arg;
    KEEP({answers, CSP_SEND}, {gate, CSP_RECV});
    if (ms == 0)
        think(csp_now() + (query * 7 + which) % 10 * 100000);
    else if (which == 1)
        think(csp_in(ms) + (query % 21 - 10) * 200000);
    else if (which == 2)
        think(CSP_FOREVER);
    if (number_send(answers, which, CSP_FOREVER) == 0)
        return RIGHT;
    return failure("answer"); /* CUT_OFF: late */
}

/* Collects answers until all have come or the time is over; bits of who answered. */
static int collect(unsigned *got)
{
    csp_time timeout = ms == 0 ? CSP_FOREVER : csp_in(ms);
    for (int n = 0; n < WORKERS; n++) {
        struct number answer;
        csp_case cases[] = {on_number(answers, &answer), csp_on_time(timeout)};
        int chosen = csp_select(cases, 2, CSP_FOREVER);
        if (chosen < 0)
            return failure("collect answers");
        if (chosen == 1)
            return RIGHT;
        if (cases[0].err != 0)
            return CUT_OFF;
        number_got(&cases[0]);
        if (answer.n < 0 || answer.n >= WORKERS || (*got >> answer.n & 1) != 0)
            return wrong("an answer of worker %ld that there is not, or a second one", (long)answer.n);
        *got |= 1u << answer.n;
    }
    return ms == 0 ? RIGHT : wrong("the worker that answers after the time-out was received from before");
}

static int judge(int status, unsigned got, const csp_proc *workers)
{
    for (int i = 0; i < WORKERS; i++) {
        int s = verdict_of(workers[i]);
        int came = (int)(got >> i & 1);
        if ((s == RIGHT && !came) || (s == CUT_OFF && came))
            status = wrong("worker %d says that its answer was %s, and it was %s", i, s == RIGHT ? "sent" : "not sent",
                           came ? "received" : "not received");
        status = worse(status, s == CUT_OFF && ms != 0 ? RIGHT : s);
    }
    return status;
}

static int search(void)
{
    csp_proc workers[WORKERS];
    unsigned got = 0;
    answers = ends_make(0);
    gate = ends_make(0);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = go(work, &i);
    ends_drop(answers, CSP_SEND);
    ends_drop(gate, CSP_RECV);
    int status = collect(&got);
    ends_drop(answers, CSP_RECV);
    ends_drop(gate, CSP_SEND);
    return judge(status, got, workers);
}

int main(int argc, char **argv)
{
    long queries = argument(argc, argv, 1, 50, 1, 100000);
    ms = argument(argc, argv, 2, 0, 0, 10000);
    int status = RIGHT;
    for (query = 0; query < queries && status == RIGHT; query++)
        status = search();
    return verdict(status, "%ld queries of %d workers, %s", queries, WORKERS,
                   ms == 0 ? "each answered by all" : "the late ones ended with EPIPE");
}
