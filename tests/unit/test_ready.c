/* SPDX-License-Identifier: MPL-2.0 */
/* Selects that this process decides by a look at its own memory: the draw among many, and that what was seen at the
 * last select is never taken for what is there at this one. */
#include "expect.h"

Suite *ready_suite(void);

enum { CASES = 64, DRAWS = 3200, EACH = 300, WINDOW = 1 << 20 };

static csp_chan many[CASES], c, d, e, filled;
static csp_case cases[CASES];

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

static csp_time long_by(void)
{
    return csp_in(100000);
}

static void make_stream(csp_chan chan)
{
    ASSERT_OK(csp_stream(chan, CSP_RECV, WINDOW));
}

/* A stream of this thread, with this number in it. */
static csp_chan stream_with(long n)
{
    csp_chan chan = make(4);
    make_stream(chan);
    send_number(chan, n);
    return chan;
}

/* The select takes the number from the case of this index. */
static void takes(csp_case *of, size_t count, int index, const long *into, long n)
{
    int chosen = csp_select(of, count, soon());
    ck_assert_msg(chosen == index, "chosen is %d: %s", chosen, csp_errmsg());
    ck_assert_int_eq(of[chosen].err, 0);
    ck_assert_uint_eq(of[chosen].len, sizeof n);
    ck_assert_int_eq(*into, n);
}

/* ---- the draw */

/* One number first, so that the receiving streams come up; then many, when the parent has those. */
static int fill_all(void *arg)
{
    (void)arg;
    for (long i = 0; i < CASES; i++)
        CHILD_ASSERT(csp_send(many[i], &i, sizeof i, long_by()) == 0);
    CHILD_ASSERT(csp_recv(filled, NULL, 0, long_by()) == 0);
    for (long n = 0; n < EACH; n++)
        for (int i = 0; i < CASES; i++)
            CHILD_ASSERT(csp_send(many[i], &n, sizeof n, long_by()) == 0);
    CHILD_ASSERT(csp_send(filled, NULL, 0, long_by()) == 0);
    return csp_recv(filled, NULL, 0, long_by()) == 0 ? 0 : 1;
}

/* Waits until each has a value in this process: one that is too long for its buffer stays. */
static void until_all_are_ready(void)
{
    for (int i = 0; i < CASES; i++)
        ASSERT_ERRNO(csp_recv(many[i], NULL, 0, long_by()), EMSGSIZE);
}

/* Each is drawn about as often as the others: Pearson's sum is within 10 sigma, of 63 degrees of freedom. */
static void draws_are_fair(csp_chan (*make_one)(void))
{
    long n = 0, hits[CASES] = {0}, next[CASES] = {0};
    double sum = 0, mean = (double)DRAWS / CASES;
    filled = make(0);
    for (int i = 0; i < CASES; i++) {
        many[i] = make_one();
        cases[i] = csp_on_recv(many[i], &n, sizeof n);
    }
    csp_proc p = go(fill_all, NULL);
    for (int i = 0; i < CASES; i++)
        ck_assert_int_eq(csp_recv(many[i], &n, sizeof n, long_by()), sizeof n);
    ASSERT_OK(csp_send(filled, NULL, 0, long_by()));
    ASSERT_OK(csp_recv(filled, NULL, 0, long_by()));
    for (int i = 0; i < DRAWS; i++) {
        until_all_are_ready();
        int k = csp_select(cases, CASES, long_by());
        ck_assert(k >= 0 && cases[k].err == 0);
        ck_assert_int_eq(n, next[k]++);
        hits[k]++;
    }
    for (int i = 0; i < CASES; i++)
        sum += ((double)hits[i] - mean) * ((double)hits[i] - mean) / mean;
    ck_assert_msg(sum < 175, "Pearson's sum is %f", sum);
    ASSERT_OK(csp_send(filled, NULL, 0, long_by()));
    ended_well(p);
}

static csp_chan new_pair(void)
{
    csp_chan pair = csp_pair(EACH + 1);
    ck_assert_msg(pair != 0, "csp_pair: %s", csp_errmsg());
    return pair;
}

static csp_chan new_stream(void)
{
    csp_chan chan = make(EACH + 1);
    make_stream(chan);
    return chan;
}

START_TEST(among_64_ready_pairs_the_draw_is_fair)
{
    draws_are_fair(new_pair);
}

START_TEST(among_64_ready_streams_the_draw_is_fair)
{
    draws_are_fair(new_stream);
}

START_TEST(in_order_the_first_stream_with_a_value_is_taken)
{
    long n = -1;
    c = make(4);
    make_stream(c);
    d = stream_with(1);
    e = stream_with(2);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, sizeof n), csp_on_recv(e, &n, sizeof n)};
    send_number(d, 3);
    send_number(c, 4);
    takes(of, 1, 0, &n, 4); /* so what was sent before it is here, too */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(csp_select_first(of, 3, soon()), i < 2 ? 1 : 2);
        ck_assert_int_eq(n, i == 0 ? 1 : i == 1 ? 3 : 2);
    }
}

/* ---- another array at the same address */

START_TEST(other_channels_in_the_same_array_are_not_taken_for_the_old_ones)
{
    long n = -1;
    c = stream_with(1);
    d = stream_with(10);
    e = stream_with(20);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_time(CSP_FOREVER)};
    takes(of, 2, 0, &n, 1);
    send_number(c, 2);
    of[0].chan = d;
    takes(of, 2, 0, &n, 10);
    of[1] = csp_on_recv(e, &n, sizeof n);
    of[0].chan = 0;
    takes(of, 2, 1, &n, 20);
    of[0].chan = c;
    takes(of, 2, 0, &n, 2);
}

START_TEST(a_stream_made_in_the_memory_of_a_dropped_one_is_another)
{
    long n = -1;
    c = stream_with(1);
    d = stream_with(2);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n)};
    takes(of, 1, 0, &n, 1);
    ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    e = stream_with(3);
    ASSERT_ERRNO(csp_select(of, 1, soon()), EBADF);
    ck_assert_int_eq(of[0].err, EBADF);
    csp_case two[] = {csp_on_recv(e, &n, sizeof n), csp_on_time(CSP_FOREVER)};
    takes(two, 2, 0, &n, 3);
}

START_TEST(a_stream_that_ended_is_a_channel_again)
{
    long n = -1;
    c = stream_with(1);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n)};
    takes(of, 1, 0, &n, 1);
    csp_chan left = make(1);
    csp_msg with = {.chan = c};
    ASSERT_OK(csp_send_msg(left, &with, soon())); /* its ends are on the way, and come back */
    ASSERT_OK(csp_drop(c, CSP_RECV));
    csp_msg got;
    ASSERT_OK(csp_recv_msg(left, &got, soon()));
    ck_assert_uint_eq(got.chan, c);
    csp_msg_free(&got);
    send_number(c, 2);
    takes(of, 1, 0, &n, 2);
    make_stream(c);
    send_number(c, 3);
    takes(of, 1, 0, &n, 3);
}

START_TEST(a_value_too_long_once_is_the_first_of_its_stream)
{
    char big[16];
    c = make(4);
    d = stream_with(1);
    ASSERT_OK(csp_send(c, "too long", 9, soon()));
    ASSERT_OK(csp_send(c, "b", 2, soon()));
    csp_case of[] = {csp_on_recv(c, big, 1), csp_on_time(CSP_FOREVER)};
    ck_assert_int_eq(csp_select(of, 2, soon()), 0);
    ck_assert_int_eq(of[0].err, EMSGSIZE);
    ck_assert_uint_eq(of[0].len, 9);
    make_stream(c);
    of[0] = csp_on_recv(c, big, sizeof big);
    ck_assert_int_eq(csp_select(of, 2, soon()), 0);
    ck_assert_int_eq(of[0].err, 0);
    ck_assert_str_eq(big, "too long");
    ck_assert_int_eq(csp_select(of, 2, soon()), 0);
    ck_assert_str_eq(big, "b");
}

START_TEST(on_a_stream_a_value_too_long_stays)
{
    char big[16] = "";
    c = make(4);
    make_stream(c);
    ASSERT_OK(csp_send(c, "too long", 9, soon()));
    csp_case of[] = {csp_on_recv(c, big, 1)};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(csp_select(of, 1, soon()), 0);
        ck_assert_int_eq(of[0].err, EMSGSIZE);
        ck_assert_uint_eq(of[0].len, 9);
    }
    of[0] = csp_on_recv(c, big, sizeof big);
    ck_assert_int_eq(csp_select(of, 1, soon()), 0);
    ck_assert_int_eq(of[0].err, 0);
    ck_assert_str_eq(big, "too long");
}

/* ---- beside others */

START_TEST(a_bad_case_beside_ready_ones_is_an_error)
{
    long n = -1;
    c = stream_with(1);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(c, NULL, 1), csp_on_tick(NULL)};
    ASSERT_ERRNO(csp_select(of, 2, soon()), EINVAL);
    of[1] = of[2];
    ASSERT_ERRNO(csp_select(of, 2, soon()), EINVAL);
    of[1] = (csp_case){.op = 1};
    ASSERT_ERRNO(csp_select(of, 2, soon()), EINVAL);
    takes(of, 1, 0, &n, 1);
}

START_TEST(a_shared_case_that_comes_among_streams_has_its_turn)
{
    enum { VALUES = 100 };
    long n = -1;
    c = make(VALUES);
    make_stream(c);
    for (long i = 0; i < VALUES; i++)
        send_number(c, i);
    d = make(1);
    send_number(d, -2);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_time(CSP_FOREVER)};
    for (long i = 0; i < VALUES / 2; i++)
        takes(of, 2, 0, &n, i);
    of[1] = csp_on_recv(d, &n, sizeof n);
    int since = 0;
    while (csp_select(of, 2, soon()) == 0)
        ck_assert_int_lt(++since, 8);
    ck_assert_int_eq(n, -2);
}

START_TEST(a_timer_that_is_due_is_drawn_with_the_values)
{
    enum { VALUES = 1000 };
    long n = -1, due = 0;
    c = make(VALUES);
    make_stream(c);
    for (long i = 0; i < VALUES; i++)
        send_number(c, i);
    csp_tick tick = {.next = csp_in(-50), .every = 1};
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_time(CSP_FOREVER), csp_on_time(csp_in(1000000)),
                     csp_on_tick(&tick)};
    for (int i = 0; i < VALUES; i++) {
        csp_time before = tick.next;
        int k = csp_select(of, 4, soon());
        ck_assert(k == 0 || k == 3);
        ck_assert(k == 3 ? tick.next > before : tick.next == before);
        due += k == 3;
    }
    ck_assert_int_gt(due, 500 - 158); /* 10 sigma */
    ck_assert_int_lt(due, 500 + 158);
}

START_TEST(a_send_on_a_stream_is_drawn_with_the_values)
{
    enum { VALUES = 1000 };
    long n = -1, m = 7, sent = 0;
    c = make(VALUES);
    make_stream(c);
    d = make(VALUES);
    ASSERT_OK(csp_stream(d, CSP_SEND, WINDOW));
    for (long i = 0; i < VALUES; i++)
        send_number(c, i);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_send(d, &m, sizeof m)};
    for (int i = 0; i < VALUES; i++) {
        int k = csp_select(of, 2, soon());
        ck_assert(k >= 0 && of[k].err == 0);
        sent += k == 1;
    }
    ck_assert_int_gt(sent, 500 - 158);
    ck_assert_int_lt(sent, 500 + 158);
    for (long i = 0; i < sent; i++) {
        ck_assert_int_eq(csp_recv(d, &n, sizeof n, soon()), sizeof n);
        ck_assert_int_eq(n, 7);
    }
    ASSERT_ERRNO(csp_recv(d, &n, sizeof n, csp_in(20)), ETIMEDOUT);
}

START_TEST(a_case_keeps_no_error_of_an_earlier_call)
{
    long n = -1;
    c = stream_with(1);
    d = stream_with(2);
    csp_case of[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, 1)};
    of[0].chan = 0;
    ck_assert_int_eq(csp_select(of, 2, soon()), 1);
    ck_assert_int_eq(of[1].err, EMSGSIZE);
    of[0].chan = c;
    of[1].chan = 0;
    takes(of, 2, 0, &n, 1);
    ck_assert_int_eq(of[1].err, 0);
}

Suite *ready_suite(void)
{
    Suite *suite = suite_create("ready");
    TCase *t = tcase_create("ready");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, among_64_ready_pairs_the_draw_is_fair);
    tcase_add_test(t, among_64_ready_streams_the_draw_is_fair);
    tcase_add_test(t, in_order_the_first_stream_with_a_value_is_taken);
    tcase_add_test(t, other_channels_in_the_same_array_are_not_taken_for_the_old_ones);
    tcase_add_test(t, a_stream_made_in_the_memory_of_a_dropped_one_is_another);
    tcase_add_test(t, a_stream_that_ended_is_a_channel_again);
    tcase_add_test(t, a_value_too_long_once_is_the_first_of_its_stream);
    tcase_add_test(t, on_a_stream_a_value_too_long_stays);
    tcase_add_test(t, a_bad_case_beside_ready_ones_is_an_error);
    tcase_add_test(t, a_shared_case_that_comes_among_streams_has_its_turn);
    tcase_add_test(t, a_timer_that_is_due_is_drawn_with_the_values);
    tcase_add_test(t, a_send_on_a_stream_is_drawn_with_the_values);
    tcase_add_test(t, a_case_keeps_no_error_of_an_earlier_call);
    suite_add_tcase(suite, t);
    return suite;
}
