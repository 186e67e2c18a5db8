/* SPDX-License-Identifier: MPL-2.0 */
/* The section Select of docs/semantics.md, rule by rule, between processes. Decision: as for channels: a test waits
 * until the broker says that the others wait, or counts on both sides what happened, so that it needs no timing. */
#include "expect.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *semantics_select_suite(void);

static csp_chan c, d, quiet;
static long *counter; /* shared */

static void count_from_zero(void)
{
    counter = shared_memory(sizeof *counter);
}

static void count(long n)
{
    __atomic_add_fetch(counter, n, __ATOMIC_SEQ_CST);
}

static long counted(void)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

/* ---- cases */

enum { VALUES = 200 };

static int send_all_to_c(void *arg)
{
    (void)arg;
    for (long i = 0; i < VALUES; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, soon()) == 0);
    return 0;
}

START_TEST(of_several_receives_from_one_channel_one_happens)
{
    c = make((size_t)_i);
    csp_proc p = go(send_all_to_c, NULL);
    for (long i = 0; i < VALUES; i++) {
        long n[3] = {-1, -1, -1};
        csp_case cases[] = {csp_on_recv(c, &n[0], sizeof *n), csp_on_recv(c, &n[1], sizeof *n),
                            csp_on_recv(c, &n[2], sizeof *n)};
        int chosen = csp_select(cases, 3, soon());
        ASSERT_OK(chosen);
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(n[k], k == chosen ? i : -1);
    }
    ended_well(p);
}

static int receive_all_and_say(void *arg)
{
    long n;
    (void)arg;
    for (long i = 0; i < VALUES; i++) {
        CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n);
        CHILD_ASSERT(csp_send(d, &n, sizeof n, soon()) == 0);
    }
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, CSP_NOW) == -1 && errno == EAGAIN);
    return 0;
}

START_TEST(of_several_sends_to_one_channel_one_happens)
{
    long hits[3] = {0};
    c = make(0);
    d = make(0);
    csp_proc p = go(receive_all_and_say, NULL);
    for (int i = 0; i < VALUES; i++) {
        long value[] = {0, 1, 2};
        until_waiting(p);
        csp_case cases[] = {csp_on_send(c, &value[0], sizeof *value), csp_on_send(c, &value[1], sizeof *value),
                            csp_on_send(c, &value[2], sizeof *value)};
        int chosen = csp_select(cases, 3, soon());
        ASSERT_OK(chosen);
        ck_assert_int_eq(receive_number(d), chosen);
        hits[chosen]++;
    }
    ended_well(p);
    ck_assert(hits[0] > 0 && hits[1] > 0 && hits[2] > 0);
}

/* ---- just one case happens */

static int send_all_to(void *arg)
{
    for (long i = 0; i < VALUES; i++)
        CHILD_ASSERT(csp_send(*(csp_chan *)arg, &i, sizeof i, soon()) == 0);
    return 0;
}

START_TEST(a_losing_receive_takes_nothing)
{
    csp_chan from[] = {make((size_t)_i * 4), make((size_t)_i * 4)};
    long next[2] = {0, 0};
    csp_proc p[] = {go(send_all_to, &from[0]), go(send_all_to, &from[1])};
    ASSERT_OK(csp_drop(from[0], CSP_SEND));
    ASSERT_OK(csp_drop(from[1], CSP_SEND));
    while (from[0] != 0 || from[1] != 0) {
        long n[2] = {-1, -1};
        csp_case cases[] = {csp_on_recv(from[0], &n[0], sizeof *n), csp_on_recv(from[1], &n[1], sizeof *n)};
        int chosen = csp_select(cases, 2, soon());
        ASSERT_OK(chosen);
        ck_assert_int_eq(n[1 - chosen], -1);
        if (cases[chosen].err == EPIPE)
            from[chosen] = 0;
        else
            ck_assert_int_eq(n[chosen], next[chosen]++); /* none is missing */
    }
    ck_assert(next[0] == VALUES && next[1] == VALUES);
    ended_well(p[0]);
    ended_well(p[1]);
}

static int offer_shared_number(void *arg)
{
    (void)arg;
    csp_case cases[] = {csp_on_send(quiet, counter, sizeof *counter), csp_on_send(c, counter, sizeof *counter)};
    CHILD_ASSERT(csp_select(cases, 2, soon()) == 1);
    return 0;
}

START_TEST(the_value_sent_is_that_at_the_call)
{
    count_from_zero();
    count(5);
    c = make(0);
    quiet = make(0);
    csp_proc p = go(offer_shared_number, NULL);
    until_waiting(p);
    count(-4); /* in the memory that it offers */
    ck_assert_int_eq(receive_number(c), 5);
    ended_well(p);
}

static int lose_on_quiet(void *arg)
{
    char value = 0;
    csp_case cases[] = {csp_on_recv(quiet, &value, 1), csp_on_recv(c, &value, 1)};
    (void)arg;
    for (int i = 0; i < VALUES; i++)
        CHILD_ASSERT(csp_select(cases, 2, soon()) == 1);
    CHILD_ASSERT(csp_select(cases, 2, soon()) == 0 && value == '2');
    return 0;
}

static int receive_quietly(void *arg)
{
    char value = 0;
    (void)arg;
    CHILD_ASSERT(csp_recv(quiet, &value, 1, soon()) == 1 && value == '1');
    return 0;
}

START_TEST(a_select_that_loses_on_a_channel_does_not_disturb_its_other_waiter)
{
    c = make(0);
    quiet = make(0);
    csp_proc waiter = go(receive_quietly, NULL);
    until_waiting(waiter);
    csp_proc loser = go(lose_on_quiet, NULL);
    for (int i = 0; i < VALUES; i++)
        ASSERT_OK(csp_send(c, "x", 1, soon()));
    until_waiting(loser);
    ck_assert(is_in_state(waiter, "waiting"));
    ASSERT_OK(csp_send(quiet, "1", 1, soon())); /* to who has waited longer */
    ended_well(waiter);
    ASSERT_OK(csp_send(quiet, "2", 1, soon()));
    ended_well(loser);
}

/* ---- the choice */

START_TEST(in_order_the_first_of_two_that_wait_is_taken_every_time)
{
    c = make(0);
    d = make(0);
    csp_chan to[] = {c, d};
    csp_proc p[] = {go(send_all_to, &to[0]), go(send_all_to, &to[1])};
    for (long i = 0; i < VALUES; i++) {
        long n = -1;
        until_waiting(p[0]);
        until_waiting(p[1]);
        csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, sizeof n)};
        ck_assert_int_eq(csp_select_first(cases, 2, soon()), 0);
        ck_assert_int_eq(n, i);
    }
    ended_well(p[0]);
    for (long i = 0; i < VALUES; i++)
        ck_assert_int_eq(receive_number(d), i);
    ended_well(p[1]);
}

static int send_until_closed(void *arg)
{
    long n = 0;
    while (csp_send(*(csp_chan *)arg, &n, sizeof n, soon()) == 0)
        continue;
    return errno == EPIPE ? 0 : 1;
}

/* ---- cases that the process decides alone beside shared ones */

enum { TURNS = 400, AT_MOST = 7 };

START_TEST(beside_ready_cases_of_its_own_a_shared_one_waits_7_calls_at_most)
{
    long passed = 0, n;
    int fds[2];
    c = make(0);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    csp_proc p = go(send_until_closed, &c);
    for (int i = 0; i < TURNS; i++) {
        csp_case cases[] = {csp_on_time(1), csp_on_fd(fds[0], POLLIN), csp_on_recv(c, &n, sizeof n)};
        until_waiting(p);
        int chosen = csp_select(cases, 3, soon());
        ASSERT_OK(chosen);
        passed = chosen == 2 ? 0 : passed + 1;
        ck_assert_int_le(passed, AT_MOST);
    }
    ASSERT_OK(csp_close(c));
    ended_well(p);
    close(fds[0]);
    close(fds[1]);
}

START_TEST(beside_shared_cases_that_are_ready_one_of_its_own_waits_1_call_at_most)
{
    int own = 0, before = 1;
    char value;
    c = make(1);
    ASSERT_OK(csp_send(c, "x", 1, soon()));
    for (int i = 0; i < TURNS; i++) {
        csp_case cases[] = {csp_on_recv(c, &value, 1), csp_on_send(c, "x", 1), csp_on_time(1)};
        int chosen = csp_select(cases, 3, soon());
        ASSERT_OK(chosen);
        ck_assert(chosen == 2 || before);
        before = chosen == 2;
        own += before;
    }
    ck_assert_int_lt(own, TURNS);
}

/* Calls of the mixed select between two of which its shared case, which is ready, did not happen. */
static long longest_wait(int (*between)(void))
{
    long passed = 0, longest = 0;
    char value;
    c = make(1);
    ASSERT_OK(csp_send(c, "x", 1, soon()));
    for (int i = 0; i < TURNS; i++) {
        csp_case cases[] = {csp_on_time(1), csp_on_recv(c, &value, 1)};
        int chosen = csp_select(cases, 2, soon());
        ASSERT_OK(chosen);
        passed = chosen == 1 ? 0 : passed + 1;
        longest = passed > longest ? passed : longest;
        if (chosen == 1)
            ASSERT_OK(csp_send(c, "x", 1, soon()));
        ck_assert_int_eq(between(), 0);
    }
    return longest;
}

static int call_the_broker(void)
{
    char value;
    return csp_send(d, "y", 1, soon()) == 0 && csp_recv(d, &value, 1, soon()) == 1 ? 0 : -1;
}

START_TEST(what_is_called_between_does_not_lengthen_that)
{
    d = make(1);
    ck_assert_int_le(longest_wait(call_the_broker), AT_MOST);
}

static int select_another(void)
{
    csp_case cases[] = {csp_on_time(1), csp_on_recv(quiet, NULL, 0)};
    return csp_select(cases, 2, soon()) == 0 ? 0 : -1;
}

START_TEST(another_select_between_does_not_lengthen_that)
{
    quiet = make(0);
    ck_assert_int_le(longest_wait(select_another), AT_MOST);
}

static int select_many_others(void)
{
    static csp_chan others[500];
    static size_t next;
    if (others[next] == 0)
        others[next] = make(0);
    csp_case cases[] = {csp_on_time(1), csp_on_recv(others[next], NULL, 0)};
    next = (next + 1) % (sizeof others / sizeof *others);
    return csp_select(cases, 2, soon()) == 0 ? 0 : -1;
}

START_TEST(selects_of_many_other_channels_between_do_not_lengthen_that)
{
    ck_assert_int_le(longest_wait(select_many_others), AT_MOST);
}

/* ---- deadlines */

static csp_time at_random(unsigned *seed)
{
    return csp_now() + rand_r(seed) % 300 * (csp_time)1000;
}

static int send_or_time_out(void *arg)
{
    unsigned seed = 1;
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        csp_time by = i % 100 == 99 ? CSP_FOREVER : at_random(&seed); /* some meet, however slow the machine is */
        csp_case cases[] = {csp_on_time(by), csp_on_send(c, NULL, 0), csp_on_send(d, NULL, 0)};
        int chosen = csp_select(cases, 3, soon());
        CHILD_ASSERT(chosen >= 0 && cases[chosen].err == 0);
        if (chosen > 0)
            count(1);
    }
    return 0;
}

START_TEST(a_time_case_that_races_with_values_loses_none)
{
    unsigned seed = 2;
    long received = 0;
    count_from_zero();
    c = make((size_t)_i);
    d = make(0);
    csp_proc p = go(send_or_time_out, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    for (int open = 1; open;) {
        csp_case cases[] = {csp_on_recv(c, NULL, 0), csp_on_recv(d, NULL, 0), csp_on_time(at_random(&seed))};
        int chosen = csp_select(cases, 3, soon());
        ASSERT_OK(chosen);
        open = cases[chosen].err == 0;
        received += chosen < 2 && open;
    }
    ended_well(p);
    while (csp_recv(d, NULL, 0, CSP_NOW) == 0)
        received++;
    ck_assert_int_eq(received, counted());
    ck_assert_int_gt(received, 0);
}

static int send_or_read(void *arg)
{
    char byte;
    (void)arg;
    for (int i = 0; i < 1000;) {
        csp_case cases[] = {csp_on_fd(0, POLLIN), csp_on_send(c, NULL, 0)};
        int chosen = csp_select(cases, 2, soon());
        CHILD_ASSERT(chosen >= 0);
        if (chosen == 0)
            CHILD_ASSERT(read(0, &byte, 1) == 1);
        count(chosen == 1);
        i += chosen == 0;
    }
    return 0;
}

START_TEST(a_descriptor_that_races_with_values_loses_none)
{
    int fds[2], saved = dup(0);
    long received = 0;
    count_from_zero();
    c = make(0);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(dup2(fds[0], 0), 0);
    csp_proc p = go(send_or_read, NULL);
    ck_assert_int_eq(dup2(saved, 0), 0);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        received += csp_recv(c, NULL, 0, csp_now() + i % 30 * (csp_time)10000) == 0;
    }
    while (csp_recv(c, NULL, 0, soon()) == 0)
        received++;
    ck_assert_int_eq(errno, EPIPE);
    ended_well(p);
    ck_assert_int_eq(received, counted());
    close(fds[0]);
    close(fds[1]);
    close(saved);
}

/* ---- closing */

static int wait_for_the_close(void *arg)
{
    csp_case receive[] = {csp_on_recv(quiet, NULL, 0), csp_on_recv(c, NULL, 0)};
    csp_case send[] = {csp_on_recv(quiet, NULL, 0), csp_on_send(c, "x", 1)};
    csp_case *cases = *(int *)arg == 0 ? receive : send;
    CHILD_ASSERT(csp_select(cases, 2, soon()) == 1 && cases[1].err == EPIPE && cases[0].err == 0);
    CHILD_ASSERT(csp_select(cases, 2, CSP_NOW) == 1 && cases[1].err == EPIPE); /* and so for ever */
    return 0;
}

START_TEST(a_close_wakes_a_select_in_the_case_of_its_channel)
{
    c = make(0);
    quiet = make(0);
    csp_proc p = go(wait_for_the_close, &_i);
    until_waiting(p);
    ASSERT_OK(csp_close(c));
    ended_well(p);
}

/* ---- the outside world */

static int send_when_told(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_recv(d, NULL, 0, soon()) == 0);
    return csp_send(c, "x", 1, soon()) == 0 ? 0 : 1;
}

START_TEST(stdin_a_signalfd_a_pidfd_and_a_channel_are_cases_of_one_select)
{
    enum { STDIN, SIGNALS, PID, CHANNEL, ALL };
    int fds[2], gate[2];
    char value;
    sigset_t usr1;
    c = make(0);
    d = make(0);
    csp_proc p = go(send_when_told, NULL);
    ck_assert(pipe(fds) == 0 && dup2(fds[0], 0) == 0 && pipe(gate) == 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    int signals = signalfd(-1, &usr1, SFD_CLOEXEC);
    pid_t other = fork();
    if (other == 0)
        _exit(read(gate[0], &value, 1) == 1 ? 0 : 1);
    int pidfd = (int)syscall(SYS_pidfd_open, other, 0);
    ck_assert(signals >= 0 && other > 0 && pidfd >= 0);
    for (int expected = 0; expected < ALL; expected++) {
        csp_case cases[] = {csp_on_fd(0, POLLIN), csp_on_fd(signals, POLLIN), csp_on_fd(pidfd, POLLIN),
                            csp_on_recv(c, &value, 1)};
        ASSERT_ERRNO(csp_select(cases, ALL, CSP_NOW), EAGAIN);
        if (expected == STDIN)
            ck_assert_int_eq(write(fds[1], "x", 1), 1);
        else if (expected == SIGNALS)
            kill(getpid(), SIGUSR1);
        else if (expected == PID)
            ck_assert_int_eq(write(gate[1], "x", 1), 1);
        else
            ASSERT_OK(csp_send(d, NULL, 0, soon()));
        ck_assert_int_eq(csp_select(cases, ALL, soon()), expected);
        struct signalfd_siginfo info;
        if (expected == STDIN)
            ck_assert_int_eq(read(0, &value, 1), 1);
        else if (expected == SIGNALS)
            ck_assert(read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
        else if (expected == PID) {
            ck_assert_int_eq(waitpid(other, NULL, 0), other);
            close(pidfd);
            pidfd = dup(signals); /* another that is not ready */
        }
    }
    ended_well(p);
}

Suite *semantics_select_suite(void)
{
    Suite *s = suite_create("semantics_select");
    TCase *t = tcase_create("select");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_loop_test(t, of_several_receives_from_one_channel_one_happens, 0, 2);
    tcase_add_test(t, of_several_sends_to_one_channel_one_happens);
    tcase_add_loop_test(t, a_losing_receive_takes_nothing, 0, 2);
    tcase_add_test(t, the_value_sent_is_that_at_the_call);
    tcase_add_test(t, a_select_that_loses_on_a_channel_does_not_disturb_its_other_waiter);
    tcase_add_test(t, in_order_the_first_of_two_that_wait_is_taken_every_time);
    tcase_add_test(t, beside_ready_cases_of_its_own_a_shared_one_waits_7_calls_at_most);
    tcase_add_test(t, beside_shared_cases_that_are_ready_one_of_its_own_waits_1_call_at_most);
    tcase_add_test(t, what_is_called_between_does_not_lengthen_that);
    tcase_add_test(t, another_select_between_does_not_lengthen_that);
    tcase_add_test(t, selects_of_many_other_channels_between_do_not_lengthen_that);
    tcase_add_loop_test(t, a_time_case_that_races_with_values_loses_none, 0, 2);
    tcase_add_test(t, a_descriptor_that_races_with_values_loses_none);
    tcase_add_loop_test(t, a_close_wakes_a_select_in_the_case_of_its_channel, 0, 2);
    tcase_add_test(t, stdin_a_signalfd_a_pidfd_and_a_channel_are_cases_of_one_select);
    suite_add_tcase(s, t);
    return s;
}
