/* SPDX-License-Identifier: MPL-2.0 */
/* Successors: section 17 of docs/protocol.md, frame by frame. */
#include "../speaker.h"

#include <errno.h>
#include <unistd.h>

Suite *successor_suite(void);

enum { CLEAN, CODE, SIGNAL };

static const struct wire_head none;
static uint64_t c;
static struct speaker *first;
static struct wire_announced next;

/* `first` holds these ends of c, and `next` is its successor with the same. */
static void both_hold(uint64_t capacity, uint32_t ends)
{
    c = make(run.root, capacity, 1 << 20);
    first = colleague(c, ends, 0, 0);
    ck_assert_int_eq(announce_after(run.root, first->process, c, ends, &next), 0);
    ck_assert_int_eq(drop(run.root, c, ends), 0);
}

static int reaped(uint64_t process, int how, int code)
{
    struct wire_exit w = {.process = process, .how = how, .code = code};
    return ask_err(run.root, WIRE_REAPED, none, &w, sizeof w);
}

static int started(uint64_t process, uint32_t pid)
{
    struct wire_started w = {.process = process, .pid = pid};
    return ask_err(run.root, WIRE_STARTED, none, &w, sizeof w);
}

/* The root receives, and hears that c has closed with this reason. */
static void closed_with(int how, int code)
{
    OFFER(run.root, 0, ON_RECV(c));
    ck_assert_int_eq(committed(run.root).err, EPIPE);
    struct wire_why w = why(run.root, c);
    ck_assert_int_eq(w.closed, 1);
    ck_assert_int_eq(w.how, how);
    ck_assert_int_eq(w.code, code);
}

START_TEST(a_channel_stays_open_from_a_process_to_its_successor)
{
    both_hold(2, SEND);
    ck_assert_int_eq(send_text(first, c, "one"), 0);
    ck_assert_int_eq(bye(first, SIGNAL, 9), 0);
    recv_text(run.root, c, "one");
    ck_assert(nothing(run.root, c));
    struct speaker *s = attach(next.ticket);
    ck_assert_int_eq(send_text(s, c, "two"), 0);
    recv_text(run.root, c, "two");
    ck_assert_int_eq(bye(s, CLEAN, 0), 0);
    closed_with(CLEAN, 0);
}
END_TEST

START_TEST(a_channel_is_not_broken_between_them)
{
    both_hold(2, RECV);
    ck_assert_int_eq(bye(first, CODE, 1), 0);
    ck_assert_int_eq(send_text(run.root, c, "one"), 0);
    recv_text(attach(next.ticket), c, "one");
}
END_TEST

START_TEST(the_last_reason_is_that_of_the_channel)
{
    both_hold(2, SEND);
    ck_assert_int_eq(bye(first, SIGNAL, 9), 0);
    ck_assert_int_eq(reaped(next.process, CODE, 5), 0);
    closed_with(CODE, 5);
}
END_TEST

START_TEST(one_that_is_never_started_ends_well)
{
    both_hold(2, SEND);
    ck_assert_int_eq(bye(first, SIGNAL, 9), 0);
    ck_assert_int_eq(started(next.process, 0), 0);
    closed_with(CLEAN, 0);
}
END_TEST

START_TEST(without_its_successor_a_process_ends_with_its_own_reason)
{
    both_hold(2, SEND);
    ck_assert_int_eq(started(next.process, 0), 0);
    ck_assert_int_eq(bye(first, CODE, 3), 0);
    closed_with(CODE, 3);
}
END_TEST

START_TEST(ends_that_the_successor_does_not_hold_go_with_the_reason)
{
    c = make(run.root, 2, 100);
    uint64_t other = make(run.root, 2, 100);
    first = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(announce_after(run.root, first->process, other, SEND, &next), 0);
    ck_assert_int_eq(drop(run.root, c, SEND), 0);
    ck_assert_int_eq(bye(first, CODE, 3), 0);
    closed_with(CODE, 3);
}
END_TEST

START_TEST(what_was_delivered_and_not_taken_is_the_successors)
{
    both_hold(8, RECV);
    ck_assert_int_eq(stream(first, c, RECV, 100, 0), 0);
    ck_assert_int_eq(send_text(run.root, c, "one"), 0);
    ck_assert_int_eq(send_text(run.root, c, "two"), 0);
    hear(first, WIRE_DELIVER);
    ck_assert_int_eq(bye(first, CODE, 1), 0);
    struct speaker *s = attach(next.ticket);
    recv_text(s, c, "one");
    recv_text(s, c, "two");
}
END_TEST

/* Of several receivers each would get one value until it has shown that it takes more. */
START_TEST(who_stands_by_is_no_rival)
{
    both_hold(8, RECV);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(send_text(run.root, c, "x"), 0);
    ck_assert_int_eq(stream(first, c, RECV, 100, 0), 0);
    uint32_t n = 0;
    while (n < 5)
        n += hear(first, WIRE_DELIVER).head.count;
    ck_assert_uint_eq(n, 5);
}
END_TEST

START_TEST(who_stands_by_is_not_counted_until_it_is_started)
{
    both_hold(8, RECV);
    ck_assert_str_eq(stat_field("channel", c, 8), "1");
    ck_assert_str_eq(stat_field("process", next.process, 6), "standing");
    ck_assert_int_eq(started(next.process, (uint32_t)getpid()), 0);
    ck_assert_str_eq(stat_field("channel", c, 8), "2");
    ck_assert_str_eq(stat_field("process", next.process, 6), "started");
}
END_TEST

START_TEST(who_follows_is_counted)
{
    both_hold(8, RECV);
    ck_assert_int_eq(bye(first, CODE, 1), 0);
    ck_assert_str_eq(stat_field("channel", c, 8), "1");
    ck_assert_str_eq(stat_field("process", next.process, 6), "announced");
    ck_assert_int_eq(reaped(next.process, CLEAN, 0), 0);
    ck_assert_str_eq(stat_field("channel", c, 8), "0");
}
END_TEST

START_TEST(there_is_one_successor)
{
    struct wire_announced a;
    both_hold(8, RECV);
    ck_assert_int_eq(announce_after(run.root, first->process, c, SEND, &a), EEXIST);
}
END_TEST

START_TEST(another_successor_may_be_announced_when_one_has_ended)
{
    struct wire_announced a;
    both_hold(8, SEND);
    ck_assert_int_eq(started(next.process, 0), 0);
    ck_assert_int_eq(announce_after(run.root, first->process, c, RECV, &a), 0);
}
END_TEST

START_TEST(nobody_is_followed_who_never_was)
{
    struct wire_announced a;
    c = make(run.root, 1, 100);
    ck_assert_int_eq(announce_after(run.root, 1000, c, SEND, &a), ESRCH);
}
END_TEST

START_TEST(a_successor_is_its_announcers_to_announce)
{
    struct wire_announced a;
    both_hold(8, SEND);
    struct speaker *s = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(announce_after(s, first->process, c, RECV, &a), EPERM);
}
END_TEST

START_TEST(the_successor_of_a_successor_waits_for_the_end_of_the_first)
{
    struct wire_announced a;
    both_hold(8, SEND);
    ck_assert_int_eq(announce_after(run.root, next.process, c, RECV, &a), EAGAIN);
    ck_assert_int_eq(bye(first, CODE, 1), 0);
    ck_assert_int_eq(announce_after(run.root, next.process, c, RECV, &a), 0);
}
END_TEST

START_TEST(an_announcement_that_fails_leaves_the_channel_as_it_was)
{
    struct wire_announced a;
    c = make(run.root, 1, 100);
    first = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(announce_after(run.root, 1000, c, RECV, &a), ESRCH);
    ck_assert_int_eq(drop(run.root, c, RECV), 0);
    ck_assert_int_eq(send_text(run.root, c, "x"), 0);
    recv_text(first, c, "x");
}
END_TEST

START_TEST(a_crash_that_is_followed_is_no_failure_of_its_scope)
{
    c = make(run.root, 1, 100);
    uint64_t scope = enter(run.root, -1, HOUR);
    first = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(announce_after(run.root, first->process, c, SEND, &next), 0);
    ck_assert_int_eq(bye(first, CODE, 3), 0);
    struct speaker *s = attach(next.ticket);
    ck_assert_int_eq(bye(s, CLEAN, 0), 0);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(left(run.root).how, CLEAN);
}
END_TEST

START_TEST(a_chain_of_many_leaves_nothing)
{
    both_hold(2, SEND);
    for (int i = 0; i < 100; i++) {
        struct wire_announced after;
        ck_assert_int_eq(bye(first, SIGNAL, 9), 0);
        ck_assert_int_eq(announce_after(run.root, next.process, c, RECV, &after), 0);
        first = attach(next.ticket);
        next = after;
    }
    ck_assert_int_eq(bye(first, CLEAN, 0), 0);
    ck_assert_int_eq(started(next.process, 0), 0);
}
END_TEST

Suite *successor_suite(void)
{
    Suite *s = suite_create("successor");
    TCase *t = tcase_create("successors");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, a_channel_stays_open_from_a_process_to_its_successor);
    tcase_add_test(t, a_channel_is_not_broken_between_them);
    tcase_add_test(t, the_last_reason_is_that_of_the_channel);
    tcase_add_test(t, one_that_is_never_started_ends_well);
    tcase_add_test(t, without_its_successor_a_process_ends_with_its_own_reason);
    tcase_add_test(t, ends_that_the_successor_does_not_hold_go_with_the_reason);
    tcase_add_test(t, what_was_delivered_and_not_taken_is_the_successors);
    tcase_add_test(t, who_stands_by_is_no_rival);
    tcase_add_test(t, who_stands_by_is_not_counted_until_it_is_started);
    tcase_add_test(t, who_follows_is_counted);
    tcase_add_test(t, there_is_one_successor);
    tcase_add_test(t, another_successor_may_be_announced_when_one_has_ended);
    tcase_add_test(t, nobody_is_followed_who_never_was);
    tcase_add_test(t, a_successor_is_its_announcers_to_announce);
    tcase_add_test(t, the_successor_of_a_successor_waits_for_the_end_of_the_first);
    tcase_add_test(t, an_announcement_that_fails_leaves_the_channel_as_it_was);
    tcase_add_test(t, a_crash_that_is_followed_is_no_failure_of_its_scope);
    tcase_add_test(t, a_chain_of_many_leaves_nothing);
    suite_add_tcase(s, t);
    return s;
}
