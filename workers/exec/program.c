/* SPDX-License-Identifier: MPL-2.0 */
/* The start of a program, and the killing of everything. Decision: the child shares our memory until it executes, as
 * with posix_spawn(3), which cannot ask for a death signal: nothing of a bridge is copied for a program of a
 * millisecond, and exec's errno is a variable. Until then we stand still, all signals blocked; the child runs on a
 * stack of its own, and uses only what is async-signal-safe. */
#include "program.h"

#include <csp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct start {
    char *const *argv, *const *environment;
    struct plug *plugs; /* a copy */
    size_t n;
    sigset_t mask; /* of the program: nothing is blocked */
    pid_t parent;
    bool own_group;
    int error; /* of the child: why it was not executed */
};

#define START_STACK ((size_t)64 << 10) /* and what execvp(3) needs for a script without #!, which is a copy of argv */

/* Moves each end above every target first: a target may be the number of another end. */
static int plug_in(struct plug *plugs, size_t n)
{
    int base = 3;
    for (size_t i = 0; i < n; i++)
        if (plugs[i].fd >= base)
            base = plugs[i].fd + 1;
    for (size_t i = 0; i < n; i++)
        if ((plugs[i].end = fcntl(plugs[i].end, F_DUPFD_CLOEXEC, base)) < 0)
            return -1;
    for (size_t i = 0; i < n; i++)
        if (dup2(plugs[i].end, plugs[i].fd) < 0)
            return -1;
    return 0;
}

/* In the child. On a stack that the sanitizers do not know. */
__attribute__((no_sanitize("address", "undefined"))) static int become(void *arg)
{
    struct start *s = arg;
    if (s->own_group)
        (void)setpgid(0, 0);
    s->error = ESRCH;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == s->parent) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        (void)sigprocmask(SIG_SETMASK, &s->mask, NULL);
        s->error = 0; /* what stands when there is a new program */
        if (plug_in(s->plugs, s->n) == 0)
            execvpe(s->argv[0], s->argv, s->environment);
        s->error = errno;
    }
    _exit(127);
}

static size_t words(char *const argv[])
{
    size_t n = 0;
    while (argv[n] != NULL)
        n++;
    return n;
}

static bool plugged(const struct plug *plugs, size_t n, int fd)
{
    for (size_t i = 0; i < n; i++)
        if (plugs[i].fd == fd)
            return true;
    return false;
}

/* The child, which runs until it executes or ends. -1 with errno. */
static pid_t launch(struct start *s)
{
    size_t size = START_STACK + 2 * words(s->argv) * sizeof(char *);
    sigset_t all, before;
    /* cppcheck-suppress invalidFunctionArg ; which does not know that there is no descriptor here */
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -1;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(become, stack + size / 16 * 16, CLONE_VM | CLONE_VFORK | SIGCHLD, s);
    int error = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)munmap(stack, size);
    errno = error;
    return pid;
}

int program_start(struct program *p, char *const argv[], char *const environment[], const struct plug *plugs, size_t n)
{
    struct start s = {.argv = argv, .environment = environment, .n = n, .parent = getpid()};
    *p = (struct program){.own_group = plugged(plugs, n, STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) < 0};
    s.own_group = p->own_group;
    s.plugs = calloc(n + 1, sizeof *s.plugs);
    if (s.plugs == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        s.plugs[i] = plugs[i];
    sigemptyset(&s.mask);
    p->pid = launch(&s);
    if (p->pid < 0)
        s.error = errno;
    else if (s.error != 0)
        (void)waitpid(p->pid, NULL, 0);
    free(s.plugs);
    errno = s.error;
    return s.error != 0 ? -1 : 0;
}

/* The children of one of our threads; those that we adopted are listed with any of them. */
static void signal_children(const char *thread, int sig)
{
    char path[300];
    long pid;
    snprintf(path, sizeof path, "/proc/self/task/%s/children", thread);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    while (fscanf(f, "%ld", &pid) == 1)
        (void)kill((pid_t)pid, sig);
    fclose(f);
}

/* Each child, until it is reaped, keeps its pid: no stranger is met. Grandchildren become children as their parents
 * die.
 */
static void signal_all_children(int sig)
{
    DIR *d = opendir("/proc/self/task");
    const struct dirent *e;
    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            signal_children(e->d_name, sig);
    closedir(d);
}

bool program_runs(const struct program *p)
{
    char path[32], state = '\0';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    FILE *f = p->ended ? NULL : fopen(path, "re");
    if (f == NULL)
        return false;
    (void)!fscanf(f, "%*d (%*[^)]) %c", &state);
    fclose(f);
    return state == 'R' || state == 'D';
}

void program_signal(const struct program *p, int sig)
{
    if (!p->ended)
        (void)kill(p->own_group ? -p->pid : p->pid, sig);
    if (p->ended || sig == SIGKILL)
        signal_all_children(sig);
}

int program_reap(struct program *p)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0)
            return 0;
        if (pid < 0 && errno != EINTR)
            return 1;
        if (pid == p->pid && !p->ended) {
            p->ended = true;
            p->status = status;
        }
    }
}

/* SIGCHLD is blocked in the bridge, so a death between reaping and waiting is pending, not missed. */
int program_sweep(struct program *p, int ms)
{
    csp_time end = csp_in(ms);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (program_signal(p, SIGKILL), program_reap(p) == 0) {
        int64_t left = (end - csp_now()) / 1000000;
        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        (void)sigtimedwait(&child, NULL, &t);
    }
    return 0;
}

void program_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
