/* SPDX-License-Identifier: MPL-2.0 */
/* The state machine of a run, and the loop that feeds it. */
#include "supervisor.h"
#include "control.h"
#include "diagnostic.h"
#include "log.h"
#include "message.h"
#include "phases.h"
#include "pool.h"
#include "resume.h"
#include "unit.h"
#include "vacancy.h"

#include <rundir.h>
#include <run.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define LOG_WAIT   10000     /* ms without progress after which the rest of the log is given up */
#define SWEEP_WAIT 3000      /* ms for what is left to die */
#define TWIN_WAIT  50000000L /* ns in which the same signal once more is the same */

struct transition {
    enum run_state next; /* RUN_SAME: nothing happens */
    void (*act)(struct supervisor *s);
};

/* A second signal kills, whatever the first cause of the ending was. */
static const struct transition transitions[RUN_STATES][RUN_EVENTS] = {
    [RUN_UP] =
        {
            [EVENT_FAILURE] = {RUN_CANCELLED, drain_step},
            [EVENT_SIGNAL] = {RUN_DRAINING, drain_step},
            [EVENT_DEADLINE] = {RUN_CANCELLED, drain_step},
            [EVENT_CALLED] = {RUN_DRAINING, drain_step},
            [EVENT_BROKER] = {RUN_KILLED, drain_kill},
            [EVENT_DEADLOCK] = {RUN_CANCELLED, drain_step},
            [EVENT_ENDED] = {RUN_OVER, NULL},
        },
    [RUN_DRAINING] =
        {
            [EVENT_FAILURE] = {RUN_CANCELLED, drain_step},
            [EVENT_SIGNAL] = {RUN_KILLED, drain_kill},
            [EVENT_DEADLINE] = {RUN_CANCELLED, drain_step},
            [EVENT_BROKER] = {RUN_KILLED, drain_kill},
            [EVENT_DEADLOCK] = {RUN_CANCELLED, drain_step},
            [EVENT_ENDED] = {RUN_OVER, NULL},
        },
    [RUN_CANCELLED] =
        {
            [EVENT_SIGNAL] = {RUN_KILLED, drain_kill},
            [EVENT_BROKER] = {RUN_KILLED, drain_kill},
            [EVENT_ENDED] = {RUN_OVER, NULL},
        },
    [RUN_KILLED] =
        {
            [EVENT_ENDED] = {RUN_OVER, NULL},
        },
};

void supervisor_event(struct supervisor *s, enum run_event event)
{
    const struct transition *t = &transitions[s->state][event];

    if (t->next == RUN_SAME)
        return;
    s->state = t->next;
    if (t->act != NULL)
        t->act(s);
}

/* ---- events */

/* timeout(1) tells its child, and then its group: that is one signal, and not a second that kills. */
static void await_twin(const struct signalfd_siginfo *info)
{
    sigset_t same;

    if (info->ssi_code != SI_USER)
        return;
    sigemptyset(&same);
    sigaddset(&same, (int)info->ssi_signo);
    for (csp_time by = csp_now() + TWIN_WAIT, left = TWIN_WAIT; left > 0; left = by - csp_now())
        if (sigtimedwait(&same, NULL, &(struct timespec){.tv_nsec = left}) >= 0 || errno != EINTR)
            return; /* a stop and its end interrupt it, too */
}

static void take_signal(struct supervisor *s, const struct signalfd_siginfo *info)
{
    bool first = s->state == RUN_UP;
    int signal = (int)info->ssi_signo;

    if (first)
        await_twin(info);
    result_cause(&s->result, CAUSE_SIGNAL, signal, NULL);
    supervisor_event(s, EVENT_SIGNAL);
    if (first && s->alive > 0)
        message("%s: ending: its channels drain; once more to kill it", s->order->name);
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    bool children = false;

    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            children = true;
        else if (info.ssi_signo == SIGQUIT)
            notice_dump(s);
        else
            take_signal(s, &info);
    }
    if (children)
        reaper_run(s);
}

static void take_event(struct supervisor *s, void *source)
{
    if (source == &s->signals)
        take_signals(s);
    else if (source == &s->broker) {
        (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, csp__broker(), NULL);
        result_cause(&s->result, CAUSE_BROKER, 0, NULL);
        supervisor_event(s, EVENT_BROKER);
    } else if (source == &s->notices)
        notice_read(s);
    else if (source == &s->stage.spotted)
        readiness_read(s);
    else if (!control_take(s, source))
        child_read_report(source, s->epoll);
}

static void take_time(struct supervisor *s)
{
    if (s->deadline != CSP_FOREVER && csp_now() >= s->deadline) {
        s->deadline = CSP_FOREVER;
        result_cause(&s->result, CAUSE_DEADLINE, 0, NULL);
        supervisor_event(s, EVENT_DEADLINE);
    }
    notice_step(s);
    drain_step(s);
    lifecycle_step(s);
    reload_step(s);
    vacancy_step(s);
    readiness_step(s);
    phases_write(s);
    control_step(s);
    if (s->alive == 0)
        supervisor_event(s, EVENT_ENDED);
}

static int until(csp_time due)
{
    if (due == CSP_FOREVER)
        return -1;
    csp_time left = due - csp_now();
    if (left <= 0)
        return 0;
    return left > 3600LL * 1000000000 ? 3600 * 1000 : (int)((left + 999999) / 1000000);
}

static csp_time earlier(csp_time a, csp_time b)
{
    if (a == CSP_FOREVER || b == CSP_FOREVER)
        return a == CSP_FOREVER ? b : a;
    return a < b ? a : b;
}

static void loop(struct supervisor *s)
{
    struct epoll_event events[64];

    for (take_time(s); s->state != RUN_OVER; take_time(s)) {
        csp_time next = earlier(earlier(s->deadline, lifecycle_next(s)), earlier(notice_next(s), readiness_next(s)));
        int n = epoll_wait(s->epoll, events, 64, until(next));
        /* A broker's death comes first: what else happened, happened because of it. */
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr == &s->broker)
                take_event(s, events[i].data.ptr);
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr != &s->broker)
                take_event(s, events[i].data.ptr);
    }
}

/* ---- the end */

/* Somebody else has ended a bridge, so that nobody failed, and the result is not whole all the same. */
static void say_cut(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i]->ending.why.how == CSP_CANCELLED && !s->children[i]->ending.ours)
            message("%s: cut off: %s", s->children[i]->label, s->children[i]->why);
}

static void say_end(const struct supervisor *s)
{
    const struct result *r = &s->result;
    const char *name = s->order->name;
    char text[UNIT_TEXT];
    int status = result_status(r);

    switch (r->cause) {
    case CAUSE_FAILURE:
        if (r->who != s->order->call) /* the call has said it */
            message("%s: %s %s: status %d", name, r->who,
                    s->stage.p->on_failure == ON_FAILURE_STOP ? "failed, and ended it" : "failed", status);
        break;
    case CAUSE_SIGNAL:
        message("%s: ended by signal %d (%s): status %d", name, r->code, strsignal(r->code), status);
        break;
    case CAUSE_DEADLINE:
        message("%s: cancelled at its deadline of %s: status %d", name, unit_print_duration(s->stage.p->deadline, text),
                status);
        break;
    case CAUSE_BROKER:
        message("%s: the broker has died, and all processes with it: status %d", name, status);
        break;
    case CAUSE_DEADLOCK:
        message("%s: cancelled: %d of its processes can never move again: status %d", name, r->code, status);
        break;
    case CAUSE_NONE:
        if (r->cut)
            say_cut(s);
        if (r->lost > 0)
            message("%s: up to %s lost: status %d", name, unit_print_number(r->lost, "value", text), status);
        else if (r->kept > 0 && r->given_up == 0)
            message("%s: %s %s left for the next run: status %d", name, unit_print_number(r->kept, "value", text),
                    r->kept == 1 ? "is" : "are", status);
        else if (r->given_up > 0)
            message("%s: %s given up: status %d", name, unit_print_number(r->given_up, "value", text), status);
        else if (r->cut)
            message("%s: its result is not whole: status %d", name, status);
        else if (r->unsure > 0)
            message("%s: values may be lost: a process that held some failed and was restarted, %s (`retry` of "
                    "its channel would keep them): status %d",
                    name, unit_print_number(r->unsure, "time", text), status);
        break;
    default:
        break;
    }
}

/* Leaves the run: whatever still carries its name is killed, also when the broker can't do it any more. */
static void leave(struct supervisor *s)
{
    char *dir = strdup(s->stage.dir);

    control_close(s->control);
    s->control = NULL;
    losses_say(s);
    resume_forget(s);
    if (csp_term() != 0 && s->result.cause != CAUSE_BROKER)
        message("%s: the broker did not end in time, and was killed", s->order->name);
    if (dir != NULL) {
        (void)csp__sweep_processes(dir, SWEEP_WAIT);
        (void)csp__rundir_remove(dir);
    }
    free(dir);
    reaper_sweep(s, SWEEP_WAIT);
}

/* The run is over; only what its processes have written may still be on its way to a slow reader. A signal that came
 * while we left it changes nothing: what came of the run is known, and its store has forgotten it if it is to be. From
 * here on one just ends us, where we wait for that reader, but that which asks what the run is doing. */
static void finish_output(struct supervisor *s)
{
    struct signalfd_siginfo late;
    int error;

    while (read(s->signals, &late, sizeof late) == (ssize_t)sizeof late)
        ;
    for (size_t i = 0; i < s->n; i++)
        child_close_report(s->children[i], s->epoll);
    (void)signal(SIGQUIT, SIG_IGN);
    if (log_close(s->stage.data, -1, &error) && error != 0 && error != EPIPE) {
        message("standard output: %s", strerror(error));
        result_cause(&s->result, CAUSE_SYSTEM, EX_IOERR, NULL);
    }
    message_close();
    if (!log_close(s->stage.log, LOG_WAIT, NULL))
        message("%s: the rest of its log is dropped: nobody reads it", s->order->name);
}

/* ---- the beginning */

/* Signals that we wait for. One that we were started to ignore (nohup, a shell's background job) stays ignored: a
 * blocked signal would reach a signalfd all the same. */
static int open_signals(void)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
    sigset_t mask;
    struct sigaction old;

    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (wanted[i] != SIGHUP || (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN))
            sigaddset(&mask, wanted[i]);
    (void)signal(SIGCHLD, SIG_DFL); /* ignored, it would reap the children behind our back */
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0)
        return -1;
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Our own state as a process: descriptors 0 to 2 are open, no other is inherited, and orphans come to us. */
static int prepare_process(struct supervisor *s)
{
    int fd;

    while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
        (void)fcntl(fd, F_SETFD, 0);
    if (fd >= 0)
        close(fd);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (getrlimit(RLIMIT_NOFILE, &s->stage.limit) == 0)
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){s->stage.limit.rlim_max, s->stage.limit.rlim_max});
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    s->stage.colour = diagnostics_colour(stderr); /* sets errno, so before what may fail */
    s->signals = open_signals();
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->stage.log = log_open(STDERR_FILENO, LOG_LINES);
    s->stage.data = log_open(STDOUT_FILENO, LOG_DATA);
    if (s->signals < 0 || s->epoll < 0 || s->stage.log == NULL || s->stage.data == NULL || readiness_open(s) != 0)
        return -1;
    return message_open(s->stage.log);
}

static void tell_up(const struct order *order)
{
    if (order->up < 0)
        return;
    message_copy(-1);
    (void)!write(order->up, "", 1);
    close(order->up);
}

static void run(struct supervisor *s)
{
    if (!supervisor_prepare(s)) {
        s->state = RUN_OVER;
        return;
    }
    supervisor_start(s);
    if (s->state == RUN_UP)
        tell_up(s->order);
    loop(s);
}

int supervise(struct pipeline *p, const struct order *order)
{
    struct supervisor s = {.order = order, .stage = {.p = p, .pool = pool_new()}, .state = RUN_UP};

    if (prepare_process(&s) != 0) {
        message("%s: cannot be supervised: %s", order->name, strerror(errno));
        return EX_OSERR;
    }
    run(&s);
    if (s.stage.dir != NULL)
        leave(&s);
    finish_output(&s);
    say_end(&s);
    readiness_close(&s);
    free(s.phases);
    close(s.epoll);
    close(s.signals);
    reload_close(&s);
    for (size_t i = 0; i < s.n; i++)
        child_free(s.children[i]);
    free(s.children);
    pool_free(s.stage.pool);
    return result_status(&s.result);
}
