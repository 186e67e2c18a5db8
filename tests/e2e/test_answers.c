/* SPDX-License-Identifier: MPL-2.0 */
/* ack, order and partition: programs that live long, and what becomes of their values when they do not. Decision: the
 * program that dies is killed by itself at a value of its choice, so that each test says exactly what comes again. */
#include "harness.h"

#include "leftover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cspctl run of a file whose process `seq` writes the numbers from 1 to n, or what it is given. */
static struct outcome run(const char *input, const char *channels, const char *processes)
{
    write_text(in_scratch("ack.yaml"), "%sprocesses:\n  seq: {command: '%s', stdout: n}\n%s", channels, input,
               processes);
    return sh("cd %s && exec cspctl run ack.yaml", scratch());
}

TEST(a_line_of_output_acknowledges_a_line_of_input)
{
    struct outcome o = run("seq 1000", "channels: {n: {retry: {attempts: 2, dead: failed}}}\n",
                           "  sed: {command: [sed, -u, s/$$/./], ack: line, stdin: n, stdout: o, replicas: 2}\n"
                           "  sum: {command: 'sort -n | cksum', stdin: o}\n"
                           "  dead: {command: [cat], stdin: failed}\n");
    struct outcome want = sh("seq 1000 | sed s/$/./ | cksum");
    assert_same(&o.out, &want.out);
    assert_status(&o, 0);
    outcome_free(&want);
    outcome_free(&o);
}

TEST(what_a_program_holds_in_its_buffers_is_answered_at_the_end)
{
    struct outcome o = run("seq 500", "channels: {n: {retry: {}}}\n",
                           "  sed: {command: [sed, s/$$/./], ack: line, stdin: n, stdout: o, replicas: 2}\n"
                           "  count: {command: [wc, -l], stdin: o}\n");
    ck_assert_str_eq(o.out.data, "500\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

/* A filter of lines that is killed when it comes to 500 for the first time. */
static const char dying[] =
    "  work: {command: 'while read -r i; do if test $i = 500 && mkdir died 2>/dev/null; then kill "
    "-9 $$; fi; echo $i; done', ack: line, stdin: n, stdout: o, replicas: 2, restart: "
    "{when: on-failure, delay: 1ms}%s}\n%s";

TEST(a_program_that_is_killed_loses_and_doubles_nothing)
{
    char work[512];
    snprintf(work, sizeof work, dying, "", "  sum: {command: 'sort -n | cksum', stdin: o}\n");
    struct outcome o = run("seq 1000", "channels: {n: {retry: {attempts: 5}}}\n", work);
    struct outcome want = sh("seq 1000 | cksum");
    assert_same(&o.out, &want.out);
    assert_status(&o, 0);
    outcome_free(&want);
    outcome_free(&o);
}

TEST(order_is_kept_through_replicas_and_their_deaths)
{
    char work[512];
    snprintf(work, sizeof work, dying, ", order: input", "  cat: {command: [cat], stdin: o}\n");
    struct outcome o = run("seq 1000", "channels: {n: {retry: {attempts: 5}}}\n", work);
    struct outcome want = sh("seq 1000");
    assert_same(&o.out, &want.out);
    assert_status(&o, 0);
    outcome_free(&want);
    outcome_free(&o);
}

TEST(order_is_kept_through_runs_of_different_length_and_values_that_fail)
{
    struct outcome o = run("seq 30", "channels: {n: {retry: {attempts: 2, delay: 1ms}}}\n",
                           "  work: {each: 'sleep 0.0$((($1 * 7) % 5)); test $(($1 % 10)) != 0 || exit 1; "
                           "echo $1', stdin: n, stdout: o, replicas: 4, order: input}\n"
                           "  cat: {command: [cat], stdin: o}\n");
    struct outcome want = sh("seq 30 | grep -v 0");
    assert_same(&o.out, &want.out);
    assert_status(&o, 1);
    assert_contains(&o.err, "n: 3 values were given up");
    outcome_free(&want);
    outcome_free(&o);
}

TEST(a_line_too_much_is_a_mistake_that_is_said)
{
    struct outcome o = run("seq 3", "",
                           "  work: {command: [sed, -u, 'p'], ack: line, stdin: n, stdout: o}\n"
                           "  cat: {command: [cat], stdin: o, stdout: none}\n");
    assert_status(&o, 65);
    assert_contains(&o.err, "it wrote a line for which it had read none");
    outcome_free(&o);
}

TEST(a_program_that_takes_too_long_for_a_value_is_killed_and_the_value_comes_again)
{
    struct outcome o =
        run("seq 3", "channels: {n: {retry: {attempts: 99}}}\n", /* others may take as long on a busy machine */
            "  work: {command: 'while read -r i; do test $i != 2 || ! mkdir hung 2>/dev/null || sleep 1000; "
            "echo $i; done', ack: line, stdin: n, stdout: o, timeout: 200ms, restart: {when: on-failure, "
            "attempts: 99, delay: 1ms}}\n"
            "  sort: {command: [sort], stdin: o}\n");
    ck_assert_str_eq(o.out.data, "1\n2\n3\n");
    assert_contains(&o.err, "a value took longer than its timeout of 200 ms");
    assert_status(&o, 0);
    outcome_free(&o);
}

/* Seven seconds of work, all of it delivered ahead to the first. */
TEST(a_value_does_not_pay_for_the_time_of_those_before_it)
{
    struct outcome o = run("seq 7", "channels: {n: {retry: {attempts: 1}}, o: {retry: {attempts: 1}}}\n",
                           "  line: {command: 'while read -r i; do sleep 1; echo $i; done', ack: line, stdin: n, "
                           "stdout: o, timeout: 6s}\n"
                           "  explicit: {command: 'while read -r i; do sleep 1; echo $i; cspctl ack o; done', "
                           "ack: explicit, stdin: o, timeout: 6s}\n");
    ck_assert_str_eq(o.out.data, "1\n2\n3\n4\n5\n6\n7\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_value_that_always_kills_its_program_takes_no_others_with_it)
{
    struct outcome o = run(
        "seq 40", "channels: {n: {retry: {attempts: 3, delay: 1ms, dead: d}}}\n",
        "  work: {command: 'while read -r i; do test $i != 9 || exit 3; echo $i; done', ack: line, stdin: n, stdout: "
        "o, restart: {when: on-failure, delay: 1ms}}\n"
        "  cat: {command: [cat], stdin: o, stdout: none}\n"
        "  dead: {each: [echo, $1], stdin: d}\n");
    ck_assert_str_eq(o.out.data, "9\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_program_can_acknowledge_by_itself)
{
    struct outcome o = run("seq 5", "channels: {n: {retry: {attempts: 3}}}\n",
                           "  work: {command: 'while read -r i; do echo $i; cspctl ack n || exit 9; done', ack: "
                           "explicit, stdin: n}\n");
    ck_assert_str_eq(o.out.data, "1\n2\n3\n4\n5\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(what_a_program_did_not_acknowledge_comes_again)
{
    struct outcome o = run("seq 4", "channels: {n: {retry: {attempts: 3}}}\n",
                           "  work: {command: 'while read -r i; do echo $i; if test $i = 3 && mkdir died 2>/dev/null; "
                           "then exit 1; fi; cspctl ack n; done', ack: explicit, stdin: n, restart: {when: on-failure, "
                           "delay: 1ms}}\n");
    ck_assert_str_eq(o.out.data, "1\n2\n3\n3\n4\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

/* Those that were in the pipe to it, and that it has not read. */
TEST(a_program_that_acknowledges_and_dies_costs_what_it_has_not_read_no_try)
{
    struct outcome o =
        run("seq 40", "channels: {n: {retry: {attempts: 2, dead: d}}}\n",
            "  work: {command: 'while read -r i; do test $i != 9 || exit 1; echo $i; cspctl ack n; done', "
            "ack: explicit, stdin: n, stdout: o, restart: {when: on-failure, delay: 1ms}}\n"
            "  count: {command: 'wc -l', stdin: o}\n"
            "  dead: {each: [echo, dead, $1], stdin: d, stdout: e}\n"
            "  tell: {command: [cat], stdin: e}\n");
    write_text(in_scratch("out"), "%s", o.out.data);
    struct outcome sorted = sh("sort %s", in_scratch("out"));
    ck_assert_str_eq(sorted.out.data, "39\ndead 9\n");
    assert_status(&o, 0);
    outcome_free(&sorted);
    outcome_free(&o);
}

TEST(values_of_a_field_go_to_one_replica_in_their_order)
{
    struct outcome o = run("for i in $(seq 300); do echo \"$((i * 7 % 10)) $i\"; done", "",
                           "  work: {command: 'while read -r k i; do echo $k $CSP_REPLICA $i; done', stdin: n, "
                           "replicas: 3, partition: 1}\n");
    write_text(in_scratch("out"), "%s", o.out.data);
    struct outcome seen = sh("awk '{ if ($1 in of && (of[$1] != $2 || last[$1] > $3)) bad = 1; of[$1] = $2; last[$1] = "
                             "$3; used[$2] } END { for (r in used) n++; print NR, bad + 0, (n > 1) }' %s",
                             in_scratch("out"));
    ck_assert_str_eq(seen.out.data, "300 0 1\n");
    assert_status(&o, 0);
    outcome_free(&seen);
    outcome_free(&o);
}

TEST(values_of_a_field_are_retried_at_their_replica)
{
    struct outcome o =
        run("for i in 1 2 3; do echo \"{\\\"k\\\": $i, \\\"v\\\": \\\"a\\\"}\"; done",
            "channels: {n: {retry: {attempts: 2, delay: 1ms, dead: failed}}}\n",
            "  work: {each: 'echo $CSP_TRIES; exit 1', stdin: n, stdout: none, replicas: 2, partition: k}\n"
            "  keep: {each: 'echo \"$1 $CSP_REASON\"', stdin: failed, stdout: dead}\n"
            "  sort: {command: sort, stdin: dead}\n");
    ck_assert_str_eq(o.out.data, "{\"k\": 1, \"v\": \"a\"} exit status 1\n{\"k\": 2, \"v\": \"a\"} exit status 1\n"
                                 "{\"k\": 3, \"v\": \"a\"} exit status 1\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

SUITE_OF(answers)
