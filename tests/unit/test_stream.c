/* SPDX-License-Identifier: MPL-2.0 */
/* Streams and blocks through the library: order, the window, flushing, and what becomes of values when an end goes. */
#include "block.h"
#include "expect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *stream_suite(void);

static csp_chan c, d;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

#define MANY 20000

static int send_many(void *arg)
{
    long n = *(long *)arg;
    CHILD_ASSERT(csp_stream(c, CSP_SEND, 4096) == 0);
    for (long i = 0; i < n; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, soon()) == 0);
    return 0; /* nothing flushed: what was sent counts */
}

static csp_proc start_sender(long n)
{
    return go(send_many, &n);
}

/* ---- order and windows */

START_TEST(values_keep_their_order)
{
    c = make(16);
    csp_proc p = start_sender(MANY);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ASSERT_OK(csp_stream(c, CSP_RECV, 4096));
    for (long i = 0; i < MANY; i++)
        ck_assert_int_eq(receive_number(c), i);
    char value;
    ASSERT_ERRNO(csp_recv(c, &value, 1, soon()), EPIPE);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EPIPE);
    ended_well(p);
}

START_TEST(a_stream_sends_to_a_plain_receiver_and_receives_from_a_plain_sender)
{
    c = make(3);
    csp_proc p = start_sender(300);
    for (long i = 0; i < 300; i++)
        ck_assert_int_eq(receive_number(c), i);
    ended_well(p);
    d = make(3);
    ASSERT_OK(csp_stream(d, CSP_RECV, 64));
    for (long i = 0; i < 300; i++) {
        send_number(d, i);
        ck_assert_int_eq(receive_number(d), i);
    }
}

START_TEST(capacity_and_window_bound_what_is_under_way)
{
    c = make(2);
    ASSERT_OK(csp_stream(c, CSP_SEND, 10));
    for (int i = 0; i < 12; i++)
        ASSERT_OK(csp_send(c, "x", 1, soon()));
    ASSERT_ERRNO(csp_send(c, "x", 1, csp_in(100)), ETIMEDOUT);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
    for (int i = 0; i < 12; i++) {
        char value;
        ck_assert_int_eq(csp_recv(c, &value, 1, soon()), 1);
    }
}

START_TEST(empty_values_are_bounded_too)
{
    c = make(2);
    ASSERT_OK(csp_stream(c, CSP_SEND, 10));
    for (int i = 0; i < 12; i++)
        ASSERT_OK(csp_send(c, NULL, 0, soon()));
    ASSERT_ERRNO(csp_send(c, NULL, 0, csp_in(100)), ETIMEDOUT);
}

START_TEST(a_value_larger_than_the_window_goes_alone)
{
    char big[100] = "";
    char value[100];
    c = make(4);
    ASSERT_OK(csp_stream(c, CSP_SEND | CSP_RECV, 10));
    for (int i = 0; i < 8; i++) {
        ASSERT_OK(csp_send(c, big, sizeof big, soon()));
        if (i >= 4)
            ck_assert_int_eq(csp_recv(c, value, sizeof value, soon()), sizeof big);
    }
}

START_TEST(a_value_over_the_channels_limit_is_emsgsize)
{
    c = make(4);
    ASSERT_OK(csp_stream(c, CSP_SEND, 100));
    ASSERT_ERRNO(csp_send(c, &c, (64u << 20) + 1, soon()), EMSGSIZE);
    ASSERT_OK(csp_send(c, "x", 1, soon()));
}

/* ---- flushing */

START_TEST(a_flush_waits_until_all_is_in_the_channel)
{
    char value;
    c = make(1);
    ASSERT_OK(csp_stream(c, CSP_SEND, 100));
    ASSERT_OK(csp_flush(c, soon()));
    ASSERT_OK(csp_send(c, "a", 1, soon()));
    ASSERT_OK(csp_flush(c, soon()));
    ASSERT_OK(csp_send(c, "b", 1, soon()));
    ASSERT_ERRNO(csp_flush(c, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_flush(c, csp_in(20)), ETIMEDOUT);
    ck_assert_int_eq(csp_recv(c, &value, 1, soon()), 1);
    ASSERT_OK(csp_flush(c, soon()));
}

START_TEST(a_flush_tells_that_values_were_never_sent)
{
    c = make(1);
    ASSERT_OK(csp_stream(c, CSP_SEND, 100));
    ASSERT_OK(csp_send(c, "a", 1, soon()));
    ASSERT_OK(csp_send(c, "b", 1, soon()));
    ASSERT_OK(csp_drop(c, CSP_RECV));
    ASSERT_ERRNO(csp_flush(c, soon()), EPIPE);
    ASSERT_ERRNO(csp_send(c, "c", 1, soon()), EPIPE);
}

static int receive_rest(void *arg)
{
    long n;
    long expected = 0;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    CHILD_ASSERT(csp_recv(d, NULL, 0, soon()) == 0);
    while (csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n)
        CHILD_ASSERT(n == expected++);
    return errno == EPIPE && expected == 50 ? 0 : 1;
}

START_TEST(values_that_are_under_way_at_a_drop_are_still_sent)
{
    c = make(1);
    d = make(1);
    csp_proc p = go(receive_rest, NULL);
    ASSERT_OK(csp_stream(c, CSP_SEND, 4096));
    for (long i = 0; i < 50; i++)
        send_number(c, i);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ASSERT_ERRNO(csp_flush(c, soon()), EINVAL);
    ASSERT_OK(csp_send(d, NULL, 0, soon()));
    ended_well(p);
}

static int receive_all(void *arg)
{
    long n;
    long expected = 0;
    (void)arg;
    while (csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n)
        CHILD_ASSERT(n == expected++);
    return errno == EPIPE && expected == 50 ? 0 : 1;
}

START_TEST(close_flushes_first)
{
    c = make(1);
    csp_proc p = go(receive_all, NULL);
    ASSERT_OK(csp_stream(c, CSP_SEND, 4096));
    for (long i = 0; i < 50; i++)
        send_number(c, i);
    ASSERT_OK(csp_close(c));
    ended_well(p);
    ASSERT_ERRNO(csp_send(c, "x", 1, soon()), EPIPE);
}

/* ---- receivers that go */

static int take_some_and_wait(void *arg)
{
    int taken = *(int *)arg;
    long n;
    CHILD_ASSERT(csp_stream(c, CSP_RECV, 4096) == 0);
    for (long i = 0; i < taken; i++)
        CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n && n == i);
    CHILD_ASSERT(csp_send(d, NULL, 0, soon()) == 0);
    csp_recv(d, NULL, 0, soon());
    return 0;
}

/* Values 0 to 99 in a channel; a receiver has taken some, with the others delivered ahead, and goes. */
static void killed_after(int taken)
{
    c = make(100);
    d = make(0);
    for (long i = 0; i < 100; i++)
        send_number(c, i);
    csp_proc p = go(take_some_and_wait, &taken);
    ck_assert_int_eq(csp_recv(d, NULL, 0, soon()), 0);
    char *text = csp__stat();
    char start[32];
    long pid = 0;
    snprintf(start, sizeof start, "process\t%ld\t", (long)p);
    const char *line = strstr(text, start);
    ck_assert(line != NULL && sscanf(line, "process %*d %*s %*s %ld", &pid) == 1);
    free(text);
    kill((pid_t)pid, SIGKILL);
    ended(p, CSP_SIGNAL, SIGKILL);
    until_state(p, "ended"); /* it has a moment in which what it had sent is still read */
    for (long i = taken; i < 100; i++)
        ck_assert_int_eq(receive_number(c), i);
    char value;
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
}

START_TEST(what_a_killed_receiver_had_not_taken_goes_back_in_order)
{
    static const int taken[] = {0, 1, 2, 37, 99, 100};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        killed_after(taken[i]);
}

static int take_three_and_drop(void *arg)
{
    long n;
    (void)arg;
    CHILD_ASSERT(csp_stream(c, CSP_RECV, 4096) == 0);
    for (long i = 0; i < 3; i++)
        CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n && n == i);
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, CSP_NOW) == -1 && errno == EBADF);
    return 0;
}

START_TEST(what_a_dropped_stream_had_not_taken_goes_back_in_order)
{
    c = make(100);
    for (long i = 0; i < 100; i++)
        send_number(c, i);
    ended_well(go(take_three_and_drop, NULL));
    for (long i = 3; i < 100; i++)
        ck_assert_int_eq(receive_number(c), i);
}

static int add_up(void *arg)
{
    long sum[2] = {0, 0};
    long n;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    CHILD_ASSERT(csp_stream(c, CSP_RECV, 4096) == 0);
    while (csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n) {
        sum[0] += n;
        sum[1]++;
    }
    CHILD_ASSERT(errno == EPIPE);
    return csp_send(d, sum, sizeof sum, soon()) == 0 ? 0 : 1;
}

START_TEST(several_receiving_streams_get_every_value_once)
{
    csp_proc p[4];
    long sum[2];
    long total[2] = {0, 0};
    c = make(64);
    d = make(4);
    for (int i = 0; i < 3; i++)
        p[i] = go(add_up, NULL);
    p[3] = start_sender(MANY);
    ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(csp_recv(d, sum, sizeof sum, soon()), sizeof sum);
        total[0] += sum[0];
        total[1] += sum[1];
    }
    ck_assert_int_eq(total[1], MANY);
    ck_assert_int_eq(total[0], (long)MANY * (MANY - 1) / 2);
    for (int i = 0; i < 4; i++)
        ended_well(p[i]);
}

/* ---- beside everything else */

START_TEST(a_value_too_long_for_its_buffer_stays_in_the_stream)
{
    char small[2];
    char big[8];
    csp_msg m;
    c = make(4);
    ASSERT_OK(csp_stream(c, CSP_RECV, 100));
    ASSERT_OK(csp_send(c, "first", 5, soon()));
    ASSERT_OK(csp_send(c, "second", 6, soon()));
    ASSERT_ERRNO(csp_recv(c, small, sizeof small, soon()), EMSGSIZE);
    ck_assert_int_eq(csp_recv(c, big, sizeof big, soon()), 5);
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_str_eq(m.data, "second");
    csp_msg_free(&m);
}

START_TEST(a_stashed_value_comes_before_the_streams)
{
    char big[8];
    c = make(4);
    ASSERT_OK(csp_send(c, "first", 5, soon()));
    ASSERT_OK(csp_send(c, "2nd", 3, soon()));
    ASSERT_ERRNO(csp_recv(c, big, 1, soon()), EMSGSIZE);
    ASSERT_OK(csp_stream(c, CSP_RECV, 100));
    ck_assert_int_eq(csp_recv(c, big, sizeof big, soon()), 5);
    ck_assert_int_eq(csp_recv(c, big, sizeof big, soon()), 3);
}

START_TEST(streams_and_channels_are_cases_of_one_select)
{
    long seen[2] = {0, 0};
    long n;
    c = make(100);
    d = make(100);
    ASSERT_OK(csp_stream(c, CSP_RECV, 4096));
    for (long i = 0; i < 100; i++) {
        send_number(c, i);
        send_number(d, i);
    }
    for (int i = 0; i < 200; i++) {
        csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, sizeof n)};
        int chosen = csp_select(cases, 2, soon());
        ASSERT_OK(chosen);
        ck_assert_int_eq(n, seen[chosen]++);
        ck_assert_msg(i > 64 || seen[0] <= 8 * (seen[1] + 1), "the channel starves: %ld to %ld", seen[1], seen[0]);
    }
    csp_case cases[] = {csp_on_recv(c, &n, sizeof n), csp_on_recv(d, &n, sizeof n)};
    ASSERT_ERRNO(csp_select(cases, 2, CSP_NOW), EAGAIN);
}

START_TEST(a_full_stream_is_a_case_that_waits)
{
    char value;
    c = make(1);
    ASSERT_OK(csp_stream(c, CSP_SEND, 1));
    ASSERT_OK(csp_send(c, "a", 1, soon()));
    ASSERT_OK(csp_flush(c, soon()));
    ASSERT_OK(csp_send(c, "b", 1, soon()));
    csp_case cases[] = {csp_on_send(c, "c", 1), csp_on_time(csp_in(30))};
    ck_assert_int_eq(csp_select(cases, 2, soon()), 1);
    ck_assert_int_eq(csp_recv(c, &value, 1, soon()), 1);
    cases[1] = csp_on_time(CSP_FOREVER);
    ck_assert_int_eq(csp_select(cases, 2, soon()), 0);
}

START_TEST(a_try_on_a_receiving_stream_comes_to_its_value)
{
    char value;
    c = make(1);
    ASSERT_OK(csp_stream(c, CSP_RECV, 100));
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
    ASSERT_OK(csp_send(c, "x", 1, soon()));
    csp_time by = soon();
    ssize_t len;
    while ((len = csp_recv(c, &value, 1, CSP_NOW)) < 0 && csp_now() < by)
        ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(len, 1);
}

START_TEST(a_channel_goes_with_a_value_through_streams)
{
    csp_msg m;
    csp_chan attached = make(1);
    c = make(4);
    ASSERT_OK(csp_stream(c, CSP_SEND | CSP_RECV, 100));
    ASSERT_OK(csp_send(c, "before", 6, soon()));
    ASSERT_OK(csp_send_msg(c, &(csp_msg){.data = "with", .len = 4, .chan = attached}, soon()));
    ASSERT_OK(csp_send(c, "after", 5, soon()));
    ASSERT_OK(csp_drop(attached, CSP_SEND | CSP_RECV));
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_str_eq(m.data, "before");
    csp_msg_free(&m);
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_str_eq(m.data, "with");
    ck_assert_uint_eq(m.chan, attached);
    ASSERT_OK(csp_send(m.chan, "x", 1, CSP_NOW));
    csp_msg_free(&m);
    ASSERT_OK(csp_recv_msg(c, &m, soon()));
    ck_assert_str_eq(m.data, "after");
    csp_msg_free(&m);
}

/* ---- errors */

START_TEST(what_cannot_be_a_stream_is_einval)
{
    c = make(1);
    ASSERT_ERRNO(csp_stream(c, 0, 10), EINVAL);
    ASSERT_ERRNO(csp_stream(c, 4, 10), EINVAL);
    ASSERT_ERRNO(csp_stream(c, CSP_SEND, 0), EINVAL);
    ASSERT_ERRNO(csp_stream(make(0), CSP_SEND, 10), EINVAL);
    ASSERT_ERRNO(csp_flush(c, soon()), EINVAL);
    ASSERT_OK(csp_stream(c, CSP_SEND, 10));
    ASSERT_ERRNO(csp_stream(c, CSP_SEND, 10), EINVAL);
    ASSERT_OK(csp_stream(c, CSP_RECV, 10));
    ASSERT_ERRNO(csp_stream(c, CSP_SEND | CSP_RECV, 10), EINVAL);
    ASSERT_ERRNO(csp_stream(4711, CSP_SEND, 10), EBADF);
    ASSERT_ERRNO(csp_stream(0, CSP_SEND, 10), EBADF);
    d = make(1);
    ASSERT_OK(csp_drop(d, CSP_RECV));
    ASSERT_ERRNO(csp_stream(d, CSP_RECV, 10), EBADF);
}

START_TEST(so_many_receiving_streams_and_no_more)
{
    csp_chan last = 0;
    for (int i = 0; i < 512; i++)
        ASSERT_OK(csp_stream(last = make(1), CSP_RECV, 10));
    c = make(1);
    ASSERT_ERRNO(csp_stream(c, CSP_RECV, 10), ENOBUFS);
    ASSERT_OK(csp_drop(last, CSP_RECV));
    ASSERT_OK(csp_stream(c, CSP_RECV, 10));
    send_number(c, 5);
    ck_assert_int_eq(receive_number(c), 5);
}

/* ---- blocks */

static csp__block block(const char *data, size_t len, const uint32_t *lengths, size_t count)
{
    return (csp__block){.data = data, .len = len, .lengths = lengths, .count = count};
}

START_TEST(a_block_is_its_values)
{
    static const uint32_t lengths[] = {3, 0, 2};
    char value[8];
    c = make(8);
    ASSERT_OK(csp_stream(c, CSP_SEND, 1000));
    csp__block b = block("one\n\nab\n", 8, lengths, 3);
    b.gap = 1;
    ASSERT_OK(csp__put_block(c, &b, soon()));
    ck_assert_int_eq(csp_recv(c, value, sizeof value, soon()), 3);
    ck_assert_mem_eq(value, "one", 3);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, soon()), 0);
    ck_assert_int_eq(csp_recv(c, value, sizeof value, soon()), 2);
    ck_assert_mem_eq(value, "ab", 2);
}

START_TEST(a_block_comes_as_it_was_put)
{
    static const uint32_t lengths[] = {3, 0, 2};
    csp__block in = {.count = 0};
    size_t count = 0;
    c = make(8);
    ASSERT_OK(csp_stream(c, CSP_SEND | CSP_RECV, 1000));
    csp__block b = block("one\n\nab\n", 8, lengths, 3);
    b.gap = 1;
    b.noeol = 1;
    ASSERT_OK(csp__put_block(c, &b, soon()));
    while (count < 3) {
        ASSERT_OK(csp__take_block(c, &in, soon()));
        ck_assert_uint_le(in.count, 3 - count);
        for (size_t i = 0; i < in.count; i++)
            ck_assert_uint_eq(csp__block_length(&in, i), lengths[count + i]);
        count += in.count;
        ck_assert_int_eq(in.gap, 1);
        ck_assert_int_eq(in.noeol, count == 3);
        csp__block_free(&in);
    }
    ck_assert_ptr_null(in.hold);
}

START_TEST(a_block_larger_than_the_window_goes_in_parts)
{
    static uint32_t lengths[5000];
    static char data[5000 * 7];
    csp__block in = {.count = 0};
    size_t count = 0;
    for (int i = 0; i < 5000; i++) {
        lengths[i] = 7;
        char text[16];
        snprintf(text, sizeof text, "%06d", i);
        memcpy(data + (size_t)i * 7, text, 7);
    }
    c = make(10000);
    ASSERT_OK(csp_stream(c, CSP_SEND | CSP_RECV, 1024));
    csp__block b = block(data, sizeof data, lengths, 5000);
    ASSERT_OK(csp__put_block(c, &b, soon()));
    ASSERT_OK(csp_flush(c, soon()));
    while (count < 5000) {
        ASSERT_OK(csp__take_block(c, &in, soon()));
        ck_assert_uint_eq(in.len, in.count * 7);
        ck_assert_mem_eq(in.data, data + count * 7, in.len);
        count += in.count;
        csp__block_free(&in);
    }
}

/* Memory to give, with values of 0 to 9 bytes; the lengths of them. */
static char *memory_of(csp__block *b, uint32_t *lengths, size_t count, int gap, size_t *size)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        lengths[i] = (uint32_t)(i % 10);
        len += lengths[i] + (size_t)gap;
    }
    *size = CSP__HEAD_ROOM + len; /* and none for the lengths: the library sees to that */
    char *memory = malloc(*size);
    ck_assert_ptr_nonnull(memory);
    for (size_t i = 0; i < len; i++)
        memory[CSP__HEAD_ROOM + i] = (char)(i % 251);
    *b = (csp__block){
        .data = memory + CSP__HEAD_ROOM, .len = len, .lengths = lengths, .count = count, .gap = gap, .noeol = gap};
    return memory;
}

/* One value, some in a frame that is copied, many in one that is not; with gaps and without; more than a window holds,
 * which goes in parts. */
static const struct {
    size_t count, window;
    int gap;
} given[] = {{1, 1000, 1},       {3, 1000, 0},       {20000, 1 << 20, 1}, {20000, 1 << 20, 0},
             {20000, 300000, 1}, {20000, 300000, 0}, {20000, 1000, 1},    {20000, 1000, 0}};

START_TEST(a_block_that_is_given_arrives_as_it_was)
{
    static uint32_t lengths[20000];
    csp__block b, in = {.count = 0};
    size_t size, count = 0, len = 0, n = given[_i].count;
    c = make(40000);
    ASSERT_OK(csp_stream(c, CSP_SEND | CSP_RECV, given[_i].window));
    char *memory = memory_of(&b, lengths, n, given[_i].gap, &size);
    ASSERT_OK(csp__give_block(c, &b, memory, size, soon()));
    while (count < n) {
        ASSERT_OK(csp__take_block(c, &in, soon()));
        ck_assert_uint_le(in.count, n - count);
        for (size_t i = 0; i < in.count; i++)
            ck_assert_uint_eq(csp__block_length(&in, i), lengths[count + i]);
        for (size_t i = 0; i < in.len; i++)
            ck_assert_int_eq((unsigned char)in.data[i], (len + i) % 251);
        count += in.count;
        len += in.len;
        ck_assert_int_eq(in.noeol, given[_i].gap && count == n);
        csp__block_free(&in);
    }
    ck_assert_uint_eq(len, b.len);
}

START_TEST(a_block_that_is_given_in_vain_is_freed)
{
    static uint32_t lengths[20000];
    csp__block b;
    size_t size;
    c = make(40000);
    ASSERT_OK(csp_stream(c, CSP_SEND, 1 << 20));
    ASSERT_OK(csp_close(c));
    char *memory = memory_of(&b, lengths, 20000, 1, &size);
    ASSERT_ERRNO(csp__give_block(c, &b, memory, size, soon()), EPIPE);
}

START_TEST(who_closed_a_stream_sends_nothing_more_on_it)
{
    for (int i = 0; i < 200; i++) {
        c = make(8);
        ASSERT_OK(csp_stream(c, CSP_SEND, 1 << 20));
        ASSERT_OK(csp_close(c));
        ASSERT_ERRNO(csp_send(c, "x", 1, soon()), EPIPE);
        ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    }
}

START_TEST(on_a_plain_channel_a_block_is_one_value)
{
    static const uint32_t lengths[] = {3, 2};
    csp__block in = {.count = 0};
    c = make(8);
    csp__block b = block("oneab", 5, lengths, 2);
    ASSERT_OK(csp__put_block(c, &b, soon()));
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(csp__take_block(c, &in, soon()));
        ck_assert_uint_eq(in.count, 1);
        ck_assert_uint_eq(csp__block_length(&in, 0), lengths[i]);
        ck_assert_mem_eq(in.data, i == 0 ? "one" : "ab", in.len);
        csp__block_free(&in);
    }
    ASSERT_ERRNO(csp__take_block(c, &in, CSP_NOW), EAGAIN);
    ASSERT_OK(csp_close(c));
    ASSERT_ERRNO(csp__take_block(c, &in, soon()), EPIPE);
}

START_TEST(a_block_with_a_value_over_the_limit_is_not_sent_at_all)
{
    static const uint32_t lengths[] = {1, (64u << 20) + 1};
    char value, *data = calloc(1, (64u << 20) + 2);
    ck_assert_ptr_nonnull(data);
    c = make(8);
    csp__block b = block(data, (64u << 20) + 2, lengths, 2);
    ASSERT_ERRNO(csp__put_block(c, &b, soon()), EMSGSIZE);
    ASSERT_OK(csp_stream(c, CSP_SEND, 1000));
    ASSERT_ERRNO(csp__put_block(c, &b, soon()), EMSGSIZE);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
    free(data);
}

Suite *stream_suite(void)
{
    Suite *s = suite_create("stream");
    TCase *t = tcase_create("stream");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, values_keep_their_order);
    tcase_add_test(t, a_stream_sends_to_a_plain_receiver_and_receives_from_a_plain_sender);
    tcase_add_test(t, capacity_and_window_bound_what_is_under_way);
    tcase_add_test(t, empty_values_are_bounded_too);
    tcase_add_test(t, a_value_larger_than_the_window_goes_alone);
    tcase_add_test(t, a_value_over_the_channels_limit_is_emsgsize);
    tcase_add_test(t, a_flush_waits_until_all_is_in_the_channel);
    tcase_add_test(t, a_flush_tells_that_values_were_never_sent);
    tcase_add_test(t, values_that_are_under_way_at_a_drop_are_still_sent);
    tcase_add_test(t, close_flushes_first);
    tcase_add_test(t, what_a_killed_receiver_had_not_taken_goes_back_in_order);
    tcase_add_test(t, what_a_dropped_stream_had_not_taken_goes_back_in_order);
    tcase_add_test(t, several_receiving_streams_get_every_value_once);
    tcase_add_test(t, a_value_too_long_for_its_buffer_stays_in_the_stream);
    tcase_add_test(t, a_stashed_value_comes_before_the_streams);
    tcase_add_test(t, streams_and_channels_are_cases_of_one_select);
    tcase_add_test(t, a_full_stream_is_a_case_that_waits);
    tcase_add_test(t, a_try_on_a_receiving_stream_comes_to_its_value);
    tcase_add_test(t, a_channel_goes_with_a_value_through_streams);
    tcase_add_test(t, what_cannot_be_a_stream_is_einval);
    tcase_add_test(t, so_many_receiving_streams_and_no_more);
    tcase_add_test(t, a_block_is_its_values);
    tcase_add_test(t, a_block_comes_as_it_was_put);
    tcase_add_test(t, a_block_larger_than_the_window_goes_in_parts);
    tcase_add_loop_test(t, a_block_that_is_given_arrives_as_it_was, 0, sizeof given / sizeof *given);
    tcase_add_test(t, a_block_that_is_given_in_vain_is_freed);
    tcase_add_test(t, who_closed_a_stream_sends_nothing_more_on_it);
    tcase_add_test(t, on_a_plain_channel_a_block_is_one_value);
    tcase_add_test(t, a_block_with_a_value_over_the_limit_is_not_sent_at_all);
    suite_add_tcase(s, t);
    return s;
}
