/* SPDX-License-Identifier: MPL-2.0 */
/* Streams: section 6 of docs/protocol.md, a rule a test. */
#include "../speaker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Suite *streams_suite(void);

enum { BIG = 1000000 };

static struct speaker *s, *r; /* who sends, who receives */
static uint64_t c;

/* A channel that only s and r hold ends of: so there is one receiving process. */
static void setup(uint64_t capacity)
{
    c = make(run.root, capacity, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(drop(run.root, c, SEND | RECV), 0);
}

static void room(struct speaker *of, uint64_t committed_so_far, uint32_t err)
{
    struct heard h = hear(of, WIRE_ROOM);
    ck_assert_uint_eq(h.head.channel, c);
    ck_assert_uint_eq(h.head.seq, committed_so_far);
    ck_assert_uint_eq(h.head.count, err);
}

/* A DELIVER with this seq and count whose values are the consecutive letters from `first`, `length` of each. */
static struct heard deliver(struct speaker *to, uint64_t seq, uint32_t count, char first, uint32_t length)
{
    struct heard h = hear(to, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.channel, c);
    ck_assert_uint_eq(h.head.seq, seq);
    ck_assert_uint_eq(h.head.count, count);
    int64_t data = wire_block_data(&h.head, h.data);
    ck_assert_int_ge(data, 0);
    const unsigned char *at = h.data;
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_uint_eq(wire_block_length(h.data, (size_t)data, i), length);
        for (uint32_t k = 0; k < length; k++)
            ck_assert_int_eq(at[k], first + (int)(i % 26));
        at += length;
        if ((h.head.flags & WIRE_GAP) != 0)
            ck_assert_int_eq(*at++, '\n');
    }
    return h;
}

/* Puts, and the broker has it before anything that another line says. */
static void put_now(struct speaker *by, uint64_t seq, unsigned flags, char first, uint32_t count, uint32_t length)
{
    put(by, c, seq, flags, first, count, length);
    sync_line(by);
}

static void told_closed(struct speaker *to)
{
    struct heard h = hear(to, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.flags, WIRE_CLOSED);
    ck_assert_uint_eq(h.head.count, 0);
}

START_TEST(values_that_are_put_are_received_one_by_one)
{
    setup(10);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put_now(s, 0, 0, 'a', 3, 2);
    room(s, 3, 0);
    recv_text(r, c, "aa");
    recv_text(r, c, "bb");
    recv_text(r, c, "cc");
}
END_TEST

START_TEST(a_gap_is_no_part_of_the_value)
{
    setup(10);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, WIRE_GAP, 'a', 2, 2);
    recv_text(r, c, "aa");
    recv_text(r, c, "bb");
}
END_TEST

START_TEST(values_from_offers_are_delivered)
{
    setup(10);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 3), 0);
    ck_assert_int_eq(send_text(s, c, "aaa"), 0);
    ck_assert_int_eq(send_text(s, c, "bbb"), 0);
    deliver(r, 0, 1, 'a', 3);
    deliver(r, 1, 1, 'b', 3);
}
END_TEST

START_TEST(a_block_goes_on_whole)
{
    setup(1);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    put_now(s, 0, WIRE_GAP | WIRE_NOEOL, 'a', 500, 200); /* larger than what is copied */
    struct heard h = deliver(r, 0, 500, 'a', 200);
    ck_assert_uint_eq(h.head.flags, WIRE_GAP | WIRE_NOEOL);
    room(s, 500, 0);
}
END_TEST

/* A part of it is in the buffer, and the rest waits: what can be delivered at one instant goes as one. */
START_TEST(a_block_larger_than_the_capacity_stays_whole)
{
    setup(3);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, WIRE_GAP | WIRE_NOEOL, 'a', 500, 200);
    ck_assert_str_eq(stat_field("channel", c, 4), "3");
    stream(r, c, RECV, BIG, 0);
    struct heard h = deliver(r, 0, 500, 'a', 200);
    ck_assert_uint_eq(h.head.flags, WIRE_GAP | WIRE_NOEOL);
    room(s, 500, 0);
    ck_assert_str_eq(stat_field("channel", c, 4), "0");
}
END_TEST

START_TEST(a_block_larger_than_capacity_and_window_is_delivered_as_fits)
{
    setup(3);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, WIRE_NOEOL, 'a', 8, 10);
    stream(r, c, RECV, 50, 0);
    ck_assert_uint_eq(deliver(r, 0, 5, 'a', 10).head.flags, 0);
    ck_assert(silent(r));
    took(r, c, 0, 5, 0);
    ck_assert_uint_eq(deliver(r, 5, 3, 'f', 10).head.flags, WIRE_NOEOL);
    room(s, 8, 0);
}
END_TEST

START_TEST(a_capacity_holds_for_what_is_put)
{
    setup(4);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, 0, 'a', 7, 1);
    ck_assert(silent(s));
    ck_assert_str_eq(stat_field("channel", c, 4), "4");
    recv_text(r, c, "a");
    ck_assert_str_eq(stat_field("channel", c, 4), "4");
    recv_text(r, c, "b");
    recv_text(r, c, "c");
    room(s, 7, 0);
    recv_text(r, c, "d");
}
END_TEST

START_TEST(room_is_said_for_a_part_of_the_window)
{
    setup(4);
    stream(s, c, SEND, 12, 0);
    put_now(s, 0, 0, 'a', 12, 1);
    room(s, 4, 0); /* a quarter of the window, although the rest waits */
    put_now(s, 12, 0, 'm', 4, 1);
    ck_assert(silent(s));
    recv_text(r, c, "a");
}
END_TEST

START_TEST(room_counts_values_of_the_stream_alone)
{
    setup(4);
    stream(s, c, SEND, BIG, 0);
    ck_assert_int_eq(send_text(s, c, "x"), 0);
    put_now(s, 0, 0, 'a', 2, 1);
    room(s, 2, 0);
}
END_TEST

START_TEST(streams_and_offers_take_turns)
{
    c = make(run.root, 1, BIG);
    struct speaker *t = colleague(c, SEND, 0, 0);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, 0, 'a', 2, 1); /* a in the buffer, b waits */
    ck_assert(silent(s));
    OFFER(t, 0, ON_SEND(c, "T"));
    ck_assert(silent(t));
    put_now(s, 2, 0, 'c', 1, 1);
    recv_text(r, c, "a");
    recv_text(r, c, "b");
    ck_assert_uint_eq(committed(t).which, 0);
    recv_text(r, c, "T");
    recv_text(r, c, "c");
}
END_TEST

START_TEST(a_window_bounds_what_is_delivered_ahead)
{
    setup(10);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, 6, 0);
    put_now(s, 0, 0, 'a', 10, 2);
    deliver(r, 0, 3, 'a', 2);
    ck_assert(silent(r));
    took(r, c, 0, 2, 0);
    deliver(r, 3, 2, 'd', 2);
    took(r, c, 0, 5, 0);
    deliver(r, 5, 3, 'f', 2);
    took(r, c, 0, 8, 0);
    deliver(r, 8, 2, 'i', 2);
    room(s, 10, 0);
}
END_TEST

START_TEST(a_value_larger_than_the_window_is_delivered_alone)
{
    setup(10);
    stream(r, c, RECV, 4, 0);
    send_text(s, c, "aaaaaaaa");
    send_text(s, c, "b");
    deliver(r, 0, 1, 'a', 8);
    ck_assert(silent(r));
    took(r, c, 0, 1, 0);
    deliver(r, 1, 1, 'b', 1);
}
END_TEST

START_TEST(noeol_stays_with_the_last_value)
{
    setup(10);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, 6, 0);
    put_now(s, 0, WIRE_GAP | WIRE_NOEOL, 'a', 4, 2);
    ck_assert_uint_eq(deliver(r, 0, 2, 'a', 2).head.flags, WIRE_GAP);
    took(r, c, 0, 2, 0);
    ck_assert_uint_eq(deliver(r, 2, 2, 'c', 2).head.flags, WIRE_GAP | WIRE_NOEOL);
}
END_TEST

START_TEST(a_block_that_came_back_together_keeps_its_end)
{
    setup(2);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, WIRE_GAP | WIRE_NOEOL, 'a', 4, 1);
    recv_text(r, c, "a");
    recv_text(r, c, "b"); /* so the rest came into the buffer value by value */
    stream(r, c, RECV, BIG, 0);
    ck_assert_uint_eq(deliver(r, 0, 2, 'c', 1).head.flags, WIRE_GAP | WIRE_NOEOL);
}
END_TEST

START_TEST(empty_values_count_against_the_window)
{
    setup(100);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, 5, 0);
    put_now(s, 0, 0, 'a', 9, 0);
    deliver(r, 0, 5, 'a', 0);
    ck_assert(silent(r));
    took(r, c, 0, 5, 0);
    deliver(r, 5, 4, 'f', 0);
}
END_TEST

START_TEST(what_can_be_no_stream_is_refused)
{
    setup(1);
    uint64_t none = make(run.root, 0, 10), group = make_group(run.root);
    ck_assert_int_eq(stream(run.root, none, SEND, 10, 0), EINVAL);
    ck_assert_int_eq(stream(run.root, group, RECV, 10, 0), EBADF);
    ck_assert_int_eq(stream(s, c, SEND, 0, 0), EINVAL);
    ck_assert_int_eq(stream(s, c, 0, 10, 0), EINVAL);
    ck_assert_int_eq(stream(s, c, RECV, 10, 0), EBADF);
    ck_assert_int_eq(stream(s, c, SEND, 10, 0), 0);
    ck_assert_int_eq(stream(s, c, SEND, 10, 0), EINVAL);
    ck_assert_int_eq(stream(r, c, RECV, 10, WIRE_MAX_SLOTS), EINVAL);
    ck_assert_int_eq(stream(r, c, RECV, 10, 5), 0);
}
END_TEST

START_TEST(a_slot_serves_one_stream)
{
    setup(1);
    uint64_t e = make(r, 1, 10);
    ck_assert_int_eq(stream(r, c, RECV, 10, 5), 0);
    ck_assert_int_eq(stream(r, e, RECV, 10, 5), EINVAL);
    ck_assert_int_eq(drop(r, c, RECV), 0);
    ck_assert_int_eq(stream(r, e, RECV, 10, 5), 0);
}
END_TEST

START_TEST(the_page_is_removed_when_it_is_mapped)
{
    char path[160];
    struct stat st;
    setup(1);
    snprintf(path, sizeof path, "%s/p%llu", run.dir, (unsigned long long)r->line);
    page_make(r);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(stream(r, c, RECV, 10, 0), 0);
    ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

START_TEST(a_page_that_is_none_is_refused)
{
    char path[160];
    setup(1);
    snprintf(path, sizeof path, "%s/p%llu", run.dir, (unsigned long long)r->line);
    struct wire_stream w = {.window = 10};
    struct wire_head head = {.channel = c, .count = RECV};
    ck_assert_int_eq(ask_err(r, WIRE_STREAM, head, &w, sizeof w), EINVAL); /* none made */
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_int_eq(ask_err(r, WIRE_STREAM, head, &w, sizeof w), EINVAL);
    unlink(path);
    page_make(r);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_int_eq(ask_err(r, WIRE_STREAM, head, &w, sizeof w), EINVAL);
}
END_TEST

START_TEST(a_page_cut_short_ends_its_process_alone)
{
    char path[160], other[170];
    setup(4);
    snprintf(path, sizeof path, "%s/p%llu", run.dir, (unsigned long long)r->line);
    snprintf(other, sizeof other, "%s-2", path);
    page_make(r);
    ck_assert_int_eq(link(path, other), 0);
    ck_assert_int_eq(stream(r, c, RECV, 10, 0), 0);
    send_text(s, c, "a");
    send_text(s, c, "b");
    deliver(r, 0, 1, 'a', 1);
    deliver(r, 1, 1, 'b', 1);
    took(r, c, 0, 1, 0);
    sync_line(r);
    ck_assert(silent(r));
    ck_assert_int_eq(truncate(other, 0), 0);
    unlink(other);
    say(r, WIRE_TOOK, (struct wire_head){.channel = c, .seq = 1}, NULL, 0);
    until_taken_for_dead(r->process);
    ck_assert_int_eq(send_text(s, c, "c"), EPIPE); /* its receiving end went */
}
END_TEST

START_TEST(a_count_that_cannot_be_ends_its_process_alone)
{
    setup(4);
    stream(r, c, RECV, 10, 0);
    send_text(s, c, "a");
    deliver(r, 0, 1, 'a', 1);
    r->page[0] = 7;
    say(r, WIRE_TOOK, (struct wire_head){.channel = c, .seq = 1}, NULL, 0);
    until_taken_for_dead(r->process);
    ck_assert_int_eq(send_text(s, c, "c"), EPIPE);
}
END_TEST

/* What of a PUT is a violation: after it the sending end is gone, so the channel is closed, and the run goes on. */
static void violation(void)
{
    until_taken_for_dead(s->process);
    struct wire_why w = why(r, c);
    ck_assert_uint_eq(w.closed, 1);
    ck_assert_int_eq(w.how, 2);
}

START_TEST(more_than_the_window_is_a_violation)
{
    setup(1);
    stream(s, c, SEND, 10, 0);
    put(s, c, 0, 0, 'a', 11, 1);
    violation();
}
END_TEST

START_TEST(more_than_the_window_in_two_is_a_violation)
{
    setup(1);
    stream(s, c, SEND, 10, 0);
    put(s, c, 0, 0, 'a', 8, 1);
    put(s, c, 8, 0, 'a', 4, 1);
    until_taken_for_dead(s->process);
    for (char v[2] = "a"; v[0] <= 'h'; v[0]++)
        recv_text(r, c, v); /* what it had put before counts */
    violation();
}
END_TEST

START_TEST(one_value_may_be_larger_than_the_window)
{
    setup(1);
    stream(s, c, SEND, 10, 0);
    put(s, c, 0, 0, 'a', 1, 20);
    room(s, 1, 0);
}
END_TEST

START_TEST(a_value_put_over_max_bytes_is_a_violation)
{
    setup(1);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 1, BIG + 1);
    violation();
}
END_TEST

START_TEST(a_seq_out_of_order_is_a_violation)
{
    setup(10);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 2, 1);
    room(s, 2, 0);
    put(s, c, 1, 0, 'a', 2, 1);
    violation();
}
END_TEST

START_TEST(a_block_that_does_not_add_up_is_a_violation)
{
    setup(10);
    stream(s, c, SEND, BIG, 0);
    uint32_t lengths[3] = {0x61616161, 5, 7};
    say(s, WIRE_PUT, (struct wire_head){.channel = c, .count = 2}, lengths, sizeof lengths);
    violation();
}
END_TEST

START_TEST(a_close_tells_who_puts_what_was_not_sent)
{
    setup(2);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, 0, 'a', 5, 1);
    struct speaker *line = another_line(s);
    ck_assert_int_eq(close_channel(line, c), 0);
    room(s, 2, EPIPE);
    put_now(s, 5, 0, 'f', 2, 1); /* crossed: ignored */
    ck_assert(silent(s));
    recv_text(r, c, "a");
    recv_text(r, c, "b");
    OFFER(r, 0, ON_RECV(c));
    ck_assert_int_eq(committed(r).err, EPIPE);
}
END_TEST

START_TEST(a_broken_channel_tells_who_puts)
{
    setup(2);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, 0, 'a', 5, 1);
    bye(r, 0, 0);
    room(s, 2, EPIPE);
    ck_assert_str_eq(stat_field("channel", c, 14), "2");
}
END_TEST

START_TEST(a_stream_on_a_closed_channel_is_told_at_once)
{
    setup(2);
    close_channel(s, c);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    room(s, 0, EPIPE);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    told_closed(r);
}
END_TEST

START_TEST(what_was_put_counts_when_its_sender_drops)
{
    setup(2);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, 0, 'a', 4, 1);
    ck_assert_int_eq(drop(s, c, SEND), 0);
    ck_assert_uint_eq(why(r, c).closed, 0); /* held on until it is in the buffer */
    recv_text(r, c, "a");
    ck_assert_uint_eq(why(r, c).closed, 0);
    recv_text(r, c, "b");
    ck_assert_uint_eq(why(r, c).closed, 1);
    recv_text(r, c, "c");
    recv_text(r, c, "d");
    OFFER(r, 0, ON_RECV(c));
    ck_assert_int_eq(committed(r).err, EPIPE);
}
END_TEST

START_TEST(a_flush_ends_although_another_line_dropped_the_end)
{
    setup(2);
    stream(s, c, SEND, BIG, 0);
    put_now(s, 0, 0, 'a', 4, 1);
    struct speaker *line = another_line(s);
    ck_assert_int_eq(drop(line, c, SEND), 0);
    ck_assert(silent(s));
    recv_text(r, c, "a");
    recv_text(r, c, "b");
    room(s, 4, EPIPE);
}
END_TEST

START_TEST(what_was_put_counts_when_its_line_leaves)
{
    setup(2);
    struct speaker *line = another_line(s);
    stream(line, c, SEND, BIG, 0);
    put_now(line, 0, 0, 'a', 4, 1);
    ck_assert_int_eq(leave(line), 0);
    for (char v[2] = "a"; v[0] <= 'd'; v[0]++)
        recv_text(r, c, v);
    ck_assert_uint_eq(why(r, c).closed, 0); /* the process has its end */
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_uint_eq(why(r, c).closed, 1);
}
END_TEST

static void put_and_die(struct speaker *by, void *arg)
{
    (void)arg;
    stream(by, c, SEND, BIG, 0);
    put(by, c, 0, 0, 'a', 5, 100000);
    ask(by, WIRE_WHY, (struct wire_head){.channel = c}, NULL, 0); /* so all of it has gone */
    kill(getpid(), SIGKILL);
}

START_TEST(what_was_put_counts_when_its_sender_is_killed)
{
    c = make(run.root, 2, BIG);
    r = colleague(c, RECV, 0, 0);
    uint64_t ticket = announce(run.root, NULL, c, SEND, 0, 0);
    drop(run.root, c, SEND | RECV);
    wait_child(fork_attached(ticket, put_and_die, NULL));
    stream(r, c, RECV, BIG, 0);
    uint64_t n = 0;
    for (struct heard h; n < 5; n += h.head.count) {
        h = hear(r, WIRE_DELIVER);
        ck_assert_uint_eq(h.head.seq, n);
        ck_assert_int_eq(h.data[0], 'a' + (int)n);
    }
    took(r, c, 0, 5, WIRE_WAIT);
    told_closed(r);
    ck_assert_int_eq(why(r, c).how, 2);
}
END_TEST

/* Receives on a stream, takes two of five values, and stays. */
static void take_two(struct speaker *by, void *arg)
{
    (void)arg;
    ck_assert_int_eq(stream(by, c, RECV, BIG, 0), 0);
    deliver(by, 0, 5, 'a', 1);
    __atomic_store_n(&by->page[0], 2, __ATOMIC_RELEASE);
    reached();
}

START_TEST(what_a_killed_receiver_had_not_taken_returns_to_its_place)
{
    c = make(run.root, 10, BIG);
    uint64_t ticket = announce(run.root, NULL, c, RECV, 0, 0);
    stream(run.root, c, SEND, BIG, 0);
    put_now(run.root, 0, 0, 'a', 5, 1);
    room(run.root, 5, 0);
    drop(run.root, c, RECV);
    pid_t pid = fork_attached(ticket, take_two, NULL);
    until_reached();
    ck_assert_int_eq(send_text(run.root, c, "z"), 0); /* delivered after: it returns after */
    kill(pid, SIGKILL);
    ck_assert_int_ne(wait_child(pid), 0);
    while (strcmp(stat_field("channel", c, 11), "broken") != 0) /* nobody else received: they are discarded */
        continue;
    ck_assert_str_eq(stat_field("channel", c, 14), "4");
}
END_TEST

START_TEST(what_returns_is_received_by_others_in_order)
{
    c = make(run.root, 10, BIG);
    struct speaker *t = colleague(c, RECV, 0, 0);
    uint64_t ticket = announce(run.root, NULL, c, RECV, 0, 0);
    stream(run.root, c, SEND, BIG, 0);
    drop(run.root, c, RECV);
    s = attach(ticket); /* one of two receiving processes gets a value at a time, and says that it waits */
    stream(s, c, RECV, BIG, 0);
    took(s, c, 0, 0, WIRE_WAIT);
    sync_line(s);
    ck_assert(silent(s));
    put_now(run.root, 0, 0, 'a', 5, 1);
    deliver(s, 0, 1, 'a', 1);
    ck_assert(silent(s));
    recv_text(t, c, "b");
    ck_assert_int_eq(bye(s, 2, 9), 0); /* had not taken a */
    recv_text(t, c, "a");
    recv_text(t, c, "c");
    recv_text(t, c, "d");
    recv_text(t, c, "e");
}
END_TEST

START_TEST(what_returns_may_exceed_the_capacity)
{
    c = make(run.root, 2, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    struct speaker *t = colleague(c, RECV, 0, 0);
    drop(run.root, c, SEND | RECV);
    drop(t, c, RECV);
    stream(r, c, RECV, BIG, 0);
    struct speaker *line = another_line(r);
    for (char v[2] = "a"; v[0] <= 'd'; v[0]++)
        send_text(s, c, v);
    for (uint64_t i = 0; i < 4; i++)
        deliver(r, i, 1, (char)('a' + i), 1);
    took(r, c, 0, 1, 0);
    ck_assert_int_eq(leave(r), 0); /* the process keeps its end */
    ck_assert_str_eq(stat_field("channel", c, 4), "3");
    OFFER(s, 0, ON_SEND(c, "e"));
    ck_assert(silent(s));
    recv_text(line, c, "b");
    ck_assert(silent(s));
    recv_text(line, c, "c");
    ck_assert_int_eq(committed(s).err, 0);
    recv_text(line, c, "d");
    recv_text(line, c, "e");
}
END_TEST

START_TEST(a_forwarded_block_that_returns_is_whole)
{
    setup(1000);
    struct speaker *line = another_line(r);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    put_now(s, 0, 0, 'a', 100, 300);
    deliver(r, 0, 100, 'a', 300);
    took(r, c, 0, 26, 0);
    ck_assert_int_eq(leave(r), 0);
    stream(line, c, RECV, BIG, 0);
    deliver(line, 0, 74, 'a', 300);
}
END_TEST

START_TEST(of_several_receivers_one_that_waits_gets_one_value)
{
    c = make(run.root, 10, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    struct speaker *t = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    stream(t, c, RECV, BIG, 0);
    put_now(s, 0, 0, 'a', 5, 1);
    ck_assert(silent(r)); /* neither said that it waits */
    took(t, c, 0, 0, WIRE_WAIT);
    deliver(t, 0, 1, 'a', 1);
    ck_assert(silent(t));
    took(r, c, 0, 0, WIRE_WAIT);
    deliver(r, 0, 1, 'b', 1);
    ck_assert(silent(r));
}
END_TEST

START_TEST(a_wait_that_a_delivery_overtook_does_not_count)
{
    c = make(run.root, 10, BIG);
    r = colleague(c, RECV, 0, 0);
    stream(r, c, RECV, BIG, 0);
    took(r, c, 0, 0, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
    send_text(run.root, c, "a");
    send_text(run.root, c, "b");
    deliver(r, 0, 1, 'a', 1);
    took(r, c, 0, 0, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
}
END_TEST

START_TEST(who_takes_fast_is_given_more_ahead)
{
    c = make(run.root, 5000, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    put_now(s, 0, 0, 'a', 5000, 1);
    uint64_t n = 0;
    uint32_t most = 0;
    took(r, c, 0, 0, WIRE_WAIT);
    while (n < 5000) {
        struct heard h = hear(r, WIRE_DELIVER);
        most = h.head.count > most ? h.head.count : most;
        n += h.head.count;
        took(r, c, 0, n, WIRE_WAIT);
    }
    ck_assert_uint_gt(most, 1);
    ck_assert_uint_lt(most, 5000);
    struct timespec pause = {.tv_nsec = 60000000}; /* it is idle for several times 10 ms: that is what is tested */
    nanosleep(&pause, NULL);
    took(r, c, 0, n, WIRE_WAIT);
    nanosleep(&pause, NULL);
    took(r, c, 0, n, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
    put_now(s, 5000, 0, 'a', 100, 1);
    ck_assert_uint_le(hear(r, WIRE_DELIVER).head.count, 1);
}
END_TEST

START_TEST(the_whole_window_opens_when_the_other_receiver_goes)
{
    c = make(run.root, 10, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    put_now(s, 0, 0, 'a', 5, 1);
    ck_assert(silent(r));
    drop(run.root, c, RECV);
    deliver(r, 0, 5, 'a', 1);
}
END_TEST

START_TEST(closed_is_said_once_after_the_last_value)
{
    setup(10);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    put_now(s, 0, 0, 'a', 2, 1);
    bye(s, 0, 0);
    deliver(r, 0, 2, 'a', 1);
    told_closed(r); /* at once: what is out with itself comes before it */
    took(r, c, 0, 2, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
}
END_TEST

START_TEST(closed_waits_for_what_is_out_with_others)
{
    c = make(run.root, 10, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    struct speaker *t = colleague(c, RECV, 0, 0), *o = colleague(c, RECV, 0, 0);
    drop(run.root, c, SEND | RECV);
    stream(r, c, RECV, BIG, 0);
    stream(t, c, RECV, BIG, 0);
    took(r, c, 0, 0, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
    OFFER(o, 0, ON_RECV(0), ON_RECV(c));
    ck_assert(silent(o));
    send_text(s, c, "a");
    deliver(r, 0, 1, 'a', 1);
    bye(s, 0, 0);
    told_closed(r);
    ck_assert(silent(t));
    ck_assert(silent(o));
    took(r, c, 0, 1, 0);
    told_closed(t);
    struct committed m = committed(o);
    ck_assert_uint_eq(m.which, 1);
    ck_assert_int_eq(m.err, EPIPE);
}
END_TEST

START_TEST(the_page_is_read_when_closed_is_asked)
{
    c = make(run.root, 10, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    struct speaker *o = colleague(c, RECV, 0, 0);
    stream(r, c, RECV, BIG, 0);
    took(r, c, 0, 0, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
    send_text(s, c, "a");
    deliver(r, 0, 1, 'a', 1);
    close_channel(run.root, c);
    told_closed(r);
    OFFER(o, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(o).which, WIRE_NO_CASE);
    r->page[0] = 1; /* taken, and no TOOK yet */
    OFFER(o, WIRE_NOW, ON_RECV(c));
    ck_assert_int_eq(committed(o).err, EPIPE);
}
END_TEST

START_TEST(others_get_what_returns_after_a_close)
{
    c = make(run.root, 10, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    struct speaker *o = colleague(c, RECV, 0, 0);
    stream(r, c, RECV, BIG, 0);
    took(r, c, 0, 0, WIRE_WAIT);
    sync_line(r);
    ck_assert(silent(r));
    send_text(s, c, "a");
    close_channel(run.root, c);
    deliver(r, 0, 1, 'a', 1);
    told_closed(r);
    OFFER(o, 0, ON_RECV(c));
    ck_assert(silent(o));
    bye(r, 2, 9);
    struct committed m = committed(o);
    ck_assert(is_text(&m, "a"));
}
END_TEST

START_TEST(an_attached_channel_is_the_receivers_when_its_value_is_taken)
{
    setup(10);
    uint64_t e = make(s, 1, 100);
    stream(r, c, RECV, BIG, 0);
    OFFER(s, 0, ((struct tcase){WIRE_OP_SEND, c, "a", 1, e}));
    ck_assert_int_eq(committed(s).err, 0);
    struct heard h = hear(r, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.flags, WIRE_CHAN);
    ck_assert_uint_eq(h.head.count, 1);
    uint64_t attached;
    memcpy(&attached, h.data + h.size - sizeof attached, sizeof attached);
    ck_assert_uint_eq(attached, e);
    ck_assert_int_eq(drop(r, e, SEND), EBADF);
    ck_assert_int_eq(drop(s, e, SEND | RECV), 0);
    ck_assert_ptr_nonnull(stat_field("channel", e, 0)); /* the value holds it */
    r->page[0] = 1;                                     /* taken: no TOOK is needed */
    ck_assert_int_eq(send_text(r, e, "v"), 0);
    recv_text(r, e, "v");
}
END_TEST

START_TEST(an_attached_channel_that_was_not_taken_returns_with_its_value)
{
    setup(10);
    struct speaker *line = another_line(r);
    uint64_t e = make(s, 1, 100);
    stream(r, c, RECV, BIG, 0);
    OFFER(s, 0, ((struct tcase){WIRE_OP_SEND, c, "a", 1, e}));
    ck_assert_int_eq(committed(s).err, 0);
    hear(r, WIRE_DELIVER);
    leave(r);
    ck_assert_int_eq(drop(line, e, SEND), EBADF);
    OFFER(line, 0, ON_RECV(c));
    struct committed m = committed(line);
    ck_assert(is_text(&m, "a"));
    ck_assert_uint_eq(m.attached, e);
    ck_assert_int_eq(drop(line, e, SEND | RECV), 0);
}
END_TEST

START_TEST(two_streams_of_a_line_go_both_ways)
{
    setup(10);
    uint64_t e = make(run.root, 10, BIG);
    stream(run.root, e, SEND | RECV, BIG, 9);
    put(run.root, e, 0, 0, 'a', 3, 1);
    c = e;
    deliver(run.root, 0, 3, 'a', 1);
    room(run.root, 3, 0);
}
END_TEST

START_TEST(a_guest_streams_by_name)
{
    c = declare("lines", 4, WIRE_CLOSE_SENDERS);
    s = colleague(c, SEND, 0, 0);
    struct speaker *g = guest(), *put_by = guest();
    ck_assert_int_eq(stream(g, c, RECV, BIG, 0), 0);
    ck_assert_int_eq(stream(put_by, c, SEND, BIG, 0), 0);
    put_now(put_by, 0, 0, 'a', 3, 1);
    deliver(g, 0, 3, 'a', 1);
    bye(put_by, 0, 0);
    ck_assert(silent(g));
    bye(s, 0, 0);
    told_closed(g);
}
END_TEST

START_TEST(bulk_arrives_whole_and_in_order)
{
    const uint64_t frames = 400, values = 64, length = 1000, all = frames * values;
    setup(100);
    stream(s, c, SEND, 4 * values * length, 0);
    stream(r, c, RECV, 3 * values * length, 0);
    uint64_t sent = 0, roomed = 0, got = 0, told = 0;
    while (got < all) {
        for (; sent < all && sent - roomed <= 3 * values; sent += values)
            put(s, c, sent, WIRE_GAP, (char)('a' + sent % 26), (uint32_t)values, (uint32_t)length - 1);
        if (got == sent) { /* nothing is out: what says that there is room has still to come, by the other line */
            roomed = hear(s, WIRE_ROOM).head.seq;
            continue;
        }
        struct heard h = hear(r, WIRE_DELIVER);
        ck_assert_uint_eq(h.head.seq, got);
        ck_assert_int_eq(h.data[0], 'a' + (int)((got - got % values) % 26 + got % values % 26));
        got += h.head.count;
        __atomic_store_n(&r->page[0], got, __ATOMIC_RELEASE);
        if (got - told > values) {
            took(r, c, 0, got, 0);
            told = got;
        }
        while (hear_now(s, &h))
            roomed = h.head.seq;
    }
    ck_assert_uint_eq(got, all);
}
END_TEST

Suite *streams_suite(void)
{
    Suite *suite = suite_create("streams");
    TCase *t = tcase_create("sending");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, values_that_are_put_are_received_one_by_one);
    tcase_add_test(t, a_gap_is_no_part_of_the_value);
    tcase_add_test(t, a_block_goes_on_whole);
    tcase_add_test(t, a_block_larger_than_the_capacity_stays_whole);
    tcase_add_test(t, a_block_larger_than_capacity_and_window_is_delivered_as_fits);
    tcase_add_test(t, a_capacity_holds_for_what_is_put);
    tcase_add_test(t, room_is_said_for_a_part_of_the_window);
    tcase_add_test(t, room_counts_values_of_the_stream_alone);
    tcase_add_test(t, streams_and_offers_take_turns);
    tcase_add_test(t, what_can_be_no_stream_is_refused);
    tcase_add_test(t, more_than_the_window_is_a_violation);
    tcase_add_test(t, more_than_the_window_in_two_is_a_violation);
    tcase_add_test(t, one_value_may_be_larger_than_the_window);
    tcase_add_test(t, a_value_put_over_max_bytes_is_a_violation);
    tcase_add_test(t, a_seq_out_of_order_is_a_violation);
    tcase_add_test(t, a_block_that_does_not_add_up_is_a_violation);
    tcase_add_test(t, a_close_tells_who_puts_what_was_not_sent);
    tcase_add_test(t, a_broken_channel_tells_who_puts);
    tcase_add_test(t, a_stream_on_a_closed_channel_is_told_at_once);
    tcase_add_test(t, what_was_put_counts_when_its_sender_drops);
    tcase_add_test(t, a_flush_ends_although_another_line_dropped_the_end);
    tcase_add_test(t, what_was_put_counts_when_its_line_leaves);
    tcase_add_test(t, what_was_put_counts_when_its_sender_is_killed);
    suite_add_tcase(suite, t);

    t = tcase_create("receiving");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, values_from_offers_are_delivered);
    tcase_add_test(t, a_window_bounds_what_is_delivered_ahead);
    tcase_add_test(t, a_value_larger_than_the_window_is_delivered_alone);
    tcase_add_test(t, noeol_stays_with_the_last_value);
    tcase_add_test(t, a_block_that_came_back_together_keeps_its_end);
    tcase_add_test(t, empty_values_count_against_the_window);
    tcase_add_test(t, a_slot_serves_one_stream);
    tcase_add_test(t, the_page_is_removed_when_it_is_mapped);
    tcase_add_test(t, a_page_that_is_none_is_refused);
    tcase_add_test(t, a_page_cut_short_ends_its_process_alone);
    tcase_add_test(t, a_count_that_cannot_be_ends_its_process_alone);
    tcase_add_test(t, what_a_killed_receiver_had_not_taken_returns_to_its_place);
    tcase_add_test(t, what_returns_is_received_by_others_in_order);
    tcase_add_test(t, what_returns_may_exceed_the_capacity);
    tcase_add_test(t, a_forwarded_block_that_returns_is_whole);
    tcase_add_test(t, of_several_receivers_one_that_waits_gets_one_value);
    tcase_add_test(t, a_wait_that_a_delivery_overtook_does_not_count);
    tcase_add_test(t, who_takes_fast_is_given_more_ahead);
    tcase_add_test(t, the_whole_window_opens_when_the_other_receiver_goes);
    tcase_add_test(t, closed_is_said_once_after_the_last_value);
    tcase_add_test(t, closed_waits_for_what_is_out_with_others);
    tcase_add_test(t, the_page_is_read_when_closed_is_asked);
    tcase_add_test(t, others_get_what_returns_after_a_close);
    tcase_add_test(t, an_attached_channel_is_the_receivers_when_its_value_is_taken);
    tcase_add_test(t, an_attached_channel_that_was_not_taken_returns_with_its_value);
    tcase_add_test(t, two_streams_of_a_line_go_both_ways);
    tcase_add_test(t, a_guest_streams_by_name);
    tcase_add_test(t, bulk_arrives_whole_and_in_order);
    suite_add_tcase(suite, t);
    return suite;
}
