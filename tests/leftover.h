/* SPDX-License-Identifier: MPL-2.0 */
/* What a test may not leave behind. Decision: every test of every suite gets a scratch directory and a XDG_RUNTIME_DIR
 * of its own, by a fixture that the linker adds (--wrap=tcase_create), so that no suite can forget it; after the test
 * no run directory may be there and no process may carry its name. */
#ifndef TESTS_LEFTOVER_H
#define TESTS_LEFTOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The directory of this test, for its files; removed after it. */
const char *scratch(void);

/* For the runner, at its end: removes the directories of tests that failed before they could. */
void remove_scratch(void);

/* Pids of the processes whose environment has CSP_RUN below this test's XDG_RUNTIME_DIR; at most `most`. */
size_t run_processes(pid_t *pids, size_t most);
/* Pids of the brokers of its runs, whose own environment does not name the run: they are found by their argument. */
size_t run_brokers(pid_t *pids, size_t most);
/* Waits until there are none of either. */
void wait_until_all_have_ended(void);

#endif
