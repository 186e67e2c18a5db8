/* SPDX-License-Identifier: MPL-2.0 */
/* Programs as one writes them in Go, each with a property that a channel or a select must not break: exactly once,
 * nothing lost to a deadline or a close, no more in than a semaphore admits. Decision: every process counts what it did
 * and hands the counts over when it ends, so that the properties are equations and need no timing. */
#include "expect.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *programs_suite(void);

enum { WORKERS = 4, EACH = 2000, ROUNDS = 20000, RING = 6, LAPS = 300, PERMITS = 3, USERS = 8, KILLS = 24 };

static csp_chan c, d, ring[RING];
static unsigned seed; /* of the test's own randomness: the same in every run */

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static csp_time at_random(int below_us)
{
    return csp_now() + 1 + rand_r(&seed) % below_us * (csp_time)1000;
}

static void all_end_well(const csp_proc *p, int n)
{
    for (int i = 0; i < n; i++)
        ended_well(p[i]);
}

/* ---- exactly once */

static unsigned char *seen; /* shared: [value] */

static int produce_each(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        int v = *(int *)arg * EACH + i;
        CHILD_ASSERT(csp_send(c, &v, sizeof v, soon()) == 0);
    }
    return 0;
}

static int consume(csp_chan from)
{
    int v;
    while (csp_recv(from, &v, sizeof v, soon()) == (ssize_t)sizeof v)
        __atomic_fetch_add(&seen[v], 1, __ATOMIC_RELAXED);
    CHILD_ASSERT(errno == EPIPE);
    return 0;
}

static int consume_all(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    return consume(c);
}

static int consume_of(void *arg)
{
    return consume(*(csp_chan *)arg);
}

static void each_once(int values)
{
    for (int v = 0; v < values; v++)
        ck_assert_msg(seen[v] == 1, "value %d was received %d times", v, seen[v]);
    munmap(seen, (size_t)values);
}

START_TEST(of_4_producers_and_4_consumers_each_value_is_received_once)
{
    csp_proc p[2 * WORKERS];
    seen = shared_memory((size_t)WORKERS * EACH);
    c = make(_i == 0 ? 0 : 5);
    for (int i = 0; i < WORKERS; i++) {
        p[i] = go(produce_each, &i);
        p[WORKERS + i] = go(consume_all, NULL);
    }
    ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    all_end_well(p, 2 * WORKERS);
    each_once(WORKERS * EACH);
}

static int send_on_either(void *arg)
{
    for (int i = 0; i < ROUNDS / 2; i++) {
        int v = *(int *)arg * ROUNDS / 2 + i;
        csp_case either[] = {csp_on_send(c, &v, sizeof v), csp_on_send(d, &v, sizeof v)};
        int happened = csp_select(either, 2, soon());
        CHILD_ASSERT(happened >= 0 && either[happened].err == 0);
    }
    return 0;
}

START_TEST(a_select_of_two_sends_sends_once)
{
    csp_proc p[4];
    seen = shared_memory(ROUNDS);
    c = make(0);
    d = make(0);
    for (int i = 0; i < 2; i++)
        p[i] = go(send_on_either, &i);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ASSERT_OK(csp_drop(d, CSP_SEND));
    p[2] = go(consume_of, &c);
    p[3] = go(consume_of, &d);
    ASSERT_OK(csp_drop(c, CSP_RECV));
    ASSERT_OK(csp_drop(d, CSP_RECV));
    all_end_well(p, 4);
    each_once(ROUNDS);
}

/* ---- deadlocks that are none: each node sends to its right and receives from its left, whichever can be first */

static int turn_in_the_ring(void *arg)
{
    int at = *(int *)arg, sent = 0, got = 0, v;
    while (sent < LAPS || got < LAPS) {
        csp_case either[] = {csp_on_send(sent < LAPS ? ring[(at + 1) % RING] : 0, &sent, sizeof sent),
                             csp_on_recv(got < LAPS ? ring[at] : 0, &v, sizeof v)};
        int happened = csp_select(either, 2, soon());
        CHILD_ASSERT(happened >= 0 && either[happened].err == 0 && (happened == 0 || v == got));
        sent += happened == 0;
        got += happened == 1;
    }
    return 0;
}

START_TEST(a_ring_of_selects_does_not_lock)
{
    csp_proc p[RING];
    for (int i = 0; i < RING; i++)
        ring[i] = make(0);
    for (int i = 0; i < RING; i++)
        p[i] = go(turn_in_the_ring, &i);
    all_end_well(p, RING);
}

/* ---- a buffered channel as a semaphore */

static int *inside; /* shared: how many there are */

static int pass(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_send(c, NULL, 0, soon()) == 0);
    CHILD_ASSERT(__atomic_add_fetch(inside, 1, __ATOMIC_SEQ_CST) <= PERMITS);
    CHILD_ASSERT(csp_recv(d, NULL, 0, soon()) == 0); /* holds its permit until it is told */
    __atomic_sub_fetch(inside, 1, __ATOMIC_SEQ_CST);
    CHILD_ASSERT(csp_recv(c, NULL, 0, soon()) == 0);
    return 0;
}

START_TEST(a_channel_of_capacity_n_admits_exactly_n)
{
    csp_proc p[USERS];
    inside = shared_memory(sizeof *inside);
    c = make(PERMITS);
    d = make(0);
    for (int i = 0; i < USERS; i++)
        p[i] = go(pass, NULL);
    for (int i = 0; i < USERS; i++)
        until_waiting(p[i]);
    ck_assert_int_eq(__atomic_load_n(inside, __ATOMIC_SEQ_CST), PERMITS);
    ASSERT_ERRNO(csp_send(c, NULL, 0, CSP_NOW), EAGAIN);
    for (int i = 0; i < USERS; i++)
        ASSERT_OK(csp_send(d, NULL, 0, soon()));
    all_end_well(p, USERS);
    munmap(inside, sizeof *inside);
}

/* ---- a value is either sent and received, or neither */

static long *balance; /* shared: sends that succeeded less receives that did */

static void count(int n)
{
    __atomic_add_fetch(balance, n, __ATOMIC_SEQ_CST);
}

static int send_until_closed(void *arg)
{
    (void)arg;
    while (csp_send(c, NULL, 0, soon()) == 0)
        count(1);
    CHILD_ASSERT(errno == EPIPE);
    return 0;
}

static int receive_until_closed(void *arg)
{
    (void)arg;
    while (csp_recv(c, NULL, 0, soon()) == 0)
        count(-1);
    CHILD_ASSERT(errno == EPIPE);
    return 0;
}

static int select_until_closed(void *arg)
{
    csp_case cases[] = {csp_on_recv(d, NULL, 0), csp_on_send(c, NULL, 0)};
    (void)arg;
    for (;;) {
        CHILD_ASSERT(csp_select(cases, 2, soon()) == 1);
        if (cases[1].err != 0)
            break;
        count(1);
    }
    CHILD_ASSERT(cases[1].err == EPIPE);
    return 0;
}

START_TEST(a_close_between_blocked_sends_receives_and_selects_loses_nothing)
{
    int (*const fn[])(void *) = {send_until_closed, send_until_closed, select_until_closed, receive_until_closed,
                                 receive_until_closed};
    enum { ALL = sizeof fn / sizeof *fn };
    csp_proc p[ALL];
    seed = 1;
    balance = shared_memory(sizeof *balance);
    d = make(0);
    for (int round = 0; round < 24; round++) {
        c = make((size_t[]){0, 1, 4}[round % 3]);
        for (int i = 0; i < ALL; i++)
            p[i] = go(fn[i], NULL);
        (void)csp_select(NULL, 0, at_random(3000));
        ASSERT_OK(csp_close(c));
        all_end_well(p, ALL);
        ck_assert_msg(*balance == 0, "round %d: %ld values more were sent than received", round, *balance);
        ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    }
    munmap(balance, sizeof *balance);
}

static int send_in_time(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        int sent = csp_send(c, NULL, 0, at_random(150));
        CHILD_ASSERT(sent == 0 || errno == ETIMEDOUT);
        count(sent == 0);
    }
    return 0;
}

static int receive_in_time(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    for (;;) {
        ssize_t got = csp_recv(c, NULL, 0, at_random(150));
        if (got < 0 && errno == EPIPE)
            return 0;
        CHILD_ASSERT(got == 0 || errno == ETIMEDOUT);
        count(-(got == 0));
    }
}

START_TEST(a_deadline_loses_no_value)
{
    seed = 1;
    balance = shared_memory(sizeof *balance);
    c = make((size_t[]){0, 1, 4}[_i]);
    csp_proc p[] = {go(send_in_time, NULL), go(receive_in_time, NULL)};
    ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    all_end_well(p, 2);
    ck_assert_msg(*balance == 0, "%ld values more were sent than received", *balance);
    munmap(balance, sizeof *balance);
}

/* ---- kill -9 */

enum { LIFE = 20000, SENDERS = WORKERS + KILLS };

static struct {
    int sender_of[2 * WORKERS]; /* the number that a sender takes when it starts */
    pid_t pid[2 * WORKERS];
    int sent[SENDERS]; /* values whose send returned 0 */
    unsigned char got[SENDERS][LIFE];
} * toll; /* shared */

static int live(void *arg)
{
    int at = *(int *)arg, sender = toll->sender_of[at], v;
    __atomic_store_n(&toll->pid[at], getpid(), __ATOMIC_SEQ_CST);
    if (at < WORKERS) {
        for (v = sender * LIFE; v < (sender + 1) * LIFE && csp_send(c, &v, sizeof v, CSP_FOREVER) == 0; v++)
            toll->sent[sender]++;
    } else {
        while (csp_recv(c, &v, sizeof v, CSP_FOREVER) == (ssize_t)sizeof v)
            __atomic_add_fetch(&toll->got[v / LIFE][v % LIFE], 1, __ATOMIC_SEQ_CST);
    }
    CHILD_ASSERT(errno == EPIPE);
    return 0;
}

static void kill_one(csp_proc *p, int at)
{
    csp_time by = soon();
    while (__atomic_load_n(&toll->pid[at], __ATOMIC_SEQ_CST) == 0)
        ck_assert_msg(csp_now() < by, "process %d does not start", at);
    ck_assert_int_eq(kill(toll->pid[at], SIGKILL), 0);
    ended(*p, CSP_SIGNAL, SIGKILL);
    toll->pid[at] = 0;
}

/* How many values whose send had returned were lost; what else is wrong fails the test. */
static int lost_of(int sender)
{
    int lost = 0;
    for (int i = 0; i < LIFE; i++) {
        int got = toll->got[sender][i];
        ck_assert_msg(got <= 1, "value %d of sender %d was received %d times", i, sender, got);
        ck_assert_msg(got == 0 || i <= toll->sent[sender], "value %d of sender %d was never sent", i, sender);
        lost += i < toll->sent[sender] && got == 0;
    }
    return lost;
}

START_TEST(random_kills_block_nobody_and_lose_no_more_than_was_in_hands)
{
    csp_proc p[2 * WORKERS];
    int senders = 0, receivers_killed = 0, lost = 0;
    toll = shared_memory(sizeof *toll);
    seed = 1;
    c = make((size_t[]){0, 1, 50}[_i]);
    for (int i = 0; i < 2 * WORKERS; i++) {
        toll->sender_of[i] = i < WORKERS ? senders++ : 0;
        p[i] = go(live, &i);
    }
    for (int kills = 0; kills < KILLS; kills++) {
        int at = rand_r(&seed) % (2 * WORKERS);
        (void)csp_select(NULL, 0, at_random(5000));
        kill_one(&p[at], at);
        receivers_killed += at >= WORKERS;
        toll->sender_of[at] = at < WORKERS ? senders++ : 0;
        p[at] = go(live, &at);
    }
    ASSERT_OK(csp_close(c));
    all_end_well(p, 2 * WORKERS);
    for (int i = 0; i < senders; i++)
        lost += lost_of(i);
    ck_assert_msg(lost <= receivers_killed, "%d values were lost with %d receivers", lost, receivers_killed);
    munmap(toll, sizeof *toll);
}

/* ---- the end of a run */

static void *spawn_until_it_fails(void *failure)
{
    char *argv[] = {"true", NULL};
    csp_proc p;
    while ((p = csp_spawn(argv, 0, 0)) > 0)
        (void)csp_wait(p, NULL, soon()); /* csp_term may have reaped it */
    *(int *)failure = errno;
    return NULL;
}

START_TEST(a_spawn_that_the_end_of_the_run_breaks_is_enotconn)
{
    enum { THREADS = 3 };
    for (int round = 0; round < 12; round++) {
        pthread_t t[THREADS];
        int failure[THREADS];
        ASSERT_OK(csp_init());
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&t[i], NULL, spawn_until_it_fails, &failure[i]), 0);
        (void)csp_select(NULL, 0, at_random(20000));
        ASSERT_OK(csp_term());
        for (int i = 0; i < THREADS; i++) {
            pthread_join(t[i], NULL);
            ck_assert_msg(failure[i] == ENOTCONN, "round %d: %s", round, strerror(failure[i]));
        }
    }
}

/* ---- few descriptors */

static void allow_descriptors(rlim_t soft, rlim_t hard)
{
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){soft, hard}), 0);
}

static int report_and_stay(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_send(c, NULL, 0, soon()) == 0);
    CHILD_ASSERT(csp_recv(d, NULL, 0, CSP_FOREVER) == -1 && errno == EPIPE);
    return 0;
}

START_TEST(who_is_started_under_a_low_limit_of_descriptors_attaches)
{
    csp_proc p[64];
    int started = 0;
    allow_descriptors(40, 40);
    c = make(0);
    d = make(0);
    while (started < 64 && (p[started] = csp_go(report_and_stay, NULL)) > 0)
        started++;
    ck_assert_msg(errno == ENOBUFS, "%d were started, then: %s", started, csp_errmsg());
    ck_assert_int_ge(started, 2);
    for (int i = 0; i < started; i++)
        ck_assert_msg(csp_recv(c, NULL, 0, soon()) == 0, "%d of %d attached: %s", i, started, csp_errmsg());
    ASSERT_OK(csp_close(d));
    all_end_well(p, started);
}

static int look_at_descriptor(void *arg)
{
    char target[32] = "";
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", *(int *)arg);
    CHILD_ASSERT(readlink(path, target, sizeof target - 1) < 0 || strcmp(target, "/dev/null") == 0);
    return 0;
}

START_TEST(a_descriptor_above_the_limit_is_not_inherited)
{
    int ends[2], high = 200;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(ends[0], high), high);
    allow_descriptors(100, 1024);
    ended_well(go(look_at_descriptor, &ends[0]));
    ended_well(go(look_at_descriptor, &high));
    close(high);
    close(ends[0]);
    close(ends[1]);
}

Suite *programs_suite(void)
{
    Suite *s = suite_create("programs");
    TCase *t = tcase_create("programs");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_loop_test(t, of_4_producers_and_4_consumers_each_value_is_received_once, 0, 2);
    tcase_add_test(t, a_select_of_two_sends_sends_once);
    tcase_add_test(t, a_ring_of_selects_does_not_lock);
    tcase_add_test(t, a_channel_of_capacity_n_admits_exactly_n);
    tcase_add_test(t, a_close_between_blocked_sends_receives_and_selects_loses_nothing);
    tcase_add_loop_test(t, a_deadline_loses_no_value, 0, 3);
    tcase_add_loop_test(t, random_kills_block_nobody_and_lose_no_more_than_was_in_hands, 0, 3);
    tcase_add_test(t, a_spawn_that_the_end_of_the_run_breaks_is_enotconn);
    tcase_add_test(t, who_is_started_under_a_low_limit_of_descriptors_attaches);
    tcase_add_test(t, a_descriptor_above_the_limit_is_not_inherited);
    suite_add_tcase(s, t);
    return s;
}
