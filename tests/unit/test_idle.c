/* SPDX-License-Identifier: MPL-2.0 */
/* Channels that close when nothing is left to be done: section 16 of docs/protocol.md, rule 12. */
#include "../speaker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *idle_suite(void);

enum { BIG = 1000000 };

static struct speaker *s, *w, *q; /* who begins, and two of the cycle */
static uint64_t c;

/* w and q receive from c, and send on it. */
static void setup(uint32_t attempts)
{
    c = declare("urls", 10, WIRE_CLOSE_IDLE);
    if (attempts != 0)
        ck_assert_int_eq(set(run.root, c, retry(attempts, 0)), 0);
    s = colleague(c, SEND, 0, 0);
    w = colleague(c, SEND | RECV, 0, 0);
    q = colleague(c, SEND | RECV, 0, 0);
}

static const char *state(uint64_t channel)
{
    return stat_field("channel", channel, 11);
}

START_TEST(it_closes_when_all_who_could_send_wait_to_receive)
{
    setup(0);
    OFFER(w, 0, ON_RECV(c));
    OFFER(q, 0, ON_RECV(c));
    ck_assert(silent(q));
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_int_eq(committed(w).err, EPIPE);
    ck_assert_int_eq(committed(q).err, EPIPE);
}
END_TEST

START_TEST(it_does_not_while_one_of_them_works)
{
    setup(0);
    bye(s, 0, 0);
    OFFER(w, 0, ON_RECV(c));
    ck_assert(silent(w));
    ck_assert_int_eq(send_text(q, c, "a"), 0);
    struct committed got = committed(w);
    ck_assert(is_text(&got, "a"));
}
END_TEST

START_TEST(it_does_not_while_a_value_of_it_is_leased)
{
    setup(5);
    send_text(s, c, "a");
    bye(s, 0, 0);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    OFFER(w, 0, ON_RECV(c));
    OFFER(q, 0, ON_RECV(c));
    ck_assert(silent(w));
    ack(another_line(w), c, id); /* which is no line that waits */
    ck_assert(silent(q));
}
END_TEST

START_TEST(it_closes_when_the_last_lease_is_settled)
{
    setup(5);
    send_text(s, c, "a");
    bye(s, 0, 0);
    uint64_t id = recv_lease(w, c, "a", 1).lease.id;
    OFFER(w, 0, ON_RECV(c));
    OFFER(q, 0, ON_RECV(c));
    ck_assert(silent(q));
    say(w, WIRE_ACK, (struct wire_head){.channel = c, .count = 1}, &id, sizeof id);
    ck_assert_int_eq(committed(q).err, EPIPE);
    ck_assert_int_eq(committed(w).err, EPIPE);
}
END_TEST

START_TEST(it_does_not_while_a_value_is_in_back_off)
{
    setup(5);
    send_text(s, c, "a");
    bye(s, 0, 0);
    nack(w, c, recv_lease(w, c, "a", 1).lease.id, 50000000, "");
    OFFER(w, 0, ON_RECV(c));
    OFFER(q, 0, ON_RECV(c));
    while (strcmp(leased(c), "1") != 0) /* by one of both: their offers come in any order */
        ck_assert_str_eq(state(c), "open");
}
END_TEST

START_TEST(a_deadline_is_no_wait)
{
    setup(0);
    bye(s, 0, 0);
    OFFER(q, 0, ON_RECV(c));
    w->deadline = INT64_MAX - 1;
    OFFER(w, 0, ON_RECV(c));
    ck_assert(silent(w));
    ck_assert_str_eq(state(c), "open");
}
END_TEST

START_TEST(who_waits_to_send_does_not_wait_to_receive)
{
    setup(0);
    uint64_t d = make(w, 1, BIG);
    send_text(w, d, "full");
    bye(s, 0, 0);
    OFFER(q, 0, ON_RECV(c));
    OFFER(w, 0, ON_RECV(c), ON_SEND(d, "x"));
    ck_assert(silent(w));
    ck_assert_str_eq(state(c), "open");
}
END_TEST

START_TEST(a_stream_that_says_idle_waits)
{
    setup(5);
    bye(s, 0, 0);
    stream(w, c, RECV, BIG, 0);
    stream(q, c, RECV, BIG, 0);
    took(w, c, 0, 0, WIRE_WAIT | WIRE_IDLE);
    took(q, c, 0, 0, WIRE_WAIT);
    ck_assert(silent(w));
    took(q, c, 0, 0, WIRE_WAIT | WIRE_IDLE);
    ck_assert_uint_eq(hear(w, WIRE_DELIVER).head.flags, WIRE_CLOSED);
    ck_assert_uint_eq(hear(q, WIRE_DELIVER).head.flags, WIRE_CLOSED);
}
END_TEST

START_TEST(channels_that_wait_for_each_other_are_idle_together)
{
    c = declare("urls", 10, WIRE_CLOSE_IDLE);
    uint64_t d = declare("links", 10, WIRE_CLOSE_SENDERS);
    w = colleague(c, RECV, d, SEND);
    q = colleague(d, RECV, c, SEND);
    OFFER(w, 0, ON_RECV(c));
    ck_assert(silent(w));
    OFFER(q, 0, ON_RECV(d));
    ck_assert_int_eq(committed(w).err, EPIPE);
    ck_assert(silent(q)); /* of the other the sender has the choice */
    bye(w, 0, 0);
    ck_assert_int_eq(committed(q).err, EPIPE);
}
END_TEST

START_TEST(a_value_between_them_keeps_both)
{
    c = declare("urls", 10, WIRE_CLOSE_IDLE);
    uint64_t d = declare("links", 10, WIRE_CLOSE_SENDERS);
    w = colleague(c, RECV, d, SEND);
    q = colleague(d, RECV, c, SEND);
    send_text(w, d, "x");
    OFFER(w, 0, ON_RECV(c));
    ck_assert(silent(w));
    recv_text(q, d, "x");
    ck_assert_str_eq(state(c), "open");
}
END_TEST

START_TEST(one_who_has_not_attached_may_send)
{
    setup(0);
    announce(run.root, NULL, c, SEND, 0, 0);
    bye(s, 0, 0);
    OFFER(w, 0, ON_RECV(c));
    OFFER(q, 0, ON_RECV(c));
    ck_assert(silent(q));
    ck_assert_str_eq(state(c), "open");
}
END_TEST

START_TEST(it_closes_with_its_last_sending_end)
{
    c = declare("urls", 10, WIRE_CLOSE_IDLE);
    w = colleague(c, SEND, 0, 0);
    q = colleague(c, RECV, 0, 0);
    bye(w, 0, 0);
    OFFER(q, 0, ON_RECV(c));
    ck_assert_int_eq(committed(q).err, EPIPE);
}
END_TEST

START_TEST(close_when_idle_gives_up_the_end)
{
    c = declare("ring", 10, WIRE_CLOSE_SENDERS);
    s = colleague(c, SEND, 0, 0);
    w = colleague(c, SEND | RECV, 0, 0);
    struct wire_head head = {.channel = c, .count = WIRE_CLOSE_WHEN_IDLE};
    ck_assert_int_eq(ask_err(s, WIRE_CLOSE, head, NULL, 0), 0);
    ck_assert_str_eq(stat_field("channel", c, 8), "1");
    ck_assert_int_eq(ask_err(s, WIRE_CLOSE, head, NULL, 0), EBADF);
    OFFER(w, 0, ON_RECV(c));
    ck_assert_int_eq(committed(w).err, EPIPE);
}
END_TEST

/* It holds no end that it could give up; others come as it does, so that nobody knows when nothing is left to be done.
 */
START_TEST(a_guest_cannot_close_when_idle)
{
    c = declare("ring", 10, WIRE_CLOSE_NEVER);
    struct speaker *g = guest();
    struct wire_head head = {.channel = c, .count = WIRE_CLOSE_WHEN_IDLE};
    ck_assert_int_eq(ask_err(g, WIRE_CLOSE, head, NULL, 0), EBADF);
    head.count = WIRE_CLOSE_AT_ONCE;
    ck_assert_int_eq(ask_err(g, WIRE_CLOSE, head, NULL, 0), 0);
}
END_TEST

/* What the broker has used of a processor, in ticks. */
static unsigned long used(void)
{
    char path[32];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)run.broker);
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
    fclose(f);
    return user + system;
}

/* Events, each of which might have made a channel idle. */
static unsigned long rounds(struct speaker *to, uint64_t channel)
{
    unsigned long before = used();
    for (int i = 0; i < 2000; i++) {
        OFFER(to, 0, ON_RECV(channel));
        ck_assert_int_eq(send_text(run.root, channel, "x"), 0);
        ck_assert_int_eq(committed(to).err, 0);
    }
    return used() - before;
}

/* It is near to being idle all the time: only its sender does not wait. */
START_TEST(looking_for_it_costs_little_among_many_channels)
{
    for (int i = 0; i < 20000; i++)
        make(run.root, 1, BIG);
    uint64_t other = make(run.root, 1, BIG);
    struct speaker *to = colleague(other, RECV, 0, 0);
    unsigned long without = rounds(to, other);
    uint64_t idle = declare("idle", 10, WIRE_CLOSE_IDLE);
    struct speaker *sender = colleague(idle, SEND | RECV, 0, 0);
    unsigned long with = rounds(to, other);
    ck_assert_msg(with < 3 * without + 20, "%lu ticks, %lu without", with, without);
    OFFER(sender, 0, ON_RECV(idle));
    ck_assert_int_eq(committed(sender).err, EPIPE);
}
END_TEST

Suite *idle_suite(void)
{
    Suite *suite = suite_create("idle");
    TCase *t = tcase_create("idle");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, it_closes_when_all_who_could_send_wait_to_receive);
    tcase_add_test(t, it_does_not_while_one_of_them_works);
    tcase_add_test(t, it_does_not_while_a_value_of_it_is_leased);
    tcase_add_test(t, it_closes_when_the_last_lease_is_settled);
    tcase_add_test(t, it_does_not_while_a_value_is_in_back_off);
    tcase_add_test(t, a_deadline_is_no_wait);
    tcase_add_test(t, who_waits_to_send_does_not_wait_to_receive);
    tcase_add_test(t, a_stream_that_says_idle_waits);
    tcase_add_test(t, channels_that_wait_for_each_other_are_idle_together);
    tcase_add_test(t, a_value_between_them_keeps_both);
    tcase_add_test(t, one_who_has_not_attached_may_send);
    tcase_add_test(t, it_closes_with_its_last_sending_end);
    tcase_add_test(t, close_when_idle_gives_up_the_end);
    tcase_add_test(t, a_guest_cannot_close_when_idle);
    tcase_add_test(t, looking_for_it_costs_little_among_many_channels);
    suite_add_tcase(suite, t);
    return suite;
}
