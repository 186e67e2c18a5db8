/* SPDX-License-Identifier: MPL-2.0 */
/* What the programs of tests/programs judge by: that they can say no. Decision: each test is a small program of that
 * sort, and its verdict is what is asserted. */
#include "../programs/ends.h"
#include "../programs/map.h"
#include "../programs/number.h"
#include "../programs/verdict.h"

#include <check.h>
#include <signal.h>

Suite *verdict_suite(void);

static csp_chan c;

static int return_it(void *arg)
{
    return *(const int *)arg;
}

static int die(void *arg)
{
    raise(*(const int *)arg);
    return RIGHT;
}

/* Receives until the channel ends, with another that sends nothing and dies. */
static int be_cut_off(void *arg)
{
    int64_t n;
    (void)arg;
    KEEP({c, CSP_RECV});
    return number_receive(c, &n, CSP_FOREVER) != 0 ? failure("receive") : RIGHT;
}

START_TEST(work_that_is_cut_off_though_nobody_died_is_wrong)
{
    go(return_it, &(int){RIGHT});
    go(return_it, &(int){CUT_OFF});
    ck_assert_int_eq(verdict(RIGHT, "a test"), WRONG);
}

START_TEST(work_that_is_cut_off_by_a_death_is_incomplete)
{
    c = ends_make(0);
    go(be_cut_off, NULL);
    ends_drop(c, CSP_RECV);
    go(die, &(int){SIGKILL});
    ck_assert_int_eq(verdict(RIGHT, "a test"), INCOMPLETE);
}

START_TEST(a_death_by_another_signal_is_wrong)
{
    go(die, &(int){SIGTERM});
    ck_assert_int_eq(verdict(RIGHT, "a test"), WRONG);
}

START_TEST(an_unknown_status_is_wrong)
{
    go(return_it, &(int){77});
    ck_assert_int_eq(verdict(RIGHT, "a test"), WRONG);
}

static int be_wrong(void *arg)
{
    (void)arg;
    ends_keep(NULL, 0);
    return wrong("as it should be");
}

/* Its child's status goes with it. */
static int start_and_die(void *arg)
{
    (void)arg;
    if (verdict_of(go(be_wrong, NULL)) == WRONG)
        raise(SIGKILL);
    return RIGHT;
}

START_TEST(what_was_wrong_is_not_forgotten_with_the_process_that_knew)
{
    go(start_and_die, NULL);
    ck_assert_int_eq(verdict(RIGHT, "a test"), WRONG);
}

START_TEST(a_number_that_comes_twice_is_wrong)
{
    struct map m = map_make(100);
    ck_assert_int_eq(map_add(&m, 64), 0);
    ck_assert_int_eq(map_add(&m, 64), -1);
    ck_assert_int_eq(map_add(&m, 100), -1);
    ck_assert_int_eq(map_add(&m, -1), -1);
    map_free(&m);
}

static int send_map(void *arg)
{
    KEEP({c, CSP_SEND});
    return map_send(c, arg) == 0 ? RIGHT : failure("send a map");
}

START_TEST(a_number_that_two_consumers_have_is_wrong)
{
    struct map mine = map_make(100);
    struct map other = map_make(100);
    c = ends_make(0);
    ck_assert_int_eq(map_add(&mine, 70), 0);
    ck_assert_int_eq(map_add(&other, 71), 0);
    go(send_map, &other);
    ck_assert_int_eq(map_receive(c, &mine), RIGHT);
    go(send_map, &other);
    ck_assert_int_eq(map_receive(c, &mine), WRONG);
    ck_assert_int_eq(verdict(RIGHT, "a test"), WRONG);
    map_free(&mine);
    map_free(&other);
}

START_TEST(a_number_missing_before_others_is_wrong_and_at_the_end_cut_off)
{
    struct map m = map_make(10); /* of two producers, the odd and the even */
    for (int64_t i = 0; i < 10; i++)
        if (i != 3 && i != 8)
            ck_assert_int_eq(map_add(&m, i), 0);
    ck_assert_int_eq(map_judge(&m, 0, 2), CUT_OFF);
    ck_assert_int_eq(map_judge(&m, 1, 2), WRONG);
    ck_assert_int_eq(map_add(&m, 3), 0);
    ck_assert_int_eq(map_judge(&m, 1, 2), RIGHT);
    map_free(&m);
}

Suite *verdict_suite(void)
{
    Suite *s = suite_create("verdict");
    TCase *t = tcase_create("verdict");
    tcase_add_test(t, work_that_is_cut_off_though_nobody_died_is_wrong);
    tcase_add_test(t, work_that_is_cut_off_by_a_death_is_incomplete);
    tcase_add_test(t, a_death_by_another_signal_is_wrong);
    tcase_add_test(t, an_unknown_status_is_wrong);
    tcase_add_test(t, what_was_wrong_is_not_forgotten_with_the_process_that_knew);
    tcase_add_test(t, a_number_that_comes_twice_is_wrong);
    tcase_add_test(t, a_number_that_two_consumers_have_is_wrong);
    tcase_add_test(t, a_number_missing_before_others_is_wrong_and_at_the_end_cut_off);
    suite_add_tcase(s, t);
    return s;
}
