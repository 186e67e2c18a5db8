/* SPDX-License-Identifier: MPL-2.0 */
/* The pure parts of `each` and `partition`: fields of values, which values one run gets, and how it gets them. */
#include "../../workers/exec/batch.h"
#include "../../workers/exec/field.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *batch_suite(void);

/* ---- fields ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *value, *name, *field;
} fields[] = {
    {"one two  three", "1", "one"},
    {"one two  three", "3", "three"},
    {"one two  three", "4", ""},
    {" \tone\ttwo", "2", "two"},
    {"", "1", ""},
    {"{\"a\": 1, \"b\": \"x y\"}", "b", "\"x y\""},
    {"{\"a\": 1, \"b\": \"x y\"}", "a", "1"},
    {" { \"a\" : [1, {\"b\": 2}] , \"b\":3 } ", "b", "3"},
    {" { \"a\" : [1, {\"b\": 2}] , \"b\":3 } ", "a", "[1, {\"b\": 2}]"},
    {"{\"a\": \"}\\\",\\\"b\\\": 1\", \"b\": 2}", "b", "2"},
    {"{\"a\": {\"b\": 1}}", "b", ""},
    {"{\"a\": 1", "a", "1"},
    {"{\"a", "a", ""},
    {"{\"a\"", "a", ""},
    {"{", "a", ""},
    {"no object", "a", ""},
    {"[\"a\"]", "a", ""},
};

START_TEST(a_field_is_found_as_it_is_written)
{
    size_t n;
    const char *field = field_of(fields[_i].value, strlen(fields[_i].value), fields[_i].name, &n);
    ck_assert_msg(n == strlen(fields[_i].field) && memcmp(field, fields[_i].field, n) == 0, "%s of %s: %.*s",
                  fields[_i].name, fields[_i].value, (int)n, field);
}
END_TEST

/* Whatever is cut off, nothing is read that is not there: the value lies at the very end of its memory. */
START_TEST(a_value_that_is_cut_short_is_not_read_beyond_its_end)
{
    static const char whole[] = "{\"a\": \"x\\\\\", \"b\": [{}, \"]\"], \"c\": 1}";
    for (size_t len = 0; len < sizeof whole; len++) {
        size_t n;
        char *value = malloc(len + 1);
        ck_assert_ptr_nonnull(value);
        char *at = value + 1;
        memcpy(at, whole, len);
        const char *field = field_of(at, len, "c", &n);
        ck_assert(field >= at && field + n <= at + len);
        free(value);
    }
}
END_TEST

START_TEST(fields_are_spread_over_the_lanes)
{
    size_t count[8] = {0};
    for (int i = 0; i < 8000; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i);
        size_t lane = field_lane(text, (size_t)n, 8);
        ck_assert_uint_eq(lane, field_lane(text, (size_t)n, 8));
        ck_assert_uint_lt(lane, 8);
        count[lane]++;
    }
    for (int i = 0; i < 8; i++)
        ck_assert_msg(count[i] > 800 && count[i] < 1200, "lane %d has %zu of 8000", i, count[i]);
}
END_TEST

/* ---- batches ---------------------------------------------------------------------------------------------------- */

static struct port input = {.fd = 0, .framing = FRAMING_LINE};
static char *program[] = {"p", "-x", "$1", "y", NULL};

static csp_msg value(const char *text, unsigned tries)
{
    static uint64_t id;
    id++;
    return (csp_msg){.data = strdup(text), .len = strlen(text), .id = id, .tries = tries};
}

static int add(struct batch *b, const char *text, unsigned tries)
{
    csp_msg m = value(text, tries);
    return batch_add(b, &m, 0);
}

static void begin(struct batch *b, struct options *o)
{
    o->in = &input;
    o->nin = 1;
    o->argv = program;
    ck_assert_int_eq(batch_init(b, o), 0);
    ck_assert_int_eq(batch_next(b), 0);
}

START_TEST(a_value_is_a_batch_by_itself)
{
    struct options o = {.label = "p"};
    struct batch b;
    begin(&b, &o);
    ck_assert_int_eq(add(&b, "one", 1), 1);
    batch_free(&b);
}
END_TEST

START_TEST(a_batch_is_complete_by_count)
{
    struct options o = {.batch = 2};
    struct batch b;
    begin(&b, &o);
    ck_assert_int_eq(add(&b, "one", 1), 0);
    ck_assert_int_eq(add(&b, "two", 1), 1);
    ck_assert_uint_eq(b.n, 2);
    batch_free(&b);
}
END_TEST

START_TEST(what_does_not_fit_is_the_first_of_the_next)
{
    struct options o = {.batch_bytes = 4};
    struct batch b;
    begin(&b, &o);
    ck_assert_int_eq(add(&b, "one", 1), 0);
    ck_assert_int_eq(add(&b, "three", 1), 1);
    ck_assert_uint_eq(b.n, 1);
    ck_assert_int_eq(batch_next(&b), 1); /* larger than the bound, and alone */
    ck_assert_str_eq(b.values[0].data, "three");
    batch_free(&b);
}
END_TEST

START_TEST(a_value_that_was_delivered_before_is_run_alone)
{
    struct options o = {.batch = 10};
    struct batch b;
    begin(&b, &o);
    ck_assert_int_eq(add(&b, "one", 1), 0);
    ck_assert_int_eq(add(&b, "again", 2), 1);
    ck_assert_uint_eq(b.n, 1);
    ck_assert_int_eq(batch_next(&b), 1);
    ck_assert_str_eq(b.values[0].data, "again");
    ck_assert_int_eq(batch_next(&b), 0);
    ck_assert_uint_eq(b.n, 0);
    batch_free(&b);
}
END_TEST

/* As many values of 100 KB as a batch takes where they are arguments, which has room for some of them only. */
START_TEST(no_more_go_together_than_a_program_can_be_given)
{
    struct slot slots[] = {{.at = 2, .all = true}};
    struct options o = {.batch = 1000, .slots = slots, .nslots = 1};
    struct batch b;
    char why[64], *large = calloc(1, 100001);
    memset(large, 'x', 100000);
    begin(&b, &o);
    int complete = 0;
    while (!complete)
        complete = add(&b, large, 1);
    ck_assert_uint_gt(b.n, 0);
    ck_assert_uint_lt(b.n, 100);
    ck_assert_ptr_nonnull(b.ahead.data);
    ck_assert_int_eq(batch_render(&b, why, sizeof why), 0);
    b.argv[0] = (char[]){"/bin/true"};
    pid_t pid = fork();
    if (pid == 0)
        _exit(execve("/bin/true", b.argv, b.environment) == 0 ? 0 : errno);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(batch_next(&b), 0);
    ck_assert_uint_eq(b.n, 1);
    free(large);
    batch_free(&b);
}
END_TEST

START_TEST(on_stdin_alone_any_size_goes_together)
{
    struct options o = {.batch = 100};
    struct batch b;
    char *large = calloc(1, 200001);
    memset(large, 'x', 200000);
    begin(&b, &o);
    for (int i = 1; i < 100; i++)
        ck_assert_int_eq(add(&b, large, 1), 0);
    ck_assert_int_eq(add(&b, large, 1), 1);
    ck_assert_uint_eq(b.n, 100);
    free(large);
    batch_free(&b);
}
END_TEST

START_TEST(a_value_that_no_argument_can_hold_takes_no_others_with_it)
{
    struct slot slots[] = {{.at = 2, .all = true}};
    struct options o = {.batch = 10, .slots = slots, .nslots = 1};
    struct batch b;
    begin(&b, &o);
    ck_assert_int_eq(add(&b, "one", 1), 0);
    csp_msg nul = value("a b", 1);
    ((char *)nul.data)[1] = '\0';
    ck_assert_int_eq(batch_add(&b, &nul, 0), 1);
    ck_assert_uint_eq(b.n, 1);
    ck_assert_int_eq(batch_next(&b), 1);
    ck_assert_uint_eq(b.n, 1);
    ck_assert_int_eq(batch_next(&b), 0);
    ck_assert_int_eq(add(&b, "two", 1), 0);
    batch_free(&b);
}
END_TEST

START_TEST(in_order_only_values_that_follow_one_another_go_together)
{
    struct options o = {.batch = 10, .ordered = true};
    struct batch b;
    begin(&b, &o);
    ck_assert_int_eq(add(&b, "one", 1), 0);
    ck_assert_int_eq(add(&b, "two", 1), 0);
    csp_msg elsewhere = value("three", 1);
    ck_assert_int_eq(add(&b, "four", 1), 1);
    ck_assert_uint_eq(b.n, 2);
    ck_assert_int_eq(batch_next(&b), 0);
    ck_assert_str_eq(b.values[0].data, "four");
    csp_msg_free(&elsewhere);
    batch_free(&b);
}
END_TEST

static void assert_input(const struct batch *b, const char *want, size_t n)
{
    char got[64];
    ck_assert_int_eq(lseek(b->input, 0, SEEK_SET), 0);
    ck_assert_int_eq(read(b->input, got, sizeof got), (ssize_t)n);
    ck_assert_mem_eq(got, want, n);
}

START_TEST(values_are_arguments_environment_and_input)
{
    struct slot slots[] = {{.at = 2, .all = true}};
    struct options o = {.batch = 2, .slots = slots, .nslots = 1};
    struct batch b;
    char why[64];
    begin(&b, &o);
    add(&b, "$HOME", 1);
    add(&b, "", 1);
    ck_assert_int_eq(batch_render(&b, why, sizeof why), 0);
    static const char *const want[] = {"p", "-x", "$HOME", "", "y"};
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(b.argv[i], want[i]);
    ck_assert_ptr_null(b.argv[5]);
    snprintf(why, sizeof why, "CSP_ID=%llu", (unsigned long long)b.ids[0]);
    ck_assert_str_eq(b.environment[0], why);
    ck_assert_str_eq(b.environment[1], "CSP_TRIES=1");
    ck_assert_str_eq(b.environment[2], "CSP_REASON=");
    assert_input(&b, "$HOME\n\n", 7);
    batch_free(&b);
}
END_TEST

START_TEST(a_shorter_input_leaves_nothing_of_the_one_before)
{
    struct options o = {.label = "p"};
    struct batch b;
    char why[64];
    begin(&b, &o);
    add(&b, "a long value", 1);
    ck_assert_int_eq(batch_render(&b, why, sizeof why), 0);
    batch_next(&b);
    add(&b, "x", 1);
    ck_assert_int_eq(batch_render(&b, why, sizeof why), 0);
    assert_input(&b, "x\n", 2);
    batch_free(&b);
}
END_TEST

static const struct {
    enum framing framing;
    const char *text;
    size_t n;
} framings[] = {
    {FRAMING_LINE, "ab\n", 3}, {FRAMING_NUL, "ab\0", 3}, {FRAMING_LENGTH, "\0\0\0\2ab", 6}, {FRAMING_WHOLE, "ab", 2}};

START_TEST(input_is_framed_as_the_program_reads_it)
{
    struct options o = {.label = "p"};
    struct batch b;
    char why[64];
    begin(&b, &o);
    input.framing = framings[_i].framing;
    add(&b, "ab", 1);
    ck_assert_int_eq(batch_render(&b, why, sizeof why), 0);
    assert_input(&b, framings[_i].text, framings[_i].n);
    batch_free(&b);
}
END_TEST

START_TEST(a_nul_byte_is_no_argument)
{
    struct slot slots[] = {{.at = 2}};
    struct options o = {.slots = slots, .nslots = 1};
    struct batch b;
    char why[64];
    csp_msg m = value("a b", 1);
    ((char *)m.data)[1] = '\0';
    begin(&b, &o);
    ck_assert_int_eq(batch_add(&b, &m, 0), 1);
    ck_assert_int_eq(batch_render(&b, why, sizeof why), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_str_eq(why, "it has a NUL byte, so it can't be an argument");
    batch_free(&b);
}
END_TEST

Suite *batch_suite(void)
{
    Suite *s = suite_create("batch");
    TCase *t = tcase_create("batch");
    tcase_add_loop_test(t, a_field_is_found_as_it_is_written, 0, sizeof fields / sizeof *fields);
    tcase_add_test(t, a_value_that_is_cut_short_is_not_read_beyond_its_end);
    tcase_add_test(t, fields_are_spread_over_the_lanes);
    tcase_add_test(t, a_value_is_a_batch_by_itself);
    tcase_add_test(t, a_batch_is_complete_by_count);
    tcase_add_test(t, what_does_not_fit_is_the_first_of_the_next);
    tcase_add_test(t, a_value_that_was_delivered_before_is_run_alone);
    tcase_add_test(t, no_more_go_together_than_a_program_can_be_given);
    tcase_add_test(t, on_stdin_alone_any_size_goes_together);
    tcase_add_test(t, a_value_that_no_argument_can_hold_takes_no_others_with_it);
    tcase_add_test(t, in_order_only_values_that_follow_one_another_go_together);
    tcase_add_test(t, values_are_arguments_environment_and_input);
    tcase_add_test(t, a_shorter_input_leaves_nothing_of_the_one_before);
    tcase_add_loop_test(t, input_is_framed_as_the_program_reads_it, 0, sizeof framings / sizeof *framings);
    tcase_add_test(t, a_nul_byte_is_no_argument);
    suite_add_tcase(s, t);
    return s;
}
