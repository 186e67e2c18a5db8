/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl run --joblog and --resume: which tasks are recorded, and which are not run again. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <string.h>

/* Tasks 1 to 9, each of which says in a journal that it was run; number 7 fails while the file `bad` is there. */
static void write_pipeline(void)
{
    write_file(in_scratch("bad"), "", 0);
    write_text(in_scratch("j.yaml"),
               "channels: {jobs: {retry: {attempts: 2, delay: 1ms, dead: failed}}}\n"
               "processes:\n"
               "  source: {command: [seq, '9'], stdout: jobs}\n"
               "  work: {each: 'echo $1 >> %s && { test $1 != 7 || ! test -e %s; } && echo did $1', stdin: jobs, "
               "stdout: done, replicas: 2}\n"
               "  sink: {command: [sort], stdin: done}\n"
               "  keep: {command: 'cat >&2', stdin: failed}\n",
               in_scratch("journal"), in_scratch("bad"));
}

static struct outcome run(const char *options)
{
    return sh("cspctl run %s --joblog %s %s", in_scratch("j.yaml"), in_scratch("log"), options);
}

/* What jq says of the lines of the log, all of them in one array. */
static void assert_log(const char *filter, const char *said)
{
    struct outcome o = sh("jq -sc '%s' %s", filter, in_scratch("log"));
    ck_assert_msg(strcmp(o.out.data, said) == 0, "%s instead of %s: %s", o.out.data, said, o.err.data);
    outcome_free(&o);
}

static void assert_journal(const char *command, const char *said)
{
    struct outcome o = sh("%s < %s", command, in_scratch("journal"));
    ck_assert_str_eq(o.out.data, said);
    outcome_free(&o);
}

TEST(each_run_of_a_task_has_a_line)
{
    write_pipeline();
    struct outcome o = run("");
    assert_status(&o, 0);
    outcome_free(&o);
    assert_log("map(select(.outcome == \"done\") | .value) | sort",
               "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"8\",\"9\"]\n");
    assert_log("map(select(.value == \"7\") | [.outcome, .tries, .status])", "[[\"retry\",1,1],[\"retry\",2,1]]\n");
    assert_log("map(.process) | unique", "[\"work\"]\n");
}

TEST(what_is_done_is_not_run_again)
{
    write_pipeline();
    struct outcome o = run("");
    outcome_free(&o);
    write_file(in_scratch("journal"), "", 0);
    o = sh("rm %s", in_scratch("bad"));
    outcome_free(&o);
    o = run("--resume");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "did 7\n");
    assert_contains(&o.err, "values are done by");
    outcome_free(&o);
    assert_journal("cat", "7\n");
}

TEST(one_value_is_counted_as_one)
{
    write_text(in_scratch("one.yaml"), "processes:\n"
                                       "  source: {command: [echo, x], stdout: jobs}\n"
                                       "  work: {each: [\"false\"], stdin: jobs, success: 1}\n");
    struct outcome o =
        sh("cd %s && cspctl run one.yaml --joblog log && cspctl run one.yaml --joblog log --resume", in_scratch("."));
    assert_status(&o, 0);
    assert_contains(&o.err, ": 1 value is done by ");
    assert_contains(&o.err, ", and was not run again");
    outcome_free(&o);
    o = sh("cd %s && rm log && sed -i s/1/3/ one.yaml && cspctl run one.yaml", in_scratch("."));
    assert_status(&o, 1);
    assert_contains(&o.err, "1 of 1 run failed");
    assert_contains(&o.err, "1 value given up");
    outcome_free(&o);
}

TEST(without_resume_everything_is_run_again)
{
    write_pipeline();
    struct outcome o = run("");
    outcome_free(&o);
    o = run("");
    outcome_free(&o);
    assert_log("map(select(.outcome == \"done\")) | length", "16\n");
}

/* The tasks before the kill are done, and the others afterwards; none is missing. */
TEST(a_run_that_was_killed_is_resumed)
{
    write_text(in_scratch("k.yaml"),
               "processes:\n"
               "  source: {command: 'seq 5; until [ -e %s ]; do sleep 0.02; done; seq 6 9', stdout: jobs}\n"
               "  work: {each: 'echo $1 >> %s', stdin: jobs}\n",
               in_scratch("gate"), in_scratch("journal"));
    struct running r = start("exec cspctl run %s --joblog %s", in_scratch("k.yaml"), in_scratch("log"));
    struct outcome o = sh("until [ \"$(wc -l < %s)\" = 5 ]; do sleep 0.02; done", in_scratch("log"));
    assert_status(&o, 0);
    outcome_free(&o);
    kill(r.pid, SIGKILL);
    o = finish(&r);
    outcome_free(&o);
    r = start("exec cspctl run %s --joblog %s --resume", in_scratch("k.yaml"), in_scratch("log"));
    write_file(in_scratch("gate"), "", 0);
    o = finish(&r);
    assert_status(&o, 0);
    outcome_free(&o);
    assert_journal("sort -n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}

TEST(a_log_that_cannot_be_written_is_said_before_the_start)
{
    write_pipeline();
    struct outcome o = sh("cspctl run %s --joblog /nowhere/log", in_scratch("j.yaml"));
    assert_status(&o, 73);
    assert_contains(&o.err, "/nowhere/log: No such file or directory");
    outcome_free(&o);
}

TEST(a_full_disk_under_the_log_ends_the_run)
{
    write_pipeline();
    struct outcome o = sh("cspctl run %s --joblog /dev/full", in_scratch("j.yaml"));
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "cannot write to /dev/full: No space left on device");
    outcome_free(&o);
}

TEST(a_file_that_is_no_log_is_refused)
{
    write_pipeline();
    write_text(in_scratch("log"), "{\"name\": \"package\"}\n");
    struct outcome o = run("--resume");
    assert_status(&o, 73);
    assert_contains(&o.err, "a line of it is no record of a task");
    outcome_free(&o);
}

TEST(a_file_of_text_is_no_log_and_is_left_as_it_is)
{
    write_pipeline();
    write_text(in_scratch("log"), "Dear diary\n");
    struct outcome o = run("--resume");
    assert_status(&o, 73);
    assert_contains(&o.err, "a line of it is no record of a task");
    outcome_free(&o);
    o = sh("cat %s", in_scratch("log"));
    ck_assert_str_eq(o.out.data, "Dear diary\n");
    outcome_free(&o);
}

TEST(resume_goes_by_a_regular_file)
{
    write_pipeline();
    struct outcome o = sh("mkfifo %s", in_scratch("log"));
    outcome_free(&o);
    o = run("--resume");
    assert_status(&o, 73);
    assert_contains(&o.err, "it is no regular file");
    outcome_free(&o);
}

TEST(resume_goes_by_a_log)
{
    write_pipeline();
    struct outcome o = sh("cspctl run %s --resume", in_scratch("j.yaml"));
    assert_status(&o, 64);
    assert_contains(&o.err, "--resume goes by --joblog FILE");
    outcome_free(&o);
}

TEST(a_file_without_tasks_has_no_log)
{
    write_text(in_scratch("j.yaml"), "processes: {p: {command: [true]}}\n");
    struct outcome o = run("");
    assert_status(&o, 64);
    assert_contains(&o.err, "no process of it has `each`");
    outcome_free(&o);
}

SUITE_OF(joblog)
