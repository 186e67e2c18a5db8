/* SPDX-License-Identifier: MPL-2.0 */
/* Who is ready, and who may start because of it.
 * A process waits until every replica of those that it depends on is ready. What shows that is seen elsewhere (a line
 * by the bridge or the log's thread, a start by the kernel) and only looked at here, once for each event of the run;
 * only the programs that ask whether a process is ready are started and ended here. They are asked less and less often,
 * and one that takes too long is killed. */
#include "supervisor.h"
#include "log.h"
#include "message.h"
#include "pool.h"
#include "unit.h"

#include "../workers/exec/spotter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ASK_FIRST  100000000LL /* from the start of a process to the first question, and between the first two */
#define ASK_MOST   1000000000LL
#define ASK_LASTS  10000000000LL /* then a question is given up */
#define LINE_LASTS 10000000000LL /* after the end of a process, where others have its output open still */
#define SAID_AFTER 10000000000LL /* that somebody waits */

/* What the log's thread writes: whose line it was, or whose output is over, and had none. */
struct spotted {
    struct child *child;
    uint64_t incarnation;
    bool over;
};

static const struct ready *ready_of(const struct supervisor *s, const struct child *c)
{
    return &s->stage.p->processes[c->process].ready;
}

static bool has_exec(const struct ready *ready)
{
    return ready->exec.argv != NULL || ready->exec.shell != NULL;
}

/* ---- what is looked for in lines */

/* A log's thread looks at them, so that they stay where they are when there are more. */
int readiness_compile(struct supervisor *s, const bool *which)
{
    const struct pipeline *p = s->stage.p;
    char why[200];
    int failed = 0;

    s->stage.regexes = memory_resize(s->stage.regexes, (p->nprocesses + 1) * sizeof(regex_t *));
    for (size_t i = 0; i < p->nprocesses; i++) {
        if (which != NULL && !which[i])
            continue;
        regex_t *made = p->processes[i].ready.line != NULL ? memory_alloc(sizeof *made) : NULL;
        if (made != NULL && spotter_compile(made, p->processes[i].ready.line, why, sizeof why) != 0) {
            free(made);
            made = NULL;
            failed = -1; /* no memory: it was compiled before */
        }
        s->stage.regexes[i] = made;
    }
    errno = ENOMEM;
    return failed;
}

void readiness_forget(struct supervisor *s, const bool *which)
{
    for (size_t i = 0; s->stage.regexes != NULL && i < s->stage.p->nprocesses; i++)
        if (s->stage.regexes[i] != NULL && (which == NULL || which[i])) {
            regfree(s->stage.regexes[i]);
            free(s->stage.regexes[i]);
            s->stage.regexes[i] = NULL;
        }
}

int readiness_open(struct supervisor *s)
{
    if (readiness_compile(s, NULL) != 0)
        return -1;
    if (pipe2(s->stage.spotted, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->stage.spotted[0],
                     &(struct epoll_event){.events = EPOLLIN, .data.ptr = &s->stage.spotted});
}

void readiness_close(struct supervisor *s)
{
    readiness_forget(s, NULL);
    free(s->stage.regexes);
    close(s->stage.spotted[0]);
    close(s->stage.spotted[1]);
}

int readiness_source(struct child *c, const struct stage *stage, struct log *log, const char *prefix)
{
    const struct spotted word = {c, c->incarnations, false}, over = {c, c->incarnations, true};
    const regex_t *line = c->process != PIPELINE_NONE ? stage->regexes[c->process] : NULL;
    const struct spotting spotting = {line, stage->spotted[1], &word, &over, sizeof word};
    int fd = log_source_spotted(log, prefix, line != NULL ? &spotting : NULL);

    if (fd >= 0 && line != NULL) {
        c->looked_at++;
        c->is_named = true;
    }
    return fd;
}

void readiness_read(struct supervisor *s)
{
    struct spotted word;

    while (read(s->stage.spotted[0], &word, sizeof word) == (ssize_t)sizeof word)
        if (word.child->incarnations == word.incarnation) {
            word.child->spotted |= !word.over;
            word.child->looked_at--;
        }
}

/* ---- programs that are asked */

static void ask(struct supervisor *s, struct child *c)
{
    struct question *q = &c->question;

    if (child_ask(c, &s->stage) != 0) {
        if (!q->failed)
            message("%s: ready: cannot be asked: %s", c->label, strerror(errno));
        q->failed = true;
        q->due = csp_now() + ASK_MOST;
        return;
    }
    q->due = csp_now() + ASK_LASTS;
}

static void question_due(struct supervisor *s, struct child *c)
{
    if (c->question.pid == 0) {
        ask(s, c);
        return;
    }
    (void)kill(-c->question.pid, SIGKILL);
    c->question.due = csp_now() + ASK_LASTS;
}

bool readiness_reaped(struct supervisor *s, pid_t pid, bool well)
{
    for (size_t i = 0; i < s->n; i++) {
        struct child *c = s->children[i];
        struct question *q = &c->question;
        if (q->pid != pid)
            continue;
        q->pid = 0;
        q->pause = q->pause == 0 ? ASK_FIRST : 2 * q->pause > ASK_MOST ? ASK_MOST : 2 * q->pause;
        q->due = csp_now() + q->pause;
        if (well && q->incarnation == c->incarnations)
            c->spotted = true;
        return true;
    }
    return false;
}

/* One is asked while it runs and is not ready. */
static bool is_asked(const struct supervisor *s, const struct child *c)
{
    return c->process != PIPELINE_NONE && c->phase == CHILD_RUNNING && !c->ready && has_exec(ready_of(s, c));
}

static void give_up_question(struct child *c)
{
    if (c->question.pid > 0)
        (void)kill(-c->question.pid, SIGKILL);
}

/* ---- who is ready */

static bool shows(const struct supervisor *s, const struct child *c)
{
    const struct ready *ready = ready_of(s, c);

    if (ready->line != NULL || has_exec(ready))
        return c->spotted;
    int kind = s->stage.p->processes[c->process].kind;
    bool alone = kind == PROCESS_EACH || kind == PROCESS_PARTITION; /* the bridge is it */
    return c->start_error == 0 && (!c->bridged || c->program > 0 || alone);
}

/* It runs, or has run for the last time: what it showed may be known only now. */
static bool is_judged(const struct child *c)
{
    return (c->phase >= CHILD_RUNNING && c->phase <= CHILD_KILLED) || (c->phase == CHILD_ENDED && c->pid > 0);
}

/* It has finally ended, and nothing that it wrote is still on its way to be looked at. */
static bool is_hopeless_child(const struct child *c)
{
    return c->phase == CHILD_ENDED && !c->ready && (c->looked_at == 0 || csp_now() >= c->due + LINE_LASTS);
}

/* All replicas of a process: ready, or have been, and have finally ended. */
static bool is_ready(const struct supervisor *s, size_t process)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->becomes == process || (s->children[i]->process == process && !s->children[i]->ready))
            return false;
    return true;
}

/* One of them has finally ended, and was never ready. */
static bool is_hopeless(const struct supervisor *s, size_t process)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->process == process && is_hopeless_child(s->children[i]))
            return true;
    return false;
}

static void wait_more(struct supervisor *s, struct child *c, size_t for_whom)
{
    char text[UNIT_TEXT];

    if (c->said_waiting || csp_now() - s->begun < SAID_AFTER)
        return;
    c->said_waiting = true;
    message("%s: waits for %s to be ready, for %s now", c->label, s->stage.p->processes[for_whom].name,
            unit_print_age(csp_now() - s->begun, text));
}

static void try_start(struct supervisor *s, struct child *c)
{
    const struct process *process = &s->stage.p->processes[c->process];

    for (size_t i = 0; i < process->nafter; i++) {
        size_t other = process->after[i];
        if (is_hopeless(s, other)) {
            message("%s: cannot be started: %s, which it depends on, has ended and was never ready", c->label,
                    s->stage.p->processes[other].name);
            supervisor_child(s, c, CHILD_HOPELESS);
            return;
        }
        if (!is_ready(s, other)) {
            wait_more(s, c, other);
            return;
        }
    }
    supervisor_child(s, c, CHILD_START);
}

static void judge_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct child *c = s->children[i];
        if (c->process == PIPELINE_NONE)
            continue;
        if (is_judged(c) && !c->ready && shows(s, c))
            c->ready = true;
        if (c->question.pid > 0 && (!is_asked(s, c) || c->question.incarnation != c->incarnations))
            give_up_question(c);
        else if (is_asked(s, c) && csp_now() >= c->question.due)
            question_due(s, c);
    }
}

/* Whether any was. */
static bool start_all(struct supervisor *s)
{
    bool any = false;

    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->phase == CHILD_NEW && s->children[i]->process != PIPELINE_NONE && s->state == RUN_UP) {
            try_start(s, s->children[i]);
            any |= s->children[i]->phase != CHILD_NEW;
        }
    return any;
}

/* Who is ready as soon as it is started may have another one start: no event would say so. */
void readiness_step(struct supervisor *s)
{
    do
        judge_all(s);
    while (start_all(s));
}

csp_time readiness_next(const struct supervisor *s)
{
    csp_time next = CSP_FOREVER;

    for (size_t i = 0; i < s->n; i++) {
        const struct child *c = s->children[i];
        csp_time due = CSP_FOREVER;
        if (is_asked(s, c))
            due = c->question.due;
        else if (c->phase == CHILD_NEW && !c->said_waiting && s->state == RUN_UP)
            due = s->begun + SAID_AFTER;
        else if (c->phase == CHILD_ENDED && !c->ready && c->looked_at > 0 && s->state == RUN_UP &&
                 csp_now() < c->due + LINE_LASTS)
            due = c->due + LINE_LASTS;
        if (due != CSP_FOREVER && (next == CSP_FOREVER || due < next))
            next = due;
    }
    return next;
}
