/* SPDX-License-Identifier: MPL-2.0 */
/* The processes below this one, as /proc has them. Decision: this process is their subreaper, so that whoever loses its
 * parent stays below it, and nothing of a run can hide. */
#ifndef STORM_VICTIMS_H
#define STORM_VICTIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { VICTIMS_MOST = 4096 };

/* All living processes below this one whose program is `exe`; any program: NULL. In order of their start. */
size_t victims_find(const char *exe, pid_t *pids);

/* Kills one by SIGKILL, whatever has become of its number. True: it was alive. */
bool victims_kill(pid_t pid);

/* Reaps every child of this process that has ended; but one, which its owner waits for. */
void victims_reap(void);
void victims_reap_but(pid_t one);

#endif
