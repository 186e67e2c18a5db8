/* SPDX-License-Identifier: MPL-2.0 */
/* The rules by which a process is restarted: its budget, its back-off and what makes both begin anew. */
#include "../../cspctl/restart.h"

#include <check.h>

#define SECOND 1000000000LL

static const struct restart policy = {
    .when = RESTART_ON_FAILURE, .attempts = 3, .within = 60 * SECOND, .delay = {SECOND, 30 * SECOND}};

/* A restart at `now`; the delay, or -1: it is not allowed. */
static csp_time next(struct restarts *r, const struct restart *p, csp_time now, csp_time lived, uint64_t chance)
{
    csp_time delay = -1;

    return restart_next(r, p, now, lived, chance, &delay) ? delay : -1;
}

START_TEST(so_many_are_allowed_within_the_interval)
{
    struct restarts r = {0};
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(next(&r, &policy, i * SECOND, 0, 0), 0);
    ck_assert_int_eq(next(&r, &policy, 3 * SECOND, 0, 0), -1);
    restart_free(&r);
}
END_TEST

START_TEST(those_before_the_interval_are_not_counted)
{
    struct restarts r = {0};
    for (int i = 0; i < 100; i++)
        ck_assert_int_ge(next(&r, &policy, (int64_t)i * 21 * SECOND, 0, 0), 0);
    restart_free(&r);
}
END_TEST

START_TEST(one_that_was_not_allowed_is_not_counted)
{
    struct restarts r = {0};
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(next(&r, &policy, 10 * SECOND, 0, 0), 0);
    ck_assert_int_eq(next(&r, &policy, 69 * SECOND, 0, 0), -1);
    ck_assert_int_ge(next(&r, &policy, 70 * SECOND, 0, 0), 0);
    restart_free(&r);
}
END_TEST

START_TEST(each_in_a_row_waits_twice_as_long)
{
    const struct restart many = {.attempts = 100, .within = 60 * SECOND, .delay = {SECOND, 1000 * SECOND}};
    struct restarts r = {0};
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(next(&r, &many, 0, 0, 0), SECOND << i);
    restart_free(&r);
}
END_TEST

START_TEST(no_delay_is_outside_of_its_bounds)
{
    const struct restart many = {.attempts = 1000, .within = 60 * SECOND, .delay = {SECOND, 30 * SECOND}};
    struct restarts r = {0};
    csp_time least = 1000 * SECOND, most = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        csp_time delay = next(&r, &many, 0, 0, i * UINT64_C(0x9e3779b97f4a7c15));
        ck_assert_int_ge(delay, SECOND);
        ck_assert_int_le(delay, 30 * SECOND);
        if (i >= 6) {
            least = delay < least ? delay : least;
            most = delay > most ? delay : most;
        }
    }
    ck_assert_int_ge(least, 15 * SECOND);
    ck_assert_int_le(least, 16 * SECOND); /* they are spread over all of it */
    ck_assert_int_ge(most, 29 * SECOND);
    restart_free(&r);
}
END_TEST

START_TEST(the_first_is_spread_too)
{
    struct restarts a = {0}, b = {0};
    ck_assert_int_eq(next(&a, &policy, 0, 0, 0), SECOND);
    ck_assert_int_eq(next(&b, &policy, 0, 0, SECOND), 2 * SECOND);
    restart_free(&a);
    restart_free(&b);
}
END_TEST

START_TEST(one_duration_is_not_spread_and_does_not_grow)
{
    const struct restart flat = {.attempts = 100, .within = 60 * SECOND, .delay = {SECOND, SECOND}};
    struct restarts r = {0};
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(next(&r, &flat, 0, 0, i * UINT64_C(0x9e3779b97f4a7c15)), SECOND);
    restart_free(&r);
}
END_TEST

START_TEST(no_delay_at_all_is_none)
{
    const struct restart none = {.attempts = 100, .within = 60 * SECOND, .delay = {0, 0}};
    struct restarts r = {0};
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(next(&r, &none, 0, 0, i), 0);
    restart_free(&r);
}
END_TEST

START_TEST(who_ran_well_for_the_interval_begins_anew)
{
    const struct restart many = {.attempts = 100, .within = 60 * SECOND, .delay = {SECOND, 1000 * SECOND}};
    struct restarts r = {0};
    for (int i = 0; i < 5; i++)
        (void)next(&r, &many, 0, 59 * SECOND, 0);
    ck_assert_int_eq(next(&r, &many, 0, 59 * SECOND, 0), 32 * SECOND);
    ck_assert_int_eq(next(&r, &many, 200 * SECOND, 60 * SECOND, 0), SECOND);
    ck_assert_int_eq(next(&r, &many, 200 * SECOND, 0, 0), 2 * SECOND);
    restart_free(&r);
}
END_TEST

START_TEST(recent_ones_are_those_of_the_interval)
{
    struct restarts r = {0};
    ck_assert_uint_eq(restart_recent(&r, &policy, 0), 0);
    (void)next(&r, &policy, 0, 0, 0);
    (void)next(&r, &policy, 30 * SECOND, 0, 0);
    ck_assert_uint_eq(restart_recent(&r, &policy, 59 * SECOND), 2);
    ck_assert_uint_eq(restart_recent(&r, &policy, 60 * SECOND), 1);
    ck_assert_uint_eq(restart_recent(&r, &policy, 90 * SECOND), 0);
    restart_free(&r);
}
END_TEST

Suite *restart_suite(void);
Suite *restart_suite(void)
{
    Suite *s = suite_create("restart");
    TCase *t = tcase_create("policy");
    tcase_add_test(t, so_many_are_allowed_within_the_interval);
    tcase_add_test(t, those_before_the_interval_are_not_counted);
    tcase_add_test(t, one_that_was_not_allowed_is_not_counted);
    tcase_add_test(t, each_in_a_row_waits_twice_as_long);
    tcase_add_test(t, no_delay_is_outside_of_its_bounds);
    tcase_add_test(t, the_first_is_spread_too);
    tcase_add_test(t, one_duration_is_not_spread_and_does_not_grow);
    tcase_add_test(t, no_delay_at_all_is_none);
    tcase_add_test(t, who_ran_well_for_the_interval_begins_anew);
    tcase_add_test(t, recent_ones_are_those_of_the_interval);
    suite_add_tcase(s, t);
    return s;
}
