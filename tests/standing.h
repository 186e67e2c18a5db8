/* SPDX-License-Identifier: MPL-2.0 */
/* Whether a process runs, stands or is dead, as /proc says. Decision: who stops a process waits until each of its
 * threads stands: a signal is only under way when kill(2) returns, and a thread on a busy processor goes on until it is
 * its turn again. */
#ifndef TESTS_STANDING_H
#define TESTS_STANDING_H

#include <stdbool.h>
#include <sys/types.h>

/* There is no such process, or only what is left to reap of it. */
bool is_dead(pid_t pid);

/* Stops it: SIGSTOP, and it stands. SIGCONT sets it going again. */
void halt(pid_t pid);

#endif
