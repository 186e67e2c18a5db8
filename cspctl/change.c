/* SPDX-License-Identifier: MPL-2.0 */
#include "change.h"
#include "message.h"
#include "services.h"
#include "suggestion.h"
#include "supervisor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool change_refuse(struct change *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(c->text, sizeof c->text, format, args);
    va_end(args);
    return false;
}

/* The process of that name, which has not ended. */
static bool find_process(const struct supervisor *s, const char *name, struct change *c)
{
    const struct pipeline *p = s->stage.p;
    struct suggestion near = {.word = name};

    for (size_t i = 0; i < p->nprocesses; i++) {
        if (p->processes[i].past)
            continue;
        if (strcmp(p->processes[i].name, name) == 0) {
            c->process = i;
            return s->alive_of[i] > 0 ||
                   change_refuse(c, "%s: it has ended, and its channels are closed: run the file again", name);
        }
        suggestion_offer(&near, p->processes[i].name);
    }
    if (near.best != NULL)
        return change_refuse(c, "%s: no such process: did you mean '%s'?", name, near.best);
    return change_refuse(c, "%s: no such process: `cspctl ps` lists them", name);
}

/* ---- replicas */

/* It has ended, or will. */
static bool goes(const struct child *c)
{
    bool told = c->phase >= CHILD_TOLD && c->phase <= CHILD_KILLED;
    return c->phase == CHILD_ENDED || (told && !c->replacing);
}

/* It is of the process, or will be with its next incarnation. */
static bool is_of(const struct child *c, size_t process)
{
    return c->becomes != PIPELINE_NONE ? c->becomes == process : c->process == process;
}

static bool has_replica(const struct supervisor *s, size_t process, unsigned replica)
{
    for (size_t i = 0; i < s->n; i++)
        if (is_of(s->children[i], process) && s->children[i]->replica == replica && !goes(s->children[i]))
            return true;
    return false;
}

static bool may_scale(const struct supervisor *s, struct change *c)
{
    const struct process *process = &s->stage.p->processes[c->process];

    if (process->laned || process->kind == PROCESS_PARTITION)
        return change_refuse(c,
                             "%s: partition: which replica has which values stays as it is: stop the run, and run the "
                             "file with another number",
                             process->name);
    if (c->replicas < 1 || c->replicas > PIPELINE_MAX_REPLICA)
        return change_refuse(c, "%s=%u: write a number from 1 to %d; `cspctl stop` ends a run", process->name,
                             c->replicas, PIPELINE_MAX_REPLICA);
    return true;
}

/* Those that are missing are announced, all or none of them, and started as at the beginning of a run: readiness.c. */
static bool add_replicas(struct supervisor *s, struct change *c)
{
    size_t before = s->n;

    for (unsigned replica = 1; replica <= c->replicas; replica++)
        if (!has_replica(s, c->process, replica) && supervisor_add(s, c->process, replica) == NULL) {
            int err = errno;
            for (size_t i = before; i < s->n; i++)
                supervisor_child(s, s->children[i], CHILD_TELL);
            return change_refuse(c, "%s: a replica more cannot be announced: %s",
                                 s->stage.p->processes[c->process].name, strerror(err));
        }
    return true;
}

static bool begin_scale(struct supervisor *s, struct change *c)
{
    struct process *process = &s->stage.p->processes[c->process];
    int64_t before = process->replicas;

    process->replicas = c->replicas; /* by which the new ones get their labels */
    if (!add_replicas(s, c)) {
        process->replicas = before;
        return false;
    }
    for (size_t i = 0; i < s->n; i++)
        if (is_of(s->children[i], c->process) && s->children[i]->replica > c->replicas)
            supervisor_child(s, s->children[i], CHILD_RETIRE);
    (void)services_write(s->stage.dir, s->stage.p); /* who hedges knows by it how many may be asked; no more */
    return true;
}

static bool scaled(const struct supervisor *s, const struct change *c)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct child *child = s->children[i];
        bool stays = child->replica <= c->replicas,
             comes = child->phase == CHILD_NEW || (child->phase == CHILD_RUNNING && !child->ready);
        if (is_of(child, c->process) && child->phase != CHILD_ENDED && (!stays || comes))
            return false;
    }
    return true;
}

static bool begin_restart(struct supervisor *s, struct change *c)
{
    c->since = csp_now();
    for (size_t i = 0; i < s->n; i++)
        if (is_of(s->children[i], c->process))
            supervisor_child(s, s->children[i], CHILD_REPLACE);
    return true;
}

static bool restarted(const struct supervisor *s, const struct change *c)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct child *child = s->children[i];
        if (is_of(child, c->process) && child->phase != CHILD_ENDED &&
            (child->since < c->since || child->phase != CHILD_RUNNING || !child->ready))
            return false;
    }
    return true;
}

/* ---- requests */

/* Nothing was to be changed, and nothing says that it can't be. False: so nothing was begun. */
static bool could_be(struct change *c)
{
    c->status = 0;
    return false;
}

bool change_begin(struct supervisor *s, const json_t *request, struct change *c)
{
    const char *what, *name = "";
    json_int_t replicas = 0;
    int only_look = 0;

    *c = (struct change){.kind = CHANGE_NONE, .status = 1};
    if (json_unpack((json_t *)request, "{s:s, s?:s, s?:I, s?:b}", "do", &what, "name", &name, "replicas", &replicas,
                    "look", &only_look) != 0)
        return change_refuse(c, "it is asked for what this version of cspctl does not know");
    if (s->state != RUN_UP)
        return change_refuse(c, "the run is ending: nothing of it can be changed any more");
    if (strcmp(what, "reload") == 0)
        return reload_begin(s, request, c);
    if (!find_process(s, name, c))
        return false;
    c->replicas = replicas < 0 || replicas > UINT32_MAX ? 0 : (unsigned)replicas;
    if (strcmp(what, "scale") == 0) {
        c->kind = CHANGE_SCALE;
        return may_scale(s, c) && (only_look ? could_be(c) : begin_scale(s, c));
    }
    if (strcmp(what, "restart") == 0) {
        c->kind = CHANGE_RESTART;
        return only_look ? could_be(c) : begin_restart(s, c);
    }
    return change_refuse(c, "it is asked to %s, which this version of cspctl does not know", what);
}

/* It was begun, and what it waits for does not come any more. True. */
static bool cut_off(struct change *c, const char *why)
{
    c->status = 1;
    (void)change_refuse(c, "%s", why);
    return true;
}

bool change_done(const struct supervisor *s, struct change *c)
{
    const struct process *process = &s->stage.p->processes[c->process];

    if (s->state != RUN_UP)
        return cut_off(c, "the run is ending: what was begun is not finished");
    c->status = 0;
    if (c->kind == CHANGE_RELOAD)
        return reload_done(s, c);
    if (!(c->kind == CHANGE_SCALE ? scaled(s, c) : restarted(s, c)))
        return false;
    if (s->alive_of[c->process] == 0) {
        c->status = 1;
        (void)change_refuse(c, "%s: it has ended meanwhile", process->name);
    } else
        (void)snprintf(c->text, sizeof c->text, "%s: %sreplicas %zu", process->name,
                       c->kind == CHANGE_SCALE ? "" : "restarted, ", s->alive_of[c->process]);
    return true;
}
