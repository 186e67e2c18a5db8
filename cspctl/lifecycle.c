/* SPDX-License-Identifier: MPL-2.0 */
/* What becomes of a replica: a table of its phases and of what happens to it.
 * A replica is a chain of incarnations, each a process of its own for the broker. Where there may be a next one, it is
 * announced before this one starts and stands by with the same ends (docs/protocol.md, section 17), so no channel
 * closes between two of them. An incarnation that has ended is buried first: what it had been given and had not taken
 * is back in its channel before the next one receives. Only then it is decided whether there is a next one. */
#include "supervisor.h"
#include "bridge.h"
#include "message.h"
#include "pool.h"
#include "resume.h"
#include "unit.h"

#include <run.h>
#include <rundir.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#define BRIDGE_SLACK 1000000000LL /* a bridge kills its program at the grace's end, and then ends itself */
#define HALT_WAIT    1000000000LL
#define KILL_WAIT    5000000000LL /* from SIGKILL to giving up: a process may be stuck in the kernel */
#define CALL_GRACE   1000000000LL
#define SWEEP_WAIT   1000
#define BURIAL_LOOK  10000000LL /* between two looks whether the broker has done with one that has ended */

static const struct process *process_of(const struct supervisor *s, const struct child *c)
{
    return c->process != PIPELINE_NONE ? &s->stage.p->processes[c->process] : NULL;
}

static csp_time grace_of(const struct supervisor *s, const struct child *c)
{
    const struct process *process = process_of(s, c);

    return process == NULL ? CALL_GRACE : process->grace + (c->bridged ? BRIDGE_SLACK : 0);
}

static void enter(struct child *c, enum child_phase phase, csp_time lasts)
{
    c->phase = phase;
    c->due = csp_now() + lasts;
}

/* ---- the end */

static void say_not_executed(const struct supervisor *s, const struct child *c)
{
    const struct program *program = &process_of(s, c)->program;
    struct place at = program->argv != NULL ? program->places[0] : program->place;

    message("%s:%u:%u: %s: cannot be started: %s", s->stage.p->path, at.line, at.column, c->label, c->why);
}

/* How this incarnation ended, in words that begin with its label; `more` follows them. */
static void say_ending(const struct supervisor *s, const struct child *c, const char *more)
{
    const csp_exit why = c->ending.why;

    if (c->start_error != 0)
        message("%s: cannot be started: %s%s", c->label, c->pid > 0 ? c->why : strerror(c->start_error), more);
    else if (c->reported && *c->why != '\0')
        message("%s: %s%s", c->label, c->why, more);
    else if (why.how == CSP_SIGNAL)
        message("%s: killed by signal %d (%s)%s%s", c->label, why.code, strsignal(why.code),
                c->bridged && drain_inputs(s, c).unsafe ? ": the values that it held may be lost" : "", more);
    else
        message("%s: exit status %d%s", c->label, why.code, more);
}

static void say_failure(const struct supervisor *s, const struct child *c, const char *more)
{
    if (c->process == PIPELINE_NONE && c->ending.why.how == CSP_CODE)
        return; /* the call has said it */
    if (c->start_error != 0 && c->pid > 0)
        say_not_executed(s, c);
    else if (c->start_error == 0)
        say_ending(s, c, more);
}

/* Of the end of the last incarnation, what is worth saying. */
static void say_end(const struct supervisor *s, const struct child *c, bool failed)
{
    char times[UNIT_TEXT], within[UNIT_TEXT], spent[4 * UNIT_TEXT] = "";

    if (c->spent)
        (void)snprintf(spent, sizeof spent, ": restarted %s within %s, and not again",
                       unit_print_number((uint64_t)process_of(s, c)->restart.attempts, "time", times),
                       unit_print_duration(process_of(s, c)->restart.within, within));
    if (failed)
        say_failure(s, c, spent);
    else if (c->spent)
        message("%s%s", c->label, spent);
}

static void say_lost(const struct supervisor *s, const struct child *c)
{
    char values[UNIT_TEXT];

    if (ending_lost(&c->ending) > 0 && s->state != RUN_KILLED && s->state != RUN_OVER)
        message("%s: up to %s lost", c->label, unit_print_number(ending_lost(&c->ending), "value", values));
}

/* No further incarnation of it. */
static void finish(struct supervisor *s, struct child *c)
{
    enter(c, CHILD_ENDED, 0);
    child_forgo(c, c->told);
    resume_ended(s, c);
    restart_free(&c->restarts);
    s->alive--;
    if (c->process != PIPELINE_NONE)
        s->alive_of[c->process]--;
    if (c->becomes != PIPELINE_NONE)
        s->alive_of[c->becomes]--;
    c->becomes = PIPELINE_NONE;
    bool failed = result_ended(&s->result, &c->ending, c->label);
    if (s->state != RUN_KILLED && s->state != RUN_OVER)
        say_end(s, c, failed);
    say_lost(s, c);
    if (c->process == PIPELINE_NONE)
        supervisor_event(s, EVENT_CALLED);
    else if (failed && s->stage.p->on_failure == ON_FAILURE_STOP)
        supervisor_event(s, EVENT_FAILURE);
}

/* One that does not run, and is not to be started any more. */
static void forgo(struct supervisor *s, struct child *c)
{
    c->ending.ours = true;
    finish(s, c);
}

/* What it depends on will never be ready. */
static void fail(struct supervisor *s, struct child *c)
{
    c->ending.why = c->told = (csp_exit){CSP_CODE, 126};
    c->start_error = ECANCELED; /* said where it was found */
    finish(s, c);
}

/* It does not die. */
static void give_up(struct supervisor *s, struct child *c)
{
    message("%s: process %d does not die of SIGKILL: it is stuck in the kernel, and left behind", c->label,
            (int)c->pid);
    c->ending.ours = true;
    finish(s, c);
}

/* ---- the next incarnation */

/* Whether the policy wants one, or who told this one to end. */
static bool is_wanted(const struct supervisor *s, const struct child *c)
{
    const struct process *process = process_of(s, c);
    bool goes_on = s->state == RUN_UP || (s->state == RUN_DRAINING && drain_inputs(s, c).any);

    if (c->next <= 0 || !goes_on)
        return false;
    if (c->replacing)
        return true;
    if (c->ending.ours || (c->start_error != 0 && c->incarnations == 1))
        return false; /* a program that is not there will not come by itself */
    return ending_is_failure(&c->ending) ? process->restart.when != RESTART_NEVER
                                         : process->restart.when == RESTART_ALWAYS && c->ending.why.how == CSP_CLEAN;
}

/* What nobody acknowledges, and this incarnation held, is not done by the next one: at least the value on which it
 * failed. */
static void count_loss(struct supervisor *s, const struct child *c)
{
    result_restarted(&s->result, &c->ending, ending_is_failure(&c->ending) && drain_inputs(s, c).unsafe);
    say_lost(s, c);
}

/* What a program has left behind, and no bridge has ended, does not meet the next one. */
static void sweep(const struct supervisor *s, const struct child *c)
{
    if (c->pid > 0 && !c->reported && csp__sweep_process(s->stage.dir, c->proc, SWEEP_WAIT) < 0)
        message("%s: a process that it left behind does not die", c->label);
}

static void exited(struct supervisor *s, struct child *c)
{
    if (process_of(s, c) != NULL && process_of(s, c)->serve != PIPELINE_NONE)
        c->ending.lost = 0; /* requests: who asked is told that there is no answer */
    if (!is_wanted(s, c)) {
        finish(s, c);
        return;
    }
    sweep(s, c);
    c->ready = c->spotted = false;
    enter(c, CHILD_BURIED, 0);
}

/* Whether a next one is allowed, and then how long it has to wait. While the run drains nothing waits. */
static bool is_allowed(struct supervisor *s, struct child *c, csp_time *delay)
{
    const struct restart *policy = &process_of(s, c)->restart;
    csp_time now = csp_now();
    uint64_t chance = 0;

    *delay = 0;
    if (c->replacing)
        return true;
    (void)getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    if (!restart_next(&c->restarts, policy, now, now - c->since, chance, delay))
        return false;
    if (s->state != RUN_UP)
        *delay = 0;
    return true;
}

static void say_restart(const struct supervisor *s, const struct child *c, csp_time delay)
{
    const struct restart *policy = &process_of(s, c)->restart;
    char wait[UNIT_TEXT], within[UNIT_TEXT], more[4 * UNIT_TEXT];

    (void)snprintf(
        more, sizeof more, ": restarted in %s (%u of at most %" PRId64 " within %s)",
        delay < 10000000000LL ? unit_print_duration(delay / 1000000 * 1000000, wait) : unit_print_age(delay, wait),
        restart_recent(&c->restarts, policy, csp_now()), policy->attempts, unit_print_duration(policy->within, within));
    if (ending_is_failure(&c->ending))
        say_ending(s, c, more);
}

/* The next one would find nothing to do. That is no failure of the run where others have done what this one had; else
 * what it had read is gone, and its failure stays one. */
static void let_be(struct supervisor *s, struct child *c)
{
    csp_time delay;

    if (ending_is_failure(&c->ending) && !drain_inputs(s, c).unsafe && is_allowed(s, c, &delay)) {
        count_loss(s, c);
        say_failure(s, c, ": nothing was left for another one to do");
        c->ending = (struct ending){.why = {CSP_CLEAN, 0}};
        c->told = c->ending.why;
    }
    finish(s, c);
}

/* The run's pool lives as long as the run, so that nothing is put there that it has. */
static void relabel(const struct supervisor *s, struct child *c)
{
    struct pool *pool = pool_new();
    const char *label = process_label(s->stage.p, c->process, c->replica, pool);

    if (strcmp(label, c->label) != 0)
        c->label = pool_copy(s->stage.pool, label, strlen(label));
    pool_free(pool);
}

/* From here on it is what a reload has made of it. */
static void become(struct supervisor *s, struct child *c)
{
    if (c->becomes == PIPELINE_NONE)
        return;
    s->alive_of[c->process]--; /* it is counted among the others already */
    c->process = c->becomes;
    c->becomes = PIPELINE_NONE;
    c->bridged = process_bridged(s->stage.p, c->process);
    relabel(s, c);
    restart_free(&c->restarts);
    c->restarts = (struct restarts){.at = NULL};
    c->drains = c->said_waiting = c->said_silent = false;
}

/* The broker has done with the one that has ended, or is asked again. */
static void decide(struct supervisor *s, struct child *c)
{
    csp_time delay;

    become(s, c);

    if (child_succeed(c, &s->stage, s->chans) != 0) {
        int err = errno;
        if (err == EAGAIN) {
            enter(c, CHILD_BURIED, BURIAL_LOOK);
            return;
        }
        if (err != ENOTCONN) /* a broker that is gone is seen by the loop */
            message("%s: cannot be restarted: %s", c->label, csp_errmsg());
        finish(s, c);
    } else if (!c->replacing && drain_is_unheard(s, c)) {
        c->ending.why = (csp_exit){CSP_CLEAN, 0}; /* the next one would end by that at once */
        finish(s, c);
    } else if (!c->replacing && drain_is_done(s, c))
        let_be(s, c);
    else if (!is_allowed(s, c, &delay)) {
        c->spent = true;
        finish(s, c);
    } else {
        count_loss(s, c);
        if (!c->replacing)
            say_restart(s, c, delay);
        enter(c, CHILD_PAUSED, delay);
    }
}

/* ---- starting */

static void start(struct supervisor *s, struct child *c)
{
    bool started = child_start(c, &s->stage) == 0;

    c->replacing = false;
    c->phase = CHILD_RUNNING;
    if (!started) {
        (void)csp__reaped(c->proc, c->ending.why, &c->told);
        supervisor_child(s, c, CHILD_EXIT);
        return;
    }
    (void)csp__started(c->proc, c->pid); /* a broker that is gone is seen by the loop */
    if (c->report >= 0)
        (void)epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->report, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
}

static void hurry(struct supervisor *s, struct child *c)
{
    (void)s;
    c->due = csp_now();
}

/* ---- ending */

static void tell(struct supervisor *s, struct child *c)
{
    child_signal(c, SIGTERM);
    enter(c, CHILD_TOLD, grace_of(s, c));
}

static void cancel(struct supervisor *s, struct child *c)
{
    child_cancel(c);
    enter(c, CHILD_TOLD, grace_of(s, c));
}

static void retire(struct supervisor *s, struct child *c)
{
    child_retire(c);
    enter(c, CHILD_TOLD, grace_of(s, c));
}

static void leave(struct supervisor *s, struct child *c)
{
    c->moved = drain_progress(s, c);
    enter(c, CHILD_LEFT, grace_of(s, c));
}

static void replace(struct supervisor *s, struct child *c)
{
    if (child_prepare_next(c, &s->stage, s->chans) != 0) {
        message("%s: cannot be restarted: %s", c->label, csp_errmsg());
        return;
    }
    c->replacing = true;
    retire(s, c);
}

static void kill_now(struct supervisor *s, struct child *c)
{
    (void)s;
    child_signal(c, SIGKILL);
    enter(c, CHILD_KILLED, KILL_WAIT);
}

/* A bridge that is killed closes its program's stdin before the kernel kills the program: time enough to take the input
 * for complete and print a result. So a bridge is asked first to kill its program itself. */
static void kill_soon(struct supervisor *s, struct child *c)
{
    if (!c->bridged) {
        kill_now(s, c);
        return;
    }
    child_signal(c, SIGINT);
    child_signal(c, SIGCONT);
    enter(c, CHILD_HALTED, HALT_WAIT);
}

static void overdue(struct supervisor *s, struct child *c);

/* Who still works through what its senders left it is not late: its grace begins anew as long as values move. */
static void left_overdue(struct supervisor *s, struct child *c)
{
    uint64_t moved = drain_progress(s, c);

    if (moved == c->moved) {
        overdue(s, c);
        return;
    }
    c->moved = moved;
    drain_say(s);
    enter(c, CHILD_LEFT, grace_of(s, c));
}

static void overdue(struct supervisor *s, struct child *c)
{
    char text[UNIT_TEXT];

    if (process_of(s, c) != NULL)
        message("%s: did not end within its grace of %s: killed", c->label,
                unit_print_duration(process_of(s, c)->grace, text));
    kill_soon(s, c);
}

/* ---- the table */

/* What is not here changes nothing. Each action enters the next phase. */
static void (*const actions[CHILD_PHASES][CHILD_EVENTS])(struct supervisor *s, struct child *c) = {
    [CHILD_NEW] = {[CHILD_START] = start,
                   [CHILD_HOPELESS] = fail,
                   [CHILD_RETIRE] = forgo,
                   [CHILD_TELL] = forgo,
                   [CHILD_CANCEL] = forgo,
                   [CHILD_KILL] = forgo},
    [CHILD_RUNNING] = {[CHILD_TELL] = tell,
                       [CHILD_CANCEL] = cancel,
                       [CHILD_LEAVE] = leave,
                       [CHILD_KILL] = kill_soon,
                       [CHILD_EXIT] = exited,
                       [CHILD_RETIRE] = retire,
                       [CHILD_REPLACE] = replace},
    [CHILD_LEFT] = {[CHILD_TELL] = tell,
                    [CHILD_CANCEL] = cancel,
                    [CHILD_KILL] = kill_soon,
                    [CHILD_DUE] = left_overdue,
                    [CHILD_EXIT] = exited},
    [CHILD_TOLD] = {[CHILD_KILL] = kill_soon, [CHILD_DUE] = overdue, [CHILD_EXIT] = exited},
    [CHILD_HALTED] = {[CHILD_KILL] = kill_now, [CHILD_DUE] = kill_now, [CHILD_EXIT] = exited},
    [CHILD_KILLED] = {[CHILD_DUE] = give_up, [CHILD_EXIT] = exited},
    [CHILD_BURIED] = {[CHILD_RETIRE] = forgo,
                      [CHILD_TELL] = forgo,
                      [CHILD_CANCEL] = forgo,
                      [CHILD_KILL] = forgo,
                      [CHILD_DUE] = decide},
    [CHILD_PAUSED] = {[CHILD_RETIRE] = forgo,
                      [CHILD_TELL] = forgo,
                      [CHILD_CANCEL] = forgo,
                      [CHILD_KILL] = forgo,
                      [CHILD_DUE] = start,
                      [CHILD_HURRY] = hurry,
                      [CHILD_REPLACE] = hurry},
};

void supervisor_child(struct supervisor *s, struct child *c, enum child_event event)
{
    if (actions[c->phase][event] != NULL)
        actions[c->phase][event](s, c);
}

static bool is_timed(const struct child *c)
{
    return c->phase >= CHILD_LEFT && c->phase <= CHILD_PAUSED;
}

void lifecycle_step(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (is_timed(s->children[i]) && csp_now() >= s->children[i]->due)
            supervisor_child(s, s->children[i], CHILD_DUE);
}

bool lifecycle_any_alive(const struct supervisor *s, const struct end *ends, size_t n, size_t but)
{
    for (size_t i = 0; i < n; i++)
        if (ends[i].process != but && s->alive_of[ends[i].process] > 0)
            return true;
    return false;
}

csp_time lifecycle_next(const struct supervisor *s)
{
    csp_time next = CSP_FOREVER;

    for (size_t i = 0; i < s->n; i++)
        if (is_timed(s->children[i]) && (next == CSP_FOREVER || s->children[i]->due < next))
            next = s->children[i]->due;
    return next;
}
