/* SPDX-License-Identifier: MPL-2.0 */
/* Scopes: who is in one, what ends it, and what is left of it. Decision: what a member did it writes into memory shared
 * with the test, for the reason with which it ends is what is tested; and no test measures less than it must. */
#include "expect.h"
#include "standing.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *scope_suite(void);

#define GRACE_MS 150
#define GRACE_NS (GRACE_MS * (csp_time)1000000)
#define LIFE_MS  1500L /* of a scope: long enough to start a process or two in it */

static struct notes {
    int went;       /* members that ran to their end */
    int heard[4];   /* errno of what they waited in */
    pid_t stranger; /* that a member forked */
    csp_time deadline, terminated;
} * notes;

static csp_chan c; /* nobody ever sends on it */

static void begin(void)
{
    notes = shared_memory(sizeof *notes);
    c = make(0);
}

static void stop(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static void enter(csp_time by)
{
    ck_assert_msg(csp_scope(by) == 0, "csp_scope: %s", csp_errmsg());
}

static void leave(int how, int code)
{
    csp_exit first = {-1, -1};
    ck_assert_msg(csp_scope_leave(&first) == 0, "csp_scope_leave: %s", csp_errmsg());
    ck_assert_msg(first.how == how && first.code == code, "first: how %d, code %d", first.how, first.code);
}

static void until(const int *value, int wanted)
{
    csp_time by = csp_in(20000);
    while (__atomic_load_n(value, __ATOMIC_SEQ_CST) != wanted)
        ck_assert_msg(csp_now() < by, "%d, not %d", *value, wanted);
}

/* ---- members */

/* Waits for what never comes; its place in `heard` is its number. Ends with that number. */
static int wait_for_ever(void *arg)
{
    char value;
    int number = arg != NULL ? *(int *)arg : 0;
    ssize_t n = csp_recv(c, &value, 1, CSP_FOREVER);
    notes->heard[number] = n < 0 ? errno : 0;
    return number;
}

static int exit_with(void *arg)
{
    return *(int *)arg;
}

static int die_by(void *arg)
{
    (void)raise(*(int *)arg);
    return 0;
}

static int end_soon(void *arg)
{
    (void)arg;
    csp_case pause = csp_on_time(csp_in(120));
    CHILD_ASSERT(csp_select(&pause, 1, CSP_FOREVER) == 0);
    __atomic_fetch_add(&notes->went, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* A member whose children outlive it. */
static int leave_children(void *arg)
{
    CHILD_ASSERT(csp_go(end_soon, NULL) > 0);
    CHILD_ASSERT(arg == NULL || csp_go(leave_children, NULL) > 0);
    __atomic_fetch_add(&notes->went, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* ---- leaving */

START_TEST(leaving_waits_for_all_members_grandchildren_too)
{
    enter(CSP_FOREVER);
    go(end_soon, NULL);
    go(leave_children, &c);
    leave(CSP_CLEAN, 0);
    ck_assert_int_eq(notes->went, 5);
}
END_TEST

START_TEST(leaving_reaps_what_was_started_here)
{
    enter(CSP_FOREVER);
    csp_proc p = go(end_soon, NULL);
    csp_proc q = go(end_soon, NULL);
    ended_well(q);
    leave(CSP_CLEAN, 0);
    ASSERT_ERRNO(csp_wait(p, NULL, CSP_NOW), ECHILD);
    ck_assert(waitpid(-1, NULL, WNOHANG | __WALL) <= 0);
}
END_TEST

START_TEST(leaving_reaps_nobody_else)
{
    csp_proc before = go(end_soon, NULL);
    enter(CSP_FOREVER);
    csp_proc inside = go(end_soon, NULL);
    enter(CSP_FOREVER);
    go(end_soon, NULL);
    leave(CSP_CLEAN, 0);
    ended_well(inside);
    leave(CSP_CLEAN, 0);
    ended_well(before);
}
END_TEST

START_TEST(an_empty_scope_is_left_at_once)
{
    enter(CSP_FOREVER);
    enter(csp_in(600000));
    leave(CSP_CLEAN, 0);
    ASSERT_OK(csp_scope_leave(NULL));
    ASSERT_ERRNO(csp_scope_leave(NULL), EINVAL);
}
END_TEST

START_TEST(no_cancellation_ends_the_wait_for_members)
{
    enter(csp_in(LIFE_MS));
    enter(CSP_FOREVER);
    csp_proc p = go(wait_for_ever, NULL);
    leave(CSP_DEADLINE, 0);
    ASSERT_ERRNO(csp_wait(p, NULL, CSP_NOW), ECHILD);
    leave(CSP_DEADLINE, 0);
    ck_assert_int_eq(notes->heard[0], ECANCELED);
}
END_TEST

START_TEST(what_needs_a_scope_is_refused_outside_of_one)
{
    ASSERT_ERRNO(csp_scope_leave(NULL), EINVAL);
    ASSERT_ERRNO(csp_scope_cancel(), EINVAL);
    ASSERT_ERRNO(csp_scope_grace(10), EINVAL);
    ASSERT_ERRNO(csp_scope(CSP_NOW), EINVAL);
    enter(CSP_FOREVER);
    ASSERT_ERRNO(csp_scope_grace(-1), EINVAL);
    leave(CSP_CLEAN, 0);
}
END_TEST

/* Its member waits for who leaves it, and who leaves it for its member. */
START_TEST(who_can_never_leave_hears_of_the_deadlock_and_is_still_in_it)
{
    enter(CSP_FOREVER);
    csp_proc p = go(wait_for_ever, NULL);
    ASSERT_ERRNO(csp_scope_leave(NULL), EDEADLK);
    ended_well(p);
    ck_assert_int_eq(notes->heard[0], EDEADLK);
    ASSERT_OK(csp_scope_cancel());
    leave(CSP_CANCELLED, 0);
    ASSERT_ERRNO(csp_scope_leave(NULL), EINVAL);
}
END_TEST

/* ---- what cancels it */

START_TEST(the_first_failure_cancels_its_siblings)
{
    int seven = 7, one = 1, two = 2;
    enter(CSP_FOREVER);
    csp_proc p[] = {go(wait_for_ever, &one), go(wait_for_ever, &two)};
    until_waiting(p[0]);
    until_waiting(p[1]);
    go(exit_with, &seven);
    leave(CSP_CODE, 7);
    ck_assert_int_eq(notes->heard[1], ECANCELED);
    ck_assert_int_eq(notes->heard[2], ECANCELED);
}
END_TEST

START_TEST(a_death_by_signal_is_a_failure)
{
    int sig = SIGABRT;
    enter(CSP_FOREVER);
    go(wait_for_ever, NULL);
    go(die_by, &sig);
    leave(CSP_SIGNAL, SIGABRT);
    ck_assert_int_eq(notes->heard[0], ECANCELED);
}
END_TEST

START_TEST(who_ends_well_cancels_nobody)
{
    int zero = 0;
    enter(CSP_FOREVER);
    csp_proc p = go(wait_for_ever, NULL);
    ended_well(go(exit_with, &zero));
    until_waiting(p);
    ck_assert_int_eq(notes->heard[0], 0);
    ASSERT_OK(csp_scope_cancel());
    leave(CSP_CANCELLED, 0);
    ck_assert_int_eq(notes->heard[0], ECANCELED);
}
END_TEST

START_TEST(the_deadline_cancels_it)
{
    char value;
    csp_time by = csp_in(LIFE_MS);
    enter(by);
    go(wait_for_ever, NULL);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_FOREVER), ECANCELED);
    ck_assert_int_ge(csp_now(), by);
    leave(CSP_DEADLINE, 0);
    ck_assert_int_eq(notes->heard[0], ECANCELED);
}
END_TEST

START_TEST(a_deadline_that_has_passed_cancels_it_at_once)
{
    char value;
    enter(1);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_FOREVER), ECANCELED);
    leave(CSP_DEADLINE, 0);
}
END_TEST

START_TEST(the_first_reason_stays)
{
    int three = 3;
    char value;
    csp_time by = csp_in(LIFE_MS);
    enter(by);
    ASSERT_OK(csp_scope_cancel());
    ASSERT_OK(csp_scope_cancel());
    ASSERT_OK(csp_shield(1));
    ASSERT_ERRNO(csp_recv(c, &value, 1, by + 1000000), ETIMEDOUT);
    ASSERT_OK(csp_shield(0));
    leave(CSP_CANCELLED, 0);
    enter(CSP_FOREVER);
    csp_proc p = go(wait_for_ever, &three);
    until_waiting(p);
    ASSERT_OK(csp_scope_cancel());
    leave(CSP_CANCELLED, 0);
}
END_TEST

/* ---- one in another */

START_TEST(the_inner_deadline_leaves_the_outer_scope_alone)
{
    char value;
    int one = 1;
    enter(CSP_FOREVER);
    csp_proc p = go(wait_for_ever, NULL);
    enter(csp_in(LIFE_MS));
    go(wait_for_ever, &one);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_FOREVER), ECANCELED);
    leave(CSP_DEADLINE, 0);
    ck_assert_int_eq(notes->heard[1], ECANCELED);
    until_waiting(p);
    ASSERT_ERRNO(csp_recv(c, &value, 1, csp_in(1)), ETIMEDOUT);
    ASSERT_OK(csp_scope_cancel());
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(the_outer_deadline_cancels_the_inner_scopes)
{
    char value;
    int one = 1;
    enter(csp_in(2 * LIFE_MS));
    go(wait_for_ever, NULL);
    enter(csp_in(600000));
    enter(CSP_FOREVER);
    go(wait_for_ever, &one);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_FOREVER), ECANCELED);
    for (int i = 0; i < 3; i++)
        leave(CSP_DEADLINE, 0);
    ck_assert_int_eq(notes->heard[0], ECANCELED);
    ck_assert_int_eq(notes->heard[1], ECANCELED);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
}
END_TEST

START_TEST(a_scope_entered_in_a_cancelled_one_is_cancelled)
{
    char value;
    enter(CSP_FOREVER);
    ASSERT_OK(csp_scope_cancel());
    enter(CSP_FOREVER);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), ECANCELED);
    ASSERT_ERRNO(csp_go(exit_with, &notes->went), ECANCELED);
    leave(CSP_CANCELLED, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

static int enter_and_wait(void *arg)
{
    int one = 1;
    (void)arg;
    CHILD_ASSERT(csp_scope(CSP_FOREVER) == 0);
    CHILD_ASSERT(csp_go(wait_for_ever, &one) > 0);
    csp_exit first;
    CHILD_ASSERT(csp_scope_leave(&first) == 0 && first.how == CSP_CANCELLED);
    return 0;
}

START_TEST(a_member_s_own_scope_is_cancelled_with_it)
{
    enter(CSP_FOREVER);
    csp_proc p = go(enter_and_wait, NULL);
    until_waiting(p);
    ASSERT_OK(csp_scope_cancel());
    ASSERT_OK(csp_shield(1));
    ended_well(p);
    ASSERT_OK(csp_shield(0));
    leave(CSP_CANCELLED, 0);
    ck_assert_int_eq(notes->heard[1], ECANCELED);
}
END_TEST

static int enter_and_die(void *arg)
{
    csp_proc p;
    (void)arg;
    CHILD_ASSERT(csp_scope(CSP_FOREVER) == 0);
    CHILD_ASSERT((p = csp_go(wait_for_ever, NULL)) > 0);
    while (!is_in_state(p, "waiting"))
        ;
    (void)raise(SIGKILL);
    return 0;
}

START_TEST(the_scope_of_a_dead_process_is_cancelled)
{
    csp_proc p = go(enter_and_die, NULL);
    ended(p, CSP_SIGNAL, SIGKILL);
    until(&notes->heard[0], ECANCELED);
}
END_TEST

/* ---- who does not heed it */

/* Does not call, and so hears of nothing but signals. */
static int ignore_all(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&notes->went, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return 0;
}

static int ignore_term(void *arg)
{
    (void)signal(SIGTERM, SIG_IGN);
    return ignore_all(arg);
}

static csp_proc go_until_there(int (*fn)(void *))
{
    csp_proc p = go(fn, NULL);
    until(&notes->went, 1);
    return p;
}

static csp_time cancel_with_grace(csp_time grace_ms)
{
    ASSERT_OK(csp_scope_grace(grace_ms));
    csp_time now = csp_now();
    ASSERT_OK(csp_scope_cancel());
    ASSERT_OK(csp_shield(1));
    return now;
}

START_TEST(a_member_that_ignores_cancellation_is_terminated_after_the_grace)
{
    enter(CSP_FOREVER);
    csp_proc p = go_until_there(ignore_all);
    csp_time begin = cancel_with_grace(GRACE_MS);
    ended(p, CSP_CANCELLED, 0);
    ck_assert_int_ge(csp_now() - begin, GRACE_NS);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(a_member_that_ignores_that_too_is_killed)
{
    enter(CSP_FOREVER);
    csp_proc p = go_until_there(ignore_term);
    csp_time begin = cancel_with_grace(GRACE_MS);
    ended(p, CSP_CANCELLED, 0);
    ck_assert_int_ge(csp_now() - begin, 2 * GRACE_NS);
    leave(CSP_CANCELLED, 0);
}
END_TEST

/* Of its group, but nobody that the run knows. */
static int with_a_stranger(void *arg)
{
    (void)signal(SIGTERM, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    notes->stranger = pid;
    return ignore_all(arg);
}

START_TEST(its_process_group_goes_with_it)
{
    enter(CSP_FOREVER);
    csp_proc p = go_until_there(with_a_stranger);
    (void)cancel_with_grace(GRACE_MS);
    ended(p, CSP_CANCELLED, 0);
    csp_time by = csp_in(20000);
    ck_assert_int_gt(notes->stranger, 0);
    while (!is_dead(notes->stranger))
        ck_assert_int_lt(csp_now(), by);
    leave(CSP_CANCELLED, 0);
}
END_TEST

static int catch_term_and_exit(void *arg)
{
    sigset_t set;
    int sig;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    __atomic_fetch_add(&notes->went, 1, __ATOMIC_SEQ_CST);
    CHILD_ASSERT(sigwait(&set, &sig) == 0);
    return *(int *)arg;
}

static const struct {
    int status, how;
} ends[] = {{0, CSP_CLEAN}, {3, CSP_CANCELLED}};

START_TEST(how_a_cancelled_member_ended_is_said)
{
    int status = ends[_i].status;
    enter(CSP_FOREVER);
    csp_proc p = go(catch_term_and_exit, &status);
    until(&notes->went, 1);
    (void)cancel_with_grace(600000); /* so that nothing kills it before it has ended by this signal: */
    ck_assert_int_eq(kill(pid_of(p), SIGTERM), 0);
    ended(p, ends[_i].how, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

static int crash_when_cancelled(void *arg)
{
    (void)wait_for_ever(NULL);
    return die_by(arg);
}

START_TEST(a_crash_after_the_cancellation_is_a_crash)
{
    int sig = SIGSEGV;
    enter(CSP_FOREVER);
    csp_proc p = go(crash_when_cancelled, &sig);
    (void)cancel_with_grace(600000);
    ended(p, CSP_SIGNAL, SIGSEGV);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(a_member_that_the_deadline_ended_says_so)
{
    int two = 2;
    enter(csp_in(LIFE_MS));
    csp_proc p = go(wait_for_ever, &two);
    ASSERT_OK(csp_shield(1));
    ended(p, CSP_DEADLINE, 0);
    leave(CSP_DEADLINE, 0);
}
END_TEST

START_TEST(no_grace_is_an_end_at_once)
{
    enter(CSP_FOREVER);
    ASSERT_OK(csp_scope_grace(0));
    go_until_there(ignore_term);
    ASSERT_OK(csp_scope_cancel());
    leave(CSP_CANCELLED, 0);
}
END_TEST

/* ---- deadlines */

static int note_deadline(void *arg)
{
    csp_time by = *(csp_time *)arg;
    notes->deadline = csp_deadline();
    CHILD_ASSERT(csp_scope(by) == 0);
    CHILD_ASSERT(csp_deadline() == (by < notes->deadline ? by : notes->deadline));
    CHILD_ASSERT(csp_scope_leave(NULL) == 0);
    CHILD_ASSERT(csp_deadline() == notes->deadline);
    return 0;
}

START_TEST(the_nearest_deadline_is_known_here_and_to_children)
{
    csp_time near = csp_in(400000), far = csp_in(600000), nearer = csp_in(200000);
    ck_assert_int_eq(csp_deadline(), CSP_FOREVER);
    enter(near);
    enter(far);
    ck_assert_int_eq(csp_deadline(), near);
    go(note_deadline, &nearer);
    leave(CSP_CLEAN, 0);
    ck_assert_int_eq(notes->deadline, near);
    go(note_deadline, &far);
    leave(CSP_CLEAN, 0);
    ck_assert_int_eq(csp_deadline(), CSP_FOREVER);
}
END_TEST

static void *deadline_of_a_thread(void *arg)
{
    *(csp_time *)arg = csp_deadline();
    return NULL;
}

static int note_that_of_a_thread(void *arg)
{
    pthread_t thread;
    (void)arg;
    CHILD_ASSERT(pthread_create(&thread, NULL, deadline_of_a_thread, &notes->deadline) == 0);
    return pthread_join(thread, NULL);
}

START_TEST(a_thread_has_the_deadline_of_its_process)
{
    csp_time by = csp_in(400000);
    enter(by);
    go(note_that_of_a_thread, NULL);
    leave(CSP_CLEAN, 0);
    ck_assert_int_eq(notes->deadline, by);
}
END_TEST

START_TEST(a_process_without_a_run_has_no_deadline_and_begins_none)
{
    ASSERT_OK(csp_term());
    ck_assert_int_eq(csp_deadline(), CSP_FOREVER);
    ck_assert_ptr_null(csp__dir());
}
END_TEST

/* ---- threads */

static pthread_barrier_t both;

/* Enters a scope, and its calls end when it is cancelled, or else at their own deadline. */
static void *in_a_scope_of_its_own(void *arg)
{
    int cancels = arg != NULL;
    char value;
    enter(CSP_FOREVER);
    pthread_barrier_wait(&both);
    if (cancels)
        ASSERT_OK(csp_scope_cancel());
    pthread_barrier_wait(&both);
    ASSERT_ERRNO(csp_recv(c, &value, 1, csp_in(50)), cancels ? ECANCELED : ETIMEDOUT);
    leave(cancels ? CSP_CANCELLED : CSP_CLEAN, 0);
    return NULL;
}

START_TEST(each_thread_has_scopes_of_its_own)
{
    pthread_t threads[2];
    char value;
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, in_a_scope_of_its_own, i == 0 ? &both : NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN);
}
END_TEST

static void *enter_and_go_away(void *arg)
{
    static char *sleeper[] = {"sleep", "600", NULL};
    enter(CSP_FOREVER);
    ASSERT_OK(*(csp_proc *)arg = csp_spawn(sleeper, 0, 0));
    return NULL;
}

START_TEST(the_scope_of_a_thread_that_ended_is_cancelled)
{
    pthread_t thread;
    csp_proc p;
    ck_assert_int_eq(pthread_create(&thread, NULL, enter_and_go_away, &p), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    csp_exit why;
    ASSERT_OK(csp_wait(p, &why, csp_in(20000)));
    ck_assert_int_eq(why.how, CSP_CANCELLED);
}
END_TEST

START_TEST(a_program_that_was_spawned_in_a_scope_has_its_deadline)
{
    char text[32];
    csp_time outer = csp_in(60000);
    (void)snprintf(text, sizeof text, "%lld", (long long)outer);
    ck_assert_int_eq(setenv("CSP_DEADLINE", text, 1), 0);
    ck_assert_int_eq(csp_deadline(), outer);
    enter(csp_in(120000));
    ck_assert_int_eq(csp_deadline(), outer);
    leave(CSP_CLEAN, 0);
    csp_time inner = csp_in(30000);
    enter(inner);
    ck_assert_int_eq(csp_deadline(), inner);
    leave(CSP_CLEAN, 0);
    unsetenv("CSP_DEADLINE");
}
END_TEST

Suite *scope_suite(void)
{
    Suite *s = suite_create("scope");
    TCase *tc = tcase_create("scope");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, begin, stop);
    tcase_add_test(tc, a_program_that_was_spawned_in_a_scope_has_its_deadline);
    tcase_add_test(tc, leaving_waits_for_all_members_grandchildren_too);
    tcase_add_test(tc, leaving_reaps_what_was_started_here);
    tcase_add_test(tc, leaving_reaps_nobody_else);
    tcase_add_test(tc, an_empty_scope_is_left_at_once);
    tcase_add_test(tc, no_cancellation_ends_the_wait_for_members);
    tcase_add_test(tc, what_needs_a_scope_is_refused_outside_of_one);
    tcase_add_test(tc, who_can_never_leave_hears_of_the_deadlock_and_is_still_in_it);
    tcase_add_test(tc, the_first_failure_cancels_its_siblings);
    tcase_add_test(tc, a_death_by_signal_is_a_failure);
    tcase_add_test(tc, who_ends_well_cancels_nobody);
    tcase_add_test(tc, the_deadline_cancels_it);
    tcase_add_test(tc, a_deadline_that_has_passed_cancels_it_at_once);
    tcase_add_test(tc, the_first_reason_stays);
    tcase_add_test(tc, the_inner_deadline_leaves_the_outer_scope_alone);
    tcase_add_test(tc, the_outer_deadline_cancels_the_inner_scopes);
    tcase_add_test(tc, a_scope_entered_in_a_cancelled_one_is_cancelled);
    tcase_add_test(tc, a_member_s_own_scope_is_cancelled_with_it);
    tcase_add_test(tc, the_scope_of_a_dead_process_is_cancelled);
    tcase_add_test(tc, a_member_that_ignores_cancellation_is_terminated_after_the_grace);
    tcase_add_test(tc, a_member_that_ignores_that_too_is_killed);
    tcase_add_test(tc, its_process_group_goes_with_it);
    tcase_add_loop_test(tc, how_a_cancelled_member_ended_is_said, 0, sizeof ends / sizeof *ends);
    tcase_add_test(tc, a_crash_after_the_cancellation_is_a_crash);
    tcase_add_test(tc, a_member_that_the_deadline_ended_says_so);
    tcase_add_test(tc, no_grace_is_an_end_at_once);
    tcase_add_test(tc, the_nearest_deadline_is_known_here_and_to_children);
    tcase_add_test(tc, a_thread_has_the_deadline_of_its_process);
    tcase_add_test(tc, a_process_without_a_run_has_no_deadline_and_begins_none);
    tcase_add_test(tc, each_thread_has_scopes_of_its_own);
    tcase_add_test(tc, the_scope_of_a_thread_that_ended_is_cancelled);
    suite_add_tcase(s, tc);
    return s;
}
