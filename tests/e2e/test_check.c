/* SPDX-License-Identifier: MPL-2.0 */
/* What check and run say about files that are wrong: tests/broken has each file beside what must be said. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

TEST(every_broken_file_gets_just_the_expected_words)
{
    struct outcome o = sh("tests/broken/run '%s'", built("cspctl"));
    ck_assert_msg(o.status == 0, "%s%s", o.out.data, o.err.data);
    struct outcome count = sh("ls tests/broken/*.expected | wc -l");
    ck_assert_int_ge(atoi(count.out.data), 20);
    outcome_free(&o);
    outcome_free(&count);
}

TEST(run_refuses_what_check_refuses_in_the_same_words)
{
    struct outcome o = sh("for f in tests/broken/*.yaml; do [ -e ${f%%.yaml}.args ] && continue;"
                          "  cspctl check $f 2>%s; a=$?; cspctl run $f 2>%s; b=$?;"
                          "  [ $a = 78 ] && [ $b = 78 ] && cmp %s %s || { echo $f: $a and $b; exit 1; };"
                          " done",
                          in_scratch("a"), in_scratch("b"), in_scratch("a"), in_scratch("b"));
    assert_status(&o, 0);
    outcome_free(&o);
}

TEST(a_missing_variable_is_an_error_with_its_place)
{
    write_text(in_scratch("v.yaml"), "vars: {file: }\nprocesses: {c: {command: [cat, $file]}}\n");
    struct outcome o = sh("cspctl check %s", in_scratch("v.yaml"));
    assert_status(&o, 78);
    assert_contains(&o.err, "v.yaml:1:");
    assert_contains(&o.err, "file");
    outcome_free(&o);
}

TEST(too_many_channels_are_said_once_and_what_to_do)
{
    struct outcome o = sh("seq 5000 | jq -Rnc '{processes: {p: {worker: \"true\", out: [inputs | \"c\" + .]}}}' >%s;"
                          " cspctl check %s",
                          in_scratch("many.yaml"), in_scratch("many.yaml"));
    assert_status(&o, 78);
    struct outcome said =
        sh("cspctl check %s 2>&1 | grep -c 'there are more than 4096 channels'", in_scratch("many.yaml"));
    ck_assert_str_eq(said.out.data, "1\n");
    assert_contains(&o.err, "channels that a program makes by itself are not counted");
    outcome_free(&o);
    outcome_free(&said);
}

TEST(a_variable_is_one_word_whatever_is_in_it)
{
    write_text(in_scratch("v.yaml"), "vars: {v: }\nprocesses: {c: {command: [printf, '[%%s]', $v, '${v}x', '$$v']}}\n");
    struct outcome o = sh("cspctl run %s 'v=a b; $(echo c) *'", in_scratch("v.yaml"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "[a b; $(echo c) *][a b; $(echo c) *x][$v]");
    outcome_free(&o);
}

TEST(an_unknown_command_gets_a_suggestion_and_64)
{
    struct outcome o = sh("cspctl rnu x.yaml");
    assert_status(&o, 64);
    assert_contains(&o.err, "run");
    outcome_free(&o);
}

TEST(explain_names_edges_and_their_bounds)
{
    struct outcome o = sh("cspctl explain config/loggrep.yaml && cspctl explain -o json config/fibonacci.yaml");
    assert_status(&o, 0);
    assert_contains(&o.out, "lines");
    assert_contains(&o.out, "16");
    assert_contains(&o.out, "rendezvous");
    outcome_free(&o);
}

TEST(help_and_version_succeed)
{
    struct outcome o = sh("cspctl help && cspctl version && cspctl help run");
    assert_status(&o, 0);
    assert_contains(&o.out, "run");
    outcome_free(&o);
}

SUITE_OF(check)
