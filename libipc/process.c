/* SPDX-License-Identifier: MPL-2.0 */
/* Processes as children: csp_go, csp_wait. Decision: a child is announced, with its ends, while it makes its context
 * and connects, and waits for that before it says or runs anything, so no end is ever missing, and one that could not
 * be announced was never there; it starts clean (no signal mask, no handler, no descriptor of its parent's but 0 to 2),
 * and leaves the parent's ZeroMQ context where it lies. */
#include "process.h"
#include "descriptors.h"
#include "error.h"
#include "lease.h"
#include "name.h"
#include "polling.h"
#include "run.h"
#include "scope.h"
#include "select.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAP_MS 2000

static struct csp__child *children; /* under csp__state.lock */

/* ---- the table */

struct csp__child *csp__child_add(const struct csp__line *line, csp_proc process, pid_t pid)
{
    struct csp__child *child = malloc(sizeof *child);
    int fd = child != NULL ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd < 0) {
        int err = child != NULL ? errno : ENOMEM;
        free(child);
        errno = err;
        return NULL;
    }
    *child = (struct csp__child){.next = children,
                                 .process = process,
                                 .scope = line->scope != NULL ? line->scope->number : 0,
                                 .pid = pid,
                                 .fd = fd,
                                 .report = -1,
                                 .users = 1};
    children = child;
    return child;
}

static void release(struct csp__child *child)
{
    if (--child->users != 0)
        return;
    close(child->fd);
    if (child->report >= 0)
        close(child->report);
    free(child);
}

static void take_out(const struct csp__child *child)
{
    struct csp__child **at = &children;
    while (*at != NULL && *at != child)
        at = &(*at)->next;
    if (*at != NULL)
        *at = child->next;
}

struct csp__child *csp__child_find(csp_proc process)
{
    pthread_mutex_lock(&csp__state.lock);
    struct csp__child *child = children;
    while (child != NULL && child->process != process)
        child = child->next;
    if (child != NULL)
        child->users++;
    pthread_mutex_unlock(&csp__state.lock);
    return child;
}

void csp__child_release(struct csp__child *child)
{
    pthread_mutex_lock(&csp__state.lock);
    release(child);
    pthread_mutex_unlock(&csp__state.lock);
}

csp_proc csp__child_of_scope(uint64_t scope)
{
    pthread_mutex_lock(&csp__state.lock);
    const struct csp__child *child = children;
    while (child != NULL && child->scope != scope)
        child = child->next;
    csp_proc process = child != NULL ? child->process : 0;
    pthread_mutex_unlock(&csp__state.lock);
    return process;
}

static csp_exit reason_of(const siginfo_t *info)
{
    if (info->si_code != CLD_EXITED)
        return (csp_exit){.how = CSP_SIGNAL, .code = info->si_status};
    return (csp_exit){.how = info->si_status == 0 ? CSP_CLEAN : CSP_CODE, .code = info->si_status};
}

/* Tells the broker how a child ended, and learns how that stands in the run: where the broker is gone, as it is. */
static csp_exit settle(struct csp__line *line, csp_proc process, csp_exit reason)
{
    struct wire_exit body = {.process = (uint64_t)process, .how = reason.how, .code = reason.code};
    struct csp__request r = {.type = WIRE_REAPED, .head = &body, .head_len = sizeof body};
    const void *answer;
    if (csp__ask(line, &r, CSP_FOREVER, sizeof body, &answer, NULL) != 0)
        return reason;
    memcpy(&body, answer, sizeof body);
    return (csp_exit){.how = body.how, .code = body.code};
}

int csp__child_reap(struct csp__line *line, struct csp__child *child, csp_exit *why)
{
    siginfo_t info = {.si_pid = 0};
    csp_exit reason = {.how = CSP_SIGNAL, .code = 0}; /* unknown: somebody else waits for all children */
    pthread_mutex_lock(&csp__state.lock);
    int ended = child->reaped ? -1 : 1;
    if (ended > 0 && waitid(P_PIDFD, (id_t)child->fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        ended = info.si_pid != 0;
        reason = reason_of(&info);
        if (ended && child->report >= 0)
            (void)csp__report_end(child->report, &reason);
    }
    if (ended > 0) {
        child->reaped = 1;
        take_out(child);
        child->users--; /* the table's; the caller has one */
    }
    pthread_mutex_unlock(&csp__state.lock);
    if (ended <= 0)
        return ended;
    reason = settle(line, child->process, reason);
    while (waitid(P_PIDFD, (id_t)child->fd, &info, WEXITED) != 0 && errno == EINTR)
        ;
    if (why != NULL)
        *why = reason;
    return 1;
}

void csp__children_kill(void)
{
    for (const struct csp__child *child = children; child != NULL; child = child->next)
        (void)syscall(SYS_pidfd_send_signal, child->fd, SIGKILL, NULL, 0);
}

void csp__children_reap(int all)
{
    csp_time by = csp_in(REAP_MS);
    while (children != NULL) {
        struct csp__child *child = children;
        if (all)
            (void)csp__poll_in(child->fd, by);
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)child->fd, &info, WEXITED | WNOHANG) != 0 && errno == EINTR)
            ;
        child->reaped = 1;
        take_out(child);
        release(child);
    }
}

/* Their memory is left where it is, which is the parent's until somebody writes to it; their descriptors, of which
 * there may be thousands, mostly follow one another. */
void csp__children_forget(void)
{
    int low = 0, high = -1; /* numbers to be closed */
    for (const struct csp__child *child = children; child != NULL; child = child->next) {
        if (child->fd != low - 1) {
            if (high >= low)
                (void)close_range((unsigned)low, (unsigned)high, 0);
            high = child->fd;
        }
        low = child->fd;
        if (child->report >= 0)
            close(child->report);
    }
    if (high >= low)
        (void)close_range((unsigned)low, (unsigned)high, 0);
    children = NULL;
}

CSP__ENTRY int csp_wait(csp_proc p, csp_exit *why, csp_time by)
{
    csp_case wait = csp_on_exit(p, why);
    return csp__select(&wait, 1, by, 0, CSP__CALL("wait for a process")) < 0 ? -1 : 0;
}

/* ---- announcing */

int csp__announce_request(struct csp__line *line, struct csp__request *r, const char *what, csp_proc *process,
                          uint64_t *ticket)
{
    const void *payload;
    struct wire_announced answer;
    r->type = WIRE_ANNOUNCE;
    int err = csp__ask(line, r, CSP_FOREVER, sizeof answer, &payload, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, what, 0);
    memcpy(&answer, payload, sizeof answer);
    *process = (csp_proc)answer.process;
    *ticket = answer.ticket;
    return 0;
}

int csp__say_started(struct csp__line *line, csp_proc process, pid_t pid)
{
    struct wire_started body = {.process = (uint64_t)process, .pid = (uint32_t)pid};
    struct csp__request r = {.type = WIRE_STARTED, .head = &body, .head_len = sizeof body};
    return csp__ask(line, &r, CSP_FOREVER, 0, NULL, NULL) < 0 ? -1 : 0;
}

/* ---- the child of csp_go */

static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        (void)sigaction(sig, &action, NULL);
}

int csp__reads_terminal(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

struct birth {
    int (*fn)(void *);
    void *arg;
    int own_group;
    int number[2]; /* pipe: that of the process, once it was announced, for the child */
};

static _Noreturn void be_child(const struct birth *birth)
{
    struct csp__inherited inherited;
    atomic_store(&csp__foreign, 0);
    close(birth->number[1]); /* so that its end comes where the parent dies */
    csp__state.birth = birth->number[0];
    if (birth->own_group)
        (void)setpgid(0, 0);
    csp__line_forget();
    csp__scope_forked();
    csp__children_forget();
    csp__leases_clear();
    csp__inherited_find(&inherited);
    if (!csp__descriptors_left())
        csp__inherited_replace(&inherited);
    (void)csp__state_forked(birth->number[0]); /* where that fails each call of fn says so */
    csp__state_born();
    default_signals(); /* while the broker is being connected to; no signal comes until then */
    csp__inherited_replace(&inherited);
    pthread_mutex_unlock(&csp__state.lock);
    sigset_t none;
    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    int code = birth->fn(birth->arg) & 255;
    (void)fflush(NULL);
    csp__leave((csp_exit){.how = code == 0 ? CSP_CLEAN : CSP_CODE, .code = code});
    _exit(code != 0 ? code : csp__state_status());
}

/* The child is there, and waits: has it announced and lets it go on. 0, or -1 with the error noted. */
static int let_go(struct csp__line *line, const struct birth *birth, struct csp__child *child)
{
    struct wire_announce body = {
        .function = (uint64_t)(uintptr_t)birth->fn, .pid = (uint32_t)child->pid, .success = {1}};
    struct csp__request r = {.flags = WIRE_INHERIT, .head = &body, .head_len = sizeof body};
    uint64_t ticket; /* it needs none: the broker knows it by its pid */
    if (csp__announce_request(line, &r, "go", &child->process, &ticket) != 0)
        return -1;
    /* no SIGPIPE: we could read it too */
    ssize_t n = TEMP_FAILURE_RETRY(write(birth->number[1], &child->process, sizeof child->process));
    return n == sizeof child->process ? 0 : csp__fail(EIO, "go", 0);
}

/* The child as process, or -1: that failed, and it was ended. */
static csp_proc raise_child(struct csp__line *line, const struct birth *birth, pid_t pid)
{
    if (birth->own_group)
        (void)setpgid(pid, pid); /* the child does it too: whoever comes first */
    struct csp__child *child = csp__child_add(line, 0, pid);
    if (child == NULL)
        (void)csp__fail(errno, "go", 0);
    else if (let_go(line, birth, child) == 0)
        return child->process;
    int err = errno;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (child != NULL) {
        take_out(child);
        release(child);
    }
    errno = err;
    return -1;
}

static csp_proc give_birth(struct csp__line *line, const struct birth *birth)
{
    sigset_t all;
    sigset_t mask;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        be_child(birth);
    int err = errno;
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return pid > 0 ? raise_child(line, birth, pid) : csp__fail(err, "go", 0);
}

static csp_proc start(struct csp__line *line, struct birth *birth)
{
    if (csp__state.lines > 1)
        return csp__failf(EBUSY,
                          "go: %u other threads use the library: their memory could be in any state in the child",
                          csp__state.lines - 1);
    if (pipe2(birth->number, O_CLOEXEC) != 0)
        return csp__fail(errno, "go", 0);
    csp_proc process = give_birth(line, birth);
    int err = errno;
    close(birth->number[0]);
    close(birth->number[1]);
    errno = err;
    return process;
}

csp_proc csp_go(int (*fn)(void *), void *arg)
{
    if (fn == NULL)
        return csp__failf(EINVAL, "go: no function");
    struct csp__line *line = csp__line("go");
    if (line == NULL)
        return -1;
    struct birth birth = {.fn = fn, .arg = arg, .own_group = !csp__reads_terminal()};
    pthread_mutex_lock(&csp__state.lock);
    csp_proc process = start(line, &birth);
    pthread_mutex_unlock(&csp__state.lock);
    return process;
}
