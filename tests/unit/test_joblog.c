/* SPDX-License-Identifier: MPL-2.0 */
/* The record of tasks: what is written, and what a later run reads of it. */
#include "../../workers/exec/joblog.h"

#include "leftover.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *joblog_suite(void);

static char path[96];

static void make_file(void)
{
    snprintf(path, sizeof path, "%s/joblog", scratch());
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void write_task(const char *process, const void *value, size_t length, const char *outcome)
{
    struct joblog *log = joblog_open(path, process, 1, false);
    ck_assert_ptr_nonnull(log);
    struct joblog_task t = {.value = value,
                            .length = length,
                            .id = 7,
                            .tries = 2,
                            .start = 1500000000,
                            .took = 250000000,
                            .status = 3,
                            .outcome = outcome,
                            .output = 12};
    ck_assert_int_eq(joblog_write(log, &t), 0);
    joblog_close(log);
}

static bool is_done(const char *process, const void *value, size_t length)
{
    struct joblog *log = joblog_open(path, process, 0, true);
    ck_assert_ptr_nonnull(log);
    bool done = joblog_done(log, value, length);
    joblog_close(log);
    return done;
}

static void append(const char *text)
{
    FILE *to = fopen(path, "a");
    ck_assert_ptr_nonnull(to);
    ck_assert_int_ge(fputs(text, to), 0);
    fclose(to);
}

START_TEST(a_line_says_all_of_a_task)
{
    write_task("thumb", "a.jpg", 5, "retry");
    json_error_t error;
    json_t *o = json_load_file(path, 0, &error), *want;
    ck_assert_msg(o != NULL, "%s", error.text);
    want = json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:i, s:i, s:s, s:i, s:i, s:s, s:s}", "process", "thumb", "replica",
                     1, "id", 7, "tries", 2, "start", 1.5, "seconds", 0.25, "status", 3, "signal", 0, "outcome",
                     "retry", "output", 12, "length", 5, "hash", "e65d84c9e29fbfe5", "value", "a.jpg");
    char *hash = strdup(json_string_value(json_object_get(o, "hash")));
    json_object_set_new(want, "hash", json_string(hash));
    ck_assert_uint_eq(strlen(hash), 16);
    ck_assert_int_eq(json_equal(o, want), 1);
    free(hash);
    json_decref(o);
    json_decref(want);
}
END_TEST

START_TEST(a_done_task_is_known_again)
{
    write_task("p", "one", 3, "done");
    write_task("p", "two", 3, "done");
    ck_assert(is_done("p", "one", 3));
    ck_assert(is_done("p", "two", 3));
    ck_assert(!is_done("p", "three", 5));
}
END_TEST

START_TEST(a_retried_or_rejected_task_is_not_done)
{
    write_task("p", "one", 3, "retry");
    write_task("p", "two", 3, "rejected");
    ck_assert(!is_done("p", "one", 3));
    ck_assert(!is_done("p", "two", 3));
}
END_TEST

START_TEST(another_processs_task_is_not_done)
{
    write_task("p", "one", 3, "done");
    ck_assert(!is_done("q", "one", 3));
}
END_TEST

START_TEST(any_bytes_are_a_value)
{
    static const char a[] = "\xff\x00\n\"}", b[] = "\xfe\x00\n\"}";
    write_task("p", a, sizeof a, "done");
    ck_assert(is_done("p", a, sizeof a));
    ck_assert(!is_done("p", b, sizeof b));
    ck_assert(!is_done("p", a, sizeof a - 1));
}
END_TEST

START_TEST(a_long_value_is_known_by_all_of_its_bytes)
{
    char *value = malloc(100001);
    for (int i = 0; i < 50000; i++)
        memcpy(value + 2 * (size_t)i, "\xc3\xa9", 3);
    write_task("p", value, 100000, "done");
    ck_assert(is_done("p", value, 100000));
    value[99999] = '\xa8';
    ck_assert(!is_done("p", value, 100000));
    free(value);
}
END_TEST

START_TEST(a_cut_line_is_passed_over_and_the_next_is_whole)
{
    write_task("p", "one", 3, "done");
    append("{\"process\":\"p\",\"outc");
    ck_assert(is_done("p", "one", 3));
    write_task("p", "two", 3, "done");
    ck_assert(is_done("p", "one", 3));
    ck_assert(is_done("p", "two", 3));
}
END_TEST

START_TEST(a_line_cut_behind_a_brace_of_its_value_is_passed_over)
{
    write_task("p", "one", 3, "done");
    append("{\"process\":\"p\",\"outcome\":\"done\",\"length\":7,\"hash\":\"0\",\"value\":\"{\\\"a\\\":1}");
    write_task("p", "two", 3, "done");
    ck_assert(is_done("p", "one", 3));
    ck_assert(is_done("p", "two", 3));
}
END_TEST

/* Of two replicas that write to it one is killed in the middle of a line, and the other knows nothing of that. */
START_TEST(a_line_behind_a_cut_one_counts)
{
    struct joblog *other = joblog_open(path, "p", 2, false);
    ck_assert_ptr_nonnull(other);
    append("{\"process\":\"p\",\"outcome\":\"done\",\"value\":\"{\\\"process\\\":");
    ck_assert_int_eq(joblog_write(other, &(struct joblog_task){.value = "two", .length = 3, .outcome = "done"}), 0);
    joblog_close(other);
    ck_assert(is_done("p", "two", 3));
}
END_TEST

START_TEST(a_file_that_is_no_record_is_refused)
{
    append("{\"name\": \"package.json\"}\n");
    ck_assert_ptr_null(joblog_open(path, "p", 0, true));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_file_that_is_not_there_has_nothing_done)
{
    unlink(path);
    ck_assert(!is_done("p", "one", 3));
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    struct joblog *log = joblog_open("/dev/full", "p", 0, false);
    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(joblog_write(log, &(struct joblog_task){.value = "v", .length = 1, .outcome = "done"}), -1);
    ck_assert_int_eq(errno, ENOSPC);
    joblog_close(log);
}
END_TEST

Suite *joblog_suite(void)
{
    Suite *s = suite_create("joblog");
    TCase *t = tcase_create("joblog");

    tcase_add_checked_fixture(t, make_file, NULL);
    tcase_add_test(t, a_line_says_all_of_a_task);
    tcase_add_test(t, a_done_task_is_known_again);
    tcase_add_test(t, a_retried_or_rejected_task_is_not_done);
    tcase_add_test(t, another_processs_task_is_not_done);
    tcase_add_test(t, any_bytes_are_a_value);
    tcase_add_test(t, a_long_value_is_known_by_all_of_its_bytes);
    tcase_add_test(t, a_cut_line_is_passed_over_and_the_next_is_whole);
    tcase_add_test(t, a_line_cut_behind_a_brace_of_its_value_is_passed_over);
    tcase_add_test(t, a_line_behind_a_cut_one_counts);
    tcase_add_test(t, a_file_that_is_no_record_is_refused);
    tcase_add_test(t, a_file_that_is_not_there_has_nothing_done);
    tcase_add_test(t, a_full_disk_is_an_error);
    suite_add_tcase(s, t);
    return s;
}
