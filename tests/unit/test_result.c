/* SPDX-License-Identifier: MPL-2.0 */
/* What ended a run, and the exit status that follows. */
#include "../../cspctl/child.h"
#include "../../cspctl/result.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

Suite *result_suite(void);

enum { OURS = 1 };

/* How one process ended, and what the run's status is if nothing else happened. */
static const struct {
    const char *what;
    struct ending ending;
    bool failure;
    int status;
} single[] = {
    {"clean", {.why = {CSP_CLEAN, 0}}, false, 0},
    {"exit status", {.why = {CSP_CODE, 3}}, true, 3},
    {"signal", {.why = {CSP_SIGNAL, SIGKILL}}, true, 137},
    {"a crash", {.why = {CSP_SIGNAL, SIGSEGV}}, true, 139},
    {"nobody read on", {.why = {CSP_SIGNAL, SIGPIPE}}, false, 0},
    {"nobody read on, in the middle of its input", {.why = {CSP_SIGNAL, SIGPIPE}, .lost = 9}, false, 0},
    {"cut off, and nobody knows why", {.why = {CSP_CANCELLED, 0}}, false, 1},
    {"cut off by us", {.why = {CSP_CANCELLED, 0}, .ours = OURS}, false, 0},
    {"a victim that lost values", {.why = {CSP_CANCELLED, 0}, .lost = 7}, false, 1},
    {"told to end, and died of it", {.why = {CSP_SIGNAL, SIGTERM}, .ours = OURS}, false, 0},
    {"told to end, and made it an exit status", {.why = {CSP_CODE, 143}, .ours = OURS}, false, 0},
    {"killed by us", {.why = {CSP_SIGNAL, SIGKILL}, .ours = OURS}, false, 0},
    {"killed by somebody's TERM", {.why = {CSP_SIGNAL, SIGTERM}}, true, 143},
    {"a failure that lost values", {.why = {CSP_CODE, 2}, .lost = 7}, true, 2},
    {"clean, but values were given up", {.why = {CSP_CLEAN, 0}, .lost = 1}, false, 1},
    {"not found", {.why = {CSP_CODE, 127}}, true, 127},
};

START_TEST(one_process)
{
    struct result r = {0};
    bool failed = result_ended(&r, &single[_i].ending, "p");
    ck_assert_msg(failed == single[_i].failure, "%s", single[_i].what);
    ck_assert_msg(result_status(&r) == single[_i].status, "%s: %d", single[_i].what, result_status(&r));
}
END_TEST

static const struct {
    enum cause cause;
    int code, status;
} causes[] = {
    {CAUSE_NONE, 0, 0},          {CAUSE_SIGNAL, SIGINT, 130}, {CAUSE_SIGNAL, SIGTERM, 143},
    {CAUSE_SIGNAL, SIGHUP, 129}, {CAUSE_DEADLINE, 0, 124},    {CAUSE_BROKER, 0, 69},
    {CAUSE_SYSTEM, 71, 71},      {CAUSE_FAILURE, 5, 5},       {CAUSE_DEADLOCK, 2, 70},
};

START_TEST(one_cause)
{
    struct result r = {0};
    result_cause(&r, causes[_i].cause, causes[_i].code, NULL);
    ck_assert_int_eq(result_status(&r), causes[_i].status);
}
END_TEST

START_TEST(the_first_cause_stays)
{
    struct result r = {0};
    struct ending killed = {.why = {CSP_SIGNAL, SIGKILL}}, later = {.why = {CSP_CODE, 1}};

    ck_assert(result_ended(&r, &killed, "grep[2]"));
    ck_assert(result_ended(&r, &later, "sort"));
    result_cause(&r, CAUSE_SIGNAL, SIGINT, NULL);
    result_cause(&r, CAUSE_BROKER, 0, NULL);
    ck_assert_int_eq(result_status(&r), 137);
    ck_assert_str_eq(r.who, "grep[2]");
}
END_TEST

START_TEST(a_signal_stays_the_cause_of_what_follows_from_it)
{
    struct result r = {0};
    struct ending e = {.why = {CSP_CODE, 1}, .lost = 3};

    result_cause(&r, CAUSE_SIGNAL, SIGINT, NULL);
    result_ended(&r, &e, "p");
    ck_assert_int_eq(result_status(&r), 130);
    ck_assert_uint_eq(r.lost, 3);
}
END_TEST

START_TEST(losses_add_up)
{
    struct result r = {0};
    struct ending e = {.why = {CSP_CANCELLED, 0}, .lost = 700};

    result_ended(&r, &e, "a");
    e.lost = 6;
    result_ended(&r, &e, "b");
    ck_assert_uint_eq(r.lost, 706);
    ck_assert_int_eq(result_status(&r), 1);
}
END_TEST

START_TEST(exit_codes_that_are_a_success_are_declared)
{
    uint8_t success[32] = {[0] = 3, [31] = 0x80}; /* 0, 1 and 255 */
    siginfo_t info = {.si_code = CLD_EXITED};
    static const struct {
        int code, how;
    } codes[] = {{0, CSP_CLEAN}, {1, CSP_CLEAN}, {255, CSP_CLEAN}, {2, CSP_CODE}, {254, CSP_CODE}};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        info.si_status = codes[i].code;
        ck_assert_int_eq(ending_of(&info, success).how, codes[i].how);
    }
    info = (siginfo_t){.si_code = CLD_DUMPED};
    info.si_status = SIGABRT;
    ck_assert_int_eq(ending_of(&info, success).how, CSP_SIGNAL);
    ck_assert_int_eq(ending_of(&info, success).code, SIGABRT);
}
END_TEST

/* ---- what a bridge reports */

static struct child report(const char *line)
{
    struct child c = {.report = -1};
    char copy[256];

    (void)snprintf(copy, sizeof copy, "%s", line);
    child_report_line(&c, copy);
    return c;
}

START_TEST(a_bridge_reports_the_end)
{
    struct child c = report("ended signal 9 706 killed by signal 9 (Killed)");
    ck_assert(c.reported);
    ck_assert_int_eq(c.ending.why.how, CSP_SIGNAL);
    ck_assert_int_eq(c.ending.why.code, 9);
    ck_assert_uint_eq(c.ending.lost, 706);
    ck_assert_str_eq(c.why, "killed by signal 9 (Killed)");

    c = report("ended cancelled 0 12");
    ck_assert(c.reported);
    ck_assert_int_eq(c.ending.why.how, CSP_CANCELLED);
    ck_assert_uint_eq(c.ending.lost, 12);
    ck_assert_str_eq(c.why, "");
}
END_TEST

START_TEST(a_bridge_reports_a_failed_start)
{
    struct child c = report("error 2 gerp: No such file or directory");
    ck_assert(!c.reported);
    ck_assert_int_eq(c.start_error, 2);
    ck_assert_str_eq(c.why, "gerp: No such file or directory");
}
END_TEST

START_TEST(a_report_of_another_form_is_no_report)
{
    static const char *const lines[] = {"",           "ended", "ended clean", "ended clean 0", "ended sideways 0 0",
                                        "started 12", "error"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct child c = report(lines[i]);
        ck_assert_msg(!c.reported && c.start_error == 0, "%s", lines[i]);
    }
}
END_TEST

Suite *result_suite(void)
{
    Suite *s = suite_create("result");
    TCase *status = tcase_create("status"), *reports = tcase_create("reports");

    tcase_add_loop_test(status, one_process, 0, sizeof single / sizeof *single);
    tcase_add_loop_test(status, one_cause, 0, sizeof causes / sizeof *causes);
    tcase_add_test(status, the_first_cause_stays);
    tcase_add_test(status, a_signal_stays_the_cause_of_what_follows_from_it);
    tcase_add_test(status, losses_add_up);
    tcase_add_test(status, exit_codes_that_are_a_success_are_declared);
    suite_add_tcase(s, status);
    tcase_add_test(reports, a_bridge_reports_the_end);
    tcase_add_test(reports, a_bridge_reports_a_failed_start);
    tcase_add_test(reports, a_report_of_another_form_is_no_report);
    suite_add_tcase(s, reports);
    return s;
}
