/* SPDX-License-Identifier: MPL-2.0 */
/* What is done about a deadlock. Decision: the broker knows who is stuck, but not what their addresses mean: it starts
 * `cspctl dump --deadlock`, which asks it as a guest and reads the programs, and waits for its end before it lets the
 * processes go, for then there is nothing to print any more. A reporter that hangs, or cannot be started, holds nothing
 * up. */
#include "broker.h"
#include "record.h"
#include "tell.h"

#include "launch.h"
#include "programs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_NS INT64_C(5000000000) /* for the report to be printed */
#define MOST_SAID 16                  /* processes in our own line */
#define NO_MORE   3                   /* descriptors of the reporter */

static int add_actions(posix_spawn_file_actions_t *actions)
{
    int err = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, 2, 1);
    return err == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, NO_MORE) : err;
}

/* Starts the program. 0 or an errno. */
static int spawn(pid_t *pid, char *const argv[])
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int err = csp__spawn_clean(&attributes, 0);
    if (err != 0)
        return err;
    err = posix_spawn_file_actions_init(&actions);
    if (err == 0) {
        err = add_actions(&actions);
        if (err == 0)
            err = posix_spawn(pid, argv[0], &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return err;
}

/* In one line, where nobody else says it. */
static void say_plainly(const struct broker *b)
{
    char line[1024];
    int n = snprintf(line, sizeof line, "broker: deadlock: processes that can never move again:");
    unsigned said = 0, all = 0;
    LIST_EACH(node, next, &b->all)
    {
        const struct process *p = LIST_OWNER(node, struct process, all);
        if (!p->stuck || all++ >= MOST_SAID)
            continue;
        n += snprintf(line + n, sizeof line - (size_t)n, "%s %" PRIu64 " (pid %d)", said++ != 0 ? "," : "", p->item.key,
                      (int)p->pid);
    }
    if (all > said)
        snprintf(line + n, sizeof line - (size_t)n, " and %u more", all - said);
    fprintf(stderr, "%s: run `cspctl dump --run %s` to see where they wait\n", line, b->dir);
}

/* The reporter runs: it is watched. */
static int watch(struct broker *b, pid_t pid)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0}; /* no process has this number */
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    b->deadlock.reporter = pid;
    b->deadlock.pidfd = fd;
    return 0;
}

/* Its status, as waitpid gives it. */
static int reap(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static void too_late(struct broker *b, struct timer *t)
{
    (void)t;
    kill(b->deadlock.reporter, SIGKILL); /* not reaped yet: the number is still its own */
}

static bool start(struct broker *b)
{
    char path[PATH_MAX], run[PATH_MAX], dump[] = "dump", deadlock[] = "--deadlock", option[] = "--run";
    char *const argv[] = {path, dump, deadlock, option, run, NULL};
    pid_t pid;
    if (csp__cspctl_path(path, sizeof path) != 0 || snprintf(run, sizeof run, "%s", b->dir) >= (int)sizeof run ||
        spawn(&pid, argv) != 0)
        return false;
    if (watch(b, pid) != 0) {
        kill(pid, SIGKILL);
        reap(pid);
        return false;
    }
    timer_set(&b->deadlock.timers, &b->deadlock.patience, timer_after(b->now, REPORT_NS), too_late);
    return true;
}

static void after(struct broker *b)
{
    if (b->on_deadlock == DEADLOCK_FAIL)
        b->deadlock.told = true;
    else
        deadlock_possible(b);
}

void reporter_act(struct broker *b)
{
    b->deadlock.told = false;
    record_deadlock(b);
    deadlock_fail(b);
    deadlock_possible(b);
}

int reporter_tell(struct broker *b, unsigned stuck, unsigned hopeless)
{
    const char *what = hopeless != 0 ? "deadlock" : "idle";
    if (b->notices >= 0)
        return csp__tell(b->notices, "%s %u\n", what, hopeless != 0 ? hopeless : stuck) != 0 && errno == EAGAIN ? -1
                                                                                                                : 0;
    if (!start(b)) {
        say_plainly(b);
        after(b);
    }
    return 0;
}

bool reporter_is_busy(const struct broker *b)
{
    return b->deadlock.reporter != 0;
}

void reporter_reap(struct broker *b)
{
    if (b->deadlock.reporter == 0)
        return;
    timer_stop(&b->deadlock.timers, &b->deadlock.patience);
    epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->deadlock.pidfd, NULL);
    close(b->deadlock.pidfd);
    int status = reap(b->deadlock.reporter);
    b->deadlock.reporter = 0;
    b->deadlock.ended = false;
    if (b->over)
        return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        say_plainly(b);
    after(b);
}

void reporter_stop(struct broker *b)
{
    if (b->deadlock.reporter == 0)
        return;
    kill(b->deadlock.reporter, SIGKILL);
    reporter_reap(b);
}
