/* SPDX-License-Identifier: MPL-2.0 */
/* The machine of the supervisor. The order of an end: the program ends; its descriptors are read to their end, as a
 * shell would, for as long as anything it left behind lives; what is then left is killed; the threads send what is to
 * be sent, and flush; only then the broker is told BYE, with which the ends of channels go. */
#include "bridge.h"

#include "block.h"
#include "ending.h"
#include "failure.h"
#include "run.h"
#include "tell.h"
#include "term.h"
#include "wiring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define SWEEP_MS 5000 /* for killed processes to die; longer takes only who is stuck in the kernel */

enum state {
    RUNNING,   /* the program lives */
    LINGERING, /* it has ended; what it left behind may still write */
    DYING,     /* it was killed; what it wrote still counts */
    ABORTING,  /* it was killed, and nothing counts any more */
    FLUSHING,  /* nothing of it is left; the threads finish */
    DONE,
    NSTATES
};

enum event {
    EXIT,  /* the program has ended */
    DRY,   /* every output has been read to its end */
    ALONE, /* no descendant is left */
    CUT,   /* a channel of it was cut short */
    BAD,   /* its output can't be sent, or the bridge can't go on */
    TERM,
    KILL,   /* INT, or a second TERM */
    CANCEL, /* the scope of this process was */
    LATE,   /* TERM after that: the grace is over */
    TIMER,  /* the grace period is over */
    ENDED,  /* every thread has ended */
    GONE,   /* the broker */
    NEVENTS
};

struct bridge {
    const struct options *o;
    struct wiring w;
    struct program program;
    struct facts facts;
    enum state state;
    int signals;    /* signalfd */
    csp_time timer; /* CSP_FOREVER: not set */
    size_t dry, ended;
    bool told;      /* the program's end, to the machine */
    bool forgotten; /* its group, which is empty */
    int heard;      /* readable where the broker may have said something */
    bool termed, gone, cancelled;
    bool failing; /* TERM came because the run has failed */
};

/* ---- actions ---------------------------------------------------------------------------------------------------- */

static void set_timer(struct bridge *b)
{
    b->timer = csp_in(b->o->grace);
}

static void pass_term(struct bridge *b)
{
    b->facts.drained = true;
    b->facts.failing = b->failing;
    set_timer(b);
    program_signal(&b->program, SIGTERM);
}

/* The broker knows for how long it may clean up, and ends that. */
static void cancel_program(struct bridge *b)
{
    program_signal(&b->program, SIGTERM);
}

static void kill_program(struct bridge *b)
{
    program_signal(&b->program, SIGKILL);
}

/* Nobody may signal the program's group any more: its number can be given to a stranger as soon as it is empty. */
static void forget_group(struct bridge *b)
{
    if (b->forgotten)
        return;
    b->forgotten = true;
    (void)csp__program(0);
    if (b->o->report >= 0)
        (void)csp__tell(b->o->report, "gone\n");
}

static void sweep(struct bridge *b)
{
    const struct facts *f = &b->facts;
    if (program_sweep(&b->program, SWEEP_MS) != 0)
        fprintf(stderr, "exec: %s: a process of it does not die: look for state D in ps\n", b->o->label);
    forget_group(b);
    b->facts.status = b->program.status;
    wiring_halt(&b->w, WIFEXITED(f->status) && !(f->late && f->cause != CAUSE_NONE));
}

/* ---- the machine ------------------------------------------------------------------------------------------------ */

struct step {
    void (*act)(struct bridge *b);
    enum state next;
};

/* What is not here changes nothing: {NULL, RUNNING}, for no step without an action leads to RUNNING. */
static const struct step steps[NSTATES][NEVENTS] = {
    [RUNNING] = {[EXIT] = {NULL, LINGERING},
                 [CUT] = {kill_program, DYING},
                 [BAD] = {kill_program, DYING},
                 [TERM] = {pass_term, RUNNING},
                 [KILL] = {kill_program, ABORTING},
                 [CANCEL] = {cancel_program, RUNNING},
                 [LATE] = {cancel_program, RUNNING},
                 [TIMER] = {kill_program, DYING},
                 [GONE] = {sweep, DONE}},
    [LINGERING] = {[DRY] = {sweep, FLUSHING},
                   [ALONE] = {sweep, FLUSHING},
                   [CUT] = {sweep, FLUSHING},
                   [BAD] = {sweep, FLUSHING},
                   [TERM] = {pass_term, LINGERING},
                   [KILL] = {sweep, DONE},
                   [CANCEL] = {cancel_program, LINGERING},
                   [LATE] = {sweep, FLUSHING},
                   [TIMER] = {sweep, FLUSHING},
                   [GONE] = {sweep, DONE}},
    [DYING] = {[EXIT] = {sweep, FLUSHING}, [KILL] = {NULL, ABORTING}, [GONE] = {sweep, DONE}},
    [ABORTING] = {[EXIT] = {sweep, DONE}, [GONE] = {sweep, DONE}},
    [FLUSHING] = {[ENDED] = {NULL, DONE},
                  [BAD] = {NULL, FLUSHING},
                  [TERM] = {set_timer, FLUSHING},
                  [KILL] = {NULL, DONE},
                  [LATE] = {NULL, DONE},
                  [TIMER] = {NULL, DONE},
                  [GONE] = {NULL, DONE}},
};

static bool fire(struct bridge *b, enum event e)
{
    const struct step *s = &steps[b->state][e];
    if (s->act == NULL && s->next == RUNNING)
        return false;
    if (s->act != NULL)
        s->act(b);
    b->state = s->next;
    return true;
}

/* An event that is a cause of the end: the first one that the machine takes is the one that is told. */
static void fire_cause(struct bridge *b, enum event e, enum cause cause, const char *why)
{
    struct facts before = b->facts;
    if (before.cause == CAUSE_NONE) {
        b->facts.cause = cause;
        b->facts.late = b->told;
        snprintf(b->facts.why, sizeof b->facts.why, "%s", why);
    }
    if (!fire(b, e))
        b->facts = before;
}

static void cancel(struct bridge *b)
{
    if (b->cancelled)
        return;
    b->cancelled = true;
    fire(b, CANCEL);
}

/* ---- what happens ----------------------------------------------------------------------------------------------- */

static void take_signals(struct bridge *b);

/* It waits, for its input most likely: one that computes is not to be disturbed. */
static void say_silence(const struct bridge *b, const char *values)
{
    if (b->state != RUNNING || program_runs(&b->program))
        return;
    if (b->o->report >= 0)
        (void)csp__tell(b->o->report, "silent %s\n", values);
    else
        fprintf(stderr,
                "exec: %s: hint: it has read %s values and written nothing: is its output in a buffer? stdbuf -oL\n",
                b->o->label, values);
}

static void take_notice(struct bridge *b, const struct notice *n)
{
    switch (n->kind) {
    case NOTICE_DRY:
        b->dry++;
        break;
    case NOTICE_GONE:
        b->facts.unheard = b->facts.unheard || !b->told;
        break;
    case NOTICE_CUT:
        take_signals(b); /* where the run fails, TERM came before what it has cut, and the program has its grace */
        if (!b->failing)
            fire_cause(b, CUT, CAUSE_CUT, n->text);
        break;
    case NOTICE_BAD:
        fire_cause(b, BAD, CAUSE_BAD, n->text);
        break;
    case NOTICE_LATE:
        fire_cause(b, BAD, CAUSE_LATE, n->text);
        break;
    case NOTICE_FAULT:
        b->gone = b->gone || n->code == ENOTCONN;
        fire_cause(b, b->gone ? GONE : BAD, CAUSE_FAULT, n->text);
        break;
    case NOTICE_CANCELLED:
        cancel(b);
        break;
    case NOTICE_SILENT:
        say_silence(b, n->text);
        break;
    case NOTICE_LOST:
        b->facts.lost = true;
        break;
    case NOTICE_ENDED:
        b->ended++;
        break;
    }
}

static void take_notices(struct bridge *b)
{
    struct notice n;
    while (read(b->w.notices, &n, sizeof n) == (ssize_t)sizeof n)
        take_notice(b, &n);
}

/* That its receivers had gone was said before the program could die of it: so it is heard before the death. */
static void reap(struct bridge *b)
{
    bool alone = program_reap(&b->program) != 0;
    if (b->program.ended && !b->told) {
        take_notices(b);
        b->told = true;
        b->facts.status = b->program.status;
        fire(b, EXIT);
    }
    if (b->program.ended && kill(-b->program.pid, 0) != 0 && errno == ESRCH)
        forget_group(b);
    if (alone)
        fire(b, ALONE);
}

static void take_signals(struct bridge *b)
{
    struct signalfd_siginfo s;
    while (read(b->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGCHLD) {
            reap(b);
        } else if (s.ssi_signo == SIGTERM && s.ssi_code == SI_QUEUE && s.ssi_int == EXEC_TERM_RETIRE &&
                   wiring_retire(&b->w)) {
            continue; /* the program ends by the end of its inputs; who is impatient sends a TERM */
        } else if (s.ssi_signo == SIGTERM && b->cancelled) {
            fire(b, LATE);
        } else if (s.ssi_signo == SIGTERM && !b->termed) {
            b->termed = true;
            b->failing = s.ssi_code == SI_QUEUE && s.ssi_int == EXEC_TERM_FAILED;
            fire(b, TERM);
        } else {
            fire_cause(b, KILL, CAUSE_NOW, s.ssi_signo == SIGTERM ? "killed by a second TERM" : "killed by INT");
        }
    }
}

static void take_timer(struct bridge *b)
{
    char why[80];
    if (b->timer == CSP_FOREVER || csp_now() < b->timer)
        return;
    b->timer = CSP_FOREVER;
    snprintf(why, sizeof why, "killed because it did not end within %lld ms after TERM", (long long)b->o->grace);
    fire_cause(b, TIMER, CAUSE_GRACE, why);
}

static int wait_ms(const struct bridge *b)
{
    if (b->timer == CSP_FOREVER)
        return -1;
    int64_t left = b->timer - csp_now();
    return left <= 0 ? 0 : (int)(left / 1000000 + 1);
}

static void supervise(struct bridge *b)
{
    while (b->state != DONE) {
        struct pollfd p[] = {{.fd = b->w.notices, .events = POLLIN},
                             {.fd = b->signals, .events = POLLIN},
                             {.fd = csp__broker(), .events = POLLIN},
                             {.fd = b->heard, .events = POLLIN}};
        if (csp__cancelled() != 0)
            cancel(b);
        (void)poll(p, 4, wait_ms(b));
        if (p[2].revents != 0) {
            b->gone = true;
            fire(b, GONE);
        }
        take_notices(b);
        take_signals(b);
        take_timer(b);
        if (b->dry == wiring_readers(&b->w))
            fire(b, DRY);
        if (b->ended == b->w.nthreads)
            fire(b, ENDED);
    }
}

/* ---- the begin and the end -------------------------------------------------------------------------------------- */

/* Everybody is told. A thread that is stuck in a call when all was given up is left to the end of the process. */
static int finish(struct bridge *b)
{
    bool stuck = b->ended < b->w.nthreads;
    if (b->gone)
        return failure_broker(b->o);
    b->facts.abandoned = stuck;
    if (!stuck) {
        wiring_join(&b->w);
        wiring_give_back(&b->w);
    }
    struct ending e = ending_of(&b->facts);
    uint64_t lost = stuck || e.how == CSP_CLEAN ? 0 : wiring_lost(&b->w);
    if (b->o->report >= 0)
        (void)csp__tell(b->o->report, "ended %s %d %llu %s\n", ending_how(e.how), e.code, (unsigned long long)lost,
                        e.why);
    else if (lost != 0)
        fprintf(stderr, "exec: %s: %s: up to %llu value%s lost\n", b->o->label, e.why, (unsigned long long)lost,
                lost == 1 ? "" : "s");
    else if (e.how != CSP_CLEAN && b->facts.cause != CAUSE_NONE)
        fprintf(stderr, "exec: %s: %s\n", b->o->label, e.why);
    (void)csp__bye(e.bye);
    if (stuck)
        _exit(e.exit_status);
    (void)csp_term();
    wiring_free(&b->w);
    close(b->signals);
    return e.exit_status;
}

const sigset_t *bridge_set(void)
{
    static sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return &set;
}

/* What is at its default here is so in every program: exec(2) keeps what is ignored alone. */
void bridge_signals(void)
{
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, bridge_set(), NULL);
}

static int run_program(struct bridge *b)
{
    const struct options *o = b->o;
    int error = program_start(&b->program, o->argv, environ, b->w.plugs, b->w.nplugs) != 0 ? errno : 0;
    wiring_unplug(&b->w);
    if (error != 0) {
        wiring_free(&b->w);
        return failure_exec(o, error);
    }
    if (o->report >= 0)
        (void)csp__tell(o->report, "started %d\n", (int)b->program.pid);
    if (csp__program(b->program.own_group ? b->program.pid : 0) != 0 && errno == ENOTCONN) {
        b->gone = true;
        fire(b, GONE);
    } else if (wiring_start(&b->w) != 0) {
        fire_cause(b, BAD, CAUSE_FAULT, "cannot start its threads");
    }
    supervise(b);
    return finish(b);
}

int bridge_join(const struct options *o)
{
    if (csp_init() != 0)
        return -1;
    unsetenv("CSP_TICKET");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (o->report >= 0)
        (void)fcntl(o->report, F_SETFD, FD_CLOEXEC);
    return 0;
}

int bridge_run(struct options *o)
{
    struct bridge b = {.o = o, .timer = CSP_FOREVER, .facts = {.cause = CAUSE_NONE}};
    const char *what = NULL;
    memcpy(b.facts.success, o->success, sizeof o->success);
    if (bridge_join(o) != 0)
        return failure_join(o);
    if (wiring_open(&b.w, o, &what) != 0)
        return failure_channel(o, what);
    b.heard = csp__fd();
    b.signals = signalfd(-1, bridge_set(), SFD_CLOEXEC | SFD_NONBLOCK);
    if (b.signals < 0 || wiring_pipes(&b.w) != 0) {
        int error = errno;
        wiring_free(&b.w);
        return failure_pipes(o, error);
    }
    return run_program(&b);
}
