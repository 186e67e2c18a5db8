/* SPDX-License-Identifier: MPL-2.0 */
/* Offers and commits: section 5 of docs/protocol.md, a rule a test. */
#include "../speaker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <zmq.h>

Suite *offers_suite(void);

static struct speaker *a, *b, *d; /* three processes that hold both ends of `c` */
static uint64_t c;

static void setup(uint64_t capacity, uint64_t max_bytes)
{
    c = make(run.root, capacity, max_bytes);
    a = colleague(c, SEND | RECV, 0, 0);
    b = colleague(c, SEND | RECV, 0, 0);
    d = colleague(c, SEND | RECV, 0, 0);
}

static void expect(struct speaker *s, uint32_t which, int err)
{
    struct committed m = committed(s);
    ck_assert_uint_eq(m.which, which);
    ck_assert_int_eq(m.err, err);
}

static void expect_text(struct speaker *s, uint32_t which, const char *text)
{
    struct committed m = committed(s);
    ck_assert_uint_eq(m.which, which);
    ck_assert_msg(is_text(&m, text), "\"%.*s\" (%d), not \"%s\"", (int)m.length, m.value, m.err, text);
}

START_TEST(a_send_waits_for_a_receive)
{
    setup(0, 100);
    OFFER(a, 0, ON_SEND(c, "hello"));
    ck_assert(silent(a));
    recv_text(b, c, "hello");
    expect(a, 0, 0);
}
END_TEST

START_TEST(a_receive_waits_for_a_send)
{
    setup(0, 100);
    OFFER(b, 0, ON_RECV(c));
    ck_assert(silent(b));
    ck_assert_int_eq(send_text(a, c, "hello"), 0);
    expect_text(b, 0, "hello");
}
END_TEST

START_TEST(a_value_may_be_empty)
{
    setup(0, 100);
    OFFER(b, 0, ON_RECV(c));
    ck_assert_int_eq(send_text(a, c, ""), 0);
    expect_text(b, 0, "");
}
END_TEST

START_TEST(a_value_of_megabytes_is_whole)
{
    size_t size = 20u << 20;
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + i % 23);
    text[size] = '\0';
    setup(1, 64u << 20);
    ck_assert_int_eq(send_text(a, c, text), 0);
    recv_text(b, c, text);
    free(text);
}
END_TEST

START_TEST(a_capacity_is_exact)
{
    setup(3, 100);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send_text(a, c, "v"), 0);
    OFFER(a, 0, ON_SEND(c, "w"));
    ck_assert(silent(a));
    recv_text(b, c, "v");
    expect(a, 0, 0);
    ck_assert_str_eq(stat_field("channel", c, 4), "3");
}
END_TEST

START_TEST(values_are_first_in_first_out)
{
    setup(3, 100);
    send_text(a, c, "1");
    send_text(b, c, "2");
    send_text(a, c, "3");
    recv_text(d, c, "1");
    recv_text(d, c, "2");
    recv_text(d, c, "3");
}
END_TEST

START_TEST(max_bytes_bounds_what_waits)
{
    setup(10, 5);
    ck_assert_int_eq(send_text(a, c, "xxx"), 0);
    ck_assert_int_eq(send_text(a, c, "yy"), 0);
    OFFER(a, 0, ON_SEND(c, "z"));
    ck_assert(silent(a));
    recv_text(b, c, "xxx");
    expect(a, 0, 0);
}
END_TEST

START_TEST(a_sender_waits_behind_one_that_waits_before)
{
    setup(10, 5);
    send_text(a, c, "xxx");
    OFFER(a, 0, ON_SEND(c, "yyy"));
    ck_assert(silent(a));
    OFFER(b, 0, ON_SEND(c, "z")); /* it would fit */
    ck_assert(silent(b));
    recv_text(d, c, "xxx");
    expect(a, 0, 0);
    expect(b, 0, 0);
}
END_TEST

START_TEST(a_sender_that_withdraws_lets_the_next_in)
{
    setup(10, 5);
    send_text(a, c, "xxx");
    OFFER(a, 0, ON_SEND(c, "yyy"));
    ck_assert(silent(a));
    OFFER(b, 0, ON_SEND(c, "z"));
    ck_assert(silent(b));
    withdraw(a);
    expect(a, WIRE_NO_CASE, 0);
    expect(b, 0, 0);
}
END_TEST

START_TEST(a_value_over_max_bytes_is_refused)
{
    setup(2, 3);
    ck_assert_int_eq(send_text(a, c, "xxxx"), EMSGSIZE);
    ck_assert_int_eq(send_text(a, c, "xxx"), 0);
}
END_TEST

START_TEST(senders_are_served_in_order_of_waiting)
{
    setup(0, 100);
    OFFER(a, 0, ON_SEND(c, "1"));
    ck_assert(silent(a));
    OFFER(b, 0, ON_SEND(c, "2"));
    ck_assert(silent(b));
    recv_text(d, c, "1");
    recv_text(d, c, "2");
}
END_TEST

START_TEST(receivers_are_served_in_order_of_waiting)
{
    setup(2, 100);
    OFFER(a, 0, ON_RECV(c));
    ck_assert(silent(a));
    OFFER(b, 0, ON_RECV(c));
    ck_assert(silent(b));
    send_text(d, c, "1");
    expect_text(a, 0, "1");
    ck_assert(silent(b));
    send_text(d, c, "2");
    expect_text(b, 0, "2");
}
END_TEST

START_TEST(a_try_without_a_partner_does_nothing)
{
    setup(0, 100);
    OFFER(a, WIRE_NOW, ON_SEND(c, "v"));
    expect(a, WIRE_NO_CASE, 0);
    OFFER(b, WIRE_NOW, ON_RECV(c));
    expect(b, WIRE_NO_CASE, 0);
    OFFER(b, 0, ON_RECV(c));
    ck_assert(silent(b));
}
END_TEST

START_TEST(a_try_with_a_partner_succeeds)
{
    setup(0, 100);
    OFFER(b, 0, ON_RECV(c));
    ck_assert(silent(b));
    OFFER(a, WIRE_NOW, ON_SEND(c, "v"));
    expect(a, 0, 0);
    expect_text(b, 0, "v");
}
END_TEST

START_TEST(an_ordered_offer_takes_the_first_ready_case)
{
    setup(1, 100);
    uint64_t e = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND | RECV, e, SEND | RECV);
    for (int i = 0; i < 50; i++) {
        send_text(s, c, "c");
        send_text(s, e, "e");
        OFFER(s, WIRE_ORDERED, ON_RECV(e), ON_RECV(c));
        expect_text(s, 0, "e");
        recv_text(s, c, "c");
    }
}
END_TEST

START_TEST(the_draw_is_fair)
{
    setup(1, 100);
    uint64_t e = make(run.root, 1, 100), f = make(run.root, 0, 100);
    struct speaker *s = colleague(c, SEND | RECV, e, SEND | RECV);
    enum { ROUNDS = 4000 };
    int first = 0;
    for (int i = 0; i < ROUNDS; i++) {
        send_text(s, c, "c");
        send_text(s, e, "e");
        OFFER(s, 0, ON_RECV(c), ON_RECV(0), ON_RECV(e));
        bool was = committed(s).which == 0;
        first += was;
        recv_text(s, was ? e : c, was ? "e" : "c");
    }
    ck_assert_int_gt(first, ROUNDS / 2 - 10 * 32); /* ten sigma: the square root of ROUNDS / 4 is 32 */
    ck_assert_int_lt(first, ROUNDS / 2 + 10 * 32);
    (void)f;
}
END_TEST

START_TEST(an_offer_never_meets_itself)
{
    setup(0, 100);
    OFFER(a, 0, ON_SEND(c, "mine"), ON_RECV(c));
    ck_assert(silent(a));
    OFFER(b, 0, ON_SEND(c, "yours"), ON_RECV(c));
    struct committed m = committed(b), n;
    bool b_received = m.which == 1;
    ck_assert(!b_received || is_text(&m, "mine"));
    n = committed(a);
    ck_assert_uint_eq(n.which, b_received ? 0 : 1);
    ck_assert(b_received || is_text(&n, "yours"));
}
END_TEST

START_TEST(a_losing_case_was_never_sent)
{
    setup(0, 100);
    uint64_t e = make(run.root, 0, 100);
    struct speaker *s = colleague(c, SEND, e, SEND), *r = colleague(c, RECV, e, RECV);
    OFFER(s, 0, ON_SEND(c, "c"), ON_SEND(e, "e"));
    ck_assert(silent(s));
    recv_text(r, e, "e");
    expect(s, 1, 0);
    OFFER(r, WIRE_NOW, ON_RECV(c));
    expect(r, WIRE_NO_CASE, 0);
}
END_TEST

START_TEST(two_selects_meet_in_one_case_each)
{
    setup(0, 100);
    uint64_t e = make(run.root, 0, 100);
    struct speaker *s = colleague(c, SEND | RECV, e, SEND | RECV), *r = colleague(c, SEND | RECV, e, SEND | RECV);
    for (int i = 0; i < 200; i++) {
        OFFER(s, 0, ON_SEND(c, "c"), ON_RECV(e));
        OFFER(r, 0, ON_SEND(e, "e"), ON_RECV(c));
        struct committed m = committed(s);
        if (m.which == 0)
            expect_text(r, 1, "c");
        else {
            ck_assert(is_text(&m, "e"));
            expect(r, 0, 0);
        }
    }
}
END_TEST

START_TEST(a_ring_of_four_selects_makes_two_pairs)
{
    uint64_t e[4];
    struct speaker *s[4];
    for (int i = 0; i < 4; i++)
        e[i] = make(run.root, 0, 100);
    for (int i = 0; i < 4; i++)
        s[i] = colleague(e[i], SEND, e[(i + 3) % 4], RECV);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 4; i++)
            OFFER(s[i], 0, ON_SEND(e[i], "x"), ON_RECV(e[(i + 3) % 4]));
        int sent = 0, received = 0, waiting = 0;
        zmq_pollitem_t any[4];
        for (int i = 0; i < 4; i++)
            any[i] = (zmq_pollitem_t){.socket = s[i]->socket, .events = ZMQ_POLLIN};
        ck_assert_int_gt(zmq_poll(any, 4, WAIT_MS), 0);
        for (int i = 0; i < 4; i++)
            withdraw(s[i]);
        for (int i = 0; i < 4; i++) {
            uint32_t which = committed(s[i]).which;
            *(which == 0 ? &sent : which == 1 ? &received : &waiting) += 1;
        }
        ck_assert_int_eq(sent, received);
        ck_assert_int_eq(sent + received + waiting, 4);
        ck_assert_int_ge(sent, 1); /* two neighbours at least met; the others may be apart */
    }
}
END_TEST

START_TEST(a_nil_case_is_never_chosen)
{
    setup(1, 100);
    OFFER(a, 0, ON_RECV(0), ON_SEND(0, "v"), ((struct tcase){WIRE_OP_NONE, c, NULL, 0, 0}));
    ck_assert(silent(a));
    withdraw(a);
    expect(a, WIRE_NO_CASE, 0);
}
END_TEST

START_TEST(an_offer_without_cases_waits_to_be_withdrawn)
{
    setup(1, 100);
    offer(a, 0, NULL, 0);
    ck_assert(silent(a));
    withdraw(a);
    expect(a, WIRE_NO_CASE, 0);
    offer(a, WIRE_NOW, NULL, 0);
    expect(a, WIRE_NO_CASE, 0);
}
END_TEST

START_TEST(a_withdrawal_that_comes_too_late_is_ignored)
{
    setup(1, 100);
    ck_assert_int_eq(send_text(a, c, "v"), 0);
    withdraw(a);
    ck_assert(silent(a));
    recv_text(a, c, "v");
}
END_TEST

START_TEST(an_operation_without_its_end_is_ebadf)
{
    setup(1, 100);
    uint64_t g = make_group(run.root);
    struct speaker *s = colleague(c, SEND, 0, 0);
    OFFER(s, 0, ON_RECV(c));
    expect(s, 0, EBADF);
    OFFER(s, 0, ON_SEND(4711, "v"));
    expect(s, 0, EBADF);
    OFFER(s, 0, ON_WAIT(c));
    expect(s, 0, EBADF);
    OFFER(s, 0, ON_WAIT(g));
    expect(s, 0, EBADF);
    OFFER(run.root, 0, ON_SEND(g, "v"));
    expect(run.root, 0, EBADF);
}
END_TEST

START_TEST(closing_answers_waiting_senders)
{
    setup(1, 100);
    send_text(a, c, "v");
    OFFER(a, 0, ON_SEND(c, "w"));
    ck_assert(silent(a));
    close_channel(b, c);
    expect(a, 0, EPIPE);
    recv_text(a, c, "v");
    ck_assert_int_eq(send_text(a, c, "x"), EPIPE);
}
END_TEST

START_TEST(closing_answers_waiting_receivers)
{
    setup(0, 100);
    OFFER(a, 0, ON_RECV(c));
    OFFER(b, 0, ON_RECV(0), ON_RECV(c));
    ck_assert(silent(a));
    ck_assert(silent(b));
    close_channel(d, c);
    expect(a, 0, EPIPE);
    expect(b, 1, EPIPE);
}
END_TEST

START_TEST(a_closed_channel_is_drained_before_it_says_so)
{
    setup(2, 100);
    send_text(a, c, "1");
    send_text(a, c, "2");
    close_channel(a, c);
    recv_text(b, c, "1");
    recv_text(b, c, "2");
    OFFER(b, 0, ON_RECV(c));
    expect(b, 0, EPIPE);
    OFFER(b, WIRE_NOW, ON_RECV(c));
    expect(b, 0, EPIPE);
}
END_TEST

START_TEST(the_last_receiving_end_breaks)
{
    uint64_t e = make(run.root, 2, 100);
    struct speaker *s = colleague(e, SEND, 0, 0);
    send_text(s, e, "1");
    send_text(s, e, "2");
    OFFER(s, 0, ON_SEND(e, "3"));
    ck_assert(silent(s));
    drop(run.root, e, RECV);
    expect(s, 0, EPIPE);
    ck_assert_int_eq(send_text(s, e, "4"), EPIPE);
    ck_assert_str_eq(stat_field("channel", e, 11), "broken");
    ck_assert_str_eq(stat_field("channel", e, 14), "2");
}
END_TEST

START_TEST(a_guest_that_waits_on_a_channel_that_breaks_is_told)
{
    uint64_t e = declare("lines", 1, WIRE_CLOSE_NEVER);
    struct speaker *r = colleague(e, RECV, 0, 0), *g = guest();
    OFFER(g, 0, ON_RECV(e));
    ck_assert(silent(g));
    bye(r, 0, 0);
    expect(g, 0, EPIPE);
}
END_TEST

START_TEST(a_guest_sends_and_receives_by_name)
{
    uint64_t e = declare("lines", 1, WIRE_CLOSE_NEVER);
    struct speaker *g = guest();
    ck_assert_int_eq(send_text(g, e, "v"), 0);
    recv_text(g, e, "v");
    OFFER(g, 0, ON_SEND(make(run.root, 1, 1), "v"));
    expect(g, 0, EBADF);
}
END_TEST

START_TEST(a_guest_neither_keeps_a_channel_open_nor_closes_it)
{
    uint64_t e = declare("lines", 3, WIRE_CLOSE_SENDERS);
    struct speaker *s = colleague(e, SEND, 0, 0), *r = colleague(e, RECV, 0, 0), *goes = guest(), *stays = guest();
    ck_assert_int_eq(send_text(goes, e, "1"), 0);
    ck_assert_int_eq(send_text(stays, e, "2"), 0);
    ck_assert_int_eq(bye(goes, 0, 0), 0);
    ck_assert_str_eq(stat_field("channel", e, 11), "open");
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_str_eq(stat_field("channel", e, 11), "closed");
    recv_text(r, e, "1");
    recv_text(r, e, "2");
    ck_assert_int_eq(send_text(stays, e, "3"), EPIPE);
}
END_TEST

START_TEST(a_drop_by_another_line_answers_what_needed_the_end)
{
    uint64_t e = make(run.root, 0, 100);
    struct speaker *s = another_line(run.root), *keep = colleague(e, SEND | RECV, 0, 0);
    OFFER(s, 0, ON_RECV(0), ON_RECV(e));
    ck_assert(silent(s));
    drop(run.root, e, RECV);
    expect(s, 1, EBADF);
    (void)keep;
}
END_TEST

START_TEST(an_attached_channel_comes_with_its_ends)
{
    setup(1, 100);
    uint64_t e = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND, e, SEND);
    OFFER(s, 0, ((struct tcase){WIRE_OP_SEND, c, "take", 4, e}));
    expect(s, 0, 0);
    OFFER(b, 0, ON_SEND(e, "v"));
    expect(b, 0, EBADF);
    OFFER(b, 0, ON_RECV(c));
    struct committed m = committed(b);
    ck_assert(is_text(&m, "take"));
    ck_assert_uint_eq(m.attached, e);
    ck_assert_int_eq(send_text(b, e, "v"), 0);
    ck_assert_int_eq(drop(b, e, RECV), EBADF); /* the sender held none */
}
END_TEST

START_TEST(an_attached_channel_comes_through_a_rendezvous)
{
    setup(0, 100);
    uint64_t e = make(a, 1, 100);
    OFFER(a, 0, ((struct tcase){WIRE_OP_SEND, c, "", 0, e}));
    ck_assert(silent(a));
    OFFER(b, 0, ON_RECV(c));
    ck_assert_uint_eq(committed(b).attached, e);
    expect(a, 0, 0);
    ck_assert_int_eq(drop(a, e, SEND | RECV), 0);
    ck_assert_int_eq(send_text(b, e, "v"), 0);
    recv_text(b, e, "v");
}
END_TEST

START_TEST(a_value_in_flight_holds_the_attached_ends)
{
    setup(1, 100);
    uint64_t e = make(a, 1, 100);
    OFFER(a, 0, ((struct tcase){WIRE_OP_SEND, c, "", 0, e}));
    expect(a, 0, 0);
    bye(a, 0, 0);
    ck_assert_str_eq(stat_field("channel", e, 7), "1");
    OFFER(b, 0, ON_RECV(c));
    ck_assert_uint_eq(committed(b).attached, e);
    ck_assert_int_eq(send_text(b, e, "v"), 0);
}
END_TEST

START_TEST(a_losing_case_transfers_no_end)
{
    setup(0, 100);
    uint64_t e = make(run.root, 0, 100), f = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND, e, SEND);
    announce(run.root, NULL, 0, 0, 0, 0);
    OFFER(run.root, 0, ((struct tcase){WIRE_OP_SEND, e, "", 0, f}), ON_SEND(c, "v"));
    withdraw(run.root);
    expect(run.root, WIRE_NO_CASE, 0);
    drop(run.root, f, SEND | RECV);
    ck_assert_ptr_null(stat_field("channel", f, 0));
    (void)s;
}
END_TEST

START_TEST(attached_ends_go_when_their_value_is_discarded)
{
    uint64_t e = make(run.root, 1, 100), f = make(run.root, 1, 100);
    OFFER(run.root, 0, ((struct tcase){WIRE_OP_SEND, e, "", 0, f}));
    expect(run.root, 0, 0);
    drop(run.root, f, SEND | RECV);
    ck_assert_ptr_nonnull(stat_field("channel", f, 0));
    drop(run.root, e, RECV);
    ck_assert_ptr_null(stat_field("channel", f, 0));
}
END_TEST

START_TEST(a_channel_that_is_not_held_can_not_be_attached)
{
    setup(1, 100);
    uint64_t e = make(run.root, 1, 100);
    OFFER(a, 0, ((struct tcase){WIRE_OP_SEND, c, "", 0, e}));
    expect(a, 0, EBADF);
    OFFER(a, 0, ((struct tcase){WIRE_OP_SEND, c, "", 0, 4711}));
    expect(a, 0, EBADF);
}
END_TEST

START_TEST(the_same_channel_may_be_in_many_cases)
{
    setup(0, 100);
    OFFER(a, 0, ON_RECV(c), ON_RECV(c), ON_RECV(c));
    ck_assert(silent(a));
    OFFER(b, 0, ON_RECV(c));
    ck_assert(silent(b));
    send_text(d, c, "1");
    ck_assert_uint_lt(committed(a).which, 3);
    send_text(d, c, "2");
    expect_text(b, 0, "2");
}
END_TEST

START_TEST(a_close_answers_an_offer_with_the_same_channel_twice_once)
{
    setup(0, 100);
    OFFER(a, 0, ON_RECV(c), ON_RECV(c), ON_SEND(c, "x"));
    OFFER(b, 0, ON_RECV(c), ON_RECV(0), ON_RECV(c));
    ck_assert(committed(a).err == 0 && committed(b).err == 0); /* they met */
    OFFER(a, 0, ON_RECV(c), ON_RECV(c));
    ck_assert(silent(a));
    OFFER(b, 0, ON_RECV(c), ON_RECV(0), ON_RECV(c));
    ck_assert(silent(b));
    close_channel(d, c);
    ck_assert_int_eq(committed(a).err, EPIPE);
    ck_assert_int_eq(committed(b).err, EPIPE);
    ck_assert(silent(a));
    ck_assert(silent(b));
}
END_TEST

START_TEST(four_thousand_cases_are_an_offer)
{
    setup(1, 100);
    struct tcase *cases = calloc(WIRE_MAX_CASES, sizeof *cases);
    ck_assert_ptr_nonnull(cases);
    for (unsigned i = 0; i < WIRE_MAX_CASES; i++)
        cases[i] = ON_RECV(c);
    offer(a, 0, cases, WIRE_MAX_CASES);
    ck_assert(silent(a));
    send_text(b, c, "v");
    expect_text(a, 0, "v");
    free(cases);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
enum { SLACK_KIB = 400 * 1024 }; /* its quarantine of freed memory grows; it looks for leaks itself */
#else
enum { SLACK_KIB = 512 };
#endif

static long resident_kib(pid_t pid)
{
    char path[64];
    long size, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident * 4;
}

START_TEST(losing_selects_leave_nothing)
{
    setup(1, 100);
    uint64_t quiet = make(run.root, 0, 100), gift = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND | RECV, quiet, SEND | RECV);
    (void)gift;
    long before = 0;
    for (int i = 0; i < 50000; i++) { /* 100,000 selects, a losing case in each */
        if (i == 1000)
            before = resident_kib(run.broker);
        OFFER(s, WIRE_ORDERED, ON_RECV(quiet), ON_SEND(quiet, "never"), ON_SEND(c, "v"));
        expect(s, 2, 0);
        OFFER(s, 0, ON_SEND(quiet, "never"), ON_RECV(c));
        expect_text(s, 1, "v");
    }
    ck_assert_int_le(resident_kib(run.broker), before + SLACK_KIB);
    OFFER(d, WIRE_NOW, ON_RECV(c));
    expect(d, WIRE_NO_CASE, 0);
}
END_TEST

START_TEST(withdrawn_offers_leave_nothing)
{
    setup(0, 100);
    long before = 0;
    for (int i = 0; i < 20000; i++) {
        if (i == 1000)
            before = resident_kib(run.broker);
        OFFER(a, 0, ON_SEND(c, "never"), ON_RECV(c));
        withdraw(a);
        expect(a, WIRE_NO_CASE, 0);
    }
    ck_assert_int_le(resident_kib(run.broker), before + SLACK_KIB);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* which reserves its memory beforehand */
START_TEST(without_memory_a_receive_fails_and_the_value_stays)
{
    size_t size = 20u << 20;
    char *text = malloc(size + 1), path[64];
    ck_assert_ptr_nonnull(text);
    memset(text, 'v', size);
    text[size] = '\0';
    setup(1, 64u << 20);
    ck_assert_int_eq(send_text(a, c, text), 0);
    rlim_t pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)run.broker);
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    struct rlimit before, little;
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_AS, NULL, &before), 0);
    little = (struct rlimit){pages * 4096 + (8u << 20), before.rlim_max};
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_AS, &little, NULL), 0);
    OFFER(b, 0, ON_RECV(0), ON_RECV(c));
    expect(b, 1, ENOMEM);
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_AS, &before, NULL), 0);
    recv_text(b, c, text);
    free(text);
}
END_TEST
#endif

Suite *offers_suite(void)
{
    Suite *s = suite_create("offers");
    TCase *t = tcase_create("offers");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, a_send_waits_for_a_receive);
    tcase_add_test(t, a_receive_waits_for_a_send);
    tcase_add_test(t, a_value_may_be_empty);
    tcase_add_test(t, a_value_of_megabytes_is_whole);
    tcase_add_test(t, a_capacity_is_exact);
    tcase_add_test(t, values_are_first_in_first_out);
    tcase_add_test(t, max_bytes_bounds_what_waits);
    tcase_add_test(t, a_sender_waits_behind_one_that_waits_before);
    tcase_add_test(t, a_sender_that_withdraws_lets_the_next_in);
    tcase_add_test(t, a_value_over_max_bytes_is_refused);
    tcase_add_test(t, senders_are_served_in_order_of_waiting);
    tcase_add_test(t, receivers_are_served_in_order_of_waiting);
    tcase_add_test(t, a_try_without_a_partner_does_nothing);
    tcase_add_test(t, a_try_with_a_partner_succeeds);
    tcase_add_test(t, an_ordered_offer_takes_the_first_ready_case);
    tcase_add_test(t, the_draw_is_fair);
    tcase_add_test(t, an_offer_never_meets_itself);
    tcase_add_test(t, a_losing_case_was_never_sent);
    tcase_add_test(t, two_selects_meet_in_one_case_each);
    tcase_add_test(t, a_ring_of_four_selects_makes_two_pairs);
    tcase_add_test(t, a_nil_case_is_never_chosen);
    tcase_add_test(t, an_offer_without_cases_waits_to_be_withdrawn);
    tcase_add_test(t, a_withdrawal_that_comes_too_late_is_ignored);
    tcase_add_test(t, an_operation_without_its_end_is_ebadf);
    tcase_add_test(t, closing_answers_waiting_senders);
    tcase_add_test(t, closing_answers_waiting_receivers);
    tcase_add_test(t, a_closed_channel_is_drained_before_it_says_so);
    tcase_add_test(t, the_last_receiving_end_breaks);
    tcase_add_test(t, a_guest_that_waits_on_a_channel_that_breaks_is_told);
    tcase_add_test(t, a_guest_sends_and_receives_by_name);
    tcase_add_test(t, a_guest_neither_keeps_a_channel_open_nor_closes_it);
    tcase_add_test(t, a_drop_by_another_line_answers_what_needed_the_end);
    tcase_add_test(t, an_attached_channel_comes_with_its_ends);
    tcase_add_test(t, an_attached_channel_comes_through_a_rendezvous);
    tcase_add_test(t, a_value_in_flight_holds_the_attached_ends);
    tcase_add_test(t, a_losing_case_transfers_no_end);
    tcase_add_test(t, attached_ends_go_when_their_value_is_discarded);
    tcase_add_test(t, a_channel_that_is_not_held_can_not_be_attached);
    tcase_add_test(t, the_same_channel_may_be_in_many_cases);
    tcase_add_test(t, a_close_answers_an_offer_with_the_same_channel_twice_once);
    tcase_add_test(t, four_thousand_cases_are_an_offer);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(t, without_memory_a_receive_fails_and_the_value_stays);
#endif
    suite_add_tcase(s, t);

    TCase *leak = tcase_create("nothing is left of losers");
    tcase_add_checked_fixture(leak, run_start, run_stop);
    tcase_set_timeout(leak, 300);
    tcase_add_test(leak, losing_selects_leave_nothing);
    tcase_add_test(leak, withdrawn_offers_leave_nothing);
    suite_add_tcase(s, leak);
    return s;
}
