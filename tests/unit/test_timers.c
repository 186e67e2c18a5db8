/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's timers: held against an array that is searched. */
#include "../../broker/timer.h"

#include <check.h>
#include <stdlib.h>

Suite *timers_suite(void);

enum { COUNT = 300, SPAN = 1000 };

struct entry {
    struct timer timer; /* first: what is due is the entry */
    unsigned done;
};

static struct timers all;
static struct entry entries[COUNT];
static int64_t last;   /* time of what was done last */
static unsigned again; /* how often what is due is set once more, to a time that has come */

static void due(struct broker *b, struct timer *t)
{
    (void)b;
    struct entry *e = (struct entry *)(void *)t;
    ck_assert(!timer_is_set(t));
    ck_assert_int_ge(t->at, last);
    last = t->at;
    e->done++;
    if (again != 0) {
        again--;
        timer_set(&all, t, t->at, due);
    }
}

static int64_t earliest(void)
{
    int64_t at = INT64_MAX;
    for (unsigned i = 0; i < COUNT; i++)
        if (timer_is_set(&entries[i].timer) && entries[i].timer.at < at)
            at = entries[i].timer.at;
    return at;
}

START_TEST(whatever_is_set_and_unset_the_earliest_is_known)
{
    srand((unsigned)_i + 1);
    int64_t now = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct timer *t = &entries[rand() % COUNT].timer;
        if (rand() % 3 != 0)
            timer_set(&all, t, now + rand() % SPAN, due);
        else
            timer_stop(&all, t);
        ck_assert_int_eq(timer_next(&all), earliest());
        if (rand() % 50 == 0) {
            now += rand() % (SPAN / 4);
            timer_expire(&all, NULL, now);
            ck_assert_int_gt(timer_next(&all), now);
            ck_assert_int_eq(timer_next(&all), earliest());
        }
    }
}
END_TEST

START_TEST(each_that_is_due_is_done_once_and_no_other)
{
    for (unsigned i = 0; i < COUNT; i++)
        timer_set(&all, &entries[i].timer, (int64_t)(i * 7919 % COUNT), due);
    timer_expire(&all, NULL, 99);
    for (unsigned i = 0; i < COUNT; i++)
        ck_assert_uint_eq(entries[i].done, i * 7919 % COUNT <= 99);
}
END_TEST

START_TEST(what_is_due_may_be_set_again)
{
    again = 3;
    timer_set(&all, &entries[0].timer, 5, due);
    timer_expire(&all, NULL, 5);
    ck_assert_uint_eq(entries[0].done, 4);
    ck_assert_int_eq(timer_next(&all), INT64_MAX);
}
END_TEST

START_TEST(a_time_beyond_the_end_is_the_end)
{
    ck_assert_int_eq(timer_after(5, 7), 12);
    ck_assert_int_eq(timer_after(INT64_MAX - 1, 1), INT64_MAX);
    ck_assert_int_eq(timer_after(5, INT64_MAX), INT64_MAX);
}
END_TEST

Suite *timers_suite(void)
{
    Suite *s = suite_create("timers");
    TCase *t = tcase_create("timers");
    tcase_add_loop_test(t, whatever_is_set_and_unset_the_earliest_is_known, 0, 3);
    tcase_add_test(t, each_that_is_due_is_done_once_and_no_other);
    tcase_add_test(t, what_is_due_may_be_set_again);
    tcase_add_test(t, a_time_beyond_the_end_is_the_end);
    suite_add_tcase(s, t);
    return s;
}
