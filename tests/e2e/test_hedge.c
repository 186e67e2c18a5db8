/* SPDX-License-Identifier: MPL-2.0 */
/* Hedged requests: another replica of a backend is asked when the first has not answered. The backend here does a thing
 * of its own with the first request that any of its replicas gets, and answers every other. */
#include "harness.h"

#include "leftover.h"

#include <string.h>

/* What `first` does ends its replica or makes it wait. */
static void write_pipeline(const char *hedge, const char *first)
{
    write_text(in_scratch("h.yaml"),
               "on_failure: continue\n"
               "services: {s: {deadline: 20s%s}}\n"
               "processes:\n"
               "  web: {command: 'while read -r q; do echo asked >> %s/log; mkdir %s/first 2>/dev/null && %s; "
               "echo \"[{\\\"title\\\": \\\"$q\\\"}]\"; done', serve: s, replicas: 2}\n",
               hedge, scratch(), scratch(), first);
}

/* What a call said: in time, how many backends answered, who was hedged. */
static void assert_call(const char *said)
{
    struct outcome o = sh("cspctl run %s -o json --call s hello | jq -c '[.took_ms < 15000, .backends.ok, "
                          ".backends.hedged]'",
                          in_scratch("h.yaml"));
    ck_assert_msg(strcmp(o.out.data, said) == 0, "%s instead of %s: %s", o.out.data, said, o.err.data);
    outcome_free(&o);
}

TEST(a_replica_that_is_slow_is_hedged)
{
    write_pipeline(", hedge: 50ms", "exec sleep 60");
    assert_call("[true,1,[\"web\"]]\n");
}

TEST(a_replica_that_dies_is_hedged_at_once)
{
    write_pipeline(", hedge: 19s", "kill -9 $$");
    assert_call("[true,1,[\"web\"]]\n");
}

TEST(an_answer_that_is_an_error_is_hedged_at_once)
{
    write_pipeline(", hedge: 19s", "echo \"{\\\"error\\\": \\\"disk\\\"}\" && continue");
    assert_call("[true,1,[\"web\"]]\n");
}

TEST(without_hedge_only_one_is_asked)
{
    write_pipeline("", "kill -9 $$");
    assert_call("[true,0,[]]\n");
}

TEST(a_fast_answer_is_not_hedged)
{
    write_pipeline(", hedge: 19s", "true");
    assert_call("[true,1,[]]\n");
    struct outcome o = sh("wc -l < %s/log", scratch());
    ck_assert_str_eq(o.out.data, "1\n");
    outcome_free(&o);
}

TEST(hedge_0ms_asks_all_replicas_at_once)
{
    write_pipeline(", hedge: 0ms", "exec sleep 60");
    assert_call("[true,1,[\"web\"]]\n");
    struct outcome o = sh("wc -l < %s/log", scratch());
    ck_assert_str_eq(o.out.data, "2\n");
    outcome_free(&o);
}

TEST(hedge_without_a_second_replica_is_refused)
{
    write_text(in_scratch("h.yaml"), "services: {s: {deadline: 1s, hedge: 5ms}}\n"
                                     "processes: {web: {command: [cat], serve: s}}\n");
    struct outcome o = sh("cspctl check %s", in_scratch("h.yaml"));
    assert_status(&o, 78);
    assert_contains(&o.err, "h.yaml:1:30: hedge: there is no other replica to ask");
    outcome_free(&o);
}

SUITE_OF(hedge)
