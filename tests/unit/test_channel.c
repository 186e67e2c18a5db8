/* SPDX-License-Identifier: MPL-2.0 */
/* Channels as semantics go: capacity, order, closing, ends, values of any size, channels in values, wait groups. */
#include "expect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *channel_suite(void);

static csp_chan c, d;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

/* ---- capacity and order */

START_TEST(a_buffer_is_first_in_first_out)
{
    c = make(100);
    for (long i = 0; i < 100; i++)
        send_number(c, i);
    for (long i = 0; i < 100; i++)
        ck_assert_int_eq(receive_number(c), i);
}

START_TEST(a_capacity_is_exact)
{
    for (size_t capacity = 0; capacity < 5; capacity++) {
        c = make(capacity);
        for (size_t i = 0; i < capacity; i++)
            ck_assert_int_eq(csp_send(c, "x", 1, CSP_NOW), 0);
        ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
        char value;
        if (capacity > 0) {
            ck_assert_int_eq(csp_recv(c, &value, 1, CSP_NOW), 1);
            ck_assert_int_eq(csp_send(c, "x", 1, CSP_NOW), 0);
            ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
        }
    }
}

#define WORKERS 6

static int take_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        long n;
        CHILD_ASSERT(csp_send(c, NULL, 0, soon()) == 0); /* the semaphore */
        CHILD_ASSERT(csp_recv(d, &n, sizeof n, soon()) == (ssize_t)sizeof n);
        n++;
        CHILD_ASSERT(n <= 3); /* so many are inside */
        CHILD_ASSERT(csp_send(d, &n, sizeof n, soon()) == 0);
        CHILD_ASSERT(csp_recv(d, &n, sizeof n, soon()) == (ssize_t)sizeof n);
        n--;
        CHILD_ASSERT(csp_send(d, &n, sizeof n, soon()) == 0);
        char token;
        CHILD_ASSERT(csp_recv(c, &token, 1, soon()) == 0);
    }
    return 0;
}

START_TEST(a_channel_of_capacity_3_is_a_semaphore_that_admits_3)
{
    csp_proc p[WORKERS];
    c = make(3);
    d = make(1);
    send_number(d, 0);
    for (int i = 0; i < WORKERS; i++)
        p[i] = go(take_turns, NULL);
    for (int i = 0; i < WORKERS; i++)
        ended_well(p[i]);
    ck_assert_int_eq(receive_number(d), 0);
}

static int send_three(void *arg)
{
    (void)arg;
    for (long i = 1; i <= 3; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, soon()) == 0);
    return 0;
}

START_TEST(a_receive_from_a_full_buffer_admits_the_waiting_sender)
{
    c = make(1);
    csp_proc p = go(send_three, NULL);
    for (long i = 1; i <= 3; i++)
        ck_assert_int_eq(receive_number(c), i);
    ended_well(p);
}

/* ---- rendezvous */

START_TEST(a_send_without_a_receiver_is_not_sent)
{
    char value;
    c = make(0);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_send(c, "x", 1, csp_in(20)), ETIMEDOUT);
    ASSERT_ERRNO(csp_send(c, "x", 1, csp_now() - 1), ETIMEDOUT);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_recv(c, &value, 1, csp_in(20)), ETIMEDOUT);
}

static int receive_one(void *arg)
{
    (void)arg;
    char value;
    CHILD_ASSERT(csp_recv(c, &value, 1, soon()) == 1 && value == 'x');
    return 0;
}

START_TEST(a_try_succeeds_when_a_partner_waits)
{
    c = make(0);
    csp_proc p = go(receive_one, NULL);
    until_waiting(p);
    ck_assert_int_eq(csp_send(c, "x", 1, CSP_NOW), 0);
    ended_well(p);
}

#define RACES 400

static int send_with_deadlines(void *arg)
{
    (void)arg;
    long sent = 0;
    for (long i = 0; i < RACES; i++)
        if (csp_send(c, &i, sizeof i, i % 40 == 39 ? soon() : csp_now() + i % 40 * 20000) == 0)
            sent++;
        else
            CHILD_ASSERT(errno == ETIMEDOUT);
    CHILD_ASSERT(csp_send(d, &sent, sizeof sent, soon()) == 0);
    return 0;
}

START_TEST(a_value_is_never_lost_to_a_deadline_that_races_with_it)
{
    long received = 0;
    long sent = -1;
    long last = -1;
    long n;
    c = make(0);
    d = make(1);
    csp_proc p = go(send_with_deadlines, NULL);
    while (sent < 0) {
        if (csp_recv(c, &n, sizeof n, csp_now() + 250000) > 0) {
            ck_assert_int_gt(n, last);
            last = n;
            received++;
        }
        if (csp_recv(d, &n, sizeof n, CSP_NOW) > 0)
            sent = n;
    }
    ck_assert_int_eq(received, sent);
    ck_assert_msg(sent > 0 && sent < RACES, "%ld of %d met: nothing raced", sent, RACES);
    ended_well(p);
}

/* ---- closing */

START_TEST(a_closed_channel_gives_what_it_holds_then_epipe_for_ever)
{
    char value;
    csp_exit why = {-1, -1};
    c = make(5);
    send_number(c, 1);
    send_number(c, 2);
    ck_assert_int_eq(csp_why(c, &why), 0);
    ck_assert_int_eq(csp_close(c), 0);
    ck_assert_int_eq(receive_number(c), 1);
    ck_assert_int_eq(receive_number(c), 2);
    for (int i = 0; i < 3; i++)
        ASSERT_ERRNO(csp_recv(c, &value, 1, soon()), EPIPE);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EPIPE);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EPIPE);
    ASSERT_ERRNO(csp_close(c), EPIPE);
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert_int_eq(why.how, CSP_CLEAN);
}

static int send_until_closed(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0);
    CHILD_ASSERT(csp_send(c, "x", 1, soon()) == -1 && errno == EPIPE);
    return 0;
}

static int receive_until_closed(void *arg)
{
    char value;
    (void)arg;
    CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0);
    CHILD_ASSERT(csp_recv(c, &value, 1, soon()) == -1 && errno == EPIPE);
    return 0;
}

static void close_under(int (*fn)(void *))
{
    csp_proc p[3];
    char token;
    c = make(0);
    d = make(0);
    for (int i = 0; i < 3; i++)
        p[i] = go(fn, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(csp_recv(d, &token, 1, soon()), 0);
    for (int i = 0; i < 3; i++)
        until_waiting(p[i]);
    ck_assert_int_eq(csp_close(c), 0);
    for (int i = 0; i < 3; i++)
        ended_well(p[i]);
}

START_TEST(closing_wakes_blocked_senders)
{
    close_under(send_until_closed);
}

START_TEST(closing_wakes_blocked_receivers)
{
    close_under(receive_until_closed);
}

/* ---- ends */

static int drop_and_wait(void *arg)
{
    (void)arg;
    char token;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    CHILD_ASSERT(csp_recv(d, &token, 1, soon()) == 0);
    return 0;
}

START_TEST(the_last_sending_end_closes_and_no_other)
{
    char value;
    c = make(1);
    d = make(0);
    csp_proc first = go(drop_and_wait, NULL);
    csp_proc second = go(drop_and_wait, NULL);
    send_number(c, 5);
    ck_assert_int_eq(csp_why(c, NULL), 0);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ck_assert_int_eq(receive_number(c), 5);
    ASSERT_ERRNO(csp_recv(c, &value, 1, soon()), EPIPE);
    ck_assert_int_eq(csp_send(d, NULL, 0, soon()), 0);
    ck_assert_int_eq(csp_send(d, NULL, 0, soon()), 0);
    ended_well(first);
    ended_well(second);
}

static int end_with(void *arg)
{
    const int *how = arg;
    if (*how == -SIGKILL)
        kill(getpid(), SIGKILL);
    return *how;
}

static void end_tells(int status, int how, int code)
{
    char value;
    csp_exit why = {-1, -1};
    c = make(1);
    csp_proc p = go(end_with, &status);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ASSERT_ERRNO(csp_recv(c, &value, 1, soon()), EPIPE);
    ended(p, how, code);
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert_msg(why.how == how && why.code == code, "how %d code %d", why.how, why.code);
}

START_TEST(why_tells_a_clean_end)
{
    end_tells(0, CSP_CLEAN, 0);
}

START_TEST(why_tells_an_exit_status)
{
    end_tells(3, CSP_CODE, 3);
}

START_TEST(why_tells_a_signal)
{
    end_tells(-SIGKILL, CSP_SIGNAL, SIGKILL);
}

static int send_to_nobody(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    CHILD_ASSERT(csp_send(c, "x", 1, soon()) == -1 && errno == EPIPE);
    CHILD_ASSERT(csp_send(c, "x", 1, CSP_NOW) == -1 && errno == EPIPE);
    return 0;
}

START_TEST(the_last_receiving_end_breaks)
{
    c = make(0);
    csp_proc p = go(send_to_nobody, NULL);
    ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
    ended_well(p);
    ck_assert_int_eq(csp_why(c, NULL), 1);
}

START_TEST(an_operation_without_its_end_is_ebadf)
{
    char value;
    c = make(1);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EBADF);
    ASSERT_ERRNO(csp_send(c, "x", 1, soon()), EBADF);
    ASSERT_ERRNO(csp_close(c), EBADF);
    ASSERT_ERRNO(csp_drop(c, CSP_SEND), EBADF);
    d = make(1);
    ck_assert_int_eq(csp_drop(d, CSP_RECV), 0);
    ASSERT_ERRNO(csp_recv(d, &value, 1, CSP_NOW), EBADF);
    ck_assert_int_eq(csp_drop(d, CSP_SEND), 0);
    ASSERT_ERRNO(csp_send(d, "x", 1, CSP_NOW), EBADF);
    ASSERT_ERRNO(csp_send(0, "x", 1, CSP_NOW), EBADF);
    ASSERT_ERRNO(csp_recv(0, &value, 1, CSP_FOREVER), EBADF);
    ASSERT_ERRNO(csp_recv(987654, &value, 1, CSP_FOREVER), EBADF);
    ASSERT_ERRNO(csp_why(987654, NULL), EBADF);
    ASSERT_ERRNO(csp_drop(987654, CSP_SEND), EBADF);
    ASSERT_ERRNO(csp_drop(d, 0), EINVAL);
    ASSERT_ERRNO(csp_drop(d, 4), EINVAL);
}

START_TEST(open_refuses_what_is_no_name_and_no_ends)
{
    char name[300];
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    ck_assert(csp_open(name, CSP_SEND) == 0 && errno == EINVAL);
    ck_assert(csp_open("", CSP_SEND) == 0 && errno == EINVAL);
    ck_assert(csp_open(NULL, CSP_SEND) == 0 && errno == EINVAL);
    ck_assert(csp_open("numbers", 0) == 0 && errno == EINVAL);
    ck_assert(csp_open("numbers", CSP_SEND) == 0 && errno == ENOENT);
    ck_assert_ptr_nonnull(strstr(csp_errmsg(), "numbers"));
}

/* ---- values */

static void roundtrip(size_t len)
{
    char *out = malloc(len + 1);
    char *in = malloc(len + 1);
    csp_msg m;
    ck_assert(out != NULL && in != NULL);
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(i * 31 + i / 256);
    c = make(2);
    ASSERT_OK(csp_send(c, out, len, soon()));
    ASSERT_OK(csp_send(c, out, len, soon()));
    ck_assert_int_eq(csp_recv(c, in, len, soon()), (ssize_t)len);
    ck_assert(memcmp(in, out, len) == 0);
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_uint_eq(m.len, len);
    ck_assert(memcmp(m.data, out, len) == 0);
    ck_assert_int_eq(((char *)m.data)[len], '\0');
    ck_assert_uint_eq(m.chan, 0);
    csp_msg_free(&m);
    ck_assert_ptr_null(m.data);
    csp_msg_free(&m);
    free(out);
    free(in);
}

START_TEST(values_of_any_size_arrive_as_they_were)
{
    static const size_t sizes[] = {0, 1, 29, 30, 4096, 65536, 1 << 20, 5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        roundtrip(sizes[i]);
}

START_TEST(a_value_that_does_not_fit_stays_for_the_next_receive)
{
    char small[3];
    char big[8] = "";
    c = make(3);
    d = make(1);
    ck_assert_int_eq(csp_send(c, "first", 5, soon()), 0);
    ck_assert_int_eq(csp_send(c, "2nd", 3, soon()), 0);
    ck_assert_int_eq(csp_send(d, "o", 1, soon()), 0);
    ASSERT_ERRNO(csp_recv(c, small, sizeof small, soon()), EMSGSIZE);
    ASSERT_ERRNO(csp_recv(c, small, sizeof small, CSP_NOW), EMSGSIZE);
    ck_assert_int_eq(csp_recv(d, small, sizeof small, soon()), 1);
    csp_case one = csp_on_recv(c, small, sizeof small);
    ck_assert_int_eq(csp_select(&one, 1, CSP_NOW), 0);
    ck_assert(one.err == EMSGSIZE && one.len == 5);
    ck_assert_int_eq(csp_recv(c, big, sizeof big, soon()), 5);
    ck_assert_mem_eq(big, "first", 5);
    ck_assert_int_eq(csp_recv(c, small, sizeof small, soon()), 3);
    ck_assert_mem_eq(small, "2nd", 3);
}

START_TEST(a_stashed_value_comes_in_full_by_recv_msg)
{
    csp_msg m;
    c = make(1);
    ck_assert_int_eq(csp_send(c, "first", 5, soon()), 0);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, soon()), EMSGSIZE);
    ASSERT_OK(csp_recv_msg(c, &m, CSP_NOW));
    ck_assert_str_eq(m.data, "first");
    csp_msg_free(&m);
}

START_TEST(a_value_over_the_limit_is_emsgsize)
{
    c = make(1);
    size_t len = (64u << 20) + 1;
    char *big = calloc(1, len);
    ck_assert_ptr_nonnull(big);
    ASSERT_ERRNO(csp_send(c, big, len, soon()), EMSGSIZE);
    ASSERT_ERRNO(csp_send(c, big, SIZE_MAX / 2, soon()), EMSGSIZE); /* beyond any frame: not even read */
    ck_assert_int_eq(csp_send(c, big, len - 1, soon()), 0);
    csp_msg m;
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_uint_eq(m.len, len - 1);
    csp_msg_free(&m);
    free(big);
}

START_TEST(a_failed_recv_msg_leaves_an_empty_message)
{
    csp_msg m = {.data = &m, .len = 5, .chan = 6};
    c = make(1);
    ASSERT_ERRNO(csp_recv_msg(c, &m, CSP_NOW), EAGAIN);
    ck_assert(m.data == NULL && m.len == 0 && m.chan == 0);
    ASSERT_ERRNO(csp_recv_msg(c, NULL, CSP_NOW), EINVAL);
}

START_TEST(a_null_buffer_is_einval)
{
    c = make(1);
    ASSERT_ERRNO(csp_send(c, NULL, 1, CSP_NOW), EINVAL);
    ASSERT_ERRNO(csp_recv(c, NULL, 1, CSP_NOW), EINVAL);
    ASSERT_ERRNO(csp_send_msg(c, NULL, CSP_NOW), EINVAL);
}

/* ---- channels in values */

static int serve(void *arg)
{
    csp_msg m;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    while (csp_recv_msg(c, &m, soon()) == 0) {
        CHILD_ASSERT(m.chan != 0);
        CHILD_ASSERT(csp_send(m.chan, m.data, m.len, soon()) == 0);
        CHILD_ASSERT(csp_drop(m.chan, CSP_SEND | CSP_RECV) == 0);
        csp_msg_free(&m);
    }
    return errno == EPIPE ? 0 : 1;
}

START_TEST(a_channel_sent_in_a_value_grants_its_ends)
{
    char answer[8] = "";
    c = make(0);
    csp_proc p = go(serve, NULL);
    for (int i = 0; i < 5; i++) {
        csp_msg request = {.data = "ping", .len = 4, .chan = make(0)};
        ASSERT_OK(csp_send_msg(c, &request, soon()));
        ck_assert_int_eq(csp_recv(request.chan, answer, sizeof answer, soon()), 4);
        ck_assert_mem_eq(answer, "ping", 4);
        ck_assert_int_eq(csp_drop(request.chan, CSP_SEND | CSP_RECV), 0);
    }
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ended_well(p);
}

START_TEST(a_channel_in_a_waiting_value_stays_alive)
{
    csp_msg m;
    char value;
    c = make(1);
    d = make(1);
    ck_assert_int_eq(csp_send(d, "x", 1, soon()), 0);
    ASSERT_OK(csp_send_msg(c, &(csp_msg){.chan = d}, soon()));
    ck_assert_int_eq(csp_drop(d, CSP_SEND | CSP_RECV), 0);
    ASSERT_ERRNO(csp_recv(d, &value, 1, CSP_NOW), EBADF);
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_uint_eq(m.chan, d);
    csp_msg_free(&m);
    ck_assert_int_eq(csp_recv(d, &value, 1, CSP_NOW), 1);
}

START_TEST(a_channel_that_is_not_held_cannot_be_sent)
{
    c = make(1);
    d = make(1);
    ck_assert_int_eq(csp_drop(d, CSP_SEND | CSP_RECV), 0);
    ASSERT_ERRNO(csp_send_msg(c, &(csp_msg){.chan = d}, CSP_NOW), EBADF);
    ASSERT_ERRNO(csp_send_msg(c, &(csp_msg){.chan = 4711}, soon()), EBADF);
}

/* ---- wait groups */

static int work_and_report(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_send(c, "x", 1, soon()) == 0);
    CHILD_ASSERT(csp_group_add(d, -1) == 0);
    return 0;
}

START_TEST(a_wait_group_waits_for_all)
{
    csp_proc p[4];
    c = make(4);
    d = csp_group_make();
    ck_assert_uint_ne(d, 0);
    ASSERT_OK(csp_group_wait(d, CSP_NOW));
    ASSERT_OK(csp_group_add(d, 4));
    ASSERT_ERRNO(csp_group_wait(d, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_group_wait(d, csp_in(10)), ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        p[i] = go(work_and_report, NULL);
    ASSERT_OK(csp_group_wait(d, soon()));
    char value;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(csp_recv(c, &value, 1, CSP_NOW), 1);
    for (int i = 0; i < 4; i++)
        ended_well(p[i]);
    ASSERT_OK(csp_drop(d, CSP_RECV));
    ASSERT_ERRNO(csp_group_wait(d, CSP_NOW), EBADF);
}

START_TEST(a_count_below_zero_is_einval_and_changes_nothing)
{
    d = csp_group_make();
    ASSERT_OK(csp_group_add(d, 2));
    ASSERT_ERRNO(csp_group_add(d, -3), EINVAL);
    ASSERT_ERRNO(csp_group_add(d, INT64_MAX), EINVAL);
    ASSERT_OK(csp_group_add(d, -2));
    ASSERT_OK(csp_group_wait(d, CSP_NOW));
    ASSERT_ERRNO(csp_group_add(make(1), 1), EINVAL);
    ASSERT_ERRNO(csp_group_add(4711, 1), EBADF);
    ASSERT_ERRNO(csp_group_wait(0, CSP_NOW), EBADF);
}

Suite *channel_suite(void)
{
    Suite *s = suite_create("channel");
    TCase *t = tcase_create("channel");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, a_buffer_is_first_in_first_out);
    tcase_add_test(t, a_capacity_is_exact);
    tcase_add_test(t, a_channel_of_capacity_3_is_a_semaphore_that_admits_3);
    tcase_add_test(t, a_receive_from_a_full_buffer_admits_the_waiting_sender);
    tcase_add_test(t, a_send_without_a_receiver_is_not_sent);
    tcase_add_test(t, a_try_succeeds_when_a_partner_waits);
    tcase_add_test(t, a_value_is_never_lost_to_a_deadline_that_races_with_it);
    tcase_add_test(t, a_closed_channel_gives_what_it_holds_then_epipe_for_ever);
    tcase_add_test(t, closing_wakes_blocked_senders);
    tcase_add_test(t, closing_wakes_blocked_receivers);
    tcase_add_test(t, the_last_sending_end_closes_and_no_other);
    tcase_add_test(t, why_tells_a_clean_end);
    tcase_add_test(t, why_tells_an_exit_status);
    tcase_add_test(t, why_tells_a_signal);
    tcase_add_test(t, the_last_receiving_end_breaks);
    tcase_add_test(t, an_operation_without_its_end_is_ebadf);
    tcase_add_test(t, open_refuses_what_is_no_name_and_no_ends);
    tcase_add_test(t, values_of_any_size_arrive_as_they_were);
    tcase_add_test(t, a_value_that_does_not_fit_stays_for_the_next_receive);
    tcase_add_test(t, a_stashed_value_comes_in_full_by_recv_msg);
    tcase_add_test(t, a_value_over_the_limit_is_emsgsize);
    tcase_add_test(t, a_failed_recv_msg_leaves_an_empty_message);
    tcase_add_test(t, a_null_buffer_is_einval);
    tcase_add_test(t, a_channel_sent_in_a_value_grants_its_ends);
    tcase_add_test(t, a_channel_in_a_waiting_value_stays_alive);
    tcase_add_test(t, a_channel_that_is_not_held_cannot_be_sent);
    tcase_add_test(t, a_wait_group_waits_for_all);
    tcase_add_test(t, a_count_below_zero_is_einval_and_changes_nothing);
    suite_add_tcase(s, t);
    return s;
}
