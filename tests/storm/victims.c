/* SPDX-License-Identifier: MPL-2.0 */
#include "victims.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct process {
    pid_t pid, parent;
    unsigned long long start;
    bool below;
};

/* Reads /proc/PID/stat. False: it is gone, or a zombie. */
static bool look(pid_t pid, struct process *p)
{
    char path[64], text[1024], state;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    const char *name_end = strrchr(text, ')');
    p->pid = pid;
    p->below = false;
    return name_end != NULL &&
           sscanf(name_end + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &state, &p->parent, &p->start) == 3 &&
           state != 'Z' && state != 'X';
}

static int by_start(const void *a, const void *b)
{
    const struct process *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static bool runs(pid_t pid, const char *exe)
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    return strcmp(target, exe) == 0;
}

/* Marks those below this process: a parent may stand behind its child in the table. */
static void mark(struct process *all, size_t n)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            bool below = all[i].parent == getpid();
            for (size_t k = 0; k < n && !below && !all[i].below; k++)
                below = all[k].below && all[k].pid == all[i].parent;
            if (below && !all[i].below)
                more = all[i].below = true;
        }
    }
}

size_t victims_find(const char *exe, pid_t *pids)
{
    static struct process all[VICTIMS_MOST];
    size_t n = 0, found = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return 0;
    for (const struct dirent *e; n < VICTIMS_MOST && (e = readdir(proc)) != NULL;) {
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        n += *end == '\0' && pid > 1 && pid != getpid() && look((pid_t)pid, &all[n]);
    }
    (void)closedir(proc);
    qsort(all, n, sizeof *all, by_start);
    mark(all, n);
    for (size_t i = 0; i < n; i++)
        if (all[i].below && (exe == NULL || runs(all[i].pid, exe)))
            pids[found++] = all[i].pid;
    return found;
}

bool victims_kill(pid_t pid)
{
    struct process p;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool alive = fd >= 0 && look(pid, &p) && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    if (fd >= 0)
        close(fd);
    return alive;
}

void victims_reap(void)
{
    victims_reap_but(0);
}

void victims_reap_but(pid_t one)
{
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 && info.si_pid != one) {
        (void)waitpid(info.si_pid, NULL, 0);
        info.si_pid = 0;
    }
}
