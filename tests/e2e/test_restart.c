/* SPDX-License-Identifier: MPL-2.0 */
/* Processes that are started again: when, how often, and that what flows through the run does not notice. Times are
 * looked at as least times only, and what a test counts is what the programs themselves wrote down. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct outcome run_file(const char *text)
{
    write_text(in_scratch("r.yaml"), "%s", text);
    return sh("cd %s && cspctl run r.yaml", scratch());
}

static size_t lines_in(const struct text *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->len; i++)
        n += t->data[i] == '\n';
    return n;
}

/* How many lines of a file in the scratch directory. */
static size_t lines_of(const char *name)
{
    struct text t = read_file(in_scratch("%s", name));
    size_t n = lines_in(&t);
    free(t.data);
    return n;
}

/* ---- policies */

TEST(never_is_never)
{
    struct outcome o = run_file("processes: {p: {command: 'echo x; exit 3', restart: never}}\n");
    assert_status(&o, 3);
    ck_assert_str_eq(o.out.data, "x\n");
    outcome_free(&o);
}

TEST(on_failure_is_after_a_failure)
{
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'echo x >> n; [ $(wc -l < n) -ge 3 ]', restart: {delay: 10ms}}\n");
    assert_status(&o, 0);
    ck_assert_uint_eq(lines_of("n"), 3);
    assert_contains(&o.err, "p: exit status 1: restarted in ");
    assert_contains(&o.err, "(2 of at most 5 within 1m)");
    outcome_free(&o);
}

TEST(on_failure_is_after_a_signal)
{
    struct outcome o =
        run_file("processes:\n"
                 "  p: {command: 'echo x >> n; [ $(wc -l < n) -ge 2 ] || kill -9 $$', restart: {delay: 10ms}}\n");
    assert_status(&o, 0);
    ck_assert_uint_eq(lines_of("n"), 2);
    outcome_free(&o);
}

TEST(on_failure_is_not_after_a_success)
{
    struct outcome o = run_file("processes: {p: {command: 'echo x; exit 7', success: 7, restart: on-failure}}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "x\n");
    outcome_free(&o);
}

TEST(always_is_after_a_success_too)
{
    struct outcome o =
        run_file("processes: {p: {command: 'echo x', restart: {when: always, attempts: 3, delay: 10ms}}}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "x\nx\nx\nx\n");
    assert_contains(&o.err, "p: restarted 3 times within 1m, and not again");
    outcome_free(&o);
}

TEST(a_spent_budget_is_the_last_failure)
{
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'echo x; exit 3', restart: {attempts: 4, delay: 1ms}}\n"
                                "  q: {command: [tail, -f, /dev/null]}\n");
    assert_status(&o, 3);
    ck_assert_uint_eq(lines_in(&o.out), 5);
    assert_contains(&o.err, "p: exit status 3: restarted 4 times within 1m, and not again");
    assert_contains(&o.err, "p failed, and ended it: status 3");
    outcome_free(&o);
}

TEST(a_budget_of_one_restart_is_one_time)
{
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'exit 3', restart: {attempts: 1, delay: 1ms}}\n");
    assert_status(&o, 3);
    assert_contains(&o.err, "p: exit status 3: restarted 1 time within 1m, and not again");
    outcome_free(&o);
}

TEST(with_continue_the_others_go_on_after_the_last_failure)
{
    struct outcome o = run_file("on_failure: continue\n"
                                "processes:\n"
                                "  p: {command: 'exit 3', restart: {attempts: 2, delay: 1ms}, stdout: a}\n"
                                "  q: {command: 'while [ ! -e go ]; do sleep 0.01; done; echo on'}\n"
                                "  r: {command: 'cat; touch go', stdin: b}\n"
                                "  s: {command: 'echo s', stdout: b}\n"
                                "  t: {command: [cat], stdin: a}\n");
    assert_status(&o, 3);
    assert_contains(&o.out, "on\n");
    outcome_free(&o);
}

TEST(a_budget_is_for_an_interval)
{
    /* Each lives longer than the interval: however often it fails, it is within its budget. */
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'echo x >> n; sleep 0.03; [ $(wc -l < n) -ge 8 ]',\n"
                                "      restart: {attempts: 2, within: 20ms, delay: [1ms, 1s]}}\n");
    assert_status(&o, 0);
    ck_assert_uint_eq(lines_of("n"), 8);
    outcome_free(&o);
}

TEST(restarts_wait_and_wait_longer)
{
    /* At least 40 + 80 + 160 ms lie between the first start and the fourth. */
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'date +%s%N; exit 1', restart: {attempts: 3, delay: [40ms, 10s]}}\n");
    long long at[4] = {0};
    assert_status(&o, 1);
    ck_assert_int_eq(sscanf(o.out.data, "%lld %lld %lld %lld", &at[0], &at[1], &at[2], &at[3]), 4);
    ck_assert_int_ge(at[1] - at[0], 40000000);
    ck_assert_int_ge(at[2] - at[1], 80000000);
    ck_assert_int_ge(at[3] - at[2], 160000000);
    outcome_free(&o);
}

TEST(a_program_that_is_not_there_is_not_tried_again)
{
    struct outcome o = run_file("processes: {p: {command: [./absent], restart: {attempts: 1000, delay: 1h}}}\n");
    assert_status(&o, 127);
    outcome_free(&o);
}

TEST(a_bridged_program_that_is_not_there_is_not_tried_again)
{
    struct outcome o = run_file("processes:\n"
                                "  p: {command: [./absent], stdout: c, restart: {attempts: 1000, delay: 1h}}\n"
                                "  q: {command: [cat], stdin: c}\n");
    assert_status(&o, 127);
    outcome_free(&o);
}

TEST(each_replica_has_a_budget_of_its_own)
{
    struct outcome o = run_file("on_failure: continue\n"
                                "processes: {p: {command: 'echo $replica; exit $((replica - 1))', replicas: 3,\n"
                                "                restart: {attempts: 2, delay: 1ms}}}\n");
    ck_assert_int_ne(o.status, 0);
    ck_assert_uint_eq(lines_in(&o.out), 1 + 3 + 3);
    outcome_free(&o);
}

/* ---- what flows through the run */

TEST(a_source_that_is_restarted_does_not_end_its_channel)
{
    struct outcome o =
        run_file("processes:\n"
                 "  p: {command: 'echo $$ >> n; wc -l < n; [ $(wc -l < n) -ge 4 ]', stdout: c, restart: {delay: 5ms}}\n"
                 "  q: {command: [sort, -r], stdin: c}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "4\n3\n2\n1\n");
    outcome_free(&o);
}

TEST(the_last_failure_of_a_source_is_no_end_of_its_channel)
{
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'echo x; exit 3', stdout: c, restart: {attempts: 2, delay: 5ms}}\n"
                                "  q: {command: [sort], stdin: c}\n");
    assert_status(&o, 3);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(a_sink_that_is_restarted_does_not_break_its_channel)
{
    struct outcome o =
        run_file("processes:\n"
                 "  p: {command: 'while [ $(cat n 2>/dev/null | wc -l) -lt 4 ]; do echo x; sleep 0.01; done; echo p',\n"
                 "      stdout: c}\n"
                 "  q: {command: 'read x; echo $x >> n; [ $(wc -l < n) -ge 4 ] || exit 1; grep p', stdin: c,\n"
                 "      restart: {delay: 5ms}}\n");
    assert_status(&o, 1); /* what was in the pipe of each is lost */
    ck_assert_str_eq(o.out.data, "p\n");
    assert_contains(&o.err, "lost");
    outcome_free(&o);
}

TEST(always_takes_a_channel_to_its_end_and_not_further)
{
    /* `head` leaves the rest of what it was given in its pipe: one line at a time is given by a rendezvous. */
    struct outcome o = run_file("channels: {c: {capacity: 0}}\n"
                                "processes:\n"
                                "  p: {command: 'for i in 1 2 3; do echo $i; done', stdout: c}\n"
                                "  q: {command: 'cat > last; cat last', stdin: c,\n"
                                "      restart: {when: always, attempts: 1000, delay: 1ms}}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "1\n2\n3\n");
    outcome_free(&o);
}

TEST(a_failure_when_all_was_read_is_no_success_of_the_next)
{
    /* A second one would find an empty input, and print that as the result. */
    struct outcome o = run_file("processes:\n"
                                "  p: {command: [seq, 10], stdout: c}\n"
                                "  q: {command: 'cat > all; [ -e again ] || exit 4; wc -l < all', stdin: c,\n"
                                "      restart: {attempts: 1000, delay: 1ms}}\n");
    assert_status(&o, 4);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(always_ends_when_nobody_is_left_to_hear_it)
{
    struct outcome o =
        run_file("processes:\n"
                 "  p: {command: [yes], stdout: c, restart: {when: always, attempts: 1000, delay: 1ms}}\n"
                 "  q: {command: [head, -n, '3'], stdin: c}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "y\ny\ny\n");
    outcome_free(&o);
}

/* ---- deaths */

/* A copy of a program by another name, so that just this one is killed. */
static void copy_program(const char *of, const char *name)
{
    struct outcome o = sh("cp $(command -v %s) %s", of, in_scratch("%s", name));
    assert_status(&o, 0);
    outcome_free(&o);
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        (void)!fscanf(f, "%*d (%*[^)]) %*c %d", &parent);
        fclose(f);
    }
    return parent;
}

/* The next incarnation of the program that had this pid (0: none had). */
static pid_t next_of(const char *comm, pid_t last)
{
    struct timespec pause = {.tv_nsec = 5000000};
    pid_t pid;
    for (int i = 0; i < PATIENCE / 5; i++) {
        if (processes_named(comm, &pid, 1) == 1 && pid != last && parent_of(pid) > 1)
            return pid;
        nanosleep(&pause, NULL);
    }
    ck_abort_msg("%s was not started again", comm);
}

static const char chain[] =
    "processes:\n"
    "  gen: {command: 'i=0; while [ ! -e stop ]; do i=$((i+1)); echo $i; [ $((i % 100)) != 0 ] || sleep"
    " 0.01; done', stdout: a}\n"
    "  pass: {command: [./relay], stdin: a, stdout: b,\n"
    "         restart: {attempts: 1000, delay: 1ms}}\n"
    "  out: {command: 'cat > out', stdin: b}\n";

/* n times, at moments that differ, the program or its bridge is killed. What comes out is in order, without a double,
 * up to the last value. */
static void kill_again_and_again(int n, bool bridge)
{
    pid_t last = 0;
    write_text(in_scratch("chain.yaml"), "%s", chain);
    copy_program("cat", "relay");
    struct running r = start("cd %s && exec cspctl run chain.yaml", scratch());
    for (int i = 0; i < n; i++) {
        pid_t pid = next_of("relay", last);
        nanosleep(&(struct timespec){.tv_nsec = i * 7919 % 50 * 1000000L}, NULL);
        ck_assert_int_eq(kill(bridge ? parent_of(pid) : pid, SIGKILL), 0);
        last = pid;
    }
    (void)next_of("relay", last);
    write_text(in_scratch("stop"), "%s", "");
    struct outcome o = finish(&r), order = sh("awk '$1 <= last {exit 1} {last = $1}' %s", in_scratch("out"));
    assert_status(&o, 1); /* what it had in its hands is lost */
    assert_contains(&o.err, "lost");
    assert_status(&order, 0);
    ck_assert_uint_gt(lines_of("out"), 0);
    outcome_free(&o);
    outcome_free(&order);
}

TEST(a_filter_that_is_killed_again_and_again_keeps_the_order)
{
    kill_again_and_again(4, false);
}

TEST(a_bridge_that_is_killed_again_and_again_keeps_the_order)
{
    kill_again_and_again(4, true);
}

/* The one that moves values to the lanes of a partition is started again as its process says: the source kills it. */
TEST(what_moves_the_values_of_a_partition_is_restarted_as_its_process)
{
    struct outcome o =
        run_file("channels: {c: {retry: {delay: 1ms}}}\n"
                 "processes:\n"
                 "  s: {command: 'seq 3; until [ $(cat done 2>/dev/null | wc -l) -ge 3 ]; do sleep 0.01; done;\n"
                 "                pid=$(cspctl ps -o json | jq \".runs[].processes[] | select(.name == "
                 "\\\"w.split\\\").pid\");\n"
                 "                [ -n \"$pid\" ] && kill -9 \"$pid\" && seq 4 6', stdout: c}\n"
                 "  w: {each: 'echo $1 >> done', stdin: c, replicas: 2, partition: 1, restart: {delay: 1ms}}\n");
    assert_status(&o, 0);
    assert_contains(&o.err, "w.split: killed by signal 9 (Killed): restarted");
    outcome_free(&o);
    o = sh("sort %s", in_scratch("done"));
    ck_assert_str_eq(o.out.data, "1\n2\n3\n4\n5\n6\n");
    outcome_free(&o);
}

/* p leaves a process in a session of its own and runs on until it is killed; r says so if that lives when the next p
 * runs. */
static struct outcome leave_behind(const char *channel, const char *kill)
{
    write_text(in_scratch("r.yaml"),
               "processes:\n"
               "  p: {command: 'echo $$ >> n; [ $(wc -l < n) -ge 2 ] && exit 0;\n"
               "                (exec setsid tail -f /dev/null >/dev/null 2>&1) & echo $! > left; %s',\n"
               "      stdout: %s, restart: {delay: 5ms}}\n"
               "  r: {command: 'while [ $(cat n 2>/dev/null | wc -l) -lt 2 ]; do sleep 0.01; done;\n"
               "                kill -0 $(cat left) && echo it lives; true'}\n%s",
               kill, channel, strcmp(channel, "c") == 0 ? "  q: {command: [cat], stdin: c}\n" : "");
    return sh("cd %s && cspctl run r.yaml", scratch());
}

static void leaves_nothing(const char *channel, const char *kill)
{
    struct outcome o = leave_behind(channel, kill);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(what_a_killed_filter_left_behind_does_not_meet_the_next_one)
{
    leaves_nothing("c", "kill -9 $$");
}

TEST(what_a_filter_left_behind_whose_bridge_was_killed_does_not_meet_the_next_one)
{
    leaves_nothing("c", "kill -9 $PPID; sleep 10");
}

TEST(what_a_program_without_a_bridge_left_behind_does_not_meet_the_next_one)
{
    leaves_nothing("inherit", "kill -9 $$");
}

/* ---- ends of the run */

TEST(ctrl_c_in_a_back_off_ends_at_once)
{
    write_text(in_scratch("r.yaml"), "processes: {p: {command: 'exit 3', restart: {delay: 1h}}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("r.yaml"));
    wait_for_output(&r, 1, "restarted in ");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

TEST(ctrl_c_lets_a_filter_in_a_back_off_do_the_rest)
{
    write_text(in_scratch("r.yaml"),
               "processes:\n"
               "  p: {command: 'seq 1000; exec tail -f /dev/null', stdout: c}\n"
               "  q: {command: 'if [ ! -e once ]; then touch once; exit 1; fi; wc -l', stdin: c,\n"
               "      restart: {delay: 1h}}\n");
    struct running r = start("cd %s && exec cspctl run r.yaml", scratch());
    wait_for_output(&r, 1, "restarted in ");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    ck_assert_int_ge(atoi(o.out.data), 0);
    ck_assert_uint_eq(lines_in(&o.out), 1);
    outcome_free(&o);
}

TEST(a_failure_elsewhere_ends_a_back_off)
{
    struct outcome o = run_file("processes:\n"
                                "  p: {command: 'touch failed; exit 3', restart: {delay: 1h}}\n"
                                "  q: {command: 'while [ ! -e failed ]; do sleep 0.01; done; exit 5'}\n");
    assert_status(&o, 5);
    outcome_free(&o);
}

TEST(who_is_told_to_end_is_not_restarted)
{
    write_text(in_scratch("r.yaml"),
               "processes: {p: {command: [tail, -f, /dev/null], restart: {when: always, delay: 1ms}}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("r.yaml"));
    wait_for_process("tail");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    ck_assert_ptr_null(strstr(o.err.data, "restarted"));
    outcome_free(&o);
}

TEST(a_killed_cspctl_takes_a_back_off_with_it)
{
    write_text(in_scratch("r.yaml"), "processes:\n"
                                     "  p: {command: 'exit 3', stdout: c, restart: {delay: 1h}}\n"
                                     "  q: {command: [cat], stdin: c}\n");
    struct running r = start("exec cspctl run %s", in_scratch("r.yaml"));
    wait_for_output(&r, 1, "restarted in ");
    kill(r.pid, SIGKILL);
    struct outcome o = finish(&r);
    assert_status(&o, 137);
    outcome_free(&o);
}

SUITE_OF(restart)
