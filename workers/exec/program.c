/* SPDX-License-Identifier: MPL-2.0 */
/* fork, exec and the killing of everything. The child between fork and exec uses only what is async-signal-safe: the
 * bridge has threads of libzmq by then. exec's errno comes up a close-on-exec pipe: its end of file says "started". */
#include "program.h"

#include <csp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Moves each end above every target first: a target may be the number of another end. */
static int plug_in(struct plug *plugs, size_t n, int *error)
{
    int base = 3;
    for (size_t i = 0; i < n; i++)
        if (plugs[i].fd >= base)
            base = plugs[i].fd + 1;
    for (size_t i = 0; i < n; i++)
        if ((plugs[i].end = fcntl(plugs[i].end, F_DUPFD_CLOEXEC, base)) < 0)
            return -1;
    int moved = fcntl(*error, F_DUPFD_CLOEXEC, base);
    if (moved < 0)
        return -1;
    *error = moved;
    for (size_t i = 0; i < n; i++)
        if (dup2(plugs[i].end, plugs[i].fd) < 0)
            return -1;
    return 0;
}

static void default_signals(void)
{
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(char *const argv[], struct plug *plugs, size_t n, int error, bool own_group, pid_t parent)
{
    if (own_group)
        (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) {
        default_signals();
        (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        if (plug_in(plugs, n, &error) == 0)
            execvp(argv[0], argv);
        int code = errno;
        while (write(error, &code, sizeof code) < 0 && errno == EINTR)
            ;
    }
    _exit(127);
}

/* 0 when the program runs, else the errno that its child sent. */
static int exec_error(int fd)
{
    int code = 0;
    ssize_t n;
    while ((n = read(fd, &code, sizeof code)) < 0 && errno == EINTR)
        ;
    return n == (ssize_t)sizeof code ? code : 0;
}

static bool plugged(const struct plug *plugs, size_t n, int fd)
{
    for (size_t i = 0; i < n; i++)
        if (plugs[i].fd == fd)
            return true;
    return false;
}

int program_start(struct program *p, char *const argv[], const struct plug *plugs, size_t n)
{
    int error[2], code;
    pid_t parent = getpid();
    struct plug *copy = calloc(n + 1, sizeof *copy);
    if (copy == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        copy[i] = plugs[i];
    *p = (struct program){.own_group = plugged(plugs, n, STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) < 0};
    if (pipe2(error, O_CLOEXEC) != 0) {
        free(copy);
        return -1;
    }
    p->pid = fork();
    code = errno;
    if (p->pid == 0)
        become(argv, copy, n, error[1], p->own_group, parent);
    close(error[1]);
    free(copy);
    if (p->pid > 0) {
        if (p->own_group)
            (void)setpgid(p->pid, p->pid);
        code = exec_error(error[0]);
        if (code != 0)
            (void)waitpid(p->pid, NULL, 0);
    }
    close(error[0]);
    errno = code;
    return code != 0 ? -1 : 0;
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
