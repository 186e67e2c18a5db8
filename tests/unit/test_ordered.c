/* SPDX-License-Identifier: MPL-2.0 */
/* Output in the order of input: ordered channels, section 16 of docs/protocol.md. */
#include "../speaker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *ordered_suite(void);

enum { BIG = 1000000 };

static struct speaker *s, *w, *q, *t; /* who sends, two who work, who gets what comes of it */
static uint64_t c, d;

static void setup(uint32_t attempts, uint64_t capacity)
{
    c = declare("in", capacity, WIRE_CLOSE_SENDERS);
    d = declare("out", 10, WIRE_CLOSE_SENDERS);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.attempts = attempts, .ordered = 1}), 0);
    s = colleague(c, SEND, 0, 0);
    w = colleague(c, RECV, d, SEND);
    q = colleague(c, RECV, d, SEND);
    t = colleague(d, RECV, 0, 0);
    stream(w, d, SEND, BIG, 0);
    stream(q, d, SEND, BIG, 0);
    send_text(s, c, "a");
    send_text(s, c, "b");
    send_text(s, c, "c");
}

static void done(struct speaker *by, uint64_t id, char output)
{
    put(by, d, 0, WIRE_STAGED, output, 1, 1);
    ack_staged(by, c, &id, 1);
}

START_TEST(output_goes_on_in_the_order_of_input)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id, b = recv_lease(q, c, "b", 1).lease.id;
    done(q, b, 'B');
    ck_assert(nothing(t, d));
    done(w, a, 'A');
    recv_text(t, d, "A");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(what_is_parked_is_settled_and_counts_as_put)
{
    setup(5, 10);
    recv_lease(w, c, "a", 1);
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    ck_assert_str_eq(leased(c), "1");
    ck_assert_uint_eq(hear(q, WIRE_ROOM).head.seq, 1);
}
END_TEST

START_TEST(what_is_parked_outlives_its_sender)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id;
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    crash(q);
    put(w, d, 0, WIRE_STAGED, 'A', 1, 1);
    ack_staged(w, c, &a, 1);
    recv_text(t, d, "A");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(what_was_parked_for_a_channel_that_was_closed_is_sent_and_lost)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id;
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    ck_assert_int_eq(close_channel(w, d), 0);
    ack(w, c, a);
    sync_line(w);
    ck_assert_str_eq(leased(c), "0");
    ck_assert_str_eq(stat_field("channel", d, 14), "1");
    ck_assert_str_eq(stat_field("channel", d, 9), "1");
}
END_TEST

START_TEST(what_is_parked_holds_its_channel_open)
{
    setup(5, 10);
    recv_lease(w, c, "a", 1);
    struct speaker *third = colleague(c, RECV, 0, 0);
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    crash(q);
    crash(w);
    OFFER(t, 0, ON_RECV(d));
    ck_assert(silent(t));
    ack(third, c, recv_lease(third, c, "a", 2).lease.id);
    struct committed got = committed(t);
    ck_assert(is_text(&got, "B"));
    OFFER(t, 0, ON_RECV(d));
    ck_assert_int_eq(committed(t).err, EPIPE);
}
END_TEST

START_TEST(a_dead_letter_lets_what_is_parked_go_on)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id;
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    nack(w, c, a, WIRE_DEAD_LETTER, "");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(a_value_that_returns_comes_before_what_is_parked)
{
    setup(5, 10);
    recv_lease(w, c, "a", 1);
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    crash(w);
    hear(q, WIRE_ROOM);
    done(q, recv_lease(q, c, "a", 2).lease.id, 'A');
    recv_text(t, d, "A");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(a_value_in_back_off_lets_nobody_pass)
{
    setup(5, 10);
    nack(w, c, recv_lease(w, c, "a", 1).lease.id, 20000000, "");
    OFFER(q, 0, ON_RECV(c));
    struct committed got = committed(q);
    ck_assert(is_text(&got, "a"));
    ck_assert_uint_eq(got.lease.tries, 2);
}
END_TEST

/* What waits in a stream is delivered and no lease: it comes before what is parked all the same. */
START_TEST(what_a_stream_has_not_taken_lets_nothing_go_on)
{
    setup(5, 10);
    ck_assert_int_eq(stream(w, c, RECV, BIG, 0), 0);
    took(w, c, 0, 0, WIRE_WAIT);
    struct heard h = hear(w, WIRE_DELIVER);
    struct wire_lease a;
    ck_assert_uint_eq(h.head.count, 1);
    ck_assert_int_eq(wire_lease(&h.head, h.data, &a), 0);
    done(q, recv_lease(q, c, "b", 1).lease.id, 'B');
    ck_assert_str_eq(leased(c), "0");
    ck_assert(nothing(t, d));
    took(w, c, 0, 1, 0);
    done(w, a.id, 'A');
    recv_text(t, d, "A");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(a_value_in_back_off_lets_nothing_go_on)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id, b = recv_lease(q, c, "b", 1).lease.id;
    nack(w, c, a, HOUR, "");
    done(q, b, 'B');
    ck_assert_uint_eq(hear(q, WIRE_ROOM).head.seq, 1);
    ck_assert(nothing(t, d));
}
END_TEST

START_TEST(the_order_is_kept_by_who_holds_a_later_value_and_gets_an_earlier_one)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id, b = recv_lease(w, c, "b", 1).lease.id;
    recv_lease(q, c, "c", 1);
    nack(w, c, a, 0, "");
    recv_lease(q, c, "a", 2);
    done(w, b, 'B');
    ck_assert(nothing(t, d));
    done(q, a, 'A');
    recv_text(t, d, "A");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(the_first_in_back_off_lets_nobody_pass_though_a_later_one_went_there_before)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id, b = recv_lease(w, c, "b", 1).lease.id;
    nack(w, c, recv_lease(w, c, "c", 1).lease.id, HOUR, "");
    nack(w, c, a, HOUR, "");
    nack(w, c, b, 0, "");
    ck_assert_str_eq(stat_field("channel", c, 4), "1"); /* "b" is there */
    ck_assert(nothing(q, c));
    ck_assert(nothing(w, c));
}
END_TEST

START_TEST(a_channel_that_is_only_ordered_has_one_attempt)
{
    setup(0, 10);
    recv_lease(w, c, "a", 1);
    crash(w);
    ck_assert_str_eq(stat_field("channel", c, 17), "1");
    recv_lease(q, c, "b", 1);
}
END_TEST

START_TEST(a_batch_goes_on_at_the_place_of_its_first_value)
{
    setup(5, 10);
    uint64_t a = recv_lease(w, c, "a", 1).lease.id, b = recv_lease(q, c, "b", 1).lease.id,
             ids[] = {a, recv_lease(w, c, "c", 1).lease.id};
    done(q, b, 'B');
    put(w, d, 0, WIRE_STAGED, 'A', 1, 1);
    ack_staged(w, c, ids, 2);
    recv_text(t, d, "A");
    recv_text(t, d, "B");
}
END_TEST

START_TEST(only_so_many_values_are_ahead_of_the_first)
{
    setup(5, 2000);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 1500, 1);
    sync_line(s);
    uint64_t first = recv_lease(w, c, "a", 1).lease.id, received = 0;
    stream(q, c, RECV, BIG, 0);
    crash(s);
    while (received < 1023) {
        took(q, c, 0, received, WIRE_WAIT);
        received += hear(q, WIRE_DELIVER).head.count;
    }
    took(q, c, 0, received, WIRE_WAIT);
    ck_assert_uint_eq(received, 1023);
    ck_assert(silent(q));
    OFFER(w, 0, ON_RECV(c)); /* who holds the first may want more */
    ck_assert_int_eq(committed(w).err, 0);
    ack(w, c, first);
    hear(q, WIRE_DELIVER);
}
END_TEST

static void done_with_much(struct speaker *by, uint64_t id, uint32_t mebibytes)
{
    for (uint32_t i = 0; i < mebibytes; i++)
        put(by, d, 0, WIRE_STAGED, 'B', 1, 1 << 20);
    ack_staged(by, c, &id, 1);
    hear(by, WIRE_ROOM);
}

START_TEST(only_so_much_is_parked)
{
    setup(5, 10);
    send_text(s, c, "d");
    uint64_t a = recv_lease(w, c, "a", 1).lease.id;
    done_with_much(q, recv_lease(q, c, "b", 1).lease.id, 63);
    done_with_much(q, recv_lease(q, c, "c", 1).lease.id, 1);
    ck_assert(nothing(q, c)); /* "d" is there */
    recv_lease(w, c, "d", 1); /* who holds the first may want more */
    nack(w, c, a, WIRE_DEAD_LETTER, "");
    send_text(s, c, "e");
    recv_lease(q, c, "e", 1);
}
END_TEST

Suite *ordered_suite(void)
{
    Suite *suite = suite_create("ordered");
    TCase *tests = tcase_create("ordered");
    tcase_add_checked_fixture(tests, run_start, run_stop);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, output_goes_on_in_the_order_of_input);
    tcase_add_test(tests, what_is_parked_is_settled_and_counts_as_put);
    tcase_add_test(tests, what_is_parked_outlives_its_sender);
    tcase_add_test(tests, what_was_parked_for_a_channel_that_was_closed_is_sent_and_lost);
    tcase_add_test(tests, what_is_parked_holds_its_channel_open);
    tcase_add_test(tests, a_dead_letter_lets_what_is_parked_go_on);
    tcase_add_test(tests, a_value_that_returns_comes_before_what_is_parked);
    tcase_add_test(tests, a_value_in_back_off_lets_nobody_pass);
    tcase_add_test(tests, what_a_stream_has_not_taken_lets_nothing_go_on);
    tcase_add_test(tests, a_value_in_back_off_lets_nothing_go_on);
    tcase_add_test(tests, the_order_is_kept_by_who_holds_a_later_value_and_gets_an_earlier_one);
    tcase_add_test(tests, the_first_in_back_off_lets_nobody_pass_though_a_later_one_went_there_before);
    tcase_add_test(tests, a_channel_that_is_only_ordered_has_one_attempt);
    tcase_add_test(tests, a_batch_goes_on_at_the_place_of_its_first_value);
    tcase_add_test(tests, only_so_many_values_are_ahead_of_the_first);
    tcase_add_test(tests, only_so_much_is_parked);
    suite_add_tcase(suite, tests);
    return suite;
}
