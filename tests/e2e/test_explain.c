/* SPDX-License-Identifier: MPL-2.0 */
/* What `cspctl explain` says of the samples, in both forms; what the figures mean is tests/unit/test_pipeline.c's, and
 * that a run keeps to them tests/e2e/test_bounds.c's. */
#include "harness.h"

static void kinds(const char *file, const char *want)
{
    struct outcome o =
        sh("cspctl explain -o json config/%s.yaml | jq -r '.channels[] | \"\\(.name): \\(.kind): \\(.why)\"'", file);
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, want);
    outcome_free(&o);
}

TEST(the_kinds_of_the_samples)
{
    kinds("fibonacci", "numbers: rendezvous: capacity 0\nquit: rendezvous: capacity 0\n");
    kinds("sieve", "");
    kinds("wordcount", "words: stream: 4 receivers\ncounts: stream: 4 senders\n");
    kinds("loggrep", "lines: stream: 4 receivers\nhits: stream: 4 senders\n");
    kinds("search", "search.web: requests: of service search\nsearch.image: requests: of service search\n"
                    "search.media: requests: of service search\n");
    kinds("corpus", "records: stream: 2 receivers\nweb: stream: 2 senders\nimage: stream: 2 senders\n"
                    "media: stream: 2 senders\n");
}

TEST(what_a_value_can_count_on_is_said_of_each_channel)
{
    write_text(in_scratch("d.yaml"), "channels: {a: {retry: {dead: d}}, b: {retry: {}}}\nprocesses:\n"
                                     "  s: {command: [seq, \"9\"], stdout: [a, b, c]}\n"
                                     "  x: {each: [echo, $1], stdin: a, stdout: e}\n"
                                     "  y: {each: [echo, $1], stdin: [b], order: input, stdout: e}\n"
                                     "  z: {command: [cat], stdin: [c, d, e]}\n");
    struct outcome o =
        sh("cspctl explain -o json %s | jq -r '.channels[] | \"\\(.name): \\(.delivery): \\(.why)\"' | sort",
           in_scratch("d.yaml"));
    ck_assert_str_eq(o.out.data, "a: at least once: values are acknowledged\n"
                                 "b: at least once, ordered: values are acknowledged\n"
                                 "c: at most once: 1 sender, 1 receiver\n"
                                 "d: at most once: dead letters of a\n"
                                 "e: at most once: 2 senders\n");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(the_sum_of_a_file_is_that_of_its_channels_and_bridges)
{
    struct outcome o = sh("for f in config/*.yaml; do cspctl explain -o json $f; done | jq -s '(length > 5), (map("
                          ".memory == .memory_of_bridges + ([.channels[].memory] | add // 0) and"
                          " .memory_with_large_values == .memory_of_bridges_with_large_values +"
                          "   ([.channels[].memory_with_large_values] | add // 0)) | all)'");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "true\ntrue\n");
    outcome_free(&o);
}

TEST(the_text_says_kind_reason_and_memory)
{
    write_text(in_scratch("p.yaml"),
               "channels: {b: {capacity: 4, max_bytes: 1MiB}, c: {capacity: 0, max_bytes: 1MiB}}\n"
               "processes:\n"
               "  one: {command: [cat], stdout: a}\n"
               "  two: {command: [cat], stdin: a, stdout: b}\n"
               "  three: {command: [cat], stdin: b, stdout: c, replicas: 2}\n"
               "  four: {command: [cat], stdin: c}\n");
    struct outcome o = sh("cspctl explain %s | tr -s ' '", in_scratch("p.yaml"));
    assert_status(&o, 0);
    assert_contains(&o.out, "\none -> a -> two pair 1 sender, 1 receiver at most once 1024 16MiB senders 58MiB\n");
    assert_contains(&o.out,
                    "\ntwo -> b -> three x2 stream 2 receivers at most once 4 1MiB senders 42MiB\n"); /* and 1 KiB */
    assert_contains(&o.out, "\nthree x2 -> c -> four rendezvous capacity 0 at most once 0 1MiB senders 6MiB\n");
    /* Of the bridges, four descriptors with 1.25 and 0.25 MiB to be written to, four with 2 and 0.25 to be read from:
     * 15 MiB and some bytes of lengths. */
    assert_contains(&o.out,
                    "\nat most 120MiB of values in channels, on the way and in the bridges (16MiB of it), while no "
                    "value is larger than 1MiB; ");
    outcome_free(&o);
}

SUITE_OF(explain)
