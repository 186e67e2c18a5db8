/* SPDX-License-Identifier: MPL-2.0 */
/* Who starts when, and who ends when: readiness, dependencies, graces, and the hint about a program that keeps silent.
 * An order is shown by what the programs themselves saw of each other, never by a time. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct outcome run_file(const char *text)
{
    write_text(in_scratch("r.yaml"), "%s", text);
    return sh("cd %s && cspctl run r.yaml", scratch());
}

static struct running start_file(const char *text)
{
    write_text(in_scratch("r.yaml"), "%s", text);
    return start("cd %s && exec cspctl run r.yaml", scratch());
}

/* app says what it finds when it starts; db makes `up` before it says a line. */
static void ready_line(const char *db)
{
    write_text(in_scratch("r.yaml"),
               "processes:\n"
               "  app: {command: '[ -e up ] && echo found', depends_on: db}\n"
               "  db: {ready: {line: '^listening on [0-9]+$'}, %s}\n",
               db);
    struct outcome o = sh("cd %s && cspctl run r.yaml", scratch());
    assert_status(&o, 0);
    assert_contains(&o.out, "found\n");
    outcome_free(&o);
}

#define DB(to) "command: 'echo listening on nothing; sleep 0.1; touch up; echo listening on 80" to "'"

TEST(a_line_of_stderr_shows_that_one_is_ready)
{
    ready_line(DB(" >&2"));
}

TEST(a_line_of_stdout_shows_it)
{
    ready_line(DB(""));
}

TEST(a_line_of_the_log_shows_it)
{
    ready_line(DB("") ", stdout: log");
}

TEST(a_line_that_goes_to_a_channel_shows_it_and_goes_on)
{
    ready_line(DB("") ", stdout: c}\n  out: {command: [grep, 'listening on 80'], stdin: c");
}

TEST(a_line_of_one_under_a_bridge_shows_it_on_stderr)
{
    ready_line(DB(" >&2") ", stdout: c}\n  out: {command: [cat], stdin: c");
}

TEST(a_program_that_ends_well_shows_it)
{
    struct outcome o = run_file("processes:\n"
                                "  app: {command: '[ -e up ] && echo found', depends_on: db}\n"
                                "  db: {command: 'sleep 0.3; touch up; while [ ! -e end ]; do sleep 0.01; done',\n"
                                "       ready: {exec: [test, -e, up]}}\n"
                                "  end: {command: [touch, end], depends_on: app}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "found\n");
    outcome_free(&o);
}

TEST(a_program_that_is_asked_has_the_environment_and_directory_of_the_process)
{
    struct outcome o =
        run_file("processes:\n"
                 "  app: {command: '[ -e asked ] && echo found; touch end', depends_on: db}\n"
                 "  db: {command: 'while [ ! -e end ]; do sleep 0.01; done', env: {UP: down}, cwd: .,\n"
                 "       ready: {exec: '[ \"$UP\" = down ] && [ -z \"$CSP_TICKET\" ] && touch asked'}}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "found\n");
    outcome_free(&o);
}

TEST(all_replicas_must_be_ready)
{
    struct outcome o = run_file("processes:\n"
                                "  app: {command: 'ls up.*', depends_on: db}\n"
                                "  db: {command: 'sleep 0.$replica; touch up.$replica; echo ready', replicas: 3,\n"
                                "       ready: {line: ready}, stdout: log}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "up.1\nup.2\nup.3\n");
    outcome_free(&o);
}

/* Nobody reads the log, so that what db writes before it ends is not looked at: for longer than anybody could guess. */
TEST(a_line_shows_it_however_late_it_is_looked_at)
{
    struct running r = start_file("processes:\n"
                                  "  app: {command: [echo, found], depends_on: db}\n"
                                  "  db: {command: 'until [ -e full ]; do sleep 0.01; done; echo up >&2; touch said',\n"
                                  "       ready: {line: up}}\n"
                                  "  noise: {command: 'yes noise | head -c 400000 >&2'}\n");
    for (int held = 0; held < 60000;) {
        usleep(1000);
        ck_assert_int_eq(ioctl(r.fd[1], FIONREAD, &held), 0);
    }
    write_text(in_scratch("full"), "%s", "");
    while (access(in_scratch("said"), F_OK) != 0)
        usleep(1000);
    usleep(700000);
    struct outcome o = finish(&r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "found\n");
    outcome_free(&o);
}

TEST(what_has_left_something_behind_that_holds_its_output_may_be_ready_by_that)
{
    struct outcome o = run_file("processes:\n"
                                "  app: {command: [echo, found], depends_on: db}\n"
                                "  db: {command: '(sleep 0.7; echo up >&2) &', ready: {line: up}}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "found\n");
    outcome_free(&o);
}

TEST(without_ready_it_is_enough_to_be_started)
{
    struct outcome o = run_file("processes:\n"
                                "  c: {command: 'touch end; echo c', depends_on: [a, b]}\n"
                                "  a: {command: 'while [ ! -e end ]; do sleep 0.01; done'}\n"
                                "  b: {command: 'while [ ! -e end ]; do sleep 0.01; done', stdout: x, depends_on: a}\n"
                                "  d: {command: [cat], stdin: x}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "c\n");
    outcome_free(&o);
}

TEST(who_ends_before_it_is_ready_fails_those_that_depend_on_it)
{
    struct outcome o = run_file("on_failure: continue\n"
                                "processes:\n"
                                "  app: {command: [echo, app], depends_on: db}\n"
                                "  more: {command: [echo, more], depends_on: app}\n"
                                "  db: {command: 'exit 3', ready: {line: up}}\n"
                                "  other: {command: [echo, other]}\n");
    assert_status(&o, 3);
    ck_assert_str_eq(o.out.data, "other\n");
    assert_contains(&o.err, "app: cannot be started: db, which it depends on, has ended and was never ready");
    assert_contains(&o.err, "more: cannot be started: app, which it depends on");
    outcome_free(&o);
}

TEST(who_ends_well_before_it_is_ready_fails_them_too)
{
    struct outcome o = run_file("processes:\n"
                                "  app: {command: [cat], stdin: c, depends_on: db}\n"
                                "  src: {command: [yes], stdout: c}\n"
                                "  db: {command: 'exit 0', ready: {line: up}}\n");
    assert_status(&o, 126);
    outcome_free(&o);
}

TEST(who_is_restarted_until_it_is_ready_is_waited_for)
{
    struct outcome o = run_file("processes:\n"
                                "  app: {command: [echo, app], depends_on: db}\n"
                                "  db: {command: 'echo x >> n; [ $(wc -l < n) -lt 3 ] && exit 1; echo up >&2',\n"
                                "       ready: {line: up}, restart: {delay: 10ms}}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "app\n");
    outcome_free(&o);
}

TEST(ctrl_c_ends_who_waits)
{
    struct running r = start_file("processes:\n"
                                  "  app: {command: [cat], stdin: c, depends_on: db}\n"
                                  "  src: {command: [yes], stdout: c}\n"
                                  "  db: {command: 'echo begun >&2; exec tail -f /dev/null', ready: {line: up}}\n");
    wait_for_output(&r, 1, "begun");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

/* ---- ends */

/* db says whether app was there when it was told to end. */
static const char stop_order[] =
    "processes:\n"
    "  db: {command: 'trap \"[ -e app.ended ] && echo after app; exit 0\" TERM; echo up >&2;\n"
    "                 while :; do sleep 0.01; done', ready: {line: up}}\n"
    "  app: {command: 'trap \"sleep 0.2; touch app.ended; exit 0\" TERM; echo app >&2; touch app.up;\n"
    "                  while :; do sleep 0.01; done',\n"
    "        depends_on: db}\n";

TEST(who_is_depended_on_ends_last)
{
    struct running r = start_file(stop_order);
    wait_for_output(&r, 1, "app | app");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    ck_assert_str_eq(o.out.data, "after app\n");
    outcome_free(&o);
}

TEST(who_is_depended_on_ends_last_in_a_run_that_failed)
{
    write_text(in_scratch("r.yaml"),
               "%s  bad: {command: 'until [ -e app.up ]; do sleep 0.01; done; exit 3', depends_on: app}\n", stop_order);
    struct outcome o = sh("cd %s && cspctl run r.yaml", scratch());
    assert_status(&o, 3);
    ck_assert_str_eq(o.out.data, "after app\n");
    outcome_free(&o);
}

TEST(who_feeds_the_one_that_depends_on_it_ends_first)
{
    /* else they would wait for each other */
    struct running r = start_file("processes:\n"
                                  "  db: {command: 'echo a line; echo up >&2; exec tail -f /dev/null', stdout: c,\n"
                                  "       ready: {line: up}}\n"
                                  "  app: {command: 'cat; echo to its end', stdin: c, depends_on: db}\n");
    wait_for_output(&r, 0, "a line");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    ck_assert_str_eq(o.out.data, "a line\nto its end\n");
    outcome_free(&o);
}

TEST(daemons_double_forks_and_sessions_do_not_outlive_the_run)
{
    /* The fixture looks for processes that are left. */
    struct running r =
        start_file("processes:\n"
                   "  a: {command: 'setsid tail -f /dev/null & (setsid sh -c \"tail -f /dev/null &\" &); exec tail -f "
                   "/dev/null'}\n"
                   "  b: {command: '(setsid sh -c \"trap : TERM; tail -f /dev/null\" >/dev/null 2>&1 &); echo b;\n"
                   "                exec tail -f /dev/null', stdout: c}\n"
                   "  c: {command: [cat], stdin: c}\n");
    wait_for_output(&r, 0, "b\n");
    kill(r.pid, SIGINT);
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
}

/* ---- hint */

TEST(a_program_that_reads_and_writes_nothing_is_told_of)
{
    struct running r = start_file("processes:\n"
                                  "  src: {command: 'seq 10; exec tail -f /dev/null', stdout: a}\n"
                                  "  held: {command: [grep, '1'], stdin: a, stdout: b}\n"
                                  "  more: {command: 'seq 10; exec tail -f /dev/null', stdout: c}\n"
                                  "  flushed: {command: [grep, --line-buffered, '1'], stdin: c, stdout: d}\n"
                                  "  out: {command: [cat], stdin: [b, d]}\n");
    wait_for_output(&r, 1, "held: hint: it has read 10 values");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    assert_contains(&o.err, "stdbuf -oL");
    ck_assert_ptr_null(strstr(o.err.data, "flushed: hint"));
    outcome_free(&o);
}

SUITE_OF(ready)
