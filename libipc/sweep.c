/* SPDX-License-Identifier: MPL-2.0 */
/* Ending the processes of a run that nobody looks after any more. Decision: they are found by CSP_RUN in their
 * environment, which every program inherits whatever it does to its group or session, and killed through a pidfd that
 * was opened before the environment was read, so that a number that the system uses again hits nobody else. */
#include "csp.h"
#include "polling.h"
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64       /* processes killed before their deaths are waited for */
#define LOOK  1000000L /* between two looks at one that has no environment yet, ns */

struct sweep {
    char wanted[4096]; /* CSP_RUN=dir */
    char process[64];  /* CSP_PROCESS=number, or "": whichever of the run it is */
    char *environment; /* of the process looked at */
    size_t size;
    csp_time end;
    int killed[BATCH]; /* pidfds */
    size_t n;
};

/* Reads a whole file under /proc, whose size is not known before. Returns its length, or -1. */
static ssize_t read_whole(struct sweep *s, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    for (;;) {
        if (len == s->size) {
            size_t size = s->size != 0 ? 2 * s->size : 16384;
            char *bigger = realloc(s->environment, size);
            if (bigger == NULL)
                break;
            s->environment = bigger;
            s->size = size;
        }
        ssize_t n = read(fd, s->environment + len, s->size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return n < 0 ? -1 : (ssize_t)len;
        }
        len += (size_t)n;
    }
    close(fd);
    return -1;
}

/* Whether the environment that was read has this variable, name and value. */
static int has_variable(const struct sweep *s, ssize_t len, const char *variable)
{
    size_t wanted = strlen(variable) + 1; /* with its end: no directory whose name only begins so */
    for (const char *at = s->environment; len > 0;) {
        const char *end = memchr(at, '\0', (size_t)len);
        if (end == NULL)
            return 0;
        size_t n = (size_t)(end - at) + 1;
        if (n == wanted && memcmp(at, variable, n) == 0)
            return 1;
        at += n;
        len -= (ssize_t)n;
    }
    return 0;
}

/* The number in a field of proc_pid_stat(5), behind the name; 0 where there is none. */
static unsigned long number_in(const char *stat, int field)
{
    const char *at = strrchr(stat, ')');
    for (int i = 2; at != NULL && i < field; i++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoul(at, NULL, 10) : 0;
}

/* Whether a process whose environment is empty has none yet: execve(2) takes the old one away before it writes the new
 * one. Else it was started without any, or is dead, or a thread of the kernel: these two have no memory. */
static int is_executing(struct sweep *s, pid_t pid)
{
    enum { VSIZE = 23, ENV_START = 50, ENV_END = 51 };
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    ssize_t len = read_whole(s, path);
    if (len <= 0)
        return 0;
    s->environment[len - 1] = '\0'; /* in place of the newline */
    unsigned long begin = number_in(s->environment, ENV_START), end = number_in(s->environment, ENV_END);
    return number_in(s->environment, VSIZE) != 0 && (end == 0 || begin != end);
}

/* The environment of a process, when it has one. Returns its length, or -1. */
static ssize_t read_environment(struct sweep *s, pid_t pid)
{
    char path[64];
    ssize_t len;
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    while ((len = read_whole(s, path)) == 0 && is_executing(s, pid) && csp_now() < s->end)
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK}, NULL);
    return len;
}

static int is_wanted(struct sweep *s, pid_t pid)
{
    ssize_t len = read_environment(s, pid);
    return has_variable(s, len, s->wanted) && (*s->process == '\0' || has_variable(s, len, s->process));
}

/* Waits for the deaths of those killed. Returns 0, or -1 where the time is over. */
static int await(struct sweep *s)
{
    int result = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (csp__poll_in(s->killed[i], s->end) <= 0)
            result = -1;
        close(s->killed[i]);
    }
    s->n = 0;
    return result;
}

/* Kills the process if it is one of the run's. Returns 1 if so; 0 otherwise, also for a zombie: its pidfd is ready. */
static int kill_one(struct sweep *s, pid_t pid)
{
    char path[64];
    struct stat st;
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (pid == getpid() || stat(path, &st) != 0 || st.st_uid != geteuid())
        return 0;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return 0;
    if (csp__poll_in(fd, CSP_NOW) != 0 || !is_wanted(s, pid) ||
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) != 0) {
        close(fd);
        return 0;
    }
    s->killed[s->n++] = fd;
    return 1;
}

/* Kills every process of the run there is at this moment. Returns how many, or -1 with ETIMEDOUT. */
static int pass(struct sweep *s)
{
    DIR *d = opendir("/proc");
    if (d == NULL)
        return 0;
    int killed = 0;
    int late = 0;
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0)
            continue;
        killed += kill_one(s, pid);
        if (s->n == BATCH)
            late |= await(s);
    }
    closedir(d);
    late |= await(s);
    if (late == 0)
        return killed;
    errno = ETIMEDOUT;
    return -1;
}

int csp__sweep_process(const char *dir, int64_t process, int ms)
{
    struct sweep *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -1;
    s->end = csp_in(ms);
    int killed = 0;
    int n = snprintf(s->wanted, sizeof s->wanted, "CSP_RUN=%s", dir);
    if (n < 0 || (size_t)n >= sizeof s->wanted) {
        errno = ENAMETOOLONG;
        killed = -1;
    }
    if (process > 0)
        (void)snprintf(s->process, sizeof s->process, "CSP_PROCESS=%" PRId64, process);
    while (killed >= 0 && (n = pass(s)) != 0)
        killed = n < 0 ? -1 : killed + n;
    int err = errno;
    free(s->environment);
    free(s);
    errno = err;
    return killed;
}

int csp__sweep_processes(const char *dir, int ms)
{
    return csp__sweep_process(dir, 0, ms);
}
