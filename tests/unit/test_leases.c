/* SPDX-License-Identifier: MPL-2.0 */
/* Leases: section 16 of docs/protocol.md, a rule a test. What a process does is said by its line; where it must die
 * without a word it is forked. */
#include "../speaker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *leases_suite(void);

enum { BIG = 1000000, MANY = 5 };

static struct speaker *s, *r, *q; /* who sends, and two who receive */
static uint64_t c;

static void setup(uint64_t capacity, struct wire_set settings)
{
    static char name[] = "a";
    c = declare(name, capacity, WIRE_CLOSE_SENDERS);
    name[0]++;
    ck_assert_int_eq(set(run.root, c, settings), 0);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    q = colleague(c, RECV, 0, 0);
}

static void setup_many(void)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    send_text(s, c, "b");
    send_text(s, c, "c");
}

/* Another receiver, which does this up to where it is killed. */
static void kill_after(void (*act)(struct speaker *me, void *arg))
{
    uint64_t process;
    pid_t pid = fork_attached(announce(run.root, &process, c, RECV, 0, 0), act, NULL);
    until_reached();
    kill(pid, SIGKILL);
    wait_child(pid);
    until_buried(process);
}

/* ---- settings */

START_TEST(settings_are_set_once)
{
    c = make(run.root, 10, BIG);
    ck_assert_int_eq(set(run.root, c, retry(3, 0)), 0);
    ck_assert_int_eq(set(run.root, c, retry(3, 0)), EBUSY);
}
END_TEST

START_TEST(settings_come_before_the_first_value)
{
    c = make(run.root, 10, BIG);
    send_text(run.root, c, "a");
    ck_assert_int_eq(set(run.root, c, retry(3, 0)), EBUSY);
}
END_TEST

START_TEST(settings_come_before_the_first_stream)
{
    c = make(run.root, 10, BIG);
    ck_assert_int_eq(stream(run.root, c, RECV, BIG, 0), 0);
    ck_assert_int_eq(set(run.root, c, retry(3, 0)), EBUSY);
}
END_TEST

START_TEST(settings_of_a_named_channel_are_the_roots)
{
    c = declare("jobs", 10, WIRE_CLOSE_SENDERS);
    struct speaker *p = colleague(c, SEND | RECV, 0, 0);
    ck_assert_int_eq(set(p, c, retry(3, 0)), EPERM);
    ck_assert_int_eq(set(run.root, c, retry(3, 0)), 0);
}
END_TEST

START_TEST(settings_need_both_ends_of_an_unnamed_channel)
{
    c = make(run.root, 10, BIG);
    struct speaker *p = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(set(p, c, retry(3, 0)), EPERM);
}
END_TEST

START_TEST(settings_out_of_range_are_refused)
{
    c = make(run.root, 10, BIG);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.attempts = 1, .least = -1}), EINVAL);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.attempts = 1, .least = 2, .most = 1}), EINVAL);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.attempts = 1, .ordered = 2}), EINVAL);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.attempts = 1, .overflow = WIRE_REJECT + 1}), EINVAL);
    ck_assert_int_eq(set(run.root, make(run.root, 0, BIG), retry(1, 0)), EINVAL);
    ck_assert_int_eq(set(run.root, make_group(run.root), retry(1, 0)), EINVAL);
    ck_assert_int_eq(set(run.root, c + 1000, retry(1, 0)), EBADF);
}
END_TEST

START_TEST(dead_letters_never_lead_back)
{
    c = make(run.root, 10, BIG);
    uint64_t d = make(run.root, 10, BIG);
    ck_assert_int_eq(set(run.root, c, retry(1, c)), EINVAL);
    ck_assert_int_eq(set(run.root, c, retry(1, d)), 0);
    ck_assert_int_eq(set(run.root, d, retry(1, c)), EINVAL);
}
END_TEST

START_TEST(dead_letters_need_a_sending_end)
{
    c = make(run.root, 10, BIG);
    struct speaker *p = colleague(c, SEND | RECV, 0, 0);
    uint64_t d = make(run.root, 10, BIG);
    ck_assert_int_eq(set(p, c, retry(1, d)), EBADF);
    ck_assert_int_eq(set(p, c, retry(1, d + 1000)), EBADF);
}
END_TEST

/* ---- taking */

START_TEST(a_received_value_is_leased)
{
    setup_many();
    recv_lease(r, c, "a", 1);
    ck_assert_str_eq(leased(c), "1");
    ck_assert_str_eq(stat_field("channel", c, 4), "2");
}
END_TEST

START_TEST(ids_are_consecutive_and_not_0)
{
    setup_many();
    uint64_t a = recv_lease(r, c, "a", 1).lease.id, b = recv_lease(q, c, "b", 1).lease.id;
    ck_assert_uint_ne(a, 0);
    ck_assert_uint_eq(b, a + 1);
}
END_TEST

START_TEST(ids_of_two_channels_differ)
{
    setup_many();
    uint64_t a = recv_lease(r, c, "a", 1).lease.id;
    setup_many();
    ck_assert_uint_ne(recv_lease(r, c, "a", 1).lease.id, a);
}
END_TEST

START_TEST(a_channel_without_settings_leases_nothing)
{
    c = make(run.root, 10, BIG);
    send_text(run.root, c, "a");
    OFFER(run.root, 0, ON_RECV(c));
    ck_assert_uint_eq(committed(run.root).lease.id, 0);
}
END_TEST

START_TEST(a_lease_does_not_count_for_the_capacity)
{
    setup(1, retry(MANY, 0));
    send_text(s, c, "a");
    recv_lease(r, c, "a", 1);
    ck_assert_int_eq(send_text(s, c, "b"), 0);
}
END_TEST

/* ---- ACK */

START_TEST(an_acknowledged_value_is_done)
{
    setup_many();
    ack(r, c, recv_lease(r, c, "a", 1).lease.id);
    ck_assert_str_eq(leased(c), "0");
    crash(r);
    recv_lease(q, c, "b", 1);
}
END_TEST

START_TEST(an_ack_of_several_in_any_order_settles_all)
{
    setup_many();
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    recv_lease(r, c, "b", 1);
    recv_lease(r, c, "c", 1);
    uint64_t ids[] = {id + 2, id};
    say(r, WIRE_ACK, (struct wire_head){.channel = c, .count = 2}, ids, sizeof ids);
    sync_line(r);
    ck_assert_str_eq(leased(c), "1");
    crash(r);
    recv_lease(q, c, "b", 2);
}
END_TEST

START_TEST(an_ack_by_another_process_is_ignored)
{
    setup_many();
    ack(q, c, recv_lease(r, c, "a", 1).lease.id);
    ck_assert_str_eq(leased(c), "1");
}
END_TEST

START_TEST(an_ack_by_another_line_of_the_process_counts)
{
    setup_many();
    ack(another_line(r), c, recv_lease(r, c, "a", 1).lease.id);
    ck_assert_str_eq(leased(c), "0");
}
END_TEST

START_TEST(a_second_ack_is_ignored)
{
    setup_many();
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    ack(r, c, id);
    ack(r, c, id);
    recv_lease(r, c, "b", 1);
    ck_assert_str_eq(leased(c), "1");
}
END_TEST

START_TEST(an_ack_whose_ids_do_not_add_up_is_a_violation)
{
    setup_many();
    uint64_t ids[2] = {recv_lease(r, c, "a", 1).lease.id, 0};
    say(r, WIRE_ACK, (struct wire_head){.channel = c, .count = 1}, ids, sizeof ids);
    until_taken_for_dead(r->process);
    recv_lease(q, c, "a", 2);
}
END_TEST

/* ---- death */

START_TEST(what_a_dead_process_held_goes_to_another)
{
    setup_many();
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    crash(r);
    ck_assert_uint_eq(recv_lease(q, c, "a", 2).lease.id, id);
}
END_TEST

START_TEST(what_returns_returns_in_its_order)
{
    setup_many();
    recv_lease(r, c, "a", 1);
    recv_lease(r, c, "b", 1);
    crash(r);
    recv_lease(q, c, "a", 2);
    recv_lease(q, c, "b", 2);
    recv_lease(q, c, "c", 1);
}
END_TEST

START_TEST(what_returns_may_exceed_the_capacity)
{
    setup(1, retry(MANY, 0));
    send_text(s, c, "a");
    recv_lease(r, c, "a", 1);
    send_text(s, c, "b");
    crash(r);
    ck_assert_str_eq(stat_field("channel", c, 4), "2");
    recv_lease(q, c, "a", 2);
    recv_lease(q, c, "b", 1);
}
END_TEST

START_TEST(a_waiting_receiver_gets_what_a_dead_one_held)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    recv_lease(r, c, "a", 1);
    OFFER(q, 0, ON_RECV(c));
    crash(r);
    struct committed got = committed(q);
    ck_assert(is_text(&got, "a"));
    ck_assert_uint_eq(got.lease.tries, 2);
}
END_TEST

static void take(struct speaker *me, void *arg)
{
    (void)arg;
    recv_lease(me, c, "a", 1);
    reached();
}

START_TEST(what_a_killed_process_held_goes_to_another)
{
    setup_many();
    kill_after(take);
    recv_lease(q, c, "a", 2);
}
END_TEST

static void take_and_acknowledge(struct speaker *me, void *arg)
{
    (void)arg;
    uint64_t id = recv_lease(me, c, "a", 1).lease.id;
    say(me, WIRE_ACK, (struct wire_head){.channel = c, .count = 1}, &id, sizeof id);
    sync_line(me); /* it was completely sent */
    reached();
}

START_TEST(what_was_acknowledged_before_the_death_is_done)
{
    setup_many();
    kill_after(take_and_acknowledge);
    recv_lease(q, c, "b", 1);
}
END_TEST

static void have_delivered(struct speaker *me, void *arg)
{
    (void)arg;
    stream(me, c, RECV, BIG, 0);
    took(me, c, 0, 0, WIRE_WAIT);
    hear(me, WIRE_DELIVER);
    reached();
}

START_TEST(what_was_delivered_and_not_taken_returns_without_a_try)
{
    setup_many();
    kill_after(have_delivered);
    recv_lease(q, c, "a", 1);
}
END_TEST

static void take_of_a_stream(struct speaker *me, void *arg)
{
    (void)arg;
    stream(me, c, RECV, BIG, 0);
    took(me, c, 0, 0, WIRE_WAIT);
    hear(me, WIRE_DELIVER);
    __atomic_store_n(&me->page[0], 1, __ATOMIC_RELEASE);
    reached();
}

START_TEST(what_was_taken_by_the_page_was_leased)
{
    setup_many();
    kill_after(take_of_a_stream);
    recv_lease(q, c, "a", 2);
    recv_lease(q, c, "b", 1);
}
END_TEST

/* ---- streams */

static struct wire_lease heard_lease(const struct heard *h)
{
    struct wire_lease w;
    ck_assert_int_eq(wire_lease(&h->head, h->data, &w), 0);
    return w;
}

START_TEST(a_delivery_says_id_and_tries)
{
    setup(100, retry(MANY, 0));
    crash(q);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, WIRE_GAP, 'a', 50, 200); /* a whole frame, larger than what is copied */
    sync_line(s);
    stream(r, c, RECV, BIG, 0);
    struct heard h = hear(r, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.count, 50);
    ck_assert_uint_ne(heard_lease(&h).id, 0);
    ck_assert_uint_eq(heard_lease(&h).tries, 1);
    ck_assert_int_eq(wire_block_data(&h.head, h.data), (int64_t)50 * 201);
}
END_TEST

START_TEST(an_ack_settles_a_part_of_what_was_delivered)
{
    setup(100, retry(MANY, 0));
    crash(q);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 5, 1);
    sync_line(s);
    stream(r, c, RECV, BIG, 0);
    struct heard h = hear(r, WIRE_DELIVER);
    uint64_t ids[] = {heard_lease(&h).id + 1, heard_lease(&h).id + 2};
    __atomic_store_n(&r->page[0], 4, __ATOMIC_RELEASE); /* seen by the broker, although no TOOK is said */
    say(r, WIRE_ACK, (struct wire_head){.channel = c, .count = 2}, ids, sizeof ids);
    sync_line(r);
    ck_assert_str_eq(leased(c), "2");
    struct speaker *p = colleague(c, RECV, 0, 0);
    crash(r);
    recv_lease(p, c, "a", 2);
    recv_lease(p, c, "d", 2);
    recv_lease(p, c, "e", 1);
}
END_TEST

START_TEST(values_of_one_frame_count_each_its_tries)
{
    setup(10, retry(MANY, 0));
    struct speaker *p = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 2, 1);
    sync_line(s);
    recv_lease(r, c, "a", 1);
    crash(r);
    recv_lease(q, c, "a", 2);
    recv_lease(q, c, "b", 1);
    crash(q);
    recv_lease(p, c, "a", 3);
    recv_lease(p, c, "b", 2);
}
END_TEST

START_TEST(a_stream_is_given_values_of_one_try_in_one_frame)
{
    setup(10, retry(MANY, 0));
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 3, 1);
    sync_line(s);
    recv_lease(r, c, "a", 1);
    crash(r);
    stream(q, c, RECV, BIG, 0);
    struct heard h = hear(q, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.count, 1);
    ck_assert_uint_eq(heard_lease(&h).tries, 2);
    uint64_t id = heard_lease(&h).id;
    h = hear(q, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.count, 2);
    ck_assert_uint_eq(heard_lease(&h).tries, 1);
    ck_assert_uint_eq(heard_lease(&h).id, id + 1);
}
END_TEST

/* ---- channels that are attached */

START_TEST(an_attached_channel_is_redelivered)
{
    setup(10, retry(MANY, 0));
    uint64_t d = make(s, 1, BIG);
    OFFER(s, 0, {WIRE_OP_SEND, c, "x", 1, d});
    ck_assert_int_eq(committed(s).err, 0);
    ck_assert_uint_eq(recv_lease(r, c, "x", 1).attached, d);
    crash(r);
    ck_assert_uint_eq(recv_lease(q, c, "x", 2).attached, d);
    ck_assert_int_eq(send_text(q, d, "y"), 0);
}
END_TEST

START_TEST(an_acknowledged_value_holds_no_ends)
{
    setup(10, retry(MANY, 0));
    uint64_t d = make(s, 1, BIG);
    OFFER(s, 0, {WIRE_OP_SEND, c, "x", 1, d});
    ck_assert_int_eq(committed(s).err, 0);
    ck_assert_int_eq(drop(s, d, SEND), 0);
    uint64_t id = recv_lease(r, c, "x", 1).lease.id;
    ck_assert_int_eq(drop(r, d, SEND | RECV), 0);
    ck_assert_int_eq(send_text(s, d, "y"), EBADF);
    ck_assert(nothing(s, d)); /* the lease could still send */
    ack(r, c, id);
    OFFER(s, 0, ON_RECV(d));
    ck_assert_int_eq(committed(s).err, EPIPE);
}
END_TEST

/* ---- close */

START_TEST(a_close_waits_for_what_another_holds)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    drop(s, c, SEND);
    OFFER(q, 0, ON_RECV(c));
    ck_assert(silent(q));
    ack(r, c, id);
    ck_assert_int_eq(committed(q).err, EPIPE);
}
END_TEST

START_TEST(who_holds_some_of_what_is_left_is_told_so_far)
{
    setup_many();
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    recv_lease(q, c, "b", 1);
    ack(q, c, recv_lease(q, c, "c", 1).lease.id);
    drop(s, c, SEND);
    OFFER(r, 0, ON_RECV(c));
    struct committed told = committed(r);
    ck_assert_int_eq(told.err, EPIPE);
    ck_assert_uint_eq(told.lease.id, id);
    ck_assert_uint_eq(told.lease.tries, 1);
    ack(r, c, id);
    OFFER(r, 0, ON_RECV(c));
    ck_assert(silent(r));
    crash(q);
    struct committed got = committed(r);
    ck_assert(is_text(&got, "b"));
    ack(r, c, got.lease.id);
    OFFER(r, 0, ON_RECV(c));
    told = committed(r);
    ck_assert_int_eq(told.err, EPIPE);
    ck_assert_uint_eq(told.lease.id, 0);
}
END_TEST

START_TEST(a_stream_that_waits_and_holds_leases_is_told_so_far)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    stream(r, c, RECV, BIG, 0);
    took(r, c, 0, 0, WIRE_WAIT);
    struct heard h = hear(r, WIRE_DELIVER);
    uint64_t id = heard_lease(&h).id;
    took(r, c, 0, 1, 0);
    drop(s, c, SEND);
    ck_assert(silent(r));
    took(r, c, 0, 1, WIRE_WAIT);
    h = hear(r, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.flags, WIRE_CLOSED | WIRE_LEASE);
    ck_assert_uint_eq(heard_lease(&h).id, id);
    ack(r, c, id);
    ck_assert_uint_eq(hear(r, WIRE_DELIVER).head.flags, WIRE_CLOSED);
}
END_TEST

START_TEST(a_closed_channel_gives_out_what_returns)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    recv_lease(r, c, "a", 1);
    drop(s, c, SEND);
    OFFER(q, 0, ON_RECV(c));
    crash(r);
    struct committed got = committed(q);
    ck_assert(is_text(&got, "a"));
    OFFER(q, 0, ON_RECV(c));
    ck_assert_int_eq(committed(q).err, EPIPE);
}
END_TEST

START_TEST(a_stream_is_told_of_the_close_when_all_is_done)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    stream(q, c, RECV, BIG, 0);
    drop(s, c, SEND);
    ck_assert(silent(q));
    ack(r, c, id);
    ck_assert_uint_eq(hear(q, WIRE_DELIVER).head.flags, WIRE_CLOSED);
}
END_TEST

START_TEST(what_returns_to_a_broken_channel_is_given_up)
{
    setup(10, retry(MANY, 0));
    send_text(s, c, "a");
    recv_lease(r, c, "a", 1);
    crash(q);
    crash(r);
    ck_assert_str_eq(stat_field("channel", c, 11), "broken");
    ck_assert_str_eq(stat_field("channel", c, 17), "1");
}
END_TEST

/* ---- guests */

START_TEST(a_guest_inside_of_a_process_takes_for_it)
{
    setup_many();
    struct speaker *g = guest_inside(r->process);
    uint64_t id = recv_lease(g, c, "a", 1).lease.id;
    ck_assert_int_eq(bye(g, 1, 3), 0);
    ck_assert_str_eq(leased(c), "1");
    ack(r, c, id);
    ck_assert_str_eq(leased(c), "0");
}
END_TEST

START_TEST(a_guest_inside_of_a_process_settles_for_it)
{
    setup_many();
    uint64_t id = recv_lease(r, c, "a", 1).lease.id;
    ack(guest_inside(r->process), c, id);
    ck_assert_str_eq(leased(c), "0");
}
END_TEST

/* Without a TOOK: the broker sees in the page of the guest, not of the process, what that has taken. */
START_TEST(a_guest_inside_of_a_process_settles_what_it_took_of_a_stream)
{
    setup_many();
    struct speaker *g = guest_inside(r->process);
    stream(g, c, RECV, BIG, 0);
    took(g, c, 0, 0, WIRE_WAIT);
    struct heard h = hear(g, WIRE_DELIVER);
    uint64_t id = heard_lease(&h).id, n = 0;
    __atomic_store_n(&g->page[0], 1, __ATOMIC_RELEASE);
    if (_i == 0)
        ack(g, c, id);
    else
        ck_assert_int_eq(settle(g, c, &n, WIRE_DONE, ""), 0);
    took(g, c, 0, 1, 0);
    sync_line(g);
    ck_assert_str_eq(leased(c), "0");
}
END_TEST

START_TEST(what_a_guest_took_for_a_process_returns_when_that_dies)
{
    setup_many();
    struct speaker *g = guest_inside(r->process);
    recv_lease(g, c, "a", 1);
    crash(r);
    recv_lease(q, c, "a", 2);
    recv_lease(g, c, "b", 1); /* for itself now */
}
END_TEST

START_TEST(nobody_is_a_guest_inside_of_a_dead_process)
{
    setup_many();
    crash(r);
    struct heard h = hello(speaker_new(), 0, r->process, WIRE_GUEST);
    ck_assert_int_eq(h.head.type, WIRE_REFUSED);
    ck_assert_int_eq((int)h.head.count, EACCES);
}
END_TEST

START_TEST(a_guest_that_ends_well_has_done_what_it_took)
{
    setup_many();
    struct speaker *g = guest();
    recv_lease(g, c, "a", 1);
    ck_assert_int_eq(bye(g, 0, 0), 0);
    ck_assert_str_eq(leased(c), "0");
    recv_lease(q, c, "b", 1);
}
END_TEST

START_TEST(a_guest_that_fails_gives_back_what_it_took)
{
    setup_many();
    struct speaker *g = guest();
    recv_lease(g, c, "a", 1);
    ck_assert_int_eq(bye(g, 1, 3), 0);
    recv_lease(q, c, "a", 2);
}
END_TEST

START_TEST(a_process_that_ends_well_gives_back_what_it_did_not_acknowledge)
{
    setup_many();
    recv_lease(r, c, "a", 1);
    ck_assert_int_eq(bye(r, 0, 0), 0);
    recv_lease(q, c, "a", 2);
}
END_TEST

START_TEST(dump_says_who_holds_what)
{
    setup_many();
    recv_lease(r, c, "a", 1);
    ck_assert_ptr_nonnull(
        dumped("value\t%llu\tlease\t%llu\t1\t1\ta", (unsigned long long)c, (unsigned long long)r->process));
}
END_TEST

Suite *leases_suite(void)
{
    Suite *suite = suite_create("leases");
    TCase *t = tcase_create("leases");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, settings_are_set_once);
    tcase_add_test(t, settings_come_before_the_first_value);
    tcase_add_test(t, settings_come_before_the_first_stream);
    tcase_add_test(t, settings_of_a_named_channel_are_the_roots);
    tcase_add_test(t, settings_need_both_ends_of_an_unnamed_channel);
    tcase_add_test(t, settings_out_of_range_are_refused);
    tcase_add_test(t, dead_letters_never_lead_back);
    tcase_add_test(t, dead_letters_need_a_sending_end);
    tcase_add_test(t, a_received_value_is_leased);
    tcase_add_test(t, ids_are_consecutive_and_not_0);
    tcase_add_test(t, ids_of_two_channels_differ);
    tcase_add_test(t, a_channel_without_settings_leases_nothing);
    tcase_add_test(t, a_lease_does_not_count_for_the_capacity);
    tcase_add_test(t, an_acknowledged_value_is_done);
    tcase_add_test(t, an_ack_of_several_in_any_order_settles_all);
    tcase_add_test(t, an_ack_by_another_process_is_ignored);
    tcase_add_test(t, an_ack_by_another_line_of_the_process_counts);
    tcase_add_test(t, a_second_ack_is_ignored);
    tcase_add_test(t, an_ack_whose_ids_do_not_add_up_is_a_violation);
    tcase_add_test(t, what_a_dead_process_held_goes_to_another);
    tcase_add_test(t, what_returns_returns_in_its_order);
    tcase_add_test(t, what_returns_may_exceed_the_capacity);
    tcase_add_test(t, a_waiting_receiver_gets_what_a_dead_one_held);
    tcase_add_test(t, what_a_killed_process_held_goes_to_another);
    tcase_add_test(t, what_was_acknowledged_before_the_death_is_done);
    tcase_add_test(t, what_was_delivered_and_not_taken_returns_without_a_try);
    tcase_add_test(t, what_was_taken_by_the_page_was_leased);
    tcase_add_test(t, a_delivery_says_id_and_tries);
    tcase_add_test(t, an_ack_settles_a_part_of_what_was_delivered);
    tcase_add_test(t, values_of_one_frame_count_each_its_tries);
    tcase_add_test(t, a_stream_is_given_values_of_one_try_in_one_frame);
    tcase_add_test(t, an_attached_channel_is_redelivered);
    tcase_add_test(t, an_acknowledged_value_holds_no_ends);
    tcase_add_test(t, a_close_waits_for_what_another_holds);
    tcase_add_test(t, who_holds_some_of_what_is_left_is_told_so_far);
    tcase_add_test(t, a_stream_that_waits_and_holds_leases_is_told_so_far);
    tcase_add_test(t, a_closed_channel_gives_out_what_returns);
    tcase_add_test(t, a_stream_is_told_of_the_close_when_all_is_done);
    tcase_add_test(t, what_returns_to_a_broken_channel_is_given_up);
    tcase_add_test(t, a_guest_inside_of_a_process_takes_for_it);
    tcase_add_test(t, a_guest_inside_of_a_process_settles_for_it);
    tcase_add_loop_test(t, a_guest_inside_of_a_process_settles_what_it_took_of_a_stream, 0, 2);
    tcase_add_test(t, what_a_guest_took_for_a_process_returns_when_that_dies);
    tcase_add_test(t, nobody_is_a_guest_inside_of_a_dead_process);
    tcase_add_test(t, a_guest_that_ends_well_has_done_what_it_took);
    tcase_add_test(t, a_guest_that_fails_gives_back_what_it_took);
    tcase_add_test(t, a_process_that_ends_well_gives_back_what_it_did_not_acknowledge);
    tcase_add_test(t, dump_says_who_holds_what);
    suite_add_tcase(suite, t);
    return suite;
}
