/* SPDX-License-Identifier: MPL-2.0 */
/* The watch over one program: its death, its output, signals, the broker and two times. Why it was killed, if it was,
 * is noted before it is, so that the verdict does not depend on which of its ends was seen first. */
#include "task.h"

#include "bridge.h"
#include "failure.h"
#include "run.h"
#include "tell.h"
#include "term.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWEEP_MS 5000 /* for killed processes to die */

enum { WATCH_SIGNALS, WATCH_BROKER, WATCH_HEARD, WATCH_TAIL, WATCH_OUT };

/* ---- the parts */

int task_open(struct task *t, const struct options *o, const char **what)
{
    *what = NULL;
    *t = (struct task){.o = o, .grace = CSP_FOREVER, .signals = -1, .tail = {.in = -1, .out = -1}};
    t->out = calloc(o->nout + 1, sizeof *t->out);
    t->polls = calloc(o->nout + WATCH_OUT, sizeof *t->polls);
    t->plugs = calloc(o->nout + 2, sizeof *t->plugs);
    if (t->out == NULL || t->polls == NULL || t->plugs == NULL || tail_open(&t->tail) != 0)
        return -1;
    for (; t->nout < o->nout; t->nout++)
        if (capture_open(&t->out[t->nout], &o->out[t->nout], what) != 0) {
            int error = errno;
            capture_free(&t->out[t->nout]);
            errno = error;
            return -1;
        }
    t->heard = csp__fd();
    t->signals = signalfd(-1, bridge_set(), SFD_CLOEXEC | SFD_NONBLOCK);
    t->polls[WATCH_SIGNALS] = (struct pollfd){.fd = t->signals, .events = POLLIN};
    t->polls[WATCH_BROKER] = (struct pollfd){.fd = csp__broker(), .events = POLLIN};
    t->polls[WATCH_HEARD] = (struct pollfd){.fd = t->heard, .events = POLLIN};
    t->polls[WATCH_TAIL] = (struct pollfd){.fd = t->tail.in, .events = POLLIN};
    for (size_t i = 0; i < t->nout; i++)
        t->polls[WATCH_OUT + i] = (struct pollfd){.fd = t->out[i].in, .events = POLLIN};
    return t->heard < 0 || t->signals < 0 ? -1 : 0;
}

void task_free(struct task *t)
{
    for (size_t i = 0; i < t->nout; i++)
        capture_free(&t->out[i]);
    free(t->out);
    free(t->polls);
    free(t->plugs);
    tail_free(&t->tail);
    program_close(t->signals);
}

uint64_t task_output(const struct task *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->nout; i++)
        sum += t->out[i].wrote;
    return sum;
}

const struct capture *task_unheard(const struct task *t)
{
    for (size_t i = 0; i < t->nout; i++)
        if (t->out[i].fan.alive == 0)
            return &t->out[i];
    return NULL;
}

/* ---- being told to end */

static void pass_on(const struct task *t, int sig)
{
    if (t->running)
        program_signal(&t->program, sig);
}

static void kill_now(struct task *t)
{
    t->stop = t->killed = true;
    pass_on(t, SIGKILL);
}

/* A run that goes on may finish, within the grace; but not where all has failed already. */
static void take_term(struct task *t, const struct signalfd_siginfo *s)
{
    bool told = s->ssi_code == SI_QUEUE;
    if (told && s->ssi_int == EXEC_TERM_RETIRE) {
        t->stop = true;
        return;
    }
    if (t->grace != CSP_FOREVER) {
        kill_now(t);
        return;
    }
    t->stop = true;
    t->failing = told && s->ssi_int == EXEC_TERM_FAILED;
    t->grace = csp_in(t->o->grace);
    if (t->failing || t->cancelled)
        pass_on(t, SIGTERM);
}

void task_signals(struct task *t)
{
    struct signalfd_siginfo s;
    while (read(t->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGCHLD)
            continue;
        if (s.ssi_signo == SIGTERM)
            take_term(t, &s);
        else
            kill_now(t);
    }
}

/* The broker knows for how long the program may clean up. */
static void heed_cancel(struct task *t)
{
    if (t->cancelled || csp__cancelled() == 0)
        return;
    t->stop = t->cancelled = true;
    pass_on(t, SIGTERM);
}

/* ---- the watch */

struct watch {
    csp_time timeout, tell; /* CSP_FOREVER: not, or done */
    bool late, told;
    bool spoilt; /* its output can't be sent: why is said */
};

static void read_outputs(struct task *t, struct watch *w, bool all)
{
    for (size_t i = 0; i < t->nout; i++) {
        if (w->spoilt || capture_read(&t->out[i], all, t->why, sizeof t->why) == 0)
            continue;
        if (errno == ENOTCONN)
            (void)failure_broker(t->o);
        w->spoilt = true;
        program_signal(&t->program, SIGKILL);
    }
}

static void tell(struct task *t, pid_t pid)
{
    if (t->o->report >= 0)
        (void)csp__tell(t->o->report, "started %d\n", (int)pid);
}

static csp_time sooner(csp_time a, csp_time b)
{
    return a == CSP_FOREVER || (b != CSP_FOREVER && b < a) ? b : a;
}

static int wait_ms(const struct task *t, const struct watch *w)
{
    csp_time next = sooner(sooner(w->timeout, w->tell), t->grace);
    if (next == CSP_FOREVER)
        return -1;
    int64_t left = next - csp_now();
    return left <= 0 ? 0 : left / 1000000 >= 60000 ? 60000 : (int)(left / 1000000 + 1);
}

static bool due(csp_time *when)
{
    if (*when == CSP_FOREVER || csp_now() < *when)
        return false;
    *when = CSP_FOREVER;
    return true;
}

static void take_times(struct task *t, struct watch *w)
{
    if (due(&w->tell)) {
        w->told = true;
        tell(t, t->program.pid);
    }
    if (due(&w->timeout)) {
        w->late = true;
        program_signal(&t->program, SIGKILL);
    }
    if (t->grace != CSP_FOREVER && csp_now() >= t->grace && !t->killed)
        kill_now(t);
}

/* Until the program has ended, and nothing of it is left. */
static void watch(struct task *t, struct watch *w)
{
    struct pollfd *p = t->polls;
    bool alone = false;
    while (!t->program.ended) {
        heed_cancel(t);
        if (poll(p, WATCH_OUT + t->nout, wait_ms(t, w)) > 0) {
            if (p[WATCH_BROKER].revents != 0)
                (void)failure_broker(t->o);
            task_signals(t);
            if (p[WATCH_TAIL].revents != 0)
                (void)tail_read(&t->tail);
            alone = program_reap(&t->program) != 0;
            if (!t->program.ended)
                read_outputs(t, w, false);
        }
        take_times(t, w);
    }
    if (!alone && program_sweep(&t->program, SWEEP_MS) != 0)
        fprintf(stderr, "exec: %s: a process of it does not die: look for state D in ps\n", t->o->label);
    t->running = false;
    if (w->told)
        tell(t, 0);
    read_outputs(t, w, true);
    while (tail_read(&t->tail))
        ;
}

/* ---- the verdict */

static enum verdict refuse(struct task *t, enum verdict v, const char *what)
{
    size_t n = strlen(what);
    memmove(t->why, what, n + 1 < sizeof t->why ? n + 1 : sizeof t->why);
    return v;
}

/* "exit status 3: cannot decode", "killed by signal 11 (Segmentation fault)". */
static void describe(struct task *t)
{
    int status = t->program.status, n;
    if (WIFSIGNALED(status))
        n = snprintf(t->why, sizeof t->why, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        n = snprintf(t->why, sizeof t->why, "exit status %d", WEXITSTATUS(status));
    if (t->tail.len != 0)
        snprintf(t->why + n, sizeof t->why - (size_t)n, ": %s", t->tail.line);
}

static enum verdict end_outputs(struct task *t)
{
    for (size_t i = 0; i < t->nout; i++)
        if (capture_end(&t->out[i], t->why, sizeof t->why) != 0) {
            if (errno == ENOTCONN)
                (void)failure_broker(t->o);
            return errno == ENOMEM ? TASK_AGAIN : TASK_REJECTED;
        }
    return TASK_DONE;
}

static enum verdict judge(struct task *t, const struct watch *w)
{
    int status = t->program.status;
    if (t->killed || t->cancelled || t->failing)
        return refuse(t, TASK_STOPPED, "stopped");
    if (w->late) {
        snprintf(t->why, sizeof t->why, "it took longer than its timeout of %lld ms, and was killed",
                 (long long)t->o->timeout);
        return TASK_AGAIN;
    }
    if (w->spoilt)
        return TASK_REJECTED;
    if (WIFEXITED(status) && t->o->success[WEXITSTATUS(status)])
        return end_outputs(t);
    describe(t);
    return WIFEXITED(status) && t->o->reject[WEXITSTATUS(status)] ? TASK_REJECTED : TASK_AGAIN;
}

/* Some of these pass, as a process table that is full; a value that is too long for an argument never will. */
static enum verdict not_started(struct task *t, int error)
{
    if (error == E2BIG)
        return refuse(t, TASK_REJECTED, "it is too long to be an argument");
    snprintf(t->why, sizeof t->why, "cannot be started: %s", strerror(error));
    t->error = error;
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ? TASK_AGAIN : TASK_BROKEN;
}

static int start(struct task *t, const struct batch *b)
{
    struct plug *plugs = t->plugs;
    size_t n = 0;
    bool err = false;
    plugs[n++] = (struct plug){.fd = STDIN_FILENO, .end = b->input};
    for (size_t i = 0; i < t->nout; i++) {
        plugs[n++] = (struct plug){.fd = t->out[i].fan.port->fd, .end = t->out[i].out};
        err = err || t->out[i].fan.port->fd == STDERR_FILENO;
    }
    if (!err)
        plugs[n++] = (struct plug){.fd = STDERR_FILENO, .end = t->tail.out};
    t->running = program_start(&t->program, b->argv, b->environment, plugs, n) == 0;
    return t->running ? 0 : -1;
}

enum verdict task_run(struct task *t, struct batch *b)
{
    struct watch w = {.timeout = t->o->timeout > 0 ? csp_in(t->o->timeout) : CSP_FOREVER, .tell = csp_in(TASK_TOLD_MS)};
    tail_clear(&t->tail);
    if (batch_render(b, t->why, sizeof t->why) != 0)
        return errno == EINVAL ? TASK_REJECTED : TASK_AGAIN;
    if (start(t, b) != 0)
        return not_started(t, errno);
    watch(t, &w);
    enum verdict v = judge(t, &w);
    for (size_t i = 0; v != TASK_DONE && i < t->nout; i++)
        capture_drop(&t->out[i]);
    return v;
}
