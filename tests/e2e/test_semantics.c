/* SPDX-License-Identifier: MPL-2.0 */
/* docs/semantics.md names a test for every rule, and the tests that it names are there; and the one rule that only a
 * pipeline file can show. Decision: what the check must find is put into a copy of the tables, one mistake a copy. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

TEST(every_row_names_tests_that_are_there)
{
    struct outcome o = sh("scripts/semantics");
    assert_status(&o, 0);
    ck_assert_int_ge(atoi(strstr(o.out.data, ": ") + 2), 80);
    outcome_free(&o);
}

/* The check of a copy in which sed has done this to the row of the rendezvous says so, and fails. */
static void finds(const char *script, const char *said)
{
    struct outcome o = sh("sed '/^| unbuffered /%s' docs/semantics.md >%s && ! cmp -s docs/semantics.md %s || exit 99;"
                          " scripts/semantics %s",
                          script, in_scratch("copy.md"), in_scratch("copy.md"), in_scratch("copy.md"));
    assert_status(&o, 1);
    assert_contains(&o.out, said);
    assert_contains(&o.out, "copy.md:");
    outcome_free(&o);
}

TEST(a_row_without_a_test_is_found)
{
    finds("s/`[^`]*`//g", "names no test");
}

TEST(a_row_without_a_rule_is_found)
{
    finds("s/^\\(| [^|]*\\)|[^|]*/\\1| /", "a row has three cells");
}

TEST(a_suite_that_is_not_there_is_found)
{
    finds("s/test_[a-z_]* /test_no_such_suite /", "there is no tests/unit/test_no_such_suite.c");
}

TEST(a_test_that_is_not_there_is_found)
{
    finds("s/\\(test_[a-z_]* [a-z_]*\\)/\\1_or_not/", "has no such test");
}

TEST(a_program_instead_of_a_test_is_found)
{
    finds("s/`[^`]*`/`true`/", "this runs no test");
}

TEST(a_target_that_is_not_there_is_found)
{
    finds("s/`[^`]*`/`make sense`/", "there is no such target");
}

TEST(the_tests_of_the_rows_with_a_word_are_run)
{
    struct outcome o = sh("scripts/semantics --run 'evaluated once'");
    assert_status(&o, 0);
    assert_contains(&o.out, "ok Select: evaluated once");
    assert_contains(&o.out, "1 rows hold, 0 do not");
    outcome_free(&o);
}

TEST(no_row_with_the_word_is_no_success)
{
    struct outcome o = sh("scripts/semantics --run 'no row has this'");
    assert_status(&o, 1);
    outcome_free(&o);
}

/* The first of them have ended before the last are started. */
TEST(every_declared_sender_counts_from_the_load_of_the_file)
{
    write_text(in_scratch("p.yaml"), "processes:\n"
                                     "  say: {command: [echo, word], stdout: words, replicas: 30}\n"
                                     "  count: {command: [wc, -l], stdin: words}\n");
    struct outcome o = sh("cspctl run %s", in_scratch("p.yaml"));
    assert_status(&o, 0);
    ck_assert_int_eq(atoi(o.out.data), 30);
    outcome_free(&o);
}

SUITE_OF(semantics)
