/* SPDX-License-Identifier: MPL-2.0 */
/* Leases in shell scripts: what cspctl recv receives inside of a process is that process's until cspctl ack says what
 * came of it. Decision: the test is the other side: it sends jobs as a guest, and as one receives what comes again; a
 * second process holds a receiving end, so that the worker may end. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A run with a leased channel `jobs`, whose dead letters go to `failed`, and a worker that is this script; it runs in
 * the scratch directory. */
static struct running start_worker(const char *script)
{
    write_text(in_scratch("w.yaml"),
               "name: work\n"
               "channels:\n"
               "  jobs: {close: never, retry: {attempts: 9, delay: [0s, 0s], dead: failed}}\n"
               "  failed: {close: never}\n"
               "processes:\n"
               "  w:\n"
               "    worker: |\n"
               "      %s\n"
               "    in: [jobs]\n"
               "    cwd: %s\n"
               "  keep: {worker: [tail, -f, /dev/null], in: [jobs]}\n",
               script, in_scratch("."));
    struct running r = start("exec cspctl run %s", in_scratch("w.yaml"));
    wait_for_process("tail");
    return r;
}

static void stop(struct running *r)
{
    struct outcome o = sh("cspctl stop");
    assert_status(&o, 0);
    outcome_free(&o);
    o = finish(r);
    outcome_free(&o);
}

/* The command prints this, and ends with status 0. */
static void prints(const char *command, const char *text)
{
    struct outcome o = sh("cd %s; %s", in_scratch("."), command);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, text);
    outcome_free(&o);
}

/* Until the worker has made this file. */
#define UNTIL(file) "until [ -e " file " ]; do sleep 0.1; done; "

TEST(a_script_does_each_job_and_says_so)
{
    struct running r = start_worker("while job=$(cspctl recv jobs); do echo \"$job\" >> out; cspctl ack jobs || exit; "
                                    "[ \"$job\" != end ] || : > ready; done");
    prints("cspctl send jobs one two end; " UNTIL("ready") "cat out", "one\ntwo\nend\n");
    prints("cspctl recv -t 0ms jobs; echo $?", "124\n"); /* none came back */
    stop(&r);
}

TEST(what_was_not_acknowledged_comes_again)
{
    struct running r = start_worker("cspctl recv jobs; cspctl recv jobs; cspctl ack jobs; : > ready");
    prints("cspctl send jobs one two; " UNTIL(
               "ready") "cspctl recv -t 100s -o json jobs | jq -c '[.tries, .reason, .value]'",
           "[2,null,\"two\"]\n"); /* the first is the oldest: that was acknowledged */
    stop(&r);
}

TEST(a_job_given_back_comes_again_with_its_id)
{
    struct running r = start_worker("cspctl recv -o json jobs > a; cspctl ack jobs --retry=0ms; "
                                    "cspctl recv -o json jobs > b; cspctl ack --retry jobs; "
                                    "cspctl recv -o json jobs > c; cspctl ack jobs; : > ready");
    prints("cspctl send jobs one; " UNTIL(
               "ready") "jq -s -c '[.[].tries]' a b c; jq -s '[.[].id] | unique | length' a b c",
           "[1,2,3]\n1\n");
    stop(&r);
}

TEST(a_job_that_is_refused_is_a_dead_letter_with_its_reason)
{
    struct running r = start_worker("cspctl recv jobs; cspctl ack jobs --reject 'no such city'");
    prints("cspctl send jobs Atlantis && cspctl recv -t 100s -o json failed | jq -c '[.tries, .reason, .value]'",
           "[1,\"no such city\",\"Atlantis\"]\n");
    stop(&r);
}

TEST(several_can_be_acknowledged_at_once)
{
    struct running r =
        start_worker("cspctl recv jobs -n 4; cspctl ack jobs -n 2; echo $? > a; cspctl ack jobs --all; echo $? >> a; "
                     "cspctl ack jobs; echo $? >> a; cspctl ack jobs --all; echo $? >> a; : > ready");
    prints("seq 4 | cspctl send jobs; " UNTIL("ready") "cat a", "0\n0\n1\n1\n");
    stop(&r);
}

TEST(fewer_than_asked_are_settled_with_status_1)
{
    struct running r = start_worker("cspctl recv jobs; cspctl ack jobs -n 2; echo $? > a; : > ready");
    prints("cspctl send jobs 1; " UNTIL("ready") "cat a; cspctl recv -t 0ms jobs; echo $?", "1\n124\n");
    stop(&r);
}

TEST(outside_of_a_process_what_was_printed_is_done)
{
    struct running r = start_worker(":");
    prints("seq 3 | cspctl send jobs && cspctl recv jobs && cspctl recv -o json jobs | jq .tries && cspctl recv jobs",
           "1\n1\n3\n");
    stop(&r);
}

TEST(outside_of_a_process_what_was_not_printed_comes_again)
{
    struct running r = start_worker(":");
    struct outcome o = sh("cspctl send jobs one && cspctl recv jobs > /dev/full");
    assert_status(&o, 74);
    assert_contains(&o.err, "delivered again");
    outcome_free(&o);
    prints("cspctl recv -t 100s -o json jobs | jq -c '[.tries, .value]'", "[2,\"one\"]\n");
    stop(&r);
}

TEST(there_is_nothing_to_acknowledge_outside_of_a_process)
{
    struct running r = start_worker(":");
    struct outcome o = sh("cspctl ack jobs");
    assert_status(&o, 64);
    assert_contains(&o.err, "CSP_PROCESS");
    outcome_free(&o);
    stop(&r);
}

TEST(a_value_is_either_retried_or_rejected)
{
    struct outcome o = sh("cspctl ack jobs --retry --reject why; cspctl ack; cspctl recv --all jobs");
    assert_status(&o, 64);
    assert_contains(&o.err, "--retry and --reject");
    assert_contains(&o.err, "a channel is missing");
    outcome_free(&o);
}

TEST(a_program_under_a_bridge_is_inside_of_its_process)
{
    write_text(in_scratch("b.yaml"), "channels: {jobs: {close: never, retry: {attempts: 3}}}\n"
                                     "processes:\n"
                                     "  w: {command: 'cspctl recv jobs; cspctl ack jobs; cat', stdin: lines}\n"
                                     "  s: {command: 'cspctl send jobs one; echo two', stdout: lines}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("b.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "one\ntwo\n");
    outcome_free(&o);
}

TEST(a_job_that_was_given_back_too_often_says_why_it_is_a_dead_letter)
{
    write_text(
        in_scratch("r.yaml"),
        "vars: {dir: '%s'}\n"
        "channels: {jobs: {retry: {attempts: 3, delay: [0s, 0s], dead: failed}}, failed: {retry: {attempts: 1}}}\n"
        "processes:\n"
        "  s: {command: 'echo one; until [ -e done ]; do sleep 0.05; done', stdout: jobs, cwd: $dir}\n"
        "  w: {command: 'while read -r j; do cspctl ack jobs --retry; done', stdin: jobs, ack: explicit}\n"
        "  keep: {each: 'echo \"$1: $CSP_TRIES: $CSP_REASON\"; : > done', stdin: failed, cwd: $dir}\n",
        in_scratch("."));
    struct outcome o = sh("cspctl run %s", in_scratch("r.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "one: 4: w[1]: given back, and no reason given: delivered 3 times\n");
    outcome_free(&o);
}

SUITE_OF(ack)
