/* SPDX-License-Identifier: MPL-2.0 */
/* `each`: a run of the program for each value. Decision: what a run gets and what becomes of its value is read from
 * what it prints and from the exit status of `cspctl run`, as a user would; nothing here looks into the bridge. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cspctl run of a file whose processes are `seq`, which writes the numbers from 1 to n, and what is given here. */
static struct outcome each(int n, const char *channels, const char *processes)
{
    write_text(in_scratch("each.yaml"), "%sprocesses:\n  seq: {command: [seq, \"%d\"], stdout: n}\n%s", channels, n,
               processes);
    return sh("cd %s && exec cspctl run each.yaml", scratch());
}

static void assert_lines(const struct text *got, const char *want)
{
    write_text(in_scratch("got"), "%s", got->data);
    struct outcome o = sh("sort -n %s", in_scratch("got"));
    ck_assert_str_eq(o.out.data, want);
    outcome_free(&o);
}

TEST(a_value_is_an_argument_and_stdin_of_a_run_of_its_own)
{
    struct outcome o = each(3, "", "  work: {each: 'echo \"$# $1 $(cat) ${CSP_TRIES}\"', stdin: n, replicas: 2}\n");
    assert_lines(&o.out, "1 1 1 1\n1 2 2 1\n1 3 3 1\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(nothing_of_a_value_is_interpreted)
{
    static const char odd[] = "$(touch here) `touch here` \"'\\ * $1 ${HOME}; touch here\n-n\n\n$v\n";
    write_text(in_scratch("odd"), "%s", odd);
    write_text(in_scratch("odd.yaml"), "vars: {v: \"$1\"}\nprocesses:\n  cat: {command: [cat, odd], stdout: n}\n"
                                       "  work: {each: [printf, '[%%s] [%%s]\\n', $1, $v], stdin: n}\n");
    struct outcome o = sh("cd %s && cspctl run odd.yaml; test ! -e here", scratch());
    ck_assert_str_eq(o.out.data,
                     "[$(touch here) `touch here` \"'\\ * $1 ${HOME}; touch here] [$1]\n[-n] [$1]\n[] [$1]\n"
                     "[$v] [$1]\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_value_that_no_argument_can_hold_is_rejected)
{
    write_text(in_scratch("nul.yaml"),
               "channels: {n: {retry: {dead: failed}}}\nprocesses:\n"
               "  make: {command: 'printf \"a\\0b\\nc\\n\"; head -c 200000 /dev/zero | tr \"\\0\" x', stdout: n}\n"
               "  work: {each: [echo, $1], stdin: n}\n"
               "  keep: {each: 'echo \"$CSP_TRIES $CSP_REASON\"', stdin: failed, records: whole}\n");
    /* the dead letters are read on stdin alone, but sh gets its value as an argument, too: so a list */
    write_text(in_scratch("keep"), "#!/bin/sh\necho \"$CSP_TRIES $CSP_REASON\"\n");
    struct outcome o = sh("cd %s && chmod +x keep && sed -i \"s|'echo .*CSP_REASON.'|[./keep]|\" nul.yaml && "
                          "cspctl run nul.yaml",
                          scratch());
    assert_contains(&o.out, "c\n");
    assert_contains(&o.out, "2 it has a NUL byte, so it can't be an argument\n");
    assert_contains(&o.out, "2 it is too long to be an argument\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(what_fails_is_run_again_and_then_a_dead_letter_with_its_reason)
{
    struct outcome o =
        each(6, "channels: {n: {retry: {attempts: 3, delay: 1ms, dead: failed}}}\n",
             "  work: {each: 'test $(($1 % 3)) != 0 && exec echo $1; echo oh $1 >&2; exit 7', stdin: n, replicas: 2}\n"
             "  keep: {each: 'echo \"$1 dead after $(($CSP_TRIES - 1)): $CSP_REASON\"', stdin: failed}\n");
    assert_lines(&o.out, "1\n2\n3 dead after 3: exit status 7: oh 3\n4\n5\n6 dead after 3: exit status 7: oh 6\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_value_keeps_its_id_through_its_tries_and_as_a_dead_letter)
{
    struct outcome o = each(2, "channels: {n: {retry: {attempts: 2, delay: 1ms, dead: failed}}}\n",
                            "  work: {each: 'echo $1 $CSP_ID; exit 1', stdin: n}\n"
                            "  keep: {each: 'echo $1 $CSP_ID', stdin: failed}\n");
    write_text(in_scratch("ids"), "%s", o.out.data);
    struct outcome ids = sh("sort %s | uniq -c | awk '{ print $1, $2 }'", in_scratch("ids"));
    ck_assert_str_eq(ids.out.data, "3 1\n3 2\n");
    assert_status(&o, 0);
    outcome_free(&ids);
    outcome_free(&o);
}

TEST(a_run_with_retries_that_is_recorded_is_replayed_to_the_same_result)
{
    write_text(
        in_scratch("record.yaml"),
        "channels: {jobs: {retry: {attempts: 3, delay: 10ms, dead: failed}}}\n"
        "processes:\n"
        "  source: {command: [seq, '8'], stdout: jobs}\n"
        "  work:\n"
        "    each: 'if [ $1 = 5 ] || { [ $1 = 3 ] && [ $CSP_TRIES = 1 ]; }; then exit 1; fi; echo $1 $CSP_TRIES'\n"
        "    stdin: jobs\n"
        "    stdout: out\n"
        "    replicas: 2\n"
        "  keep: {command: [sed, 's/^/dead /'], stdin: failed, stdout: out}\n"
        "  sink: {command: [sort], stdin: out}\n");
    static const char *const how[] = {"--record", "--replay"};
    for (int i = 0; i < 2; i++) {
        struct outcome o = sh("cd %s && cspctl run record.yaml %s log", in_scratch("."), how[i]);
        assert_status(&o, 0);
        ck_assert_str_eq(o.out.data, "1 1\n2 1\n3 2\n4 1\n6 1\n7 1\n8 1\ndead 5\n");
        outcome_free(&o);
    }
}

TEST(an_exit_code_can_reject_at_once)
{
    struct outcome o = each(2, "channels: {n: {retry: {attempts: 9, delay: 1ms, dead: failed}}}\n",
                            "  work: {each: 'exit 65', stdin: n, reject: 65}\n"
                            "  keep: {each: 'echo $1 $CSP_TRIES $CSP_REASON', stdin: failed}\n");
    assert_lines(&o.out, "1 2 exit status 65\n2 2 exit status 65\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(an_exit_code_can_be_a_success)
{
    struct outcome o = each(2, "", "  work: {each: 'exit 3', stdin: n, success: [0, 3]}\n");
    assert_status(&o, 0);
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

TEST(without_retry_what_fails_is_given_up_and_the_run_says_so)
{
    struct outcome o = each(5, "", "  work: {each: 'test $1 -lt 4', stdin: n, replicas: 2}\n");
    assert_status(&o, 1);
    assert_contains(&o.err, "n: 2 values were given up");
    assert_contains(&o.err, "each: 2 values given up: status 1");
    outcome_free(&o);
}

TEST(a_run_that_takes_too_long_is_killed_with_all_it_started)
{
    struct outcome o = each(1, "channels: {n: {retry: {attempts: 2, delay: 1ms, dead: failed}}}\n",
                            "  work: {each: 'sleep 1000 & sleep 1000', stdin: n, timeout: 50ms}\n"
                            "  keep: {each: 'echo \"$1 $CSP_REASON\"', stdin: failed}\n");
    ck_assert_str_eq(o.out.data, "1 it took longer than its timeout of 50 ms, and was killed\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(what_a_run_leaves_behind_ends_with_it)
{
    struct outcome o = each(2, "", "  work: {each: 'setsid sleep 1000 & echo $1', stdin: n}\n");
    assert_lines(&o.out, "1\n2\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_program_that_is_not_there_ends_the_run)
{
    struct outcome o = each(2, "", "  work: {each: [./nowhere, $1], stdin: n}\n");
    assert_status(&o, 127);
    assert_contains(&o.err, "cannot be started: ./nowhere: No such file or directory");
    outcome_free(&o);
}

TEST(a_batch_is_one_run_for_several_values)
{
    struct outcome o = each(10, "", "  work: {each: 'echo \"$#: $*; $(cat | paste -s -d +)\"', stdin: n, batch: 4}\n");
    ck_assert_str_eq(o.out.data, "4: 1 2 3 4; 1+2+3+4\n4: 5 6 7 8; 5+6+7+8\n2: 9 10; 9+10\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_batch_can_be_bounded_by_its_size)
{
    struct outcome o = each(5, "", "  work: {each: [echo, and, $@], stdin: n, batch: 2B}\n");
    ck_assert_str_eq(o.out.data, "and 1 2\nand 3 4\nand 5\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

/* 4 MB of values that are arguments, which is more than a program can be given at once; and one that never can be. */
TEST(a_batch_is_no_more_than_a_program_can_be_given)
{
    write_text(
        in_scratch("large.yaml"),
        "processes:\n"
        "  make: {command: 'head -c 4000000 /dev/zero | tr \"\\0\" x | fold -w 100000; printf \"\\na\\0b\\nc\\n\"', "
        "stdout: n}\n"
        "  work: {each: 'echo $#', stdin: n, stdout: o, batch: 100}\n"
        "  sum: {command: \"awk '{n += $1} END {print n}'\", stdin: o}\n");
    struct outcome o = sh("ulimit -s 8192; cspctl run %s", in_scratch("large.yaml"));
    ck_assert_str_eq(o.out.data, "41\n");
    assert_contains(&o.err, "n: 1 value was given up");
    assert_status(&o, 1);
    outcome_free(&o);
}

TEST(batches_of_several_replicas_keep_the_order_of_their_input)
{
    struct outcome o = each(500, "",
                            "  work: {each: 'cat', stdin: n, stdout: o, replicas: 3, batch: 20, order: input}\n"
                            "  cat: {command: 'seq 500 | cmp - /dev/fd/3 && echo same', in: {3: o}}\n");
    ck_assert_str_eq(o.out.data, "same\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_value_that_fails_takes_no_other_of_its_batch_to_the_dead_letters)
{
    struct outcome o = each(6, "channels: {n: {retry: {attempts: 3, delay: 1ms, dead: failed}}}\n",
                            "  work: {each: 'for v; do test $v != 4 || exit 1; done; printf \"%s\\n\" \"$@\"', "
                            "stdin: n, batch: 6}\n"
                            "  keep: {each: 'echo \"$1 is dead\"', stdin: failed}\n");
    assert_lines(&o.out, "1\n2\n3\n4 is dead\n5\n6\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(output_of_a_run_that_fails_is_dropped)
{
    struct outcome o = each(4, "channels: {n: {retry: {attempts: 3, delay: 1ms}}}\n",
                            "  work: {each: 'echo $1.$CSP_TRIES; exit $((CSP_TRIES < 3))', stdin: n, stdout: o}\n"
                            "  sort: {command: sort, stdin: o}\n");
    ck_assert_str_eq(o.out.data, "1.3\n2.3\n3.3\n4.3\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_run_can_write_to_several_channels)
{
    struct outcome o = each(3, "",
                            "  work: {each: 'echo $1; echo $1$1 >&3; echo err >&2', stdin: n, stdout: o, stderr: e, "
                            "out: {3: p}}\n"
                            "  sort: {command: sort, stdin: [o, p, e]}\n");
    ck_assert_str_eq(o.out.data, "1\n11\n2\n22\n3\n33\nerr\nerr\nerr\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(large_output_of_a_run_arrives_whole)
{
    struct outcome o = each(3, "",
                            "  work: {each: 'seq 200000', stdin: n, stdout: o, replicas: 2}\n"
                            "  sum: {command: [cksum], stdin: o}\n");
    struct outcome want = sh("for i in 1 2 3; do seq 200000; done | wc -c");
    char bytes[32];
    snprintf(bytes, sizeof bytes, " %ld", strtol(want.out.data, NULL, 10));
    assert_contains(&o.out, bytes);
    assert_status(&o, 0);
    outcome_free(&want);
    outcome_free(&o);
}

/* Its complaints are read more slowly than it makes them, so that there are always more. */
TEST(a_run_that_complains_without_end_is_killed_at_its_timeout)
{
    write_text(in_scratch("yes.yaml"), "processes:\n"
                                       "  make: {command: [echo, a], stdout: n}\n"
                                       "  work: {each: 'yes >&2', stdin: n, timeout: 300ms}\n");
    struct outcome o = sh("cd %s && { timeout 30 cspctl run yes.yaml; echo status $? >&2; : >over; } 2>&1 |\n"
                          "{ until [ -e over ]; do head -c 16384 >>said; sleep 0.005; done; cat >>said; }\n"
                          "grep -v ' y$' %s/said",
                          scratch(), scratch());
    assert_contains(&o.out, "it took longer than its timeout of 300 ms, and was killed");
    assert_contains(&o.out, "\nstatus 1\n");
    outcome_free(&o);
}

/* One read gives one write of it, however much more there is. */
TEST(all_that_a_run_wrote_is_its_output_where_it_has_made_its_pipe_one_of_packets)
{
    build_program("packets", "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <unistd.h>\n"
                             "int main(int argc, char **argv) {\n"
                             "    int bad = fcntl(1, F_SETFL, O_WRONLY | O_DIRECT);\n"
                             "    for (int i = 0; i < 9; i++) bad |= write(1, argv[argc - 1], 1) != 1;\n"
                             "    return bad | (write(1, \"\\n\", 1) != 1);\n"
                             "}\n");
    write_text(in_scratch("packets.yaml"),
               "processes:\n"
               "  make: {command: [seq, \"9\"], stdout: n}\n"
               "  work: {each: [%s, $1], stdin: n, stdout: o}\n"
               "  keep: {command: [cat], stdin: o}\n",
               in_scratch("packets"));
    struct outcome o = sh("cspctl run %s", in_scratch("packets.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "111111111\n222222222\n333333333\n444444444\n555555555\n666666666\n777777777\n"
                                 "888888888\n999999999\n");
    outcome_free(&o);
}

TEST(a_receiver_that_has_enough_ends_the_run_well)
{
    struct outcome o = each(100000, "",
                            "  work: {each: [echo, $1], stdin: n, stdout: o}\n"
                            "  head: {command: [head, -n, \"3\"], stdin: o}\n");
    ck_assert_str_eq(o.out.data, "1\n2\n3\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_source_is_not_far_ahead_of_the_capacity_before_tasks)
{
    /* All of it would fit into the window and the pipe that values have elsewhere. */
    write_text(
        in_scratch("ahead.yaml"),
        "channels: {n: {capacity: 50}}\n"
        "processes:\n"
        "  gen: {command: 'seq 20000; touch all', stdout: n}\n"
        "  work: {each: 'for n; do test $n -gt 10000 || ! test -e all || exit 7; done', stdin: n, batch: 100}\n");
    struct outcome o = sh("cd %s && cspctl run ahead.yaml", scratch());
    assert_status(&o, 0);
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

TEST(a_drained_stop_that_waits_says_for_what)
{
    write_text(in_scratch("slow.yaml"), "channels: {n: {retry: {delay: 1h, attempts: 3}}}\n"
                                        "processes:\n"
                                        "  gen: {command: 'echo 1; echo 2; exec tail -f /dev/null', stdout: n}\n"
                                        "  work: {each: 'echo \"try $1\"; exit 1', stdin: n, grace: 100ms}\n");
    struct running r = start("exec cspctl run %s", in_scratch("slow.yaml"));
    wait_for_output(&r, 0, "try 2\n");
    kill(r.pid, SIGINT);
    wait_for_output(&r, 1, "n: still 2 values to be done before the end");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_contains(&o.err, "2 values");
    outcome_free(&o);
}

TEST(a_drained_stop_loses_nothing)
{
    write_text(
        in_scratch("drain.yaml"),
        "processes:\n  gen: {command: 'i=0; while :; do i=$((i + 1)); echo $i >> sent; echo $i; done', stdout: n}\n"
        "  work: {each: 'echo $1 >> %s; echo $1', stdin: n, replicas: 2}\nchannels: {n: {capacity: 10}}\n",
        in_scratch("done"));
    struct running r = start("cd %s && exec cspctl run drain.yaml", scratch());
    wait_for_output(&r, 0, "5\n");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    /* the last number may have been noted, and not sent */
    struct outcome same = sh("cd %s && sort -n done > a && head -n $(wc -l < a) sent | cmp - a && "
                             "test $(($(wc -l < sent) - $(wc -l < a))) -le 1",
                             scratch());
    assert_status(&same, 0);
    ck_assert_ptr_null(strstr(o.err.data, "given up"));
    outcome_free(&same);
    outcome_free(&o);
}

TEST(a_second_stop_says_how_many_values_were_given_up_and_where)
{
    write_text(in_scratch("kill.yaml"),
               "channels: {n: {retry: {}}}\nprocesses:\n  gen: {command: 'seq 5; exec sleep 1000', stdout: n}\n"
               "  work: {each: 'echo begun; exec sleep 1000', stdin: n, grace: 100s}\n");
    struct running r = start("cd %s && exec cspctl run kill.yaml", scratch());
    wait_for_output(&r, 0, "begun");
    kill(r.pid, SIGINT);
    wait_for_output(&r, 1, "once more to kill it");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    assert_contains(&o.err, "n: 5 values were given up");
    outcome_free(&o);
}

SUITE_OF(each)
