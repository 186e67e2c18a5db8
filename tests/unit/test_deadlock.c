/* SPDX-License-Identifier: MPL-2.0 */
/* Who is found to be deadlocked, and who is not: section 12 of docs/protocol.md, a rule a test. Decision: a
 * test shows by looked() that those who wait are not reported; then it takes away what kept them alive, and they are.
 * The root is outside of a call all the time: it is alive, and gives up its ends of every channel. */
#include "../stuck.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *deadlock_suite(void);

#define LATER (INT64_C(1) << 62)

static const struct wire_head none;

/* ---- two that depend on each other ------------------------------------------------------------------------------ */

static uint64_t c, d;
static struct speaker *a, *b; /* a receives from c and sends on d, b the other way round */

static void pair_on(uint64_t c_, uint64_t d_)
{
    c = c_;
    d = d_;
    a = colleague(c, RECV, d, SEND);
    b = colleague(c, SEND, d, RECV);
}

static void pair(void)
{
    pair_on(make(run.root, 0, 100), make(run.root, 0, 100));
    abandon(c);
    abandon(d);
}

/* As pair(); the root gives up its ends later. */
static void pair_with_root(uint64_t capacity)
{
    pair_on(make(run.root, capacity, 100), make(run.root, 0, 100));
}

static void both_receive(void)
{
    WAITS(a, ON_RECV(c));
    WAITS(b, ON_RECV(d));
}

START_TEST(two_that_each_receive_first)
{
    pair();
    both_receive();
    stuck(2);
    ck_assert(is_stuck(a) && is_stuck(b));
    ck_assert(!is_stuck(run.root));
}
END_TEST

START_TEST(two_that_each_send_first)
{
    pair();
    WAITS(a, ON_SEND(d, "x"));
    WAITS(b, ON_SEND(c, "x"));
    stuck(2);
}
END_TEST

START_TEST(one_alone_that_sends_to_itself)
{
    c = make(run.root, 0, 100);
    a = colleague(c, SEND | RECV, 0, 0);
    abandon(c);
    WAITS(a, ON_SEND(c, "x"), ON_RECV(c));
    stuck(1);
}
END_TEST

START_TEST(a_ring_of_four)
{
    uint64_t ring[4];
    struct speaker *s[4];
    for (int i = 0; i < 4; i++)
        ring[i] = make(run.root, 0, 100);
    for (int i = 0; i < 4; i++)
        s[i] = colleague(ring[i], RECV, ring[(i + 1) % 4], SEND);
    for (int i = 0; i < 4; i++)
        abandon(ring[i]);
    for (int i = 0; i < 3; i++)
        WAITS(s[i], ON_RECV(ring[i]));
    looked();
    WAITS(s[3], ON_RECV(ring[3]));
    stuck(4);
}
END_TEST

START_TEST(a_select_of_nothing)
{
    a = colleague(0, 0, 0, 0);
    offer(a, 0, NULL, 0);
    stuck(1);
    b = colleague(0, 0, 0, 0);
    OFFER(b, 0, ON_RECV(0), ON_SEND(0, "x"), NIL);
    stuck(1);
}
END_TEST

START_TEST(a_deadlock_in_a_run_that_moves)
{
    uint64_t e = make(run.root, 0, 100);
    struct speaker *x = colleague(e, SEND, 0, 0), *y = colleague(e, RECV, 0, 0);
    pair();
    both_receive();
    struct pollfd item = {.fd = run.notices, .events = POLLIN};
    for (int i = 0; i < 2000000 && poll(&item, 1, 0) == 0; i++) {
        OFFER(x, 0, ON_SEND(e, "x"));
        recv_text(y, e, "x");
        ck_assert_int_eq(committed(x).err, 0);
    }
    stuck(2);
    ck_assert(!is_stuck(x) && !is_stuck(y));
}
END_TEST

START_TEST(a_deadlock_that_grows_is_said_again)
{
    uint64_t e = make(run.root, 0, 100);
    struct speaker *x = colleague(e, RECV, 0, 0);
    pair_with_root(0);
    struct speaker *y = attach(announce(a, NULL, 0, 0, 0, 0));
    abandon(c);
    abandon(d);
    both_receive();
    stuck(2);
    WAITS(y, ON(WIRE_OP_EXIT, a->process));
    stuck(1);
    WAITS(x, ON_RECV(e)); /* the root can still send to it */
    looked();
    drop(run.root, e, SEND | RECV); /* so it closes */
    ck_assert_int_eq(committed(x).err, EPIPE);
}
END_TEST

START_TEST(who_has_moved_is_said_again)
{
    pair();
    both_receive();
    stuck(2);
    no_more(b);
    stuck_no_more(2); /* a is not, either */
    looked();
    ck_assert(!is_stuck(a));
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

/* ---- alive by itself -------------------------------------------------------------------------------------------- */

START_TEST(not_with_one_outside_of_a_call)
{
    pair();
    WAITS(a, ON_RECV(c));
    looked();
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

START_TEST(not_with_a_deadline)
{
    pair();
    b->deadline = LATER;
    both_receive();
    looked();
    no_more(b);
    b->deadline = -1;
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

START_TEST(not_with_a_timer_or_a_descriptor)
{
    pair();
    WAITS(a, ON_RECV(c));
    WAITS(b, ON_RECV(d), _i == 0 ? ON(WIRE_OP_TIME, LATER) : ON(WIRE_OP_FD, 0));
    looked();
    no_more(b);
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

START_TEST(not_with_a_bridge)
{
    pair();
    ck_assert_int_eq(ask_err(b, WIRE_PROGRAM, (struct wire_head){.count = INT32_MAX}, NULL, 0), 0);
    both_receive();
    looked();
    no_more(b);
    ck_assert_int_eq(ask_err(b, WIRE_PROGRAM, none, NULL, 0), 0);
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

START_TEST(a_successor_that_stands_by_keeps_nobody_alive)
{
    struct wire_announced next;
    pair_with_root(0);
    ck_assert_int_eq(announce_after(run.root, b->process, c, SEND, &next), 0);
    abandon(c);
    abandon(d);
    both_receive();
    stuck(2);
}
END_TEST

START_TEST(not_with_a_successor_that_waits_to_be_started)
{
    struct wire_announced next;
    struct wire_exit w = {.how = 0};
    pair_with_root(0);
    ck_assert_int_eq(announce_after(run.root, b->process, c, SEND, &next), 0);
    abandon(c);
    abandon(d);
    WAITS(a, ON_RECV(c));
    ck_assert_int_eq(bye(b, 2, 9), 0);
    looked();
    w.process = next.process;
    ck_assert_int_eq(ask_err(run.root, WIRE_REAPED, none, &w, sizeof w), 0);
    ck_assert_int_eq(committed(a).err, EPIPE);
}
END_TEST

/* b lives, and only its successor holds what a waits for. */
START_TEST(not_with_the_successor_of_one_alive)
{
    struct wire_announced next;
    pair_with_root(0);
    ck_assert_int_eq(announce_after(run.root, b->process, c, SEND, &next), 0);
    ck_assert_int_eq(drop(b, c, SEND), 0);
    abandon(c);
    abandon(d);
    WAITS(a, ON_RECV(c));
    looked();
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

START_TEST(not_with_one_that_has_not_attached)
{
    uint64_t process;
    c = make(run.root, 0, 100);
    d = make(run.root, 0, 100);
    a = colleague(c, RECV, d, SEND);
    uint64_t ticket = announce(run.root, &process, c, SEND, d, RECV);
    abandon(c);
    abandon(d);
    WAITS(a, ON_RECV(c));
    looked();
    struct wire_started w = {.process = process, .pid = (uint32_t)getpid()};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &w, sizeof w), 0);
    looked();
    b = attach(ticket);
    WAITS(b, ON_RECV(d));
    stuck(2);
}
END_TEST

START_TEST(not_with_another_line_outside_of_a_call)
{
    pair();
    struct speaker *line = another_line(b);
    both_receive();
    looked();
    if (_i == 0)
        ck_assert_int_eq(leave(line), 0); /* no offer began */
    else
        WAITS(line, NIL);
    stuck(2);
}
END_TEST

/* ---- threads without a line */

static int to_thread[2];

static void *read_one(void *unused)
{
    char x;
    (void)unused;
    return read(to_thread[0], &x, 1) == 1 ? NULL : &to_thread;
}

static void wait_with_a_thread(struct speaker *s, void *unused)
{
    (void)unused;
    pthread_t thread;
    if (pthread_create(&thread, NULL, read_one, NULL) != 0)
        _exit(1);
    OFFER(s, 0, NIL);
    pthread_join(thread, NULL);
    for (;;)
        pause();
}

START_TEST(not_with_a_thread_that_has_no_line)
{
    uint64_t process;
    ck_assert_int_eq(pipe(to_thread), 0);
    c = make(run.root, 0, 100);
    a = colleague(c, RECV, 0, 0);
    pid_t pid = fork_attached(announce(run.root, &process, c, SEND, 0, 0), wait_with_a_thread, NULL);
    abandon(c);
    WAITS(a, ON_RECV(c));
    while (strcmp(stat_field("process", process, 6), "waiting") != 0)
        continue;
    looked();
    ck_assert_int_eq(write(to_thread[1], "x", 1), 1); /* it goes, and nobody says so */
    stuck(2);
    kill(pid, SIGKILL);
    wait_child(pid);
    close(to_thread[0]);
    close(to_thread[1]);
}
END_TEST

/* ---- who may be woken ------------------------------------------------------------------------------------------- */

/* Lets go of the ends of a channel: by a DROP, by BYE. */
static void let_go(struct speaker *s, uint64_t channel, unsigned ends, int how)
{
    if (how == 0)
        ck_assert_int_eq(drop(s, channel, ends), 0);
    else
        ck_assert_int_eq(bye(s, 0, 0), 0);
}

START_TEST(not_while_one_alive_can_send)
{
    pair_with_root(0);
    struct speaker *x = colleague(c, SEND, 0, 0);
    abandon(c);
    abandon(d);
    both_receive();
    looked();
    let_go(x, c, SEND, _i);
    stuck(2);
}
END_TEST

START_TEST(not_while_one_alive_can_receive_or_close)
{
    unsigned ends = _i == 0 ? RECV : SEND;
    pair_with_root(0);
    struct speaker *x = colleague(c, ends, 0, 0);
    abandon(c);
    abandon(d);
    WAITS(a, ON_SEND(d, "x"));
    WAITS(b, ON_SEND(c, "x"));
    looked();
    drop(x, c, ends);
    stuck(2);
}
END_TEST

START_TEST(a_receiver_does_not_wake_a_receiver)
{
    pair_with_root(0);
    colleague(c, RECV, 0, 0);
    abandon(c);
    abandon(d);
    both_receive();
    stuck(2);
}
END_TEST

START_TEST(one_case_that_can_happen_is_enough)
{
    uint64_t e = make(run.root, 0, 100);
    pair_with_root(0);
    struct speaker *x = colleague(c, SEND, e, RECV), *y = colleague(e, SEND, 0, 0);
    abandon(c);
    abandon(d);
    abandon(e);
    both_receive();
    WAITS(x, NIL, ON_RECV(e));
    looked(); /* y can send to x, and then x to a */
    WAITS(y, NIL);
    stuck(4);
}
END_TEST

/* A channel whose buffer has a value with ends of `gift` attached; the root holds its sending end no more. */
static uint64_t parcel(uint64_t gift)
{
    uint64_t m = make(run.root, 1, 100);
    OFFER(run.root, 0, (struct tcase){WIRE_OP_SEND, m, "x", 1, gift});
    ck_assert_int_eq(committed(run.root).err, 0);
    return m;
}

START_TEST(not_while_one_alive_can_get_the_end_from_a_buffer)
{
    pair_with_root(0);
    uint64_t m = parcel(c);
    struct speaker *x = colleague(m, RECV, 0, 0);
    abandon(c);
    abandon(d);
    abandon(m);
    both_receive();
    looked();
    let_go(x, m, RECV, _i);
    stuck(2);
}
END_TEST

START_TEST(not_while_the_end_can_be_had_from_a_buffer_in_a_buffer)
{
    pair_with_root(0);
    uint64_t m = parcel(c), n = parcel(m);
    struct speaker *x = colleague(n, RECV, 0, 0);
    abandon(c);
    abandon(d);
    abandon(m);
    abandon(n);
    both_receive();
    looked();
    drop(x, n, RECV);
    stuck(2);
}
END_TEST

START_TEST(an_end_in_a_buffer_that_only_the_stuck_can_receive)
{
    pair_with_root(0);
    uint64_t m = parcel(c);
    struct speaker *x = colleague(m, RECV, 0, 0);
    abandon(c);
    abandon(d);
    abandon(m);
    both_receive();
    WAITS(x, NIL);
    stuck(3);
}
END_TEST

START_TEST(not_while_one_alive_can_get_the_end_from_an_offer)
{
    pair_with_root(0);
    uint64_t m = make(run.root, 0, 100);
    struct speaker *y = colleague(m, SEND, c, SEND), *x = colleague(m, RECV, 0, 0);
    abandon(c);
    abandon(d);
    abandon(m);
    both_receive();
    OFFER(y, 0, (struct tcase){WIRE_OP_SEND, m, "x", 1, c});
    ck_assert(silent(y));
    looked();
    WAITS(x, NIL);
    stuck(4);
}
END_TEST

START_TEST(not_while_one_alive_may_take_an_end_back)
{
    pair_with_root(0);
    uint64_t m = make(run.root, 0, 100);
    struct speaker *y = colleague(m, SEND, c, SEND), *x = colleague(m, RECV, 0, 0), *line = another_line(y);
    abandon(c);
    abandon(d);
    abandon(m);
    WAITS(x, NIL);
    stuck(1);
    y->deadline = LATER;
    OFFER(y, 0, (struct tcase){WIRE_OP_SEND, m, "x", 1, c});
    ck_assert(silent(y));
    drop(line, c, SEND); /* its offer alone holds it */
    leave(line);
    both_receive();
    looked();
    no_more(y);
    stuck(2);
}
END_TEST

START_TEST(not_while_values_may_return)
{
    pair_with_root(5);
    struct speaker *x = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(stream(x, c, RECV, 1000, 0), 0);
    ck_assert_int_eq(send_text(run.root, c, "x"), 0);
    took(x, c, 0, 0, WIRE_WAIT);
    hear(x, WIRE_DELIVER);
    abandon(c);
    abandon(d);
    both_receive();
    looked();
    if (_i == 0)
        took(x, c, 0, 1, 0); /* it is used up */
    else
        WAITS(x, NIL); /* it stays there */
    stuck(_i == 0 ? 2 : 3);
}
END_TEST

START_TEST(not_while_the_end_is_on_its_way_to_one_alive)
{
    pair_with_root(0);
    uint64_t m = parcel(c);
    struct speaker *x = colleague(m, RECV, 0, 0);
    ck_assert_int_eq(drop(run.root, m, RECV), 0);
    ck_assert_int_eq(stream(x, m, RECV, 1000, 0), 0);
    hear(x, WIRE_DELIVER);
    abandon(c);
    abandon(d);
    both_receive();
    looked();
    ck_assert_int_eq(bye(x, 0, 0), 0);
    stuck(2);
}
END_TEST

START_TEST(not_while_whose_end_is_awaited_lives)
{
    struct speaker *x = colleague(0, 0, 0, 0);
    a = colleague(0, 0, 0, 0);
    WAITS(a, ON(WIRE_OP_EXIT, x->process));
    looked();
    WAITS(x, NIL);
    stuck(2);
}
END_TEST

START_TEST(not_when_whose_end_is_awaited_has_ended)
{
    struct speaker *x = colleague(0, 0, 0, 0);
    a = colleague(0, 0, 0, 0);
    bye(x, 0, 0);
    WAITS(a, ON(WIRE_OP_EXIT, x->process));
    looked();
    no_more(a);
    WAITS(a, NIL);
    stuck(1);
}
END_TEST

START_TEST(not_while_one_alive_can_count_down)
{
    uint64_t g = make_group(run.root);
    add(run.root, g, 1);
    struct speaker *x = colleague(g, RECV, 0, 0);
    a = colleague(g, RECV, 0, 0);
    drop(run.root, g, RECV);
    WAITS(a, ON_WAIT(g));
    looked();
    drop(x, g, RECV);
    stuck(1);
}
END_TEST

/* ---- streams */

/* A sending stream of b on a full channel c: 10 of the 20 bytes of its window are taken, 1 value waits. */
static void full_stream(void)
{
    pair_with_root(1);
    ck_assert_int_eq(stream(b, c, SEND, 20, 0), 0);
    put(b, c, 0, 0, 'a', 1, 10);
    hear(b, WIRE_ROOM);
    put(b, c, 1, 0, 'b', 1, 10);
    sync_line(b);
    abandon(c);
    abandon(d);
}

START_TEST(a_flush_that_nobody_receives)
{
    full_stream();
    WAITS(b, ON(WIRE_OP_FLUSH, c));
    looked(); /* a is alive, and may receive */
    WAITS(a, ON_RECV(0));
    stuck(2);
}
END_TEST

START_TEST(not_with_a_flush_that_is_done)
{
    full_stream();
    recv_text(a, c, "aaaaaaaaaa");
    hear(b, WIRE_ROOM);
    WAITS(a, NIL);
    stuck(1);
    WAITS(b, ON(WIRE_OP_FLUSH, c)); /* it has not seen that yet */
    looked();
    no_more(b);
    WAITS(b, NIL);
    stuck(1);
}
END_TEST

START_TEST(a_put_without_room)
{
    full_stream();
    WAITS(a, NIL);
    stuck(1);
    WAITS(b, ON_PUT(c, 10)); /* there is room for that */
    looked();
    no_more(b);
    WAITS(b, ON_PUT(c, 11));
    stuck(1);
}
END_TEST

START_TEST(not_with_a_put_to_who_may_close)
{
    full_stream();
    struct speaker *x = attach(announce(b, NULL, c, SEND, 0, 0));
    WAITS(a, NIL);
    stuck(1);
    WAITS(b, ON_PUT(c, 11));
    looked();
    bye(x, 0, 0);
    stuck(1);
}
END_TEST

START_TEST(a_take_of_nothing)
{
    pair_with_root(5);
    ck_assert_int_eq(stream(a, c, RECV, 100, 0), 0);
    abandon(c);
    abandon(d);
    took(a, c, 0, 0, WIRE_WAIT);
    WAITS(a, ON(WIRE_OP_TAKE, c));
    looked(); /* b may send */
    WAITS(b, NIL);
    stuck(2);
}
END_TEST

START_TEST(not_with_a_take_of_what_was_delivered)
{
    pair_with_root(5);
    ck_assert_int_eq(stream(a, c, RECV, 100, 0), 0);
    ck_assert_int_eq(send_text(run.root, c, "x"), 0);
    took(a, c, 0, 0, WIRE_WAIT);
    hear(a, WIRE_DELIVER);
    abandon(c);
    abandon(d);
    WAITS(b, NIL);
    stuck(1);
    WAITS(a, ON(WIRE_OP_TAKE, c));
    looked();
    no_more(a);
    took(a, c, 0, 1, WIRE_WAIT);
    WAITS(a, ON(WIRE_OP_TAKE, c));
    stuck(1);
}
END_TEST

START_TEST(not_with_a_take_of_the_close)
{
    pair_with_root(5);
    ck_assert_int_eq(stream(a, c, RECV, 100, 0), 0);
    took(a, c, 0, 0, WIRE_WAIT);
    close_channel(run.root, c);
    hear(a, WIRE_DELIVER);
    abandon(c);
    abandon(d);
    WAITS(b, NIL);
    stuck(1);
    WAITS(a, ON(WIRE_OP_TAKE, c));
    looked();
    no_more(a);
    WAITS(a, NIL);
    stuck(1);
}
END_TEST

START_TEST(what_a_stream_left_behind_wakes_nobody)
{
    full_stream();
    struct speaker *x = attach(announce(b, NULL, c, SEND, 0, 0));
    ck_assert_int_eq(bye(b, 0, 0), 0); /* its value waits on, and holds the sending end */
    WAITS(a, ON_RECV(0));
    WAITS(x, ON_SEND(c, "x"));
    stuck(2);
}
END_TEST

/* ---- scopes ----------------------------------------------------------------------------------------------------- */

static struct speaker *member_of(struct speaker *s)
{
    return attach(announce(s, NULL, 0, 0, 0, 0));
}

START_TEST(not_while_a_member_of_the_awaited_scope_is_alive)
{
    a = colleague(0, 0, 0, 0);
    uint64_t s = enter(a, -1, HOUR);
    struct speaker *m = member_of(a);
    OFFER(a, _i == 0 ? 0 : WIRE_SHIELD, ON(WIRE_OP_SCOPE, s));
    ck_assert(silent(a));
    looked();
    WAITS(m, NIL);
    stuck(2);
}
END_TEST

START_TEST(not_while_a_member_may_fail_and_so_end_what_the_scopes_line_waits_for)
{
    a = colleague(0, 0, 0, 0);
    enter(a, -1, HOUR);
    struct speaker *m = member_of(a);
    WAITS(a, NIL);
    looked();
    no_more(a);
    OFFER(a, WIRE_SHIELD, NIL);
    stuck(1);
    ck_assert(is_stuck(a));
    WAITS(m, NIL);
    stuck(1);
}
END_TEST

START_TEST(not_while_the_scope_around_may_be_cancelled)
{
    a = colleague(0, 0, 0, 0);
    enter(a, -1, HOUR);
    struct speaker *outer = member_of(a);
    uint64_t t = enter(a, -1, HOUR);
    struct speaker *inner = member_of(a);
    WAITS(inner, NIL);
    OFFER(a, WIRE_SHIELD, NIL);
    stuck(1); /* a alone: inner would end */
    ck_assert(is_stuck(a));
    no_more(a);
    stuck_no_more(1);
    WAITS(a, ON(WIRE_OP_SCOPE, t));
    looked();
    WAITS(outer, NIL);
    stuck(3);
}
END_TEST

START_TEST(not_while_who_entered_the_scope_may_cancel_it)
{
    a = colleague(0, 0, 0, 0);
    uint64_t s = enter(a, -1, HOUR);
    struct speaker *m = member_of(a);
    WAITS(m, NIL);
    looked();
    WAITS(a, ON(WIRE_OP_SCOPE, s));
    stuck(2);
}
END_TEST

START_TEST(not_while_a_fellow_member_may_fail)
{
    a = colleague(0, 0, 0, 0);
    uint64_t s = enter(a, -1, HOUR);
    struct speaker *m = member_of(a), *other = member_of(a);
    WAITS(m, NIL);
    WAITS(a, ON(WIRE_OP_SCOPE, s));
    looked();
    WAITS(other, NIL);
    stuck(3);
}
END_TEST

START_TEST(not_in_a_scope_with_a_deadline)
{
    a = colleague(0, 0, 0, 0);
    uint64_t s = enter(a, LATER, HOUR);
    struct speaker *m = member_of(a);
    enter(m, -1, HOUR); /* inside of that */
    OFFER(a, WIRE_SHIELD, NIL);
    stuck(1);
    OFFER(m, WIRE_SHIELD, NIL); /* but it would be killed */
    ck_assert(silent(m));
    looked();
    ck_assert(is_stuck(a) && !is_stuck(m));
    no_more(a);
    stuck_no_more(1);
    struct wire_scope w = {-1, HOUR};
    ck_assert_int_eq(ask_err(a, WIRE_SCOPE, (struct wire_head){.channel = s}, &w, sizeof w), 0);
    WAITS(a, NIL);
    stuck(2);
}
END_TEST

START_TEST(a_shield_holds_off_what_would_wake)
{
    a = colleague(0, 0, 0, 0);
    enter(a, LATER, HOUR);
    WAITS(a, NIL);
    looked();
    no_more(a);
    OFFER(a, WIRE_SHIELD, NIL);
    stuck(1);
}
END_TEST

START_TEST(not_when_it_is_cancelled)
{
    a = colleague(0, 0, 0, 0);
    enter(a, -1, HOUR);
    struct speaker *m = member_of(a);
    OFFER(m, WIRE_SHIELD, NIL);
    ck_assert(silent(m));
    ck_assert_int_eq(ask_err(a, WIRE_CANCEL, (struct wire_head){.channel = m->process}, NULL, 0), 0);
    OFFER(a, WIRE_SHIELD, ON(WIRE_OP_EXIT, m->process));
    looked(); /* a signal comes */
    ck_assert(!is_stuck(m) && !is_stuck(a));
    ck_assert_int_eq(bye(m, 0, 0), 0);
    no_more(a);
    OFFER(a, WIRE_SHIELD, NIL);
    stuck(1);
}
END_TEST

START_TEST(not_while_one_left_inside_the_awaited_scope_is_alive)
{
    a = colleague(0, 0, 0, 0);
    uint64_t s = enter(a, -1, HOUR);
    struct speaker *m = member_of(a);
    enter(m, -1, HOUR);
    struct speaker *inner = member_of(m);
    ck_assert_int_eq(bye(m, 0, 0), 0); /* so the inner one is cancelled, and a signal comes in an hour */
    OFFER(inner, WIRE_SHIELD, NIL);
    WAITS(a, ON(WIRE_OP_SCOPE, s));
    looked();
    ck_assert(!is_stuck(a));
    ck_assert_int_eq(bye(inner, 0, 0), 0);
    ck_assert_int_eq(committed(a).which, 0);
}
END_TEST

/* ---- guests ----------------------------------------------------------------------------------------------------- */

static void named_pair(void)
{
    pair_on(declare("c", 0, WIRE_CLOSE_SENDERS), declare("d", 0, WIRE_CLOSE_SENDERS));
}

START_TEST(not_while_a_guest_uses_channels)
{
    named_pair();
    both_receive();
    struct speaker *g = guest();
    ck_assert_int_eq(ask_err(g, WIRE_OPEN, (struct wire_head){.count = SEND}, "d", 1), 0);
    looked();
    ck_assert_int_eq(bye(g, 0, 0), 0);
    stuck(2);
}
END_TEST

START_TEST(a_guest_that_only_looks_wakes_nobody)
{
    struct speaker *g = guest();
    named_pair();
    both_receive();
    ask(g, WIRE_DUMP, none, NULL, 0);
    ask(g, WIRE_STAT, none, NULL, 0);
    stuck(2);
}
END_TEST

START_TEST(a_guest_that_waits_for_the_stuck_wakes_nobody)
{
    struct speaker *g = guest();
    named_pair();
    OFFER(g, 0, ON_RECV(c));
    both_receive();
    stuck(2); /* and is none of them */
    ck_assert(!is_stuck(g));
}
END_TEST

START_TEST(a_guest_that_can_be_woken_wakes_others)
{
    uint64_t e = declare("e", 0, WIRE_CLOSE_SENDERS);
    struct speaker *x = colleague(e, SEND, 0, 0), *g = guest();
    named_pair();
    OFFER(g, 0, ON_RECV(e));
    both_receive();
    looked();
    WAITS(x, NIL);
    stuck(3);
}
END_TEST

START_TEST(a_cycle_of_channels_that_never_close_is_idle)
{
    char line[64];
    pair_on(declare("c", 0, WIRE_CLOSE_NEVER), declare("d", 0, WIRE_CLOSE_NEVER));
    both_receive();
    hear_notice(line, sizeof line);
    ck_assert_str_eq(line, "idle 2");
    ck_assert_str_eq(dump_field("process", a->process, STUCK_FIELD), "2");
}
END_TEST

START_TEST(who_was_idle_and_has_moved_is_not_stuck)
{
    char line[64];
    pair_on(declare("c", 0, WIRE_CLOSE_NEVER), declare("d", 0, WIRE_CLOSE_NEVER));
    both_receive();
    hear_notice(line, sizeof line);
    ck_assert_str_eq(line, "idle 2");
    ck_assert_int_eq(send_text(guest(), c, "go on"), 0);
    const struct committed got = committed(a);
    ck_assert(is_text(&got, "go on"));
    ck_assert_str_eq(dump_field("process", a->process, STUCK_FIELD), "0");
}
END_TEST

START_TEST(who_waits_beside_an_idle_cycle_has_no_hope)
{
    struct speaker *x = colleague(0, 0, 0, 0);
    pair_on(declare("c", 0, WIRE_CLOSE_NEVER), declare("d", 0, WIRE_CLOSE_NEVER));
    WAITS(x, NIL);
    stuck(1);
    both_receive();
    ck_assert_uint_eq(stuck_notice(), 1);
    ck_assert(is_stuck(x) && !is_stuck(a));
}
END_TEST

START_TEST(not_on_a_queue_that_feeds_itself)
{
    c = declare("c", 0, WIRE_CLOSE_NEVER);
    a = colleague(c, SEND | RECV, 0, 0);
    b = colleague(c, SEND | RECV, 0, 0);
    WAITS(a, ON_RECV(c));
    WAITS(b, ON_RECV(c));
    looked();
    struct speaker *x = colleague(c, SEND, 0, 0); /* now it has a source, */
    looked();
    WAITS(x, NIL); /* which is dry, for ever; the others a guest could wake */
    stuck(1);
    ck_assert(is_stuck(x) && !is_stuck(a) && !is_stuck(b));
}
END_TEST

START_TEST(not_on_a_channel_that_is_for_guests)
{
    bool never = _i < 2, sends = _i % 2 != 0;
    c = declare("c", 0, never ? WIRE_CLOSE_NEVER : WIRE_CLOSE_SENDERS);
    a = colleague(c, sends ? SEND : RECV, 0, 0);
    WAITS(a, sends ? ON_SEND(c, "x") : ON_RECV(c));
    looked();
    no_more(a);
    WAITS(a, NIL);
    stuck(1);
}
END_TEST

Suite *deadlock_suite(void)
{
    Suite *s = suite_create("deadlock");
    TCase *t = tcase_create("deadlock");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, stuck_start, run_stop);
    tcase_add_test(t, a_cycle_of_channels_that_never_close_is_idle);
    tcase_add_test(t, who_was_idle_and_has_moved_is_not_stuck);
    tcase_add_test(t, who_waits_beside_an_idle_cycle_has_no_hope);
    tcase_add_test(t, two_that_each_receive_first);
    tcase_add_test(t, two_that_each_send_first);
    tcase_add_test(t, one_alone_that_sends_to_itself);
    tcase_add_test(t, a_ring_of_four);
    tcase_add_test(t, a_select_of_nothing);
    tcase_add_test(t, a_deadlock_in_a_run_that_moves);
    tcase_add_test(t, a_deadlock_that_grows_is_said_again);
    tcase_add_test(t, who_has_moved_is_said_again);
    tcase_add_test(t, not_with_one_outside_of_a_call);
    tcase_add_test(t, not_with_a_deadline);
    tcase_add_loop_test(t, not_with_a_timer_or_a_descriptor, 0, 2);
    tcase_add_test(t, not_with_a_bridge);
    tcase_add_test(t, not_with_one_that_has_not_attached);
    tcase_add_test(t, a_successor_that_stands_by_keeps_nobody_alive);
    tcase_add_test(t, not_with_a_successor_that_waits_to_be_started);
    tcase_add_test(t, not_with_the_successor_of_one_alive);
    tcase_add_loop_test(t, not_with_another_line_outside_of_a_call, 0, 2);
    tcase_add_test(t, not_with_a_thread_that_has_no_line);
    tcase_add_loop_test(t, not_while_one_alive_can_send, 0, 2);
    tcase_add_loop_test(t, not_while_one_alive_can_receive_or_close, 0, 2);
    tcase_add_test(t, a_receiver_does_not_wake_a_receiver);
    tcase_add_test(t, one_case_that_can_happen_is_enough);
    tcase_add_loop_test(t, not_while_one_alive_can_get_the_end_from_a_buffer, 0, 2);
    tcase_add_test(t, not_while_the_end_can_be_had_from_a_buffer_in_a_buffer);
    tcase_add_test(t, an_end_in_a_buffer_that_only_the_stuck_can_receive);
    tcase_add_test(t, not_while_one_alive_can_get_the_end_from_an_offer);
    tcase_add_test(t, not_while_one_alive_may_take_an_end_back);
    tcase_add_loop_test(t, not_while_values_may_return, 0, 2);
    tcase_add_test(t, not_while_the_end_is_on_its_way_to_one_alive);
    tcase_add_test(t, not_while_whose_end_is_awaited_lives);
    tcase_add_test(t, not_when_whose_end_is_awaited_has_ended);
    tcase_add_test(t, not_while_one_alive_can_count_down);
    tcase_add_test(t, a_flush_that_nobody_receives);
    tcase_add_test(t, not_with_a_flush_that_is_done);
    tcase_add_test(t, a_put_without_room);
    tcase_add_test(t, not_with_a_put_to_who_may_close);
    tcase_add_test(t, a_take_of_nothing);
    tcase_add_test(t, not_with_a_take_of_what_was_delivered);
    tcase_add_test(t, not_with_a_take_of_the_close);
    tcase_add_test(t, what_a_stream_left_behind_wakes_nobody);
    tcase_add_loop_test(t, not_while_a_member_of_the_awaited_scope_is_alive, 0, 2);
    tcase_add_test(t, not_while_a_member_may_fail_and_so_end_what_the_scopes_line_waits_for);
    tcase_add_test(t, not_while_the_scope_around_may_be_cancelled);
    tcase_add_test(t, not_while_who_entered_the_scope_may_cancel_it);
    tcase_add_test(t, not_while_a_fellow_member_may_fail);
    tcase_add_test(t, not_in_a_scope_with_a_deadline);
    tcase_add_test(t, a_shield_holds_off_what_would_wake);
    tcase_add_test(t, not_when_it_is_cancelled);
    tcase_add_test(t, not_while_one_left_inside_the_awaited_scope_is_alive);
    tcase_add_test(t, not_while_a_guest_uses_channels);
    tcase_add_test(t, a_guest_that_only_looks_wakes_nobody);
    tcase_add_test(t, a_guest_that_waits_for_the_stuck_wakes_nobody);
    tcase_add_test(t, a_guest_that_can_be_woken_wakes_others);
    tcase_add_test(t, not_on_a_queue_that_feeds_itself);
    tcase_add_loop_test(t, not_on_a_channel_that_is_for_guests, 0, 4);
    suite_add_tcase(s, t);
    return s;
}
