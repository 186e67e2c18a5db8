/* SPDX-License-Identifier: MPL-2.0 */
/* A short kill storm, as `make storm` runs a long one, and what its oracle says of real files that were doctored. */
#include "harness.h"

/* The record and the journal of a whole run of many processes. */
static void run_many(const char *arguments)
{
    struct outcome o = sh("CSP_RECORD=%s CSP_JOURNAL=%s exec %s/many %s", in_scratch("record"), in_scratch("journal"),
                          built("tests/programs"), arguments);
    assert_status(&o, 0);
    outcome_free(&o);
}

/* What the oracle says when the journal went through this filter. */
static void judged(const char *filter, int status, const char *says)
{
    struct outcome o = sh("%s < %s > %s; exec %s judge %s %s", filter, in_scratch("journal"), in_scratch("doctored"),
                          built("tests/storm"), in_scratch("record"), in_scratch("doctored"));
    assert_status(&o, status);
    assert_contains(&o.out, says);
    outcome_free(&o);
}

TEST(nobody_who_is_left_blocks_and_no_value_is_lost_or_doubled)
{
    struct outcome o = sh("exec %s 20 20251122", built("tests/storm"));
    assert_status(&o, 0);
    assert_contains(&o.out, "seed 20251122\n");
    assert_contains(&o.out, "\n20 kills, ");
    assert_contains(&o.out, ", 0 lost, 0 doubled, 0 stuck\n");
    outcome_free(&o);
}

TEST(a_doctored_journal_is_found_out)
{
    run_many("100 3");
    judged("cat", 0, "404 values, 0 lost, 0 doubled, 0 strange, 0 excused\n");
    judged("sed 50d", 1, " 1 lost, 0 doubled, 0 strange,");
    judged("sed 50p", 1, " 0 lost, 1 doubled, 1 strange,");
    judged("sed '50s/[^ ]*$/0123456789abcdef/'", 1, " 1 lost, 0 doubled, 1 strange,");
}

TEST(a_doctored_journal_of_streams_is_found_out)
{
    run_many("100 10 65536");
    judged("cat", 0, "404 values, 0 lost, 0 doubled, 0 strange, 0 excused\n");
    judged("sed 50d", 1, " 1 lost, 0 doubled, 0 strange,");
    judged("sed 50p", 1, " 1 doubled, 1 strange,");
}

SUITE_OF(storm)
