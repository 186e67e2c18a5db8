/* SPDX-License-Identifier: MPL-2.0 */
/* Ctrl-C and its like: the first drains, the second kills, and a deadline ends. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TEST(ctrl_c_drains_from_source_to_sink)
{
    write_text(in_scratch("d.yaml"), "processes:\n"
                                     "  n: {command: 'i=0; while :; do i=$((i+1)); echo $i; done', stdout: numbers}\n"
                                     "  p: {command: [cat], stdin: numbers, stdout: passed}\n"
                                     "  l: {command: 'tail -n 1; echo done', stdin: passed}\n");
    struct running r = start("exec cspctl run %s", in_scratch("d.yaml"));
    wait_for_process("tail");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    assert_contains(&o.out, "done\n"); /* the sink came to its end of file */
    outcome_free(&o);
}

TEST(sigterm_drains_with_143)
{
    write_text(in_scratch("d.yaml"),
               "processes: {t: {command: [tail, -f, /dev/null], stdout: a}, c: {command: [cat], stdin: a}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("d.yaml"));
    wait_for_process("tail");
    kill(r.pid, SIGTERM);
    struct outcome o = finish(&r);
    assert_status(&o, 143);
    outcome_free(&o);
}

/* It is sent when all has ended, and what came of it is known, by one who sees that nobody is listened to any more.
 * That one is killed itself soon: five runs, so that in one of them at least it was in time. */
TEST(a_signal_that_comes_when_all_has_ended_changes_nothing)
{
    write_text(in_scratch("d.yaml"),
               "processes: {p: {command: 'root=$PPID; exec >%s 2>&1;\n"
               "    env -u CSP_RUN setsid sh -c \"cd %s; echo >up; while [ -S $CSP_RUN/control ]; do :; done;\n"
               "                                  kill -INT $root\" &\n"
               "    until [ -e %s ]; do sleep 0.01; done'}}\n",
               in_scratch("text"), scratch(), in_scratch("up"));
    for (int i = 0; i < 5; i++) {
        struct outcome o = sh("rm -f %s; exec cspctl run %s", in_scratch("up"), in_scratch("d.yaml"));
        assert_status(&o, 0);
        outcome_free(&o);
    }
}

/* In ns, between the two; of a program that ends in its own way if it is let. */
static long end_twice(int signal, bool *is_drained)
{
    write_text(in_scratch("d.yaml"), "processes: {p: {command: 'trap \"sleep 0.3; echo bye; exit 0\" TERM; echo up "
                                     ">&2; while :; do sleep 0.1; done'}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("d.yaml"));
    wait_for_output(&r, 1, "up");
    struct timespec first, last;
    clock_gettime(CLOCK_MONOTONIC, &first);
    kill(r.pid, signal);
    nanosleep(&(struct timespec){.tv_nsec = 8000000}, NULL); /* else they could be one before they are seen */
    kill(r.pid, signal);
    clock_gettime(CLOCK_MONOTONIC, &last);
    struct outcome o = finish(&r);
    assert_status(&o, 128 + signal);
    *is_drained = strstr(o.out.data, "bye") != NULL;
    outcome_free(&o);
    return (last.tv_sec - first.tv_sec) * 1000000000 + last.tv_nsec - first.tv_nsec;
}

/* As timeout(1) does: its child, and then its group. Where the test is held up in between they are two. */
TEST(a_signal_that_is_sent_twice_at_once_is_one)
{
    bool is_drained = false;
    int tries = 0;
    while (end_twice(SIGTERM, &is_drained) > 25000000)
        ck_assert_int_lt(++tries, 50);
    ck_assert(is_drained);
}

TEST(a_second_ctrl_c_kills_what_ignores_the_first)
{
    write_text(in_scratch("d.yaml"),
               "processes:\n"
               "  deaf: {command: 'trap \"\" TERM INT; echo ready >&2; while :; do tail -f /dev/null; done'}\n");
    struct running r = start("exec cspctl run %s", in_scratch("d.yaml"));
    wait_for_output(&r, 1, "ready");
    kill(r.pid, SIGINT);
    wait_for_output(&r, 1, "once more to kill");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

TEST(grace_ends_in_kill)
{
    write_text(
        in_scratch("d.yaml"),
        "processes:\n"
        "  deaf: {command: 'trap \"\" TERM; echo ready >&2; while :; do tail -f /dev/null; done', grace: 100ms}\n");
    struct running r = start("exec cspctl run %s", in_scratch("d.yaml"));
    wait_for_output(&r, 1, "ready");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

TEST(the_deadline_of_a_run_ends_it_with_124)
{
    write_text(in_scratch("d.yaml"), "deadline: 200ms\nprocesses: {t: {command: [tail, -f, /dev/null]}}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("d.yaml"));
    assert_status(&o, 124);
    assert_contains(&o.err, "deadline");
    outcome_free(&o);
}

TEST(the_first_failure_stops_the_run_with_its_status)
{
    write_text(in_scratch("d.yaml"), "processes:\n"
                                     "  t: {command: [tail, -f, /dev/null]}\n"
                                     "  f: {command: 'exit 7'}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("d.yaml"));
    assert_status(&o, 7);
    assert_contains(&o.err, "f");
    outcome_free(&o);
}

TEST(on_failure_continue_lets_the_others_end)
{
    write_text(in_scratch("d.yaml"), "on_failure: continue\n"
                                     "processes:\n"
                                     "  f: {command: 'exit 7'}\n"
                                     "  g: {command: 'for i in 1 2 3 4 5 6 7 8 9; do :; done; echo whole'}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("d.yaml"));
    assert_status(&o, 7);
    ck_assert_str_eq(o.out.data, "whole\n");
    outcome_free(&o);
}

TEST(success_says_which_exit_codes_are_clean)
{
    write_text(in_scratch("d.yaml"), "processes: {f: {command: 'exit 7', success: [0, 7]}}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("d.yaml"));
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_program_that_is_not_there_is_named_with_the_true_error)
{
    write_text(in_scratch("d.yaml"), "processes: {f: {command: [/no/such/program]}}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("d.yaml"));
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "/no/such/program");
    assert_contains(&o.err, "No such file or directory");
    outcome_free(&o);
}

TEST(a_pipeline_whose_output_is_closed_ends)
{
    write_text(in_scratch("y.yaml"), "processes: {y: {command: ['yes'], stdout: a}, c: {command: [cat], stdin: a}}\n");
    struct outcome o = sh("cspctl run %s | head -n 2", in_scratch("y.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "y\ny\n");
    outcome_free(&o);
}

TEST(log_lines_are_whole_and_prefixed)
{
    write_text(in_scratch("l.yaml"), "processes:\n"
                                     "  w: {command: 'for i in $(seq 200); do printf \"%%s \" $replica >&2; echo line "
                                     "$i >&2; done', replicas: 4}\n");
    struct outcome o =
        sh("cspctl run %s 2>&1 | grep -Evc '^w\\[[0-9]\\][ |:]+[0-9] line [0-9]+$'; cspctl run %s 2>&1 | wc -l",
           in_scratch("l.yaml"), in_scratch("l.yaml"));
    ck_assert_str_eq(o.out.data, "0\n800\n");
    outcome_free(&o);
}

SUITE_OF(signal)
