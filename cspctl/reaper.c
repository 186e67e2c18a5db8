/* SPDX-License-Identifier: MPL-2.0 */
/* Taking note of ends. The zombie is looked at first, then the broker is told why it ended, and only then is it reaped:
 * the broker knows the process by its pid, which must not belong to somebody else meanwhile. */
#include "supervisor.h"
#include "hold.h"
#include "message.h"

#include <polling.h>
#include <run.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct child *find_child(struct supervisor *s, pid_t pid)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->pid == pid && s->children[i]->phase <= CHILD_KILLED)
            return s->children[i];
    return NULL;
}

static csp_exit reason(const struct supervisor *s, struct child *c, const siginfo_t *info)
{
    static const uint8_t zero[32] = {1};

    child_read_report(c, s->epoll);
    child_close_report(c, s->epoll);
    if (!c->reported && c->program > 1 && !c->gone)
        (void)kill(-c->program, SIGKILL); /* before its inputs are closed: that would be its end of file */
    hold_release_all(&c->hold);
    if (c->reported)
        return c->ending.why;
    bool own = c->bridged || c->process == PIPELINE_NONE; /* the codes of a bridge itself are not the program's */
    return ending_of(info, own ? zero : s->stage.p->processes[c->process].success);
}

static void take_child(struct supervisor *s, struct child *c, const siginfo_t *info)
{
    c->ending.why = reason(s, c, info);
    c->ending.ours = c->phase >= CHILD_TOLD && c->phase <= CHILD_KILLED;
    c->told = c->ending.why;
    if (c->proc >= 0 && csp__reaped(c->proc, c->ending.why, &c->told) != 0 && errno == ENOTCONN) {
        result_cause(&s->result, CAUSE_BROKER, 0, NULL);
        supervisor_event(s, EVENT_BROKER);
    }
    (void)waitid(P_PID, (id_t)c->pid, &(siginfo_t){0}, WEXITED);
    supervisor_child(s, c, CHILD_EXIT);
}

void reaper_run(struct supervisor *s)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        struct child *c = find_child(s, info.si_pid);
        if (c != NULL)
            take_child(s, c, &info);
        else {
            (void)waitid(P_PID, (id_t)info.si_pid, &(siginfo_t){0}, WEXITED);
            bool well = info.si_code == CLD_EXITED && info.si_status == 0;
            if (!notice_reaped(s, info.si_pid, well))
                (void)readiness_reaped(s, info.si_pid, well);
        }
    }
}

/* SIGKILL to every child of this process; each of its threads may have some. */
static void kill_children(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    char path[300];
    int pid;

    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/children", task->d_name);
        FILE *list = *task->d_name != '.' ? fopen(path, "re") : NULL;
        while (list != NULL && fscanf(list, "%d", &pid) == 1)
            (void)kill(pid, SIGKILL);
        if (list != NULL)
            (void)fclose(list);
    }
    if (tasks != NULL)
        closedir(tasks);
}

void reaper_sweep(struct supervisor *s, int ms)
{
    csp_time by = csp_in(ms);
    struct signalfd_siginfo info;

    for (reaper_run(s); waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0; reaper_run(s)) {
        if (csp_now() >= by)
            return;
        kill_children();
        if (csp__poll_in(s->signals, by) == 1)
            (void)!read(s->signals, &info, sizeof info);
    }
}
