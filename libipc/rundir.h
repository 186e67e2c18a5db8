/* SPDX-License-Identifier: MPL-2.0 */
/* The run directory: all that a run writes to the system. Decision: whether a run lives is told by flock(2) on its lock
 * file alone, never by a pid in a file: the kernel drops the lock with the last of root and broker, whatever killed
 * them. Section 9 of docs/protocol.md. Internal to libipc, the broker and cspctl. */
#ifndef CSP_RUNDIR_H
#define CSP_RUNDIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

struct csp__runinfo { /* the file `run` */
    uint8_t token[WIRE_TOKEN_SIZE];
    char name[WIRE_MAX_NAME + 1];
    char file[4096]; /* the pipeline file, "" for a run of csp_init */
    pid_t root, broker;
    int64_t started; /* CLOCK_REALTIME, ns */
};

/* Draws the path of a run directory that is not there yet, sweeping what dead runs left first. 0, or -1 with errno;
 * ENAMETOOLONG where a socket in it would have a path over 107 bytes. The root draws it and the broker makes it, so
 * that whichever of the two is killed on the way, the other knows what to remove. */
int csp__rundir_name(char *path, size_t size);

/* Makes the run directory of this path and locks it. *lock is the locked descriptor (CLOEXEC). 0, or -1 with errno and
 * nothing made; EEXIST: draw another. */
int csp__rundir_make(const char *path, int *lock);

/* Holds the lock too, of a run directory that another process made and holds. A descriptor (CLOEXEC), or -1. */
int csp__rundir_hold(const char *path);

/* Writes and reads the file `run`; written whole or not at all. EPROTO: it is not of this version. */
int csp__rundir_write(const char *dir, const struct csp__runinfo *info);
int csp__rundir_read(const char *dir, struct csp__runinfo *info);

/* Whether the run in dir lives: 1, or 0; -1: that cannot be seen. */
int csp__rundir_alive(const char *dir);

/* Calls each(dir, info, arg) for every live run of this user, until it returns non-zero, which is returned; 0; or -1.
 */
int csp__rundir_each(int (*each)(const char *dir, const struct csp__runinfo *info, void *arg), void *arg);

/* Removes a run directory, finished or not, and the files in it; nothing there is success. */
int csp__rundir_remove(const char *dir);

/* Removes every run directory of this user whose lock is free, after ending the processes that carry its name. */
int csp__rundir_sweep(void);

/* SIGKILLs every process of this uid, but the caller, whose environment has CSP_RUN=dir, until a pass finds none alive
 * (zombies do not count), at most for `ms` milliseconds. The number killed, or -1: ETIMEDOUT. */
int csp__sweep_processes(const char *dir, int ms);

/* The same of those whose environment has CSP_PROCESS of this number, too: what a process of the run has left behind.
 */
int csp__sweep_process(const char *dir, int64_t process, int ms);

#endif
