/* SPDX-License-Identifier: MPL-2.0 */
/* Runs one suite. Decision: a suite is a program, linked with the objects of the part that it tests, so that parts may
 * use the same names and scripts/test can run several at once. SUITE is set by the Makefile. */
#include "leftover.h"

#include <check.h>
#include <stdlib.h>
#include <sys/resource.h>

Suite *SUITE(void);

int main(void)
{
    /* A test that waits for ever is a failure, with room for a busy machine; CK_TIMEOUT_MULTIPLIER is for sanitizers.
     */
    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    SRunner *r = srunner_create(SUITE());
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    remove_scratch();
    return failed == 0 ? 0 : 1;
}
