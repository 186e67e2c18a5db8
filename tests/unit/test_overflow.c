/* SPDX-License-Identifier: MPL-2.0 */
/* What becomes of values for which there is no room: section 16 of docs/protocol.md, rule 13. */
#include "../speaker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *overflow_suite(void);

enum { BIG = 1000000 };

static struct speaker *s, *r;
static uint64_t c;

static void setup(uint32_t overflow)
{
    c = declare("news", 2, WIRE_CLOSE_SENDERS);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.overflow = overflow}), 0);
    s = colleague(c, SEND, 0, 0);
    r = colleague(c, RECV, 0, 0);
}

static const char *dropped(void)
{
    return stat_field("channel", c, 18);
}

static void fill(void)
{
    ck_assert_int_eq(send_text(s, c, "a"), 0);
    ck_assert_int_eq(send_text(s, c, "b"), 0);
}

START_TEST(the_oldest_is_dropped)
{
    setup(WIRE_DROP_OLDEST);
    fill();
    ck_assert_int_eq(send_text(s, c, "c"), 0);
    ck_assert_str_eq(dropped(), "1");
    recv_text(r, c, "b");
    recv_text(r, c, "c");
}
END_TEST

START_TEST(the_newest_is_dropped)
{
    setup(WIRE_DROP_NEWEST);
    fill();
    ck_assert_int_eq(send_text(s, c, "c"), 0);
    ck_assert_str_eq(dropped(), "1");
    recv_text(r, c, "a");
    recv_text(r, c, "b");
    ck_assert(nothing(r, c));
}
END_TEST

START_TEST(the_send_is_rejected)
{
    setup(WIRE_REJECT);
    fill();
    ck_assert_int_eq(send_text(s, c, "c"), ENOBUFS);
    recv_text(r, c, "a");
    ck_assert_int_eq(send_text(s, c, "c"), 0);
}
END_TEST

START_TEST(a_stream_cannot_be_rejected)
{
    setup(WIRE_REJECT);
    ck_assert_int_eq(stream(s, c, SEND, BIG, 0), EINVAL);
}
END_TEST

START_TEST(a_stream_drops_the_oldest)
{
    setup(WIRE_DROP_OLDEST);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 5, 1);
    sync_line(s);
    ck_assert_uint_eq(hear(s, WIRE_ROOM).head.seq, 5);
    ck_assert_str_eq(dropped(), "3");
    recv_text(r, c, "d");
    recv_text(r, c, "e");
}
END_TEST

START_TEST(a_stream_drops_the_newest)
{
    setup(WIRE_DROP_NEWEST);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 5, 1);
    sync_line(s);
    ck_assert_uint_eq(hear(s, WIRE_ROOM).head.seq, 5);
    ck_assert_str_eq(dropped(), "3");
    recv_text(r, c, "a");
    recv_text(r, c, "b");
    ck_assert(nothing(r, c));
}
END_TEST

START_TEST(who_receives_fast_enough_misses_nothing)
{
    setup(WIRE_DROP_OLDEST);
    stream(r, c, RECV, BIG, 0);
    stream(s, c, SEND, BIG, 0);
    put(s, c, 0, 0, 'a', 5, 1);
    uint64_t n = 0;
    while (n < 5)
        n += hear(r, WIRE_DELIVER).head.count;
    ck_assert_str_eq(dropped(), "0");
}
END_TEST

START_TEST(bytes_count_as_well)
{
    c = make(run.root, 10, 4);
    ck_assert_int_eq(set(run.root, c, (struct wire_set){.overflow = WIRE_DROP_OLDEST}), 0);
    send_text(run.root, c, "aa");
    send_text(run.root, c, "bb");
    send_text(run.root, c, "ccc");
    recv_text(run.root, c, "ccc");
    ck_assert_str_eq(dropped(), "2");
}
END_TEST

Suite *overflow_suite(void)
{
    Suite *suite = suite_create("overflow");
    TCase *t = tcase_create("overflow");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, the_oldest_is_dropped);
    tcase_add_test(t, the_newest_is_dropped);
    tcase_add_test(t, the_send_is_rejected);
    tcase_add_test(t, a_stream_cannot_be_rejected);
    tcase_add_test(t, a_stream_drops_the_oldest);
    tcase_add_test(t, a_stream_drops_the_newest);
    tcase_add_test(t, who_receives_fast_enough_misses_nothing);
    tcase_add_test(t, bytes_count_as_well);
    suite_add_tcase(suite, t);
    return suite;
}
