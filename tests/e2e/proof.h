/* SPDX-License-Identifier: MPL-2.0 */
/* Running a program of tests/programs and judging it. Decision: a program judges itself, and here only its status and
 * its one line count: that line is shown where it fails, with what its processes said. */
#ifndef TESTS_PROOF_H
#define TESTS_PROOF_H

#include "harness.h"

/* A program with its arguments comes to its end with this status, see tests/programs/journal.h. */
static inline void ends_with(int status, const char *program)
{
    struct outcome o = sh("exec %s/%s", built("tests/programs"), program);
    assert_status(&o, status);
    assert_contains(&o.out, status == 0 ? ": right: " : ": incomplete: ");
    if (status == 0)
        ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
}

static inline void proves(const char *program)
{
    ends_with(0, program);
}

#endif
