/* SPDX-License-Identifier: MPL-2.0 */
/* A ring of processes, each in a select of {send to the next, receive from the last}. Decision: a process counts what
 * it sent and what it received, and the counts of neighbours must agree: a select that was committed on one side only
 * shows. Of the ring's processes one can be told to die, at every point of its work.
 *
 *     ring [STEPS=1000] [SIZE=4] [WHO POINT]
 *
 * WHO kills itself: POINT 2k before its step k (0: before it has dropped any end), POINT 2k + 1 within it. */
#include "ends.h"
#include "number.h"
#include "verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1000 };

static csp_chan to[MOST], results[MOST];
static long steps, size, who = -1, point;

/* What a process says at its end. */
struct count {
    int64_t sent, received;
};

/* Dies here, or in a moment: a timer's SIGKILL comes at some instant within the select that follows. */
static void die(long at)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec soon = {.it_value = {.tv_nsec = 1000 + point * 7919 % 200000}};
    if (at == point)
        (void)raise(SIGKILL);
    else if (at + 1 == point &&
             (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &soon, NULL) != 0))
        exit(UNABLE);
}

/* One select; sets a channel that has gone to nil. */
static int step(csp_chan *out, csp_chan *in, struct count *count)
{
    struct number next = number(count->sent);
    struct number got;
    csp_case cases[] = {csp_on_send(*out, &next, sizeof next), on_number(*in, &got)};
    int chosen = csp_select(cases, 2, CSP_FOREVER);
    if (chosen < 0)
        return failure("select");
    if (cases[chosen].err != 0)
        *(chosen == 0 ? out : in) = 0;
    else if (chosen == 0)
        count->sent++;
    else {
        number_got(&cases[1]);
        if (got.n != count->received++)
            return wrong("%ld came, not %ld", (long)got.n, (long)count->received - 1);
    }
    return RIGHT;
}

static int turn(void *arg)
{
    long i = *(const long *)arg;
    csp_chan out = to[i];
    csp_chan in = to[(i + size - 1) % size];
    struct count count = {0};
    int status = RIGHT;
    if (i == who && point == 0)
        (void)raise(SIGKILL);
    KEEP({out, CSP_SEND}, {in, CSP_RECV}, {results[i], CSP_SEND});
    for (long k = 0; k < steps && (in != 0 || out != 0) && status == RIGHT; k++) {
        if (i == who)
            die(2 * k);
        status = step(&out, &in, &count);
        if (i == who && point == 2 * k + 1)
            (void)pause(); /* the timer is late */
    }
    KEEP({results[i], CSP_SEND}); /* the neighbours must not wait for us while we wait for the root */
    if (status == RIGHT && number_send(results[i], count.sent, CSP_FOREVER) == 0 &&
        number_send(results[i], count.received, CSP_FOREVER) == 0)
        return RIGHT;
    return status != RIGHT ? status : failure("send the result");
}

static int judge(void)
{
    static struct count counts[MOST];
    int status = RIGHT;
    for (long i = 0; i < size; i++)
        if (number_receive(results[i], &counts[i].sent, CSP_FOREVER) != 0 ||
            number_receive(results[i], &counts[i].received, CSP_FOREVER) != 0) {
            status = worse(status, failure("receive a result"));
            counts[i].sent = -1; /* it has died */
        }
    for (long i = 0; i < size; i++) {
        const struct count *next = &counts[(i + 1) % size];
        if (counts[i].sent >= 0 && next->sent >= 0 && counts[i].sent != next->received)
            status =
                wrong("process %ld sent %ld, and the next received %ld", i, (long)counts[i].sent, (long)next->received);
    }
    return status;
}

int main(int argc, char **argv)
{
    steps = argument(argc, argv, 1, 1000, 1, 10000000);
    size = argument(argc, argv, 2, 4, 2, MOST);
    who = argument(argc, argv, 3, -1, 0, size - 1);
    point = argument(argc, argv, 4, 0, 0, 2 * steps - 1);
    for (long i = 0; i < size; i++) {
        to[i] = ends_make(0);
        results[i] = ends_make(0);
    }
    for (long i = 0; i < size; i++)
        go(turn, &i);
    for (long i = 0; i < size; i++) {
        ends_drop(to[i], CSP_SEND | CSP_RECV);
        ends_drop(results[i], CSP_SEND);
    }
    return verdict(judge(), "%ld processes in a ring, %ld selects each: who sent and who received agree", size, steps);
}
