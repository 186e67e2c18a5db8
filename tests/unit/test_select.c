/* SPDX-License-Identifier: MPL-2.0 */
/* Select: exactly one case happens, a fair one, on both sides; timers, descriptors and exits beside channels. */
#include "expect.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *select_suite(void);

static csp_chan c, d;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

static int is_fair(long hits, long rounds, double chance)
{
    return fabs((double)hits - (double)rounds * chance) < 10 * sqrt((double)rounds * chance * (1 - chance));
}

/* ---- the choice */

#define ROUNDS 1500

START_TEST(among_ready_cases_the_draw_is_fair)
{
    long hits[3] = {0};
    csp_chan e = make(ROUNDS + 1);
    long n;
    c = make(1);
    d = make(1);
    send_number(c, 1);
    send_number(d, 2);
    for (int i = 0; i < ROUNDS; i++) {
        csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, sizeof n), csp_on_send(e, "x", 1)};
        int chosen = csp_select(cases, 3, CSP_NOW);
        ck_assert(chosen >= 0 && cases[chosen].err == 0);
        hits[chosen]++;
        if (chosen < 2)
            send_number(chosen == 0 ? c : d, chosen + 1);
        ck_assert(chosen == 2 || n == chosen + 1);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_msg(is_fair(hits[i], ROUNDS, 1.0 / 3), "case %d: %ld of %d", i, hits[i], ROUNDS);
}

START_TEST(among_ready_local_cases_the_draw_is_fair)
{
    long hits[2] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        csp_case cases[] = {csp_on_time(1), csp_on_time(2)};
        hits[csp_select(cases, 2, CSP_NOW)]++;
    }
    ck_assert_msg(is_fair(hits[0], ROUNDS, 0.5), "%ld of %d", hits[0], ROUNDS);
}

START_TEST(in_order_the_first_ready_case_happens)
{
    char value;
    c = make(1);
    d = make(2);
    ck_assert_int_eq(csp_send(d, "x", 1, soon()), 0);
    for (int i = 0; i < 30; i++) {
        csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_send(d, "y", 1), csp_on_recv(d, &value, 1),
                            csp_on_time(1)};
        ck_assert_int_eq(csp_select_first(cases, 4, soon()), i % 2 == 0 ? 1 : 2);
        csp_case later[] = {csp_on_recv(c, &value, 1), csp_on_time(1), csp_on_recv(d, &value, 1)};
        if (i % 2 == 0)
            ck_assert_int_eq(csp_select_first(later, 3, soon()), 1);
    }
}

START_TEST(the_broker_is_asked_at_least_every_8th_call)
{
    long since = 0;
    long shared = 0;
    long n;
    c = make(1);
    send_number(c, 1);
    for (int i = 0; i < 400; i++) {
        csp_case cases[] = {csp_on_time(1), csp_on_recv(c, &n, sizeof n)};
        int chosen = csp_select(cases, 2, soon());
        ck_assert_int_ge(chosen, 0);
        since = chosen == 0 ? since + 1 : 0;
        ck_assert_int_lt(since, 8);
        if (chosen == 1) {
            shared++;
            send_number(c, 1);
        }
    }
    ck_assert_int_gt(shared, 0);
}

/* ---- nil, default, deadline */

START_TEST(a_nil_case_is_never_chosen)
{
    char value;
    c = make(1);
    for (int i = 0; i < 50; i++) {
        csp_case cases[] = {csp_on_recv(0, &value, 1), csp_on_send(c, "x", 1), csp_on_send(0, "x", 1), csp_on_group(0),
                            csp_on_time(CSP_FOREVER)};
        ck_assert_int_eq(csp_select(cases, 5, soon()), 1);
        ck_assert_int_eq(csp_recv(c, &value, 1, CSP_NOW), 1);
    }
}

START_TEST(with_nil_cases_only_a_select_waits_for_its_deadline)
{
    csp_case cases[] = {csp_on_recv(0, NULL, 0), csp_on_time(CSP_FOREVER)};
    csp_time by = csp_in(30);
    ASSERT_ERRNO(csp_select(cases, 2, by), ETIMEDOUT);
    ck_assert_int_ge(csp_now(), by);
    ASSERT_ERRNO(csp_select(NULL, 0, csp_in(10)), ETIMEDOUT);
    ASSERT_ERRNO(csp_select(NULL, 0, CSP_NOW), EAGAIN);
}

START_TEST(default_is_taken_only_where_nothing_is_ready)
{
    char value;
    c = make(1);
    csp_case cases[] = {csp_on_recv(c, &value, 1)};
    ASSERT_ERRNO(csp_select(cases, 1, CSP_NOW), EAGAIN);
    ck_assert_int_eq(csp_send(c, "x", 1, soon()), 0);
    ck_assert_int_eq(csp_select(cases, 1, CSP_NOW), 0);
    ck_assert_uint_eq(cases[0].len, 1);
}

static int offer_two(void *arg)
{
    (void)arg;
    for (long i = 0; i < 100; i++) {
        csp_case cases[] = {csp_on_send(c, &i, sizeof i), csp_on_send(d, &i, sizeof i)};
        CHILD_ASSERT(csp_select(cases, 2, soon()) >= 0);
    }
    return 0;
}

START_TEST(default_is_not_taken_where_a_select_waits_on_the_other_side)
{
    c = make(0);
    d = make(0);
    csp_proc p = go(offer_two, NULL);
    for (long i = 0; i < 100; i++) {
        long n = -1;
        until_waiting(p);
        ck_assert_int_eq(csp_recv(i % 2 == 0 ? c : d, &n, sizeof n, CSP_NOW), (ssize_t)sizeof n);
        ck_assert_int_eq(n, i);
    }
    ended_well(p);
}

START_TEST(a_deadline_in_the_past_is_a_try)
{
    char value;
    c = make(1);
    csp_case cases[] = {csp_on_recv(c, &value, 1)};
    ASSERT_ERRNO(csp_select(cases, 1, csp_now() - 1000), ETIMEDOUT);
    ck_assert_int_eq(csp_send(c, "x", 1, soon()), 0);
    ck_assert_int_eq(csp_select(cases, 1, csp_now() - 1000), 0);
}

/* ---- one case happens, on both sides */

START_TEST(both_ends_of_one_channel_never_match_each_other)
{
    char value;
    c = make(0);
    csp_case cases[] = {csp_on_send(c, "x", 1), csp_on_recv(c, &value, 1), csp_on_recv(c, &value, 1)};
    ASSERT_ERRNO(csp_select(cases, 3, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_select(cases, 3, csp_in(30)), ETIMEDOUT);
}

static int select_both_ways(void *arg)
{
    long sent = 0;
    long received = 0;
    long in;
    (void)arg;
    while (sent < 50 || received < 50) {
        csp_case cases[] = {csp_on_send(sent < 50 ? c : 0, &sent, sizeof sent),
                            csp_on_recv(received < 50 ? c : 0, &in, sizeof in)};
        int chosen = csp_select(cases, 2, soon());
        CHILD_ASSERT(chosen >= 0);
        CHILD_ASSERT(chosen == 0 || in == received);
        sent += chosen == 0;
        received += chosen == 1;
    }
    return 0;
}

START_TEST(two_selects_of_send_and_receive_meet_on_one_channel)
{
    c = make(0);
    csp_proc p = go(select_both_ways, NULL);
    ck_assert_int_eq(select_both_ways(NULL), 0);
    ended_well(p);
}

#define RING      4
#define RING_TURN 40

static csp_chan ring[RING];

static int ring_member(void *arg)
{
    int me = *(int *)arg;
    csp_chan in = ring[me];
    csp_chan out = ring[(me + 1) % RING];
    long received = 0;
    for (long sent = 0; sent < RING_TURN || received < RING_TURN;) {
        long n;
        csp_case cases[] = {csp_on_send(sent < RING_TURN ? out : 0, &sent, sizeof sent),
                            csp_on_recv(received < RING_TURN ? in : 0, &n, sizeof n)};
        int chosen = csp_select(cases, 2, soon());
        CHILD_ASSERT(chosen >= 0 && cases[chosen].err == 0);
        CHILD_ASSERT(chosen == 0 || n == received);
        sent += chosen == 0;
        received += chosen == 1;
    }
    return 0;
}

START_TEST(a_ring_of_selects_never_stands_still)
{
    csp_proc p[RING];
    for (int i = 0; i < RING; i++)
        ring[i] = make(0);
    for (int i = 0; i < RING; i++)
        p[i] = go(ring_member, &i);
    for (int i = 0; i < RING; i++)
        ended_well(p[i]);
}

/* The three ways to send a number, and to receive one: plain, a select of one, a select of two. */
static int send_by(int way, long n)
{
    csp_case cases[] = {csp_on_send(c, &n, sizeof n), csp_on_send(d, &n, sizeof n)};
    if (way == 0)
        return csp_send(c, &n, sizeof n, soon());
    return csp_select(cases, (size_t)way, soon());
}

static int receive_by(int way, long *n)
{
    csp_case cases[] = {csp_on_recv(c, n, sizeof *n), csp_on_recv(d, n, sizeof *n)};
    if (way == 0)
        return csp_recv(c, n, sizeof *n, soon()) == (ssize_t)sizeof *n ? 0 : -1;
    return csp_select(cases, (size_t)way, soon());
}

static int send_all_ways(void *arg)
{
    (void)arg;
    for (int i = 0; i < 9; i++)
        CHILD_ASSERT(send_by(i / 3, i) >= 0);
    return 0;
}

START_TEST(every_way_to_send_meets_every_way_to_receive)
{
    c = make(0);
    d = make(0);
    csp_proc p = go(send_all_ways, NULL);
    for (int i = 0; i < 9; i++) {
        long n = -1;
        ck_assert_int_ge(receive_by(i % 3, &n), 0);
        ck_assert_int_eq(n, i);
    }
    ended_well(p);
}

#define PRODUCED 1500

static int produce(void *arg)
{
    (void)arg;
    for (long i = 0; i < PRODUCED; i++) {
        csp_case cases[] = {csp_on_send(c, &i, sizeof i), csp_on_send(d, &i, sizeof i)};
        CHILD_ASSERT(csp_select(cases, 2, soon()) >= 0);
    }
    return 0;
}

START_TEST(no_value_of_a_losing_case_is_ever_seen)
{
    static int seen[PRODUCED];
    c = make(0);
    d = make(2);
    csp_proc p[2] = {go(produce, NULL), go(produce, NULL)};
    for (int i = 0; i < 2 * PRODUCED; i++) {
        long n = -1;
        csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, sizeof n)};
        ASSERT_OK(csp_select(cases, 2, soon()));
        seen[n]++;
    }
    for (int i = 0; i < PRODUCED; i++)
        ck_assert_msg(seen[i] == 2, "value %d came %d times", i, seen[i]);
    ended_well(p[0]);
    ended_well(p[1]);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ck_assert_int_eq(csp_drop(d, CSP_SEND), 0);
    char value;
    ASSERT_ERRNO(csp_recv(c, &value, 1, soon()), EPIPE);
    ASSERT_ERRNO(csp_recv(d, &value, 1, soon()), EPIPE);
}

START_TEST(a_losing_case_transfers_no_ends)
{
    csp_msg m = {.chan = make(1)};
    csp_chan never = make(0);
    c = make(2);
    for (int i = 0; i < 2; i++) {
        csp_case cases[] = {csp_on_send_msg(never, &m), csp_on_send(c, "x", 1)};
        ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
    }
    csp_chan attached = m.chan;
    ck_assert_int_eq(csp_drop(attached, CSP_SEND | CSP_RECV), 0);
    ASSERT_ERRNO(csp_why(attached, NULL), EBADF); /* nobody holds it: it was freed */
}

START_TEST(losing_selects_leave_no_trace)
{
    char value;
    csp_chan quiet = make(0);
    c = make(1);
    char *before = csp__stat();
    for (int i = 0; i < 3000; i++) {
        csp_case cases[] = {csp_on_recv(quiet, &value, 1), csp_on_send(c, "x", 1), csp_on_recv(c, &value, 1)};
        ASSERT_OK(csp_select(cases, 3, soon()));
        ck_assert(csp_select(cases, 1, CSP_NOW) == -1 && errno == EAGAIN);
    }
    char *after = csp__stat();
    ck_assert_int_le(abs((int)strlen(after) - (int)strlen(before)), 8); /* but for some numbers' digits */
    free(before);
    free(after);
    ASSERT_ERRNO(csp_send(quiet, "x", 1, CSP_NOW), EAGAIN);
}

START_TEST(a_closed_channel_is_ready_with_epipe)
{
    char value;
    c = make(1);
    d = make(1);
    ck_assert_int_eq(csp_close(c), 0);
    for (int i = 0; i < 20; i++) {
        csp_case cases[] = {csp_on_send(c, "x", 1), csp_on_recv(c, &value, 1), csp_on_recv(d, &value, 1)};
        int chosen = csp_select(cases, 3, soon());
        ck_assert(chosen == 0 || chosen == 1);
        ck_assert_int_eq(cases[chosen].err, EPIPE);
        ck_assert_int_eq(cases[1 - chosen].err, 0);
    }
}

/* ---- timers */

START_TEST(a_time_case_fires_when_it_has_come)
{
    char value;
    c = make(0);
    csp_time when = csp_in(30);
    csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_time(when)};
    ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
    ck_assert_int_ge(csp_now(), when);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN); /* the offer does not stand any more */
}

START_TEST(a_tick_is_not_piled_up_for_a_slow_receiver)
{
    csp_time before = csp_now();
    csp_tick tick = {.next = before - 95000000, .every = 20000000};
    csp_time start = tick.next;
    csp_case one = csp_on_tick(&tick);
    ck_assert_int_eq(csp_select(&one, 1, CSP_NOW), 0);
    ck_assert_int_gt(tick.next, before);
    ck_assert_int_le(tick.next, csp_now() + tick.every);
    ck_assert_int_eq((tick.next - start) % tick.every, 0);
    csp_time due = tick.next;
    ASSERT_OK(csp_select(&one, 1, soon()));
    ck_assert_int_ge(csp_now(), due);
    tick.next = csp_in(60000); /* reset: no stale tick */
    ASSERT_ERRNO(csp_select(&one, 1, csp_in(50)), ETIMEDOUT);
}

START_TEST(a_tick_without_a_period_is_einval)
{
    csp_tick tick = {.next = 1, .every = 0};
    csp_case one = csp_on_tick(&tick);
    ASSERT_ERRNO(csp_select(&one, 1, CSP_NOW), EINVAL);
    one = csp_on_tick(NULL);
    ASSERT_ERRNO(csp_select(&one, 1, CSP_NOW), EINVAL);
}

/* ---- descriptors */

START_TEST(a_readable_descriptor_is_a_case)
{
    int fds[2];
    char value;
    c = make(0);
    ck_assert_int_eq(pipe(fds), 0);
    csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_fd(fds[0], POLLIN)};
    ASSERT_ERRNO(csp_select(cases, 2, csp_in(20)), ETIMEDOUT);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 3; i++) { /* a level, no edge */
        ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
        ck_assert_uint_eq(cases[1].len, POLLIN);
    }
    ck_assert_int_eq(read(fds[0], &value, 1), 1);
    close(fds[1]);
    ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
    ck_assert_uint_eq(cases[1].len & POLLHUP, POLLHUP);
    close(fds[0]);
}

static int write_when_told(void *arg)
{
    (void)arg;
    char value;
    CHILD_ASSERT(csp_recv(d, &value, 1, soon()) == 1);
    CHILD_ASSERT(write(1, "x", 1) == 1);
    return 0;
}

START_TEST(a_descriptor_that_becomes_ready_ends_a_waiting_select)
{
    int fds[2];
    char value;
    c = make(0);
    d = make(1);
    fflush(stdout);
    int saved = dup(1);
    ck_assert_int_eq(pipe(fds), 0);
    dup2(fds[1], 1);
    csp_proc p = go(write_when_told, NULL);
    dup2(saved, 1);
    ck_assert_int_eq(csp_send(d, "x", 1, soon()), 0);
    csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_fd(fds[0], POLLIN)};
    ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
    ended_well(p);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
    close(fds[0]);
    close(fds[1]);
    close(saved);
}

START_TEST(a_descriptor_that_is_not_open_is_ebadf)
{
    ASSERT_OK(csp_init()); /* or its descriptors would take that number */
    int fd = dup(0);
    close(fd);
    csp_case cases[] = {csp_on_time(CSP_FOREVER), csp_on_fd(fd, POLLIN)};
    ASSERT_ERRNO(csp_select(cases, 2, soon()), EBADF);
    ck_assert_int_eq(cases[1].err, EBADF);
    cases[1] = csp_on_fd(-1, POLLIN);
    ASSERT_ERRNO(csp_select(cases, 2, soon()), EBADF);
}

/* ---- exits, groups */

static int end_when_told(void *arg)
{
    (void)arg;
    char value;
    CHILD_ASSERT(csp_recv(d, &value, 1, soon()) == 1);
    return 5;
}

START_TEST(an_exit_is_a_case_and_reaps)
{
    char value;
    csp_exit why = {-1, -1};
    c = make(0);
    d = make(1);
    csp_proc p = go(end_when_told, NULL);
    csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_exit(p, &why)};
    ASSERT_ERRNO(csp_select(cases, 2, CSP_NOW), EAGAIN);
    ck_assert_int_eq(csp_send(d, "x", 1, soon()), 0);
    ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
    ck_assert(why.how == CSP_CODE && why.code == 5);
    ASSERT_ERRNO(csp_select(cases, 2, CSP_NOW), ECHILD);
    ck_assert_int_eq(cases[1].err, ECHILD);
    ASSERT_ERRNO(csp_wait(p, NULL, CSP_NOW), ECHILD);
}

START_TEST(a_group_is_a_case)
{
    char value;
    c = make(0);
    d = csp_group_make();
    csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_group(d)};
    ASSERT_OK(csp_group_add(d, 1));
    ASSERT_ERRNO(csp_select(cases, 2, csp_in(10)), ETIMEDOUT);
    ASSERT_OK(csp_group_add(d, -1));
    ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
}

/* ---- errors and limits */

START_TEST(a_case_that_nobody_made_is_einval)
{
    csp_case zero = {0};
    ASSERT_ERRNO(csp_select(&zero, 1, CSP_NOW), EINVAL);
    ASSERT_ERRNO(csp_select(NULL, 1, CSP_NOW), EINVAL);
    csp_case one = csp_on_msg(make(1), NULL);
    ASSERT_ERRNO(csp_select(&one, 1, CSP_NOW), EINVAL);
}

START_TEST(a_channel_that_is_not_held_is_ebadf_in_its_case)
{
    char value;
    c = make(1);
    csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_recv(4711, &value, 1)};
    ASSERT_ERRNO(csp_select(cases, 2, soon()), EBADF);
    ck_assert_int_eq(cases[0].err, 0);
    ck_assert_int_eq(cases[1].err, EBADF);
}

START_TEST(so_many_cases_and_no_more)
{
    char value;
    csp_case *cases = calloc(4097, sizeof *cases);
    ck_assert_ptr_nonnull(cases);
    c = make(0);
    d = make(1);
    for (int i = 0; i < 4097; i++)
        cases[i] = csp_on_recv(c, &value, 1);
    cases[4095] = csp_on_send(d, "x", 1);
    ASSERT_ERRNO(csp_select(cases, 4097, CSP_NOW), ENOBUFS);
    ck_assert_int_eq(csp_select(cases, 4096, soon()), 4095);
    free(cases);
}

static void on_alarm(int sig)
{
    (void)sig;
}

START_TEST(a_signal_does_not_end_a_select)
{
    char value;
    c = make(0);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    ualarm(2000, 2000);
    csp_time by = csp_in(60);
    ASSERT_ERRNO(csp_recv(c, &value, 1, by), ETIMEDOUT);
    ualarm(0, 0);
    ck_assert_int_ge(csp_now(), by);
}

Suite *select_suite(void)
{
    Suite *s = suite_create("select");
    TCase *t = tcase_create("select");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, among_ready_cases_the_draw_is_fair);
    tcase_add_test(t, among_ready_local_cases_the_draw_is_fair);
    tcase_add_test(t, in_order_the_first_ready_case_happens);
    tcase_add_test(t, the_broker_is_asked_at_least_every_8th_call);
    tcase_add_test(t, a_nil_case_is_never_chosen);
    tcase_add_test(t, with_nil_cases_only_a_select_waits_for_its_deadline);
    tcase_add_test(t, default_is_taken_only_where_nothing_is_ready);
    tcase_add_test(t, default_is_not_taken_where_a_select_waits_on_the_other_side);
    tcase_add_test(t, a_deadline_in_the_past_is_a_try);
    tcase_add_test(t, both_ends_of_one_channel_never_match_each_other);
    tcase_add_test(t, two_selects_of_send_and_receive_meet_on_one_channel);
    tcase_add_test(t, a_ring_of_selects_never_stands_still);
    tcase_add_test(t, every_way_to_send_meets_every_way_to_receive);
    tcase_add_test(t, no_value_of_a_losing_case_is_ever_seen);
    tcase_add_test(t, a_losing_case_transfers_no_ends);
    tcase_add_test(t, losing_selects_leave_no_trace);
    tcase_add_test(t, a_closed_channel_is_ready_with_epipe);
    tcase_add_test(t, a_time_case_fires_when_it_has_come);
    tcase_add_test(t, a_tick_is_not_piled_up_for_a_slow_receiver);
    tcase_add_test(t, a_tick_without_a_period_is_einval);
    tcase_add_test(t, a_readable_descriptor_is_a_case);
    tcase_add_test(t, a_descriptor_that_becomes_ready_ends_a_waiting_select);
    tcase_add_test(t, a_descriptor_that_is_not_open_is_ebadf);
    tcase_add_test(t, an_exit_is_a_case_and_reaps);
    tcase_add_test(t, a_group_is_a_case);
    tcase_add_test(t, a_case_that_nobody_made_is_einval);
    tcase_add_test(t, a_channel_that_is_not_held_is_ebadf_in_its_case);
    tcase_add_test(t, so_many_cases_and_no_more);
    tcase_add_test(t, a_signal_does_not_end_a_select);
    suite_add_tcase(s, t);
    return s;
}
