/* SPDX-License-Identifier: MPL-2.0 */
/* The benchmark's runner in its smallest mode. Decision: what it says is read as a user's script would, its JSON by jq;
 * how fast anything is, is no test. Those who measure it call scripts/bench directly, so nothing is installed here. */
#include "harness.h"

#include "leftover.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* scripts/bench over figures, 20 ms a measurement, results into the scratch directory. */
static struct outcome bench(const char *figures)
{
    return sh("BUILD=$(dirname %s) BENCH_SECONDS=0.02 scripts/bench --quick --rounds 2 -o %s %s", built("cspctl"),
              scratch(), figures);
}

static void assert_jq(const char *filter)
{
    struct outcome o = sh("jq -s -e '%s' %s/bench.jsonl", filter, scratch());
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_figure_stands_beside_its_baseline)
{
    struct outcome o = bench("rendezvous-1core");
    assert_status(&o, 0);
    ck_assert_str_eq(o.err.data, "");
    assert_contains(&o.out, "\nrendezvous-1core ");
    assert_contains(&o.out, "libzmq relay");
    assert_contains(&o.out, "<= 1.15");
    assert_contains(&o.out, "of 1 goals met, 0 not measured");
    assert_jq("length == 1 and (.[0] | .figure == \"rendezvous-1core\" and .unit == \"us\" and .baseline == \"libzmq "
              "relay\" and "
              ".value > 0 and .baseline_value > 0 and .ratio > 0 and .spread >= 0 and .rounds == 2 and .busy >= 0 and "
              ".goal == \"<= 1.15\" and .met == (.ratio <= 1.15))");
    outcome_free(&o);
}

/* How many elements of this name an XML document has. Fails the test where it is not well-formed: one root, every
 * element closed in its turn, attributes in quotes, no stray `<` or `&`. */
static int elements(const char *p, const char *name)
{
    char open[16][32], tag[32];
    int depth = 0, found = 0, roots = 0;
    for (; (p = strpbrk(p, "<&")) != NULL; p++) {
        ck_assert_msg(*p == '<' && sscanf(p + 1, "%31[a-z/]", tag) == 1, "not XML: %.40s", p);
        if (tag[0] == '/') {
            ck_assert_int_gt(depth, 0);
            ck_assert_str_eq(tag + 1, open[--depth]);
            continue;
        }
        size_t quotes = 0;
        for (; *p != '\0' && (*p != '>' || quotes % 2 == 1); p++) {
            quotes += *p == '"';
            ck_assert_msg(*p != '=' || quotes % 2 == 1 || p[1] == '"', "no quotes: %.40s", p);
        }
        ck_assert_msg(*p == '>' && quotes % 2 == 0, "an element without an end");
        found += strcmp(tag, name) == 0;
        roots += depth == 0;
        if (p[-1] != '/') {
            ck_assert_int_lt(depth, 16);
            memcpy(open[depth++], tag, sizeof tag);
        }
    }
    ck_assert_int_eq(depth, 0);
    ck_assert_int_eq(roots, 1);
    return found;
}

TEST(throughput_of_several_sizes_is_drawn)
{
    struct outcome o = bench("channel@64 channel@1048576");
    assert_status(&o, 0);
    outcome_free(&o);
    struct text svg = read_file(in_scratch("bench.svg"));
    ck_assert_int_eq(elements(svg.data, "circle"), 2); /* a size each */
    ck_assert_int_eq(elements(svg.data, "polyline"), 1);
    free(svg.data);
}

TEST(one_size_is_no_plot)
{
    struct outcome o = sh("echo old > %s/bench.svg", scratch());
    outcome_free(&o);
    o = bench("channel@64");
    assert_status(&o, 0);
    outcome_free(&o);
    o = sh("test ! -e %s/bench.svg", scratch());
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_figure_that_fails_is_said_to_and_the_others_are_measured)
{
    struct outcome o =
        sh("mkdir %s/tree && cp -r scripts tests %s/tree && cd %s/tree &&"
           " printf 'broken | us | | roundtrip nonsense 0\\n    other | <= 1 | zmq-roundtrip pair\\n"
           "well | us | | zmq-roundtrip pair\\n    absent | | no-such-program\\n' > tests/bench/figures &&"
           " BUILD=$OLDPWD/$(dirname %s) BENCH_SECONDS=0.02 scripts/bench --rounds 1 -o .",
           scratch(), scratch(), scratch(), built("cspctl"));
    assert_status(&o, 1);
    assert_contains(&o.out, "not a number from 1 on");
    assert_contains(&o.out, "\nwell ");
    assert_contains(&o.out, "not installed");
    assert_contains(&o.out, "0 of 1 goals met, 1 not measured");
    outcome_free(&o);
}

TEST(an_unknown_figure_is_an_error)
{
    struct outcome o = bench("nonsense");
    assert_status(&o, 64);
    assert_contains(&o.err, "bench: nonsense: no such figure");
    outcome_free(&o);
}

TEST(an_interrupt_leaves_nothing_running)
{
    struct running r = start(
        "export TMPDIR=%s/tmp; mkdir $TMPDIR; BUILD=$(dirname %s) BENCH_SECONDS=60 exec scripts/bench -o %s stream@64",
        scratch(), built("cspctl"), scratch());
    wait_for_output(&r, 0, "busy\n");
    kill(r.pid, SIGINT);
    struct outcome o = finish(&r);
    assert_status(&o, 130);
    outcome_free(&o);
    o = sh("ls %s/tmp", scratch());
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

SUITE_OF(bench)
