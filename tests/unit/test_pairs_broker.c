/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's side of pairs: section 15 of docs/protocol.md, a rule a test. Decision: both parties are played here,
 * with the page mapped and no socket between them: what goes over that the broker never sees, and so the counts in the
 * page are all that there is to say of it. */
#include "../leftover.h"
#include "../stuck.h"

#include "csp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *pairs_broker_suite(void);

enum { BIG = 1000000 };

static struct speaker *s, *r; /* who sends, who receives */
static uint64_t c, g;         /* the channel, the generation */
static struct wire_page *page;

/* ---- channels --------------------------------------------------------------------------------------------------- */

static struct heard ask_make(uint64_t capacity, uint32_t kind, unsigned flags, const char *name)
{
    unsigned char frame[sizeof(struct wire_make) + 16];
    struct wire_make w = {.capacity = capacity, .max_bytes = BIG, .kind = kind};
    size_t length = strnlen(name, sizeof frame - sizeof w);
    memcpy(frame, &w, sizeof w);
    memcpy(frame + sizeof w, name, length);
    return ask(run.root, WIRE_MAKE, (struct wire_head){.flags = (uint16_t)flags}, frame, sizeof w + length);
}

static uint64_t make_direct(uint64_t capacity, uint32_t kind, const char *name)
{
    struct heard h = ask_make(capacity, kind, WIRE_DIRECT, name);
    struct wire_channel w;
    ck_assert_int_eq(h.head.count, 0);
    memcpy(&w, h.data, sizeof w);
    return w.channel;
}

/* A channel that only s and r hold ends of, and streams of both. */
static void streams(uint64_t capacity, uint32_t kind, uint64_t window)
{
    c = make_direct(capacity, kind, "");
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(drop(run.root, c, SEND | RECV), 0);
    ck_assert_int_eq(stream(s, c, SEND, window, 0), 0);
    ck_assert_int_eq(stream(r, c, RECV, window, 0), 0);
}

static bool there_is(char kind)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/%c%llu.%llu", run.dir, kind, (unsigned long long)c, (unsigned long long)g);
    return stat(path, &st) == 0;
}

static void map_page(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/y%llu.%llu", run.dir, (unsigned long long)c, (unsigned long long)g);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    close(fd);
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

static struct wire_head of_pair(uint32_t count)
{
    return (struct wire_head){.channel = c, .seq = g, .count = count};
}

static struct wire_pair hear_pair(struct speaker *by, enum wire_type type)
{
    struct wire_pair w;
    struct heard h = hear(by, type);
    ck_assert_uint_eq(h.head.channel, c);
    if (type == WIRE_BIND)
        g = h.head.seq;
    ck_assert_uint_eq(h.head.seq, g);
    memcpy(&w, h.data, sizeof w);
    return w;
}

static struct wire_pair bind_heard(void)
{
    struct wire_pair w = hear_pair(r, WIRE_BIND);
    map_page();
    return w;
}

static void say_bound(uint32_t err)
{
    say(r, WIRE_BOUND, of_pair(err), NULL, 0);
}

static void say_joined(uint64_t put_before, uint32_t err)
{
    struct wire_joined w = {put_before};
    say(s, WIRE_JOINED, of_pair(err), &w, sizeof w);
}

static void say_recalled(void)
{
    say(s, WIRE_RECALLED, of_pair(0), NULL, 0);
    sync_line(s);
}

static void say_drained(uint64_t came)
{
    struct wire_recall w = {came};
    say(r, WIRE_DRAINED, of_pair(0), &w, sizeof w);
    sync_line(r);
}

static void recall_heard(struct speaker *by, uint64_t taken)
{
    struct wire_recall w;
    struct heard h = hear(by, WIRE_RECALL);
    ck_assert_uint_eq(h.head.channel, c);
    ck_assert_uint_eq(h.head.seq, g);
    memcpy(&w, h.data, sizeof w);
    ck_assert_uint_eq(w.taken, taken);
}

static void both_recalled(uint64_t taken)
{
    recall_heard(s, taken);
    recall_heard(r, taken);
    ck_assert_uint_eq(page->taken, taken | WIRE_REVOKED);
}

/* ANSWER to UNPAIR: 0 and what was taken, or an errno. */
static int unpair(uint64_t *taken)
{
    struct wire_recall w = {0};
    struct heard h = ask(s, WIRE_UNPAIR, (struct wire_head){.channel = c}, NULL, 0);
    if (h.head.count == 0)
        memcpy(&w, h.data, sizeof w);
    *taken = w.taken;
    return (int)h.head.count;
}

static void delivered(struct speaker *to, uint64_t seq, uint32_t count, char first)
{
    struct heard h = hear(to, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.channel, c);
    ck_assert_uint_eq(h.head.flags, 0);
    ck_assert_uint_eq(h.head.seq, seq);
    ck_assert_uint_eq(h.head.count, count);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_int_eq(h.data[i], first + (int)(i % 26));
}

static void told(struct speaker *to, unsigned flag)
{
    struct heard h = hear(to, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.flags, flag);
    ck_assert_uint_eq(h.head.count, 0);
}

static void room(uint64_t seq, uint32_t err)
{
    struct heard h = hear(s, WIRE_ROOM);
    ck_assert_uint_eq(h.head.seq, seq);
    ck_assert_uint_eq(h.head.count, err);
}

/* Puts of one byte each, consecutive letters. */
static void put_now(uint64_t seq, unsigned flags, char first, uint32_t count)
{
    put(s, c, seq, flags, first, count, 1);
    sync_line(s);
}

/* ---- the states ---------------------------------------------------------------------------------------------------
 */

static void binding(uint64_t capacity, uint32_t kind)
{
    streams(capacity, kind, BIG);
    bind_heard();
}

static void joining(uint64_t capacity, uint32_t kind)
{
    binding(capacity, kind);
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
}

static void direct(uint64_t capacity, uint32_t kind)
{
    joining(capacity, kind);
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
}

/* As if so many had gone over the pair. */
static void over_pair(uint64_t sent, uint64_t taken)
{
    page->sent = sent;
    page->taken = taken;
}

/* Another process with an end of the channel, which only s and r have else: the root keeps it. */
static struct speaker *third;
static void direct_with_third(uint32_t ends)
{
    c = make_direct(10, WIRE_CHANNEL, "");
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    third = colleague(c, ends, 0, 0);
    drop(run.root, c, SEND | RECV);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
}

static bool has_ended(const struct speaker *who)
{
    const char *state = stat_field("process", who->process, 6);
    return state == NULL || strcmp(state, "ended") == 0;
}

static unsigned pair_files(void)
{
    unsigned n = 0;
    DIR *dir = opendir(run.dir);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] == 'x' || e->d_name[0] == 'y';
    closedir(dir);
    return n;
}

/* ---- introduction -------------------------------------------------------------------------------------------------
 */

START_TEST(both_are_introduced)
{
    streams(10, WIRE_PAIR, BIG);
    struct wire_pair bound = bind_heard();
    ck_assert(there_is('y'));
    ck_assert(silent(s));
    say_bound(0);
    struct wire_pair connected = hear_pair(s, WIRE_CONNECT);
    ck_assert_mem_eq(bound.token, connected.token, sizeof bound.token);
    ck_assert_uint_eq(connected.read + connected.values + connected.bytes + connected.taken, 0);
    ck_assert(silent(r));
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
    ck_assert(!there_is('y'));
}
END_TEST

START_TEST(a_channel_that_may_be_direct_is_introduced_too)
{
    direct(10, WIRE_CHANNEL);
}
END_TEST

START_TEST(any_other_channel_is_not)
{
    c = make(run.root, 10, BIG);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    drop(run.root, c, SEND | RECV);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    ck_assert(silent(r));
}
END_TEST

START_TEST(no_pair_without_capacity_or_with_a_name)
{
    ck_assert_int_eq(ask_make(0, WIRE_PAIR, 0, "").head.count, EINVAL);
    ck_assert_int_eq(ask_make(1, WIRE_PAIR, 0, "name").head.count, EINVAL);
    ck_assert_int_eq(ask_make(1, WIRE_PAIR + 1, 0, "").head.count, EINVAL);
}
END_TEST

START_TEST(one_line_is_not_joined_to_itself)
{
    c = make_direct(10, WIRE_PAIR, "");
    ck_assert_int_eq(stream(run.root, c, SEND | RECV, BIG, 0), 0);
    ck_assert(silent(run.root));
}
END_TEST

START_TEST(connect_says_what_is_not_taken)
{
    c = make_direct(10, WIRE_PAIR, "");
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    drop(run.root, c, SEND | RECV);
    stream(s, c, SEND, BIG, 0);
    put_now(0, 0, 'a', 5);
    room(5, 0);
    stream(r, c, RECV, BIG, 0);
    delivered(r, 0, 5, 'a');
    bind_heard();
    put_now(5, 0, 'f', 2);
    delivered(r, 5, 2, 'f');
    took(r, c, 0, 3, 0);
    say_bound(0);
    room(7, 0);
    struct wire_pair w = hear_pair(s, WIRE_CONNECT);
    ck_assert_uint_eq(w.read, 7);
    ck_assert_uint_eq(w.taken, 3);
    ck_assert_uint_eq(w.values, 4);
    ck_assert_uint_eq(w.bytes, 4);
}
END_TEST

START_TEST(direct_is_said_behind_all_that_was_put_before)
{
    streams(2, WIRE_PAIR, BIG);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    put(s, c, 0, 0, 'a', 3, 1);
    say_joined(3, 0);
    delivered(r, 0, 2, 'a');
    ck_assert(silent(r));
    took(r, c, 0, 2, 0);
    delivered(r, 2, 1, 'c');
    told(r, WIRE_DIRECT);
    room(3, 0);
}
END_TEST

START_TEST(what_cannot_bind_stays_hosted)
{
    binding(10, WIRE_PAIR);
    say_bound(EMFILE);
    recall_heard(r, 0);
    put_now(0, 0, 'a', 2);
    delivered(r, 0, 2, 'a');
    ck_assert(!there_is('y'));
    usleep(120000); /* longer than the pause: a touch would introduce them */
    put_now(2, 0, 'c', 1);
    delivered(r, 2, 1, 'c');
    ck_assert(silent(r));
}
END_TEST

START_TEST(what_cannot_join_stays_hosted)
{
    joining(10, WIRE_PAIR);
    put(s, c, 0, 0, 'a', 1, 1);
    say_joined(1, ENOMEM);
    delivered(r, 0, 1, 'a');
    recall_heard(r, 0);
    put_now(1, 0, 'b', 1);
    delivered(r, 1, 1, 'b');
    ck_assert(!there_is('y'));
}
END_TEST

/* Whether r has heard BIND and nothing else, with all that the broker led it to until now. */
static bool is_bound(void)
{
    struct heard h;
    sync_line(r);
    if (!hear_now(r, &h))
        return false;
    ck_assert_int_eq(h.head.type, WIRE_BIND);
    ck_assert_uint_gt(h.head.seq, g);
    g = h.head.seq;
    return true;
}

/* Values that are put until r hears BIND, which may come before the first, when the pause is over; how many. */
static uint64_t until_bound(uint64_t seq)
{
    for (uint64_t i = seq; i < seq + 1000; i++) {
        bool bound = is_bound();
        put_now(i, 0, 'x', 1);
        took(r, c, 0, hear(r, WIRE_DELIVER).head.seq + 1, WIRE_WAIT);
        if (bound || is_bound())
            return i + 1 - seq;
        usleep(2000);
    }
    ck_abort_msg("not introduced again");
}

START_TEST(another_receiver_is_introduced_where_one_could_not)
{
    binding(10, WIRE_PAIR);
    say_bound(EMFILE);
    recall_heard(r, 0);
    struct speaker *old = r;
    r = colleague(0, 0, 0, 0);
    uint64_t ticket = announce(old, NULL, c, RECV, 0, 0);
    r = attach(ticket);
    ck_assert_int_eq(leave(old), 0);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    took(r, c, 0, 0, WIRE_WAIT);
    until_bound(0);
}
END_TEST

START_TEST(they_are_joined_again_after_a_recall)
{
    uint64_t taken;
    direct(10, WIRE_PAIR);
    over_pair(3, 3);
    int64_t before = csp_now();
    ck_assert_int_eq(unpair(&taken), 0);
    ck_assert_uint_eq(taken, 3);
    recall_heard(r, 3);
    say_recalled();
    uint64_t n = until_bound(0);
    ck_assert_int_ge(csp_now() - before, 100000000);
    map_page();
    say_bound(0);
    struct heard h;
    do
        h = hear(s, WIRE_ROOM);
    while (h.head.seq < n);
    struct wire_pair w = hear_pair(s, WIRE_CONNECT);
    ck_assert_uint_eq(w.read, n);
    ck_assert_uint_eq(w.values, 0);
    say_joined(n, 0);
    told(r, WIRE_DIRECT);
}
END_TEST

/* ---- kind PAIR ------------------------------------------------------------------------------------------------------
 */

START_TEST(a_second_sender_or_receiver_is_busy)
{
    c = make_direct(10, WIRE_PAIR, "");
    s = colleague(c, SEND | RECV, 0, 0);
    r = colleague(c, SEND | RECV, 0, 0);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    ck_assert_int_eq(stream(r, c, SEND, BIG, 0), EBUSY);
    ck_assert_int_eq(stream(r, c, SEND | RECV, BIG, 0), EBUSY);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    bind_heard();
    ck_assert_int_eq(stream(s, c, RECV, BIG, 0), EBUSY);
    ck_assert_int_eq(leave(r), 0);
    ck_assert_int_eq(stream(s, c, RECV, BIG, 0), 0);
}
END_TEST

START_TEST(an_offer_without_a_stream_is_told_to_make_one)
{
    c = make_direct(10, WIRE_PAIR, "");
    ck_assert_int_eq(send_text(run.root, c, "x"), EPROTOTYPE);
    OFFER(run.root, 0, ON_RECV(c));
    ck_assert_int_eq(committed(run.root).err, EPROTOTYPE);
    OFFER(run.root, WIRE_NOW, ON_RECV(c));
    ck_assert_int_eq(committed(run.root).err, EPROTOTYPE);
    s = colleague(c, SEND, 0, 0);
    stream(s, c, SEND, BIG, 0);
    ck_assert_int_eq(send_text(s, c, "x"), 0);
    OFFER(s, 0, ON_RECV(c));
    ck_assert_int_eq(committed(s).err, EBADF);
}
END_TEST

START_TEST(a_hosted_capacity_counts_what_is_out)
{
    binding(2, WIRE_PAIR);
    say_bound(EMFILE);
    recall_heard(r, 0);
    put_now(0, 0, 'a', 5);
    delivered(r, 0, 2, 'a');
    ck_assert(silent(r));
    ck_assert_str_eq(stat_field("channel", c, 9), "2");
    took(r, c, 0, 1, 0);
    delivered(r, 2, 1, 'c');
    page = NULL;
    r->page[0] = 2; /* not said */
    OFFER(r, 0, ON(WIRE_OP_TAKE, c));
    delivered(r, 3, 1, 'd');
    ck_assert(silent(r));
    withdraw(r);
    committed(r);
}
END_TEST

START_TEST(a_hosted_capacity_counts_bytes_too)
{
    binding(10, WIRE_PAIR);
    say_bound(EMFILE);
    recall_heard(r, 0);
    put(s, c, 0, 0, 'a', 2, BIG / 2);
    put(s, c, 2, 0, 'c', 1, 1);
    struct heard h = hear(r, WIRE_DELIVER);
    ck_assert_uint_eq(h.head.count, 2);
    ck_assert(silent(r));
    took(r, c, 0, 1, 0);
    delivered(r, 2, 1, 'c');
}
END_TEST

/* ---- recall ---------------------------------------------------------------------------------------------------------
 */

START_TEST(what_is_not_taken_comes_back_before_all_else)
{
    direct_with_third(SEND);
    over_pair(5, 2);
    OFFER(third, 0, ON_SEND(c, "z"));
    both_recalled(2);
    put_now(0, WIRE_BACK, 'c', 2);
    delivered(r, 0, 2, 'c');
    put_now(2, WIRE_BACK, 'e', 1);
    delivered(r, 2, 1, 'e');
    ck_assert(silent(third));
    say_recalled();
    ck_assert_int_eq(committed(third).err, 0);
    delivered(r, 3, 1, 'z');
    room(2, 0);
    room(3, 0);
}
END_TEST

START_TEST(what_comes_back_stands_before_those_that_wait)
{
    direct_with_third(SEND);
    over_pair(14, 0);
    stream(third, c, SEND, BIG, 0);
    both_recalled(0);
    ck_assert_int_eq(leave(r), 0); /* so that the buffer fills */
    put(third, c, 0, 0, 'z', 1, 1);
    sync_line(third);
    put_now(0, WIRE_BACK, 'a', 7);
    put_now(7, WIRE_BACK, 'h', 7);
    say_recalled();
    ck_assert(silent(third));
    ck_assert_str_eq(stat_field("channel", c, 4), "10");
    ck_assert_str_eq(stat_field("channel", c, 9), "10");
}
END_TEST

START_TEST(no_window_bounds_what_comes_back)
{
    streams(100, WIRE_PAIR, 4);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
    uint64_t taken;
    over_pair(20, 0);
    unpair(&taken);
    recall_heard(r, 0);
    put_now(0, WIRE_BACK, 'a', 20);
    say_recalled();
    delivered(r, 0, 4, 'a');
    ck_assert(!has_ended(s));
}
END_TEST

START_TEST(who_else_receives_gets_what_comes_back)
{
    direct_with_third(RECV);
    over_pair(2, 1);
    OFFER(third, 0, ON_RECV(c));
    both_recalled(1);
    ck_assert_int_eq(leave(r), 0);
    put_now(0, WIRE_BACK, 'b', 1);
    struct committed w = committed(third);
    ck_assert(is_text(&w, "b"));
    say_recalled();
}
END_TEST

START_TEST(a_stream_of_another_recalls)
{
    direct_with_third(RECV);
    over_pair(1, 1);
    ck_assert_int_eq(stream(third, c, RECV, BIG, 0), 0);
    both_recalled(1);
    say_recalled();
    ck_assert(silent(r));
}
END_TEST

START_TEST(an_offer_with_now_is_answered_as_things_stand)
{
    direct_with_third(RECV);
    over_pair(1, 0);
    OFFER(third, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(third).which, WIRE_NO_CASE);
    both_recalled(0);
    took(r, c, 0, 0, WIRE_WAIT);
    put_now(0, WIRE_BACK, 'a', 1);
    say_recalled();
    delivered(r, 0, 1, 'a');
}
END_TEST

START_TEST(a_guest_recalls)
{
    c = make_direct(10, WIRE_CHANNEL, "name");
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    stream(r, c, RECV, BIG, 0);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
    third = guest();
    OFFER(third, 0, ON_SEND(c, "x"));
    both_recalled(0);
    say_recalled();
    ck_assert_int_eq(committed(third).err, 0);
    delivered(r, 0, 1, 'x');
}
END_TEST

START_TEST(another_at_the_introduction_ends_it)
{
    binding(10, WIRE_CHANNEL);
    third = attach(announce(s, NULL, c, SEND, 0, 0));
    ck_assert_int_eq(send_text(third, c, "x"), 0);
    recall_heard(r, 0);
    delivered(r, 0, 1, 'x');
    say_bound(0); /* it has crossed that */
    sync_line(r);
    ck_assert(silent(s));
    ck_assert(!has_ended(r));
    ck_assert(!there_is('y'));
}
END_TEST

START_TEST(another_between_connect_and_joined_waits)
{
    joining(10, WIRE_CHANNEL);
    third = attach(announce(s, NULL, c, SEND, 0, 0));
    OFFER(third, 0, ON_SEND(c, "x"));
    both_recalled(0);
    put(s, c, 0, 0, 'a', 1, 1);
    say_joined(1, 0);
    page->sent = 1;
    put(s, c, 1, WIRE_BACK, 'b', 1, 1);
    delivered(r, 0, 1, 'a');
    delivered(r, 1, 1, 'b');
    ck_assert(silent(third));
    say_recalled();
    ck_assert_int_eq(committed(third).err, 0);
    delivered(r, 2, 1, 'x');
}
END_TEST

START_TEST(joined_with_an_errno_ends_a_recall)
{
    joining(10, WIRE_CHANNEL);
    third = attach(announce(s, NULL, c, SEND, 0, 0));
    OFFER(third, 0, ON_SEND(c, "x"));
    both_recalled(0);
    say_joined(0, ENOMEM);
    ck_assert_int_eq(committed(third).err, 0);
}
END_TEST

START_TEST(an_offer_of_the_sender_before_it_joins_is_no_others)
{
    streams(1, WIRE_CHANNEL, BIG);
    ck_assert_int_eq(drop(s, c, 0), EINVAL);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    ck_assert_int_eq(send_text(s, c, "x"), 0);
    delivered(r, 0, 1, 'x');
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
}
END_TEST

START_TEST(unpair_in_each_state)
{
    uint64_t taken;
    c = make_direct(10, WIRE_PAIR, "");
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
    stream(s, c, SEND, BIG, 0);
    ck_assert_int_eq(unpair(&taken), ENOENT);
    stream(r, c, RECV, BIG, 0);
    bind_heard();
    ck_assert_int_eq(unpair(&taken), ENOENT);
    recall_heard(r, 0);
}
END_TEST

START_TEST(unpair_crosses_connect)
{
    uint64_t taken;
    joining(10, WIRE_PAIR);
    ck_assert_int_eq(unpair(&taken), 0);
    ck_assert_uint_eq(taken, 0);
    recall_heard(r, 0);
    say_joined(0, 0);
    say_recalled();
    put_now(0, 0, 'a', 1);
    delivered(r, 0, 1, 'a');
}
END_TEST

START_TEST(unpair_crosses_recall)
{
    uint64_t taken;
    direct_with_third(SEND);
    over_pair(3, 2);
    OFFER(third, 0, ON_SEND(c, "z"));
    both_recalled(2);
    ck_assert_int_eq(unpair(&taken), 0);
    ck_assert_uint_eq(taken, 2);
    put_now(0, WIRE_BACK, 'c', 1);
    say_recalled();
    ck_assert_int_eq(committed(third).err, 0);
    ck_assert_int_eq(unpair(&taken), ENOENT);
}
END_TEST

START_TEST(it_closes_when_all_has_come_back)
{
    direct_with_third(SEND);
    over_pair(2, 1);
    ck_assert_int_eq(close_channel(third, c), 0);
    both_recalled(1);
    ck_assert_int_eq(close_channel(third, c), EPIPE);
    put_now(0, WIRE_BACK, 'b', 1);
    delivered(r, 0, 1, 'b');
    took(r, c, 0, 1, 0);
    ck_assert(silent(r));
    ck_assert_str_eq(stat_field("channel", c, 11), "open");
    say_recalled();
    told(r, WIRE_CLOSED);
    room(1, 0);
    room(1, EPIPE);
}
END_TEST

/* Else the close would refuse what its sender was told went: by the count of what was said there is no room for it. */
START_TEST(what_comes_back_has_the_room_that_its_receivers_page_says)
{
    c = make_direct(1, WIRE_PAIR, "");
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, SEND | RECV, 0, 0);
    ck_assert_int_eq(drop(run.root, c, SEND | RECV), 0);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    put_now(0, 0, 'a', 1);
    room(1, 0);
    delivered(r, 0, 1, 'a');
    say_joined(1, 0);
    told(r, WIRE_DIRECT);
    r->page[0] = 1; /* not said */
    over_pair(1, 0);
    ck_assert_int_eq(close_channel(r, c), 0);
    both_recalled(0);
    put_now(1, WIRE_BACK, 'b', 1);
    say_recalled();
    delivered(r, 1, 1, 'b');
    took(r, c, 0, 2, 0);
    told(r, WIRE_CLOSED);
    room(2, 0);
    room(2, EPIPE);
}
END_TEST

START_TEST(it_closes_at_once_before_connect)
{
    binding(10, WIRE_PAIR);
    ck_assert_int_eq(close_channel(s, c), 0);
    recall_heard(r, 0);
    told(r, WIRE_CLOSED);
    room(0, EPIPE);
}
END_TEST

START_TEST(what_a_receiver_that_leaves_had_not_taken_is_the_senders)
{
    direct(10, WIRE_PAIR);
    over_pair(3, 1);
    struct speaker *other = another_line(r);
    ck_assert_int_eq(leave(r), 0);
    recall_heard(s, 1);
    put_now(0, WIRE_BACK, 'b', 2);
    room(2, 0);
    say_recalled();
    r = other;
    stream(r, c, RECV, BIG, 0);
    delivered(r, 0, 2, 'b');
}
END_TEST

START_TEST(nobody_hears_of_a_break_before_recalled)
{
    direct(10, WIRE_PAIR);
    over_pair(3, 1);
    ck_assert_int_eq(drop(r, c, RECV), 0);
    recall_heard(s, 1);
    put_now(0, WIRE_BACK, 'b', 2);
    room(2, 0);
    say_recalled();
    room(2, EPIPE);
    ck_assert_int_eq(pair_files(), 0);
}
END_TEST

static void until_killed(struct speaker *by, void *arg)
{
    (void)arg;
    r = by;
    ck_assert_int_eq(stream(r, c, RECV, BIG, 0), 0);
    bind_heard();
    say_bound(0);
    told(r, WIRE_DIRECT);
    reached();
}

START_TEST(a_receiver_that_is_killed_has_taken_what_the_page_says)
{
    c = make_direct(10, WIRE_PAIR, "");
    s = colleague(c, SEND, 0, 0);
    stream(s, c, SEND, BIG, 0);
    g = 1;
    pid_t pid = fork_attached(announce(run.root, NULL, c, RECV, 0, 0), until_killed, NULL);
    hear_pair(s, WIRE_CONNECT);
    map_page();
    say_joined(0, 0);
    until_reached();
    over_pair(7, 4);
    kill(pid, SIGKILL);
    wait_child(pid);
    recall_heard(s, 4);
    put_now(0, WIRE_BACK, 'e', 3);
    say_recalled();
    r = run.root;
    stream(r, c, RECV, BIG, 0);
    delivered(r, 0, 3, 'e');
}
END_TEST

START_TEST(the_end_goes_by_another_line_when_all_has_come_back)
{
    direct(10, WIRE_PAIR);
    over_pair(3, 1);
    struct speaker *other = another_line(s);
    ck_assert_int_eq(drop(other, c, SEND), 0);
    both_recalled(1);
    put_now(0, WIRE_BACK, 'b', 2);
    delivered(r, 0, 2, 'b');
    took(r, c, 0, 2, 0);
    ck_assert(silent(r));
    room(2, 0);
    say_recalled();
    room(2, EPIPE);
    told(r, WIRE_CLOSED);
}
END_TEST

/* ---- the sender's death --------------------------------------------------------------------------------------------
 */

static void orphan_heard(void)
{
    struct heard h = hear(r, WIRE_ORPHAN);
    ck_assert_uint_eq(h.head.channel, c);
    ck_assert_uint_eq(h.head.seq, g);
}

START_TEST(a_close_waits_until_an_orphan_is_drained)
{
    direct(10, WIRE_PAIR);
    over_pair(3, 1);
    ck_assert_int_eq(bye(s, 1, 3), 0);
    orphan_heard();
    ck_assert(silent(r));
    ck_assert_uint_eq(why(r, c).closed, 0);
    ck_assert_str_eq(stat_field("channel", c, 7), "1"); /* its end is held */
    say_drained(3);
    told(r, WIRE_CLOSED);
    ck_assert_int_eq(why(r, c).code, 3);
    ck_assert_uint_eq(page->taken, 1);
    page->taken = 3;
    ck_assert_int_eq(leave(r), 0);
}
END_TEST

static void join_and_die(struct speaker *by, void *arg)
{
    const uint64_t *before = arg;
    s = by;
    stream(s, c, SEND, BIG, 0);
    hear_pair(s, WIRE_CONNECT);
    if (before != NULL) {
        if (*before != 0)
            put(s, c, 0, 0, 'a', (uint32_t)*before, 1);
        say_joined(*before, 0);
        sync_line(s);
    }
    reached();
}

/* r, and a sender in a process of its own that is killed: after CONNECT, or when it has put so many and joined. */
static void killed_sender(uint64_t capacity, uint64_t *before)
{
    c = make_direct(capacity, WIRE_PAIR, "");
    r = colleague(c, RECV, 0, 0);
    stream(r, c, RECV, BIG, 0);
    g = 1;
    pid_t pid = fork_attached(announce(run.root, NULL, c, SEND, 0, 0), join_and_die, before);
    drop(run.root, c, SEND | RECV);
    bind_heard();
    say_bound(0);
    until_reached();
    page->sent = 4;
    kill(pid, SIGKILL);
    wait_child(pid);
}

START_TEST(who_is_killed_leaves_what_had_come)
{
    uint64_t before = 0;
    killed_sender(10, &before);
    told(r, WIRE_DIRECT);
    orphan_heard();
    ck_assert(silent(r));
    say_drained(4);
    told(r, WIRE_CLOSED);
    ck_assert_str_eq(stat_field("channel", c, 4), "4");
    ck_assert_str_eq(stat_field("channel", c, 10), "0");
    page->taken = 3;
    ck_assert_str_eq(stat_field("channel", c, 10), "3");
}
END_TEST

START_TEST(who_is_killed_before_it_joined_was_never_direct)
{
    killed_sender(10, NULL);
    recall_heard(r, 0);
    told(r, WIRE_CLOSED);
    ck_assert_int_eq(pair_files(), 0);
}
END_TEST

START_TEST(an_orphan_is_drained_behind_what_was_put_before)
{
    uint64_t before = 3;
    killed_sender(2, &before);
    delivered(r, 0, 2, 'a');
    orphan_heard();
    say_drained(4);
    ck_assert(silent(r));
    took(r, c, 0, 2, 0);
    delivered(r, 2, 1, 'c');
    told(r, WIRE_DIRECT);
    told(r, WIRE_CLOSED);
}
END_TEST

START_TEST(nobody_elses_values_pass_an_orphans)
{
    direct_with_third(SEND);
    over_pair(2, 0);
    ck_assert_int_eq(bye(s, 0, 0), 0);
    orphan_heard();
    OFFER(third, 0, ON_SEND(c, "z"));
    ck_assert(silent(third));
    say_drained(2);
    ck_assert_int_eq(committed(third).err, 0);
    delivered(r, 0, 1, 'z');
}
END_TEST

START_TEST(what_an_orphan_left_counts_for_the_capacity)
{
    direct(4, WIRE_PAIR);
    over_pair(3, 0);
    struct speaker *next = attach(announce(s, NULL, c, SEND, 0, 0));
    ck_assert_int_eq(bye(s, 0, 0), 0);
    orphan_heard();
    say_drained(3);
    s = next;
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    put_now(0, 0, 'a', 3);
    delivered(r, 0, 1, 'a');
    ck_assert(silent(r));
    usleep(120000);
    page->taken = 3; /* the last of them: */
    took(r, c, 0, 1, 0);
    delivered(r, 1, 2, 'b');
    until_bound(3);
}
END_TEST

START_TEST(both_may_die)
{
    direct(10, WIRE_PAIR);
    over_pair(3, 1);
    int one = _i;
    ck_assert_int_eq(bye(one == 0 ? s : r, 0, 0), 0);
    ck_assert_int_eq(bye(one == 0 ? r : s, 0, 0), 0);
    sync_line(run.root);
    ck_assert_int_eq(pair_files(), 0);
    ck_assert_ptr_null(stat_field("channel", c, 0)); /* nobody holds it */
}
END_TEST

START_TEST(who_dies_in_a_recall_lets_the_others_go_on)
{
    direct_with_third(SEND);
    over_pair(5, 2);
    OFFER(third, 0, ON_SEND(c, "z"));
    both_recalled(2);
    put_now(0, WIRE_BACK, 'c', 1);
    delivered(r, 0, 1, 'c');
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_assert_int_eq(committed(third).err, 0);
    delivered(r, 1, 1, 'z');
}
END_TEST

START_TEST(a_receiver_that_ends_in_a_recall_is_no_party)
{
    uint64_t taken;
    direct(10, WIRE_PAIR);
    over_pair(5, 2);
    unpair(&taken);
    ck_assert_int_eq(leave(r), 0);
    put_now(0, WIRE_BACK, 'c', 3);
    room(3, 0);
    say_recalled();
    ck_assert_int_eq(pair_files(), 0);
}
END_TEST

/* ---- frames that cannot be ------------------------------------------------------------------------------------------
 */

enum violation {
    TWICE_BOUND,
    BOUND_TOO_LATE,
    JOINED_TOO_EARLY,
    JOINED_OF_ANOTHER_COUNT,
    TWICE_JOINED,
    JOINED_AFTER_ALL,
    A_PUT_BESIDE,
    BACK_OF_NOTHING,
    BACK_WITHOUT_A_PAIR,
    TOO_MANY_BACK,
    NO_BACK_IN_A_RECALL,
    RECALLED_UNASKED,
    DRAINED_UNASKED,
    DRAINED_TWICE,
    VIOLATIONS
};

static struct speaker *violate(enum violation which)
{
    uint64_t taken;
    switch (which) {
    case TWICE_BOUND:
        joining(10, WIRE_PAIR);
        say_bound(0);
        return r;
    case BOUND_TOO_LATE:
        direct(10, WIRE_PAIR);
        say_bound(EMFILE);
        return r;
    case JOINED_TOO_EARLY:
        binding(10, WIRE_PAIR);
        say_joined(0, 0);
        return s;
    case JOINED_OF_ANOTHER_COUNT:
        joining(10, WIRE_PAIR);
        say_joined(1, 0);
        return s;
    case TWICE_JOINED:
        direct(10, WIRE_PAIR);
        say_joined(0, 0);
        return s;
    case JOINED_AFTER_ALL:
        direct(10, WIRE_PAIR);
        unpair(&taken);
        say_joined(0, EMFILE);
        return s;
    case A_PUT_BESIDE:
        direct(10, WIRE_PAIR);
        put(s, c, 0, 0, 'a', 1, 1);
        return s;
    case BACK_OF_NOTHING:
        direct(10, WIRE_PAIR);
        over_pair(1, 0);
        put(s, c, 0, WIRE_BACK, 'a', 1, 1);
        return s;
    case BACK_WITHOUT_A_PAIR:
        c = make(run.root, 10, BIG);
        s = colleague(c, SEND, 0, 0);
        stream(s, c, SEND, BIG, 0);
        put(s, c, 0, WIRE_BACK, 'a', 1, 1);
        return s;
    case TOO_MANY_BACK:
        direct(10, WIRE_PAIR);
        over_pair(4, 2);
        unpair(&taken);
        put(s, c, 0, WIRE_BACK, 'a', 1, 1);
        put(s, c, 1, WIRE_BACK, 'a', 2, 1);
        return s;
    case NO_BACK_IN_A_RECALL:
        direct(10, WIRE_PAIR);
        over_pair(4, 2);
        unpair(&taken);
        put(s, c, 0, 0, 'a', 1, 1);
        return s;
    case RECALLED_UNASKED:
        direct(10, WIRE_PAIR);
        say(s, WIRE_RECALLED, of_pair(0), NULL, 0);
        return s;
    case DRAINED_UNASKED:
        direct(10, WIRE_PAIR);
        say(r, WIRE_DRAINED, of_pair(0), &(struct wire_recall){0}, sizeof(struct wire_recall));
        return r;
    default:
        direct(10, WIRE_PAIR);
        over_pair(1, 0);
        bye(s, 0, 0);
        say(r, WIRE_DRAINED, of_pair(0), &(struct wire_recall){1}, sizeof(struct wire_recall));
        say(r, WIRE_DRAINED, of_pair(0), &(struct wire_recall){1}, sizeof(struct wire_recall));
        return r;
    }
}

static void until_ended(const struct speaker *who)
{
    for (int i = 0; i < 10000 && !has_ended(who); i++)
        usleep(1000);
    ck_assert(has_ended(who));
}

START_TEST(a_contradiction_ends_who_says_it)
{
    const struct speaker *guilty = violate((enum violation)_i);
    until_ended(guilty);
    ck_assert(guilty == s || _i == DRAINED_TWICE || !has_ended(s));
}
END_TEST

START_TEST(another_generation_or_another_line_is_ignored)
{
    direct(10, WIRE_PAIR);
    const uint64_t now = g;
    struct wire_recall w = {7};
    struct speaker *other = another_line(s);
    for (g = now - 1; g <= now + 1; g++) {
        struct speaker *by_s = g == now ? other : s, *by_r = g == now ? s : r;
        say(by_r, WIRE_BOUND, of_pair(0), NULL, 0);
        say(by_r, WIRE_BOUND, of_pair(EMFILE), NULL, 0);
        say(by_s, WIRE_JOINED, of_pair(0), &w, sizeof w);
        say(by_s, WIRE_JOINED, of_pair(ENOMEM), &w, sizeof w);
        say(by_s, WIRE_RECALLED, of_pair(0), NULL, 0);
        say(by_r, WIRE_DRAINED, of_pair(0), &w, sizeof w);
    }
    g = now;
    say(s, WIRE_RECALLED, (struct wire_head){.channel = c + 1, .seq = g}, NULL, 0);
    sync_line(other);
    sync_line(s);
    sync_line(r);
    ck_assert(!has_ended(s) && !has_ended(r));
    ck_assert(silent(s));
    over_pair(2, 1);
    uint64_t taken;
    ck_assert_int_eq(unpair(&taken), 0);
    ck_assert_uint_eq(taken, 1);
    recall_heard(r, 1);
    put_now(0, WIRE_BACK, 'b', 1);
    say_recalled();
    say_recalled(); /* of a generation that is over */
    delivered(r, 0, 1, 'b');
}
END_TEST

START_TEST(a_stream_that_ended_is_no_party_any_more)
{
    direct(10, WIRE_PAIR);
    struct speaker *other = another_line(r);
    ck_assert_int_eq(drop(other, c, RECV), 0);
    recall_heard(s, 0);
    say_bound(0);
    say_drained(3);
    ck_assert(!has_ended(r));
    say_recalled();
    room(0, EPIPE);
}
END_TEST

START_TEST(a_page_that_lies_ends_its_receiver_at_most)
{
    static const uint64_t lies[][2] = {{0, 5}, {5, UINT64_MAX}, {UINT64_MAX, 0}, {1, WIRE_REVOKED}, {0, 0}};
    uint64_t taken;
    direct(10, WIRE_PAIR);
    over_pair(9, 8);
    stat_field("channel", c, 4);
    over_pair(lies[_i][0], lies[_i][1]);
    page->wanted = page->bytes = page->before = UINT64_MAX;
    stat_field("channel", c, 4);
    dump_field("channel", c, 4);
    unpair(&taken);
    ck_assert_uint_le(taken, lies[_i][0]);
    say_recalled();
    sync_line(run.root);
    ck_assert(!has_ended(s));
}
END_TEST

START_TEST(a_page_that_is_cut_short_reads_as_zeros)
{
    uint64_t taken;
    char path[160];
    binding(10, WIRE_PAIR);
    snprintf(path, sizeof path, "%s/y%llu.%llu", run.dir, (unsigned long long)c, (unsigned long long)g);
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    ck_assert_int_eq(truncate(path, 0), 0);
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
    ck_assert_str_eq(stat_field("channel", c, 4), "0");
    ck_assert_int_eq(unpair(&taken), 0);
    ck_assert_uint_eq(taken, 0);
    say_recalled();
    put_now(0, 0, 'a', 1);
    recall_heard(r, 0);
    delivered(r, 0, 1, 'a');
}
END_TEST

/* ---- what is shown -------------------------------------------------------------------------------------------------
 */

START_TEST(what_is_on_a_pair_is_counted)
{
    typedef unsigned long long number;
    direct(10, WIRE_PAIR);
    over_pair(7, 4);
    page->bytes = 30;
    ck_assert_str_eq(stat_field("channel", c, 4), "3");
    ck_assert_str_eq(stat_field("channel", c, 5), "30");
    ck_assert_str_eq(stat_field("channel", c, 9), "7");
    ck_assert_str_eq(stat_field("channel", c, 10), "4");
    const char *line = dumped("stream\t%llu\t%llu\t%llu\ts\t", (number)s->process, (number)s->line, (number)c);
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(strrchr(line, '\t'), "\tpair");
    line = dumped("stream\t%llu\t%llu\t%llu\tr\t%d\t3\t", (number)r->process, (number)r->line, (number)c, (int)BIG);
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(strrchr(line, '\t'), "\tpair");
    uint64_t taken;
    unpair(&taken);
    ck_assert_str_eq(stat_field("channel", c, 4), "3");
    ck_assert_str_eq(stat_field("channel", c, 9), "7");
    ck_assert_str_eq(stat_field("channel", c, 10), "4");
    put_now(0, WIRE_BACK, 'e', 2);
    ck_assert_str_eq(stat_field("channel", c, 4), "1");
    ck_assert_str_eq(stat_field("channel", c, 9), "7");
}
END_TEST

START_TEST(who_waits_on_a_pair_is_shown)
{
    direct(10, WIRE_PAIR);
    OFFER(r, 0, ON(WIRE_OP_TAKE, c));
    until_waiting(r->process);
    ck_assert_str_eq(stat_field("process", r->process, 7), "recv -");
    OFFER(s, 0, ON_PUT(c, 1));
    until_waiting(s->process);
    ck_assert_str_eq(stat_field("process", s->process, 7), "send -");
    withdraw(s);
    committed(s);
    withdraw(r);
    committed(r);
}
END_TEST

START_TEST(the_run_may_end_in_any_state)
{
    switch (_i) {
    case 0:
        binding(10, WIRE_PAIR);
        break;
    case 1:
        joining(10, WIRE_PAIR);
        break;
    case 2:
        direct(10, WIRE_PAIR);
        break;
    case 3:
        direct_with_third(SEND);
        OFFER(third, 0, ON_SEND(c, "x"));
        both_recalled(0);
        break;
    default:
        direct(10, WIRE_PAIR);
        bye(s, 0, 0);
        orphan_heard();
        break;
    }
}
END_TEST

/* ---- other runs -----------------------------------------------------------------------------------------------------
 */

static char record[64];

static void start_recorded(void)
{
    static const char *options[] = {"--record", record, NULL};
    snprintf(record, sizeof record, "%s/record", scratch());
    run.options = options;
    run_start();
}

static void stop_recorded(void)
{
    run_stop();
}

START_TEST(what_is_recorded_is_hosted)
{
    streams(10, WIRE_PAIR, BIG);
    put_now(0, 0, 'a', 1);
    delivered(r, 0, 1, 'a');
    ck_assert(silent(r));
}
END_TEST

/* A pair from one process to the other that is direct; its page. */
static struct wire_page *pair_from(struct speaker *from, struct speaker *to, uint64_t channel, uint32_t slot)
{
    c = channel;
    s = from;
    r = to;
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), 0);
    ck_assert_int_eq(stream(r, c, RECV, BIG, slot), 0);
    bind_heard();
    say_bound(0);
    hear_pair(s, WIRE_CONNECT);
    say_joined(0, 0);
    told(r, WIRE_DIRECT);
    return page;
}

static struct speaker *a, *b;
static struct wire_page *there, *back; /* from a to b, from b to a */
static uint64_t to_b, to_a;

static void two_pairs(void)
{
    to_b = make_direct(4, WIRE_PAIR, "");
    to_a = make_direct(4, WIRE_PAIR, "");
    a = colleague(to_b, SEND, to_a, RECV);
    b = colleague(to_b, RECV, to_a, SEND);
    drop(run.root, to_b, SEND | RECV);
    drop(run.root, to_a, SEND | RECV);
    there = pair_from(a, b, to_b, 0);
    back = pair_from(b, a, to_a, 0);
}

START_TEST(two_that_wait_for_values_of_pairs_are_stuck)
{
    two_pairs();
    OFFER(a, 0, ON(WIRE_OP_TAKE, to_a));
    OFFER(b, 0, ON(WIRE_OP_TAKE, to_b));
    stuck(2);
    no_more(a);
    no_more(b);
}
END_TEST

START_TEST(two_that_wait_for_room_on_pairs_are_stuck)
{
    two_pairs();
    there->sent = back->sent = 4;
    there->wanted = back->wanted = 1;
    OFFER(a, 0, ON_PUT(to_b, 1));
    OFFER(b, 0, ON_PUT(to_a, 1));
    stuck(2);
    no_more(a);
    no_more(b);
}
END_TEST

START_TEST(not_while_something_is_on_its_way)
{
    two_pairs();
    if (_i == 0)
        back->sent = 1; /* a value for a */
    else {
        there->sent = 4;
        there->wanted = 1;
        there->taken = _i == 1; /* room for a */
        there->before = _i == 2;
        if (_i == 3)
            there->wanted = 0;
    }
    OFFER(a, 0, ON(WIRE_OP_TAKE, to_a), ON_PUT(to_b, 1));
    OFFER(b, 0, ON(WIRE_OP_TAKE, to_b + 1000)); /* for what it will never get */
    looked();
    no_more(a);
    no_more(b);
}
END_TEST

/* ----------------------------------------------------------------------------------------------------------------- */

static void add_introductions(Suite *suite)
{
    TCase *t = tcase_create("introduction");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, both_are_introduced);
    tcase_add_test(t, a_channel_that_may_be_direct_is_introduced_too);
    tcase_add_test(t, any_other_channel_is_not);
    tcase_add_test(t, no_pair_without_capacity_or_with_a_name);
    tcase_add_test(t, one_line_is_not_joined_to_itself);
    tcase_add_test(t, connect_says_what_is_not_taken);
    tcase_add_test(t, direct_is_said_behind_all_that_was_put_before);
    tcase_add_test(t, what_cannot_bind_stays_hosted);
    tcase_add_test(t, what_cannot_join_stays_hosted);
    tcase_add_test(t, another_receiver_is_introduced_where_one_could_not);
    tcase_add_test(t, they_are_joined_again_after_a_recall);
    tcase_add_test(t, a_second_sender_or_receiver_is_busy);
    tcase_add_test(t, an_offer_without_a_stream_is_told_to_make_one);
    tcase_add_test(t, a_hosted_capacity_counts_what_is_out);
    tcase_add_test(t, a_hosted_capacity_counts_bytes_too);
    suite_add_tcase(suite, t);
}

static void add_recalls(Suite *suite)
{
    TCase *t = tcase_create("recall");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, what_is_not_taken_comes_back_before_all_else);
    tcase_add_test(t, what_comes_back_stands_before_those_that_wait);
    tcase_add_test(t, no_window_bounds_what_comes_back);
    tcase_add_test(t, who_else_receives_gets_what_comes_back);
    tcase_add_test(t, a_stream_of_another_recalls);
    tcase_add_test(t, an_offer_with_now_is_answered_as_things_stand);
    tcase_add_test(t, a_guest_recalls);
    tcase_add_test(t, another_at_the_introduction_ends_it);
    tcase_add_test(t, another_between_connect_and_joined_waits);
    tcase_add_test(t, joined_with_an_errno_ends_a_recall);
    tcase_add_test(t, an_offer_of_the_sender_before_it_joins_is_no_others);
    tcase_add_test(t, unpair_in_each_state);
    tcase_add_test(t, unpair_crosses_connect);
    tcase_add_test(t, unpair_crosses_recall);
    tcase_add_test(t, it_closes_when_all_has_come_back);
    tcase_add_test(t, what_comes_back_has_the_room_that_its_receivers_page_says);
    tcase_add_test(t, it_closes_at_once_before_connect);
    tcase_add_test(t, what_a_receiver_that_leaves_had_not_taken_is_the_senders);
    tcase_add_test(t, nobody_hears_of_a_break_before_recalled);
    tcase_add_test(t, a_receiver_that_is_killed_has_taken_what_the_page_says);
    tcase_add_test(t, the_end_goes_by_another_line_when_all_has_come_back);
    suite_add_tcase(suite, t);
}

static void add_deaths(Suite *suite)
{
    TCase *t = tcase_create("deaths");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, a_close_waits_until_an_orphan_is_drained);
    tcase_add_test(t, who_is_killed_leaves_what_had_come);
    tcase_add_test(t, who_is_killed_before_it_joined_was_never_direct);
    tcase_add_test(t, an_orphan_is_drained_behind_what_was_put_before);
    tcase_add_test(t, nobody_elses_values_pass_an_orphans);
    tcase_add_test(t, what_an_orphan_left_counts_for_the_capacity);
    tcase_add_loop_test(t, both_may_die, 0, 2);
    tcase_add_test(t, who_dies_in_a_recall_lets_the_others_go_on);
    tcase_add_test(t, a_receiver_that_ends_in_a_recall_is_no_party);
    tcase_add_loop_test(t, a_contradiction_ends_who_says_it, 0, VIOLATIONS);
    tcase_add_test(t, another_generation_or_another_line_is_ignored);
    tcase_add_test(t, a_stream_that_ended_is_no_party_any_more);
    tcase_add_loop_test(t, a_page_that_lies_ends_its_receiver_at_most, 0, 5);
    tcase_add_test(t, a_page_that_is_cut_short_reads_as_zeros);
    tcase_add_test(t, what_is_on_a_pair_is_counted);
    tcase_add_test(t, who_waits_on_a_pair_is_shown);
    tcase_add_loop_test(t, the_run_may_end_in_any_state, 0, 5);
    suite_add_tcase(suite, t);
}

Suite *pairs_broker_suite(void)
{
    Suite *suite = suite_create("pairs_broker");
    add_introductions(suite);
    add_recalls(suite);
    add_deaths(suite);
    TCase *t = tcase_create("recorded");
    tcase_add_checked_fixture(t, start_recorded, stop_recorded);
    tcase_add_test(t, what_is_recorded_is_hosted);
    suite_add_tcase(suite, t);
    t = tcase_create("deadlock");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, stuck_start, run_stop);
    tcase_add_test(t, two_that_wait_for_values_of_pairs_are_stuck);
    tcase_add_test(t, two_that_wait_for_room_on_pairs_are_stuck);
    tcase_add_loop_test(t, not_while_something_is_on_its_way, 0, 4);
    suite_add_tcase(suite, t);
    return suite;
}
