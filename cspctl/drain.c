/* SPDX-License-Identifier: MPL-2.0 */
/* Ending a run from its sources to its sinks.
 * A process without an input channel is told to end; the others end as their channels do, and who is left with an input
 * that nothing closes (`close: never`, a service's requests) is told when all that send to it have ended. The grace of
 * each process begins when it is told, or when the last of its senders has ended. Where only a cycle is left, all of it
 * is told. */
#include "supervisor.h"
#include "message.h"
#include "unit.h"

#include <signal.h>

#define BRIDGE_SLACK 1000000000LL /* a bridge kills its program at the grace's end, and then ends itself */
#define HALT_WAIT    1000000000LL
#define KILL_WAIT    5000000000LL /* from SIGKILL to giving up: a process may be stuck in the kernel */
#define CALL_GRACE   1000000000LL

static const struct process *process_of(const struct supervisor *s, const struct child *c)
{
    return c->process != PIPELINE_NONE ? &s->stage.p->processes[c->process] : NULL;
}

static csp_time grace_of(const struct supervisor *s, const struct child *c)
{
    const struct process *process = process_of(s, c);

    return process == NULL ? CALL_GRACE : process->grace + (c->bridged ? BRIDGE_SLACK : 0);
}

static void tell(struct supervisor *s, struct child *c, bool failed)
{
    if (c->phase != CHILD_RUNNING && c->phase != CHILD_LEFT)
        return;
    if (failed)
        child_cancel(c);
    else
        child_signal(c, SIGTERM);
    c->phase = CHILD_TOLD;
    c->due = csp_now() + grace_of(s, c);
}

/* A bridge that is killed closes its program's stdin before the kernel kills the program: time enough to take the input
 * for complete and print a result. So a bridge is asked first to kill its program itself. */
static void kill_child(struct child *c)
{
    if (c->phase < CHILD_RUNNING || c->phase > CHILD_HALTED)
        return;
    if (c->bridged && c->phase != CHILD_HALTED) {
        child_signal(c, SIGINT);
        child_signal(c, SIGCONT);
        c->phase = CHILD_HALTED;
        c->due = csp_now() + HALT_WAIT;
        return;
    }
    child_signal(c, SIGKILL);
    c->phase = CHILD_KILLED;
    c->due = csp_now() + KILL_WAIT;
}

static void tell_all(struct supervisor *s, bool failed)
{
    for (size_t i = s->n; i-- > 0;) /* sinks, which mostly come last, before their sources have ended of it */
        tell(s, &s->children[i], failed);
}

void drain_cancel(struct supervisor *s)
{
    tell_all(s, true);
}

void drain_kill(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++)
        kill_child(&s->children[i]);
}

/* ---- inputs */

struct inputs {
    bool any, endless; /* endless: one that nothing closes */
    bool fed;          /* a process that sends to one still runs */
};

static void look_at(const struct supervisor *s, size_t own, size_t channel, struct inputs *in)
{
    const struct channel *c = &s->stage.p->channels[channel];

    in->any = true;
    in->endless |= c->close == CLOSE_NEVER;
    for (size_t i = 0; i < c->nsenders; i++)
        in->fed |= c->senders[i].process != own && s->alive_of[c->senders[i].process] > 0;
}

static struct inputs inputs_of(const struct supervisor *s, const struct child *child)
{
    const struct process *process = process_of(s, child);
    struct inputs in = {0};

    if (process == NULL)
        return in;
    if (process->serve != PIPELINE_NONE)
        look_at(s, child->process, process->requests, &in);
    if (process->input.kind == INPUT_CHANNELS)
        for (size_t i = 0; i < process->input.nchannels; i++)
            look_at(s, child->process, process->input.channels[i], &in);
    for (size_t i = 0; i < process->in.n; i++)
        look_at(s, child->process, process->in.item[i].channel, &in);
    return in;
}

/* Who is next. A cycle in which nobody is next is told as a whole. */
static void drain_next_layer(struct supervisor *s)
{
    size_t ending = 0, waiting = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct child *c = &s->children[i];
        if (c->phase == CHILD_RUNNING) {
            struct inputs in = inputs_of(s, c);
            if (!in.fed && (!in.any || in.endless))
                tell(s, c, false);
            else if (!in.fed) {
                c->phase = CHILD_LEFT;
                c->due = csp_now() + grace_of(s, c);
            }
        }
        waiting += c->phase == CHILD_RUNNING;
        ending += c->phase > CHILD_RUNNING && c->phase < CHILD_ENDED;
    }
    if (waiting > 0 && ending == 0)
        tell_all(s, false);
}

void drain_begin(struct supervisor *s)
{
    drain_next_layer(s);
}

/* ---- time */

/* The phase of this child has lasted too long. */
static void overdue(struct supervisor *s, struct child *c)
{
    char text[UNIT_TEXT];

    if (c->phase == CHILD_KILLED) {
        message("%s: process %d does not die of SIGKILL: it is stuck in the kernel, and left behind", c->label,
                (int)c->pid);
        c->ending.ours = true;
        reaper_ended(s, c);
        return;
    }
    if (process_of(s, c) != NULL && c->phase != CHILD_HALTED)
        message("%s: did not end within its grace of %s: killed", c->label,
                unit_print_duration(process_of(s, c)->grace, text));
    kill_child(c);
}

static bool is_timed(const struct child *c)
{
    return c->phase >= CHILD_LEFT && c->phase <= CHILD_KILLED;
}

void drain_step(struct supervisor *s)
{
    if (s->state == RUN_UP || s->state == RUN_OVER)
        return;
    if (s->state == RUN_DRAINING)
        drain_next_layer(s);
    for (size_t i = 0; i < s->n; i++)
        if (is_timed(&s->children[i]) && csp_now() >= s->children[i].due)
            overdue(s, &s->children[i]);
}

csp_time drain_next(const struct supervisor *s)
{
    csp_time next = CSP_FOREVER;

    for (size_t i = 0; i < s->n && s->state != RUN_UP; i++)
        if (is_timed(&s->children[i]) && (next == CSP_FOREVER || s->children[i].due < next))
            next = s->children[i].due;
    return next;
}
