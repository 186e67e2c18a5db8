/* SPDX-License-Identifier: MPL-2.0 */
/* Close racing with blocked senders, blocked receivers and selects of both. Decision: the workers live through all
 * rounds and get a new channel in each, as a value; at its end each says what it sent and what it received, and the
 * sums of the ids agree: what was sent before the close was received, and what failed with EPIPE was not.
 *
 *     closing [ROUNDS=500] */
#include "ends.h"
#include "journal.h"
#include "number.h"
#include "verdict.h"

#include <errno.h>

enum { WORKERS = 6 }; /* two of each: */
enum { SENDER, RECEIVER, BOTH, KINDS };

static csp_chan todo[WORKERS], done[WORKERS];

/* What a process did with the channel of a round. */
struct tally {
    uint64_t id; /* see journal.h */
    int64_t sent, received;
    uint64_t sent_ids, received_ids; /* sums of them */
};

/* Sends where out is not nil, receives where in is not, until both have ended. */
static int use(csp_chan out, csp_chan in, struct tally *tally)
{
    while (out != 0 || in != 0) {
        struct number next = number(0);
        struct number got;
        csp_case cases[] = {csp_on_send(out, &next, sizeof next), on_number(in, &got)};
        int chosen = csp_select(cases, 2, CSP_FOREVER);
        if (chosen < 0)
            return failure("select");
        if (cases[chosen].err != 0)
            *(chosen == 0 ? &out : &in) = 0;
        else if (chosen == 0) {
            tally->sent++;
            tally->sent_ids += next.id;
        } else {
            number_got(&cases[1]);
            tally->received++;
            tally->received_ids += got.id;
        }
    }
    return RIGHT;
}

static int one_round(int kind, csp_chan c, csp_chan report)
{
    struct tally tally = {0};
    ends_got(c, CSP_SEND | CSP_RECV);
    ends_drop(c, kind == SENDER ? CSP_RECV : kind == RECEIVER ? CSP_SEND : 0);
    int status = use(kind != RECEIVER ? c : 0, kind != SENDER ? c : 0, &tally);
    ends_drop(c, CSP_SEND | CSP_RECV);
    tally.id = journal_id();
    if (status == RIGHT && csp_send(report, &tally, sizeof tally, CSP_FOREVER) != 0)
        status = failure("report");
    return status;
}

static int work(void *arg)
{
    int which = *(const int *)arg;
    csp_msg m;
    int status = RIGHT;
    KEEP({todo[which], CSP_RECV}, {done[which], CSP_SEND});
    while (status == RIGHT && csp_recv_msg(todo[which], &m, CSP_FOREVER) == 0) {
        journal_received(todo[which], m.data, m.len);
        status = one_round(which % KINDS, m.chan, done[which]);
        csp_msg_free(&m);
    }
    return status != RIGHT || errno == EPIPE ? status : failure("receive a channel");
}

/* Gives the channel to those of the round. */
static int hand_out(csp_chan c, unsigned who)
{
    for (int i = 0; i < WORKERS; i++) {
        struct number word = number(i);
        csp_msg m = {.data = &word, .len = sizeof word, .chan = c};
        if ((who >> i % KINDS & 1) != 0 && csp_send_msg(todo[i], &m, CSP_FOREVER) != 0)
            return failure("hand out a channel");
    }
    return RIGHT;
}

static int collect(unsigned who, struct tally *sum)
{
    for (int i = 0; i < WORKERS; i++) {
        struct tally t;
        if ((who >> i % KINDS & 1) == 0)
            continue;
        if (csp_recv(done[i], &t, sizeof t, CSP_FOREVER) != sizeof t)
            return failure("receive a report");
        journal_received(done[i], &t, sizeof t);
        sum->sent += t.sent;
        sum->sent_ids += t.sent_ids;
        sum->received += t.received;
        sum->received_ids += t.received_ids;
    }
    return RIGHT;
}

/* At some moment, which differs from round to round: some wait by then, some are about to. */
static int close_after(csp_chan c, csp_time delay)
{
    csp_time when = csp_now() + delay;
    while (csp_now() < when)
        ;
    if (csp_close(c) != 0)
        return failure("close");
    return csp_close(c) != 0 && errno == EPIPE ? RIGHT : wrong("a second close does not fail with EPIPE");
}

/* Who takes part: all, or one kind alone, which is all blocked, or two. */
static int play(long round)
{
    unsigned who = round % 2 == 0 ? 7 : 1 + (unsigned)(round / 2 % 6);
    struct tally sum = {0};
    int64_t capacity = round / 2 % 4;
    csp_chan c = ends_make((size_t)capacity);
    int status = hand_out(c, who);
    status = worse(status, close_after(c, round * 7919 % 500 * 1000)); /* also where one has died: the others wait */
    ends_drop(c, CSP_SEND);
    if (status == RIGHT)
        status = use(0, c, &sum); /* what nobody has received */
    if (sum.received > capacity)
        status = wrong("%ld values came after the close, and the buffer holds %ld", (long)sum.received, (long)capacity);
    ends_drop(c, CSP_RECV);
    if (status == RIGHT)
        status = collect(who, &sum);
    if (status == RIGHT && (sum.sent != sum.received || sum.sent_ids != sum.received_ids))
        status = wrong("round %ld: %ld sent, %ld received", round, (long)sum.sent, (long)sum.received);
    return status;
}

int main(int argc, char **argv)
{
    long rounds = argument(argc, argv, 1, 500, 1, 1000000);
    int status = RIGHT;
    for (int i = 0; i < WORKERS; i++) {
        todo[i] = ends_make(0);
        done[i] = ends_make(0);
    }
    for (int i = 0; i < WORKERS; i++)
        go(work, &i);
    for (int i = 0; i < WORKERS; i++) {
        ends_drop(todo[i], CSP_RECV);
        ends_drop(done[i], CSP_SEND);
    }
    for (long i = 0; i < rounds && status == RIGHT; i++)
        status = play(i);
    return verdict(status, "%ld channels closed under their users: what was sent was received", rounds);
}
