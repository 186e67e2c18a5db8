/* SPDX-License-Identifier: MPL-2.0 */
/* Setting the stage: the run, its channels and the ends of every process are there before the first process starts, so
 * that no channel closes because those who will send on it have not begun. */
#include "supervisor.h"
#include "control.h"
#include "message.h"
#include "pool.h"
#include "resume.h"
#include "services.h"

#include <programs.h>
#include <run.h>
#include <rundir.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge.h"
#include "edge.h"

#define READY_WAIT "10s" /* what `run --call` gives the backends to get ready */

static bool broken(struct supervisor *s, int status, const char *what, const char *why)
{
    message("%s: %s: %s", s->order->name, what, why);
    result_cause(&s->result, CAUSE_SYSTEM, status, NULL);
    return false;
}

static bool watch(struct supervisor *s, int fd, void *source)
{
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = source}) == 0;
}

char *supervisor_shown_path(struct pool *pool, const char *path)
{
    char *real = realpath(path, NULL);
    char *shown = pool_copy(pool, real != NULL ? real : path, strlen(real != NULL ? real : path));

    free(real);
    for (char *c = shown; (c = strpbrk(c, "\t\n")) != NULL;)
        *c = '?';
    return shown;
}

static bool start_run(struct supervisor *s)
{
    const struct pipeline *p = s->stage.p;
    char path[PATH_MAX];
    struct csp__runinfo info;

    if (csp__program_path("exec", path, sizeof path) != 0)
        return broken(s, EX_OSERR, "the bridge 'exec' is not found", "set CSP_LIBEXEC to the directory that holds it");
    s->stage.exec = pool_copy(s->stage.pool, path, strlen(path));
    struct csp__options options = s->order->options;
    options.name = s->order->name;
    options.file = supervisor_shown_path(s->stage.pool, p->path);
    options.notices = 1;
    if (csp__start(&options) != 0)
        return broken(s, EX_OSERR, "cannot be started", csp_errmsg());
    s->stage.dir = pool_copy(s->stage.pool, csp__dir(), strlen(csp__dir()));
    if (csp__rundir_read(s->stage.dir, &info) == 0)
        s->broker = info.broker;
    if (services_write(s->stage.dir, p) != 0)
        return broken(s, EX_OSERR, "the definitions of its services cannot be written", strerror(errno));
    if (!watch(s, csp__broker(), &s->broker) || !watch(s, s->signals, &s->signals) ||
        !watch(s, csp__notices(), &s->notices))
        return broken(s, EX_OSERR, "epoll", strerror(errno));
    if ((s->control = control_open(s->stage.dir, s->epoll)) == NULL)
        return broken(s, EX_OSERR, "cannot be asked for changes", strerror(errno));
    return true;
}

static unsigned how_declared(const struct pipeline *p, const struct channel *c)
{
    unsigned how = c->close == CLOSE_NEVER ? CSP__NEVER_CLOSES : c->close == CLOSE_IDLE ? CSP__CLOSES_IDLE : 0;

    return how | (edge_is_pair(p, c) ? CSP__MAY_BE_DIRECT : 0);
}

static bool say_channel(const struct supervisor *s, size_t i)
{
    int err = errno;

    message("%s: %s: %s", s->order->name, s->stage.p->channels[i].name, csp_errmsg());
    errno = err;
    return false;
}

static int set_channel(struct supervisor *s, size_t i)
{
    static const enum csp__overflow overflows[] = {[OVERFLOW_BLOCK] = CSP__BLOCK,
                                                   [OVERFLOW_DROP_OLDEST] = CSP__DROP_OLDEST,
                                                   [OVERFLOW_DROP_NEWEST] = CSP__DROP_NEWEST,
                                                   [OVERFLOW_REJECT] = CSP__REJECT};
    const struct channel *c = &s->stage.p->channels[i];
    struct csp__settings settings = {.retry = {.attempts = (unsigned)c->attempts,
                                               .least = c->delay.least,
                                               .most = c->delay.most,
                                               .dead = c->dead != PIPELINE_NONE ? s->chans[c->dead] : 0},
                                     .ordered = c->ordered,
                                     .overflow = overflows[c->overflow]};

    if (c->attempts == 0 && !c->ordered && c->overflow == OVERFLOW_BLOCK && c->durable == NULL)
        return 0;
    return resume_set(s, i, &settings);
}

bool supervisor_declare(struct supervisor *s, const bool *which)
{
    const struct pipeline *p = s->stage.p;

    for (size_t i = 0; i < p->nchannels; i++) {
        const struct channel *c = &p->channels[i];
        if (which != NULL && !which[i])
            continue;
        s->chans[i] = csp__declare(c->name, (size_t)c->capacity, (size_t)c->max_bytes, how_declared(p, c));
        if (s->chans[i] == 0)
            return say_channel(s, i);
    }
    for (size_t i = 0; i < p->nchannels; i++)
        if ((which == NULL || which[i]) && set_channel(s, i) != 0)
            return say_channel(s, i);
    return true;
}

static bool declare_channels(struct supervisor *s)
{
    s->chans = pool_zalloc(s->stage.pool, s->stage.p->nchannels * sizeof *s->chans);
    if (!supervisor_declare(s, NULL)) {
        result_cause(&s->result, CAUSE_SYSTEM, errno == ENOTCONN ? EX_UNAVAILABLE : EX_OSERR, NULL);
        return false;
    }
    resume_say(s);
    return true;
}

/* A child more, not started. */
static struct child *new_child(struct supervisor *s, struct child as)
{
    struct child *c = memory_alloc(sizeof *c);

    *c = as;
    c->proc = c->report = c->given = -1;
    c->becomes = PIPELINE_NONE;
    s->children = memory_resize(s->children, (s->n + 1) * sizeof(struct child *));
    s->children[s->n++] = c;
    s->alive++;
    return c;
}

struct child *supervisor_add(struct supervisor *s, size_t process, unsigned replica)
{
    const struct pipeline *p = s->stage.p;
    struct child *c = new_child(s, (struct child){.process = process, .replica = replica});

    c->bridged = process_bridged(p, process);
    c->label = process_label(p, process, replica, s->stage.pool);
    s->alive_of[process]++;
    if (child_announce(c, &s->stage, s->chans) == 0)
        return c;
    int err = errno;
    message("%s: %s: %s", s->order->name, c->label,
            err == ENOBUFS ? "too many processes for the limit of open files: raise it (ulimit -n)" : csp_errmsg());
    child_forgo(c, (csp_exit){CSP_CLEAN, 0});
    s->n--;
    s->alive--;
    s->alive_of[process]--;
    child_free(c);
    errno = err;
    return NULL;
}

static bool announce_children(struct supervisor *s)
{
    const struct pipeline *p = s->stage.p;

    s->alive_of = pool_zalloc(s->stage.pool, p->nprocesses * sizeof *s->alive_of);
    for (size_t i = 0; i < p->nprocesses; i++)
        for (unsigned replica = 1; replica <= p->processes[i].replicas; replica++)
            if (supervisor_add(s, i, replica) == NULL) {
                result_cause(&s->result, CAUSE_SYSTEM, errno == ENOTCONN ? EX_UNAVAILABLE : EX_OSERR, NULL);
                return false;
            }
    return true;
}

bool supervisor_prepare(struct supervisor *s)
{
    s->deadline = CSP_FOREVER;
    return start_run(s) && declare_channels(s) && announce_children(s);
}

static void start_call(struct supervisor *s)
{
    struct child *c = new_child(s, (struct child){.process = PIPELINE_NONE, .label = s->order->call});
    const char *argv[] = {SUPERVISOR_SELF,
                          "call",
                          "--run",
                          s->stage.dir,
                          "--wait",
                          READY_WAIT,
                          "-o",
                          s->order->call_json ? "json" : "text",
                          "--",
                          c->label,
                          s->order->request,
                          NULL};
    if (child_start_tool(c, &s->stage, (char **)argv, STDOUT_FILENO) == 0)
        return;
    s->n--;
    s->alive--;
    broken(s, EX_OSERR, "cannot call", strerror(errno));
    child_free(c);
    supervisor_event(s, EVENT_FAILURE);
}

void supervisor_start(struct supervisor *s)
{
    if (s->stage.p->deadline >= 0)
        s->deadline = csp_now() + s->stage.p->deadline;
    s->begun = csp_now();
    resume_leave_out(s);
    readiness_step(s);
    if (s->order->call != NULL && s->state == RUN_UP)
        start_call(s);
}
