/* SPDX-License-Identifier: MPL-2.0 */
/* Deaths in the middle of a run: whoever is killed, the rest ends with a word and a status, and nothing is left. What
 * is left behind is what the fixture around every test looks for. */
#include "harness.h"

#include "leftover.h"
#include "standing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A source that never ends by itself, two filters, and a sort that must not print a part as the whole. */
static const char endless[] = "processes:\n"
                              "  read: {command: ['yes', 'a line that goes on'], stdout: lines}\n"
                              "  keep: {command: [cat], stdin: lines, stdout: kept, replicas: 2}\n"
                              "  sort: {command: [sort, -u], stdin: kept}\n";

static struct running start_endless(void)
{
    write_text(in_scratch("endless.yaml"), "%s", endless);
    struct running r = start("exec cspctl run %s", in_scratch("endless.yaml"));
    wait_for_process("sort");
    wait_for_process("yes");
    return r;
}

static void kill_named(const char *comm)
{
    pid_t pid = wait_for_process(comm);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}

TEST(a_killed_reader_never_lets_sort_print_a_part)
{
    struct running r = start_endless();
    kill_named("yes");
    struct outcome o = finish(&r);
    assert_status(&o, 137);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, "read");
    assert_contains(&o.err, "signal 9");
    outcome_free(&o);
}

TEST(a_killed_filter_never_lets_sort_print_a_part)
{
    struct running r = start_endless();
    kill_named("cat");
    struct outcome o = finish(&r);
    ck_assert_int_ne(o.status, 0);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, "keep[");
    outcome_free(&o);
}

TEST(a_killed_bridge_ends_the_run_with_its_name)
{
    struct running r = start_endless();
    kill_named("exec");
    struct outcome o = finish(&r);
    ck_assert_int_ne(o.status, 0);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, "signal 9");
    outcome_free(&o);
}

TEST(a_killed_reader_of_a_finite_text_is_no_end_of_file)
{
    /* The source stops in the middle for ever: sort has a part, and the death of the source must not look like its end.
     */
    write_text(in_scratch("part.yaml"), "processes:\n"
                                        "  read: {command: 'echo b; echo a; exec tail -f /dev/null', stdout: lines}\n"
                                        "  sort: {command: [sort], stdin: lines}\n");
    struct running r = start("exec cspctl run %s", in_scratch("part.yaml"));
    kill_named("tail");
    struct outcome o = finish(&r);
    assert_status(&o, 137);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

/* x fails when sink has read; the source then ends by TERM, as in a drain, but its end is no end of what it wrote. */
static void fail_beside(const char *sink)
{
    write_text(in_scratch("beside.yaml"),
               "vars: {mark: %s}\n"
               "processes:\n"
               "  x: {command: 'until test -e \"$mark\"; do sleep 0.05; done; exit 3'}\n"
               "  source: {command: [yes], stdout: c}\n"
               "  sink: {command: '%s', stdin: c, grace: 1s}\n",
               in_scratch("mark"), sink);
}

TEST(a_source_that_ends_because_the_run_failed_is_no_end_of_file)
{
    fail_beside("trap \"\" TERM; read -r line; touch \"$mark\"; wc -l");
    struct outcome o = sh("cspctl run %s", in_scratch("beside.yaml"));
    assert_status(&o, 3);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, "x failed, and ended it");
    outcome_free(&o);
}

TEST(a_sink_whose_source_ends_because_the_run_failed_has_its_grace_all_the_same)
{
    fail_beside(
        "trap \"sleep 0.2; echo tidied; exit 1\" TERM; read -r line; touch \"$mark\"; while read -r l; do :; done");
    struct outcome o = sh("cspctl run %s", in_scratch("beside.yaml"));
    assert_status(&o, 3);
    ck_assert_str_eq(o.out.data, "tidied\n");
    outcome_free(&o);
}

static pid_t parent_of(pid_t pid)
{
    struct outcome o = sh("sed -n 's/^PPid:[^0-9]*//p' /proc/%d/status", (int)pid);
    pid_t parent = (pid_t)strtol(o.out.data, NULL, 10);
    ck_assert_int_gt(parent, 1);
    outcome_free(&o);
    return parent;
}

TEST(a_killed_bridge_is_no_end_of_file_for_its_program)
{
    /* wc is quick to print what it has: 20 times, for it would be a race. */
    write_text(in_scratch("wc.yaml"), "processes:\n"
                                      "  read: {command: ['yes'], stdout: lines}\n"
                                      "  count: {command: [wc, -l], stdin: lines}\n");
    for (int i = 0; i < 20; i++) {
        struct running r = start("exec cspctl run %s", in_scratch("wc.yaml"));
        ck_assert_int_eq(kill(parent_of(wait_for_process("wc")), SIGKILL), 0);
        struct outcome o = finish(&r);
        assert_status(&o, 137);
        ck_assert_str_eq(o.out.data, "");
        assert_contains(&o.err, "count");
        outcome_free(&o);
    }
}

/* The broker's own environment does not name the run: it is found by cspctl ps. */
static pid_t broker_pid(void)
{
    struct outcome o = sh("cat \"$XDG_RUNTIME_DIR\"/csp-*/run | sed -n 's/^broker //p'");
    pid_t pid = (pid_t)strtol(o.out.data, NULL, 10);
    ck_assert_int_gt(pid, 1);
    outcome_free(&o);
    return pid;
}

TEST(a_killed_broker_ends_the_run_with_69)
{
    struct running r = start_endless();
    ck_assert_int_eq(kill(broker_pid(), SIGKILL), 0);
    struct outcome o = finish(&r);
    assert_status(&o, 69);
    assert_contains(&o.err, "broker");
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(a_broker_that_does_not_answer_is_no_reason_to_hang)
{
    write_text(in_scratch("one.yaml"),
               "processes: {t: {command: [tail, -f, /dev/null], stdout: a}, c: {command: [cat], stdin: a}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("one.yaml"));
    wait_for_process("tail");
    halt(broker_pid());
    kill(r.pid, SIGINT);
    wait_for_output(&r, 1, "once more");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    ck_assert_int_ne(o.status, 0);
    outcome_free(&o);
}

TEST(a_killed_cspctl_leaves_nothing)
{
    struct running r = start_endless();
    ck_assert_int_eq(kill(r.pid, SIGKILL), 0);
    struct outcome o = finish(&r);
    assert_status(&o, 137);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(cspctl_and_broker_killed_at_once_leave_what_the_next_run_sweeps)
{
    struct running r = start_endless();
    pid_t broker = broker_pid();
    halt(broker); /* so that it cannot clean up between the two */
    ck_assert_int_eq(kill(r.pid, SIGKILL), 0);
    ck_assert_int_eq(kill(broker, SIGKILL), 0);
    struct outcome o = finish(&r);
    outcome_free(&o);
    o = sh("cspctl run config/fibonacci.yaml");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_setsid_grandchild_is_gone_after_the_run)
{
    write_text(in_scratch("g.yaml"), "processes:\n"
                                     "  g: {command: 'setsid sleep 1000 >/dev/null 2>&1 & echo started'}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("g.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "started\n");
    pid_t pid;
    ck_assert_uint_eq(processes_named("sleep", &pid, 1), 0);
    outcome_free(&o);
}

/* ---- at random moments ---- */

enum { ROUNDS = 50 };

/* Kills one process of the run, drawn among all with cspctl and the broker; its name, for the message. */
static const char *kill_one(const struct running *r, unsigned *seed)
{
    pid_t pids[64], broker = 0;
    size_t n = run_processes(pids, 62);
    pids[n++] = r->pid;
    if (run_brokers(&broker, 1) == 1)
        pids[n++] = broker;
    pid_t victim = pids[(size_t)rand_r(seed) % n];
    kill(victim, SIGKILL);
    return victim == r->pid ? "cspctl" : victim == broker ? "broker" : "process";
}

TEST(kill_9_of_anything_at_a_random_moment_in_50_runs)
{
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    write_text(in_scratch("endless.yaml"), "%s", endless);
    for (int i = 0; i < ROUNDS; i++) {
        struct running r = start("exec cspctl run %s", in_scratch("endless.yaml"));
        struct timespec moment = {0, (long)(rand_r(&seed) % 100) * 1000000};
        nanosleep(&moment, NULL); /* not a wait for anything: the random moment */
        const char *who = kill_one(&r, &seed);
        struct outcome o = finish(&r);
        ck_assert_msg(o.status != 0, "round %d: status 0 after the death of a %s", i, who);
        ck_assert_msg(o.out.len == 0, "round %d: sort printed a part after the death of a %s", i, who);
        ck_assert_msg(o.err.len > 0 || strcmp(who, "cspctl") == 0, "round %d: no word about the death of a %s", i, who);
        outcome_free(&o);
        if (strcmp(who, "cspctl") == 0)
            wait_until_all_have_ended(); /* the broker sees to it; the next round is to kill its own */
        pid_t left[64];
        size_t n = run_processes(left, 64);
        ck_assert_msg(n == 0, "round %d: %zu processes are left after the death of a %s", i, n, who);
    }
}

SUITE_OF(crash)
