/* SPDX-License-Identifier: MPL-2.0 */
/* Ending a run from its sources to its sinks.
 * A process without an input channel is told to end; the others end as their channels do, and who is left with an input
 * that nothing closes (`close: never`, a service's requests) is told when all that send to it have ended. The grace of
 * each process begins when it is told, or when the last of its senders has ended. Where only a cycle is left, all of it
 * is told. */
#include "supervisor.h"
#include "message.h"
#include "pool.h"
#include "snapshot.h"
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMIND_MS 10000 /* from one look at what is left to the next */

/* ---- order */

/* Whether what one process sends comes to another, by whatever way. */
static bool feeds(const struct supervisor *s, size_t from, size_t to, bool *seen)
{
    const struct pipeline *p = s->stage.p;

    seen[from] = true;
    for (size_t i = 0; i < p->nchannels; i++) {
        const struct channel *c = &p->channels[i];
        bool sends = channel_has_sender(c, from);
        for (size_t k = 0; sends && k < c->nreceivers; k++) {
            size_t next = c->receivers[k].process;
            if (next == to || (!seen[next] && feeds(s, next, to, seen)))
                return true;
        }
    }
    return false;
}

/* Somebody depends on the process who has not ended, and would not end by its end either. */
static bool is_needed(const struct supervisor *s, size_t process, bool drains)
{
    const struct pipeline *p = s->stage.p;

    for (size_t i = 0; i < p->nprocesses && process != PIPELINE_NONE; i++)
        for (size_t k = 0; k < p->processes[i].nafter; k++) {
            if (p->processes[i].after[k] != process || s->alive_of[i] == 0)
                continue;
            bool *seen = memory_zalloc(p->nprocesses, sizeof *seen);
            bool fed = drains && feeds(s, process, i, seen);
            free(seen);
            if (!fed)
                return true;
        }
    return false;
}

/* Sinks, which mostly come last, before their sources have ended of it; and who is depended on after those who do. */
static void cancel_next(struct supervisor *s)
{
    for (size_t i = s->n; i-- > 0;)
        if (s->children[i]->phase != CHILD_ENDED && !is_needed(s, s->children[i]->process, false))
            supervisor_child(s, s->children[i], CHILD_CANCEL);
}

void drain_kill(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++)
        supervisor_child(s, s->children[i], CHILD_KILL);
}

/* ---- inputs */

static void look_at(const struct supervisor *s, size_t channel, void *arg)
{
    const struct channel *c = &s->stage.p->channels[channel];
    struct inputs *in = arg;

    in->any = true;
    in->endless |= c->close != CLOSE_SENDERS; /* what is idle in the end may have work for hours */
    in->unsafe |= c->attempts == 0 && c->service == PIPELINE_NONE;
    in->fed |= lifecycle_any_alive(s, c->senders, c->nsenders, in->own);
    for (size_t i = 0; i < s->stage.p->nchannels; i++) {
        const struct channel *of = &s->stage.p->channels[i];
        if (of->dead == channel) /* dead letters come as long as somebody receives what they were */
            in->fed |= lifecycle_any_alive(s, of->receivers, of->nreceivers, PIPELINE_NONE);
    }
}

/* Each channel that the process receives from. */
static void each_input(const struct supervisor *s, const struct process *process,
                       void (*look)(const struct supervisor *s, size_t channel, void *arg), void *arg)
{
    if (process->serve != PIPELINE_NONE)
        look(s, process->requests, arg);
    if (process->input.kind == INPUT_CHANNELS)
        for (size_t i = 0; i < process->input.nchannels; i++)
            look(s, process->input.channels[i], arg);
    for (size_t i = 0; i < process->in.n; i++)
        look(s, process->in.item[i].channel, arg);
}

struct inputs drain_inputs(const struct supervisor *s, const struct child *child)
{
    struct inputs in = {.own = child->process};

    if (child->process != PIPELINE_NONE)
        each_input(s, &s->stage.p->processes[child->process], look_at, &in);
    return in;
}

/* ---- nothing is left to be done */

struct rest {
    const struct snapshot *now;
    bool any;
};

static void look_for_rest(const struct supervisor *s, size_t channel, void *arg)
{
    struct rest *rest = arg;
    const struct snapshot_channel *c = snapshot_channel(rest->now, s->stage.p->channels[channel].name);

    rest->any |= c == NULL || strcmp(c->state, "open") == 0 || c->values + c->leased + c->back_off > 0;
}

uint64_t drain_progress(const struct supervisor *s, const struct child *child)
{
    struct snapshot *now = snapshot_ask();
    uint64_t moved = 0;

    for (size_t i = 0; now != NULL && i < s->stage.p->nchannels; i++) {
        const struct channel *c = &s->stage.p->channels[i];
        const struct snapshot_channel *at = snapshot_channel(now, c->name);
        if (at == NULL)
            continue;
        if (channel_has_receiver(c, child->process))
            moved += (uint64_t)at->received + (at->back_off > 0 ? (uint64_t)csp_now() : 0);
        if (channel_has_sender(c, child->process))
            moved += (uint64_t)at->sent;
    }
    snapshot_free(now);
    return moved;
}

void drain_say(struct supervisor *s)
{
    struct snapshot *now = csp_now() >= s->remind ? snapshot_ask() : NULL;
    char text[UNIT_TEXT];

    for (size_t i = 0; now != NULL && i < s->stage.p->nchannels; i++) {
        const struct snapshot_channel *c = snapshot_channel(now, s->stage.p->channels[i].name);
        int64_t left = c != NULL ? c->values + c->leased + c->back_off : 0;
        if (left <= 0)
            continue;
        s->remind = csp_in(REMIND_MS);
        unit_print_number((uint64_t)left, "value", text);
        char waiting[2 * UNIT_TEXT] = "";
        if (c->back_off > 0)
            (void)snprintf(waiting, sizeof waiting, ", %" PRId64 " in back-off", c->back_off);
        message("%s: still %s to be done before the end%s: end it now by another Ctrl-C, or `cspctl stop --kill`",
                c->name, text, waiting);
    }
    snapshot_free(now);
}

/* All outputs that it has lead nowhere any more. */
bool drain_is_unheard(const struct supervisor *s, const struct child *c)
{
    const struct pipeline *p = s->stage.p;
    bool any = false;

    for (size_t i = 0; i < p->nchannels; i++) {
        const struct channel *to = &p->channels[i];
        if (!channel_has_sender(to, c->process))
            continue;
        if (to->close == CLOSE_NEVER || lifecycle_any_alive(s, to->receivers, to->nreceivers, PIPELINE_NONE))
            return false;
        any = true;
    }
    return any;
}

bool drain_is_done(const struct supervisor *s, const struct child *c)
{
    struct inputs in = drain_inputs(s, c);
    struct rest rest = {.any = false};

    if (!in.any || in.fed || in.endless)
        return false;
    struct snapshot *now = snapshot_ask();
    rest.now = now;
    if (now != NULL)
        each_input(s, &s->stage.p->processes[c->process], look_for_rest, &rest);
    snapshot_free(now);
    return now != NULL && !rest.any;
}

/* ---- draining */

/* What this one has to be told by now. */
static void drain_child(struct supervisor *s, struct child *c)
{
    struct inputs in = drain_inputs(s, c);

    bool unfed = !in.fed && (!in.any || in.endless);
    if (unfed && !is_needed(s, c->process, true))
        supervisor_child(s, c, CHILD_TELL);
    else if (!in.fed && !unfed)
        supervisor_child(s, c, CHILD_LEAVE);
    supervisor_child(s, c, CHILD_HURRY);
}

/* Who is next. A cycle in which nobody is next is told as a whole. */
static void drain_next(struct supervisor *s)
{
    size_t ending = 0, waiting = 0;

    for (size_t i = 0; i < s->n && s->state == RUN_DRAINING; i++) {
        struct child *c = s->children[i];
        if (c->phase == CHILD_NEW)
            supervisor_child(s, c, CHILD_TELL); /* what it depends on will not come any more */
        else if (c->phase != CHILD_ENDED)
            drain_child(s, c);
        waiting += c->phase == CHILD_RUNNING;
        ending += c->phase > CHILD_RUNNING && c->phase < CHILD_ENDED;
    }
    for (size_t i = s->n; waiting > 0 && ending == 0 && s->state == RUN_DRAINING && i-- > 0;)
        supervisor_child(s, s->children[i], CHILD_TELL);
}

void drain_step(struct supervisor *s)
{
    if (s->state == RUN_DRAINING)
        drain_next(s);
    else if (s->state == RUN_CANCELLED)
        cancel_next(s);
}
