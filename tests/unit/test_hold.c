/* SPDX-License-Identifier: MPL-2.0 */
/* Values that a stream holds: section 6 of docs/protocol.md. A channel of capacity 1 whose receiver takes nothing yet
 * makes it sure that values are held: the second value that is put is outstanding, so what is put after it waits. */
#include "block.h"
#include "expect.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

Suite *hold_suite(void);

enum { HELD = 100, MANY = 20000, WINDOW = 1 << 20 };

static csp_chan c, d;
static atomic_int *flag; /* shared with children */

static void setup(void)
{
    flag = shared_memory(sizeof *flag);
}

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    munmap(flag, sizeof *flag);
}

static int put_numbers(csp_chan to, long from, long n)
{
    for (long i = from; i < from + n; i++)
        if (csp_send(to, &i, sizeof i, soon()) != 0)
            return -1;
    return 0;
}

static void take_numbers(csp_chan of, long from, long n)
{
    for (long i = from; i < from + n; i++) {
        long value = -1;
        ck_assert_msg(csp_recv(of, &value, sizeof value, soon()) == sizeof value, "value %ld: %s", i, csp_errmsg());
        ck_assert_int_eq(value, i);
    }
}

static int begin(size_t window)
{
    return csp_stream(c, CSP_SEND, window) != 0 ? -1 : put_numbers(c, 0, HELD);
}

/* ---- the holder */

static int computes(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    csp_time by = soon();
    while (atomic_load(flag) == 0) /* nothing of the library is called */
        CHILD_ASSERT(csp_now() < by);
    return 0;
}

START_TEST(a_held_value_arrives_though_its_sender_only_computes)
{
    c = make(1);
    csp_proc p = go(computes, NULL);
    take_numbers(c, 0, HELD);
    atomic_store(flag, 1);
    ended_well(p);
}
END_TEST

static void *holds(void *arg)
{
    csp_chan of = *(csp_chan *)arg;
    csp_time by = soon();
    if (csp_stream(of, CSP_SEND, WINDOW) != 0 || put_numbers(of, 0, HELD) != 0)
        return arg;
    while (atomic_load(flag) == 0)
        if (csp_now() > by)
            return arg;
    return NULL;
}

START_TEST(the_values_of_each_thread_are_sent)
{
    pthread_t threads[3];
    csp_chan of[3];
    void *wrong;
    for (size_t i = 0; i < 3; i++) {
        of[i] = make(1);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, holds, &of[i]), 0);
    }
    for (int i = 2; i >= 0; i--)
        take_numbers(of[i], 0, HELD);
    atomic_store(flag, 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

static int holds_here_and_in_a_child(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(d, CSP_RECV) == 0);
    return computes(NULL);
}

START_TEST(a_process_forked_while_another_holds_has_a_holder_of_its_own)
{
    c = make(1);
    d = make(1);
    ASSERT_OK(csp_stream(d, CSP_SEND, WINDOW));
    ASSERT_OK(put_numbers(d, 0, HELD));
    csp_proc p = go(holds_here_and_in_a_child, NULL);
    ASSERT_OK(put_numbers(d, HELD, HELD)); /* and here it goes on */
    take_numbers(c, 0, HELD);
    take_numbers(d, 0, 2L * HELD);
    atomic_store(flag, 1);
    ended_well(p);
}
END_TEST

START_TEST(a_run_after_another_holds_too)
{
    for (int i = 0; i < 3; i++) {
        c = make(1);
        ASSERT_OK(begin(WINDOW));
        csp_proc p = go(computes, NULL); /* its numbers come behind ours */
        take_numbers(c, 0, HELD);
        take_numbers(c, 0, HELD);
        atomic_store(flag, 1);
        ended_well(p);
        atomic_store(flag, 0);
        ck_assert_int_eq(csp_term(), 0);
        ASSERT_OK(csp_init());
    }
}
END_TEST

/* ---- order */

static int dies_after_an_offer(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0);
    pause();
    return 1;
}

START_TEST(what_is_held_goes_before_an_offer)
{
    c = make(1);
    d = make(0);
    csp_proc p = go(dies_after_an_offer, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ck_assert_int_eq(csp_recv(d, NULL, 0, soon()), 0);
    ck_assert_int_eq(kill(pid_of(p), SIGKILL), 0);
    take_numbers(c, 0, HELD);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, soon()), EPIPE);
    ended(p, CSP_SIGNAL, SIGKILL);
}
END_TEST

static int dies_after_a_drop(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    raise(SIGKILL);
    return 1;
}

START_TEST(what_is_held_goes_before_a_drop)
{
    c = make(1);
    csp_proc p = go(dies_after_a_drop, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    take_numbers(c, 0, HELD);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, soon()), EPIPE);
    ended(p, CSP_SIGNAL, SIGKILL);
}
END_TEST

static int closes(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    CHILD_ASSERT(csp_close(c) == 0);
    return 0;
}

START_TEST(what_is_held_goes_before_a_close)
{
    c = make(1);
    csp_proc p = go(closes, NULL);
    take_numbers(c, 0, HELD);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, soon()), EPIPE);
    ended_well(p);
}
END_TEST

static int flushes_and_dies(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    CHILD_ASSERT(csp_flush(c, CSP_NOW) == -1 && errno == EAGAIN);
    CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0);
    raise(SIGKILL);
    return 1;
}

START_TEST(a_flush_that_may_not_wait_sends_what_is_held)
{
    c = make(1);
    d = make(0);
    csp_proc p = go(flushes_and_dies, NULL);
    ck_assert_int_eq(csp_recv(d, NULL, 0, soon()), 0);
    take_numbers(c, 0, HELD);
    ended(p, CSP_SIGNAL, SIGKILL);
}
END_TEST

static int goes(void *arg)
{
    (void)arg;
    long value;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    for (long i = 0; i < 2L * HELD; i++)
        CHILD_ASSERT(csp_recv(c, &value, sizeof value, soon()) == sizeof value && value == i);
    CHILD_ASSERT(csp_recv(c, &value, sizeof value, soon()) == -1 && errno == EPIPE);
    return 0;
}

START_TEST(what_is_held_is_no_matter_of_a_child_that_is_forked)
{
    c = make(1);
    ASSERT_OK(begin(WINDOW));
    csp_proc p = go(goes, NULL);
    ASSERT_OK(put_numbers(c, HELD, HELD));
    ASSERT_OK(csp_close(c));
    ended_well(p);
}
END_TEST

/* ---- the sender's end */

static int returns(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    return 0;
}

static int exits(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    exit(0);
}

static int terms(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    CHILD_ASSERT(csp_term() == 0);
    return 0;
}

static int (*const ends[])(void *) = {returns, exits, terms};

START_TEST(what_is_held_at_an_end_that_is_told_counts)
{
    c = make(1);
    csp_proc p = go(ends[_i], NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    take_numbers(c, 0, HELD);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, soon()), EPIPE);
    ended_well(p);
}
END_TEST

static int is_killed(void *arg)
{
    (void)arg;
    CHILD_ASSERT(begin(WINDOW) == 0);
    raise(SIGKILL);
    return 1;
}

START_TEST(of_a_sender_that_is_killed_what_was_sent_counts)
{
    long value, n = 0;
    csp_exit why;
    c = make(1);
    csp_proc p = go(is_killed, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    while (csp_recv(c, &value, sizeof value, soon()) == sizeof value)
        ck_assert_int_eq(value, n++);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_le(n, HELD);
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert(why.how == CSP_SIGNAL && why.code == SIGKILL);
    ended(p, CSP_SIGNAL, SIGKILL);
}
END_TEST

static int holds_what_nobody_takes(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    CHILD_ASSERT(begin(WINDOW) == 0);
    CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0);
    csp_time by = soon();
    while (put_numbers(c, 0, 1) == 0)
        CHILD_ASSERT(csp_now() < by);
    CHILD_ASSERT(errno == EPIPE);
    CHILD_ASSERT(csp_flush(c, soon()) == -1 && errno == EPIPE);
    return 0;
}

START_TEST(who_holds_learns_that_nobody_receives)
{
    c = make(1);
    d = make(0);
    csp_proc p = go(holds_what_nobody_takes, NULL);
    ck_assert_int_eq(csp_recv(d, NULL, 0, soon()), 0);
    ASSERT_OK(csp_drop(c, CSP_RECV));
    ended_well(p);
}
END_TEST

/* ---- bounds and fairness */

START_TEST(held_values_are_within_the_window_and_the_capacity)
{
    static const char ten[10];
    c = make(3);
    ASSERT_OK(csp_stream(c, CSP_SEND, 1000));
    for (int i = 0; i < 103; i++)
        ASSERT_OK(csp_send(c, ten, sizeof ten, soon()));
    ASSERT_ERRNO(csp_send(c, ten, sizeof ten, csp_in(100)), ETIMEDOUT);
    ck_assert_int_eq(stat_number("channel", c, 4), 3);
}
END_TEST

static int sends_on_both(void *arg)
{
    (void)arg;
    long i = 0;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0 && csp_drop(d, CSP_RECV) == 0);
    while (csp_recv(c, &i, sizeof i, soon()) == sizeof i)
        if (i % 50 == 0)
            CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0 || errno == EPIPE);
    return 0;
}

START_TEST(a_stream_that_holds_does_not_starve_the_shared_cases_of_a_select)
{
    int heard = 0;
    c = make(100);
    d = make(0);
    csp_proc p = go(sends_on_both, NULL);
    ASSERT_OK(csp_drop(c, CSP_RECV));
    ASSERT_OK(csp_stream(c, CSP_SEND, 4096));
    for (long i = 0; heard < 10; i++) {
        csp_case cases[] = {csp_on_send(c, &i, sizeof i), csp_on_recv(d, NULL, 0)};
        int which = csp_select(cases, 2, soon());
        ck_assert_msg(which >= 0 && i < MANY, "after %ld values: %s", i, csp_errmsg());
        heard += which;
        i -= which;
    }
    ASSERT_OK(csp_drop(d, CSP_RECV));
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ASSERT_OK(csp_wait(p, NULL, soon()));
}
END_TEST

/* ---- frames */

static int sends_fast(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_stream(c, CSP_SEND, WINDOW) == 0);
    CHILD_ASSERT(put_numbers(c, 0, MANY) == 0);
    return 0;
}

static int sends_slowly(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_stream(c, CSP_SEND, WINDOW) == 0);
    for (long i = 0; i < HELD; i++)
        CHILD_ASSERT(put_numbers(c, i, 1) == 0 && csp_flush(c, soon()) == 0);
    return 0;
}

/* Receives all of a child's values by blocks: how many those were. */
static int count_blocks(int (*fn)(void *), long values)
{
    int blocks = 0;
    c = make(MANY);
    csp_proc p = go(fn, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ASSERT_OK(csp_stream(c, CSP_RECV, WINDOW));
    for (long n = 0; n < values; blocks++) {
        csp__block b;
        ASSERT_OK(csp__take_block(c, &b, soon()));
        for (size_t i = 0; i < b.count; i++, n++)
            ck_assert_mem_eq(b.data + i * sizeof n, &n, sizeof n);
        csp__block_free(&b);
    }
    ended_well(p);
    return blocks;
}

START_TEST(who_sends_fast_sends_many_values_a_frame)
{
    ck_assert_int_lt(count_blocks(sends_fast, MANY), MANY / 10);
}
END_TEST

START_TEST(who_sends_slowly_sends_one_value_a_frame)
{
    ck_assert_int_eq(count_blocks(sends_slowly, HELD), HELD);
}
END_TEST

/* PUT frames in a record; *values: what they have. */
static int count_puts(const char *path, long *values)
{
    char line[512], type[32];
    unsigned long count;
    int puts = 0;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "frame\t%*s\t%*s\t%*s\t%31s\t%*s\t%*s\t%*s\t%lu", type, &count) == 2 &&
            strcmp(type, "PUT") == 0) {
            puts++;
            *values += (long)count;
        }
    fclose(f);
    return puts;
}

START_TEST(nothing_is_held_in_a_run_that_is_recorded)
{
    char path[4096];
    long values = 0;
    snprintf(path, sizeof path, "%s/record", runtime_dir());
    setenv("CSP_RECORD", path, 1);
    c = make(1);
    unsetenv("CSP_RECORD");
    ASSERT_OK(begin(WINDOW));
    take_numbers(c, 0, HELD);
    term();
    ck_assert_int_eq(count_puts(path, &values), HELD);
    ck_assert_int_eq(values, HELD);
    unlink(path);
    setup();
}
END_TEST

Suite *hold_suite(void)
{
    Suite *s = suite_create("hold");
    TCase *t = tcase_create("hold");
    tcase_add_checked_fixture(t, setup, term);
    tcase_add_test(t, a_held_value_arrives_though_its_sender_only_computes);
    tcase_add_test(t, the_values_of_each_thread_are_sent);
    tcase_add_test(t, a_process_forked_while_another_holds_has_a_holder_of_its_own);
    tcase_add_test(t, a_run_after_another_holds_too);
    tcase_add_test(t, what_is_held_goes_before_an_offer);
    tcase_add_test(t, what_is_held_goes_before_a_drop);
    tcase_add_test(t, what_is_held_goes_before_a_close);
    tcase_add_test(t, a_flush_that_may_not_wait_sends_what_is_held);
    tcase_add_test(t, what_is_held_is_no_matter_of_a_child_that_is_forked);
    tcase_add_loop_test(t, what_is_held_at_an_end_that_is_told_counts, 0, sizeof ends / sizeof *ends);
    tcase_add_test(t, of_a_sender_that_is_killed_what_was_sent_counts);
    tcase_add_test(t, who_holds_learns_that_nobody_receives);
    tcase_add_test(t, held_values_are_within_the_window_and_the_capacity);
    tcase_add_test(t, a_stream_that_holds_does_not_starve_the_shared_cases_of_a_select);
    tcase_add_test(t, who_sends_fast_sends_many_values_a_frame);
    tcase_add_test(t, who_sends_slowly_sends_one_value_a_frame);
    tcase_add_test(t, nothing_is_held_in_a_run_that_is_recorded);
    suite_add_tcase(s, t);
    return s;
}
