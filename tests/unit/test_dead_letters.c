/* SPDX-License-Identifier: MPL-2.0 */
/* What is not done: NACK, SETTLE, attempts, dead letters, back-off and timeouts of section 16 of docs/protocol.md. */
#include "../speaker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

Suite *dead_letters_suite(void);

enum { BIG = 1000000 };
#define MS   INT64_C(1000000)
#define LONG (400 * MS) /* a timeout: what takes half of it is in time, and well after what has just been done */

static struct speaker *s, *r, *q, *u; /* who sends, two who receive, who receives the dead letters */
static uint64_t c, d;

static void setup_with(struct wire_set settings, uint64_t dead_capacity, struct wire_set *dead_settings)
{
    c = declare("jobs", 10, WIRE_CLOSE_SENDERS);
    d = declare("failed", dead_capacity, WIRE_CLOSE_SENDERS);
    if (dead_settings != NULL)
        ck_assert_int_eq(set(run.root, d, *dead_settings), 0);
    settings.dead = d;
    ck_assert_int_eq(set(run.root, c, settings), 0);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    q = colleague(c, RECV, 0, 0);
    u = colleague(d, RECV, 0, 0);
    send_text(s, c, "a");
    send_text(s, c, "b");
    send_text(s, c, "c");
}

static void setup(uint32_t attempts)
{
    setup_with(retry(attempts, 0), 10, NULL);
}

static uint64_t given_up(void)
{
    return strtoull(stat_field("channel", c, 17), NULL, 10);
}

/* Receives a dead letter with this reason. */
static struct committed recv_letter(const char *text, uint32_t tries, const char *reason)
{
    struct committed got = recv_lease(u, d, text, tries);
    ck_assert_msg(got.lease.reason == strlen(reason) && memcmp(got.reason, reason, strlen(reason)) == 0,
                  "\"%.*s\", not \"%s\"", (int)got.lease.reason, got.reason, reason);
    return got;
}

START_TEST(a_nack_without_delay_returns_the_value_to_its_place)
{
    setup(5);
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    nack(r, c, id, 0, "");
    ck_assert_uint_eq(recv_lease(q, c, "a", 2).lease.id, id);
    recv_lease(q, c, "b", 1);
}
END_TEST

START_TEST(a_nack_of_what_is_not_held_is_ignored)
{
    setup(5);
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    nack(q, c, id, WIRE_DEAD_LETTER, "");
    ack(r, c, id);
    nack(r, c, id, WIRE_DEAD_LETTER, "");
    recv_lease(q, c, "b", 1);
    ck_assert(nothing(u, d));
}
END_TEST

START_TEST(a_delay_that_there_is_not_is_a_violation)
{
    setup(5);
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    struct wire_nack w = {id, WIRE_DONE};
    say(r, WIRE_NACK, (struct wire_head){.channel = c}, &w, sizeof w);
    until_taken_for_dead(r->process);
    recv_lease(q, c, "a", 2);
}
END_TEST

START_TEST(a_value_in_back_off_lets_others_pass)
{
    setup(5);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, HOUR, "");
    ck_assert_str_eq(stat_field("channel", c, 16), "1");
    recv_lease(q, c, "b", 1);
    recv_lease(q, c, "c", 1);
    ck_assert(nothing(q, c));
}
END_TEST

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

START_TEST(a_delay_is_the_least_that_passes)
{
    setup(5);
    ack(r, c, recv_lease(r, c, "a", 1).lease.id);
    ack(r, c, recv_lease(r, c, "b", 1).lease.id);
    int64_t start = now();
    nack(r, c, recv_lease(r, c, "c", 1).lease.id, 50 * MS, "");
    recv_lease(q, c, "c", 2);
    ck_assert_int_ge(now() - start, 50 * MS);
}
END_TEST

START_TEST(the_back_off_doubles_up_to_its_most)
{
    setup_with((struct wire_set){.attempts = 9, .least = 20 * MS, .most = 50 * MS}, 10, NULL);
    ack(r, c, recv_lease(r, c, "a", 1).lease.id);
    ack(r, c, recv_lease(r, c, "b", 1).lease.id);
    static const int64_t delays[] = {20 * MS, 40 * MS, 50 * MS, 50 * MS};
    uint64_t id = recv_lease(r, c, "c", 1).lease.id;
    for (uint32_t i = 0; i < 4; i++) {
        int64_t start = now();
        nack(r, c, id, WIRE_BACK_OFF, "");
        recv_lease(r, c, "c", i + 2);
        ck_assert_int_ge(now() - start, delays[i]);
    }
}
END_TEST

START_TEST(a_refused_value_is_a_dead_letter_at_once)
{
    setup(5);
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    nack(r, c, id, WIRE_DEAD_LETTER, "not an image");
    struct committed got = recv_letter("a", 1, "not an image");
    ck_assert_uint_eq(got.lease.id, id);
    ck_assert_uint_eq(got.lease.letter, 1);
}
END_TEST

START_TEST(a_value_that_was_delivered_often_enough_is_a_dead_letter)
{
    setup(2);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "once");
    nack(r, c, recv_lease(r, c, "a", 2).lease.id, 0, "twice");
    recv_letter("a", 2, "twice");
    recv_lease(r, c, "b", 1);
}
END_TEST

START_TEST(the_letter_of_a_dead_process_says_how_that_ended)
{
    setup(1);
    recv_lease(r, c, "a", 1);
    crash(r);
    recv_letter("a", 1, "name[0]: exit status 3");
}
END_TEST

START_TEST(a_letter_of_which_nobody_said_why_says_how_often_it_was_given_back)
{
    setup(2);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "once");
    nack(r, c, recv_lease(r, c, "a", 2).lease.id, 0, "");
    recv_letter("a", 2, "name[0]: given back, and no reason given: delivered 2 times");
    nack(r, c, recv_lease(r, c, "b", 1).lease.id, WIRE_DEAD_LETTER, "");
    recv_letter("b", 1, "name[0]: rejected, and no reason given: delivered 1 time");
}
END_TEST

START_TEST(a_settlement_that_says_no_reason_says_who_gave_it_back)
{
    setup(1);
    recv_lease(r, c, "a", 1);
    uint64_t n = 0;
    ck_assert_int_eq(settle(r, c, &n, WIRE_BACK_OFF, ""), 0);
    recv_letter("a", 1, "name[0]: given back, and no reason given: delivered 1 time");
}
END_TEST

START_TEST(a_dead_letter_is_no_lease)
{
    setup(1);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, WIRE_DEAD_LETTER, "x");
    recv_letter("a", 1, "x");
    ck_assert_str_eq(leased(d), "0");
}
END_TEST

START_TEST(a_dead_letter_of_a_stream_is_delivered_with_its_reason)
{
    setup(1);
    stream(u, d, RECV, BIG, 0);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, WIRE_DEAD_LETTER, "why");
    struct heard h = hear(u, WIRE_DELIVER);
    struct wire_lease w;
    ck_assert_int_eq(wire_lease(&h.head, h.data, &w), 0);
    ck_assert_uint_eq(w.reason, 3);
    ck_assert_int_eq(wire_block_data(&h.head, h.data), 1);
}
END_TEST

START_TEST(where_dead_letters_are_leased_they_have_attempts_of_their_own)
{
    struct wire_set once = retry(2, 0);
    setup_with(retry(1, 0), 10, &once);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "x");
    struct committed got = recv_letter("a", 2, "x");
    ck_assert_uint_eq(got.lease.letter, 0);
    nack(u, d, got.lease.id, 0, "y");
    recv_lease(u, d, "a", 3);
}
END_TEST

START_TEST(letters_that_are_redelivered_keep_each_its_reason)
{
    struct wire_set leases = retry(5, 0);
    setup_with(retry(1, 0), 10, &leases);
    struct speaker *t = colleague(c, SEND, d, RECV);
    ack(r, c, recv_lease(r, c, "a", 1).lease.id);
    ack(r, c, recv_lease(r, c, "b", 1).lease.id);
    ack(r, c, recv_lease(r, c, "c", 1).lease.id);
    stream(t, c, SEND, BIG, 0);
    put(t, c, 0, 0, 'x', 2, 1); /* of one frame: they would be one lease if they were alike */
    nack(r, c, recv_lease(r, c, "x", 1).lease.id, WIRE_DEAD_LETTER, "one");
    nack(r, c, recv_lease(r, c, "y", 1).lease.id, WIRE_DEAD_LETTER, "other");
    recv_letter("x", 2, "one");
    recv_letter("y", 2, "other");
    crash(u);
    u = colleague(d, RECV, 0, 0);
    recv_letter("x", 3, "one");
    recv_letter("y", 3, "other");
}
END_TEST

START_TEST(a_dead_letter_waits_for_room_and_stops_its_source_alone)
{
    setup_with(retry(1, 0), 1, NULL);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "1");
    nack(r, c, recv_lease(r, c, "b", 1).lease.id, 0, "2");
    ck_assert(nothing(r, c)); /* "c" is there */
    OFFER(r, 0, ON_RECV(c));
    ck_assert(silent(r));
    ck_assert_int_eq(send_text(s, c, "d"), 0);
    recv_letter("a", 1, "1");
    struct committed got = committed(r);
    ck_assert(is_text(&got, "c"));
    recv_letter("b", 1, "2");
}
END_TEST

START_TEST(a_dead_letter_without_a_channel_is_given_up)
{
    c = declare("jobs", 10, WIRE_CLOSE_SENDERS);
    ck_assert_int_eq(set(run.root, c, retry(1, 0)), 0);
    s = colleague(c, SEND | RECV, 0, 0);
    send_text(s, c, "a");
    nack(s, c, recv_lease(s, c, "a", 1).lease.id, 0, "");
    ck_assert_uint_eq(given_up(), 1);
    ck_assert(nothing(s, c));
}
END_TEST

START_TEST(a_dead_letter_for_a_broken_channel_is_given_up)
{
    setup(1);
    crash(u);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "");
    ck_assert_uint_eq(given_up(), 1);
    recv_lease(r, c, "b", 1);
}
END_TEST

START_TEST(a_dead_letter_that_waits_is_given_up_when_its_channel_breaks)
{
    setup_with(retry(1, 0), 1, NULL);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "");
    nack(r, c, recv_lease(r, c, "b", 1).lease.id, 0, "");
    crash(u);
    recv_lease(r, c, "c", 1);
    ck_assert_uint_eq(given_up(), 1);
}
END_TEST

START_TEST(a_dead_letter_too_large_for_its_channel_is_given_up)
{
    c = make(run.root, 10, BIG);
    d = make(run.root, 10, 2);
    ck_assert_int_eq(set(run.root, c, retry(1, d)), 0);
    send_text(run.root, c, "abc");
    nack(run.root, c, recv_lease(run.root, c, "abc", 1).lease.id, 0, "");
    ck_assert_uint_eq(given_up(), 1);
}
END_TEST

/* The root takes and gives up: a channel of dead letters that rejects what it has no room for. */
static void setup_rejecting(uint64_t dead_capacity, uint64_t dead_bytes)
{
    c = make(run.root, 10, BIG);
    d = make(run.root, dead_capacity, dead_bytes);
    ck_assert_int_eq(set(run.root, d, (struct wire_set){.overflow = WIRE_REJECT}), 0);
    ck_assert_int_eq(set(run.root, c, retry(1, d)), 0);
    s = colleague(c, SEND, 0, 0);
    r = u = run.root;
}

START_TEST(dead_letters_fill_a_channel_that_rejects_and_no_more)
{
    static const struct {
        uint64_t values, bytes;
    } rooms[] = {{2, BIG}, {10, 2}};
    setup_rejecting(rooms[_i].values, rooms[_i].bytes);
    static const char *const texts[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(given_up(), 0);
        send_text(s, c, texts[i]);
        nack(r, c, recv_lease(r, c, texts[i], 1).lease.id, WIRE_DEAD_LETTER, "x");
    }
    ck_assert_uint_eq(given_up(), 1);
    recv_letter("a", 1, "x");
    recv_letter("b", 1, "x");
    ck_assert(nothing(u, d));
}
END_TEST

START_TEST(of_values_given_up_together_a_channel_that_rejects_takes_what_fits)
{
    setup_rejecting(1, BIG);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 2, 1);
    recv_lease(r, c, "a", 1);
    recv_lease(r, c, "b", 1);
    uint64_t n = 0;
    ck_assert_int_eq(settle(r, c, &n, WIRE_DEAD_LETTER, "x"), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(given_up(), 1);
    recv_letter("a", 1, "x");
    ck_assert(nothing(u, d));
}
END_TEST

START_TEST(the_channel_of_dead_letters_closes_when_its_source_is_done)
{
    setup(1);
    OFFER(u, 0, ON_RECV(d));
    drop(s, c, SEND);
    ack(r, c, recv_lease(r, c, "a", 1).lease.id);
    ack(r, c, recv_lease(r, c, "b", 1).lease.id);
    uint64_t id = recv_lease(r, c, "c", 1).lease.id;
    ck_assert(silent(u));
    ack(r, c, id);
    ck_assert_int_eq(committed(u).err, EPIPE);
}
END_TEST

START_TEST(the_last_value_can_still_be_a_dead_letter)
{
    setup(1);
    drop(s, c, SEND);
    for (int i = 0; i < 3; i++) {
        const char *const texts[] = {"a", "b", "c"};
        nack(r, c, recv_lease(r, c, texts[i], 1).lease.id, 0, "x");
        recv_letter(texts[i], 1, "x");
    }
    OFFER(u, 0, ON_RECV(d));
    ck_assert_int_eq(committed(u).err, EPIPE);
}
END_TEST

START_TEST(a_close_waits_for_what_is_in_back_off)
{
    setup(5);
    ack(r, c, recv_lease(r, c, "a", 1).lease.id);
    ack(r, c, recv_lease(r, c, "b", 1).lease.id);
    uint64_t id = recv_lease(r, c, "c", 1).lease.id;
    drop(s, c, SEND);
    nack(r, c, id, 20 * MS, "");
    OFFER(q, 0, ON_RECV(c));
    struct committed got = committed(q);
    ck_assert(is_text(&got, "c"));
}
END_TEST

START_TEST(a_close_waits_for_a_dead_letter_that_waits)
{
    setup_with(retry(1, 0), 1, NULL);
    uint64_t a = recv_lease(r, c, "a", 1).lease.id, b = recv_lease(r, c, "b", 1).lease.id;
    ack(r, c, recv_lease(r, c, "c", 1).lease.id);
    drop(s, c, SEND);
    nack(r, c, a, 0, "1");
    nack(r, c, b, 0, "2");
    ck_assert_str_eq(leased(c), "0");
    ck_assert(nothing(q, c)); /* nor is it told that there will be nothing */
    OFFER(q, 0, ON_RECV(c));
    recv_letter("a", 1, "1");
    ck_assert_int_eq(committed(q).err, EPIPE);
    recv_letter("b", 1, "2");
}
END_TEST

START_TEST(settle_settles_the_oldest)
{
    setup(5);
    recv_lease(r, c, "a", 1);
    recv_lease(r, c, "b", 1);
    recv_lease(r, c, "c", 1);
    uint64_t n = 2;
    ck_assert_int_eq(settle(r, c, &n, WIRE_DONE, ""), 0);
    ck_assert_uint_eq(n, 2);
    crash(r);
    recv_lease(q, c, "c", 2);
}
END_TEST

START_TEST(settle_takes_values_of_one_frame_apart)
{
    setup_rejecting(10, BIG);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 3, 1);
    recv_lease(r, c, "a", 1);
    recv_lease(r, c, "b", 1);
    recv_lease(r, c, "c", 1);
    uint64_t n = 1;
    ck_assert_int_eq(settle(r, c, &n, WIRE_DONE, ""), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(leased(c), "2");
}
END_TEST

START_TEST(settle_without_a_number_settles_all)
{
    setup(5);
    recv_lease(r, c, "a", 1);
    recv_lease(r, c, "b", 1);
    uint64_t n = 0;
    ck_assert_int_eq(settle(r, c, &n, WIRE_DEAD_LETTER, "bad"), 0);
    ck_assert_uint_eq(n, 2);
    recv_letter("a", 1, "bad");
    recv_letter("b", 1, "bad");
}
END_TEST

START_TEST(settle_of_nothing_is_refused)
{
    setup(5);
    uint64_t n = 0;
    ck_assert_int_eq(settle(r, c, &n, WIRE_DONE, ""), ENOENT);
    ck_assert_int_eq(settle(r, c + 1000, &n, WIRE_DONE, ""), EBADF);
}
END_TEST

/* Not even as its last attempt. */
START_TEST(what_was_not_begun_comes_back_without_a_try)
{
    setup(2);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, 0, "no");
    nack(r, c, recv_lease(r, c, "a", 2).lease.id, WIRE_UNREAD, "");
    recv_lease(r, c, "a", 2);
}
END_TEST

START_TEST(what_was_not_begun_is_not_given_up_by_its_process)
{
    setup(1);
    nack(r, c, recv_lease(r, c, "a", 1).lease.id, WIRE_UNREAD, "");
    crash(r);
    r = colleague(c, RECV, 0, 0);
    recv_lease(r, c, "a", 1);
}
END_TEST

START_TEST(a_guest_inside_of_a_process_refuses_for_it)
{
    setup(5);
    uint64_t id = recv_lease(r, c, "a", 1).lease.id, n = 1;
    ck_assert_int_eq(settle(guest_inside(r->process), c, &n, WIRE_DEAD_LETTER, "no"), 0);
    ack(r, c, id); /* too late */
    recv_letter("a", 1, "no");
}
END_TEST

/* Until it is killed. That is not waited for any other way: it can be killed before it could say anything. */
static _Noreturn void stay(void)
{
    for (;;)
        pause();
}

static void hold(struct speaker *me, void *arg)
{
    (void)arg;
    recv_lease(me, c, "a", 1);
    stay();
}

START_TEST(who_holds_a_lease_for_too_long_is_killed)
{
    setup(1);
    struct wire_announced a = announce_slow(50 * MS, c, RECV);
    pid_t pid = fork_attached(a.ticket, hold, NULL);
    int status = wait_child(pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    recv_letter("a", 1, "slow[0]: timeout");
}
END_TEST

/* The timer goes off for "a", which is done by then, and not yet for "b". */
static void hold_one_after_another(struct speaker *me, void *arg)
{
    (void)arg;
    uint64_t id = recv_lease(me, c, "a", 1).lease.id;
    recv_lease(me, c, "b", 1);
    usleep(LONG / MS * 500);
    ack(me, c, id);
    stay();
}

START_TEST(who_settles_one_in_time_and_not_the_next_is_killed)
{
    setup(1);
    pid_t pid = fork_attached(announce_slow(LONG, c, RECV).ticket, hold_one_after_another, NULL);
    int status = wait_child(pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

/* Ends well after long enough: only who is slower than the broker by all of these times is killed first. */
static void hold_one_and_do_others(struct speaker *me, void *arg)
{
    (void)arg;
    recv_lease(me, c, "a", 1);
    for (int i = 0; i < 60; i++) {
        usleep(LONG / MS * 500);
        OFFER(me, 0, ON_RECV(c));
        ack(me, c, committed(me).lease.id);
        send_text(me, c, "more");
    }
}

START_TEST(who_holds_one_for_too_long_is_killed_whatever_else_it_does)
{
    setup(1);
    pid_t pid = fork_attached(announce_slow(LONG, c, SEND | RECV).ticket, hold_one_and_do_others, NULL);
    int status = wait_child(pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    recv_letter("a", 1, "slow[0]: timeout");
}
END_TEST

static void run_a_program(struct speaker *me, void *group)
{
    ask(me, WIRE_PROGRAM, (struct wire_head){.count = (uint32_t) * (pid_t *)group}, NULL, 0);
    hold(me, NULL);
}

static void lead_a_group(struct speaker *me, void *arg)
{
    (void)me, (void)arg;
    setpgid(0, 0);
    reached();
}

START_TEST(the_program_of_who_holds_a_lease_for_too_long_is_killed_too)
{
    setup(1);
    pid_t program = fork_attached(0, lead_a_group, NULL);
    until_reached();
    pid_t bridge = fork_attached(announce_slow(50 * MS, c, RECV).ticket, run_a_program, &program);
    ck_assert_int_eq(WTERMSIG(wait_child(bridge)), SIGKILL);
    int status = wait_child(program);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

Suite *dead_letters_suite(void)
{
    Suite *suite = suite_create("dead_letters");
    TCase *t = tcase_create("dead_letters");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_nack_without_delay_returns_the_value_to_its_place);
    tcase_add_test(t, a_nack_of_what_is_not_held_is_ignored);
    tcase_add_test(t, a_delay_that_there_is_not_is_a_violation);
    tcase_add_test(t, a_value_in_back_off_lets_others_pass);
    tcase_add_test(t, a_delay_is_the_least_that_passes);
    tcase_add_test(t, the_back_off_doubles_up_to_its_most);
    tcase_add_test(t, a_refused_value_is_a_dead_letter_at_once);
    tcase_add_test(t, a_value_that_was_delivered_often_enough_is_a_dead_letter);
    tcase_add_test(t, the_letter_of_a_dead_process_says_how_that_ended);
    tcase_add_test(t, a_letter_of_which_nobody_said_why_says_how_often_it_was_given_back);
    tcase_add_test(t, a_settlement_that_says_no_reason_says_who_gave_it_back);
    tcase_add_test(t, a_dead_letter_is_no_lease);
    tcase_add_test(t, a_dead_letter_of_a_stream_is_delivered_with_its_reason);
    tcase_add_test(t, where_dead_letters_are_leased_they_have_attempts_of_their_own);
    tcase_add_test(t, letters_that_are_redelivered_keep_each_its_reason);
    tcase_add_test(t, a_dead_letter_waits_for_room_and_stops_its_source_alone);
    tcase_add_test(t, a_dead_letter_without_a_channel_is_given_up);
    tcase_add_test(t, a_dead_letter_for_a_broken_channel_is_given_up);
    tcase_add_test(t, a_dead_letter_that_waits_is_given_up_when_its_channel_breaks);
    tcase_add_test(t, a_dead_letter_too_large_for_its_channel_is_given_up);
    tcase_add_loop_test(t, dead_letters_fill_a_channel_that_rejects_and_no_more, 0, 2);
    tcase_add_test(t, of_values_given_up_together_a_channel_that_rejects_takes_what_fits);
    tcase_add_test(t, the_channel_of_dead_letters_closes_when_its_source_is_done);
    tcase_add_test(t, the_last_value_can_still_be_a_dead_letter);
    tcase_add_test(t, a_close_waits_for_what_is_in_back_off);
    tcase_add_test(t, a_close_waits_for_a_dead_letter_that_waits);
    tcase_add_test(t, settle_settles_the_oldest);
    tcase_add_test(t, settle_takes_values_of_one_frame_apart);
    tcase_add_test(t, settle_without_a_number_settles_all);
    tcase_add_test(t, settle_of_nothing_is_refused);
    tcase_add_test(t, what_was_not_begun_comes_back_without_a_try);
    tcase_add_test(t, what_was_not_begun_is_not_given_up_by_its_process);
    tcase_add_test(t, a_guest_inside_of_a_process_refuses_for_it);
    tcase_add_test(t, who_holds_a_lease_for_too_long_is_killed);
    tcase_add_test(t, who_settles_one_in_time_and_not_the_next_is_killed);
    tcase_add_test(t, who_holds_one_for_too_long_is_killed_whatever_else_it_does);
    tcase_add_test(t, the_program_of_who_holds_a_lease_for_too_long_is_killed_too);
    suite_add_tcase(suite, t);
    return suite;
}
