/* SPDX-License-Identifier: MPL-2.0 */
/* Durable channels from a shell: whatever is killed, and whenever, the same command goes on where it was, and nothing
 * is lost: docs/durable.md. */
#include "harness.h"

#include "leftover.h"
#include "standing.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOBS = 600, ROUNDS = 10 };

/* A file with a durable channel `jobs` in the scratch directory; `find` is the source's line, `work` the receiver's. */
static void write_pipeline(const char *channel, const char *find, const char *work)
{
    write_text(in_scratch("p.yaml"), "channels:\n  jobs: {durable: %s, %s}\nprocesses:\n  find: {%s}\n  work: {%s}\n",
               in_scratch("state"), channel, find, work);
}

static struct running start_pipeline(void)
{
    return start("exec cspctl run %s", in_scratch("p.yaml"));
}

static struct outcome run_pipeline(void)
{
    return sh("cspctl run %s", in_scratch("p.yaml"));
}

/* SIGKILL to all of the run, in an order that is not always the same. */
static void kill_everything(struct running *r, unsigned order)
{
    for (unsigned i = 0; i < 3; i++) {
        pid_t pids[64] = {r->pid};
        unsigned which = (i + order) % 3;
        size_t n = which == 0 ? run_brokers(pids, 64) : which == 1 ? 1 : processes_named("exec", pids, 64);
        for (size_t k = 0; k < n; k++)
            (void)kill(pids[k], SIGKILL);
    }
    struct outcome o = finish(r);
    outcome_free(&o);
    wait_until_all_have_ended();
}

static long lines_of(const char *path)
{
    struct outcome o = sh("touch %s; wc -l < %s", path, path);
    long n = atol(o.out.data);
    outcome_free(&o);
    return n;
}

/* The journal has each of the numbers 1 to n. */
static void assert_complete(const char *path, int n)
{
    struct outcome o = sh("sort -n %s | uniq | cmp - %s", path, in_scratch("all"));
    ck_assert_msg(o.status == 0, "%s %s: not all of %d", o.out.data, o.err.data, n);
    outcome_free(&o);
}

static void write_numbers(int n)
{
    struct outcome o = sh("seq 1 %d > %s", n, in_scratch("all"));
    assert_status(&o, 0);
    outcome_free(&o);
}

/* Runs until the file has so many lines, kills everything, and runs it again, with `go` there, to its end. */
static void interrupt_at(const char *path, int lines)
{
    struct running r = start_pipeline();
    struct outcome o = sh("until [ $(cat %s | wc -l) = %d ]; do sleep 0.02; done", path, lines);
    outcome_free(&o);
    kill_everything(&r, 1);
    write_text(in_scratch("go"), "%s", "");
    o = run_pipeline();
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(everything_is_killed_again_and_again_and_no_job_is_lost)
{
    char find[256], work[512];
    unsigned kills = 0;
    srandom((unsigned)getpid());
    write_numbers(JOBS);
    snprintf(find, sizeof find, "command: [cat, %s], stdout: jobs, resume: skip", in_scratch("all"));
    snprintf(work, sizeof work, "each: [%s, $1], stdin: jobs, replicas: 3", in_scratch("work"));
    write_text(in_scratch("work"), "#!/bin/sh\necho $1 >> %s\nsleep 0.01\n", in_scratch("done"));
    struct outcome o = sh("chmod +x %s", in_scratch("work"));
    outcome_free(&o);
    write_pipeline("capacity: 100, retry: {attempts: 1000, delay: 1ms}", find, work);
    for (; kills < ROUNDS; kills++) {
        struct running r = start_pipeline();
        long before = lines_of(in_scratch("done"));
        long more = 1 + random() % (JOBS / ROUNDS / 2);
        while (lines_of(in_scratch("done")) < before + more && !is_dead(r.pid))
            usleep(1000);
        kill_everything(&r, kills);
    }
    o = run_pipeline();
    assert_status(&o, 0);
    outcome_free(&o);
    assert_complete(in_scratch("done"), JOBS);
    ck_assert_int_lt(lines_of(in_scratch("done")), JOBS + (ROUNDS + 1L) * 100); /* again only what was under way */
}

/* What a replica of a partition has, and what waits for it, was moved to a channel of its own. */
TEST(what_was_moved_to_the_replicas_of_a_partition_survives)
{
    char work[512];
    write_numbers(40);
    snprintf(work, sizeof work,
             "each: 'echo $1 >> %s; until [ -e %s ]; do sleep 0.02; done; echo $1 >> %s', stdin: jobs, replicas: 2, "
             "partition: 1",
             in_scratch("begun"), in_scratch("go"), in_scratch("done"));
    write_pipeline("retry: {delay: 1ms}", "command: [seq, 1, 40], stdout: jobs, resume: skip", work);
    interrupt_at(in_scratch("begun"), 2);
    assert_complete(in_scratch("done"), 40);
}

/* A copy of the store says that a process is finished. */
static bool is_marked(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    struct outcome o = sh("rm -rf %s; cp -r %s %s", in_scratch("copy"), in_scratch("state"), in_scratch("copy"));
    outcome_free(&o);
    bool marked = sqlite3_open(in_scratch("copy/store.db"), &db) == SQLITE_OK &&
                  sqlite3_prepare_v2(db, "SELECT 1 FROM finished WHERE name = 'find'", -1, &q, NULL) == SQLITE_OK &&
                  sqlite3_step(q) == SQLITE_ROW;
    sqlite3_finalize(q);
    sqlite3_close(db);
    return marked;
}

TEST(a_source_that_was_finished_is_not_started_again)
{
    char work[512];
    snprintf(work, sizeof work, "each: 'until [ -e %s ]; do sleep 0.02; done; echo $1 >> %s', stdin: jobs",
             in_scratch("go"), in_scratch("done"));
    write_pipeline("capacity: 100, retry: {attempts: 10}", "command: 'echo started; seq 1 5 >&3', out: {3: jobs}",
                   work);
    struct running r = start_pipeline();
    while (!is_marked())
        usleep(10000);
    kill_everything(&r, 0);
    write_text(in_scratch("go"), "%s", "");
    struct outcome o = run_pipeline();
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, "5 values are resumed from");
    outcome_free(&o);
    write_numbers(5);
    assert_complete(in_scratch("done"), 5);
}

TEST(a_source_that_was_interrupted_is_started_again_and_told_how_much_is_stored)
{
    char find[512], work[512];
    snprintf(find, sizeof find,
             "command: 'echo \"${CSP_RESUMED-none}\"; seq 1 5 >&3; [ -e %s ] || exec sleep 100', "
             "out: {3: jobs}",
             in_scratch("go"));
    snprintf(work, sizeof work, "command: 'while read n; do echo $n >> %s; done', stdin: jobs", in_scratch("done"));
    write_pipeline("capacity: 100", find, work);
    struct running r = start_pipeline();
    wait_for_output(&r, 0, "none\n");
    while (lines_of(in_scratch("done")) < 5)
        usleep(10000);
    kill_everything(&r, 0);
    write_text(in_scratch("go"), "%s", "");
    struct outcome o = run_pipeline();
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "5\n");
    outcome_free(&o);
}

TEST(a_source_is_told_no_more_than_is_stored_in_each_of_its_channels)
{
    write_text(
        in_scratch("p.yaml"),
        "channels: {jobs: {durable: %s}, notes: {durable: %s}}\nprocesses:\n"
        "  find: {command: 'echo \"${CSP_RESUMED-none}\" >> %s; echo begun >&2; [ -e %s ] || exec sleep 100; seq 3', "
        "stdout: jobs, stderr: notes, resume: skip}\n"
        "  work: {command: 'cat >> %s', stdin: jobs}\n  note: {command: 'cat >> %s', stdin: notes}\n",
        in_scratch("state"), in_scratch("state"), in_scratch("told"), in_scratch("go"), in_scratch("done"),
        in_scratch("notes"));
    write_numbers(3);
    interrupt_at(in_scratch("notes"), 1);
    assert_complete(in_scratch("done"), 3);
    struct outcome o = sh("cat %s", in_scratch("told"));
    ck_assert_str_eq(o.out.data, "none\n0\n");
    outcome_free(&o);
}

TEST(what_a_source_has_stored_is_skipped_where_the_file_says_so)
{
    write_numbers(8);
    write_text(
        in_scratch("p.yaml"),
        "channels: {jobs: {durable: %s}}\nprocesses:\n"
        "  find: {command: 'head -n 5 %s; [ -e %s ] || exec sleep 100; tail -n +6 %s', stdout: jobs, resume: skip}\n"
        "  work: {command: 'cat >> %s', stdin: jobs}\n",
        in_scratch("state"), in_scratch("all"), in_scratch("go"), in_scratch("all"), in_scratch("done"));
    interrupt_at(in_scratch("done"), 5);
    assert_complete(in_scratch("done"), 8);
}

TEST(what_a_source_sent_again_after_a_restart_is_not_skipped_twice)
{
    write_numbers(8);
    write_text(
        in_scratch("p.yaml"),
        "channels: {jobs: {durable: %s}}\nprocesses:\n"
        "  find: {command: 'head -n 5 %s; if [ -e %s ]; then exec tail -n +6 %s; fi; [ ! -e %s ] || exec sleep 100; "
        "touch %s; exit 1', stdout: jobs, resume: skip, restart: {delay: 1ms}}\n"
        "  work: {command: 'cat >> %s', stdin: jobs}\n",
        in_scratch("state"), in_scratch("all"), in_scratch("go"), in_scratch("all"), in_scratch("once"),
        in_scratch("once"), in_scratch("done"));
    interrupt_at(in_scratch("done"), 10);
    assert_complete(in_scratch("done"), 8);
    ck_assert_int_eq(lines_of(in_scratch("done")), 13); /* the first five twice, by the restart */
}

TEST(a_run_that_ended_well_leaves_nothing_to_resume)
{
    write_numbers(5);
    char work[256];
    snprintf(work, sizeof work, "command: 'cat >> %s', stdin: jobs", in_scratch("done"));
    write_pipeline("capacity: 100", "command: [seq, 1, 5], stdout: jobs, resume: skip", work);
    for (int i = 1; i <= 2; i++) {
        struct outcome o = run_pipeline();
        assert_status(&o, 0);
        ck_assert_str_eq(o.err.data, "");
        ck_assert_int_eq(lines_of(in_scratch("done")), 5L * i);
        outcome_free(&o);
    }
}

TEST(a_run_that_was_drained_sends_the_rest_when_it_is_resumed)
{
    char find[512], work[256];
    write_numbers(5);
    snprintf(find, sizeof find, "command: 'seq 1 3; [ -e %s ] || sleep 100; seq 4 5', stdout: jobs, resume: skip",
             in_scratch("go"));
    snprintf(work, sizeof work, "command: 'cat >> %s', stdin: jobs", in_scratch("done"));
    write_pipeline("capacity: 100", find, work);
    struct running r = start_pipeline();
    struct outcome o = sh("until [ $(wc -l < %s) = 3 ]; do sleep 0.02; done", in_scratch("done"));
    outcome_free(&o);
    ck_assert_int_eq(kill(r.pid, SIGINT), 0);
    o = finish(&r);
    ck_assert_int_eq(o.status, 130);
    outcome_free(&o);
    write_text(in_scratch("go"), "%s", "");
    o = run_pipeline();
    assert_status(&o, 0);
    outcome_free(&o);
    assert_complete(in_scratch("done"), 5);
    ck_assert_int_eq(lines_of(in_scratch("done")), 5);
}

TEST(what_is_not_done_is_left_for_the_next_run)
{
    char work[256];
    snprintf(work, sizeof work, "worker: 'cspctl recv jobs > %s && cspctl ack jobs', in: [jobs]", in_scratch("done"));
    write_pipeline("capacity: 10, retry: {attempts: 2}", "command: [seq, 1, 3], stdout: jobs", work);
    struct outcome o = run_pipeline();
    assert_status(&o, 1);
    assert_contains(&o.err, "jobs: 2 values were kept for the next run");
    outcome_free(&o);
    o = run_pipeline();
    assert_contains(&o.err, "2 values are resumed from");
    outcome_free(&o);
}

/* It read the first of three; the others were in the pipe to it, or on their way into that. */
TEST(what_a_program_did_not_read_has_no_try_in_the_next_run)
{
    const char *channel = "capacity: 10, retry: {attempts: 2}";
    write_pipeline(
        channel, "command: [seq, 1, 3], stdout: jobs",
        "command: 'read -r i; until cspctl ps -o json | jq -e \"any(.runs[].channels[]; .received == 3)\"; do sleep "
        "0.02; done; exit 1', ack: explicit, stdin: jobs");
    struct outcome o = run_pipeline();
    assert_status(&o, 1);
    outcome_free(&o);
    write_pipeline(channel, "command: 'true', stdout: jobs", "each: 'echo $1 $CSP_TRIES', stdin: jobs");
    o = run_pipeline();
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "1 2\n2 1\n3 1\n");
    outcome_free(&o);
}

/* Those too that a process held when its channel broke, or that were in back-off then. */
TEST(what_was_held_at_the_end_is_kept_too_and_said_to_be)
{
    write_pipeline("capacity: 10, retry: {delay: 20s}", "command: [seq, 1, 4], stdout: jobs",
                   "worker: 'cspctl recv -n 3 jobs; cspctl ack jobs; cspctl ack --retry jobs', in: [jobs]");
    struct outcome o = run_pipeline();
    assert_status(&o, 1);
    assert_contains(&o.err, "jobs: 3 values were kept for the next run");
    ck_assert_ptr_null(strstr(o.err.data, "given up"));
    outcome_free(&o);
    o = run_pipeline();
    assert_contains(&o.err, "3 values are resumed from");
    outcome_free(&o);
}

/* ---- receivers that fail ----------------------------------------------------------------------------------------- */

/* Runs it where its programs find their files. */
static void run_there(int status)
{
    struct outcome o = sh("cd %s && exec cspctl run p.yaml", in_scratch("."));
    assert_status(&o, status);
    outcome_free(&o);
}

static void assert_file(const char *name, const char *text)
{
    struct outcome o = sh("cat %s", in_scratch("%s", name));
    ck_assert_str_eq(o.out.data, text);
    outcome_free(&o);
}

TEST(a_source_that_ended_because_its_receivers_failed_is_started_again)
{
    write_text(in_scratch("p.yaml"),
               "on_failure: continue\n"
               "channels:\n  jobs: {durable: state, capacity: 10, retry: {}}\n"
               "processes:\n"
               "  find: {command: [seq, 1, 9000], stdout: jobs, resume: skip}\n"
               "  work: {each: '[ -e go ] || kill -9 $PPID; for i; do last=$i; done; echo $last > done', stdin: jobs,"
               " batch: 1000}\n");
    run_there(137);
    write_text(in_scratch("go"), "%s", "");
    run_there(0);
    assert_file("done", "9000\n");
}

/* The first task goes on until its receiver has failed. */
TEST(what_is_put_when_its_receivers_have_failed_is_there_in_the_next_run)
{
    write_text(in_scratch("p.yaml"),
               "on_failure: continue\n"
               "channels:\n"
               "  jobs: {durable: state, retry: {}}\n"
               "  out: {durable: state, retry: {}}\n"
               "processes:\n"
               "  find: {command: [seq, 1, 3], stdout: jobs, resume: skip}\n"
               "  work: {each: 'touch begun; until [ -e go ] || cspctl ps | grep -q ^out.*broken; do sleep 0.02; done;"
               " echo r$1', stdin: jobs, stdout: out}\n"
               "  keep: {worker: 'until [ -e begun ]; do sleep 0.02; done; [ -e go ] || exit 3;"
               " while v=$(cspctl recv out); do echo $v >> done; cspctl ack out; done', in: [out]}\n");
    struct outcome o = sh("cd %s && exec cspctl run p.yaml", in_scratch("."));
    assert_status(&o, 3);
    assert_contains(&o.err, "jobs: 2 values were kept for the next run");
    assert_contains(&o.err, "out: 1 value was kept for the next run");
    outcome_free(&o);
    write_text(in_scratch("go"), "%s", "");
    run_there(0);
    assert_file("done", "r1\nr2\nr3\n");
}

/* The second is done before the first is, and that never is: so neither is what waited for it. */
TEST(order_is_kept_where_receivers_have_failed)
{
    write_text(in_scratch("p.yaml"),
               "on_failure: continue\n"
               "channels:\n"
               "  jobs: {durable: state, retry: {}}\n"
               "  out: {durable: state, retry: {}}\n"
               "processes:\n"
               "  find: {command: [seq, 1, 4], stdout: jobs, resume: skip}\n"
               "  work: {each: 'echo r$1; [ -e go ] || if [ $1 = 1 ]; then until [ -e two ]; do sleep 0.02; done;"
               " kill -9 $PPID; else touch two; fi', stdin: jobs, stdout: out, order: input, replicas: 2}\n"
               "  keep: {worker: 'while v=$(cspctl recv out); do echo $v >> done; cspctl ack out; done', in: [out]}\n");
    run_there(137);
    write_text(in_scratch("go"), "%s", "");
    run_there(0);
    assert_file("done", "r1\nr2\nr3\nr4\n");
}

TEST(dead_letters_that_nobody_is_left_to_receive_are_kept)
{
    write_text(
        in_scratch("p.yaml"),
        "channels:\n"
        "  jobs: {durable: state, retry: {attempts: 1, dead: failed}}\n"
        "  failed: {durable: state, retry: {}, capacity: 2}\n"
        "processes:\n"
        "  find: {command: [seq, 1, 6], stdout: jobs, resume: skip}\n"
        "  work: {each: 'exit 1', stdin: jobs}\n"
        "  keep: {worker: '[ -e go ] || { until cspctl ps | grep -q \"^jobs .* 0 .* closed\"; do sleep 0.02; done;"
        " exit 3; }; cspctl recv -n 0 failed > done; cspctl ack --all failed', in: [failed]}\n");
    struct outcome o = sh("cd %s && exec cspctl run p.yaml", in_scratch("."));
    assert_status(&o, 3);
    ck_assert_ptr_null(strstr(o.err.data, "given up"));
    outcome_free(&o);
    write_text(in_scratch("go"), "%s", "");
    run_there(0);
    assert_file("done", "1\n2\n3\n4\n5\n6\n");
}

/* ---- more ---------------------------------------------------------------------------------------------------------
 */

TEST(explain_says_what_is_durable)
{
    write_pipeline("capacity: 10, retry: {attempts: 2}", "command: [seq, 1, 3], stdout: jobs",
                   "each: [echo, $1], stdin: jobs");
    struct outcome o =
        sh("cspctl explain -o json %s | jq -r '.channels[] | .kind + \": \" + .delivery'", in_scratch("p.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "stream: at least once, durable\n"); /* joined directly it would be with two others */
    outcome_free(&o);
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static void plain(void)
{
    write_pipeline("capacity: 10", "command: [seq, 1, 3], stdout: jobs", "command: [cat], stdin: jobs");
}

static void refused(const char *sentence)
{
    struct outcome o = run_pipeline();
    assert_status(&o, 71);
    assert_contains(&o.err, sentence);
    assert_contains(&o.err, in_scratch("state"));
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

TEST(a_second_run_at_the_same_directory_is_refused)
{
    write_pipeline("capacity: 10", "command: 'echo up; exec sleep 100', stdout: jobs", "command: [cat], stdin: jobs");
    struct running r = start_pipeline();
    wait_for_output(&r, 0, "up");
    refused("another run has it: broker ");
    ck_assert_int_eq(kill(r.pid, SIGINT), 0);
    struct outcome o = finish(&r);
    outcome_free(&o);
}

TEST(a_directory_that_cannot_be_made_is_said)
{
    plain();
    write_text(in_scratch("state"), "a file\n");
    refused("Not a directory");
}

static void overwritten(const char *bytes, int at)
{
    struct outcome o = run_pipeline();
    assert_status(&o, 0);
    outcome_free(&o);
    o = sh("printf '%s' | dd of=%s/store.db bs=1 seek=%d conv=notrunc", bytes, in_scratch("state"), at);
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_store_of_a_newer_version_is_refused)
{
    plain();
    overwritten("\\0\\0\\0\\2", 60);
    refused("written by a newer version (2, this one knows 1)");
}

TEST(a_damaged_store_is_said)
{
    plain();
    overwritten("not a store", 0);
    refused("store.db is damaged: move it away");
}

TEST(a_run_that_is_recorded_has_no_durable_channels)
{
    plain();
    struct outcome o = sh("cspctl run --record %s %s", in_scratch("record"), in_scratch("p.yaml"));
    assert_status(&o, 71);
    assert_contains(&o.err, "recorded or replayed has no durable channels");
    outcome_free(&o);
}

TEST(a_directory_that_is_deleted_under_a_run_is_said)
{
    write_pipeline("close: never",
                   "command: 'i=0; while echo $((i += 1)); do sleep 0.1; done', stdout: jobs, grace: 100ms",
                   "worker: [tail, -f, /dev/null], in: [jobs], grace: 100ms");
    struct running r = start_pipeline();
    struct outcome o =
        sh("until cspctl ps 2>/dev/null | grep -q 'jobs *[1-9]'; do sleep 0.05; done; rm -rf %s", in_scratch("state"));
    outcome_free(&o);
    wait_for_output(&r, 1, "state: its files were deleted, and what they had is lost when the run ends");
    o = sh("cspctl stop --kill");
    assert_status(&o, 0);
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

/* ---- a full disk ------------------------------------------------------------------------------------------------ */

/* Runs a source of 20 MB and a receiver that begins when the disk is full. */
static void fill_disk(const char *command)
{
    write_text(in_scratch("p.yaml"),
               "channels: {jobs: {durable: %s, capacity: 1000000, max_bytes: 100MiB}}\nprocesses:\n"
               "  find: {command: 'yes %0500d | head -n 40000', stdout: jobs}\n"
               "  work: {command: 'until [ -e %s ]; do sleep 0.02; done; wc -l', stdin: jobs}\n",
               in_scratch("state"), 7, in_scratch("go"));
    struct running r = start("%s", command);
    wait_for_output(&r, 1, "the disk is full: senders wait until there is room");
    write_text(in_scratch("go"), "%s", "");
    struct outcome o = finish(&r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "40000\n");
    ck_assert_ptr_null(strstr(strstr(o.err.data, "the disk is full") + 1, "the disk is full"));
    outcome_free(&o);
}

TEST(a_bound_of_files_makes_the_source_wait_and_loses_nothing)
{
    char command[512];
    snprintf(command, sizeof command, "ulimit -f 20000; exec cspctl run %s", in_scratch("p.yaml")); /* 10 MB a file */
    fill_disk(command);
}

/* A disk of its own, which is really full: where this user may mount one. */
TEST(a_full_disk_makes_the_source_wait_and_loses_nothing)
{
    const char *unshare = unsharing_mounts();
    char command[1024];
    if (unshare == NULL)
        return;
    ck_assert_int_eq(mkdir(in_scratch("state"), 0700), 0);
    snprintf(command, sizeof command,
             "exec %s sh -c 'mount -t tmpfs -o size=16m tmpfs %s; head -c 6M /dev/zero > %s; exec cspctl run %s'",
             unshare, in_scratch("state"), in_scratch("state/else"), in_scratch("p.yaml"));
    fill_disk(command);
}

SUITE_OF(durable)
