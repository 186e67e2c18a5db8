/* SPDX-License-Identifier: MPL-2.0 */
/* Pairs through the library while one of the two is killed at any moment, and while others come and go. Decision: what
 * is checked is what every history must show, whenever the signal came: values in order, none twice, none missing but
 * that which a receiver had just taken when it was killed, and a close that everybody hears of. */
#include "expect.h"
#include "line.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

Suite *pair_deaths_suite(void);

#define ROUNDS 12

static csp_chan c;
static struct seen {                 /* in memory that all share */
    _Atomic long next, sent, others; /* others: that the root sent */
    _Atomic int slack;               /* so many values may be missing: one of each receiver that was killed */
} * seen;
static unsigned seed;

static void begin(void)
{
    seen = shared_memory(sizeof *seen);
    seed = (unsigned)getpid();
}

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

static csp_time late(void)
{
    return csp_in(100000);
}

/* Sends its numbers up to *arg, and lets them go. */
static int send_up_to(void *arg)
{
    long n = *(const long *)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0 || errno == EBADF);
    for (long i = 0; i < n; i++) {
        int rc = csp_send(c, &i, sizeof i, late());
        if (rc != 0 && errno == EPIPE)
            return 0; /* the receiver was killed, and there is no other */
        CHILD_ASSERT(rc == 0);
        seen->sent = i + 1;
    }
    return 0;
}

static int receive_all(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0 || errno == EBADF);
    for (;;) {
        long n = -1;
        ssize_t got = csp_recv(c, &n, sizeof n, late());
        if (got < 0)
            return errno == EPIPE ? 0 : 2;
        long missing = n - seen->next;
        if (missing < 0 || missing > seen->slack)
            return 3;
        seen->next = n + 1;
        seen->slack -= (int)missing;
    }
}

static void pause_for(unsigned most_us)
{
    usleep((useconds_t)((unsigned)rand_r(&seed) % most_us + 1));
}

static size_t capacity_of(int round)
{
    static const size_t capacities[] = {1, 2, 8, 64, 4096};
    return capacities[round % 5];
}

/* It may have ended before. */
static void kill_now(csp_proc p)
{
    pid_t pid = pid_of(p);
    csp_exit why;
    if (pid > 0)
        (void)kill(pid, SIGKILL);
    ASSERT_OK(csp_wait(p, &why, late()));
    ck_assert(why.how == CSP_CLEAN || (why.how == CSP_SIGNAL && why.code == SIGKILL));
}

static void ended_at_last(csp_proc p)
{
    csp_exit why = {-1, -1};
    ASSERT_OK(csp_wait(p, &why, late()));
    ck_assert_msg(why.how == CSP_CLEAN, "ended with how %d, code %d; next %ld, sent %ld", why.how, why.code,
                  (long)seen->next, (long)seen->sent);
}

/* A new pair, whose receiver and sender are started; the root keeps the receiving end. */
static void start(int round, long n, csp_proc *from, csp_proc *to)
{
    seen->next = seen->sent = 0;
    seen->slack = 0;
    c = csp_pair(capacity_of(round));
    ck_assert_msg(c != 0, "csp_pair: %s", csp_errmsg());
    *to = go(receive_all, NULL);
    *from = go(send_up_to, &n);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
}

START_TEST(all_is_received)
{
    csp_proc from, to;
    long n = _i < 2 ? 3000 : 50000;
    start(_i, n, &from, &to);
    ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
    ended_at_last(from);
    ended_at_last(to);
    ck_assert_int_eq(seen->next, n);
}

static int are_joined(void)
{
    char *text = csp__dump();
    ck_assert_ptr_nonnull(text);
    const char *first = strstr(text, "\tpair\n");
    int both = first != NULL && strstr(first + 1, "\tpair\n") != NULL;
    free(text);
    return both;
}

START_TEST(they_are_joined)
{
    csp_proc from, to;
    csp_time by = late();
    start(4, 1L << 40, &from, &to);
    while (!are_joined())
        ck_assert_int_lt(csp_now(), by);
    kill_now(from);
    kill_now(to);
}

START_TEST(a_sender_that_is_killed_leaves_a_beginning)
{
    csp_proc from, to;
    for (int round = 0; round < ROUNDS; round++) {
        start(round, 1L << 40, &from, &to);
        ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
        pause_for(30000);
        kill_now(from);
        ended_at_last(to);
        ck_assert_int_le(seen->next, seen->sent + 1);
    }
}

START_TEST(what_a_receiver_that_is_killed_had_not_taken_goes_to_the_next)
{
    csp_proc from, to;
    for (int round = 0; round < ROUNDS; round++) {
        long n = 500 * (long)capacity_of(round);
        start(round, n, &from, &to);
        for (int i = 0; i < 2; i++) {
            pause_for(30000);
            kill_now(to);
            seen->slack++;
            to = go(receive_all, NULL);
        }
        ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
        ended_at_last(from);
        ended_at_last(to);
        ck_assert_int_ge(seen->next, n - 2);
    }
}

START_TEST(a_sender_may_be_followed_by_another)
{
    csp_proc from, to;
    for (int round = 0; round < ROUNDS; round++) {
        start(round, 3000, &from, &to);
        ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
        ended_at_last(from);
        ended_at_last(to);
        ck_assert_int_eq(seen->next, 3000);
    }
}

START_TEST(both_are_killed)
{
    csp_proc from, to;
    for (int round = 0; round < ROUNDS; round++) {
        start(round, 1L << 40, &from, &to);
        ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
        pause_for(20000);
        kill_now(round % 2 == 0 ? from : to);
        kill_now(round % 2 == 0 ? to : from);
    }
}

/* ---- a channel that may be direct, and others ---------------------------------------------------------------------
 */

#define OTHERS (1L << 32) /* values of the root */

static int stream_up_to(void *arg)
{
    CHILD_ASSERT(csp_stream(c, CSP_SEND, 65536) == 0);
    int status = send_up_to(arg);
    return status != 0 ? status : csp_flush(c, late()) != 0;
}

/* Receives from two senders, each of whose values must come in order. */
static int receive_two(void *arg)
{
    (void)arg;
    long others = 0;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    CHILD_ASSERT(csp_stream(c, CSP_RECV, 65536) == 0);
    for (;;) {
        long n = -1;
        if (csp_recv(c, &n, sizeof n, late()) < 0)
            return errno == EPIPE && others == seen->others ? 0 : 2;
        CHILD_ASSERT(n >= OTHERS ? n == OTHERS + others : n == seen->next);
        others += n >= OTHERS;
        seen->next += n < OTHERS;
    }
}

static csp_chan make_direct(size_t capacity)
{
    struct wire_make body = {.capacity = capacity, .max_bytes = 1 << 20};
    struct csp__request r = {.type = WIRE_MAKE, .flags = WIRE_DIRECT, .head = &body, .head_len = sizeof body};
    struct wire_channel answer;
    const void *payload;
    struct csp__line *line = csp__line("make");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(csp__ask(line, &r, CSP_FOREVER, sizeof answer, &payload, NULL), 0);
    memcpy(&answer, payload, sizeof answer);
    return answer.channel;
}

START_TEST(a_third_that_sends_disturbs_no_order)
{
    long n = 1000000;
    c = make_direct(64);
    csp_proc to = go(receive_two, NULL), from = go(stream_up_to, &n);
    for (long i = 0; i < 15; i++) {
        pause_for(200000);
        send_number(c, OTHERS + i);
        seen->others = i + 1;
    }
    ck_assert_int_eq(csp_drop(c, CSP_SEND | CSP_RECV), 0);
    ended_at_last(from);
    ended_at_last(to);
    ck_assert_int_eq(seen->next, n);
}

/* ---- what a dead sender left --------------------------------------------------------------------------------------
 */

static csp_chan done;

static int send_and_say(void *arg)
{
    (void)arg;
    for (long i = 0; i < 2; i++) {
        CHILD_ASSERT(csp_send(c, &i, sizeof i, late()) == 0);
        seen->others++;
    }
    CHILD_ASSERT(csp_send(done, NULL, 0, late()) == 0);
    return 0;
}

/* Who takes a part of it, and then waits for what another sender does next. */
START_TEST(what_is_taken_of_what_a_dead_sender_left_makes_room)
{
    long endless = 1L << 40, n = 0;
    csp_time by = late();
    c = csp_pair(4);
    done = csp_make(1);
    csp_proc from = go(send_up_to, &endless);
    do {
        ck_assert_int_eq(csp_recv(c, &n, sizeof n, by), sizeof n);
        ck_assert_int_lt(csp_now(), by);
    } while (!are_joined());
    while (seen->sent < n + 5) /* as many as there is room for */
        ck_assert_int_lt(csp_now(), by);
    until_waiting(from); /* for more room: before that it has let go of all that it held */
    kill_now(from);
    until_state(from, "ended"); /* so that this process has been told, and need not be in a call for the next send */
    ck_assert_int_eq(csp_recv(c, &n, sizeof n, by), sizeof n); /* three are left, and there is room for one */
    seen->others = 0;
    csp_proc next = go(send_and_say, NULL);
    while (seen->others == 0)
        ck_assert_int_lt(csp_now(), by);
    until_waiting(next);
    ck_assert_int_eq(csp_recv(c, &n, sizeof n, by), sizeof n);
    ck_assert_msg(csp_recv(done, NULL, 0, by) == 0, "%s", csp_errmsg());
    ended_at_last(next);
}

Suite *pair_deaths_suite(void)
{
    Suite *s = suite_create("pair_deaths");
    TCase *t = tcase_create("pair_deaths");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, begin, term);
    tcase_add_loop_test(t, all_is_received, 0, 5);
    tcase_add_test(t, they_are_joined);
    tcase_add_test(t, a_sender_that_is_killed_leaves_a_beginning);
    tcase_add_test(t, what_a_receiver_that_is_killed_had_not_taken_goes_to_the_next);
    tcase_add_test(t, a_sender_may_be_followed_by_another);
    tcase_add_test(t, both_are_killed);
    tcase_add_test(t, what_is_taken_of_what_a_dead_sender_left_makes_room);
    tcase_add_test(t, a_third_that_sends_disturbs_no_order);
    suite_add_tcase(s, t);
    return s;
}
