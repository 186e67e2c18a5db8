/* SPDX-License-Identifier: MPL-2.0 */
/* Changes of a live run: more and fewer replicas, new incarnations. The source of each pipeline writes its first
 * numbers at once and the others when the test lets it, so that a change comes in the midst of them. */
#include "harness.h"

#include "leftover.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 5000, SEEN = 1000, ALL = 200000 }; /* mawk reads some KiB at a time */

/* `filter` is what the file says of the process between source and sink. The sink counts lines and adds numbers up. */
static struct running start_run(const char *filter)
{
    struct outcome o = sh("mkfifo %s", in_scratch("gate"));
    assert_status(&o, 0);
    outcome_free(&o);
    write_text(in_scratch("s.yaml"),
               "processes:\n"
               "  source: {command: 'seq %d; read go < %s; seq %d %d', stdout: a}\n"
               "  filter: {%s, stdin: a, stdout: b}\n"
               "  sink: {command: [awk, -f, %s], stdin: b, stderr: inherit}\n",
               FIRST, in_scratch("gate"), FIRST + 1, ALL, filter, in_scratch("sink.awk"));
    write_text(in_scratch("sink.awk"),
               "{ n++; s += $1; if (n == %d) system(\"echo midst >&2\") } END { printf \"%%d %%.0f\\n\", n, s }\n",
               SEEN);
    struct running r = start("exec cspctl run %s", in_scratch("s.yaml"));
    wait_for_output(&r, 1, "midst");
    return r;
}

/* Lets the source go on; everything must have come through once. */
static void assert_whole(struct running *r)
{
    write_text(in_scratch("gate"), "go\n");
    struct outcome o = finish(r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "200000 20000100000\n");
    outcome_free(&o);
}

/* How many processes of a name live, by `ps`. */
static void assert_replicas(const char *name, const char *many)
{
    struct outcome o =
        sh("cspctl ps -o json | jq -c '[.. | objects | select(.name? == \"%s\" and .program? != null and "
           ".pid > 0)] | length'",
           name);
    ck_assert_msg(strcmp(o.out.data, many) == 0, "%s instead of %s: %s", o.out.data, many, o.err.data);
    outcome_free(&o);
}

static void change(const char *words, const char *said)
{
    struct outcome o = sh("cspctl %s", words);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, said);
    outcome_free(&o);
}

static void assert_refused(const char *words, const char *why)
{
    struct outcome o = sh("cspctl %s", words);
    assert_status(&o, 1);
    assert_contains(&o.err, why);
    outcome_free(&o);
}

TEST(scale_starts_more_replicas)
{
    struct running r = start_run("command: [cat], replicas: 2");
    change("scale filter=4", "filter: replicas 4\n");
    assert_replicas("filter", "4\n");
    assert_whole(&r);
}

TEST(scale_retires_replicas_and_nothing_is_lost)
{
    struct running r = start_run("command: [cat], replicas: 4");
    change("scale filter=1", "filter: replicas 1\n");
    assert_replicas("filter", "1\n");
    assert_whole(&r);
}

/* The bridge of the second one begins only when that was told. */
TEST(a_replica_that_is_retired_before_its_bridge_has_begun_leaves_the_result_whole)
{
    struct outcome o = sh("mkdir %s && cp -s $(realpath %s)/* %s && rm %s", in_scratch("libexec"), built("libexec/csp"),
                          in_scratch("libexec"), in_scratch("libexec/exec"));
    assert_status(&o, 0);
    outcome_free(&o);
    o = sh("realpath %s | tr -d '\\n'", built("libexec/csp/exec"));
    write_text(in_scratch("libexec/exec"),
               "#!/usr/bin/perl\n" /* a shell has a mask of signals of its own */
               "sub told { open(my $f, '<', '/proc/self/status'); grep { /^ShdPnd:.*4...$/ } <$f> }\n" /* SIGTERM */
               "if (\"@ARGV\" =~ /--label filter\\[2\\]/) { select(undef, undef, undef, 0.01) until told() }\n"
               "exec '%s', @ARGV;\n",
               o.out.data);
    outcome_free(&o);
    o = sh("chmod +x %s", in_scratch("libexec/exec"));
    assert_status(&o, 0);
    outcome_free(&o);
    setenv("CSP_LIBEXEC", in_scratch("libexec"), 1);
    struct running r = start_run("command: [cat], replicas: 2");
    change("scale filter=1", "filter: replicas 1\n");
    assert_replicas("filter", "1\n");
    assert_whole(&r);
    unsetenv("CSP_LIBEXEC");
}

TEST(scale_of_one_to_two_leaves_a_direct_edge_whole)
{
    struct running r = start_run("command: [cat]");
    change("scale filter=2", "filter: replicas 2\n");
    assert_replicas("filter", "2\n");
    assert_whole(&r);
}

TEST(scale_up_and_down_and_up_again)
{
    struct running r = start_run("command: [cat]");
    change("scale filter=3", "filter: replicas 3\n");
    change("scale filter=1", "filter: replicas 1\n");
    change("scale filter=2", "filter: replicas 2\n");
    assert_replicas("filter", "2\n");
    assert_whole(&r);
}

TEST(scale_while_values_flow_loses_nothing)
{
    struct running r = start_run("command: [cat], replicas: 2");
    write_text(in_scratch("gate"), "go\n");
    struct outcome o = sh("cspctl scale filter=5; cspctl scale filter=1; cspctl scale filter=3");
    outcome_free(&o); /* the run may end before the last of them */
    o = finish(&r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "200000 20000100000\n");
    outcome_free(&o);
}

TEST(scale_refuses_what_cannot_be)
{
    struct running r = start_run("command: [cat]");
    assert_refused("scale filter=0", "filter=0: write a number from 1");
    assert_refused("scale filtre=2", "did you mean 'filter'?");
    assert_refused("restart filtre", "did you mean 'filter'?");
    struct outcome o = sh("cspctl scale filter");
    assert_status(&o, 64);
    assert_contains(&o.err, "write PROCESS=N");
    outcome_free(&o);
    assert_whole(&r);
}

TEST(of_several_all_can_be_or_nothing_is_changed)
{
    struct running r = start_run("command: [cat], replicas: 2");
    assert_refused("scale filter=4 filtre=3", "filtre: no such process: did you mean 'filter'?");
    struct outcome o = sh("cspctl scale filter=4 filter");
    assert_status(&o, 64);
    outcome_free(&o);
    assert_replicas("filter", "2\n");
    pid_t before[8], after[8];
    wait_for_processes("cat", 2);
    ck_assert_uint_eq(processes_named("cat", before, 8), 2);
    assert_refused("restart filter filtre", "filtre: no such process");
    ck_assert_uint_eq(processes_named("cat", after, 8), 2);
    ck_assert_mem_eq(before, after, 2 * sizeof *before);
    change("scale filter=3 filter=1", "filter: replicas 3\nfilter: replicas 1\n");
    assert_whole(&r);
}

TEST(a_process_that_has_ended_is_not_scaled)
{
    write_text(in_scratch("e.yaml"),
               "processes:\n"
               "  once: {command: [echo, hello], stdout: a}\n"
               "  wait: {command: 'cat; echo here; exec sleep 600', stdin: a, stderr: inherit}\n");
    struct running r = start("exec cspctl run %s", in_scratch("e.yaml"));
    wait_for_output(&r, 0, "here");
    wait_for_processes("exec", 1); /* that of `once` has ended, too */
    assert_refused("scale once=2", "it has ended");
    assert_refused("restart once", "it has ended");
    kill(r.pid, SIGKILL);
    struct outcome o = finish(&r);
    outcome_free(&o);
}

TEST(while_the_run_ends_nothing_is_changed)
{
    write_text(in_scratch("d.yaml"),
               "processes:\n"
               "  deaf: {command: 'trap \"echo told\" TERM; echo up; while :; do sleep 0.1; done', grace: 1h}\n"
               "  other: {command: 'trap \"\" TERM; echo up; exec sleep 600', grace: 1h}\n");
    struct running r = start("exec cspctl run %s", in_scratch("d.yaml"));
    wait_for_output(&r, 0, "up\nup\n");
    struct running asks = start("exec cspctl restart deaf");
    wait_for_output(&r, 0, "told");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&asks);
    assert_status(&o, 1);
    assert_contains(&o.err, "the run is ending: what was begun is not finished");
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
    assert_refused("scale other=3", "the run is ending: nothing of it can be changed any more");
    assert_refused("restart other", "the run is ending: nothing of it can be changed any more");
    kill(r.pid, SIGINT);
    o = finish(&r);
    outcome_free(&o);
}

TEST(restart_gives_new_processes_and_loses_nothing)
{
    struct running r = start_run("command: [cat], replicas: 2");
    pid_t before[8], after[8];
    wait_for_processes("cat", 2);
    ck_assert_uint_eq(processes_named("cat", before, 8), 2);
    change("restart filter", "filter: restarted, replicas 2\n");
    wait_for_processes("cat", 2);
    ck_assert_uint_eq(processes_named("cat", after, 8), 2);
    for (int i = 0; i < 4; i++)
        ck_assert_int_ne(before[i / 2], after[i % 2]);
    assert_whole(&r);
}

TEST(restart_of_a_source_runs_it_anew)
{
    write_text(in_scratch("r.yaml"), "processes:\n"
                                     "  source: {command: 'echo began; exec sleep 600', stdout: a}\n"
                                     "  sink: {command: [cat], stdin: a}\n");
    struct running r = start("exec cspctl run %s", in_scratch("r.yaml"));
    wait_for_output(&r, 0, "began\n");
    change("restart source", "source: restarted, replicas 1\n");
    wait_for_output(&r, 0, "began\nbegan\n");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

TEST(a_replica_that_does_not_finish_is_killed_after_its_grace)
{
    write_text(in_scratch("g.yaml"),
               "processes:\n"
               "  source: {command: 'echo one; exec sleep 600', stdout: a}\n"
               "  deaf: {command: 'echo up >&2; exec sleep 600', stdin: a, replicas: 2, grace: 100ms}\n");
    struct running r = start("exec cspctl run %s", in_scratch("g.yaml"));
    wait_for_output(&r, 1, "deaf[1] | up");
    wait_for_output(&r, 1, "deaf[2] | up");
    change("scale deaf=1", "deaf: replicas 1\n");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_contains(&o.err, "deaf[2]: did not end within its grace of 100ms: killed");
    outcome_free(&o);
}

TEST(who_asks_and_is_killed_changes_nothing)
{
    struct running r = start_run("command: [cat], replicas: 2");
    struct outcome o = sh("timeout -s KILL 0.001 cspctl restart filter; cspctl scale filter=3");
    assert_status(&o, 0);
    outcome_free(&o);
    assert_replicas("filter", "3\n");
    assert_whole(&r);
}

TEST(a_run_without_cspctl_run_is_not_scaled)
{
    build_program("plain",
                  "#include <csp.h>\n#include <stdio.h>\n"
                  "int main(void) { csp_init(); puts(\"up\"); fflush(stdout); getchar(); return csp_term(); }");
    struct running r = start("exec %s < /dev/zero | cat", in_scratch("plain"));
    struct outcome o = finish(&r); /* it ends at once: stdin is never empty */
    outcome_free(&o);
    o = sh("cspctl scale x=2");
    assert_status(&o, 69);
    outcome_free(&o);
}

SUITE_OF(scale)
