/* SPDX-License-Identifier: MPL-2.0 */
/* {receive, select of one case, select of two} x {send, select of one, select of two}: all nine meet. After Go's
 * test/chan/select4.go and its kin. Decision: each way is gone ROUNDS times, in turn with the receiver, and the sender,
 * certain to wait first: the broker says when.
 *
 *     nine [ROUNDS=100] */
#include "ends.h"
#include "number.h"
#include "verdict.h"
#include "waiting.h"

enum { WAYS = 3 }; /* 0: the plain call; 1, 2: cases of the select */

static csp_chan channel, who, quiet[2];
static long rounds;

/* The case that matters is the first or the second in turn. The other can happen only if a quiet channel breaks. */
static int meet(csp_case wanted, csp_case other, int way, long i)
{
    csp_case cases[2] = {wanted};
    int at = way == 2 ? (int)(i / 2 % 2) : 0;
    cases[way == 2 ? 1 - at : 1] = other;
    cases[at] = wanted;
    int chosen = csp_select(cases, (size_t)way, CSP_FOREVER);
    if (chosen < 0)
        return failure("select");
    if (chosen != at)
        return wrong("a case on a channel happened that nobody uses");
    if (cases[at].err != 0)
        return CUT_OFF;
    if (cases[at].buf == wanted.buf && cases[at].op == csp_on_recv(channel, wanted.buf, 1).op)
        number_got(&cases[at]);
    return RIGHT;
}

static int send_one(int way, long i)
{
    struct number n = number(i);
    struct number none;
    if (way == 0)
        return csp_send(channel, &n, sizeof n, CSP_FOREVER) == 0 ? RIGHT : failure("send");
    return meet(csp_on_send(channel, &n, sizeof n), on_number(quiet[0], &none), way, i);
}

static int receive_one(int way, long i)
{
    struct number n = {0};
    struct number other = number(0);
    int status;
    if (way == 0)
        status = number_receive(channel, &n.n, CSP_FOREVER) == 0 ? RIGHT : failure("receive");
    else
        status = meet(on_number(channel, &n), csp_on_send(quiet[1], &other, sizeof other), way, i);
    return status != RIGHT || n.n == i ? status : wrong("%ld came, not %ld", (long)n.n, i);
}

/* All ways, as sender or receiver; in every second round the other is let come first. */
static int go_all_ways(csp_proc other, int first, int (*one)(int, long), int outer)
{
    for (int a = 0; a < WAYS; a++)
        for (int b = 0; b < WAYS; b++)
            for (long i = 0; i < rounds; i++) {
                if (i % 2 == first && until_waiting(&other, 1) == 0)
                    return CUT_OFF;
                int status = one(outer ? a : b, i);
                if (status != RIGHT)
                    return status;
            }
    return RIGHT;
}

static int receive(void *arg)
{
    int64_t sender;
    (void)arg;
    KEEP({channel, CSP_RECV}, {who, CSP_RECV}, {quiet[1], CSP_SEND});
    if (number_receive(who, &sender, CSP_FOREVER) != 0)
        return failure("receive who sends");
    ends_drop(who, CSP_RECV);
    return go_all_ways(sender, 0, receive_one, 1);
}

static int send(void *arg)
{
    csp_proc receiver = *(const csp_proc *)arg;
    KEEP({channel, CSP_SEND}, {who, CSP_SEND}, {quiet[0], CSP_RECV});
    if (number_send(who, csp_self(), CSP_FOREVER) != 0)
        return failure("say who sends");
    ends_drop(who, CSP_SEND);
    return go_all_ways(receiver, 1, send_one, 0);
}

int main(int argc, char **argv)
{
    rounds = argument(argc, argv, 1, 100, 1, 1000000);
    channel = ends_make(0);
    who = ends_make(0);
    quiet[0] = ends_make(0);
    quiet[1] = ends_make(0);
    csp_proc receiver = go(receive, NULL);
    csp_proc sender = go(send, &receiver);
    KEEP({quiet[0], CSP_SEND}, {quiet[1], CSP_RECV}); /* held, and never used */
    int status = worse(verdict_of(receiver), verdict_of(sender));
    return verdict(status, "nine ways to meet, %ld times each", rounds);
}
