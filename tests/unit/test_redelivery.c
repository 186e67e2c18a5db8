/* SPDX-License-Identifier: MPL-2.0 */
/* Leases through csp.h: what was received and not done comes again, what was done does not. Decision: each test of a
 * receiver runs twice, with receives that ask the broker and with a stream, which takes from what was delivered ahead:
 * the rules are the same. A child that is to die at a point says so in shared memory and stops there; its parent
 * kills it. */
#include "block.h"
#include "expect.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

Suite *redelivery_suite(void);

enum { WINDOW = 4096, BOTH = 2, MS = 1000000, LEASED = 15 /* STAT's field */ };

static csp_chan jobs, dead;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

static csp_time later(void)
{
    return csp_in(100000);
}

static csp_chan leased(size_t capacity, unsigned attempts, csp_time least, csp_chan letters)
{
    csp_chan c = make(capacity);
    const csp_retry r = {.attempts = attempts, .least = least, .most = least, .dead = letters};
    ASSERT_OK(csp_set_retry(c, &r));
    return c;
}

/* Jobs, with values 1 to n in it, which this process receives by streams or not. */
static void prepare(int streams, long n)
{
    jobs = leased(1000, 10, 0, 0);
    for (long i = 1; i <= n; i++)
        send_number(jobs, i);
    if (streams)
        ASSERT_OK(csp_stream(jobs, CSP_RECV, WINDOW));
}

static csp_msg next(csp_chan c)
{
    csp_msg m;
    ck_assert_msg(csp_recv_msg(c, &m, later()) == 0, "csp_recv_msg: %s", csp_errmsg());
    return m;
}

static long number_in(const csp_msg *m)
{
    long n;
    ck_assert_uint_eq(m->len, sizeof n);
    memcpy(&n, m->data, sizeof n);
    return n;
}

/* The next value of c is n, with these tries; its id. It is acknowledged if it can be. */
static uint64_t expect_next(csp_chan c, long n, unsigned tries)
{
    csp_msg m = next(c);
    uint64_t id = m.id;
    ck_assert_int_eq(number_in(&m), n);
    ck_assert_uint_eq(m.tries, tries);
    ck_assert_uint_ne(id, 0);
    ASSERT_OK(csp_ack(id));
    csp_msg_free(&m);
    return id;
}

/* ---- children */

static struct told {
    atomic_long reached; /* values that it received, or what it says otherwise */
    atomic_ulong id;
} * told;

static int is_streaming;

static int begin(void)
{
    return is_streaming ? csp_stream(jobs, CSP_RECV, WINDOW) : 0;
}

static int stop(void)
{
    for (;;)
        pause();
    return 0;
}

static csp_proc start(int (*fn)(void *), long n, int streams)
{
    static long number;
    number = n;
    is_streaming = streams;
    told = shared_memory(sizeof *told);
    return go(fn, &number);
}

static void until_reached(long n)
{
    csp_time by = later();
    while (atomic_load(&told->reached) != n) {
        ck_assert_msg(csp_now() < by, "a child does not come to %ld, but to %ld", n, atomic_load(&told->reached));
        usleep(1000);
    }
}

static void kill_it(csp_proc p)
{
    csp_exit why;
    ck_assert_int_eq(kill(pid_of(p), SIGKILL), 0);
    ASSERT_OK(csp_wait(p, &why, later()));
    ck_assert_int_eq(why.how, CSP_SIGNAL);
    until_state(p, "ended"); /* what it had sent was read, and what it held is back */
}

/* Receives n values, and acknowledges all but the last. */
static int take_messages(void *arg)
{
    CHILD_ASSERT(begin() == 0);
    for (long i = 1, n = *(long *)arg; i <= n; i++) {
        csp_msg m;
        CHILD_ASSERT(csp_recv_msg(jobs, &m, later()) == 0);
        if (i < n)
            CHILD_ASSERT(csp_ack(m.id) == 0);
        atomic_store(&told->id, m.id);
        csp_msg_free(&m);
    }
    CHILD_ASSERT(csp_why(jobs, NULL) == 0); /* what was said before the broker has heard */
    atomic_store(&told->reached, *(long *)arg);
    return stop();
}

/* The plain loop: n values, then it stops in the middle of the last. */
static int take_plain(void *arg)
{
    CHILD_ASSERT(begin() == 0);
    for (long i = 1, n = *(long *)arg, value; i <= n; i++)
        CHILD_ASSERT(csp_recv(jobs, &value, sizeof value, later()) == sizeof value && value == i);
    CHILD_ASSERT(csp_why(jobs, NULL) == 0);
    atomic_store(&told->reached, *(long *)arg);
    return stop();
}

/* The same, and returns 0, or 1 for a negative n. */
static int take_plain_and_end(void *arg)
{
    long n = *(long *)arg, value;
    CHILD_ASSERT(begin() == 0);
    for (long i = 1; i <= labs(n); i++)
        CHILD_ASSERT(csp_recv(jobs, &value, sizeof value, later()) == sizeof value);
    return n < 0;
}

static int take_plain_and_exit(void *arg)
{
    exit(take_plain_and_end(arg));
}

/* ---- ids */

START_TEST(a_value_has_an_id_and_a_try)
{
    prepare(_i, 2);
    uint64_t first = expect_next(jobs, 1, 1);
    ck_assert_uint_eq(expect_next(jobs, 2, 1), first + 1);
}

START_TEST(a_value_of_a_channel_without_retry_has_none)
{
    jobs = make(1);
    send_number(jobs, 1);
    csp_msg m = next(jobs);
    ck_assert(m.id == 0 && m.tries == 0 && m.reason == NULL);
    csp_msg_free(&m);
}

START_TEST(a_second_acknowledgement_is_enoent)
{
    prepare(_i, 1);
    uint64_t id = expect_next(jobs, 1, 1);
    ASSERT_ERRNO(csp_ack(id), ENOENT);
    ASSERT_ERRNO(csp_nack(id, CSP_NOW, NULL), ENOENT);
}

START_TEST(without_a_run_there_is_no_lease)
{
    ASSERT_ERRNO(csp_ack(1), ENOENT);
    ck_assert_ptr_null(csp__dir()); /* and none was started */
}

static int acknowledge_the_parents(void *arg)
{
    CHILD_ASSERT(csp_ack(*(uint64_t *)arg) == -1 && errno == ENOENT);
    return 0;
}

START_TEST(a_child_holds_no_lease_of_its_parents)
{
    prepare(_i, 1);
    csp_msg m = next(jobs);
    ended_well(go(acknowledge_the_parents, &m.id));
    ASSERT_OK(csp_ack(m.id));
    csp_msg_free(&m);
}

static void *acknowledge_here(void *id)
{
    return csp_ack(*(uint64_t *)id) == 0 ? NULL : id;
}

START_TEST(any_thread_may_acknowledge)
{
    prepare(_i, 1);
    csp_msg m = next(jobs);
    pthread_t t;
    void *result = NULL;
    ck_assert_int_eq(pthread_create(&t, NULL, acknowledge_here, &m.id), 0);
    pthread_join(t, &result);
    ck_assert_ptr_null(result);
    csp_msg_free(&m);
    ASSERT_OK(csp_close(jobs));
    ASSERT_ERRNO(csp_recv_msg(jobs, &m, later()), EPIPE);
}

/* ---- settings */

START_TEST(settings_out_of_their_range_are_einval)
{
    jobs = make(1);
    ASSERT_ERRNO(csp_set_retry(jobs, NULL), EINVAL);
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 0}), EINVAL);
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 1, .least = -1}), EINVAL);
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 1, .least = 2, .most = 1}), EINVAL);
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 1, .dead = jobs}), EINVAL);
    ASSERT_ERRNO(csp_set_retry(make(0), &(csp_retry){.attempts = 1}), EINVAL);
    ASSERT_ERRNO(csp_set_retry(csp_pair(1), &(csp_retry){.attempts = 1}), EINVAL);
}

START_TEST(settings_need_the_ends)
{
    jobs = make(1);
    dead = make(1);
    ASSERT_OK(csp_drop(dead, CSP_SEND | CSP_RECV));
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 1, .dead = dead}), EBADF);
    ASSERT_OK(csp_drop(jobs, CSP_RECV));
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 1}), EPERM);
}

START_TEST(settings_come_first)
{
    jobs = make(1);
    send_number(jobs, 1);
    ASSERT_ERRNO(csp_set_retry(jobs, &(csp_retry){.attempts = 1}), EBUSY);
}

/* ---- deaths */

START_TEST(what_a_killed_process_held_comes_again_with_its_id)
{
    prepare(0, 3);
    csp_proc p = start(take_messages, 2, _i);
    until_reached(2);
    kill_it(p);
    ck_assert_uint_eq(expect_next(jobs, 2, 2), atomic_load(&told->id)); /* in its place, before 3 */
    expect_next(jobs, 3, 1);
}

START_TEST(it_comes_again_to_who_waits)
{
    prepare(0, 1);
    csp_proc p = start(take_messages, 1, _i);
    until_reached(1);
    ck_assert_int_eq(kill(pid_of(p), SIGKILL), 0);
    expect_next(jobs, 1, 2);
    ended(p, CSP_SIGNAL, SIGKILL);
}

START_TEST(a_value_that_kills_every_receiver_counts_its_tries)
{
    prepare(0, 1);
    for (unsigned i = 0; i < 3; i++) {
        csp_proc p = start(take_messages, 1, _i);
        until_reached(1);
        kill_it(p);
    }
    expect_next(jobs, 1, 4);
}

/* ---- giving back */

START_TEST(a_value_given_back_comes_again_in_its_place)
{
    prepare(_i, 2);
    csp_msg m = next(jobs);
    ASSERT_OK(csp_nack(m.id, CSP_NOW, NULL));
    long first = 0;
    for (int i = 0; i < 2; i++) { /* 2 was perhaps delivered ahead */
        csp_msg again = next(jobs);
        if (number_in(&again) == 1) {
            ck_assert_uint_eq(again.id, m.id);
            ck_assert_uint_eq(again.tries, 2);
            first++;
        }
        ASSERT_OK(csp_ack(again.id));
        csp_msg_free(&again);
    }
    ck_assert_int_eq(first, 1);
    csp_msg_free(&m);
}

START_TEST(a_value_given_back_for_later_lets_others_pass)
{
    prepare(_i, 2);
    csp_msg m = next(jobs);
    ASSERT_OK(csp_nack(m.id, csp_in(3600000), "not yet"));
    expect_next(jobs, 2, 1);
    ASSERT_ERRNO(csp_recv(jobs, NULL, 0, CSP_NOW), EAGAIN);
    csp_msg_free(&m);
}

START_TEST(a_value_given_back_for_later_comes_then)
{
    prepare(_i, 1);
    csp_msg m = next(jobs);
    csp_time then = csp_in(100);
    ASSERT_OK(csp_nack(m.id, then, "not yet"));
    ck_assert_uint_eq(expect_next(jobs, 1, 2), m.id);
    ck_assert_int_ge(csp_now(), then);
    csp_msg_free(&m);
}

START_TEST(a_time_that_has_passed_is_at_once)
{
    prepare(_i, 1);
    csp_msg m = next(jobs);
    ASSERT_OK(csp_nack(m.id, 1, NULL));
    expect_next(jobs, 1, 2);
    csp_msg_free(&m);
}

START_TEST(a_back_off_is_that_of_the_channel)
{
    jobs = leased(4, 5, 200L * MS, 0);
    send_number(jobs, 1);
    if (_i)
        ASSERT_OK(csp_stream(jobs, CSP_RECV, WINDOW));
    csp_msg m = next(jobs);
    csp_time before = csp_now();
    ASSERT_OK(csp_nack(m.id, CSP_BACK_OFF, NULL));
    expect_next(jobs, 1, 2);
    ck_assert_int_ge(csp_now(), before + 200L * MS);
    csp_msg_free(&m);
}

START_TEST(a_time_that_is_none_is_einval)
{
    prepare(_i, 1);
    csp_msg m = next(jobs);
    ASSERT_ERRNO(csp_nack(m.id, -3, NULL), EINVAL);
    ASSERT_OK(csp_ack(m.id)); /* it is held still */
    csp_msg_free(&m);
}

/* ---- dead letters */

static void prepare_letters(int streams, unsigned attempts)
{
    dead = make(4);
    jobs = leased(4, attempts, 0, dead);
    send_number(jobs, 1);
    if (!streams)
        return;
    ASSERT_OK(csp_stream(jobs, CSP_RECV, WINDOW));
    ASSERT_OK(csp_stream(dead, CSP_RECV, WINDOW));
}

START_TEST(a_refused_value_is_a_dead_letter_with_its_reason)
{
    prepare_letters(_i, 5);
    csp_msg m = next(jobs);
    ASSERT_OK(csp_nack(m.id, CSP_FOREVER, "no such city"));
    csp_msg letter = next(dead);
    ck_assert_int_eq(number_in(&letter), 1);
    ck_assert_uint_eq(letter.id, m.id);
    ck_assert_uint_eq(letter.tries, 1);
    ck_assert_str_eq(letter.reason, "no such city");
    ASSERT_ERRNO(csp_ack(letter.id), ENOENT); /* that channel leases nothing */
    csp_msg_free(&m);
    csp_msg_free(&letter);
}

START_TEST(so_is_one_that_was_tried_as_often_as_it_may_be)
{
    prepare_letters(_i, 3);
    for (int i = 0; i < 3; i++) {
        csp_msg m = next(jobs);
        ASSERT_OK(csp_nack(m.id, CSP_NOW, "try again"));
        csp_msg_free(&m);
    }
    csp_msg letter = next(dead);
    ck_assert_uint_eq(letter.tries, 3);
    ck_assert_str_eq(letter.reason, "try again");
    csp_msg_free(&letter);
}

START_TEST(a_dead_letter_can_be_received_plainly)
{
    prepare_letters(_i, 5);
    csp_msg m = next(jobs);
    ASSERT_OK(csp_nack(m.id, CSP_FOREVER, "a reason"));
    ck_assert_int_eq(receive_number(dead), 1);
    csp_msg_free(&m);
}

START_TEST(a_long_reason_is_cut)
{
    char reason[3000];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    prepare_letters(_i, 5);
    csp_msg m = next(jobs);
    ASSERT_OK(csp_nack(m.id, CSP_FOREVER, reason));
    csp_msg letter = next(dead);
    ck_assert_uint_eq(strlen(letter.reason), 1024);
    csp_msg_free(&m);
    csp_msg_free(&letter);
}

/* ---- the plain loop */

START_TEST(a_loop_that_is_killed_has_done_all_but_its_last_value)
{
    prepare(0, 5);
    csp_proc p = start(take_plain, 3, _i);
    until_reached(3);
    kill_it(p);
    expect_next(jobs, 3, 2);
    expect_next(jobs, 4, 1);
}

START_TEST(a_loop_that_ends_well_has_done_its_last_value_too)
{
    prepare(0, 4);
    ended_well(start(take_plain_and_end, 3, _i));
    expect_next(jobs, 4, 1);
}

START_TEST(so_has_one_that_calls_exit)
{
    prepare(0, 4);
    ended_well(start(take_plain_and_exit, 3, _i));
    expect_next(jobs, 4, 1);
}

START_TEST(a_loop_that_fails_gives_its_last_value_back)
{
    prepare(0, 4);
    ended(start(take_plain_and_end, -3, _i), CSP_CODE, 1);
    expect_next(jobs, 3, 2);
    expect_next(jobs, 4, 1);
}

static int hold_the_ends(void *arg)
{
    (void)arg;
    return stop();
}

START_TEST(a_drop_does_the_last_value)
{
    prepare(_i, 1);
    ck_assert_int_eq(receive_number(jobs), 1);
    csp_proc p = start(hold_the_ends, 0, 0); /* so that the channel does not break */
    ck_assert_int_eq(stat_number("channel", jobs, LEASED), 1);
    ASSERT_OK(csp_drop(jobs, CSP_RECV));
    ck_assert_int_eq(stat_number("channel", jobs, LEASED), 0);
    kill_it(p);
}

static int is_threads_stream;

static void *receive_here(void *number)
{
    if (is_threads_stream && csp_stream(jobs, CSP_RECV, WINDOW) != 0)
        return NULL;
    (void)csp_recv(jobs, number, sizeof(long), later());
    return NULL;
}

START_TEST(the_end_of_a_thread_does_its_last_value)
{
    prepare(0, 2);
    pthread_t t;
    long n = -1;
    is_threads_stream = _i;
    ck_assert_int_eq(pthread_create(&t, NULL, receive_here, &n), 0);
    pthread_join(t, NULL);
    ck_assert_int_eq(n, 1);
    expect_next(jobs, 2, 1);
    ASSERT_OK(csp_close(jobs));
    csp_msg m;
    ASSERT_ERRNO(csp_recv_msg(jobs, &m, later()), EPIPE); /* nothing is leased any more */
}

START_TEST(a_select_does_the_value_of_the_last_one)
{
    prepare(_i, 2);
    csp_chan other = make(1);
    long n, m;
    csp_case both[] = {csp_on_recv(jobs, &n, sizeof n), csp_on_recv(other, &m, sizeof m)};
    csp_case only[] = {csp_on_recv(other, &m, sizeof m)};
    ck_assert_int_eq(csp_select(both, 2, later()), 0);
    send_number(other, 7);
    ck_assert_int_eq(csp_select(only, 1, later()), 0);
    (void)csp_why(jobs, NULL);
    ck_assert_int_eq(stat_number("channel", jobs, LEASED), 1); /* leased still: this did not receive from jobs */
    send_number(other, 8);
    csp_case first[] = {csp_on_recv(other, &m, sizeof m), csp_on_recv(jobs, &n, sizeof n)};
    ck_assert_int_eq(csp_select_first(first, 2, later()), 0);
    (void)csp_why(jobs, NULL);
    ck_assert_int_eq(stat_number("channel", jobs, LEASED), 0);
}

START_TEST(a_select_gives_ids)
{
    prepare(_i, 1);
    csp_msg m;
    csp_case cases[] = {csp_on_msg(jobs, &m), csp_on_time(later())};
    ck_assert_int_eq(csp_select(cases, 2, CSP_FOREVER), 0);
    ck_assert_uint_ne(m.id, 0);
    ck_assert_uint_eq(m.tries, 1);
    ASSERT_OK(csp_ack(m.id));
    csp_msg_free(&m);
}

/* ---- a buffer that is too small */

START_TEST(a_value_that_does_not_fit_is_leased_until_it_was_received)
{
    char small[1];
    prepare(_i, 2);
    ASSERT_ERRNO(csp_recv(jobs, small, sizeof small, later()), EMSGSIZE);
    expect_next(jobs, 1, 1);
    ASSERT_ERRNO(csp_recv(jobs, small, sizeof small, later()), EMSGSIZE);
    ck_assert_int_eq(receive_number(jobs), 2);
}

static int fail_to_take(void *arg)
{
    char small[1];
    (void)arg;
    CHILD_ASSERT(begin() == 0);
    CHILD_ASSERT(csp_recv(jobs, small, sizeof small, later()) == -1 && errno == EMSGSIZE);
    return 0;
}

START_TEST(one_that_was_never_received_goes_back)
{
    prepare(0, 1);
    ended_well(start(fail_to_take, 0, _i));
    csp_msg m = next(jobs);
    ck_assert_int_eq(number_in(&m), 1);
    ck_assert_uint_eq(m.tries, _i ? 1 : 2); /* a stream had not taken it */
    ASSERT_OK(csp_ack(m.id));
    csp_msg_free(&m);
}

/* ---- closing */

static int hold_then_give_back(void *arg)
{
    csp_msg m;
    csp_chan go_on = *(csp_chan *)arg;
    CHILD_ASSERT(begin() == 0);
    CHILD_ASSERT(csp_recv_msg(jobs, &m, later()) == 0);
    atomic_store(&told->reached, 1);
    long n;
    CHILD_ASSERT(csp_recv(go_on, &n, sizeof n, later()) == sizeof n);
    CHILD_ASSERT(n != 0 ? csp_nack(m.id, CSP_NOW, NULL) == 0 : csp_ack(m.id) == 0);
    csp_msg_free(&m);
    return 0;
}

static csp_proc start_holder(csp_chan *go_on, int streams)
{
    *go_on = make(1);
    told = shared_memory(sizeof *told);
    is_streaming = streams;
    csp_proc p = go(hold_then_give_back, go_on);
    until_reached(1);
    ASSERT_OK(csp_close(jobs));
    if (streams)
        ASSERT_OK(csp_stream(jobs, CSP_RECV, WINDOW));
    return p;
}

START_TEST(a_closed_channel_waits_for_what_another_holds)
{
    csp_chan go_on;
    csp_msg m;
    prepare(0, 1);
    csp_proc p = start_holder(&go_on, _i);
    ASSERT_ERRNO(csp_recv_msg(jobs, &m, csp_in(50)), ETIMEDOUT);
    send_number(go_on, 0);
    ASSERT_ERRNO(csp_recv_msg(jobs, &m, later()), EPIPE);
    ended_well(p);
}

START_TEST(what_is_given_back_to_a_closed_channel_can_be_received)
{
    csp_chan go_on;
    csp_msg m;
    prepare(0, 1);
    csp_proc p = start_holder(&go_on, _i);
    send_number(go_on, 1);
    expect_next(jobs, 1, 2);
    ASSERT_ERRNO(csp_recv_msg(jobs, &m, later()), EPIPE);
    ended_well(p);
}

START_TEST(who_holds_all_that_is_left_is_told_of_the_close)
{
    csp_msg m, none;
    prepare(_i, 1);
    ASSERT_OK(csp_close(jobs));
    m = next(jobs);
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE);
    ASSERT_OK(csp_nack(m.id, CSP_NOW, NULL));
    expect_next(jobs, 1, 2);
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE);
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE); /* for good */
    csp_msg_free(&m);
}

START_TEST(what_comes_back_later_to_a_closed_channel_can_be_waited_for)
{
    csp_msg m, none;
    prepare(_i, 1);
    ASSERT_OK(csp_close(jobs));
    m = next(jobs);
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE);
    ASSERT_OK(csp_nack(m.id, csp_in(100), NULL));
    expect_next(jobs, 1, 2);
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE);
    csp_msg_free(&m);
}

/* ---- programs */

START_TEST(what_was_written_to_a_program_is_done)
{
    char *argv[] = {"cat", NULL};
    char value[8];
    csp_msg none;
    jobs = leased(10, 5, 0, 0);
    dead = make(10); /* of what it prints */
    csp_proc p = csp_spawn(argv, jobs, dead);
    ck_assert_int_gt(p, 0);
    ASSERT_OK(csp_drop(dead, CSP_SEND));
    for (int i = 0; i < 3; i++)
        ASSERT_OK(csp_send(jobs, "line", 4, later()));
    ASSERT_OK(csp_close(jobs));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(csp_recv(dead, value, sizeof value, later()), 4);
    ended_well(p);
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE);
}

/* ---- one step */

/* A block of the two numbers. */
static csp__block block_of(const long numbers[2], const uint32_t lengths[2])
{
    return (csp__block){.data = (const char *)numbers, .len = 2 * sizeof *numbers, .lengths = lengths, .count = 2};
}

static const uint32_t lengths[2] = {sizeof(long), sizeof(long)};

static void prepare_results(void)
{
    prepare(1, 1);
    dead = make(10); /* of results */
    ASSERT_OK(csp_stream(dead, CSP_SEND, WINDOW));
}

START_TEST(staged_values_are_seen_when_they_are_settled)
{
    const long two[2] = {5, 6};
    prepare_results();
    csp_msg m = next(jobs);
    csp__block b = block_of(two, lengths);
    ASSERT_OK(csp__stage_block(dead, &b));
    ASSERT_ERRNO(csp_recv(dead, NULL, 0, csp_in(50)), ETIMEDOUT);
    ASSERT_OK(csp__settle(jobs, &m.id, 1));
    ASSERT_OK(csp_flush(dead, later()));
    ck_assert_int_eq(receive_number(dead), 5);
    ck_assert_int_eq(receive_number(dead), 6);
    ASSERT_OK(csp_send(dead, two, sizeof *two, later())); /* what counts as put is what the broker counts */
    ck_assert_int_eq(receive_number(dead), 5);
    ASSERT_OK(csp_close(jobs));
    csp_msg none;
    ASSERT_ERRNO(csp_recv_msg(jobs, &none, later()), EPIPE);
    csp_msg_free(&m);
}

START_TEST(staged_values_go_with_what_is_given_back)
{
    const long two[2] = {5, 6}, others[2] = {7, 8};
    prepare_results();
    csp_msg m = next(jobs);
    csp__block b = block_of(two, lengths);
    ASSERT_OK(csp__stage_block(dead, &b));
    ASSERT_OK(csp_nack(m.id, CSP_NOW, NULL));
    csp_msg again = next(jobs);
    ck_assert_uint_eq(again.id, m.id);
    b = block_of(others, lengths);
    ASSERT_OK(csp__stage_block(dead, &b));
    ASSERT_OK(csp__settle(jobs, &again.id, 1));
    ck_assert_int_eq(receive_number(dead), 7);
    ck_assert_int_eq(receive_number(dead), 8);
    csp_msg_free(&m);
    csp_msg_free(&again);
}

static int stage_and_stop(void *arg)
{
    const long two[2] = {5, 6};
    csp_msg m;
    (void)arg;
    CHILD_ASSERT(begin() == 0 && csp_stream(dead, CSP_SEND, WINDOW) == 0);
    CHILD_ASSERT(csp_recv_msg(jobs, &m, later()) == 0);
    csp__block b = block_of(two, lengths);
    CHILD_ASSERT(csp__stage_block(dead, &b) == 0);
    CHILD_ASSERT(csp_why(jobs, NULL) == 0);
    atomic_store(&told->reached, 1);
    return stop();
}

START_TEST(staged_values_of_a_killed_process_were_never_sent)
{
    prepare(0, 1);
    dead = make(10);
    csp_proc p = start(stage_and_stop, 0, _i);
    until_reached(1);
    kill_it(p);
    expect_next(jobs, 1, 2);
    ASSERT_OK(csp_close(dead));
    ASSERT_ERRNO(csp_recv(dead, NULL, 0, later()), EPIPE);
}

/* ---- */

Suite *redelivery_suite(void)
{
    Suite *s = suite_create("redelivery");
    TCase *t = tcase_create("redelivery");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_loop_test(t, a_value_has_an_id_and_a_try, 0, BOTH);
    tcase_add_loop_test(t, a_second_acknowledgement_is_enoent, 0, BOTH);
    tcase_add_loop_test(t, a_child_holds_no_lease_of_its_parents, 0, BOTH);
    tcase_add_loop_test(t, any_thread_may_acknowledge, 0, BOTH);
    tcase_add_loop_test(t, what_a_killed_process_held_comes_again_with_its_id, 0, BOTH);
    tcase_add_loop_test(t, it_comes_again_to_who_waits, 0, BOTH);
    tcase_add_loop_test(t, a_value_that_kills_every_receiver_counts_its_tries, 0, BOTH);
    tcase_add_loop_test(t, a_value_given_back_comes_again_in_its_place, 0, BOTH);
    tcase_add_loop_test(t, a_value_given_back_for_later_lets_others_pass, 0, BOTH);
    tcase_add_loop_test(t, a_value_given_back_for_later_comes_then, 0, BOTH);
    tcase_add_loop_test(t, a_time_that_has_passed_is_at_once, 0, BOTH);
    tcase_add_loop_test(t, a_back_off_is_that_of_the_channel, 0, BOTH);
    tcase_add_loop_test(t, a_time_that_is_none_is_einval, 0, BOTH);
    tcase_add_loop_test(t, a_refused_value_is_a_dead_letter_with_its_reason, 0, BOTH);
    tcase_add_loop_test(t, so_is_one_that_was_tried_as_often_as_it_may_be, 0, BOTH);
    tcase_add_loop_test(t, a_dead_letter_can_be_received_plainly, 0, BOTH);
    tcase_add_loop_test(t, a_long_reason_is_cut, 0, BOTH);
    tcase_add_loop_test(t, a_loop_that_is_killed_has_done_all_but_its_last_value, 0, BOTH);
    tcase_add_loop_test(t, a_loop_that_ends_well_has_done_its_last_value_too, 0, BOTH);
    tcase_add_loop_test(t, so_has_one_that_calls_exit, 0, BOTH);
    tcase_add_loop_test(t, a_loop_that_fails_gives_its_last_value_back, 0, BOTH);
    tcase_add_loop_test(t, a_drop_does_the_last_value, 0, BOTH);
    tcase_add_loop_test(t, the_end_of_a_thread_does_its_last_value, 0, BOTH);
    tcase_add_loop_test(t, a_select_does_the_value_of_the_last_one, 0, BOTH);
    tcase_add_loop_test(t, a_select_gives_ids, 0, BOTH);
    tcase_add_loop_test(t, a_value_that_does_not_fit_is_leased_until_it_was_received, 0, BOTH);
    tcase_add_loop_test(t, one_that_was_never_received_goes_back, 0, BOTH);
    tcase_add_loop_test(t, a_closed_channel_waits_for_what_another_holds, 0, BOTH);
    tcase_add_loop_test(t, what_is_given_back_to_a_closed_channel_can_be_received, 0, BOTH);
    tcase_add_loop_test(t, who_holds_all_that_is_left_is_told_of_the_close, 0, BOTH);
    tcase_add_loop_test(t, what_comes_back_later_to_a_closed_channel_can_be_waited_for, 0, BOTH);
    tcase_add_loop_test(t, staged_values_of_a_killed_process_were_never_sent, 0, BOTH);
    tcase_add_test(t, a_value_of_a_channel_without_retry_has_none);
    tcase_add_test(t, without_a_run_there_is_no_lease);
    tcase_add_test(t, settings_out_of_their_range_are_einval);
    tcase_add_test(t, settings_need_the_ends);
    tcase_add_test(t, settings_come_first);
    tcase_add_test(t, what_was_written_to_a_program_is_done);
    tcase_add_test(t, staged_values_are_seen_when_they_are_settled);
    tcase_add_test(t, staged_values_go_with_what_is_given_back);
    suite_add_tcase(s, t);
    return s;
}
