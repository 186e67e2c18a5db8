/* SPDX-License-Identifier: MPL-2.0 */
/* What a sceptical user found: odd words, odd names and outputs that fail. Each test is one thing that was answered
 * wrongly, or in silence, before. */
#include "harness.h"

#include <string.h>

static const char *live_file(void)
{
    const char *file = in_scratch("live.yaml");

    write_text(file, "channels: {jobs: {close: never}}\n"
                     "processes:\n"
                     "  work: {command: cat, stdin: jobs}\n"
                     "  idle: {command: sleep 1000}\n");
    return file;
}

TEST(a_word_too_many_closes_no_channel)
{
    struct outcome o = sh("cspctl run -d %s >%s || exit 9; cspctl close jobs extra; echo $?;"
                          "cspctl recv -t 0ms jobs extra; echo $?; cspctl send jobs x; echo $?; cspctl stop -k",
                          live_file(), in_scratch("up"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "64\n64\n0\n");
    assert_contains(&o.err, "cspctl: close: extra: this word is one too many");
    assert_contains(&o.err, "cspctl: recv: extra: this word is one too many");
    outcome_free(&o);
}

TEST(ps_and_stop_of_a_bare_name_say_how_a_run_is_named)
{
    struct outcome o = sh("cspctl ps live; cspctl stop live");
    assert_status(&o, 64);
    assert_contains(&o.err, "cspctl: ps: live: this word is one too many: write --run before the name of a run");
    assert_contains(&o.err, "cspctl: stop: live: this word is one too many: write --run before the name of a run");
    outcome_free(&o);
}

TEST(output_of_replicas_to_a_full_disk_is_no_success)
{
    write_text(in_scratch("full.yaml"), "processes: {a: {command: echo hi, replicas: 3}}\n");
    struct outcome o = sh("cspctl run %s >/dev/full", in_scratch("full.yaml"));
    assert_status(&o, 74);
    assert_contains(&o.err, "cspctl: standard output: No space left on device");
    outcome_free(&o);
}

TEST(output_of_replicas_that_fails_midway_is_named_as_the_cause)
{
    write_text(in_scratch("full.yaml"), "processes: {a: {command: seq 100000, replicas: 3}}\n");
    struct outcome o = sh("cspctl run %s >/dev/full", in_scratch("full.yaml"));
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "cspctl: standard output: No space left on device");
    outcome_free(&o);
}

TEST(a_newline_in_the_name_of_the_file_is_no_hindrance)
{
    write_text(in_scratch("a\nb\t.yaml"), "name: odd\nprocesses: {a: {command: cspctl ps}}\n");
    struct outcome o = sh("cspctl run '%s'", in_scratch("a\nb\t.yaml"));
    assert_status(&o, 0);
    assert_contains(&o.out, "/a?b?.yaml");
    outcome_free(&o);
}

TEST(too_few_descriptors_to_begin_with_are_named)
{
    /* A leak checker would have no descriptor to look with, and says so by its status. */
    struct outcome o = sh("ulimit -n 8; ASAN_OPTIONS=detect_leaks=0 cspctl run %s", live_file());
    assert_status(&o, 71);
    assert_contains(&o.err, "Too many open files");
    outcome_free(&o);
}

TEST(a_runtime_directory_with_too_long_a_name_is_named)
{
    struct outcome o = sh("export XDG_RUNTIME_DIR=%s/%0100d; mkdir -p $XDG_RUNTIME_DIR; cspctl run %s", in_scratch("."),
                          0, live_file());
    assert_status(&o, 71);
    assert_contains(&o.err, "File name too long: set XDG_RUNTIME_DIR to a directory with a shorter name");
    outcome_free(&o);
}

TEST(what_is_typed_at_the_terminal_reaches_a_process_and_control_d_ends_it)
{
    write_text(in_scratch("typed.yaml"), "processes:\n"
                                         "  a: {command: sed s/^/got-/, stdin: {file: /dev/stdin}, stdout: A}\n"
                                         "  b: {command: cat, stdin: A}\n");
    struct outcome o =
        sh("echo hello | timeout 100 script -qec \"$(command -v cspctl) run %s\" /dev/null", in_scratch("typed.yaml"));
    assert_status(&o, 0);
    assert_contains(&o.out, "got-hello");
    outcome_free(&o);
}

TEST(a_backend_that_drops_a_request_after_its_deadline_is_late_not_failed)
{
    write_text(in_scratch("late.yaml"),
               "services: {s: {deadline: 60s}}\n"
               "processes: {echo: {command: [jq, --unbuffered, -cR, '[{title: .}]'], serve: s}}\n");
    struct outcome o = sh("cspctl run -d %s >%s || exit 9; cspctl call -w 60s s x >%s || exit 8;"
                          "for i in 1 2 3 4 5; do cspctl call -o json -t 0ms s x; done |"
                          " jq -se '[.[].backends | .ok == 0 and .late != [\"echo\"]] | any | not'; a=$?;"
                          "cspctl stop -k && exit $a",
                          in_scratch("late.yaml"), in_scratch("up"), in_scratch("hits"));
    assert_status(&o, 0);
    outcome_free(&o);
}

SUITE_OF(attack)
