/* SPDX-License-Identifier: MPL-2.0 */
/* Who is found to be deadlocked where values are leased: sections 12 and 16 of docs/protocol.md, a rule a test.
 * Decision: one process that lives does one thing for those who wait; the test shows that they are not reported, then
 * that is taken away, and they are. Who holds the other end of their channel is stuck from the beginning. */
#include "../stuck.h"

#include <errno.h>

Suite *deadlock_leases_suite(void);

enum { BIG = 1000000, MANY = 5, AHEAD = 1024 };
#define LONG (INT64_C(2000000000))

static uint64_t c, d;
static struct speaker *h, *q; /* who lives; who waits for what may come of that */

/* A colleague that waits for ever, with these ends. */
static struct speaker *hopeless(uint64_t channel, uint32_t ends)
{
    struct speaker *s = colleague(channel, ends, 0, 0);
    WAITS(s, NIL);
    stuck(1);
    return s;
}

static uint64_t leased_channel(struct wire_set settings, uint64_t capacity)
{
    uint64_t made = make(run.root, capacity, BIG);
    ck_assert_int_eq(set(run.root, made, settings), 0);
    return made;
}

/* h holds "a", the only value of c; only one who waits for ever can send more. Its id. */
static uint64_t h_holds(void)
{
    c = leased_channel(retry(MANY, 0), 10);
    h = colleague(c, RECV, 0, 0);
    q = colleague(c, RECV, 0, 0);
    send_text(run.root, c, "a");
    uint64_t id = recv_lease(h, c, "a", 1).lease.id;
    struct speaker *sender = colleague(c, SEND, 0, 0);
    abandon(c);
    WAITS(sender, NIL);
    stuck(1);
    return id;
}

/* q is no deadlock as long as h is alive, and both are one when h waits for nothing. */
static void only_while_h_lives(void)
{
    looked();
    WAITS(h, NIL);
    stuck(2);
}

/* ---- a lease */

START_TEST(not_while_one_alive_holds_a_lease)
{
    h_holds();
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

START_TEST(not_while_one_alive_holds_a_lease_without_an_end)
{
    h_holds();
    ck_assert_int_eq(drop(h, c, RECV), 0);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

/* By an ACK, and by SETTLE. */
START_TEST(who_settles_its_lease_keeps_nobody_alive)
{
    uint64_t n, id = h_holds();
    WAITS(q, ON_RECV(c));
    looked();
    if (_i == 0)
        ack(h, c, id);
    else
        ck_assert_int_eq(settle(h, c, &n, WIRE_DONE, ""), 0);
    stuck(1);
    ck_assert(is_stuck(q) && !is_stuck(h));
}
END_TEST

START_TEST(not_with_a_take_of_what_one_alive_holds)
{
    h_holds();
    ck_assert_int_eq(stream(q, c, RECV, BIG, 0), 0);
    took(q, c, 0, 0, WIRE_WAIT);
    WAITS(q, ON(WIRE_OP_TAKE, c));
    only_while_h_lives();
}
END_TEST

START_TEST(not_while_who_holds_the_last_of_a_closed_channel_is_alive)
{
    c = leased_channel(retry(MANY, 0), 10);
    h = colleague(c, RECV, 0, 0);
    q = colleague(c, RECV, 0, 0);
    send_text(run.root, c, "a");
    recv_lease(h, c, "a", 1);
    abandon(c);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

START_TEST(not_with_a_take_that_was_told_of_the_close_for_now)
{
    c = leased_channel(retry(MANY, 0), 10);
    q = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(stream(q, c, RECV, BIG, 0), 0);
    send_text(run.root, c, "a");
    took(q, c, 0, 0, WIRE_WAIT);
    hear(q, WIRE_DELIVER);
    took(q, c, 0, 1, WIRE_WAIT);
    abandon(c);
    ck_assert((hear(q, WIRE_DELIVER).head.flags & (WIRE_CLOSED | WIRE_LEASE)) == (WIRE_CLOSED | WIRE_LEASE));
    WAITS(q, ON(WIRE_OP_TAKE, c));
    looked();
    no_more(q);
    WAITS(q, NIL);
    stuck(1);
}
END_TEST

START_TEST(not_with_a_lease_that_has_a_timeout)
{
    c = leased_channel(retry(MANY, 0), 10);
    q = colleague(c, RECV, 0, 0);
    h = attach(announce_slow(HOUR, c, RECV).ticket);
    send_text(run.root, c, "a");
    uint64_t id = recv_lease(h, c, "a", 1).lease.id;
    struct speaker *line = another_line(h), *sender = colleague(c, SEND, 0, 0);
    abandon(c);
    WAITS(sender, NIL);
    stuck(1);
    WAITS(h, NIL);
    WAITS(line, NIL);
    WAITS(q, ON_RECV(c));
    looked();
    no_more(line);
    ack(line, c, id);
    WAITS(line, NIL);
    stuck(2);
}
END_TEST

START_TEST(not_while_a_guest_inside_of_the_holder_can_settle)
{
    h_holds();
    struct speaker *g = guest_inside(h->process);
    ck_assert_int_eq(ask_err(g, WIRE_SETTLE, (struct wire_head){.channel = c + 1000},
                             &(struct wire_settle){.delay = WIRE_DONE}, sizeof(struct wire_settle)),
                     EBADF);
    WAITS(h, NIL);
    stuck(1);
    WAITS(q, ON_RECV(c));
    looked();
    ck_assert_int_eq(bye(g, 0, 0), 0);
    stuck(1);
}
END_TEST

START_TEST(a_lease_of_one_who_is_stuck_keeps_an_idle_channel_open_and_nobody_alive)
{
    c = leased_channel(retry(MANY, 0), 10);
    h = colleague(c, RECV, 0, 0);
    q = colleague(c, SEND | RECV, 0, 0);
    send_text(run.root, c, "a");
    recv_lease(h, c, "a", 1);
    ck_assert_int_eq(
        ask_err(run.root, WIRE_CLOSE, (struct wire_head){.channel = c, .count = WIRE_CLOSE_WHEN_IDLE}, NULL, 0), 0);
    ck_assert_int_eq(drop(run.root, c, RECV), 0);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

/* ---- back-off */

START_TEST(not_while_what_it_waits_for_is_in_back_off)
{
    nack(h, c, h_holds(), HOUR, "");
    if (_i == 0)
        WAITS(q, ON_RECV(c));
    else {
        ck_assert_int_eq(stream(q, c, RECV, BIG, 0), 0);
        took(q, c, 0, 0, WIRE_WAIT);
        WAITS(q, ON(WIRE_OP_TAKE, c));
    }
    looked();
    no_more(q);
    WAITS(q, NIL);
    stuck(1);
}
END_TEST

START_TEST(a_back_off_keeps_nobody_alive_who_waits_for_something_else)
{
    nack(h, c, h_holds(), HOUR, "");
    WAITS(q, NIL);
    stuck(1);
}
END_TEST

/* ---- dead letters */

/* Of c a dead letter waits for d, which is full; "b" waits behind it. h holds this end of d. */
static void letter_waits(uint32_t ends)
{
    d = make(run.root, 1, BIG);
    c = leased_channel(retry(MANY, d), 10);
    h = colleague(d, ends, 0, 0);
    q = colleague(c, RECV, 0, 0);
    send_text(run.root, d, "full");
    send_text(run.root, c, "a");
    send_text(run.root, c, "b");
    nack(q, c, recv_lease(q, c, "a", 1).lease.id, WIRE_DEAD_LETTER, "no");
    struct speaker *sender = colleague(c, SEND, d, RECV);
    abandon(c);
    abandon(d);
    WAITS(sender, NIL);
    stuck(1);
}

START_TEST(not_while_one_alive_can_make_room_for_a_dead_letter)
{
    letter_waits(RECV);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

START_TEST(not_while_one_alive_can_close_what_a_dead_letter_waits_for)
{
    letter_waits(SEND);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

/* It was received, or given up. */
START_TEST(a_dead_letter_that_has_gone_keeps_nobody_alive)
{
    letter_waits(_i == 0 ? RECV : SEND | RECV);
    WAITS(q, ON_RECV(c), ON_RECV(c));
    looked();
    if (_i == 0)
        recv_text(h, d, "full");
    else
        ck_assert_int_eq(close_channel(h, d), 0);
    const struct committed got = committed(q);
    ck_assert(is_text(&got, "b"));
    ack(q, c, got.lease.id);
    WAITS(q, ON_RECV(c));
    stuck(1);
    ck_assert(!is_stuck(h));
}
END_TEST

/* What is left to wait for is the letter, with nothing behind it: its going answers nobody. */
START_TEST(who_waited_behind_the_last_dead_letter_is_found_when_that_has_gone)
{
    d = make(run.root, 1, BIG);
    c = leased_channel(retry(MANY, d), 10);
    h = colleague(d, _i == 0 ? RECV : SEND | RECV, 0, 0);
    q = colleague(c, RECV, 0, 0);
    send_text(run.root, d, "full");
    send_text(run.root, c, "a");
    nack(q, c, recv_lease(q, c, "a", 1).lease.id, WIRE_DEAD_LETTER, "no");
    struct speaker *sender = colleague(c, SEND, d, RECV);
    abandon(c);
    abandon(d);
    WAITS(sender, NIL);
    stuck(1);
    WAITS(q, ON_RECV(c));
    looked();
    if (_i == 0)
        recv_text(h, d, "full");
    else
        ck_assert_int_eq(close_channel(h, d), 0);
    stuck(1);
    ck_assert(is_stuck(q) && !is_stuck(h));
}
END_TEST

START_TEST(not_while_one_alive_can_make_a_dead_letter)
{
    d = make(run.root, 1, BIG);
    c = leased_channel(retry(MANY, d), 10);
    h = colleague(c, RECV, 0, 0);
    q = colleague(d, RECV, 0, 0);
    send_text(run.root, c, "a");
    recv_lease(h, c, "a", 1);
    ck_assert_int_eq(drop(h, c, RECV), 0); /* its lease alone may become one */
    struct speaker *rest = colleague(c, SEND | RECV, 0, 0);
    abandon(c);
    abandon(d);
    WAITS(rest, NIL);
    stuck(1);
    WAITS(q, ON_RECV(d));
    only_while_h_lives();
}
END_TEST

START_TEST(who_waits_behind_a_dead_letter_is_found_when_a_back_off_is_over)
{
    d = make(run.root, 1, BIG);
    c = leased_channel(retry(MANY, d), 10);
    q = colleague(c, RECV, 0, 0);
    send_text(run.root, d, "full");
    send_text(run.root, c, "a");
    send_text(run.root, c, "b");
    uint64_t id = recv_lease(q, c, "a", 1).lease.id;
    nack(q, c, recv_lease(q, c, "b", 1).lease.id, WIRE_DEAD_LETTER, "no");
    struct speaker *rest = colleague(c, SEND, d, RECV);
    abandon(c);
    abandon(d);
    WAITS(rest, NIL);
    stuck(1);
    nack(q, c, id, LONG, "");
    WAITS(q, ON_RECV(c));
    looked();
    stuck(1); /* it is back, and not delivered */
    ck_assert(is_stuck(q));
}
END_TEST

/* ---- parked */

/* Of two values of the ordered c the second is done, its output for d parked behind the first, which h holds; who did
 * it, and so holds the sending end of d, is stuck. Both ends of c are with others. */
static void output_is_parked(void)
{
    struct speaker *w;
    c = leased_channel((struct wire_set){.attempts = MANY, .ordered = 1}, 10);
    d = make(run.root, 10, BIG);
    h = colleague(c, RECV, 0, 0);
    q = colleague(d, RECV, 0, 0);
    w = colleague(c, RECV, d, SEND);
    ck_assert_int_eq(stream(w, d, SEND, BIG, 0), 0);
    send_text(run.root, c, "a");
    send_text(run.root, c, "b");
    recv_lease(h, c, "a", 1);
    uint64_t id = recv_lease(w, c, "b", 1).lease.id;
    put(w, d, 0, WIRE_STAGED, 'B', 1, 1);
    ack_staged(w, c, &id, 1);
    ck_assert_uint_eq(hear(w, WIRE_ROOM).head.seq, 1);
    struct speaker *sender = colleague(c, SEND, 0, 0);
    abandon(c);
    abandon(d);
    WAITS(sender, NIL);
    WAITS(w, NIL);
    stuck(2);
}

/* With the end that it received by, and without. */
START_TEST(not_while_one_alive_holds_what_the_parked_wait_for)
{
    output_is_parked();
    if (_i == 1)
        ck_assert_int_eq(drop(h, c, RECV), 0);
    WAITS(q, ON_RECV(d));
    only_while_h_lives();
}
END_TEST

START_TEST(not_while_one_alive_can_receive_what_the_parked_wait_for)
{
    output_is_parked();
    struct speaker *other = attach(announce(h, NULL, c, RECV, 0, 0));
    crash(h); /* "a" is back */
    WAITS(q, ON_RECV(d));
    looked();
    WAITS(other, NIL);
    stuck(2);
}
END_TEST

START_TEST(not_while_the_first_of_an_ordered_channel_is_held_by_one_alive)
{
    c = leased_channel((struct wire_set){.attempts = MANY, .ordered = 1}, 2000);
    h = colleague(c, RECV, 0, 0);
    q = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(stream(run.root, c, SEND, BIG, 0), 0);
    put(run.root, c, 0, 0, 'a', AHEAD + 1, 1);
    recv_lease(h, c, "a", 1);
    for (int i = 1; i < AHEAD; i++) {
        OFFER(q, 0, ON_RECV(c));
        ck_assert_int_eq(committed(q).err, 0);
    }
    uint64_t n;
    ck_assert_int_eq(settle(q, c, &n, WIRE_DONE, ""), 0);
    ck_assert_uint_eq(n, AHEAD - 1);
    struct speaker *sender = colleague(c, SEND, 0, 0);
    abandon(c);
    WAITS(sender, NIL);
    stuck(1);
    WAITS(q, ON_RECV(c)); /* a value is there, and too far ahead */
    only_while_h_lives();
}
END_TEST

/* ---- ends attached to such values */

/* c, of which m's only value has the sending end; q receives from it. h receives from m, and another one that is stuck.
 */
static uint64_t gift_of(uint64_t m)
{
    c = make(run.root, 1, BIG);
    q = colleague(c, RECV, 0, 0);
    h = colleague(m, RECV, 0, 0);
    OFFER(run.root, 0, (struct tcase){WIRE_OP_SEND, m, "gift", 4, c});
    ck_assert_int_eq(committed(run.root).err, 0);
    abandon(c);
    return m;
}

START_TEST(not_while_one_alive_holds_a_lease_with_the_end)
{
    uint64_t m = gift_of(leased_channel(retry(MANY, 0), 10));
    recv_lease(h, m, "gift", 1);
    ck_assert_int_eq(drop(h, c, SEND | RECV), 0); /* the lease has it still */
    hopeless(m, SEND | RECV);
    abandon(m);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

START_TEST(not_while_one_alive_can_get_the_end_after_a_back_off)
{
    uint64_t m = gift_of(leased_channel(retry(MANY, 0), 10));
    nack(h, m, recv_lease(h, m, "gift", 1).lease.id, HOUR, "");
    ck_assert_int_eq(drop(h, c, SEND | RECV), 0);
    hopeless(m, SEND | RECV);
    abandon(m);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

/* By receiving it, or by closing what it waits for: that frees the end. */
START_TEST(not_while_one_alive_can_get_the_end_from_a_dead_letter)
{
    d = make(run.root, 1, BIG);
    uint64_t m = gift_of(leased_channel(retry(MANY, d), 10));
    send_text(run.root, d, "full");
    nack(h, m, recv_lease(h, m, "gift", 1).lease.id, WIRE_DEAD_LETTER, "");
    ck_assert_int_eq(bye(h, 0, 0), 0);
    h = colleague(d, _i == 0 ? RECV : SEND, 0, 0);
    hopeless(m, SEND | RECV);
    hopeless(d, RECV);
    abandon(m);
    abandon(d);
    WAITS(q, ON_RECV(c));
    only_while_h_lives();
}
END_TEST

Suite *deadlock_leases_suite(void)
{
    Suite *s = suite_create("deadlock_leases");
    TCase *t = tcase_create("deadlock_leases");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, stuck_start, run_stop);
    tcase_add_test(t, not_while_one_alive_holds_a_lease);
    tcase_add_test(t, not_while_one_alive_holds_a_lease_without_an_end);
    tcase_add_loop_test(t, who_settles_its_lease_keeps_nobody_alive, 0, 2);
    tcase_add_test(t, not_with_a_take_of_what_one_alive_holds);
    tcase_add_test(t, not_while_who_holds_the_last_of_a_closed_channel_is_alive);
    tcase_add_test(t, not_with_a_take_that_was_told_of_the_close_for_now);
    tcase_add_test(t, not_with_a_lease_that_has_a_timeout);
    tcase_add_test(t, not_while_a_guest_inside_of_the_holder_can_settle);
    tcase_add_test(t, a_lease_of_one_who_is_stuck_keeps_an_idle_channel_open_and_nobody_alive);
    tcase_add_loop_test(t, not_while_what_it_waits_for_is_in_back_off, 0, 2);
    tcase_add_test(t, a_back_off_keeps_nobody_alive_who_waits_for_something_else);
    tcase_add_test(t, not_while_one_alive_can_make_room_for_a_dead_letter);
    tcase_add_test(t, not_while_one_alive_can_close_what_a_dead_letter_waits_for);
    tcase_add_loop_test(t, a_dead_letter_that_has_gone_keeps_nobody_alive, 0, 2);
    tcase_add_loop_test(t, who_waited_behind_the_last_dead_letter_is_found_when_that_has_gone, 0, 2);
    tcase_add_test(t, not_while_one_alive_can_make_a_dead_letter);
    tcase_add_test(t, who_waits_behind_a_dead_letter_is_found_when_a_back_off_is_over);
    tcase_add_loop_test(t, not_while_one_alive_holds_what_the_parked_wait_for, 0, 2);
    tcase_add_test(t, not_while_one_alive_can_receive_what_the_parked_wait_for);
    tcase_add_test(t, not_while_the_first_of_an_ordered_channel_is_held_by_one_alive);
    tcase_add_test(t, not_while_one_alive_holds_a_lease_with_the_end);
    tcase_add_test(t, not_while_one_alive_can_get_the_end_after_a_back_off);
    tcase_add_loop_test(t, not_while_one_alive_can_get_the_end_from_a_dead_letter, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
