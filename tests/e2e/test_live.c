/* SPDX-License-Identifier: MPL-2.0 */
/* Looking into a live run from another shell: ps, stop, and channels for shell scripts. */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A run that echoes what guests send to `in` on `out`. */
static struct running start_echo(void)
{
    write_text(in_scratch("echo.yaml"), "name: echo\n"
                                        "channels: {in: {close: never}, out: {close: never}}\n"
                                        "processes: {e: {command: [stdbuf, -oL, cat], stdin: in, stdout: out}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("echo.yaml"));
    wait_for_process("cat");
    return r;
}

static void stop(struct running *r)
{
    struct outcome o = sh("cspctl stop");
    assert_status(&o, 0);
    outcome_free(&o);
    o = finish(r);
    assert_status(&o, 130);
    outcome_free(&o);
}

TEST(send_and_receive_reach_a_run_from_a_shell)
{
    struct running r = start_echo();
    struct outcome o = sh("cspctl send in one 'two words' && cspctl recv out -n 2 --timeout 100s");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "one\ntwo words\n");
    outcome_free(&o);
    stop(&r);
}

TEST(send_takes_lines_of_its_input)
{
    struct running r = start_echo();
    struct outcome o = sh("seq 5 | cspctl send in && cspctl recv out -n 5 --timeout 100s");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "1\n2\n3\n4\n5\n");
    outcome_free(&o);
    stop(&r);
}

TEST(receive_times_out_with_124)
{
    struct running r = start_echo();
    struct outcome o = sh("cspctl recv out --timeout 50ms");
    assert_status(&o, 124);
    outcome_free(&o);
    stop(&r);
}

TEST(a_full_channel_that_rejects_says_what_to_do)
{
    write_text(in_scratch("full.yaml"), "channels: {in: {close: never, capacity: 1, overflow: reject}}\n"
                                        "processes: {w: {worker: [tail, -f, /dev/null], in: [in]}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("full.yaml"));
    wait_for_process("tail");
    struct outcome o = sh("cspctl send in one two");
    assert_status(&o, 75);
    ck_assert_str_eq(o.err.data, "cspctl: in: the channel is full, and its overflow policy is reject: the value was not"
                                 " sent: send it again later, or write overflow: block\n");
    outcome_free(&o);
    stop(&r);
}

TEST(close_ends_a_channel_for_its_readers)
{
    struct running r = start_echo();
    struct outcome o = sh("cspctl close in && cspctl recv out --timeout 50ms");
    outcome_free(&o);
    o = finish(&r);
    assert_status(&o, 0); /* cat came to its end of file, and the run to its end */
    outcome_free(&o);
}

TEST(a_second_close_says_closed_with_status_1)
{
    write_text(in_scratch("c.yaml"), "channels: {in: {close: never}}\n"
                                     "processes: {e: {command: 'cat; exec tail -f /dev/null', stdin: in}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("c.yaml"));
    wait_for_process("cat");
    struct outcome o = sh("cspctl close in && cspctl close in");
    assert_status(&o, 1);
    outcome_free(&o);
    stop(&r);
}

TEST(a_channel_that_is_not_there_gets_a_suggestion)
{
    struct running r = start_echo();
    struct outcome o = sh("cspctl send inn x");
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "did you mean");
    outcome_free(&o);
    stop(&r);
}

TEST(ps_names_processes_and_channels)
{
    struct running r = start_echo();
    struct outcome o = sh("cspctl ps && cspctl ps -o json | jq -e . >/dev/null");
    assert_status(&o, 0);
    assert_contains(&o.out, "echo");
    assert_contains(&o.out, "out");
    outcome_free(&o);
    stop(&r);
}

TEST(a_background_run_is_stopped_by_its_name)
{
    write_text(in_scratch("b.yaml"), "processes: {t: {command: [tail, -f, /dev/null]}}\n");
    struct outcome o =
        sh("cspctl run -d --name back %s && cspctl ps --run back && cspctl stop --run back", in_scratch("b.yaml"));
    assert_status(&o, 0);
    assert_contains(&o.out, "back");
    outcome_free(&o);
}

TEST(without_a_run_the_live_commands_say_so)
{
    struct outcome o = sh("cspctl send x y");
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "no run");
    outcome_free(&o);
}

/* Its number may be a stranger's by then: whoever signals a group must not know it any more. The source has ended, and
 * what it wrote waits in its bridge for a reader. */
TEST(the_group_of_a_program_that_has_gone_is_forgotten)
{
    write_text(in_scratch("g.yaml"),
               "channels: {a: {capacity: 0}}\n"
               "processes:\n"
               "  source: {command: 'yes $(printf %%0200d 0) | head -n 1700', stdout: a}\n"
               "  sink: {command: 'read go < %s; wc -l', stdin: a}\n",
               in_scratch("gate"));
    struct outcome o = sh("mkfifo %s", in_scratch("gate"));
    outcome_free(&o);
    struct running r = start("exec cspctl run %s", in_scratch("g.yaml"));
    o = sh(
        "until cspctl ps -o json 2>/dev/null | jq -e '([.. | objects | select(.name? == \"a\" and .sent? > 1000)] | "
        "length == 1) and ([.. | objects | select(.name? == \"source\" and .pid? > 0 and .program? == 0)] | length == "
        "1)' >/dev/null; do sleep 0.02; done; "
        "cspctl ps -o json | jq '[.. | objects | select(.name? == \"sink\" and .program? > 0)] | length'");
    ck_assert_str_eq(o.out.data, "1\n");
    outcome_free(&o);
    write_text(in_scratch("gate"), "go\n");
    o = finish(&r);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "1700\n");
    outcome_free(&o);
}

SUITE_OF(live)
