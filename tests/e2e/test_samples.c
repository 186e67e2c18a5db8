/* SPDX-License-Identifier: MPL-2.0 */
/* The samples of config/, run as the README says, beside what ordinary tools print for the same input. */
#include "harness.h"

#include "leftover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fibonacci and the sieve: programs in C ---- */

TEST(fibonacci_prints_ten_numbers_then_quit)
{
    struct outcome o = sh("cspctl run config/fibonacci.yaml");
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "0\n1\n1\n2\n3\n5\n8\n13\n21\n34\nquit\n");
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

TEST(fibonacci_by_hand_makes_a_run_of_its_own)
{
    struct outcome o = sh("%s", built("libexec/csp/fibonacci"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "0\n1\n1\n2\n3\n5\n8\n13\n21\n34\nquit\n");
    outcome_free(&o);
}

TEST(sieve_prints_the_first_hundred_primes)
{
    struct outcome o = sh("cspctl run config/sieve.yaml count=100");
    struct outcome want = sh("seq 2 541 | factor | awk 'NF == 2 { print $2 }'");
    assert_status(&o, 0);
    assert_same(&o.out, &want.out);
    outcome_free(&o);
    outcome_free(&want);
}

/* ---- supervised ---- */

TEST(supervised_reads_what_a_source_says_that_fails_again_and_again)
{
    struct outcome o = sh("cspctl run config/supervised.yaml readings=23");
    struct outcome want = sh("for i in 1 2 3; do seq -f 'reading %%g' 10; done | head -n 23");
    assert_status(&o, 0);
    assert_same(&o.out, &want.out);
    assert_contains(&o.err, "note | the sensor is ready");
    assert_contains(&o.err, "sensor: exit status 1: restarted in ");
    outcome_free(&o);
    outcome_free(&want);
}

/* ---- wordcount ---- */

static void same_words(const char *file)
{
    struct outcome o = sh("cspctl run config/wordcount.yaml file='%s'", file);
    struct outcome want = sh("tr -cs A-Za-z '\\n' <'%s' | tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c |"
                             " LC_ALL=C sort -k1,1nr -k2 | head -20",
                             file);
    assert_status(&o, 0);
    assert_same(&o.out, &want.out);
    outcome_free(&o);
    outcome_free(&want);
}

TEST(wordcount_counts_a_licence)
{
    same_words("/usr/share/common-licenses/GPL-3");
}

TEST(wordcount_of_an_empty_file_is_empty_and_succeeds)
{
    write_file(in_scratch("empty"), "", 0);
    same_words(in_scratch("empty"));
}

TEST(wordcount_takes_bytes_that_are_no_text)
{
    struct outcome o = sh("head -c 3000000 /dev/urandom > %s", in_scratch("bytes"));
    assert_status(&o, 0);
    outcome_free(&o);
    same_words(in_scratch("bytes"));
}

TEST(wordcount_takes_a_text_without_any_newline)
{
    struct outcome o =
        sh("tr '\\n' ' ' </usr/share/common-licenses/GPL-2 | head -c 20000 > '%s'", in_scratch("one line"));
    assert_status(&o, 0);
    outcome_free(&o);
    same_words(in_scratch("one line"));
}

TEST(wordcount_of_a_missing_file_fails_and_names_it)
{
    struct outcome o = sh("cspctl run config/wordcount.yaml file=/no/such/file");
    assert_status(&o, 66);
    assert_contains(&o.err, "/no/such/file");
    ck_assert_str_eq(o.out.data, "");
    outcome_free(&o);
}

/* ---- loggrep ---- */

static void same_lines(const char *file, const char *pattern)
{
    struct outcome o =
        sh("cspctl run config/loggrep.yaml file='%s' pattern='%s' > %s", file, pattern, in_scratch("raw"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
    o = sh("LC_ALL=C grep -a -e '%s' -- '%s' | LC_ALL=C sort > %s; LC_ALL=C sort %s | cmp - %s", pattern, file,
           in_scratch("want"), in_scratch("raw"), in_scratch("want"));
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(loggrep_finds_what_grep_finds_in_100_megabytes)
{
    /* Lines of many lengths, from words that come again and again. */
    struct outcome o = sh("find -L /usr/share/common-licenses /usr/share/perl -type f -exec cat {} + > %s;"
                          " while [ $(stat -c %%s %s) -lt 104857600 ]; do cat %s %s > %s; mv %s %s; done",
                          in_scratch("a"), in_scratch("a"), in_scratch("a"), in_scratch("a"), in_scratch("b"),
                          in_scratch("b"), in_scratch("a"));
    assert_status(&o, 0);
    outcome_free(&o);
    same_lines(in_scratch("a"), "Licen[cs]e");
}

TEST(loggrep_takes_a_last_line_without_newline)
{
    write_text(in_scratch("f"), "one channel\ntwo\nthree channels");
    same_lines(in_scratch("f"), "channel");
}

TEST(loggrep_of_an_empty_file_prints_nothing)
{
    write_file(in_scratch("f"), "", 0);
    same_lines(in_scratch("f"), "channel");
}

TEST(loggrep_takes_a_line_of_a_megabyte)
{
    struct outcome o = sh("{ echo channel one; head -c 1048576 /dev/zero | tr '\\0' x; echo channel; echo two; } > %s",
                          in_scratch("f"));
    assert_status(&o, 0);
    outcome_free(&o);
    same_lines(in_scratch("f"), "channel");
}

TEST(loggrep_takes_bytes_that_are_not_utf8_and_nul)
{
    static const char bytes[] = "a channel \xff\xfe\x80\nnothing\n\0channel\0\nchannel \xc3\x28\n\n\0\0\n";
    write_file(in_scratch("f"), bytes, sizeof bytes - 1);
    same_lines(in_scratch("f"), "channel");
    same_lines(in_scratch("f"), ".");
}

TEST(a_record_above_max_bytes_ends_the_run_with_its_place)
{
    struct outcome o = sh("{ echo one; echo two; head -c 17000000 /dev/zero | tr '\\0' x; echo; echo four; } > %s;"
                          " cspctl run config/loggrep.yaml file=%s pattern=o",
                          in_scratch("f"), in_scratch("f"));
    ck_assert_int_ne(o.status, 0);
    assert_contains(&o.err, "read");
    assert_contains(&o.err, "record 3");
    assert_contains(&o.err, "max_bytes");
    outcome_free(&o);
}

/* ---- pipelines of ones own ---- */

static void three_cats(const char *make)
{
    write_text(in_scratch("cats.yaml"), "vars: {file: }\n"
                                        "processes:\n"
                                        "  a: {command: [cat, --, $file], stdout: ab}\n"
                                        "  b: {command: [cat], stdin: ab, stdout: bc}\n"
                                        "  c: {command: [cat], stdin: bc}\n");
    struct outcome o =
        sh("{ %s; } > %s; cspctl run %s file=%s > %s && cmp %s %s", make, in_scratch("in"), in_scratch("cats.yaml"),
           in_scratch("in"), in_scratch("out"), in_scratch("in"), in_scratch("out"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

TEST(three_cats_are_byte_exact_for_text)
{
    three_cats("cat /usr/share/common-licenses/*");
}

TEST(three_cats_are_byte_exact_without_a_final_newline)
{
    three_cats("printf 'one\\ntwo'");
}

TEST(three_cats_are_byte_exact_for_nothing)
{
    three_cats("true");
}

TEST(three_cats_are_byte_exact_for_newlines_only)
{
    three_cats("printf '\\n\\n\\n'");
}

TEST(three_cats_are_byte_exact_for_random_bytes)
{
    three_cats("head -c 20000000 /dev/urandom");
}

TEST(yes_into_head_ends_with_success)
{
    write_text(in_scratch("y.yaml"), "processes:\n"
                                     "  y: {command: ['yes'], stdout: lines}\n"
                                     "  h: {command: [head, -n, '3'], stdin: lines}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("y.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "y\ny\ny\n");
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

TEST(yes_through_cat_into_head_ends_with_success)
{
    write_text(in_scratch("y.yaml"), "processes:\n"
                                     "  y: {command: ['yes'], stdout: a}\n"
                                     "  c: {command: [cat], stdin: a, stdout: b}\n"
                                     "  h: {command: 'head -n 3', stdin: b}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("y.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "y\ny\ny\n");
    outcome_free(&o);
}

TEST(every_sample_is_accepted_by_check)
{
    struct outcome o = sh("for f in config/*.yaml; do cspctl check \"$f\" || exit 1; done");
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(jobs_are_all_done_though_their_workers_die)
{
    struct outcome o = sh("%s 100", built("libexec/csp/jobs"));
    struct outcome want =
        sh("seq 100 | grep -vx 13 | awk '{print $1 \": \" $1 * $1 ($1 %% 7 == 0 ? \", again\" : \"\")}'");
    assert_status(&o, 0);
    assert_same(&o.out, &want.out);
    ck_assert_str_eq(o.err.data, "jobs: given up after 1: 13 brings bad luck\n");
    outcome_free(&o);
    outcome_free(&want);
}

SUITE_OF(samples)
