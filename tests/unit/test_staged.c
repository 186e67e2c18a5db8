/* SPDX-License-Identifier: MPL-2.0 */
/* One step: PUT and ACK with STAGED, section 16 of docs/protocol.md. */
#include "../speaker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *staged_suite(void);

enum { BIG = 1000000 };

static struct speaker *s, *w, *q, *t; /* who sends, who works, who could instead, who gets what comes of it */
static uint64_t c, d;

static void setup(uint64_t capacity)
{
    c = declare("in", 10, WIRE_CLOSE_SENDERS);
    d = declare("out", capacity, WIRE_CLOSE_SENDERS);
    ck_assert_int_eq(set(run.root, c, retry(5, 0)), 0);
    s = colleague(c, SEND, 0, 0);
    w = colleague(c, RECV, d, SEND);
    q = colleague(c, RECV, 0, 0);
    t = colleague(d, RECV, 0, 0);
    stream(w, d, SEND, 10, 0);
    send_text(s, c, "a");
    send_text(s, c, "b");
}

static void stage(struct speaker *by, uint64_t channel, char first, uint32_t count)
{
    put(by, channel, 0, WIRE_STAGED, first, count, 1);
    sync_line(by);
}

START_TEST(what_is_staged_is_not_seen)
{
    setup(10);
    recv_lease(w, c, "a", 1);
    stage(w, d, 'x', 2);
    ck_assert(nothing(t, d));
    ck_assert_str_eq(stat_field("channel", d, 4), "0");
}
END_TEST

START_TEST(an_ack_puts_what_is_staged_and_settles)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 1);
    stage(w, d, 'y', 1);
    ack_staged(w, c, &id, 1);
    ck_assert_str_eq(leased(c), "0");
    recv_text(t, d, "x");
    recv_text(t, d, "y");
    struct heard h = hear(w, WIRE_ROOM);
    ck_assert_uint_eq(h.head.seq, 2);
}
END_TEST

START_TEST(an_ack_puts_on_each_stream)
{
    setup(10);
    uint64_t e = make(w, 10, BIG);
    stream(w, e, SEND, BIG, 0);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 1);
    stage(w, e, 'y', 1);
    ack_staged(w, c, &id, 1);
    recv_text(t, d, "x");
    hear(w, WIRE_ROOM);
    hear(w, WIRE_ROOM);
    recv_text(w, e, "y");
}
END_TEST

START_TEST(no_window_bounds_what_is_staged)
{
    setup(100);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'a', 26);
    ack_staged(w, c, &id, 1);
    ck_assert_str_eq(stat_field("channel", d, 4), "26");
}
END_TEST

START_TEST(what_was_staged_waits_for_room_when_it_is_put)
{
    setup(1);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 2);
    ack_staged(w, c, &id, 1);
    recv_text(t, d, "x");
    recv_text(t, d, "y");
}
END_TEST

START_TEST(a_put_after_it_goes_on_with_its_numbers)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 1);
    ack_staged(w, c, &id, 1);
    put(w, d, 1, 0, 'y', 1, 1);
    sync_line(w);
    recv_text(t, d, "x");
    recv_text(t, d, "y");
}
END_TEST

START_TEST(an_ack_without_staged_drops_it)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 1);
    ack(w, c, id);
    ack_staged(w, c, (const uint64_t[]){recv_lease(w, c, "b", 1).lease.id}, 1);
    ck_assert(nothing(t, d));
}
END_TEST

START_TEST(a_nack_drops_it)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 1);
    nack(w, c, id, 0, "");
    ack_staged(w, c, (const uint64_t[]){recv_lease(w, c, "a", 2).lease.id}, 1);
    ck_assert(nothing(t, d));
}
END_TEST

START_TEST(a_settlement_drops_it)
{
    setup(10);
    uint64_t n = 1;
    recv_lease(w, c, "a", 1);
    stage(w, d, 'x', 1);
    ck_assert_int_eq(settle(w, c, &n, WIRE_DONE, ""), 0);
    ack_staged(w, c, (const uint64_t[]){recv_lease(w, c, "b", 1).lease.id}, 1);
    ck_assert_str_eq(leased(c), "0");
    ck_assert(nothing(t, d));
}
END_TEST

START_TEST(a_death_drops_it_and_the_value_returns)
{
    setup(10);
    recv_lease(w, c, "a", 1);
    stage(w, d, 'x', 1);
    crash(w);
    recv_lease(q, c, "a", 2);
    OFFER(t, 0, ON_RECV(d));
    ck_assert_int_eq(committed(t).err, EPIPE);
}
END_TEST

START_TEST(a_death_after_the_ack_leaves_it)
{
    setup(1);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 3);
    ack_staged(w, c, &id, 1);
    crash(w);
    recv_text(t, d, "x");
    recv_text(t, d, "y");
    recv_text(t, d, "z");
    OFFER(t, 0, ON_RECV(d));
    ck_assert_int_eq(committed(t).err, EPIPE);
    recv_lease(q, c, "b", 1);
}
END_TEST

START_TEST(the_end_of_its_stream_drops_it)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 1);
    drop(w, d, SEND);
    ack_staged(w, c, &id, 1);
    OFFER(t, 0, ON_RECV(d));
    ck_assert_int_eq(committed(t).err, EPIPE);
    ck_assert_str_eq(leased(c), "0");
}
END_TEST

START_TEST(an_ack_that_came_late_drops_it)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id, n = 1;
    stage(w, d, 'x', 1);
    ck_assert_int_eq(settle(guest_inside(w->process), c, &n, WIRE_DEAD_LETTER, ""), 0);
    ack_staged(w, c, &id, 1);
    ck_assert_uint_eq(hear(w, WIRE_ROOM).head.seq, 1); /* it counts */
    ck_assert(nothing(t, d));
    ack_staged(w, c, (const uint64_t[]){recv_lease(w, c, "b", 1).lease.id}, 1);
    ck_assert(nothing(t, d));
}
END_TEST

START_TEST(an_ack_of_which_a_part_came_late_gives_the_rest_back)
{
    setup(10);
    uint64_t ids[2] = {recv_lease(w, c, "a", 1).lease.id, recv_lease(w, c, "b", 1).lease.id}, n = 1;
    stage(w, d, 'x', 1);
    ck_assert_int_eq(settle(guest_inside(w->process), c, &n, WIRE_DONE, ""), 0);
    ack_staged(w, c, ids, 2);
    ck_assert(nothing(t, d));
    recv_lease(q, c, "b", 2);
}
END_TEST

START_TEST(what_is_put_on_a_closed_channel_is_lost_and_the_lease_settled)
{
    setup(10);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 2);
    ck_assert_int_eq(close_channel(w, d), 0);
    ck_assert_int_eq(hear(w, WIRE_ROOM).head.count, EPIPE);
    ack_staged(w, c, &id, 1);
    ck_assert_str_eq(leased(c), "0");
    ck_assert_str_eq(stat_field("channel", d, 14), "2");
    ck_assert_str_eq(stat_field("channel", d, 9), "2"); /* for its caller they were put */
}
END_TEST

START_TEST(a_staged_value_over_max_bytes_is_a_violation)
{
    setup(10);
    recv_lease(w, c, "a", 1);
    put(w, d, 0, WIRE_STAGED, 'x', 1, (1 << 20) + 1);
    until_taken_for_dead(w->process);
    recv_lease(q, c, "a", 2);
}
END_TEST

START_TEST(a_staged_put_with_a_seq_is_a_violation)
{
    setup(10);
    recv_lease(w, c, "a", 1);
    put(w, d, 1, WIRE_STAGED, 'x', 1, 1);
    until_taken_for_dead(w->process);
    recv_lease(q, c, "a", 2);
}
END_TEST

/* Its channel closes, or breaks, before there was room for it. */
START_TEST(what_waits_for_room_when_its_channel_ends_is_lost)
{
    setup(1);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    stage(w, d, 'x', 3);
    ack_staged(w, c, &id, 1);
    ck_assert_str_eq(stat_field("channel", d, 14), "0");
    if (_i == 0)
        ck_assert_int_eq(drop(t, d, RECV), 0);
    else
        ck_assert_int_eq(close_channel(w, d), 0);
    ck_assert_str_eq(stat_field("channel", d, 14), (_i == 0 ? "3" : "2")); /* one was in the buffer */
    ck_assert_str_eq(stat_field("channel", d, 9), "3");
    struct heard h = hear(w, WIRE_ROOM);
    ck_assert_uint_eq(h.head.seq, 3);
}
END_TEST

START_TEST(what_was_not_staged_and_waits_for_room_then_was_never_sent)
{
    setup(1);
    put(w, d, 0, 0, 'x', 3, 1);
    sync_line(w);
    ck_assert_int_eq(drop(t, d, RECV), 0);
    ck_assert_str_eq(stat_field("channel", d, 14), "1");
    struct heard h = hear(w, WIRE_ROOM);
    ck_assert_uint_eq(h.head.count, EPIPE);
    ck_assert_uint_eq(h.head.seq, 1);
}
END_TEST

/* Nobody could be told that it was never sent. */
START_TEST(what_one_who_has_ended_sent_is_lost_when_its_channel_breaks)
{
    setup(1);
    put(w, d, 0, 0, 'x', 3, 1);
    sync_line(w);
    ck_assert_int_eq(bye(w, 0, 0), 0);
    ck_assert_int_eq(drop(t, d, RECV), 0);
    ck_assert_str_eq(stat_field("channel", d, 14), "3");
}
END_TEST

Suite *staged_suite(void)
{
    Suite *suite = suite_create("staged");
    TCase *tests = tcase_create("staged");
    tcase_add_checked_fixture(tests, run_start, run_stop);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, what_is_staged_is_not_seen);
    tcase_add_test(tests, an_ack_puts_what_is_staged_and_settles);
    tcase_add_test(tests, an_ack_puts_on_each_stream);
    tcase_add_test(tests, no_window_bounds_what_is_staged);
    tcase_add_test(tests, what_was_staged_waits_for_room_when_it_is_put);
    tcase_add_test(tests, a_put_after_it_goes_on_with_its_numbers);
    tcase_add_test(tests, an_ack_without_staged_drops_it);
    tcase_add_test(tests, a_nack_drops_it);
    tcase_add_test(tests, a_settlement_drops_it);
    tcase_add_test(tests, a_death_drops_it_and_the_value_returns);
    tcase_add_test(tests, a_death_after_the_ack_leaves_it);
    tcase_add_test(tests, the_end_of_its_stream_drops_it);
    tcase_add_test(tests, an_ack_that_came_late_drops_it);
    tcase_add_test(tests, an_ack_of_which_a_part_came_late_gives_the_rest_back);
    tcase_add_test(tests, what_is_put_on_a_closed_channel_is_lost_and_the_lease_settled);
    tcase_add_loop_test(tests, what_waits_for_room_when_its_channel_ends_is_lost, 0, 2);
    tcase_add_test(tests, what_was_not_staged_and_waits_for_room_then_was_never_sent);
    tcase_add_test(tests, what_one_who_has_ended_sent_is_lost_when_its_channel_breaks);
    tcase_add_test(tests, a_staged_value_over_max_bytes_is_a_violation);
    tcase_add_test(tests, a_staged_put_with_a_seq_is_a_violation);
    suite_add_tcase(suite, tests);
    return suite;
}
