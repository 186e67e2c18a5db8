/* SPDX-License-Identifier: MPL-2.0 */
/* Pairs through the library, between real processes: that they are channels as Go's buffered ones are, whether their
 * values go through the broker or past it, and that nothing is lost or doubled when that changes. A test that is about
 * a pair in use waits until the broker says that it is direct. */
#include "block.h"
#include "expect.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *pair_suite(void);

static csp_chan c, other;
static struct shared {
    atomic_long sent, received, flag;
} * shared;

static void begin(void)
{
    shared = shared_memory(sizeof *shared);
}

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    munmap(shared, sizeof *shared);
}

static csp_time long_by(void)
{
    return csp_in(100000);
}

static csp_chan make_pair(size_t capacity)
{
    csp_chan pair = csp_pair(capacity);
    ck_assert_msg(pair != 0, "csp_pair: %s", csp_errmsg());
    return pair;
}

/* Whether both streams of the channel are direct. */
static int is_direct(csp_chan pair)
{
    char *text = csp__dump();
    ck_assert_msg(text != NULL, "csp__dump: %s", csp_errmsg());
    int ends = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        unsigned long channel = 0;
        if (sscanf(line, "stream\t%*s\t%*s\t%lu\t", &channel) == 1 && channel == pair)
            ends += strcmp(strrchr(line, '\t'), "\tpair") == 0;
    }
    free(text);
    return ends == 2;
}

static void until_direct(csp_chan pair)
{
    csp_time by = long_by();
    while (!is_direct(pair)) {
        ck_assert_msg(csp_now() < by, "channel %lu does not become direct", (unsigned long)pair);
        ASSERT_ERRNO(csp_select(NULL, 0, csp_in(5)), ETIMEDOUT);
    }
}

static long receive_next(csp_chan pair)
{
    long n = -1;
    ck_assert_msg(csp_recv(pair, &n, sizeof n, long_by()) == (ssize_t)sizeof n, "csp_recv: %s", csp_errmsg());
    return n;
}

/* Sends 0 to n - 1, and counts what was sent. */
static int send_numbers(void *arg)
{
    long n = *(long *)arg;
    (void)csp_drop(c, CSP_RECV); /* one process that could receive gets all ahead */
    for (long i = 0; i < n; i++) {
        CHILD_ASSERT(csp_send(c, &i, sizeof i, long_by()) == 0);
        atomic_store(&shared->sent, i + 1);
    }
    return 0;
}

/* A pair of which a child sends that many; this process receives. */
static csp_proc receive_from_child(size_t capacity, long n)
{
    c = make_pair(capacity);
    csp_proc p = go(send_numbers, &n);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    return p;
}

static void expect_numbers(long from, long to)
{
    for (long i = from; i < to; i++)
        ck_assert_int_eq(receive_next(c), i);
}

static void expect_closed(void)
{
    char value[8];
    ASSERT_ERRNO(csp_recv(c, value, sizeof value, long_by()), EPIPE);
}

/* ---- a channel as any */

static const size_t capacities[] = {1, 2, 63, 4096};

START_TEST(values_keep_their_order)
{
    csp_proc p = receive_from_child(capacities[_i], 100000);
    expect_numbers(0, 100);
    until_direct(c);
    expect_numbers(100, 100000);
    expect_closed();
    ended_well(p);
}

START_TEST(a_receive_makes_room_for_one_send_and_no_more)
{
    long capacity = (long)capacities[_i];
    csp_proc p = receive_from_child(capacities[_i], 100 + capacity);
    expect_numbers(0, 10);
    until_direct(c);
    for (long i = 10; i < 100; i++) {
        csp_time by = long_by();
        while (atomic_load(&shared->sent) < i + capacity)
            ck_assert_msg(csp_now() < by, "sent %ld of %ld", atomic_load(&shared->sent), i + capacity);
        if (i % 30 == 0)
            until_waiting(p);
        ck_assert_int_eq(atomic_load(&shared->sent), i + capacity);
        ck_assert_int_eq(receive_next(c), i);
    }
    expect_numbers(100, 100 + capacity);
    ended_well(p);
}

START_TEST(sends_complete_up_to_the_capacity_while_nobody_receives)
{
    c = make_pair(5);
    for (long i = 0; i < 5; i++)
        send_number(c, i);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_send(c, "x", 1, csp_in(20)), ETIMEDOUT);
    for (long i = 0; i < 5; i++)
        ck_assert_int_eq(receive_number(c), i);
    char value;
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
}

START_TEST(the_first_try_to_send_finds_room)
{
    for (int selects = 0; selects < 2; selects++) {
        c = make_pair(2);
        for (long i = 0; i < 2; i++) {
            csp_case send = csp_on_send(c, &i, sizeof i);
            if (selects)
                ck_assert_msg(csp_select(&send, 1, CSP_NOW) == 0 && send.err == 0, "%ld: %s", i, csp_errmsg());
            else
                ck_assert_msg(csp_send(c, &i, sizeof i, CSP_NOW) == 0, "%ld: %s", i, csp_errmsg());
        }
        ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
        expect_numbers(0, 2);
    }
}

START_TEST(a_pair_of_capacity_0_is_refused)
{
    errno = 0;
    ck_assert_uint_eq(csp_pair(0), 0);
    ck_assert_int_eq(errno, EINVAL);
    ASSERT_OK(csp_init());
}

static size_t size_of(long i)
{
    static const size_t sizes[] = {0, 1, 64, 9000, 1 << 20, 64 << 20, 3};
    return sizes[(size_t)i % (sizeof sizes / sizeof *sizes)];
}

static int send_sizes(void *arg)
{
    (void)arg;
    static char data[64 << 20];
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    for (long i = 0; i < 14; i++) {
        memset(data, (int)('a' + i), size_of(i));
        CHILD_ASSERT(csp_send(c, data, size_of(i), csp_in(60000)) == 0);
    }
    return 0;
}

START_TEST(values_of_all_sizes_come_whole)
{
    c = make_pair(4);
    csp_proc p = go(send_sizes, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    for (long i = 0; i < 14; i++) {
        csp_msg m;
        ASSERT_OK(csp_recv_msg(c, &m, csp_in(60000)));
        ck_assert_uint_eq(m.len, size_of(i));
        const char *data = m.data;
        for (size_t at = 0; at < m.len; at += 4093)
            ck_assert_int_eq(data[at], 'a' + (int)i);
        csp_msg_free(&m);
        if (i == 3)
            until_direct(c);
    }
    expect_closed();
    ended_well(p);
}

START_TEST(a_value_that_is_too_long_stays_and_one_over_the_limit_is_not_sent)
{
    csp_proc p = receive_from_child(8, 20);
    expect_numbers(0, 4);
    until_direct(c);
    char little[2];
    ASSERT_ERRNO(csp_recv(c, little, sizeof little, long_by()), EMSGSIZE);
    expect_numbers(4, 20);
    expect_closed();
    ended_well(p);
}

static int echo(void *arg)
{
    char value[8];
    ssize_t len;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    while ((len = csp_recv(c, value, sizeof value, long_by())) >= 0)
        CHILD_ASSERT(csp_send(other, value, (size_t)len, long_by()) == 0);
    return errno != EPIPE;
}

START_TEST(two_pairs_answer_each_other)
{
    c = make_pair(1);
    other = make_pair(1);
    csp_proc p = go(echo, NULL);
    ASSERT_OK(csp_drop(other, CSP_SEND));
    for (long i = 0; i < 2000; i++) {
        send_number(c, i);
        ck_assert_int_eq(receive_number(other), i);
        if (i == 5) {
            until_direct(c);
            until_direct(other);
        }
    }
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ended_well(p);
}

static int send_and_say(void *arg)
{
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    for (long i = 0; i < *(long *)arg; i++) {
        CHILD_ASSERT(csp_send(c, &i, sizeof i, long_by()) == 0);
        CHILD_ASSERT(csp_send(other, &i, sizeof i, long_by()) == 0); /* it waits, and so holds nothing */
    }
    return 0;
}

START_TEST(what_was_sent_before_is_there_for_a_try)
{
    c = make_pair(8);
    other = make(0);
    csp_proc p = go(send_and_say, &(long){2000});
    for (long i = 0; i < 2000; i++) {
        long n = -1;
        ck_assert_int_eq(receive_next(other), i);
        if (i == 20)
            until_direct(c);
        ck_assert_msg(csp_recv(c, &n, sizeof n, CSP_NOW) == (ssize_t)sizeof n && n == i, "%ld: %s", i, csp_errmsg());
    }
    ended_well(p);
}

static int send_and_compute(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    for (long i = 0; i < 64; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, long_by()) == 0);
    while (atomic_load(&shared->flag) == 0) /* in no call of the library's */
        ;
    return 0;
}

START_TEST(values_come_while_their_sender_computes)
{
    c = make_pair(8);
    csp_proc p = go(send_and_compute, NULL);
    expect_numbers(0, 8);
    until_direct(c);
    expect_numbers(8, 64);
    atomic_store(&shared->flag, 1);
    ended_well(p);
}

START_TEST(flush_waits_for_no_receiver)
{
    c = make_pair(16);
    for (long i = 0; i < 16; i++)
        send_number(c, i);
    ASSERT_OK(csp_flush(c, soon()));
}

/* ---- endings */

static int send_until_closed(void *arg)
{
    (void)arg;
    (void)csp_drop(c, CSP_RECV);
    for (long i = 0;; i++) {
        if (csp_send(c, &i, sizeof i, long_by()) != 0)
            return errno != EPIPE;
        atomic_store(&shared->sent, i + 1);
    }
}

START_TEST(a_close_by_the_receivers_process_ends_the_sender)
{
    c = make_pair(32);
    csp_proc p = go(send_until_closed, NULL);
    expect_numbers(0, 100);
    until_direct(c);
    ASSERT_OK(csp_close(c));
    ended_well(p);
    expect_numbers(100, atomic_load(&shared->sent));
    expect_closed();
}

static int send_and_close(void *arg)
{
    CHILD_ASSERT(send_numbers(arg) == 0);
    CHILD_ASSERT(csp_close(c) == 0);
    CHILD_ASSERT(csp_send(c, "x", 1, long_by()) == -1 && errno == EPIPE);
    return 0;
}

START_TEST(a_close_by_the_sender_comes_behind_its_values)
{
    c = make_pair(32);
    csp_proc p = go(send_and_close, &(long){500});
    expect_numbers(0, 100);
    until_direct(c);
    expect_numbers(100, 500);
    expect_closed();
    ended_well(p);
    csp_exit why;
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert_int_eq(why.how, CSP_CLEAN);
}

static int send_and_drop(void *arg)
{
    CHILD_ASSERT(send_numbers(arg) == 0);
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    CHILD_ASSERT(csp_recv(other, NULL, 0, long_by()) == 0);
    return 0;
}

START_TEST(a_drop_by_the_sender_closes_behind_its_values)
{
    c = make_pair(32);
    other = make(0);
    csp_proc p = go(send_and_drop, &(long){500});
    ASSERT_OK(csp_drop(c, CSP_SEND));
    expect_numbers(0, 100);
    until_direct(c);
    expect_numbers(100, 500);
    expect_closed();
    ASSERT_OK(csp_send(other, NULL, 0, soon()));
    ended_well(p);
}

START_TEST(a_drop_by_the_last_receiver_ends_the_sender)
{
    c = make_pair(32);
    csp_proc p = go(send_until_closed, NULL);
    expect_numbers(0, 100);
    until_direct(c);
    ASSERT_OK(csp_drop(c, CSP_RECV));
    ended_well(p);
}

/* ---- one of each */

static int expect_busy(void *arg)
{
    char value[8];
    CHILD_ASSERT(csp_recv(c, value, sizeof value, CSP_NOW) == -1 && errno == EBUSY);
    CHILD_ASSERT(csp_send(c, value, 1, long_by()) == -1 && errno == EBUSY);
    CHILD_ASSERT(strstr(csp_errmsg(), "another") != NULL);
    csp_case cases[] = {csp_on_recv(other, value, sizeof value), csp_on_recv(c, value, sizeof value)};
    CHILD_ASSERT(csp_select(cases, 2, long_by()) == -1 && errno == EBUSY && cases[1].err == EBUSY);
    (void)arg;
    return 0;
}

START_TEST(a_third_process_is_told_that_the_pair_is_busy)
{
    other = make(0);
    c = make_pair(4);
    csp_proc p = go(send_numbers, &(long){1000});
    expect_numbers(0, 10);
    until_direct(c);
    ended_well(go(expect_busy, NULL));
    expect_numbers(10, 1000);
    ended_well(p);
}

static int receive_some(void *arg)
{
    for (long i = 0; i < *(long *)arg; i++) {
        long n = -1;
        CHILD_ASSERT(csp_recv(c, &n, sizeof n, long_by()) == (ssize_t)sizeof n && n == i);
        atomic_store(&shared->received, i + 1);
    }
    return 0;
}

START_TEST(the_next_receiver_gets_what_was_not_received)
{
    c = make_pair(64);
    csp_proc receiver = go(receive_some, &(long){500});
    csp_proc sender = go(send_numbers, &(long){1000});
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ended_well(receiver);
    expect_numbers(500, 1000);
    expect_closed();
    ended_well(sender);
}

static int send_more(void *arg)
{
    long from = *(long *)arg;
    for (long i = from; i < from + 100; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, long_by()) == 0);
    return 0;
}

START_TEST(the_next_sender_takes_the_place_of_one_that_ended)
{
    c = make_pair(7);
    for (long from = 0; from < 500; from += 100) {
        csp_proc p = go(send_more, &from);
        expect_numbers(from, from + 100);
        ended_well(p);
    }
}

static void *receive_in_thread(void *arg)
{
    char value[8];
    int *err = arg;
    *err = csp_recv(c, value, sizeof value, CSP_NOW) == -1 ? errno : 0;
    return NULL;
}

START_TEST(another_thread_is_told_that_the_pair_is_busy)
{
    csp_proc p = receive_from_child(4, 100);
    expect_numbers(0, 10);
    int err = 0;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, receive_in_thread, &err), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(err, EBUSY);
    expect_numbers(10, 100);
    ended_well(p);
}

/* ---- deaths */

static int send_and_wait(void *arg)
{
    CHILD_ASSERT(send_numbers(arg) == 0);
    (void)csp_recv(other, NULL, 0, csp_in(60000));
    return 1;
}

START_TEST(what_a_killed_sender_had_sent_comes_and_then_the_close)
{
    c = make_pair(200);
    other = make(0);
    csp_proc p = go(send_and_wait, &(long){250});
    ASSERT_OK(csp_drop(c, CSP_SEND));
    expect_numbers(0, 60);
    until_direct(c);
    until_waiting(p);
    kill(pid_of(p), SIGKILL);
    expect_numbers(60, 250);
    expect_closed();
    csp_exit why;
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert(why.how == CSP_SIGNAL);
    ended(p, CSP_SIGNAL, SIGKILL);
}

#define STRIKES 12

START_TEST(a_sender_killed_at_any_moment_leaves_a_beginning)
{
    for (int strike = 0; strike < STRIKES; strike++) {
        atomic_store(&shared->sent, 0);
        c = make_pair(strike % 2 == 0 ? 3 : 300);
        csp_proc p = go(send_until_closed, NULL);
        ASSERT_OK(csp_drop(c, CSP_SEND));
        pid_t pid = pid_of(p);
        long kill_at = 10 + strike * 997;
        long n = 0;
        long got = -1;
        while (csp_recv(c, &got, sizeof got, long_by()) >= 0) {
            ck_assert_int_eq(got, n);
            if (++n == kill_at)
                kill(pid, SIGKILL);
        }
        ck_assert_int_eq(errno, EPIPE);
        ck_assert_int_le(n, atomic_load(&shared->sent) + 1);
        ended(p, CSP_SIGNAL, SIGKILL);
        ASSERT_OK(csp_drop(c, CSP_RECV));
    }
}

START_TEST(a_receiver_killed_at_any_moment_loses_and_doubles_nothing)
{
    for (int strike = 0; strike < STRIKES; strike++) {
        atomic_store(&shared->received, 0);
        c = make_pair(strike % 2 == 0 ? 3 : 300);
        csp_proc receiver = go(receive_some, &(long){LONG_MAX});
        csp_proc sender = go(send_until_closed, NULL);
        ASSERT_OK(csp_drop(c, CSP_SEND));
        pid_t pid = pid_of(receiver);
        csp_time by = long_by();
        while (atomic_load(&shared->received) < 10 + strike * 997)
            ck_assert(csp_now() < by);
        kill(pid, SIGKILL);
        ended(receiver, CSP_SIGNAL, SIGKILL);
        long n = receive_next(c);
        long counted = atomic_load(&shared->received); /* it may have had one more, and not counted it */
        ck_assert_msg(n == counted || n == counted + 1, "after %ld came %ld", counted, n);
        expect_numbers(n + 1, n + 3000);
        ASSERT_OK(csp_drop(c, CSP_RECV));
        ended_well(sender);
    }
}

static int receive_until_gone(void *arg)
{
    long n = 0;
    (void)arg;
    while (csp_recv(c, &n, sizeof n, long_by()) >= 0)
        atomic_store(&shared->received, n);
    CHILD_ASSERT(errno == ENOTCONN);
    return 0;
}

START_TEST(both_learn_of_the_brokers_death)
{
    c = make_pair(16);
    csp_proc p = go(receive_until_gone, NULL);
    long i = 0;
    for (; i < 100; i++)
        send_number(c, i);
    until_direct(c);
    pid_t broker = -1;
    char *text = csp__stat();
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(sscanf(text, "run\t%*[^\t]\t%*[^\t]\t%*d\t%d", &broker), 1);
    free(text);
    kill(broker, SIGKILL);
    while (csp_send(c, &i, sizeof i, long_by()) == 0)
        i++;
    ck_assert_int_eq(errno, ENOTCONN);
    ck_assert_int_gt(p, 0);
    ASSERT_ERRNO(csp_term(), ENOTCONN);
}

/* ---- selects */

START_TEST(a_select_takes_from_pairs_and_shared_channels)
{
    csp_proc p = receive_from_child(16, 20000);
    other = make(4);
    long n = -1;
    long next = 0;
    long shared_value = 0;
    long shared_sent = 0;
    while (next < 20000 || shared_value < shared_sent) {
        if (shared_sent < 1000 && csp_send(other, &shared_sent, sizeof shared_sent, CSP_NOW) == 0)
            shared_sent++;
        csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(other, &n, sizeof n)};
        int k = csp_select(cases + (next == 20000), next == 20000 ? 1 : 2, long_by());
        ck_assert_msg(k >= 0, "%s", csp_errmsg());
        ck_assert_int_eq(cases[k + (next == 20000)].err, 0);
        if (next == 20000 || k == 1)
            ck_assert_int_eq(n, shared_value++);
        else
            ck_assert_int_eq(n, next++);
    }
    ck_assert_int_eq(shared_value, 1000);
    ended_well(p);
}

START_TEST(a_select_sends_on_a_pair_or_receives)
{
    c = make_pair(2);
    other = make_pair(2);
    csp_proc p = go(echo, NULL);
    ASSERT_OK(csp_drop(other, CSP_SEND));
    long out = 0;
    long in = 0;
    while (in < 5000) {
        long n = -1;
        csp_case cases[] = {csp_on_recv(other, &n, sizeof n), csp_on_send(out < 5000 ? c : 0, &out, sizeof out)};
        int k = csp_select(cases, 2, long_by());
        ck_assert_msg(k >= 0, "%s", csp_errmsg());
        if (k == 0)
            ck_assert_int_eq(n, in++);
        else
            out++;
    }
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ended_well(p);
}

START_TEST(a_deadline_expires_or_the_value_came)
{
    csp_proc p = receive_from_child(3, 5000);
    long n = -1;
    for (long next = 0; next < 5000;) {
        if (csp_recv(c, &n, sizeof n, csp_now() + (next % 7) * 20000) < 0)
            ck_assert(errno == ETIMEDOUT);
        else
            ck_assert_int_eq(n, next++);
    }
    expect_closed();
    ended_well(p);
}

static int send_or_expire(void *arg)
{
    (void)arg;
    for (long i = 0; i < 5000;) {
        if (csp_send(c, &i, sizeof i, csp_now() + (i % 5) * 20000) == 0)
            i++;
        else
            CHILD_ASSERT(errno == ETIMEDOUT);
    }
    return 0;
}

START_TEST(a_send_expires_or_the_value_was_sent)
{
    c = make_pair(2);
    csp_proc p = go(send_or_expire, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    expect_numbers(0, 5000);
    expect_closed();
    ended_well(p);
}

#define PAIRS  64
#define ROUNDS 50L
static csp_chan many[PAIRS];

static int send_on_all(void *arg)
{
    (void)arg;
    for (long round = 0; round < ROUNDS; round++)
        for (int i = 0; i < PAIRS; i++)
            CHILD_ASSERT(csp_send(many[i], &round, sizeof round, long_by()) == 0);
    return 0;
}

START_TEST(a_select_waits_for_64_pairs)
{
    csp_case cases[PAIRS];
    long n = -1;
    long next[PAIRS] = {0};
    for (int i = 0; i < PAIRS; i++)
        many[i] = make_pair(4);
    csp_proc p = go(send_on_all, NULL);
    for (int i = 0; i < PAIRS; i++) {
        ASSERT_OK(csp_drop(many[i], CSP_SEND));
        cases[i] = csp_on_recv(many[i], &n, sizeof n);
    }
    for (long got = 0; got < ROUNDS * PAIRS; got++) {
        int k = csp_select(cases, PAIRS, long_by());
        ck_assert_msg(k >= 0, "%s", csp_errmsg());
        ck_assert_int_eq(cases[k].err, 0);
        ck_assert_int_eq(n, next[k]++);
        if (next[k] == ROUNDS)
            cases[k].chan = 0;
    }
    ended_well(p);
}

/* ---- what makes it go back to the broker */

static int send_channels(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    for (long i = 0; i < 300; i++) {
        csp_chan made = 0;
        if (i % 100 == 99)
            CHILD_ASSERT((made = csp_make(1)) != 0);
        csp_msg m = {.data = &i, .len = sizeof i, .chan = made};
        CHILD_ASSERT(csp_send_msg(c, &m, long_by()) == 0);
        if (made != 0)
            CHILD_ASSERT(csp_send(made, &i, sizeof i, long_by()) == 0 && csp_drop(made, CSP_SEND | CSP_RECV) == 0);
    }
    return 0;
}

START_TEST(values_with_a_channel_attached_keep_their_place)
{
    c = make_pair(8);
    csp_proc p = go(send_channels, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    for (long i = 0; i < 300; i++) {
        csp_msg m;
        ASSERT_OK(csp_recv_msg(c, &m, long_by()));
        long n = -1;
        memcpy(&n, m.data, sizeof n);
        ck_assert_int_eq(n, i);
        ck_assert_int_eq(m.chan != 0, i % 100 == 99);
        if (m.chan != 0)
            ck_assert_int_eq(receive_number(m.chan), i);
        csp_msg_free(&m);
        if (i == 20)
            until_direct(c);
    }
    expect_closed();
    ended_well(p);
}

/* Joined while its receiver waits in an offer, and recalled before any value came; it could receive itself, and lives.
 */
static int recall_a_waiting_receiver(void *arg)
{
    long n = 7;
    csp_chan gift = csp_make(1);
    CHILD_ASSERT(gift != 0);
    until_waiting(*(csp_proc *)arg);
    CHILD_ASSERT(csp_stream(c, CSP_SEND, 4096) == 0);
    until_direct(c);
    CHILD_ASSERT(csp_send_msg(c, &(csp_msg){.data = &n, .len = sizeof n, .chan = gift}, long_by()) == 0);
    CHILD_ASSERT(csp_recv(other, &n, sizeof n, long_by()) == sizeof n);
    return 0;
}

START_TEST(who_waits_while_a_pair_comes_and_goes_gets_the_next_value)
{
    c = make_pair(8);
    other = csp_make(1);
    csp_proc self = csp_self();
    csp_proc p = go(recall_a_waiting_receiver, &self);
    csp_msg m;
    ASSERT_OK(csp_recv_msg(c, &m, long_by()));
    ck_assert(m.chan != 0);
    csp_msg_free(&m);
    send_number(other, 1);
    ended_well(p);
}

static int stream_numbers(void *arg)
{
    CHILD_ASSERT(csp_stream(c, CSP_SEND, 4096) == 0);
    return send_numbers(arg);
}

START_TEST(a_window_bounds_what_is_sent_beyond_the_capacity)
{
    c = make_pair(16);
    csp_proc p = go(stream_numbers, &(long){50000});
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ASSERT_OK(csp_stream(c, CSP_RECV, 4096));
    expect_numbers(0, 2000);
    until_direct(c);
    expect_numbers(2000, 10000);
    const long bound = 10000 + 16 + 4096 / (long)sizeof(long);
    csp_time by = long_by();
    while (atomic_load(&shared->sent) < bound) /* it may have waited before, and not have heard of the room */
        ck_assert_msg(csp_now() < by, "sent %ld of %ld", atomic_load(&shared->sent), bound);
    until_waiting(p);
    ck_assert_int_eq(atomic_load(&shared->sent), bound);
    expect_numbers(10000, 50000);
    expect_closed();
    ended_well(p);
}

static int stream_lines(void *arg)
{
    long blocks = *(long *)arg;
    static const uint32_t lengths[] = {3, 0, 5};
    csp__block b = {.data = "abc\n\n12345\n", .len = 11, .lengths = lengths, .count = 3, .gap = 1};
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0 && csp_stream(c, CSP_SEND, 65536) == 0);
    for (long i = 0; i < blocks; i++)
        CHILD_ASSERT(csp__put_block(c, &b, long_by()) == 0);
    return 0;
}

START_TEST(blocks_come_as_blocks)
{
    c = make_pair(100);
    csp_proc p = go(stream_lines, &(long){3000});
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ASSERT_OK(csp_stream(c, CSP_RECV, 65536));
    size_t values = 0;
    size_t bytes = 0;
    csp__block b;
    while (csp__take_block(c, &b, long_by()) == 0) {
        for (size_t i = 0; i < b.count; i++, values++)
            bytes += (size_t)csp__block_length(&b, i) * (values % 3 == 0 ? 1 : values % 3 == 1 ? 1000000 : 10);
        csp__block_free(&b);
    }
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_uint_eq(values, 9000);
    ck_assert_uint_eq(bytes, UINT64_C(3000) * (3 + 50));
    ended_well(p);
}

static int lack_descriptors(void *arg)
{
    struct rlimit few = {.rlim_cur = 24, .rlim_max = 24};
    CHILD_ASSERT(csp_init() == 0 && setrlimit(RLIMIT_NOFILE, &few) == 0);
    return send_numbers(arg);
}

START_TEST(where_descriptors_are_short_it_stays_with_the_broker)
{
    c = make_pair(4);
    csp_proc p = go(lack_descriptors, &(long){2000});
    ASSERT_OK(csp_drop(c, CSP_SEND));
    expect_numbers(0, 1500);
    ck_assert(!is_direct(c));
    expect_numbers(1500, 2000);
    expect_closed();
    ended_well(p);
}

Suite *pair_suite(void)
{
    Suite *suite = suite_create("pair");
    TCase *t = tcase_create("channel");
    int n = sizeof capacities / sizeof *capacities;
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, begin, term);
    tcase_add_loop_test(t, values_keep_their_order, 0, n);
    tcase_add_loop_test(t, a_receive_makes_room_for_one_send_and_no_more, 0, n - 1);
    tcase_add_test(t, sends_complete_up_to_the_capacity_while_nobody_receives);
    tcase_add_test(t, the_first_try_to_send_finds_room);
    tcase_add_test(t, a_pair_of_capacity_0_is_refused);
    tcase_add_test(t, values_of_all_sizes_come_whole);
    tcase_add_test(t, a_value_that_is_too_long_stays_and_one_over_the_limit_is_not_sent);
    tcase_add_test(t, two_pairs_answer_each_other);
    tcase_add_test(t, what_was_sent_before_is_there_for_a_try);
    tcase_add_test(t, values_come_while_their_sender_computes);
    tcase_add_test(t, flush_waits_for_no_receiver);
    tcase_add_test(t, a_close_by_the_receivers_process_ends_the_sender);
    tcase_add_test(t, a_close_by_the_sender_comes_behind_its_values);
    tcase_add_test(t, a_drop_by_the_sender_closes_behind_its_values);
    tcase_add_test(t, a_drop_by_the_last_receiver_ends_the_sender);
    tcase_add_test(t, a_third_process_is_told_that_the_pair_is_busy);
    tcase_add_test(t, the_next_receiver_gets_what_was_not_received);
    tcase_add_test(t, the_next_sender_takes_the_place_of_one_that_ended);
    tcase_add_test(t, another_thread_is_told_that_the_pair_is_busy);
    suite_add_tcase(suite, t);

    t = tcase_create("deaths");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, begin, term);
    tcase_add_test(t, what_a_killed_sender_had_sent_comes_and_then_the_close);
    tcase_add_test(t, a_sender_killed_at_any_moment_leaves_a_beginning);
    tcase_add_test(t, a_receiver_killed_at_any_moment_loses_and_doubles_nothing);
    tcase_add_test(t, both_learn_of_the_brokers_death);
    suite_add_tcase(suite, t);

    t = tcase_create("selects");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, begin, term);
    tcase_add_test(t, a_select_takes_from_pairs_and_shared_channels);
    tcase_add_test(t, a_select_sends_on_a_pair_or_receives);
    tcase_add_test(t, a_deadline_expires_or_the_value_came);
    tcase_add_test(t, a_send_expires_or_the_value_was_sent);
    tcase_add_test(t, a_select_waits_for_64_pairs);
    suite_add_tcase(suite, t);

    t = tcase_create("recalls");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, begin, term);
    tcase_add_test(t, values_with_a_channel_attached_keep_their_place);
    tcase_add_test(t, who_waits_while_a_pair_comes_and_goes_gets_the_next_value);
    tcase_add_test(t, a_window_bounds_what_is_sent_beyond_the_capacity);
    tcase_add_test(t, blocks_come_as_blocks);
    tcase_add_test(t, where_descriptors_are_short_it_stays_with_the_broker);
    suite_add_tcase(suite, t);
    return suite;
}
