/* SPDX-License-Identifier: MPL-2.0 */
/* What of a file a live run cannot become. What would lose a value is refused: the broker never takes a channel's end
 * back, nor its settings. */
#include "change.h"
#include "definition.h"
#include "reload.h"
#include "revision.h"
#include "snapshot.h"
#include "supervisor.h"

#include <string.h>

#define STOP_AND_RUN "stop the run, and run the file"

static bool is_over(const struct snapshot *now, const struct channel *c)
{
    const struct snapshot_channel *said = snapshot_channel(now, c->name);

    return said != NULL && strcmp(said->state, "open") != 0;
}

/* ---- who is there afterwards */

/* A process of the file that runs, or is started. */
static bool lives(const struct supervisor *s, const struct revision *r, size_t k)
{
    size_t i = r->process_of[k];

    return r->fate[i] == FATE_ADDED || s->alive_of[i] > 0;
}

static bool any_lives(const struct supervisor *s, const struct revision *r, const struct end *ends, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lives(s, r, ends[i].process))
            return true;
    return false;
}

static const char *touched_by(const struct revision *r, const struct end *ends, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (r->fate[r->process_of[ends[i].process]] == FATE_ADDED)
            return r->next->processes[ends[i].process].name;
    return NULL;
}

/* A channel that is made anew has only those that are started: who had an end of the one before has let it go, though
 * it may not be seen yet that it has ended. */
static bool has_side(const struct supervisor *s, const struct revision *r, const struct end *ends, size_t n,
                     bool renewed)
{
    return renewed ? touched_by(r, ends, n) != NULL : any_lives(s, r, ends, n);
}

static const char *touched(const struct revision *r, const struct channel *c)
{
    const char *name = touched_by(r, c->senders, c->nsenders);

    return name != NULL ? name : touched_by(r, c->receivers, c->nreceivers);
}

/* ---- channels of the file */

/* It is over, and nobody is left at it: another one may have its name. */
static bool may_renew(const struct revision *r, size_t k, const struct snapshot *now)
{
    const struct snapshot_channel *said = snapshot_channel(now, r->next->channels[k].name);
    const struct channel *was = &r->now->channels[r->channel_of[k]];

    return said->senders == 0 && said->receivers == 0 && said->values == 0 && said->lost == 0 && was->attempts == 0 &&
           was->durable == NULL && !was->ordered && was->overflow == OVERFLOW_BLOCK && was->source == PIPELINE_NONE;
}

static bool may_use(const struct supervisor *s, struct revision *r, size_t k, const struct snapshot *now,
                    struct change *c)
{
    const struct channel *channel = &r->next->channels[k];
    const char *who = touched(r, channel);
    bool guests = channel->close == CLOSE_NEVER, exists = r->channel_of[k] < r->now->nchannels;

    if (exists && !is_over(now, channel)) {
        const char *key = definition_channel_key(r->now, r->channel_of[k], r->next, k);
        if (key != NULL)
            return change_refuse(c, "channel %s: %s: it stays as it is while the run lives: " STOP_AND_RUN,
                                 channel->name, key);
    }
    if (who == NULL)
        return true;
    bool renewed = exists && is_over(now, channel);
    if (renewed) {
        if (!may_renew(r, k, now))
            return change_refuse(c, "%s: its channel %s has ended: " STOP_AND_RUN, who, channel->name);
        revision_renew(r, k);
    }
    bool fed = has_side(s, r, channel->senders, channel->nsenders, renewed) || channel->source != PIPELINE_NONE;
    if (!guests && !(fed && has_side(s, r, channel->receivers, channel->nreceivers, renewed)))
        return change_refuse(c, "%s: who is at the other side of %s has ended: " STOP_AND_RUN, who, channel->name);
    return true;
}

/* ---- channels of the run */

/* None of the file receives from it. */
static bool is_left(const struct revision *r, size_t channel)
{
    for (size_t k = 0; k < r->next->nchannels; k++)
        if (r->channel_of[k] == channel)
            return r->next->channels[k].nreceivers == 0;
    return true;
}

/* Without receivers it breaks, and what it has is lost; only where its senders end is there an end to wait for. */
static bool may_leave(const struct supervisor *s, const struct revision *r, size_t channel, const struct snapshot *now,
                      struct change *c)
{
    const struct channel *was = &r->now->channels[channel];

    if (!lifecycle_any_alive(s, was->receivers, was->nreceivers, PIPELINE_NONE) || !is_left(r, channel) ||
        was->close != CLOSE_NEVER || was->service != PIPELINE_NONE || is_over(now, was))
        return true;
    return change_refuse(c,
                         "channel %s: nobody would receive from it any more, and what it has would be lost: "
                         "`cspctl close %s` before",
                         was->name, was->name);
}

struct inputs_left {
    bool any, all;
};

static void look_at(const struct revision *r, size_t channel, const struct snapshot *now, struct inputs_left *in)
{
    const struct channel *c = &r->now->channels[channel];
    bool left = c->service == PIPELINE_NONE && is_left(r, channel) && (c->close != CLOSE_NEVER || is_over(now, c));

    in->any |= left;
    in->all &= left;
}

static struct inputs_left inputs_left(const struct revision *r, size_t process, const struct snapshot *now)
{
    const struct process *was = &r->now->processes[process];
    struct inputs_left in = {.any = false, .all = true};

    if (was->serve != PIPELINE_NONE)
        look_at(r, was->requests, now, &in);
    for (size_t i = 0; was->input.kind == INPUT_CHANNELS && i < was->input.nchannels; i++)
        look_at(r, was->input.channels[i], now, &in);
    for (size_t i = 0; i < was->in.n; i++)
        look_at(r, was->in.item[i].channel, now, &in);
    return in;
}

bool reload_drains(const struct revision *r, size_t process, const struct snapshot *now)
{
    return inputs_left(r, process, now).any;
}

/* ---- processes */

static bool may_change(const struct supervisor *s, const struct revision *r, size_t i, const struct snapshot *now,
                       struct change *c)
{
    const struct process *was = &r->now->processes[i];
    const struct process *heir = r->heir[i] != PIPELINE_NONE ? &r->p->processes[r->heir[i]] : NULL;

    if (heir != NULL && was->partition != NULL && heir->partition != NULL &&
        (was->replicas != heir->replicas || strcmp(was->partition, heir->partition) != 0))
        return change_refuse(c, "%s: partition: which replica has which values stays as it is: " STOP_AND_RUN,
                             was->name);
    struct inputs_left in = inputs_left(r, i, now);
    if (s->alive_of[i] > 0 && in.any && !in.all)
        return change_refuse(c,
                             "%s: of its inputs some are left without a receiver, and some are not: give these to "
                             "another process, or " STOP_AND_RUN,
                             was->name);
    return true;
}

static bool may_keep(const struct supervisor *s, const struct revision *r, size_t i, struct change *c)
{
    if (r->p->processes[i].replicas == r->now->processes[i].replicas || s->alive_of[i] > 0)
        return true;
    return change_refuse(c, "%s: replicas: it has ended, and its channels are closed: " STOP_AND_RUN,
                         r->p->processes[i].name);
}

bool reload_may(const struct supervisor *s, struct revision *r, const struct snapshot *now, struct change *c)
{
    if (r->now->deadline != r->next->deadline)
        return change_refuse(c, "deadline: that of a run stays as it is: " STOP_AND_RUN);
    for (size_t i = 0; i < r->now->nprocesses; i++) {
        bool goes = r->fate[i] == FATE_CHANGED || r->fate[i] == FATE_REMOVED;
        if ((goes && !may_change(s, r, i, now, c)) || (r->fate[i] == FATE_KEPT && !may_keep(s, r, i, c)))
            return false;
    }
    for (size_t i = 0; i < r->now->nchannels; i++)
        if (!may_leave(s, r, i, now, c))
            return false;
    for (size_t k = 0; k < r->next->nchannels; k++)
        if (!may_use(s, r, k, now, c))
            return false;
    return true;
}
