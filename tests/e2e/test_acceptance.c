/* SPDX-License-Identifier: MPL-2.0 */
/* A sample of `make acceptance`. Decision: it is scripts/acceptance itself that checks, so that what is tested here is
 * what is run in full size by hand. */
#include "harness.h"

#include "leftover.h"

TEST(jobs_are_done_once_and_in_order_while_replicas_are_killed)
{
    struct outcome o = sh("BUILD=$(dirname %s) scripts/acceptance 10000 300 2", built("cspctl"));
    assert_status(&o, 0);
    assert_contains(&o.out, "durable: 10000 jobs, everything killed ");
    assert_contains(&o.out, "lines order: none: 10000 jobs, ");
    assert_contains(&o.out, "lines order: input: 10000 jobs, ");
    assert_contains(&o.out, "runs order: none: 300 jobs, ");
    assert_contains(&o.out, "runs order: input: 300 jobs, ");
    outcome_free(&o);
}

SUITE_OF(acceptance)
