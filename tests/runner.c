/* SPDX-License-Identifier: MPL-2.0 */
/* Runs one suite, or those of its tests that are named. Decision: a suite is a program, linked with the objects of the
 * part that it tests, so that parts may use the same names and scripts/test can run several at once. Check selects by
 * suite and case only, so the linker puts a choice by name before each test is added (--wrap=_tcase_add_test); a name
 * that no test has is an error, or a run of nothing would look like success. SUITE is set by the Makefile. */
#include "leftover.h"

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_NAMES = 256, USAGE = 64 };

Suite *SUITE(void);

static char **names; /* of the tests to run; none: all */
static int asked;
static bool found[MOST_NAMES];

void __real__tcase_add_test(TCase *t, const TTest *test, int signal, int status, int start, int end);
void __wrap__tcase_add_test(TCase *t, const TTest *test, int signal, int status, int start, int end);

void __wrap__tcase_add_test(TCase *t, const TTest *test, int signal, int status, int start, int end)
{
    bool wanted = asked == 0;
    for (int i = 0; i < asked; i++)
        if (strcmp(names[i], test->name) == 0)
            wanted = found[i] = true;
    if (wanted)
        __real__tcase_add_test(t, test, signal, status, start, end);
}

static int all_found(const char *program)
{
    int missing = 0;
    for (int i = 0; i < asked; i++)
        if (!found[i]) {
            fprintf(stderr, "%s: %s: no test of this suite has that name\n", program, names[i]);
            missing++;
        }
    return missing == 0;
}

/* Tests wait for their stdin, and that of whoever runs them may have something to be read. */
static int silence_stdin(void)
{
    int ends[2]; /* both stay open */
    return pipe2(ends, O_CLOEXEC) == 0 && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO ? 0 : -1;
}

int main(int argc, char *argv[])
{
    if (silence_stdin() != 0) {
        perror(argv[0]);
        return 1;
    }
    if (argc > MOST_NAMES) {
        fprintf(stderr, "usage: %s [TEST]... at most %d\n", argv[0], MOST_NAMES - 1);
        return USAGE;
    }
    names = argv + 1;
    asked = argc - 1;
    /* A test that waits for ever is a failure, with room for a busy machine; CK_TIMEOUT_MULTIPLIER is for sanitizers.
     */
    setenv("CK_DEFAULT_TIMEOUT", "300", 0);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    SRunner *r = srunner_create(SUITE());
    if (!all_found(argv[0])) {
        srunner_free(r);
        return USAGE;
    }
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    remove_scratch();
    return failed == 0 ? 0 : 1;
}
