/* SPDX-License-Identifier: MPL-2.0 */
#include "revision.h"
#include "definition.h"
#include "pool.h"

#include <string.h>

/* ---- channels and services: by name */

static const char *copy(const struct revision *r, const char *text)
{
    return text != NULL ? pool_copy(r->p->pool, text, strlen(text)) : NULL;
}

/* But those of processes that are gone. */
static void copy_ends(const struct revision *r, struct end **ends, size_t *n)
{
    struct end *left = pool_zalloc(r->p->pool, *n * sizeof *left);
    size_t k = 0;

    for (size_t i = 0; i < *n; i++)
        if (!r->gone[(*ends)[i].process])
            left[k++] = (*ends)[i];
    *ends = left;
    *n = k;
}

/* What another file said of it. */
static struct channel copy_channel(const struct revision *r, struct channel c)
{
    c.name = copy(r, c.name);
    c.durable = copy(r, c.durable);
    c.dead_letters.name = copy(r, c.dead_letters.name);
    copy_ends(r, &c.senders, &c.nsenders);
    copy_ends(r, &c.receivers, &c.nreceivers);
    return c;
}

static void place_channels(struct revision *r)
{
    struct pipeline *p = r->p;
    size_t most = r->now->nchannels + r->next->nchannels;

    p->channels = pool_zalloc(p->pool, most * sizeof *p->channels);
    r->fresh = pool_zalloc(p->pool, most * sizeof *r->fresh);
    r->channel_of = pool_zalloc(p->pool, r->next->nchannels * sizeof *r->channel_of);
    p->nchannels = 0;
    for (size_t i = 0; i < r->now->nchannels; i++)
        p->channels[p->nchannels++] = copy_channel(r, r->now->channels[i]);
    for (size_t k = 0; k < r->next->nchannels; k++) {
        size_t i = pipeline_channel(r->now, r->next->channels[k].name);
        r->channel_of[k] = i != PIPELINE_NONE ? i : p->nchannels++;
    }
}

static void place_services(struct revision *r, size_t *service_of)
{
    struct pipeline *p = r->p;

    p->services = pool_zalloc(p->pool, (r->now->nservices + r->next->nservices) * sizeof *p->services);
    p->nservices = 0;
    for (size_t i = 0; i < r->now->nservices; i++) {
        struct service *to = &p->services[p->nservices++];
        *to = r->now->services[i];
        to->name = copy(r, to->name);
        to->merge.by = copy(r, to->merge.by);
        to->backends = NULL; /* but those that come now */
        to->nbackends = 0;
    }
    for (size_t k = 0; k < r->next->nservices; k++) {
        size_t i = pipeline_service(r->now, r->next->services[k].name);
        service_of[k] = i != PIPELINE_NONE ? i : p->nservices++;
    }
}

/* ---- processes: by name, and new ones where they have changed */

static size_t new_index(const struct revision *r)
{
    for (size_t i = 0; i < r->now->nprocesses; i++)
        if (r->vacant[i] && !r->added[i])
            return i;
    return r->p->nprocesses++;
}

static void place_processes(struct revision *r)
{
    struct pipeline *p = r->p;
    size_t most = r->now->nprocesses + r->next->nprocesses;

    p->processes = pool_zalloc(p->pool, most * sizeof *p->processes);
    r->fate = pool_zalloc(p->pool, most * sizeof *r->fate);
    r->added = pool_zalloc(p->pool, most * sizeof *r->added);
    r->heir = pool_zalloc(p->pool, most * sizeof *r->heir);
    r->older = pool_zalloc(p->pool, most * sizeof *r->older);
    r->process_of = pool_zalloc(p->pool, r->next->nprocesses * sizeof *r->process_of);
    for (size_t i = 0; i < most; i++)
        r->heir[i] = r->older[i] = PIPELINE_NONE;
    p->nprocesses = r->now->nprocesses;
    for (size_t i = 0; i < p->nprocesses; i++) {
        p->processes[i] = r->gone[i] ? (struct process){.name = "", .past = true} : r->now->processes[i];
        r->fate[i] = p->processes[i].past ? FATE_PAST : FATE_REMOVED;
        if (r->gone[i])
            p->processes[i].serve = p->processes[i].requests = PIPELINE_NONE;
        else if (p->processes[i].origin == NULL)
            p->processes[i].origin = r->now;
    }
    for (size_t k = 0; k < r->next->nprocesses; k++) {
        size_t i = pipeline_process(r->now, r->next->processes[k].name);
        bool same = i != PIPELINE_NONE && definition_same(r->now, i, r->next, k);
        r->process_of[k] = same ? i : new_index(r);
        r->fate[r->process_of[k]] = same ? FATE_KEPT : FATE_ADDED;
        r->added[r->process_of[k]] = !same;
        if (i != PIPELINE_NONE && !same) {
            r->fate[i] = FATE_CHANGED;
            r->heir[i] = r->process_of[k];
            r->older[r->process_of[k]] = i;
        }
    }
    for (size_t i = 0; i < r->now->nprocesses; i++)
        p->processes[i].past = r->fate[i] != FATE_KEPT;
}

/* ---- from the indices of the file to those of the run */

static size_t at(const size_t *map, size_t i)
{
    return i != PIPELINE_NONE ? map[i] : PIPELINE_NONE;
}

static size_t *all_at(struct revision *r, const size_t *map, const size_t *from, size_t n)
{
    size_t *to = n > 0 ? pool_zalloc(r->p->pool, n * sizeof *to) : NULL;

    for (size_t i = 0; i < n; i++)
        to[i] = map[from[i]];
    return to;
}

static void move_ports(struct revision *r, struct ports *ports)
{
    size_t n = ports->n;
    struct port *to = n > 0 ? pool_zalloc(r->p->pool, n * sizeof *to) : NULL;

    for (size_t i = 0; i < n; i++) {
        to[i] = ports->item[i];
        to[i].channel = r->channel_of[to[i].channel];
    }
    ports->item = to;
}

static void move_process(struct revision *r, size_t k, const size_t *service_of)
{
    struct process *to = &r->p->processes[r->process_of[k]];

    *to = r->next->processes[k];
    to->origin = r->next;
    to->past = false;
    to->input.channels = all_at(r, r->channel_of, to->input.channels, to->input.nchannels);
    to->output.channels = all_at(r, r->channel_of, to->output.channels, to->output.nchannels);
    to->error.channels = all_at(r, r->channel_of, to->error.channels, to->error.nchannels);
    to->after = all_at(r, r->process_of, to->after, to->nafter);
    to->serve = at(service_of, to->serve);
    to->requests = at(r->channel_of, to->requests);
    move_ports(r, &to->in);
    move_ports(r, &to->out);
}

static bool has_end(const struct end *ends, size_t n, size_t process)
{
    for (size_t i = 0; i < n; i++)
        if (ends[i].process == process)
            return true;
    return false;
}

/* Those that there were, and those of the file. */
static void add_ends(struct revision *r, struct end **ends, size_t *n, const struct end *more, size_t nmore)
{
    struct end *all = pool_zalloc(r->p->pool, (*n + nmore) * sizeof *all);

    for (size_t i = 0; i < *n; i++)
        all[i] = (*ends)[i];
    *ends = all;
    for (size_t i = 0; i < nmore; i++)
        if (!has_end(all, *n, r->process_of[more[i].process]))
            all[(*n)++] = (struct end){r->process_of[more[i].process], more[i].place};
}

static void move_channel(struct revision *r, size_t k, const size_t *service_of)
{
    const struct channel *from = &r->next->channels[k];
    struct channel *to = &r->p->channels[r->channel_of[k]];

    if (r->channel_of[k] >= r->now->nchannels) {
        *to = *from;
        to->nsenders = to->nreceivers = 0;
        r->fresh[r->channel_of[k]] = true;
    }
    to->dead = at(r->channel_of, from->dead);
    to->source = at(r->channel_of, from->source);
    to->service = at(service_of, from->service);
    add_ends(r, &to->senders, &to->nsenders, from->senders, from->nsenders);
    add_ends(r, &to->receivers, &to->nreceivers, from->receivers, from->nreceivers);
}

static void move_service(struct revision *r, size_t k, size_t to)
{
    const struct service *from = &r->next->services[k];

    r->p->services[to] = *from;
    r->p->services[to].backends = all_at(r, r->process_of, from->backends, from->nbackends);
}

struct revision *revision_new(const struct pipeline *now, struct pipeline *next, const bool *gone, const bool *vacant)
{
    struct revision *r = pool_zalloc(next->pool, sizeof *r);
    size_t *service_of = pool_zalloc(next->pool, (next->nservices + 1) * sizeof *service_of);

    *r = (struct revision){
        .now = now, .gone = gone, .vacant = vacant, .next = next, .p = pool_zalloc(next->pool, sizeof *r->p)};
    *r->p = *next;
    r->p->name = copy(r, now->name); /* a run keeps the name that it was started with, and where it records */
    r->p->joblog = copy(r, now->joblog);
    r->p->joblog_resume = now->joblog_resume;
    place_channels(r);
    place_services(r, service_of);
    place_processes(r);
    for (size_t k = 0; k < next->nprocesses; k++)
        move_process(r, k, service_of);
    for (size_t k = 0; k < next->nchannels; k++)
        move_channel(r, k, service_of);
    for (size_t k = 0; k < next->nservices; k++)
        move_service(r, k, service_of[k]);
    return r;
}

void revision_renew(struct revision *r, size_t channel)
{
    const struct channel *from = &r->next->channels[channel];
    struct channel *to = &r->p->channels[r->channel_of[channel]], was = *to;

    *to = *from;
    to->dead = was.dead;
    to->source = was.source;
    to->service = was.service;
    to->nsenders = to->nreceivers = 0;
    add_ends(r, &to->senders, &to->nsenders, from->senders, from->nsenders);
    add_ends(r, &to->receivers, &to->nreceivers, from->receivers, from->nreceivers);
    r->fresh[r->channel_of[channel]] = true;
}
