/* SPDX-License-Identifier: MPL-2.0 */
/* Edges from one process to one: their values go directly from the one to the other, and whatever happens to such an
 * edge, guests and deaths included, is as on one that the broker carries. Decision: a source counts, so that what was
 * lost, doubled or reordered shows in the numbers, whoever received them. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Shell: waits until the channel c of the only run is joined directly. */
#define UNTIL_DIRECT                                                                                                   \
    "until cspctl ps -o json | jq -e '.runs[0].channels[] | select(.name == \"c\").kind == \"pair\"' > /dev/null; do"  \
    " sleep 0.02; done"

static void run_to_end(struct running *r, int status)
{
    struct outcome o = finish(r);
    assert_status(&o, status);
    outcome_free(&o);
}

/* In the scratch directory, with status 0. */
static void must(const char *command)
{
    struct outcome o = sh("cd %s && { %s; }", scratch(), command);
    assert_status(&o, 0);
    outcome_free(&o);
}

static unsigned seed;

static void say_seed(void)
{
    const char *given = getenv("SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
}

/* Not a wait for anything: a random moment. */
static void random_moment(long most_ms)
{
    long us = (long)(rand_r(&seed) % (unsigned)(most_ms * 1000));
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

/* Counts until the file `stop` is there; then its last number is in the file `last`. What comes is in the file `out`.
 */
static struct running start_counting(void)
{
    write_text(in_scratch("count.yaml"),
               "channels: {c: {capacity: 256}}\n"
               "processes:\n"
               "  count: {command: 'i=0; while [ ! -e stop ]; do i=$((i + 1)); echo $i; done; echo $i > last', cwd: %s,"
               " stdout: c}\n"
               "  keep: {command: 'cat > out', cwd: %s, stdin: c}\n",
               scratch(), scratch());
    return start("exec cspctl run %s", in_scratch("count.yaml"));
}

static void stop_counting(struct running *r)
{
    write_text(in_scratch("stop"), "%s", "");
    run_to_end(r, 0);
}

/* ---- directly */

TEST(an_edge_from_one_to_one_is_joined_directly)
{
    struct running r = start_counting();
    must(UNTIL_DIRECT);
    struct outcome o = sh("cspctl dump -o json | jq '[.processes[].streams[].how] | unique[]' && cspctl dump |"
                          " grep -c ' pair '");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "\"pair\"\n3\n"); /* in the text: the channel and its two streams */
    outcome_free(&o);
    stop_counting(&r);
    must("seq $(cat last) | cmp - out");
}

/* Ticks of processor time that a process has had. */
static long ticks(pid_t pid)
{
    struct outcome o =
        sh("sed 's/.*) //' /proc/%d/stat | { read a b c d e f g h i j k u s rest; echo $((u + s)); }", (int)pid);
    assert_status(&o, 0);
    long n = strtol(o.out.data, NULL, 10);
    outcome_free(&o);
    return n;
}

TEST(the_broker_has_no_part_in_what_goes_directly)
{
    write_text(
        in_scratch("yes.yaml"),
        "processes: {y: {command: ['yes', 'a line'], stdout: c}, n: {command: [cat], stdin: c, stdout: none}}\n");
    struct running r = start("exec cspctl run %s", in_scratch("yes.yaml"));
    must(UNTIL_DIRECT);
    struct outcome o = sh("sed -n 's/^broker //p' \"$XDG_RUNTIME_DIR\"/csp-*/run");
    pid_t broker = (pid_t)strtol(o.out.data, NULL, 10), cat = wait_for_process("cat");
    outcome_free(&o);
    long before = ticks(broker), began = ticks(cat);
    while (ticks(cat) - began < 20) /* 0.2 s of nothing but reading and writing, which is hundreds of megabytes */
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    long spent = ticks(broker) - before;
    must("cspctl stop");
    run_to_end(&r, 130);
    ck_assert_msg(spent <= 5, "the broker worked for %ld ticks while cat did for 20", spent);
}

TEST(three_cats_in_a_row_are_exact_for_100_megabytes_without_a_final_newline)
{
    must("find -L /usr/share/common-licenses -type f -exec cat {} + > part; while [ $(stat -c %s part) -lt 104857600 ];"
         " do cat part part > more; mv more part; done; head -c 104857599 part > in; rm part; tail -c 1 in | od -c");
    write_text(in_scratch("cats.yaml"),
               "processes:\n"
               "  one: {command: [cat, %s], stdout: a}\n"
               "  two: {command: [cat], stdin: a, stdout: b}\n"
               "  three: {command: [cat], stdin: b}\n",
               in_scratch("in"));
    must("cspctl run cats.yaml | cmp - in");
    must(
        "printf tail >> in; cspctl run cats.yaml | cmp - in"); /* of one newline in two files one has none at its end */
}

TEST(yes_into_head_ends_well_at_any_moment)
{
    write_text(in_scratch("y.yaml"), "vars: {n: '3'}\n"
                                     "processes:\n"
                                     "  y: {command: ['yes'], stdout: c}\n"
                                     "  h: {command: [head, -n, $n], stdin: c}\n");
    for (int n = 1; n < 1000000; n = n * 7 + 1) {
        struct outcome o = sh("cd %s && cspctl run y.yaml n=%d | sort | uniq -c", scratch(), n);
        assert_status(&o, 0);
        ck_assert_str_eq(o.err.data, "");
        ck_assert_int_eq(strtol(o.out.data, NULL, 10), n);
        outcome_free(&o);
    }
}

TEST(a_value_over_max_bytes_on_a_direct_edge_ends_the_run_with_its_place)
{
    write_text(in_scratch("large.yaml"),
               "channels: {c: {max_bytes: 100}}\n"
               "processes:\n"
               "  a: {command: 'seq 10000; until [ -e go ]; do sleep 0.02; done; printf %%0101d 0; echo', cwd: %s,"
               " stdout: c}\n"
               "  b: {command: 'cat > out', cwd: %s, stdin: c}\n",
               scratch(), scratch());
    struct running r = start("exec cspctl run %s", in_scratch("large.yaml"));
    must(UNTIL_DIRECT "; touch go");
    struct outcome o = finish(&r);
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "record 10001 at byte 48894 is larger than max_bytes 100 of channel c");
    outcome_free(&o);
}

TEST(ctrl_c_drains_a_direct_edge)
{
    write_text(in_scratch("drain.yaml"),
               "processes:\n"
               "  a: {command: 'trap \"t=1\" TERM; i=0; while [ -z \"$t\" ]; do i=$((i + 1)); echo $i; done; echo $i >"
               " last', cwd: %s, stdout: c}\n"
               "  b: {command: 'cat > out', cwd: %s, stdin: c}\n",
               scratch(), scratch());
    struct running r = start("exec cspctl run %s", in_scratch("drain.yaml"));
    must(UNTIL_DIRECT);
    ck_assert_int_eq(kill(r.pid, SIGINT), 0);
    run_to_end(&r, 130);
    must("seq $(cat last) | cmp - out");
}

/* ---- guests */

enum { VISITS = 12 };

TEST(guests_that_receive_from_a_direct_edge_lose_and_double_nothing)
{
    say_seed();
    struct running r = start_counting();
    for (int i = 0; i < VISITS; i++) {
        must(UNTIL_DIRECT);
        random_moment(20);
        struct outcome o =
            sh("cspctl recv c -n %u --timeout 100s >> %s", 1 + (unsigned)rand_r(&seed) % 2000, in_scratch("visits"));
        assert_status(&o, 0);
        outcome_free(&o);
    }
    must(UNTIL_DIRECT);
    stop_counting(&r);
    must("sort -nuc out && sort -nuc visits && sort -num out visits > all && seq $(cat last) | cmp - all &&"
         " test $(wc -l < all) = $(cat out visits | wc -l)");
}

TEST(guests_that_send_to_a_direct_edge_lose_and_double_nothing)
{
    say_seed();
    struct running r = start_counting();
    for (int i = 0; i < VISITS; i++) {
        must(UNTIL_DIRECT);
        random_moment(20);
        struct outcome o = sh("seq -f 'g%%.0f' %d %d | cspctl send c", i * 1000, i * 1000 + 999);
        assert_status(&o, 0);
        outcome_free(&o);
    }
    must(UNTIL_DIRECT);
    stop_counting(&r);
    must("grep -v g out > ours; seq $(cat last) | cmp - ours");
    struct outcome o =
        sh("cd %s && grep g out > theirs; seq -f 'g%%.0f' 0 %d | cmp - theirs", scratch(), VISITS * 1000 - 1);
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(guests_that_send_and_receive_at_once_lose_and_double_nothing)
{
    say_seed();
    struct running r = start_counting();
    for (int i = 0; i < VISITS; i++) {
        must(UNTIL_DIRECT);
        random_moment(20);
        struct outcome o =
            sh("cd %s; cspctl recv c -n 500 --timeout 100s >> visits & seq -f 'g%%.0f' %d %d | cspctl send c"
               " && wait $!",
               scratch(), i * 1000, i * 1000 + 999);
        assert_status(&o, 0);
        outcome_free(&o);
    }
    stop_counting(&r);
    must("grep -v g out | sort -nuc; grep -v g visits | sort -nuc; cat out visits | grep -v g | sort -n > all;"
         " seq $(cat last) | cmp - all");
    struct outcome o =
        sh("cd %s && cat out visits | grep g | sort > theirs; seq -f 'g%%.0f' 0 %d | sort | cmp - theirs", scratch(),
           VISITS * 1000 - 1);
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_direct_edge_that_a_guest_closes_gives_what_was_sent_before)
{
    say_seed();
    write_text(in_scratch("close.yaml"),
               "processes:\n"
               "  a: {command: [seq, '1000000000'], stdout: c}\n"
               "  b: {command: 'cat > out', cwd: %s, stdin: c}\n",
               scratch());
    for (int i = 0; i < VISITS; i++) {
        struct running r = start("exec cspctl run %s", in_scratch("close.yaml"));
        if (i % 4 != 0)
            must(UNTIL_DIRECT);
        else
            wait_for_process("cat");
        random_moment(20);
        struct outcome o = sh("cspctl close c");
        assert_status(&o, 0);
        outcome_free(&o);
        run_to_end(&r, 0); /* seq dies of SIGPIPE, for nobody receives any more */
        must("seq $(wc -l < out) | cmp - out");
    }
}

/* ---- deaths */

/* Three programs and two edges; b is what must not take a part for the whole. */
static const char row[] = "processes:\n"
                          "  a: {command: ['yes', 'a line that goes on'], stdout: c}\n"
                          "  m: {command: [cat], stdin: c, stdout: d}\n"
                          "  b: {command: [sort, -u], stdin: d}\n";

static void bury(const char *victim, bool its_bridge, const char *says)
{
    write_text(in_scratch("row.yaml"), "%s", row);
    struct running r = start("exec cspctl run %s", in_scratch("row.yaml"));
    must(UNTIL_DIRECT);
    random_moment(20);
    pid_t pid = wait_for_process(victim);
    if (its_bridge) {
        struct outcome o = sh("sed -n 's/^PPid:[^0-9]*//p' /proc/%d/status", (int)pid);
        pid = (pid_t)strtol(o.out.data, NULL, 10);
        ck_assert_int_gt(pid, 1);
        outcome_free(&o);
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    struct outcome o = finish(&r);
    assert_status(&o, 137);
    ck_assert_str_eq(o.out.data, "");
    assert_contains(&o.err, says);
    assert_contains(&o.err, "signal 9");
    outcome_free(&o);
}

TEST(kill_9_on_either_side_of_a_direct_edge_ends_the_run_as_on_any)
{
    static const struct {
        const char *program, *says;
    } victims[] = {{"yes", "a: "}, {"cat", "m: "}, {"sort", "b: "}};

    say_seed();
    for (int i = 0; i < 2; i++)
        for (size_t v = 0; v < sizeof victims / sizeof *victims; v++)
            for (int its_bridge = 0; its_bridge < 2; its_bridge++)
                bury(victims[v].program, its_bridge, victims[v].says);
}

SUITE_OF(edges)
