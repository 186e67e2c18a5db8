/* SPDX-License-Identifier: MPL-2.0 */
/* DUMP: section 13 of docs/protocol.md. Each test brings a run into one state, and reads the line that says so. */
#include "../speaker.h"
#include "csp.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *dump_suite(void);

#ifdef __SANITIZE_ADDRESS__ /* whose malloc is another, of which the broker's libc knows nothing */
#define WITH_MALLOC 0
#else
#define WITH_MALLOC 1
#endif

typedef unsigned long long number;
static const struct wire_head none;

/* The line begins so, and ends so; between the two is what differs from run to run. */
static void ck_line(const char *line, const char *end)
{
    ck_assert_ptr_nonnull(line);
    size_t have = strlen(line), want = strlen(end);
    ck_assert_msg(have >= want && strcmp(line + have - want, end) == 0, "\"%s\" does not end with \"%s\"", line, end);
}

/* The 1-based n-th field of a line as a number. */
static number field(const char *line, unsigned n)
{
    ck_assert_ptr_nonnull(line);
    while (--n > 0) {
        line = strchr(line, '\t');
        ck_assert_ptr_nonnull(line);
        line++;
    }
    return strtoull(line, NULL, 10);
}

/* Lets it wait there; the broker has read that. */
#define WAITS(s, ...)                                                                                                  \
    do {                                                                                                               \
        OFFER((s), 0, __VA_ARGS__);                                                                                    \
        ck_assert(silent(s));                                                                                          \
    } while (0)

START_TEST(it_has_all_lines_of_stat)
{
    uint64_t c = declare("lines", 3, WIRE_CLOSE_SENDERS);
    ck_line(dumped("run\ttest\t"), "");
    ck_line(dumped("process\t%llu\ttest\t0\t%d\t0\tattached\t-\t", (number)run.root->process, (int)getpid()), "");
    ck_assert_str_eq(dumped("channel\t%llu\t", (number)c) + strlen("channel\t1"),
                     "\tlines\t3\t0\t0\t1048576\t0\t0\t0\t0\topen\t0\t0\t0\t0\t0\t0\t0");
}
END_TEST

START_TEST(a_process_has_its_function_and_its_parent)
{
    struct wire_announce w = {.function = 0xabc0123};
    uint64_t process;
    struct heard h = ask(run.root, WIRE_ANNOUNCE, none, &w, sizeof w);
    memcpy(&process, h.data, sizeof process);
    char end[64];
    snprintf(end, sizeof end, "\tabc0123\t0\t0\t0\t%llu", (number)run.root->process);
    ck_line(dumped("process\t%llu\t", (number)process), end);
    ck_line(dumped("process\t%llu\t", (number)run.root->process), "\t0\t0\t0\t0\t0");
}
END_TEST

START_TEST(a_wait_has_its_place_and_its_deadline)
{
    uint64_t c = make(run.root, 0, 100);
    struct speaker *s = colleague(c, RECV, 0, 0);
    s->place = 0x7fff1234;
    s->deadline = INT64_C(4611686018427387904);
    WAITS(s, ON_RECV(c));
    char end[100];
    snprintf(end, sizeof end, "\t7fff1234\t4611686018427387904\trecv\t%llu\t-", (number)c);
    const char *line = dumped("wait\t%llu\t%llu\t", (number)s->process, (number)s->line);
    ck_line(line, end);
    number since = field(line, 4);
    ck_assert_uint_le(since, (number)csp_now());
    ck_assert_uint_gt(since, (number)csp_now() - 60000000000ULL);
}
END_TEST

START_TEST(a_wait_is_said_once_a_case)
{
    uint64_t c = declare("numbers", 0, WIRE_CLOSE_SENDERS), g = make_group(run.root);
    struct speaker *s = colleague(c, SEND | RECV, g, RECV);
    add(run.root, g, 1);
    WAITS(s, ON_SEND(c, "x"), ON_RECV(c), ON_WAIT(g), ON(WIRE_OP_NONE, 0), ON_PUT(c, 7), ON(WIRE_OP_FLUSH, c),
          ON(WIRE_OP_TAKE, c), ON(WIRE_OP_EXIT, 77), ON(WIRE_OP_TIME, 123456789), ON(WIRE_OP_FD, 5));
    static const char *const named[] = {"send", "recv", "put", "flush", "take"};
    static const char *const numbers[] = {"exit\t77", "time\t123456789", "fd\t5", "none\t0"};
    struct heard h = ask(run.root, WIRE_DUMP, none, NULL, 0);
    char *text = strndup((const char *)h.data, h.size), start[64], want[64];
    snprintf(start, sizeof start, "wait\t%llu\t%llu\t", (number)s->process, (number)s->line);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        snprintf(want, sizeof want, "\t0\t-1\t%s\t%llu\tnumbers\n", named[i], (number)c);
        ck_assert_msg(strstr(text, want) != NULL, "no \"%s\" in:\n%s", want, text);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(want, sizeof want, "\t0\t-1\t%s\t-\n", numbers[i]);
        ck_assert_msg(strstr(text, want) != NULL, "no \"%s\" in:\n%s", want, text);
    }
    unsigned waits = 0;
    for (const char *at = text; (at = strstr(at, start)) != NULL; at++)
        waits++;
    ck_assert_uint_eq(waits, 10);
    free(text);
}
END_TEST

START_TEST(a_wait_for_nothing_is_said)
{
    struct speaker *s = colleague(0, 0, 0, 0);
    offer(s, 0, NULL, 0);
    ck_assert(silent(s));
    ck_line(dumped("wait\t%llu\t", (number)s->process), "\tnone\t0\t-");
    ck_assert_str_eq(stat_field("process", s->process, 6), "waiting");
}
END_TEST

START_TEST(ends_are_said_as_they_are_held)
{
    uint64_t c = make(run.root, 1, 100), d = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND, d, SEND | RECV);
    number p = s->process;
    ck_assert_ptr_nonnull(dumped("end\t%llu\t%llu\ts", p, (number)c));
    ck_assert_ptr_nonnull(dumped("end\t%llu\t%llu\tsr", p, (number)d));
    drop(s, d, SEND);
    drop(s, c, SEND);
    ck_assert_ptr_nonnull(dumped("end\t%llu\t%llu\tr", p, (number)d));
    ck_assert_ptr_null(dumped("end\t%llu\t%llu\t", p, (number)c));
}
END_TEST

START_TEST(a_sending_stream_says_what_waits)
{
    uint64_t c = make(run.root, 2, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(stream(s, c, SEND, 1000, 0), 0);
    put(s, c, 0, 0, 'a', 5, 3);
    sync_line(s);
    const char *line = dumped("stream\t%llu\t%llu\t%llu\ts\t1000\t3\t", (number)s->process, (number)s->line, (number)c);
    ck_line(line, "\thosted");
}
END_TEST

START_TEST(what_a_stream_left_behind_is_nobodys)
{
    uint64_t c = make(run.root, 2, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    stream(s, c, SEND, 1000, 0);
    put(s, c, 0, 0, 'a', 5, 3);
    ck_assert_int_eq(bye(s, 0, 0), 0);
    ck_line(dumped("stream\t0\t0\t%llu\ts\t1000\t3\t", (number)c), "\thosted");
    ck_line(dumped("value\t%llu\tsend\t0\t3\t9\t", (number)c), "\tccc");
}
END_TEST

START_TEST(values_say_where_they_are)
{
    uint64_t c = make(run.root, 1, 100);
    struct speaker *s = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(send_text(s, c, "in the buffer"), 0);
    WAITS(s, ON_SEND(c, "offered"));
    ck_assert_ptr_nonnull(dumped("value\t%llu\tbuffer\t0\t1\t13\tin the buffer", (number)c));
    ck_assert_ptr_nonnull(dumped("value\t%llu\tsend\t%llu\t1\t7\toffered", (number)c, (number)s->process));
}
END_TEST

START_TEST(values_on_prefetch_are_with_their_receiver_until_they_are_taken)
{
    uint64_t c = make(run.root, 10, 100);
    struct speaker *r = colleague(c, RECV, 0, 0), *s = colleague(c, SEND, 0, 0);
    drop(run.root, c, RECV);
    stream(r, c, RECV, 1000, 0);
    stream(s, c, SEND, 1000, 0);
    put(s, c, 0, 0, 'a', 3, 2);
    hear(r, WIRE_DELIVER);
    number p = r->process;
    ck_assert_ptr_nonnull(dumped("value\t%llu\tprefetch\t%llu\t3\t6\taa", (number)c, p));
    ck_line(dumped("stream\t%llu\t%llu\t%llu\tr\t1000\t3\t", p, (number)r->line, (number)c), "\thosted");
    __atomic_store_n(&r->page[0], 2, __ATOMIC_RELEASE);
    ck_assert_ptr_nonnull(dumped("value\t%llu\tprefetch\t%llu\t1\t2\tcc", (number)c, p));
    ck_line(dumped("stream\t%llu\t%llu\t%llu\tr\t1000\t1\t", p, (number)r->line, (number)c), "");
}
END_TEST

START_TEST(a_preview_is_short_and_printable)
{
    uint64_t c = make(run.root, 9, 100);
    send_text(run.root, c, "a\tb\\c\n\x80 ");
    ck_line(dumped("value\t%llu\t", (number)c), "\ta\\x09b\\x5cc\\x0a\\x80 ");
    recv_text(run.root, c, "a\tb\\c\n\x80 ");
    send_text(run.root, c, "0123456789012345678901234567890123456789");
    ck_line(dumped("value\t%llu\t", (number)c), "\t1\t40\t01234567890123456789012345678901");
    recv_text(run.root, c, "0123456789012345678901234567890123456789");
    send_text(run.root, c, "");
    ck_line(dumped("value\t%llu\t", (number)c), "\t1\t0\t-");
    recv_text(run.root, c, "");
    send_text(run.root, c, "-");
    ck_line(dumped("value\t%llu\t", (number)c), "\t1\t1\t\\x2d");
}
END_TEST

START_TEST(of_a_long_channel_the_beginning_is_said)
{
    uint64_t c = make(run.root, 1000, 1000);
    for (int i = 0; i < 120; i++)
        send_text(run.root, c, "x");
    struct heard h = ask(run.root, WIRE_DUMP, none, NULL, 0);
    unsigned lines = 0;
    char *text = strndup((const char *)h.data, h.size);
    for (const char *at = text; (at = strstr(at, "\nvalue\t")) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, 100);
    free(text);
}
END_TEST

/* The 2nd field of the line; the 3rd, what was had from the system, is never less. */
static number memory_in_use(void)
{
    const char *line = dumped("memory\t");
    number used = field(line, 2), had = field(line, 3);
    ck_assert_msg(used <= had, "%s", line);
    return used;
}

START_TEST(memory_in_use_is_that_of_the_values_that_wait)
{
    enum { VALUES = 20, LENGTH = 30000, OTHER = 65536 };
    static char text[LENGTH + 1];
    memset(text, 'x', LENGTH);
    const number all = (number)VALUES * LENGTH;
    uint64_t c = make(run.root, VALUES, all);
    number before = memory_in_use();
    for (int i = 0; i < VALUES; i++)
        ck_assert_int_eq(send_text(run.root, c, text), 0);
    ck_assert_uint_ge(memory_in_use(), before + WITH_MALLOC * all);
    for (int i = 0; i < VALUES; i++)
        recv_text(run.root, c, text);
    ck_assert_uint_le(memory_in_use(), before + OTHER);
}
END_TEST

START_TEST(a_guest_may_ask)
{
    struct speaker *g = guest();
    struct heard h = ask(g, WIRE_DUMP, none, NULL, 0);
    ck_assert_int_eq(h.head.count, 0);
    ck_assert_int_eq(memcmp(h.data, "run\ttest\t", 9), 0);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *s = suite_create("dump");
    TCase *t = tcase_create("dump");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_add_test(t, it_has_all_lines_of_stat);
    tcase_add_test(t, a_process_has_its_function_and_its_parent);
    tcase_add_test(t, a_wait_has_its_place_and_its_deadline);
    tcase_add_test(t, a_wait_is_said_once_a_case);
    tcase_add_test(t, a_wait_for_nothing_is_said);
    tcase_add_test(t, ends_are_said_as_they_are_held);
    tcase_add_test(t, a_sending_stream_says_what_waits);
    tcase_add_test(t, what_a_stream_left_behind_is_nobodys);
    tcase_add_test(t, values_say_where_they_are);
    tcase_add_test(t, values_on_prefetch_are_with_their_receiver_until_they_are_taken);
    tcase_add_test(t, a_preview_is_short_and_printable);
    tcase_add_test(t, of_a_long_channel_the_beginning_is_said);
    tcase_add_test(t, memory_in_use_is_that_of_the_values_that_wait);
    tcase_add_test(t, a_guest_may_ask);
    suite_add_tcase(s, t);
    return s;
}
