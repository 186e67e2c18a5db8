/* SPDX-License-Identifier: MPL-2.0 */
/* Pairs, whose senders and receivers may be killed: another one takes the place of each, and what comes is by the
 * rules. Of a sender it is what that sent, from the first value on, in order, without a gap: all of it if the sender
 * ended well, and less only at the end of one that was killed. A receiver that is killed takes at most one value with
 * it that it did not live to note. Decision: what was received last stands in memory that all processes share, noted
 * before anything else is done with the value, so that the successor knows what must come next.
 *
 *     pairs [VALUES=10000] [CAPACITY=64] [WINDOW=0] [SIZE=64]   values of each sender; their most bytes beside a header
 */
#include "ends.h"
#include "journal.h"
#include "verdict.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PAIRS = 3, SIZE_MOST = 1 << 20, TURNS_EVERY = 16 };

struct tally {                /* of a pair, shared */
    _Atomic uint64_t last;    /* the value that was received last: its sender << 32 | its number */
    _Atomic uint64_t senders; /* how many there have been */
    _Atomic uint64_t excuses; /* receivers killed since a value was noted: each may have one with it */
};

#define SENDER(last) ((last) >> 32)
#define NUMBER(last) ((last)&UINT32_MAX)

struct value {
    uint64_t id, sender, number;
    unsigned char rest[SIZE_MOST];
};

struct role {
    int pair, sends;
    csp_proc process; /* -1: its work is done */
};

static csp_chan pairs[PAIRS];
static struct tally *tallies;
static long values, window, size;
static struct value value;

/* ---- sending */

static size_t length_of(uint64_t number)
{
    return offsetof(struct value, rest) + (size_t)(number * 7919 % (uint64_t)(size + 1));
}

/* Some are sent by a select with a time-out, which must not send them twice. */
static int send_one(csp_chan c, size_t len)
{
    if (value.number % TURNS_EVERY != 0)
        return csp_send(c, &value, len, CSP_FOREVER);
    for (;;) {
        csp_case cases[] = {csp_on_send(c, &value, len), csp_on_time(csp_in(1))};
        int which = csp_select(cases, 2, CSP_FOREVER);
        errno = which == 0 ? cases[0].err : errno;
        if (which != 1)
            return which == 0 && errno == 0 ? 0 : -1;
    }
}

static int send_all(void *arg)
{
    int which = *(const int *)arg;
    csp_chan c = pairs[which];
    KEEP({c, CSP_SEND});
    if (window != 0 && csp_stream(c, CSP_SEND, (size_t)window) != 0)
        return failure("a sending stream");
    value.sender = atomic_load(&tallies[which].senders);
    for (value.number = 1; value.number <= (uint64_t)values; value.number++) {
        size_t len = length_of(value.number);
        value.id = journal_id();
        memset(value.rest, (int)(value.number & 0xff), len - offsetof(struct value, rest));
        if (send_one(c, len) != 0)
            return failure("send");
    }
    return RIGHT;
}

/* ---- receiving */

/* Whether the value may come after what was noted. */
static int follows(const struct tally *t, uint64_t sender, uint64_t number)
{
    uint64_t last = atomic_load(&t->last), next = SENDER(last) == sender ? NUMBER(last) + 1 : 1;
    return sender >= SENDER(last) && number >= next && number <= next + atomic_load(&t->excuses);
}

static int take(struct tally *t, csp_chan c, size_t len)
{
    uint64_t sender = value.sender, number = value.number, last = atomic_load(&t->last);
    int right = follows(t, sender, number);
    atomic_store(&t->last, sender << 32 | number);
    atomic_store(&t->excuses, 0);
    journal_received(c, &value, len);
    if (!right)
        return wrong("pair %lu: %lu of sender %lu came after %lu of sender %lu", (unsigned long)c,
                     (unsigned long)number, (unsigned long)sender, (unsigned long)NUMBER(last),
                     (unsigned long)SENDER(last));
    size_t rest = len - offsetof(struct value, rest);
    if (len != length_of(number) || (rest != 0 && value.rest[rest - 1] != (number & 0xff)))
        return wrong("pair %lu: %lu of sender %lu is not what was sent", (unsigned long)c, (unsigned long)number,
                     (unsigned long)sender);
    return RIGHT;
}

static ssize_t receive_one(csp_chan c)
{
    for (;;) {
        csp_case cases[] = {csp_on_recv(c, &value, sizeof value), csp_on_time(csp_in(5))};
        int which = csp_select(cases, 2, CSP_FOREVER);
        errno = which == 0 ? cases[0].err : errno;
        if (which != 1)
            return which == 0 && errno == 0 ? (ssize_t)cases[0].len : -1;
    }
}

/* The close comes when the last sender has ended well: what that sent must have come. */
static int judge_close(const struct tally *t, csp_chan c)
{
    uint64_t last = atomic_load(&t->last), sender = SENDER(last), number = NUMBER(last), all = (uint64_t)values;
    if (sender == atomic_load(&t->senders) && number <= all && number + atomic_load(&t->excuses) >= all)
        return RIGHT;
    return wrong("pair %lu: closed after %lu of sender %lu of %lu", (unsigned long)c, (unsigned long)number,
                 (unsigned long)sender, (unsigned long)atomic_load(&t->senders));
}

static int receive_all(void *arg)
{
    int which = *(const int *)arg, status = RIGHT;
    csp_chan c = pairs[which];
    struct tally *t = &tallies[which];
    KEEP({c, CSP_RECV});
    if (window != 0 && csp_stream(c, CSP_RECV, (size_t)window) != 0)
        return failure("a receiving stream");
    while (status == RIGHT) {
        ssize_t len =
            atomic_load(&t->last) % TURNS_EVERY == 0 ? receive_one(c) : csp_recv(c, &value, sizeof value, CSP_FOREVER);
        if (len < 0)
            return errno == EPIPE ? judge_close(t, c) : failure("receive");
        status = take(t, c, (size_t)len);
    }
    return status;
}

/* ---- the root */

static void start(struct role *r)
{
    if (r->sends)
        atomic_fetch_add(&tallies[r->pair].senders, 1);
    r->process = go(r->sends ? send_all : receive_all, &r->pair);
}

/* Until the work of all is done; whoever is killed is replaced. */
static int replace(struct role *roles, size_t n)
{
    int status = RIGHT;
    for (size_t left = n; left != 0;) {
        csp_proc which;
        int ended = verdict_next_of(&which);
        struct role *r = roles;
        while (r < roles + n && r->process != which)
            r++;
        if (r == roles + n)
            return worse(status, ended);
        status = worse(status, ended);
        if (ended == INCOMPLETE) {
            atomic_fetch_add(&tallies[r->pair].excuses, (uint64_t)!r->sends);
            start(r);
            continue;
        }
        r->process = -1;
        ends_drop(pairs[r->pair], r->sends ? CSP_SEND : CSP_RECV);
        left--;
    }
    return status;
}

int main(int argc, char **argv)
{
    struct role roles[2 * PAIRS];
    values = argument(argc, argv, 1, 10000, 1, 100000000);
    long capacity = argument(argc, argv, 2, 64, 1, 1000000);
    window = argument(argc, argv, 3, 0, 0, 1 << 30);
    size = argument(argc, argv, 4, 64, 0, SIZE_MOST);
    tallies = mmap(NULL, PAIRS * sizeof *tallies, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
    if (tallies == MAP_FAILED)
        return UNABLE;
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = csp_pair((size_t)capacity);
        if (pairs[i] == 0)
            return failure("csp_pair");
        ends_got(pairs[i], CSP_SEND | CSP_RECV);
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        roles[i] = (struct role){.pair = i / 2, .sends = i % 2};
        start(&roles[i]);
    }
    return verdict(replace(roles, sizeof roles / sizeof *roles),
                   "%d pairs, %ld values each, capacity %ld%s: in order, each once", PAIRS, values, capacity,
                   window != 0 ? ", streams" : "");
}
