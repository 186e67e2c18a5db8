/* SPDX-License-Identifier: MPL-2.0 */
/* Try-send and try-receive succeed exactly when a partner waits, or a buffer has room or a value. Decision: the partner
 * is a process that does what it is told, and the broker says when it waits; so each try has one right answer, and is
 * made both as a plain call and as a select.
 *
 *     try [ROUNDS=200] */
#include "ends.h"
#include "number.h"
#include "verdict.h"
#include "waiting.h"

#include <errno.h>

/* What the partner is told: channel 0 or 1 (their capacity), send or receive; and the number to send or to expect. */
enum { RECEIVE = 0, SEND = 2, ORDERS = 4 };

static csp_chan channels[2], todo;
static csp_proc partner;
static int64_t next; /* number */

static int obey(void *arg)
{
    int64_t order;
    int64_t n;
    (void)arg;
    KEEP({channels[0], CSP_SEND | CSP_RECV}, {channels[1], CSP_SEND | CSP_RECV}, {todo, CSP_RECV});
    while (number_receive(todo, &order, CSP_FOREVER) == 0) {
        csp_chan c = channels[order % 2];
        int64_t expected = order / ORDERS;
        if ((order & SEND) != 0) {
            if (number_send(c, expected, CSP_FOREVER) != 0)
                return failure("the partner's send");
        } else if (number_receive(c, &n, CSP_FOREVER) != 0)
            return failure("the partner's receive");
        else if (n != expected)
            return wrong("the partner received %ld, not %ld", (long)n, (long)expected);
    }
    return errno == EPIPE ? RIGHT : failure("receive an order");
}

/* Tells the partner, and waits until it waits: CUT_OFF where it has died. */
static int tell(int order, int channel, int64_t n)
{
    if (number_send(todo, n * ORDERS + order + channel, CSP_FOREVER) != 0)
        return failure("tell the partner");
    return until_waiting(&partner, 1) == 1 ? RIGHT : CUT_OFF;
}

/* One try; select: 0 the call, 1 a select of one case, 2 a select of the case twice. Returns 1: it happened, 0: not. */
static int try_send(int channel, int select, int64_t n)
{
    struct number value = number(n);
    csp_case once = csp_on_send(channels[channel], &value, sizeof value);
    csp_case cases[] = {once, once};
    int result = select == 0 ? csp_send(channels[channel], &value, sizeof value, CSP_NOW)
                             : csp_select(cases, (size_t)select, CSP_NOW);
    return result >= 0 && (select == 0 || cases[result].err == 0);
}

static int try_receive(int channel, int select, int64_t *n)
{
    struct number value = {0};
    csp_case once = on_number(channels[channel], &value);
    csp_case cases[] = {once, once};
    if (select == 0)
        return number_receive(channels[channel], n, CSP_NOW) == 0;
    int result = csp_select(cases, (size_t)select, CSP_NOW);
    if (result < 0 || cases[result].err != 0)
        return 0;
    number_got(&cases[result]);
    *n = value.n;
    return 1;
}

/* What was not as it must be is excused where the partner has just died. */
static int unless_dead(const char *what)
{
    int err = errno;
    ends_drop_all();
    (void)csp_close(channels[0]);
    return verdict_of(partner) == INCOMPLETE ? INCOMPLETE : wrong("%s (%s)", what, err == EAGAIN ? "EAGAIN" : "done");
}

#define EXPECT(call, happens, what)                                                                                    \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if ((call) != (happens) || (!(happens) && errno != EAGAIN))                                                    \
            return unless_dead(what);                                                                                  \
    } while (0)
#define TELL(order, channel, n)                                                                                        \
    do {                                                                                                               \
        int told_ = tell(order, channel, n);                                                                           \
        if (told_ != RIGHT)                                                                                            \
            return told_;                                                                                              \
    } while (0)

static int rendezvous(int select)
{
    int64_t n = 0;
    EXPECT(try_send(0, select, 0), 0, "capacity 0: a send without a receiver");
    EXPECT(try_receive(0, select, &n), 0, "capacity 0: a receive without a sender");
    TELL(RECEIVE, 0, ++next);
    EXPECT(try_receive(0, select, &n), 0, "capacity 0: a receive where a receiver waits");
    EXPECT(try_send(0, select, next), 1, "capacity 0: a send where a receiver waits");
    EXPECT(try_send(0, select, 0), 0, "capacity 0: a second send to one receiver");
    TELL(SEND, 0, ++next);
    EXPECT(try_send(0, select, 0), 0, "capacity 0: a send where a sender waits");
    EXPECT(try_receive(0, select, &n), 1, "capacity 0: a receive where a sender waits");
    EXPECT(n == next, 1, "capacity 0: the value received");
    EXPECT(try_receive(0, select, &n), 0, "capacity 0: a second receive from one sender");
    return RIGHT;
}

static int buffered(int select)
{
    int64_t n = 0;
    EXPECT(try_receive(1, select, &n), 0, "capacity 1: a receive from an empty buffer");
    EXPECT(try_send(1, select, ++next), 1, "capacity 1: a send to an empty buffer");
    EXPECT(try_send(1, select, 0), 0, "capacity 1: a send to a full buffer");
    TELL(SEND, 1, next + 1);
    EXPECT(try_send(1, select, 0), 0, "capacity 1: a send to a full buffer where a sender waits");
    EXPECT(try_receive(1, select, &n), 1, "capacity 1: a receive from a full buffer");
    EXPECT(n == next, 1, "capacity 1: the value received first");
    EXPECT(try_send(1, select, 0), 0, "capacity 1: a send to a buffer that the waiting sender has filled");
    EXPECT(try_receive(1, select, &n), 1, "capacity 1: a receive of what the waiting sender sent");
    EXPECT(n == ++next, 1, "capacity 1: the value received second");
    TELL(RECEIVE, 1, ++next);
    EXPECT(try_receive(1, select, &n), 0, "capacity 1: a receive where a receiver waits");
    EXPECT(try_send(1, select, next), 1, "capacity 1: a send where a receiver waits");
    EXPECT(try_receive(1, select, &n), 0, "capacity 1: a receive of what a receiver got");
    return RIGHT;
}

int main(int argc, char **argv)
{
    long rounds = argument(argc, argv, 1, 200, 1, 1000000);
    int status = RIGHT;
    channels[0] = ends_make(0);
    channels[1] = ends_make(1);
    todo = ends_make(0);
    partner = go(obey, NULL);
    ends_drop(todo, CSP_RECV);
    for (long i = 0; i < rounds && status == RIGHT; i++) {
        status = rendezvous((int)(i % 3));
        if (status == RIGHT)
            status = buffered((int)(i % 3));
    }
    return verdict(status, "%ld rounds of tries, each with the one right answer", rounds);
}
