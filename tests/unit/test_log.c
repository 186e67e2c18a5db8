/* SPDX-License-Identifier: MPL-2.0 */
/* Whole lines: bytes in any pieces from several sources come out as lines, prefixed, cut only where it is said. */
#include "../../cspctl/lines.h"
#include "../../cspctl/log.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *log_suite(void);

/* ---- one source */

static char text[4 * LINES_LIMIT]; /* all that was written */
static size_t size;
static int writes;

static void keep(void *arg, const char *part, size_t n)
{
    (void)arg;
    ck_assert_uint_le(size + n, sizeof text);
    memcpy(text + size, part, n);
    size += n;
    writes++;
}

static void forget(void)
{
    size = 0;
    writes = 0;
}

static void feed(struct lines *l, const char *bytes)
{
    lines_feed(l, bytes, strlen(bytes), keep, NULL);
}

static void written(const char *expected)
{
    ck_assert_msg(size == strlen(expected) && memcmp(text, expected, size) == 0, "'%.*s'", (int)size, text);
}

START_TEST(a_line_waits_for_its_end)
{
    struct lines l = {.prefix = "p | "};
    feed(&l, "he");
    feed(&l, "llo");
    written("");
    feed(&l, "\nwor");
    written("p | hello\n");
    ck_assert_int_eq(writes, 1); /* prefix, text and end in one */
    lines_end(&l, keep, NULL);
    written("p | hello\np | wor\n");
    lines_end(&l, keep, NULL);
    ck_assert_int_eq(writes, 2);
}
END_TEST

START_TEST(empty_lines_are_lines)
{
    struct lines l = {.prefix = "p | "};
    feed(&l, "\n\na\n");
    written("p | \np | \np | a\n");
}
END_TEST

START_TEST(a_log_line_is_cut_at_the_limit_and_marked)
{
    struct lines l = {.prefix = "> "};
    static char line[2 * LINES_LIMIT + 8], expected[3 * LINES_LIMIT];
    memset(line, 'x', sizeof line - 5);
    line[sizeof line - 5] = '\n';
    feed(&l, line);
    int n =
        sprintf(expected, "> %.*s" LINES_MORE "\n> %.*s" LINES_MORE "\n> xxx\n", LINES_LIMIT, line, LINES_LIMIT, line);
    ck_assert_uint_eq(size, (size_t)n);
    written(expected);
}
END_TEST

START_TEST(a_line_of_exactly_the_limit_is_not_cut)
{
    struct lines l = {.prefix = ""};
    static char line[LINES_LIMIT + 2];
    memset(line, 'x', LINES_LIMIT);
    line[LINES_LIMIT] = '\n';
    feed(&l, line);
    written(line);
}
END_TEST

START_TEST(a_long_line_of_data_is_not_cut_but_keeps_the_output)
{
    struct lines l = {.prefix = "", .data = true};
    static char line[LINES_LIMIT + 2], expected[LINES_LIMIT + 16];
    memset(line, 'x', LINES_LIMIT + 1);
    feed(&l, "a\n");
    ck_assert(!l.open);
    feed(&l, line);
    ck_assert(l.open);
    feed(&l, "yz");
    ck_assert(l.open);
    feed(&l, "\nb");
    ck_assert(!l.open);
    sprintf(expected, "a\n%syz\n", line);
    written(expected);
    lines_end(&l, keep, NULL);
    sprintf(expected, "a\n%syz\nb\n", line);
    written(expected);
}
END_TEST

START_TEST(data_that_ends_in_the_middle_of_a_long_line_gets_its_end)
{
    struct lines l = {.prefix = "", .data = true};
    static char line[LINES_LIMIT + 2];
    memset(line, 'x', LINES_LIMIT + 1);
    feed(&l, line);
    lines_end(&l, keep, NULL);
    ck_assert_uint_eq(size, LINES_LIMIT + 2);
    ck_assert_int_eq(text[size - 1], '\n');
    ck_assert(!l.open);
}
END_TEST

/* ---- several sources, one thread */

#define LINES 2000

static void write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        ck_assert_int_gt(done, 0);
        bytes += done;
        n -= (size_t)done;
    }
}

/* Two sources write lines in pieces, by turns; each line must come out whole and in its source's order. */
static void interleave(enum log_kind kind, const char *prefix_a, const char *prefix_b)
{
    FILE *out = tmpfile();
    struct log *log = log_open(fileno(out), kind);
    int a = log_source(log, "a | "), b = log_source(log, "b | ");
    char line[64], got[64];
    long next_a = 0, next_b = 0;

    for (int i = 0; i < LINES; i++) {
        write_all(a, "left ", 5);
        write_all(b, "right ", 6);
        write_all(a, line, (size_t)sprintf(line, "%d\n", i));
        write_all(b, line, (size_t)sprintf(line, "%d\n", i));
    }
    close(a);
    close(b);
    ck_assert(log_close(log, 5000, NULL));
    rewind(out);
    while (fgets(got, sizeof got, out) != NULL) {
        (void)snprintf(line, sizeof line, "%sleft %ld\n", prefix_a, next_a);
        if (strcmp(got, line) == 0) {
            next_a++;
            continue;
        }
        (void)snprintf(line, sizeof line, "%sright %ld\n", prefix_b, next_b);
        ck_assert_str_eq(got, line);
        next_b++;
    }
    ck_assert_int_eq(next_a, LINES);
    ck_assert_int_eq(next_b, LINES);
    (void)fclose(out);
}

START_TEST(lines_of_several_sources_stay_whole)
{
    interleave(LOG_LINES, "a | ", "b | ");
    interleave(LOG_DATA, "", "");
}
END_TEST

/* An output that nobody reads any more. */
static int deaf(void)
{
    int end[2];
    ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
    close(end[0]);
    return end[1];
}

START_TEST(a_log_that_nobody_reads_does_not_stop_its_writers)
{
    int out = deaf();
    struct log *log = log_open(out, LOG_LINES);
    int fd = log_source(log, "");
    static char much[1 << 20];
    memset(much, '\n', sizeof much);
    write_all(fd, much, sizeof much);
    close(fd);
    ck_assert(log_close(log, 5000, NULL));
    close(out);
}
END_TEST

START_TEST(data_that_nobody_reads_ends_its_writers)
{
    int out = deaf();
    struct log *log = log_open(out, LOG_DATA);
    int fd = log_source(log, "");
    while (write(fd, "line\n", 5) == 5) {
    }
    close(fd);
    ck_assert(log_close(log, 5000, NULL));
    close(out);
}
END_TEST

START_TEST(a_reader_that_has_stopped_is_given_up)
{
    int end[2];
    ck_assert_int_eq(pipe2(end, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(end[1], "full", 4) > 0) {
    }
    ck_assert_int_eq(fcntl(end[1], F_SETFL, 0), 0);
    struct log *log = log_open(end[1], LOG_LINES);
    int fd = log_source(log, "");
    write_all(fd, "line\n", 5);
    close(fd);
    ck_assert(!log_close(log, 100, NULL));
}
END_TEST

/* As a terminal is, or a pipe, that a program beside us has made so. */
START_TEST(an_output_that_is_not_to_be_waited_for_is_waited_for)
{
    int end[2];
    char last[5] = "";
    ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(end[1], F_SETFL, O_NONBLOCK), 0);
    while (write(end[1], "full", 4) > 0) {
    }
    struct log *log = log_open(end[1], LOG_LINES);
    int fd = log_source(log, "");
    write_all(fd, "line\n", 5);
    close(fd);
    ck_assert(!log_close(log, 100, NULL));
    while (memcmp(last, "line\n", sizeof last) != 0) {
        memmove(last, last + 1, sizeof last - 1);
        ck_assert_int_eq(read(end[0], &last[sizeof last - 1], 1), 1);
    }
}
END_TEST

START_TEST(a_prefix_has_colour_only_where_it_is_wanted)
{
    char plain[64], red[64], other[64];
    log_prefix(plain, sizeof plain, "grep[2]", 0, false);
    ck_assert_str_eq(plain, "grep[2] | ");
    log_prefix(red, sizeof red, "grep[2]", 0, true);
    log_prefix(other, sizeof other, "grep[2]", 1, true);
    ck_assert_ptr_nonnull(strstr(red, "grep[2]"));
    ck_assert_int_eq(red[0], '\033');
    ck_assert_str_ne(red, other);
}
END_TEST

static void ignore_pipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

Suite *log_suite(void)
{
    Suite *s = suite_create("log");
    TCase *lines = tcase_create("lines"), *log = tcase_create("log");

    tcase_add_checked_fixture(lines, forget, NULL);
    tcase_add_test(lines, a_line_waits_for_its_end);
    tcase_add_test(lines, empty_lines_are_lines);
    tcase_add_test(lines, a_log_line_is_cut_at_the_limit_and_marked);
    tcase_add_test(lines, a_line_of_exactly_the_limit_is_not_cut);
    tcase_add_test(lines, a_long_line_of_data_is_not_cut_but_keeps_the_output);
    tcase_add_test(lines, data_that_ends_in_the_middle_of_a_long_line_gets_its_end);
    suite_add_tcase(s, lines);
    tcase_add_checked_fixture(log, ignore_pipe, NULL);
    tcase_add_test(log, lines_of_several_sources_stay_whole);
    tcase_add_test(log, a_log_that_nobody_reads_does_not_stop_its_writers);
    tcase_add_test(log, data_that_nobody_reads_ends_its_writers);
    tcase_add_test(log, a_reader_that_has_stopped_is_given_up);
    tcase_add_test(log, an_output_that_is_not_to_be_waited_for_is_waited_for);
    tcase_add_test(log, a_prefix_has_colour_only_where_it_is_wanted);
    suite_add_tcase(s, log);
    return s;
}
