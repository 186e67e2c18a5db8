/* SPDX-License-Identifier: MPL-2.0 */
/* The program under the bridge, as processes. Decision: it leads a process group of its own, and the bridge is a
 * subreaper, so that whatever the program leaves behind, also what left its group with setsid(2), becomes a child of
 * the bridge, is found in /proc/self/task, and is killed. Only the supervisor's thread, which never ends, may call. */
#ifndef EXEC_PROGRAM_H
#define EXEC_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct program {
    pid_t pid;
    bool own_group; /* not where it shares the bridge's terminal: a group in the background could not read it */
    bool ended;     /* and reaped: its pid may belong to somebody else */
    int status;     /* then, as of waitpid(2) */
};

/* Descriptor `end` of the bridge is descriptor `fd` of the program. */
struct plug {
    int fd, end;
};

/* Starts it with 0 to 2 inherited, but for the plugs, and no other descriptor. argv[0] is looked up in our own PATH. 0,
 * or -1 with errno: of execve(2) too. */
int program_start(struct program *p, char *const argv[], char *const environment[], const struct plug *plugs, size_t n);

/* Whether the program itself has the processor, or waits for it or for a disk. */
bool program_runs(const struct program *p);

/* Sends a signal to all of it: its group; and, with SIGKILL or when it has ended, every child that there is. */
void program_signal(const struct program *p, int sig);

/* Reaps whoever has ended. 1 if no process is left, else 0. */
int program_reap(struct program *p);

/* Kills and reaps until nothing is left, at most for `ms` milliseconds. 0, or -1 with ETIMEDOUT. */
int program_sweep(struct program *p, int ms);

/* Closes what may be no descriptor (-1). */
void program_close(int fd);

#endif
