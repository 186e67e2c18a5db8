/* SPDX-License-Identifier: MPL-2.0 */
/* Programs in a cancelled scope, under their bridge. Decision: each is a shell script that says in its exit status what
 * it met, a signal, an end of file or neither, for nothing else tells the three apart from outside; and it is told when
 * it is ready by a line of its own. */
#include "expect.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *cancel_program_suite(void);

static csp_chan in, out;

static void begin(void)
{
    in = make(8);
    out = make(8);
}

static void stop(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static csp_time late(void)
{
    return csp_in(100000);
}

/* No grace ends before these tests do. */
static void enter(csp_time by)
{
    ck_assert_msg(csp_scope(by) == 0, "csp_scope: %s", csp_errmsg());
    ASSERT_OK(csp_scope_grace(600000));
}

static void leave(int how, int code)
{
    csp_exit first = {-1, -1};
    ck_assert_msg(csp_scope_leave(&first) == 0, "csp_scope_leave: %s", csp_errmsg());
    ck_assert_msg(first.how == how && first.code == code, "first: how %d, code %d", first.how, first.code);
}

static csp_proc run(const char *script, csp_chan from, csp_chan to)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    csp_proc p = csp_spawn(argv, from, to);
    ck_assert_msg(p > 0, "csp_spawn: %s", csp_errmsg());
    return p;
}

/* Until the program has said that it is ready. */
static csp_proc run_until_ready(const char *script, csp_chan from)
{
    char line[16] = "";
    csp_proc p = run(script, from, out);
    ck_assert_int_eq(csp_recv(out, line, sizeof line, late()), 5);
    ck_assert_int_eq(memcmp(line, "ready", 5), 0);
    return p;
}

static void until_ended(csp_proc p, int how, int code)
{
    csp_exit why = {-1, -1};
    ASSERT_OK(csp_shield(1));
    ck_assert_msg(csp_wait(p, &why, late()) == 0, "csp_wait: %s", csp_errmsg());
    ck_assert_msg(why.how == how && why.code == code, "ended with how %d, code %d", why.how, why.code);
    ASSERT_OK(csp_shield(0));
}

/* A shell waits for its child before it heeds a trap: so none of these has one that lasts. */
#define IDLE "while :; do sleep 0.01; done"

START_TEST(an_idle_program_gets_its_signal_at_once)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready("trap 'exit 0' TERM; echo ready; " IDLE, 0);
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CLEAN, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(a_program_that_its_signal_ends_was_cancelled)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready("echo ready; exec sleep 600", 0);
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CANCELLED, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(a_program_that_fails_when_it_gets_its_signal_was_cancelled)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready("trap 'exit 3' TERM; echo ready; " IDLE, 0);
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CANCELLED, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(the_deadline_ends_a_program_that_talks_to_nobody)
{
    enter(csp_in(2000)); /* long enough to start it before */
    csp_proc p = run("exec sleep 600", 0, 0);
    until_ended(p, CSP_DEADLINE, 0);
    leave(CSP_DEADLINE, 0);
}
END_TEST

/* Ends well if it gets its signal; that its input has ended it must not see. */
#define READS "trap 'exit 0' TERM; echo ready; while read line; do :; done; exit 4"

START_TEST(a_program_that_reads_gets_its_signal_and_no_end_of_file)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready(READS, in);
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CLEAN, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

static int send_and_fail(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_send(in, "line", 4, late()) == 0);
    return 5;
}

static const size_t capacities[] = {0, 8};

/* Its input was cut short as well: but it is of the scope that this has cancelled, and shall clean up. */
START_TEST(a_sibling_that_fails_while_it_sends_is_a_cancellation_for_who_reads)
{
    in = make(capacities[_i]);
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready(READS, in);
    go(send_and_fail, NULL);
    ASSERT_OK(csp_drop(in, CSP_SEND));
    until_ended(p, CSP_CLEAN, 0);
    leave(CSP_CODE, 5);
}
END_TEST

static int receive_and_fail(void *arg)
{
    char line[16];
    CHILD_ASSERT(csp_recv(*(csp_chan *)arg, line, sizeof line, late()) == 4);
    return 5;
}

/* Of a broken pipe it would die, and that is no cancellation. */
START_TEST(a_sibling_that_fails_while_it_receives_is_a_cancellation_for_who_writes)
{
    csp_chan c = make(capacities[_i]);
    enter(CSP_FOREVER);
    csp_proc p = run("trap 'exit 3' TERM; while echo line; do :; done", 0, c);
    go(receive_and_fail, &c);
    ASSERT_OK(csp_drop(c, CSP_RECV));
    until_ended(p, CSP_CANCELLED, 0);
    leave(CSP_CODE, 5);
}
END_TEST

static int give_up_receiving(void *arg)
{
    char line[16];
    while (csp_recv(out, line, sizeof line, late()) >= 0)
        ;
    CHILD_ASSERT(errno == ECANCELED);
    *(int *)arg = 1;
    return 0;
}

/* Its receiver ends in the same moment. */
START_TEST(a_program_that_writes_gets_its_signal_and_not_that_of_a_broken_pipe)
{
    int *gave_up = shared_memory(sizeof *gave_up);
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready("trap 'exit 3' TERM; trap 'exit 4' PIPE; echo ready; while :; do echo line; done", 0);
    csp_proc q = go(give_up_receiving, gave_up);
    ASSERT_OK(csp_drop(out, CSP_RECV));
    until_ended(run("exit 1", 0, 0), CSP_CODE, 1);
    until_ended(p, CSP_CANCELLED, 0);
    until_ended(q, CSP_CLEAN, 0);
    ck_assert_int_eq(*gave_up, 1);
    leave(CSP_CODE, 1);
}
END_TEST

/* What it still writes is given up, and it need not wait for room. */
START_TEST(output_that_is_given_up_is_no_clean_end)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready("trap 'yes | head -n 500000; exit 0' TERM; echo ready; " IDLE, 0);
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CANCELLED, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(a_program_that_ignores_its_signal_is_killed_after_the_grace)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready("trap '' TERM; echo ready; " IDLE, in);
    ASSERT_OK(csp_scope_grace(100));
    csp_time cancelled = csp_now();
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CANCELLED, 0);
    ck_assert_int_ge(csp_now() - cancelled, 200000000);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(what_a_program_left_behind_is_ended_too)
{
    enter(CSP_FOREVER);
    csp_proc p = run_until_ready(
        "(trap '' TERM; while kill -0 $$ 2>/dev/null; do sleep 0.01; done; echo ready; sleep 600) & exit 0", 0);
    ASSERT_OK(csp_scope_grace(3000)); /* the bridge has as long again to say that its program had ended well */
    ASSERT_OK(csp_scope_cancel());
    until_ended(p, CSP_CLEAN, 0);
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(a_program_that_had_ended_well_ended_well)
{
    enter(CSP_FOREVER);
    csp_proc p = run("exit 0", 0, 0);
    until_ended(p, CSP_CLEAN, 0);
    ASSERT_OK(csp_scope_cancel());
    leave(CSP_CANCELLED, 0);
}
END_TEST

START_TEST(one_program_is_cancelled_alone)
{
    csp_proc p = run_until_ready("trap 'exit 3' TERM; echo ready; " IDLE, 0);
    ASSERT_OK(csp_cancel(p));
    until_ended(p, CSP_CANCELLED, 0);
}
END_TEST

/* ---- the deadline that a program is told */

static void told(csp_time deadline)
{
    char line[64] = "", wanted[64] = "";
    if (deadline != CSP_FOREVER)
        snprintf(wanted, sizeof wanted, "%lld", (long long)deadline);
    csp_proc p = run("echo $CSP_DEADLINE", 0, out);
    ck_assert_int_ge(csp_recv(out, line, sizeof line - 1, late()), 0);
    ck_assert_str_eq(line, wanted);
    until_ended(p, CSP_CLEAN, 0);
}

START_TEST(a_program_is_told_the_nearest_deadline)
{
    csp_time far = csp_in(600000), near = csp_in(300000);
    told(CSP_FOREVER);
    enter(far);
    told(far);
    enter(near);
    told(near);
    leave(CSP_CLEAN, 0);
    leave(CSP_CLEAN, 0);
    told(CSP_FOREVER);
}
END_TEST

START_TEST(a_nearer_deadline_of_whoever_started_this_process_stays)
{
    csp_time far = csp_in(600000), near = csp_in(300000);
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)near);
    ck_assert_int_eq(setenv("CSP_DEADLINE", text, 1), 0);
    enter(far);
    told(near);
    leave(CSP_CLEAN, 0);
    unsetenv("CSP_DEADLINE");
}
END_TEST

Suite *cancel_program_suite(void)
{
    Suite *s = suite_create("cancel_program");
    TCase *tc = tcase_create("cancel_program");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, begin, stop);
    tcase_add_test(tc, an_idle_program_gets_its_signal_at_once);
    tcase_add_test(tc, a_program_that_its_signal_ends_was_cancelled);
    tcase_add_test(tc, a_program_that_fails_when_it_gets_its_signal_was_cancelled);
    tcase_add_test(tc, the_deadline_ends_a_program_that_talks_to_nobody);
    tcase_add_test(tc, a_program_that_reads_gets_its_signal_and_no_end_of_file);
    tcase_add_loop_test(tc, a_sibling_that_fails_while_it_sends_is_a_cancellation_for_who_reads, 0, 2);
    tcase_add_loop_test(tc, a_sibling_that_fails_while_it_receives_is_a_cancellation_for_who_writes, 0, 2);
    tcase_add_test(tc, a_program_that_writes_gets_its_signal_and_not_that_of_a_broken_pipe);
    tcase_add_test(tc, output_that_is_given_up_is_no_clean_end);
    tcase_add_test(tc, a_program_that_ignores_its_signal_is_killed_after_the_grace);
    tcase_add_test(tc, what_a_program_left_behind_is_ended_too);
    tcase_add_test(tc, a_program_that_had_ended_well_ended_well);
    tcase_add_test(tc, one_program_is_cancelled_alone);
    tcase_add_test(tc, a_program_is_told_the_nearest_deadline);
    tcase_add_test(tc, a_nearer_deadline_of_whoever_started_this_process_stays);
    suite_add_tcase(s, tc);
    return s;
}
