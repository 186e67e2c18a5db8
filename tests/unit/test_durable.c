/* SPDX-License-Identifier: MPL-2.0 */
/* Durable channels: section 18 of docs/protocol.md, a rule a test. The broker is killed where the rule is about what is
 * there afterwards, and another one is started at the same directory. */
#include "../speaker.h"
#include "../leftover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *durable_suite(void);

enum { BIG = 1000000 };

static char dir[96];
static uint64_t c;
static struct speaker *s, *r;
static struct wire_set settings; /* of every durable channel */

/* Sets the directory of a channel; the errno, and *answer what came with it. */
static int set_dir(uint64_t channel, const char *path, struct heard *answer)
{
    unsigned char payload[sizeof(struct wire_set) + WIRE_MAX_PATH];
    memcpy(payload, &settings, sizeof settings);
    memcpy(payload + sizeof settings, path, strnlen(path, WIRE_MAX_PATH));
    *answer = ask(run.root, WIRE_SET, (struct wire_head){.channel = channel}, payload, sizeof settings + strlen(path));
    return (int)answer->head.count;
}

/* A durable channel. What it resumed with. */
static uint64_t durable(const char *name, const char *path, uint64_t capacity, uint64_t *values)
{
    struct heard h;
    struct wire_resumed resumed;
    unsigned char frame[sizeof(struct wire_make) + WIRE_MAX_NAME];
    struct wire_make w = {.capacity = capacity, .max_bytes = UINT64_C(64) * BIG};
    memcpy(frame, &w, sizeof w);
    memcpy(frame + sizeof w, name, strnlen(name, WIRE_MAX_NAME));
    h = ask(run.root, WIRE_MAKE, (struct wire_head){0}, frame, sizeof w + strlen(name));
    ck_assert_int_eq(h.head.count, 0);
    struct wire_channel made;
    memcpy(&made, h.data, sizeof made);
    uint64_t channel = made.channel;
    int err = set_dir(channel, path, &h);
    ck_assert_msg(err == 0, "%s: %.*s", strerror(err), (int)h.size, (const char *)h.data);
    ck_assert_uint_ge(h.size, sizeof resumed);
    memcpy(&resumed, h.data, sizeof resumed);
    if (values != NULL)
        *values = resumed.values;
    return channel;
}

/* The channel `jobs`, with a process at either end. */
static uint64_t open_jobs(uint64_t capacity)
{
    uint64_t values;
    c = durable("jobs", dir, capacity, &values);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    return values;
}

/* All are killed, and begin anew; so many values are there again. */
static void resume(uint64_t capacity, uint64_t values)
{
    run_kill();
    run_start();
    ck_assert_uint_eq(open_jobs(capacity), values);
}

static void setup(void)
{
    snprintf(dir, sizeof dir, "%s/d", scratch());
    run_start();
}

static void teardown(void)
{
    run_stop();
}

START_TEST(what_was_said_to_be_sent_is_there_again_in_order)
{
    ck_assert_uint_eq(open_jobs(10), 0);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(send_text(s, c, ""), 0);
    ck_assert_int_eq(send_text(s, c, "three"), 0);
    resume(10, 3);
    ck_assert_int_eq(send_text(s, c, "four"), 0);
    recv_text(r, c, "one");
    recv_text(r, c, "");
    recv_text(r, c, "three");
    recv_text(r, c, "four");
}
END_TEST

START_TEST(what_was_received_does_not_come_again)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(send_text(s, c, "two"), 0);
    recv_text(r, c, "one");
    resume(10, 1);
    recv_text(r, c, "two");
}
END_TEST

START_TEST(values_of_a_stream_are_stored_before_room_is_said)
{
    open_jobs(1000);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, WIRE_GAP, 'a', 20, 3);
    ck_assert_uint_eq(hear(s, WIRE_ROOM).head.seq, 20);
    resume(1000, 20);
    recv_text(r, c, "aaa");
    recv_text(r, c, "bbb");
}
END_TEST

START_TEST(what_a_stream_took_is_gone_and_what_it_did_not_take_comes_again)
{
    open_jobs(1000);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, 0, 'a', 5, 1);
    ck_assert_uint_eq(hear(s, WIRE_ROOM).head.seq, 5);
    page_make(r);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    ck_assert_uint_eq(hear(r, WIRE_DELIVER).head.count, 5);
    took(r, c, 0, 2, 0);
    sync_line(r);
    resume(1000, 3);
    recv_text(r, c, "c");
    recv_text(r, c, "d");
    recv_text(r, c, "e");
}
END_TEST

START_TEST(what_waits_for_room_is_not_stored_and_was_not_said)
{
    open_jobs(2);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, 0, 'a', 5, 1);
    sync_line(s);
    resume(2, 2);
}
END_TEST

START_TEST(a_blocks_marks_survive)
{
    open_jobs(10);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, WIRE_GAP, 'a', 2, 1);
    put(s, c, 2, WIRE_GAP | WIRE_NOEOL, 'c', 2, 1);
    while (hear(s, WIRE_ROOM).head.seq < 4)
        continue;
    resume(10, 4);
    page_make(r);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    struct heard h = hear(r, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.count, 4);
    ck_assert_uint_eq(h.head.flags & (WIRE_GAP | WIRE_NOEOL), WIRE_GAP | WIRE_NOEOL);
    ck_assert_int_eq(memcmp(h.data, "a\nb\nc\nd\n", 8), 0);
}
END_TEST

START_TEST(more_than_the_capacity_comes_again_whole)
{
    open_jobs(5000);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    for (uint64_t n = 0; n < 5000; n += 100)
        put(s, c, n, 0, 'a', 100, 50);
    while (hear(s, WIRE_ROOM).head.seq < 5000)
        continue;
    resume(10, 5000);
    ck_assert_str_eq(stat_field("channel", c, 4), "5000");
    for (int i = 0; i < 5000; i++) {
        char text[51] = "";
        memset(text, 'a' + i % 100 % 26, 50);
        recv_text(r, c, text);
    }
}
END_TEST

START_TEST(two_channels_of_a_directory_are_apart)
{
    uint64_t values;
    uint64_t other = durable("other", dir, 10, NULL);
    open_jobs(10);
    struct speaker *o = colleague(other, SEND, 0, 0);
    ck_assert_int_eq(send_text(s, c, "job"), 0);
    ck_assert_int_eq(send_text(o, other, "else"), 0);
    run_kill();
    run_start();
    other = durable("other", dir, 10, &values);
    ck_assert_uint_eq(values, 1);
    ck_assert_uint_eq(open_jobs(10), 1);
    recv_text(colleague(other, RECV, 0, 0), other, "else");
    recv_text(r, c, "job");
}
END_TEST

START_TEST(values_of_a_broken_channel_are_kept)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(bye(r, 1, 1), 0);
    ck_assert_int_eq(send_text(s, c, "two"), EPIPE);
    resume(10, 1);
    recv_text(r, c, "one");
}
END_TEST

START_TEST(what_a_closed_channel_had_comes_again)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(bye(s, 0, 0), 0);
    resume(10, 1);
    recv_text(r, c, "one");
}
END_TEST

/* ---- leases ----------------------------------------------------------------------------------------------------- */

static void setup_leased(void)
{
    setup();
    settings = retry(5, 0);
}

START_TEST(a_value_that_was_leased_comes_again_with_its_id_and_one_try_more)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(send_text(s, c, "two"), 0);
    uint64_t id = recv_lease(r, c, "one", 1).lease.id;
    resume(10, 2);
    ck_assert_uint_eq(recv_lease(r, c, "one", 2).lease.id, id);
    recv_lease(r, c, "two", 1);
    resume(10, 2);
    ck_assert_uint_eq(recv_lease(r, c, "one", 3).lease.id, id);
    ck_assert_uint_eq(recv_lease(r, c, "two", 2).lease.id, id + 1);
}
END_TEST

START_TEST(a_value_that_was_acknowledged_is_gone)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(send_text(s, c, "two"), 0);
    recv_lease(r, c, "one", 1);
    ack(r, c, recv_lease(r, c, "two", 1).lease.id);
    sync_line(r);
    resume(10, 1);
    recv_lease(r, c, "one", 2);
}
END_TEST

START_TEST(what_was_delivered_ahead_and_not_taken_counts_as_one_try_however_often)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    for (int i = 0; i < 3; i++) {
        page_make(r);
        ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
        ck_assert_uint_eq(hear(r, WIRE_DELIVER).head.count, 1);
        resume(10, 1);
    }
    recv_lease(r, c, "one", 2);
}
END_TEST

START_TEST(what_a_stream_took_is_leased_until_it_is_acknowledged)
{
    struct wire_lease lease;
    open_jobs(10);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, 0, 'a', 3, 1);
    ck_assert_uint_eq(hear(s, WIRE_ROOM).head.seq, 3);
    page_make(r);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    struct heard h = hear(r, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.count, 3);
    ck_assert_int_eq(wire_lease(&h.head, h.data, &lease), 0);
    took(r, c, 0, 3, 0);
    ack(r, c, lease.id + 1);
    sync_line(r);
    resume(10, 2);
    ck_assert_uint_eq(recv_lease(r, c, "a", 2).lease.id, lease.id);
    ck_assert_uint_eq(recv_lease(r, c, "c", 2).lease.id, lease.id + 2);
}
END_TEST

/* It was in the pipe to a program that ended, say. */
START_TEST(what_was_not_begun_comes_again_as_if_it_had_not_been_delivered)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(send_text(s, c, "two"), 0);
    nack(r, c, recv_lease(r, c, "one", 1).lease.id, 0, "");
    uint64_t again = recv_lease(r, c, "one", 2).lease.id;
    nack(r, c, recv_lease(r, c, "two", 1).lease.id, WIRE_UNREAD, "");
    nack(r, c, again, WIRE_UNREAD, "");
    sync_line(r);
    resume(10, 2);
    resume(10, 2);
    recv_lease(r, c, "one", 2);
    recv_lease(r, c, "two", 1);
    resume(10, 2);
    recv_lease(r, c, "one", 3);
    recv_lease(r, c, "two", 2);
}
END_TEST

/* "one", which was leased and not begun, is delivered ahead on a stream. */
static void deliver_again(void)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    nack(r, c, recv_lease(r, c, "one", 1).lease.id, WIRE_UNREAD, "");
    page_make(r);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    ck_assert_uint_eq(hear(r, WIRE_DELIVER).head.count, 1);
}

START_TEST(what_was_not_begun_and_is_delivered_again_may_have_been_begun)
{
    deliver_again();
    resume(10, 1);
    recv_lease(r, c, "one", 2);
}
END_TEST

/* The bridge that gave it back is often the first to which it goes again, and ends. */
START_TEST(what_was_not_begun_and_then_not_taken_comes_again_as_if_it_had_not_been_delivered)
{
    deliver_again();
    colleague(c, RECV, 0, 0); /* the channel does not break */
    crash(r);
    sync_line(run.root);
    resume(10, 1);
    recv_lease(r, c, "one", 1);
}
END_TEST

START_TEST(a_value_that_was_given_back_keeps_its_tries)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    nack(r, c, recv_lease(r, c, "one", 1).lease.id, 0, "");
    nack(r, c, recv_lease(r, c, "one", 2).lease.id, HOUR, ""); /* in back-off */
    sync_line(r);
    resume(10, 1);
    recv_lease(r, c, "one", 3);
}
END_TEST

/* The channels `failed` and `jobs`, whose dead letters it gets; how many values they have. */
static uint64_t open_with_letters(uint64_t *failed, uint64_t *letters)
{
    settings = (struct wire_set){0};
    *failed = durable("failed", dir, 10, letters);
    settings = retry(1, *failed);
    return open_jobs(10);
}

START_TEST(a_dead_letter_moves_in_one_step_with_its_id_tries_and_reason)
{
    uint64_t failed, letters;
    ck_assert_uint_eq(open_with_letters(&failed, &letters), 0);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    uint64_t id = recv_lease(r, c, "one", 1).lease.id;
    nack(r, c, id, WIRE_BACK_OFF, "no such thing");
    sync_line(r);
    run_kill();
    run_start();
    ck_assert_uint_eq(open_with_letters(&failed, &letters), 0);
    ck_assert_uint_eq(letters, 1);
    struct speaker *k = colleague(failed, RECV, 0, 0);
    OFFER(k, 0, ON_RECV(failed));
    struct committed got = committed(k);
    ck_assert(is_text(&got, "one"));
    ck_assert_uint_eq(got.lease.id, id);
    ck_assert_uint_eq(got.lease.tries, 1);
    ck_assert_uint_eq(got.lease.reason, strlen("no such thing"));
    ck_assert_int_eq(memcmp(got.reason, "no such thing", got.lease.reason), 0);
}
END_TEST

START_TEST(a_dead_letter_that_waits_for_room_is_stored)
{
    uint64_t failed, letters;
    open_with_letters(&failed, &letters);
    for (int i = 0; i < 11; i++) { /* one more than `failed` takes */
        ck_assert_int_eq(send_text(s, c, "one"), 0);
        nack(r, c, recv_lease(r, c, "one", 1).lease.id, WIRE_DEAD_LETTER, "");
    }
    sync_line(r);
    run_kill();
    run_start();
    ck_assert_uint_eq(open_with_letters(&failed, &letters), 0);
    ck_assert_uint_eq(letters, 11);
}
END_TEST

/* ---- one step --------------------------------------------------------------------------------------------------- */

static struct speaker *worker; /* works: receives from c, sends on out */
static uint64_t out;

/* The channels `jobs` and `out`; how many values they have again. */
static void open_step(uint64_t capacity, uint64_t *jobs, uint64_t *outputs)
{
    struct wire_set leased = settings;
    settings = (struct wire_set){0};
    out = durable("out", dir, capacity, outputs);
    settings = leased;
    *jobs = open_jobs(10);
    worker = colleague(c, RECV, out, SEND);
    ck_assert_int_eq(stream(worker, out, SEND, BIG, 0), 0);
}

static void step_again(uint64_t capacity, uint64_t jobs, uint64_t outputs)
{
    uint64_t values[2];
    run_kill();
    run_start();
    open_step(capacity, &values[0], &values[1]);
    ck_assert_uint_eq(values[0], jobs);
    ck_assert_uint_eq(values[1], outputs);
}

static void step_begins(uint64_t capacity)
{
    uint64_t values[2];
    open_step(capacity, &values[0], &values[1]);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(send_text(s, c, "two"), 0);
}

START_TEST(what_was_staged_alone_is_not_there)
{
    step_begins(10);
    recv_lease(worker, c, "one", 1);
    put(worker, out, 0, WIRE_STAGED, 'a', 3, 1);
    sync_line(worker);
    step_again(10, 2, 0);
}
END_TEST

START_TEST(what_was_staged_and_the_acknowledgement_are_one_step)
{
    step_begins(10);
    uint64_t id = recv_lease(worker, c, "one", 1).lease.id;
    put(worker, out, 0, WIRE_STAGED, 'a', 3, 1);
    ack_staged(worker, c, &id, 1);
    step_again(10, 1, 3);
    recv_lease(worker, c, "two", 1);
}
END_TEST

START_TEST(what_was_staged_is_stored_with_the_acknowledgement_also_where_it_waits_for_room)
{
    step_begins(1);
    uint64_t id = recv_lease(worker, c, "one", 1).lease.id;
    put(worker, out, 0, WIRE_STAGED, 'a', 3, 1);
    ack_staged(worker, c, &id, 1);
    step_again(1, 1, 3);
    struct speaker *t = colleague(out, RECV, 0, 0);
    recv_text(t, out, "a");
    recv_text(t, out, "b");
    recv_text(t, out, "c");
}
END_TEST

START_TEST(what_is_parked_is_not_stored_and_what_it_is_of_comes_again)
{
    settings.ordered = 1;
    step_begins(10);
    recv_lease(r, c, "one", 1);
    uint64_t id = recv_lease(worker, c, "two", 1).lease.id;
    put(worker, out, 0, WIRE_STAGED, 'a', 1, 1);
    ack_staged(worker, c, &id, 1); /* the first is not done */
    step_again(10, 2, 0);
    recv_lease(worker, c, "one", 2);
    recv_lease(worker, c, "two", 2);
}
END_TEST

START_TEST(what_was_parked_is_stored_when_all_before_it_is_done)
{
    settings.ordered = 1;
    step_begins(10);
    uint64_t first = recv_lease(r, c, "one", 1).lease.id, id = recv_lease(worker, c, "two", 1).lease.id;
    put(worker, out, 0, WIRE_STAGED, 'a', 1, 1);
    ack_staged(worker, c, &id, 1);
    ack(r, c, first);
    step_again(10, 0, 1);
}
END_TEST

START_TEST(what_was_parked_when_its_receivers_had_failed_is_there_in_the_next_run)
{
    settings.ordered = 1;
    step_begins(10);
    struct speaker *t = colleague(out, RECV, 0, 0);
    uint64_t first = recv_lease(r, c, "one", 1).lease.id, id = recv_lease(worker, c, "two", 1).lease.id;
    put(worker, out, 0, WIRE_STAGED, 'a', 1, 1);
    ack_staged(worker, c, &id, 1);
    crash(t);
    ack(r, c, first);
    ck_assert_str_eq(stat_field("channel", out, 11), "broken");
    step_again(10, 0, 1);
}
END_TEST

/* ---- who sent --------------------------------------------------------------------------------------------------- */

static int mark(struct speaker *by, enum wire_marked what, const char *name)
{
    unsigned char payload[sizeof(struct wire_mark) + WIRE_MAX_NAME];
    struct wire_mark w = {what, 0};
    memcpy(payload, &w, sizeof w);
    memcpy(payload + sizeof w, name, strnlen(name, WIRE_MAX_NAME));
    return ask_err(by, WIRE_MARK, (struct wire_head){0}, payload, sizeof w + strlen(name));
}

/* What the ANSWER to SET says of processes. */
static void known_again(const char *expected)
{
    struct heard h;
    run_kill();
    run_start();
    c = declare("jobs", 10, WIRE_CLOSE_SENDERS);
    ck_assert_int_eq(set_dir(c, dir, &h), 0);
    size_t size = h.size - sizeof(struct wire_resumed);
    ck_assert_msg(size == strlen(expected) && memcmp(h.data + sizeof(struct wire_resumed), expected, size) == 0, "%.*s",
                  (int)size, (const char *)h.data + sizeof(struct wire_resumed));
}

START_TEST(how_many_values_of_each_process_were_stored_is_said_acknowledged_or_not)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, 0, 'a', 3, 1);
    ck_assert_uint_eq(hear(s, WIRE_ROOM).head.seq, 3);
    recv_text(r, c, "one");
    known_again("name\t0\t4\n");
}
END_TEST

START_TEST(a_guest_is_not_counted)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(guest(), c, "one"), 0);
    known_again("");
}
END_TEST

START_TEST(who_is_finished_is_said)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_int_eq(mark(run.root, WIRE_FINISHED, "name"), 0);
    sync_line(run.root);
    known_again("name\t0\t-\nname\t0\t1\n");
}
END_TEST

/* Who sent three values, said to be finished while two of them wait for room. */
static void finish_early(void)
{
    open_jobs(1);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put(s, c, 0, 0, 'a', 3, 1);
    sync_line(s);
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_int_eq(mark(run.root, WIRE_FINISHED, "name"), 0);
}

START_TEST(who_has_values_that_wait_for_room_is_not_finished)
{
    finish_early();
    sync_line(run.root);
    known_again("name\t0\t1\n");
}
END_TEST

START_TEST(who_is_finished_is_so_once_its_values_have_found_room)
{
    finish_early();
    recv_text(r, c, "a");
    recv_text(r, c, "b");
    known_again("name\t0\t-\nname\t0\t3\n");
}
END_TEST

START_TEST(a_run_that_ended_well_is_forgotten_but_not_its_values)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(mark(run.root, WIRE_FINISHED, "name"), 0);
    ck_assert_int_eq(mark(run.root, WIRE_RUN_DONE, ""), 0);
    known_again("");
    recv_text(colleague(c, RECV, 0, 0), c, "one");
}
END_TEST

START_TEST(a_run_that_ended_well_leaves_nothing_of_what_nobody_wanted)
{
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
    ck_assert_int_eq(bye(r, 0, 0), 0);
    ck_assert_int_eq(mark(run.root, WIRE_RUN_DONE, ""), 0);
    resume(10, 0);
}
END_TEST

START_TEST(only_the_root_marks)
{
    open_jobs(10);
    ck_assert_int_eq(mark(s, WIRE_RUN_DONE, ""), EPERM);
    ck_assert_int_eq(mark(run.root, WIRE_RUN_DONE + 1, ""), EINVAL);
}
END_TEST

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static void refused(uint64_t channel, const char *path, int err, const char *sentence)
{
    struct heard h;
    ck_assert_int_eq(set_dir(channel, path, &h), err);
    char text[1024] = "";
    memcpy(text, h.data, h.size < sizeof text ? h.size : sizeof text - 1);
    ck_assert_msg(strstr(text, sentence) != NULL, "%s", text);
}

START_TEST(a_directory_of_another_run_is_refused)
{
    open_jobs(10);
    struct test_run first = run;
    run_start();
    refused(declare("jobs", 10, WIRE_CLOSE_SENDERS), dir, EBUSY, "another run has it");
    run_stop();
    run = first;
    run.root = NULL; /* which was freed */
    ck_assert_int_eq(kill(run.broker, SIGKILL), 0);
    ck_assert_int_eq(wait_child(run.broker), SIGKILL);
    ck_assert_int_eq(csp__rundir_remove(run.dir), 0);
    run_start();
}
END_TEST

START_TEST(a_directory_that_cannot_be_had_is_refused_and_the_run_goes_on)
{
    refused(declare("a", 10, WIRE_CLOSE_SENDERS), "/proc/none/such", ENOENT, "can not be made");
    refused(declare("b", 10, WIRE_CLOSE_SENDERS), "relative", EINVAL, "");
    refused(make(run.root, 10, BIG), dir, EINVAL, "");
    open_jobs(10);
    ck_assert_int_eq(send_text(s, c, "one"), 0);
}
END_TEST

/* ---- a full disk ------------------------------------------------------------------------------------------------ */

static const char *const with_notices[] = {"--notices", NULL};

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    ck_assert_int_eq(prlimit(run.broker, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* Fills the store until a value does not go at once; how many went. */
static unsigned fill(const char *value)
{
    unsigned n = 0;
    for (;; n++) {
        OFFER(s, WIRE_NOW, ON_SEND(c, value));
        struct committed done = committed(s);
        if (done.which == WIRE_NO_CASE)
            return n;
        ck_assert_int_eq(done.err, 0);
        ck_assert_uint_lt(n, 5000);
    }
}

START_TEST(a_full_disk_makes_senders_wait_and_loses_nothing)
{
    char value[16385] = "", line[256];
    memset(value, 'v', sizeof value - 1);
    open_jobs(100000);
    limit_files(8 << 20);
    unsigned n = fill(value);
    ck_assert_uint_gt(n, 10);
    hear_notice(line, sizeof line);
    ck_assert_msg(strstr(line, "the disk is full: senders wait until there is room") != NULL, "%s", line);
    OFFER(s, 0, ON_SEND(c, value));
    until_waiting(s->process);
    for (unsigned i = 0; i < n; i++) /* what is received is removed on the full disk */
        recv_text(r, c, value);
    ck_assert_int_eq(committed(s).err, 0); /* which has made room */
    ck_assert_int_eq(poll(&(struct pollfd){.fd = run.notices, .events = POLLIN}, 1, 0), 0);
    resume(100000, 1);
}
END_TEST

START_TEST(a_full_disk_is_no_deadlock)
{
    char value[16385] = "", line[256];
    memset(value, 'v', sizeof value - 1);
    open_jobs(100000);
    limit_files(8 << 20);
    unsigned n = fill(value);
    hear_notice(line, sizeof line);
    ck_assert_ptr_nonnull(strstr(line, "the disk is full"));
    OFFER(r, 0, ON_WAIT(0), ON_RECV(c));
    (void)committed(r);
    OFFER(s, 0, ON_SEND(c, value));
    until_waiting(s->process);
    uint64_t other = make(run.root, 0, BIG); /* both wait for nobody else, */
    ck_assert_int_eq(drop(run.root, other, SEND | RECV), 0);
    for (int i = 0; i < 3; i++)
        usleep(500000); /* and a deadlock would be said after half a second */
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(committed(s).err, 0);
    ck_assert_int_eq(poll(&(struct pollfd){.fd = run.notices, .events = POLLIN}, 1, 0), 0);
    resume(100000, n); /* one was received */
}
END_TEST

/* ---- kills at any moment ---------------------------------------------------------------------------------------- */

static void send_numbers(struct speaker *by, void *arg)
{
    unsigned long *said = arg;
    char text[32];
    for (;;) {
        snprintf(text, sizeof text, "%lu", *said + 1);
        if (send_text(by, c, text) != 0)
            _exit(1);
        ++*said;
    }
}

START_TEST(no_kill_of_everything_loses_what_was_said)
{
    unsigned long *said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
    ck_assert_ptr_ne(said, MAP_FAILED);
    uint64_t there = 0;
    for (int round = 0; round < 5; round++) {
        c = durable("jobs", dir, BIG, &there);
        ck_assert(there == *said || there == *said + 1); /* one may have been stored and not said */
        *said = there;
        uint64_t ticket = announce(run.root, NULL, c, SEND, 0, 0);
        pid_t child = fork_attached(ticket, send_numbers, said);
        for (int ms = 0; round % 2 == 0 && __atomic_load_n(said, __ATOMIC_SEQ_CST) == there; ms++) {
            ck_assert_int_lt(ms, WAIT_MS);
            usleep(1000);
        }
        usleep((useconds_t)(10000 + random() % 50000));
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        wait_child(child);
        run_kill();
        run_start();
    }
    ck_assert_uint_gt(*said, 0);
    c = durable("jobs", dir, BIG, &there);
    ck_assert_uint_ge(there, *said);
    r = colleague(c, RECV, 0, 0);
    for (uint64_t i = 1; i <= there; i++) {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)i);
        recv_text(r, c, text);
    }
    munmap(said, sizeof *said);
}
END_TEST

static void setup_noticed(void)
{
    run.options = with_notices;
    setup();
}

Suite *durable_suite(void)
{
    Suite *suite = suite_create("durable");
    TCase *t = tcase_create("durable");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, what_was_said_to_be_sent_is_there_again_in_order);
    tcase_add_test(t, what_was_received_does_not_come_again);
    tcase_add_test(t, values_of_a_stream_are_stored_before_room_is_said);
    tcase_add_test(t, what_a_stream_took_is_gone_and_what_it_did_not_take_comes_again);
    tcase_add_test(t, what_waits_for_room_is_not_stored_and_was_not_said);
    tcase_add_test(t, a_blocks_marks_survive);
    tcase_add_test(t, more_than_the_capacity_comes_again_whole);
    tcase_add_test(t, two_channels_of_a_directory_are_apart);
    tcase_add_test(t, values_of_a_broken_channel_are_kept);
    tcase_add_test(t, what_a_closed_channel_had_comes_again);
    tcase_add_test(t, how_many_values_of_each_process_were_stored_is_said_acknowledged_or_not);
    tcase_add_test(t, a_guest_is_not_counted);
    tcase_add_test(t, who_is_finished_is_said);
    tcase_add_test(t, who_has_values_that_wait_for_room_is_not_finished);
    tcase_add_test(t, who_is_finished_is_so_once_its_values_have_found_room);
    tcase_add_test(t, a_run_that_ended_well_is_forgotten_but_not_its_values);
    tcase_add_test(t, a_run_that_ended_well_leaves_nothing_of_what_nobody_wanted);
    tcase_add_test(t, only_the_root_marks);
    tcase_add_test(t, a_directory_of_another_run_is_refused);
    tcase_add_test(t, a_directory_that_cannot_be_had_is_refused_and_the_run_goes_on);
    tcase_add_test(t, no_kill_of_everything_loses_what_was_said);
    suite_add_tcase(suite, t);
    t = tcase_create("leases");
    tcase_add_checked_fixture(t, setup_leased, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_value_that_was_leased_comes_again_with_its_id_and_one_try_more);
    tcase_add_test(t, a_value_that_was_acknowledged_is_gone);
    tcase_add_test(t, what_was_delivered_ahead_and_not_taken_counts_as_one_try_however_often);
    tcase_add_test(t, what_a_stream_took_is_leased_until_it_is_acknowledged);
    tcase_add_test(t, what_was_not_begun_comes_again_as_if_it_had_not_been_delivered);
    tcase_add_test(t, what_was_not_begun_and_is_delivered_again_may_have_been_begun);
    tcase_add_test(t, what_was_not_begun_and_then_not_taken_comes_again_as_if_it_had_not_been_delivered);
    tcase_add_test(t, a_value_that_was_given_back_keeps_its_tries);
    tcase_add_test(t, a_dead_letter_moves_in_one_step_with_its_id_tries_and_reason);
    tcase_add_test(t, a_dead_letter_that_waits_for_room_is_stored);
    tcase_add_test(t, what_was_staged_alone_is_not_there);
    tcase_add_test(t, what_was_staged_and_the_acknowledgement_are_one_step);
    tcase_add_test(t, what_was_staged_is_stored_with_the_acknowledgement_also_where_it_waits_for_room);
    tcase_add_test(t, what_is_parked_is_not_stored_and_what_it_is_of_comes_again);
    tcase_add_test(t, what_was_parked_is_stored_when_all_before_it_is_done);
    tcase_add_test(t, what_was_parked_when_its_receivers_had_failed_is_there_in_the_next_run);
    suite_add_tcase(suite, t);
    t = tcase_create("a full disk");
    tcase_add_checked_fixture(t, setup_noticed, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_full_disk_makes_senders_wait_and_loses_nothing);
    tcase_add_test(t, a_full_disk_is_no_deadlock);
    suite_add_tcase(suite, t);
    return suite;
}
