/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker has noticed, and showing what the run is doing. Both are printed by `cspctl dump`, a child of ours
 * that writes to the log: it may read the debug information of any program, which takes its time, and must not be able
 * to stop or crash who supervises. A deadlock is reported first, and then the run is cancelled: afterwards there would
 * be nothing to report. */
#include "supervisor.h"
#include "message.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REPORT_WAIT 5000 /* ms */

static bool fails(const struct supervisor *s)
{
    const char *word = s->order->options.on_deadlock;

    return word == NULL || strcmp(word, "fail") == 0;
}

static bool is_on(const struct supervisor *s)
{
    return s->state == RUN_UP || s->state == RUN_DRAINING;
}

static bool start(struct supervisor *s, struct child *c, const char *option)
{
    const char *argv[] = {SUPERVISOR_SELF, "dump", "--run", s->stage.dir, option, NULL};

    *c = (struct child){.process = PIPELINE_NONE, .label = "dump", .proc = -1, .report = -1};
    if (child_start_tool(c, &s->stage, (char **)argv, -1) == 0)
        return true;
    message("%s: what it does cannot be shown: %s", s->order->name, strerror(errno));
    c->phase = CHILD_NEW;
    return false;
}

void notice_dump(struct supervisor *s)
{
    if (s->notices.dump.phase == CHILD_NEW)
        (void)start(s, &s->notices.dump, NULL);
}

/* What can be said of the deadlock has been. */
static void reported(struct supervisor *s)
{
    if (s->notices.fatal)
        supervisor_event(s, EVENT_DEADLOCK);
}

static void report(struct supervisor *s)
{
    struct child *c = &s->notices.report;

    s->notices.again = c->phase != CHILD_NEW;
    if (s->notices.again)
        return;
    if (start(s, c, "--deadlock"))
        c->due = csp_in(REPORT_WAIT);
    else
        reported(s);
}

bool notice_reaped(struct supervisor *s, pid_t pid, bool well)
{
    if (s->notices.dump.phase != CHILD_NEW && pid == s->notices.dump.pid) {
        s->notices.dump.phase = CHILD_NEW;
        return true;
    }
    if (s->notices.report.phase == CHILD_NEW || pid != s->notices.report.pid)
        return false;
    if (!well && s->notices.report.phase == CHILD_RUNNING) /* one that was given up is said to be so */
        message("%s: some of its processes can never move again, but the report of that failed", s->order->name);
    s->notices.report.phase = CHILD_NEW;
    if (s->notices.again && is_on(s))
        report(s);
    else
        reported(s);
    return true;
}

void notice_step(struct supervisor *s)
{
    struct child *c = &s->notices.report;

    if (c->phase != CHILD_RUNNING || csp_now() < c->due)
        return;
    message("%s: the report of its deadlock takes too long, and is given up", s->order->name);
    child_signal(c, SIGKILL);
    c->phase = CHILD_KILLED;
}

csp_time notice_next(const struct supervisor *s)
{
    return s->notices.report.phase == CHILD_RUNNING ? s->notices.report.due : CSP_FOREVER;
}

static void take_line(struct supervisor *s, char *line)
{
    char *rest = line;
    const char *what = strsep(&rest, " ");

    if (rest != NULL && strcmp(what, "idle") == 0 && is_on(s))
        report(s);
    else if (rest != NULL && strcmp(what, "deadlock") == 0 && is_on(s)) {
        s->notices.fatal = fails(s);
        if (s->notices.fatal)
            result_cause(&s->result, CAUSE_DEADLOCK, (int)strtol(rest, NULL, 10), NULL);
        report(s);
    } else if (rest != NULL && strcmp(what, "durable") == 0)
        message("%s: durable %s", s->order->name, rest);
    else if (rest != NULL && strcmp(what, "departed") == 0)
        message("%s: departs from what is replayed: %s", s->order->name, rest);
}

void notice_read(struct supervisor *s)
{
    struct notices *n = &s->notices;
    char *line = n->line, *end;
    ssize_t got = read(csp__notices(), n->line + n->held, sizeof n->line - 1 - n->held);

    if (got <= 0) {
        if (got == 0 || errno != EINTR)
            (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, csp__notices(), NULL);
        return;
    }
    n->held += (size_t)got;
    n->line[n->held] = '\0';
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        take_line(s, line);
    }
    n->held = strlen(line);
    memmove(n->line, line, n->held + 1);
    if (n->held == sizeof n->line - 1)
        n->held = 0; /* no line of ours is so long */
}
