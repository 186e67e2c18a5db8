/* SPDX-License-Identifier: MPL-2.0 */
/* Another file for a live run. As in test_scale.c the source writes its first numbers at once and the others when the
 * test lets it, so that a reload comes in the midst of them, and the sink shows whether each came through once. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 5000, SEEN = 1000, ALL = 200000 }; /* mawk reads some KiB at a time */

/* What is between the source, which writes to a, and the sink, which reads b. */
static void write_pipeline(const char *name, const char *between)
{
    write_text(in_scratch("%s", name),
               "processes:\n"
               "  source: {command: 'seq %d; read go < %s; seq %d %d', stdout: a}\n"
               "%s"
               "  sink: {command: [awk, -f, %s], stdin: b, stderr: inherit}\n",
               FIRST, in_scratch("gate"), FIRST + 1, ALL, between, in_scratch("sink.awk"));
}

#define FILTER "  filter: {command: [cat], stdin: a, stdout: b}\n"

static struct running start_between(const char *between)
{
    struct outcome o = sh("mkfifo %s", in_scratch("gate"));
    assert_status(&o, 0);
    outcome_free(&o);
    write_text(in_scratch("sink.awk"),
               "{ n++; s += $1; if (n == %d) system(\"echo midst >&2\") } END { printf \"%%d %%.0f\\n\", n, s }\n",
               SEEN);
    write_pipeline("first.yaml", between);
    struct running r = start("exec cspctl run %s", in_scratch("first.yaml"));
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

static void kill_run(struct running *r)
{
    kill(r->pid, SIGKILL);
    struct outcome o = finish(r);
    outcome_free(&o);
}

static void reload(const char *file, const char *said)
{
    struct outcome o = sh("cspctl reload %s", in_scratch("%s", file));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, said);
    outcome_free(&o);
}

static void assert_refused(const char *file, int status, const char *why)
{
    struct outcome o = sh("cspctl reload %s", in_scratch("%s", file));
    assert_status(&o, status);
    assert_contains(&o.err, why);
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

/* The processes of the run by name, and the pids of their programs. */
static struct text programs(void)
{
    struct outcome o = sh("cspctl ps -o json | jq -c '[.. | objects | select(.program? != null and .pid > 0) | "
                          "{name, pid, program}] | sort_by(.pid)'");
    struct text all = o.out;

    o.out.data = NULL;
    outcome_free(&o);
    return all;
}

/* A bridge says to cspctl first that it has started a program. */
static pid_t program_of(const char *name)
{
    struct outcome o =
        sh("until cspctl ps -o json | jq -e '[.. | objects | select(.name? == \"%s\" and .program? != null"
           " and .pid > 0)][0].program | select(. > 0)'; do sleep 0.01; done",
           name);
    pid_t pid = (pid_t)strtol(o.out.data, NULL, 10);

    outcome_free(&o);
    ck_assert_int_gt(pid, 0);
    return pid;
}

TEST(the_same_file_changes_nothing)
{
    struct running r = start_between(FILTER);
    struct text before = programs();
    reload("first.yaml", "reload: 0 added, 0 changed, 0 removed, 3 unchanged\n");
    struct text after = programs();
    assert_same(&after, &before);
    free(before.data);
    free(after.data);
    assert_whole(&r);
}

TEST(a_file_that_says_the_same_in_another_way_changes_nothing)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml",
                   "  filter:\n    stdout: [b]\n    replicas: 1\n    stdin: a\n    command:\n      - cat\n");
    reload("other.yaml", "reload: 0 added, 0 changed, 0 removed, 3 unchanged\n");
    assert_whole(&r);
}

TEST(ps_shows_the_file_that_runs)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml", FILTER);
    struct outcome o = sh("cspctl ps -o json | jq -r '.runs[0].file'");
    assert_contains(&o.out, "/first.yaml\n");
    outcome_free(&o);
    reload("other.yaml", "reload: 0 added, 0 changed, 0 removed, 3 unchanged\n");
    o = sh("cspctl ps -o json | jq -r '.runs[0].file'; cspctl ps");
    assert_contains(&o.out, "/other.yaml\n");
    ck_assert_ptr_null(strstr(o.out.data, "first.yaml"));
    outcome_free(&o);
    assert_whole(&r);
}

TEST(a_process_that_has_changed_is_replaced_and_nothing_is_lost)
{
    struct running r = start_between(FILTER);
    pid_t source = program_of("source"), filter = program_of("filter");
    write_pipeline("other.yaml", "  filter: {command: [sed, ''], stdin: a, stdout: b}\n");
    reload("other.yaml", "reload: 0 added, 1 changed, 0 removed, 2 unchanged\n");
    ck_assert_int_eq(program_of("source"), source);
    ck_assert_int_ne(program_of("filter"), filter);
    wait_for_processes("sed", 1);
    assert_whole(&r);
}

TEST(each_replica_of_a_process_that_has_changed_is_replaced)
{
    struct running r = start_between("  filter: {command: [cat], stdin: a, stdout: b, replicas: 3, restart: always}\n");
    write_pipeline("other.yaml",
                   "  filter: {command: [sed, ''], stdin: a, stdout: b, replicas: 2, restart: on-failure}\n");
    reload("other.yaml", "reload: 0 added, 1 changed, 0 removed, 2 unchanged\n");
    wait_for_processes("cat", 0);
    wait_for_processes("sed", 2);
    assert_whole(&r);
}

TEST(where_replicas_alone_differ_it_is_scaled)
{
    struct running r = start_between(FILTER);
    pid_t filter = program_of("filter");
    write_pipeline("other.yaml", "  filter: {command: [cat], stdin: a, stdout: b, replicas: 3}\n");
    reload("other.yaml", "reload: 0 added, 0 changed, 0 removed, 2 unchanged, 1 scaled\n");
    wait_for_processes("cat", 3);
    reload("first.yaml", "reload: 0 added, 0 changed, 0 removed, 2 unchanged, 1 scaled\n");
    wait_for_processes("cat", 1);
    ck_assert_int_eq(program_of("filter"), filter);
    assert_whole(&r);
}

TEST(a_process_comes_between_two_and_goes_again_as_often_as_wanted)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml", "  filter: {command: [cat], stdin: a, stdout: c}\n"
                                 "  more: {command: [sed, ''], stdin: c, stdout: b, replicas: 2}\n");
    for (int i = 0; i < 2; i++) {
        reload("other.yaml", "reload: 1 added, 1 changed, 0 removed, 2 unchanged\n");
        reload("first.yaml", "reload: 0 added, 1 changed, 1 removed, 2 unchanged\n");
    }
    assert_whole(&r);
}

/* What is in the channel that goes is read by who read it, up to its end. */
TEST(what_is_in_a_channel_that_goes_is_not_lost)
{
    struct running r = start_between("  filter: {command: [cat], stdin: a, stdout: c}\n"
                                     "  more: {command: [cat], stdin: c, stdout: d}\n"
                                     "  last: {command: [cat], stdin: d, stdout: b}\n");
    write_text(in_scratch("gate"), "go\n");
    write_pipeline("other.yaml", FILTER);
    struct outcome o = sh("cspctl reload %s", in_scratch("other.yaml"));
    outcome_free(&o); /* the run may end before */
    o = finish(&r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "200000 20000100000\n");
    outcome_free(&o);
}

TEST(a_process_that_is_added_waits_for_what_it_depends_on)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml", FILTER "  base: {command: 'sleep 0.3; echo up; exec sleep 600', stdout: log, "
                                        "ready: {line: up}}\n"
                                        "  above: {command: 'echo above; exec sleep 600', stdout: log, "
                                        "depends_on: [base]}\n");
    reload("other.yaml", "reload: 2 added, 0 changed, 0 removed, 3 unchanged\n");
    wait_for_output(&r, 1, "above");
    const char *up = strstr(r.text[1].data, "up"), *above = strstr(r.text[1].data, "above |");
    ck_assert_ptr_nonnull(up);
    ck_assert_ptr_nonnull(above);
    ck_assert_int_lt(up - r.text[1].data, above - r.text[1].data);
    reload("first.yaml", "reload: 0 added, 0 changed, 2 removed, 3 unchanged\n");
    assert_whole(&r);
}

TEST(a_file_with_mistakes_changes_nothing)
{
    struct running r = start_between(FILTER);
    struct text before = programs();
    write_pipeline("other.yaml", "  filter: {comand: [cat], stdin: a, stdout: b}\n");
    assert_refused("other.yaml", 78, "other.yaml:3:12: ");
    struct text after = programs();
    assert_same(&after, &before);
    free(before.data);
    free(after.data);
    assert_whole(&r);
}

TEST(settings_of_a_channel_stay_and_what_differs_is_refused_whole)
{
    struct running r = start_between(FILTER);
    struct text before = programs();
    write_pipeline("other.yaml", "  filter: {command: [sed, ''], stdin: a, stdout: b}\n");
    struct outcome o = sh("echo 'channels: {a: {capacity: 7}}' >> %s", in_scratch("other.yaml"));
    outcome_free(&o);
    assert_refused("other.yaml", 1, "channel a: capacity: it stays as it is while the run lives: stop the run");
    struct text after = programs();
    assert_same(&after, &before);
    free(before.data);
    free(after.data);
    assert_whole(&r);
}

TEST(what_cannot_be_is_refused)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml", FILTER);
    struct outcome o = sh("echo 'deadline: 1h' >> %s", in_scratch("other.yaml"));
    outcome_free(&o);
    assert_refused("other.yaml", 1, "deadline: that of a run stays as it is");
    assert_refused("missing.yaml", 78, "missing.yaml");
    o = sh("cspctl reload");
    assert_status(&o, 64);
    outcome_free(&o);
    assert_whole(&r);
}

TEST(a_channel_that_has_ended_does_not_begin_again_for_who_is_left)
{
    write_text(in_scratch("first.yaml"), "processes:\n"
                                         "  once: {command: [echo, hello], stdout: a}\n"
                                         "  wait: {command: 'cat; echo here; exec sleep 600', stdin: a, stderr: "
                                         "inherit}\n");
    struct running r = start("exec cspctl run %s", in_scratch("first.yaml"));
    wait_for_output(&r, 0, "here");
    wait_for_processes("exec", 1); /* that of `once` has ended, too */
    write_text(in_scratch("other.yaml"), "processes:\n"
                                         "  once: {command: [echo, again], stdout: a}\n"
                                         "  wait: {command: 'cat; echo here; exec sleep 600', stdin: a, stderr: "
                                         "inherit}\n");
    assert_refused("other.yaml", 1, "once: its channel a has ended");
    kill_run(&r);
}

TEST(lanes_are_neither_scaled_nor_reloaded_to_another_number)
{
    struct running r = start_between("  filter: {command: [cat], stdin: a, stdout: b, replicas: 2, partition: 1}\n");
    write_pipeline("other.yaml", "  filter: {command: [cat], stdin: a, stdout: b, replicas: 3, partition: 1}\n");
    assert_refused("other.yaml", 1, "filter: partition: which replica has which values stays as it is");
    struct outcome o = sh("cspctl scale filter=3");
    assert_status(&o, 1);
    assert_contains(&o.err, "filter: partition: which replica has which values stays as it is");
    outcome_free(&o);
    write_pipeline("other.yaml", "  filter: {command: [sed, ''], stdin: a, stdout: b, replicas: 2, partition: 1}\n");
    reload("other.yaml", "reload: 0 added, 1 changed, 0 removed, 2 unchanged\n");
    assert_whole(&r);
}

TEST(who_acknowledges_its_values_stays_so)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml", "  filter: {command: [sed, -u, ''], stdin: a, stdout: b, ack: line}\n");
    assert_refused("other.yaml", 1, "channel a: ack, of who receives from it: it stays as it is");
    write_pipeline("other.yaml", "  filter: {command: [cat], stdin: a, stdout: b, order: input, ack: line}\n");
    assert_refused("other.yaml", 1, "channel a: order, of who receives from it: it stays as it is");
    assert_whole(&r);
}

/* The channel between the two was joined directly. */
TEST(values_that_are_sent_with_acknowledgements_come_to_a_channel_that_was_direct)
{
    struct running r = start_between("  filter: {command: [cat], stdin: a, stdout: c}\n"
                                     "  more: {command: [cat], stdin: c, stdout: b}\n");
    write_pipeline("other.yaml", "  filter: {command: [cat], stdin: a, stdout: d}\n"
                                 "  more: {command: [sed, -u, ''], stdin: d, stdout: b, ack: line}\n");
    reload("other.yaml", "reload: 0 added, 2 changed, 0 removed, 2 unchanged\n");
    assert_whole(&r);
}

TEST(a_partition_comes_and_goes)
{
    struct running r = start_between("  filter: {command: [cat], stdin: a, stdout: c}\n"
                                     "  more: {command: [cat], stdin: c, stdout: b}\n");
    write_pipeline("other.yaml", "  filter: {command: [cat], stdin: a, stdout: d}\n"
                                 "  more: {command: [cat], stdin: d, stdout: b, replicas: 2, partition: 1}\n");
    reload("other.yaml", "reload: 0 added, 2 changed, 0 removed, 2 unchanged\n");
    reload("first.yaml", "reload: 0 added, 2 changed, 0 removed, 2 unchanged\n");
    assert_whole(&r);
}

TEST(variables_are_those_of_the_reload)
{
    write_text(in_scratch("first.yaml"), "vars: {word: one}\nprocesses:\n"
                                         "  say: {command: 'echo said $word; exec sleep 600'}\n");
    struct running r = start("exec cspctl run %s", in_scratch("first.yaml"));
    wait_for_output(&r, 0, "said one");
    struct outcome o = sh("cspctl reload %s word=two", in_scratch("first.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "reload: 0 added, 1 changed, 0 removed, 0 unchanged\n");
    outcome_free(&o);
    wait_for_output(&r, 0, "said two");
    kill_run(&r);
}

TEST(tasks_are_recorded_after_a_reload_as_before_it)
{
    write_text(in_scratch("jobs"), "%s", "");
    for (int i = 1; i <= 2; i++)
        write_text(in_scratch("%d.yaml", i),
                   "processes:\n  source: {command: 'tail -n +1 -f %s', stdout: jobs}\n"
                   "  work: {each: 'echo %d-$1', stdin: jobs}\n",
                   in_scratch("jobs"), i);
    struct running r = start("exec cspctl run --joblog %s %s", in_scratch("log"), in_scratch("1.yaml"));
    struct outcome o = sh("echo a >> %s", in_scratch("jobs"));
    outcome_free(&o);
    wait_for_output(&r, 0, "1-a");
    reload("2.yaml", "reload: 0 added, 1 changed, 0 removed, 1 unchanged\n");
    o = sh("echo b >> %s", in_scratch("jobs"));
    outcome_free(&o);
    wait_for_output(&r, 0, "2-b");
    o = sh("until [ $(wc -l < %s) = 2 ]; do sleep 0.02; done", in_scratch("log"));
    assert_status(&o, 0);
    outcome_free(&o);
    kill_run(&r);
}

/* KiB. */
static long resident(pid_t pid)
{
    struct outcome o = sh("sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/%d/status", (int)pid);
    long n = strtol(o.out.data, NULL, 10);

    outcome_free(&o);
    ck_assert_int_gt(n, 0);
    return n;
}

/* Of three files in turn: the same, another definition, one that adds a process, and so one that removes it. */
static void reload_often(int times)
{
    for (int i = 0; i < times; i++) {
        struct outcome o = sh("cspctl reload %s", in_scratch("%d.yaml", i % 4 / 2 + i % 4 % 2 * (i % 4 / 2)));
        assert_status(&o, 0);
        outcome_free(&o);
    }
}

/* Each file has 90 KB that its definitions refer to. */
TEST(files_that_nothing_refers_to_any_more_are_freed)
{
    static char much[90001];
    memset(much, 'x', sizeof much - 1);
    for (int i = 0; i < 3; i++)
        write_text(in_scratch("%d.yaml", i),
                   "vars: {much: %s}\n"
                   "channels: {c: {close: never}, d: {close: never}}\n"
                   "processes:\n"
                   "  stays: {command: [sleep, 600], env: {N: %d}}\n"
                   "  from: {command: [sleep, 600], stdout: c}\n"
                   "  to: {command: [cat], stdin: c}\n%s",
                   much, i, i == 2 ? "  more: {command: [cat], stdin: c, stdout: d}\n" : "");
    struct running r = start("exec cspctl run %s", in_scratch("0.yaml"));
    for (int i = 0; i < PATIENCE / 10 && processes_named("cat", &(pid_t){0}, 1) == 0; i++)
        usleep(10000);
    reload_often(8);
    long before = resident(r.pid);
    reload_often(20);
    long after = resident(r.pid);
    ck_assert_msg(*sanitizers() != '\0' || after < before + 1024, "%ld KiB, and then %ld", before, after);
    kill_run(&r);
}

TEST(a_process_that_has_failed_is_started_by_a_file_that_mends_it)
{
    write_text(in_scratch("first.yaml"), "on_failure: continue\nprocesses:\n"
                                         "  broken: {command: 'echo failing; exit 3'}\n"
                                         "  stays: {command: [sleep, 600]}\n");
    struct running r = start("exec cspctl run %s", in_scratch("first.yaml"));
    wait_for_output(&r, 1, "broken: exit status 3");
    write_text(in_scratch("other.yaml"), "on_failure: continue\nprocesses:\n"
                                         "  broken: {command: 'echo mended; exec sleep 600'}\n"
                                         "  stays: {command: [sleep, 600]}\n");
    reload("other.yaml", "reload: 0 added, 1 changed, 0 removed, 1 unchanged\n");
    wait_for_output(&r, 0, "mended");
    kill_run(&r);
}

TEST(scale_and_restart_after_a_reload_mean_the_new_definition)
{
    struct running r = start_between(FILTER);
    write_pipeline("other.yaml", "  filter: {command: [sed, ''], stdin: a, stdout: b}\n");
    reload("other.yaml", "reload: 0 added, 1 changed, 0 removed, 2 unchanged\n");
    struct outcome o = sh("cspctl scale filter=2 && cspctl restart filter");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "filter: replicas 2\nfilter: restarted, replicas 2\n");
    outcome_free(&o);
    wait_for_processes("cat", 0);
    wait_for_processes("sed", 2);
    assert_whole(&r);
}

#define BACKEND(name)                                                                                                  \
    "  " name ": {command: 'while read -r q; do echo \"[{\\\"title\\\": \\\"" name "\\\"}]\"; done', serve: find}\n"
#define SERVICE "services: {find: {deadline: 100s, require: all}}\nprocesses:\n"

TEST(a_backend_that_is_added_is_asked_and_one_that_is_removed_is_not)
{
    write_text(in_scratch("first.yaml"), SERVICE BACKEND("one"));
    write_text(in_scratch("other.yaml"), SERVICE BACKEND("one") BACKEND("two"));
    struct running r = start("exec cspctl run %s", in_scratch("first.yaml"));
    struct outcome o = sh("until cspctl call --wait 100s find x 2>/dev/null; do sleep 0.1; done");
    outcome_free(&o);
    reload("other.yaml", "reload: 1 added, 0 changed, 0 removed, 1 unchanged\n");
    o = sh("cspctl call --wait 100s find x");
    assert_status(&o, 0);
    assert_contains(&o.out, "one");
    assert_contains(&o.out, "two");
    outcome_free(&o);
    reload("first.yaml", "reload: 0 added, 0 changed, 1 removed, 1 unchanged\n");
    o = sh("cspctl call find x");
    assert_status(&o, 0);
    ck_assert_ptr_null(strstr(o.out.data, "two"));
    outcome_free(&o);
    kill_run(&r);
}

SUITE_OF(reload)
