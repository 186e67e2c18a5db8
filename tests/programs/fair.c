/* SPDX-License-Identifier: MPL-2.0 */
/* Fairness of the choice: of two cases that are ready at every call each happens in half of the calls, within 10
 * standard deviations (10 x sqrt(n) / 2). Decision: that both are ready is certain, never a matter of speed: the
 * buffers hold more than all rounds can take, or the broker says that both partners wait.
 *
 *     fair [ROUNDS=10000] */
#include "ends.h"
#include "number.h"
#include "verdict.h"
#include "waiting.h"

#include <errno.h>

static csp_chan channels[2];
static long rounds;
static int sends; /* what is chosen between: sends, or receives */

static int select_one(int64_t n)
{
    struct number out = number(n);
    struct number in;
    csp_case cases[2];
    for (int i = 0; i < 2; i++)
        cases[i] = sends ? csp_on_send(channels[i], &out, sizeof out) : on_number(channels[i], &in);
    int chosen = csp_select(cases, 2, CSP_FOREVER);
    if (chosen >= 0 && cases[chosen].err == 0 && !sends)
        number_got(&cases[chosen]);
    if (chosen >= 0 && cases[chosen].err != 0) {
        errno = cases[chosen].err;
        return -1;
    }
    return chosen;
}

static int judge(const char *what, long second)
{
    long off = second - rounds / 2;
    return off * off <= 25 * rounds ? RIGHT : wrong("%s: %ld of %ld were the second case", what, second, rounds);
}

static int choose(void *arg)
{
    long second = 0;
    KEEP({channels[0], sends ? CSP_SEND : CSP_RECV}, {channels[1], sends ? CSP_SEND : CSP_RECV});
    for (long i = 0; i < rounds; i++) {
        int chosen = select_one(i);
        if (chosen < 0)
            return failure("select");
        second += chosen;
    }
    return judge(arg, second);
}

/* A channel of room for n values, which are in it where they are to be received. 0: that failed. */
static csp_chan buffer(long n)
{
    csp_chan c = ends_make((size_t)n);
    if (sends)
        return c;
    if (csp_stream(c, CSP_SEND, 1 << 16) != 0)
        return 0;
    for (long i = 0; i < n; i++)
        if (number_send(c, i, CSP_FOREVER) != 0)
            return 0;
    return csp_flush(c, CSP_FOREVER) == 0 ? c : 0;
}

/* Several choosers at once, buffers that hold enough, or have room enough, for all of them. */
static int with_buffers(int direction, int choosers, char *what)
{
    int status = RIGHT;
    sends = direction;
    for (int i = 0; i < 2; i++) {
        channels[i] = buffer(rounds * choosers);
        if (channels[i] == 0)
            return failure("fill a buffer");
    }
    for (int i = 0; i < choosers; i++)
        go(choose, what);
    for (int i = 0; i < choosers; i++) /* our own ends keep the channels open as long */
        status = worse(status, verdict_next(NULL));
    ends_drop_all();
    return status;
}

/* A partner on one of the channels, for ever. */
static int meet(void *arg)
{
    csp_chan c = *(const csp_chan *)arg;
    int64_t n;
    KEEP({c, sends ? CSP_RECV : CSP_SEND});
    while ((sends ? number_receive(c, &n, CSP_FOREVER) : number_send(c, 0, CSP_FOREVER)) == 0)
        ;
    return errno == EPIPE ? RIGHT : failure("meet");
}

static int with_partners(int direction, const char *what)
{
    csp_proc partners[2];
    long second = 0;
    sends = direction;
    for (int i = 0; i < 2; i++) {
        channels[i] = ends_make(0);
        partners[i] = go(meet, &channels[i]);
        ends_drop(channels[i], sends ? CSP_RECV : CSP_SEND);
    }
    for (long i = 0; i < rounds; i++) {
        if (until_waiting(partners, 2) < 2)
            return CUT_OFF;
        int chosen = select_one(i);
        if (chosen < 0)
            return failure("select");
        second += chosen;
    }
    return verdict_gather(judge(what, second));
}

int main(int argc, char **argv)
{
    static char receives[] = "receives from buffers";
    static char puts_[] = "sends to buffers";
    static char shared[] = "receives from channels that others receive from too";
    static char shared_sends[] = "sends to channels that others send to too";
    rounds = argument(argc, argv, 1, 10000, 100, 1000000);
    int status = with_buffers(0, 1, receives);
    if (status == RIGHT)
        status = with_buffers(1, 1, puts_);
    if (status == RIGHT)
        status = with_buffers(0, 2, shared);
    if (status == RIGHT)
        status = with_buffers(1, 2, shared_sends);
    if (status == RIGHT)
        status = with_partners(0, "receives where two senders wait");
    if (status == RIGHT)
        status = with_partners(1, "sends where two receivers wait");
    return verdict(status, "%ld choices of each sort, each case within 10 sigma of half", rounds);
}
