/* SPDX-License-Identifier: MPL-2.0 */
/* What `partition` becomes: a process NAME.split that reads the channel in the place of NAME, and a channel NAME.R for
 * each of its replicas, with the settings of the one it reads. Decision: it is done once, when the file is known to be
 * right, so that all that starts, shows and ends processes and channels knows nothing of it but their names, which no
 * file can give. */
#include "pool.h"
#include "reader.h"

#include <string.h>

static bool is_acknowledged(const struct process *process)
{
    return process->kind == PROCESS_EACH || process->ack != ACK_WRITE;
}

/* The lane of a replica, from 1; the index of the channel. */
static size_t add_lane(struct reader *r, size_t process, size_t splitter, unsigned replica)
{
    struct pipeline *p = r->p;
    const struct process *of = &p->processes[process];
    size_t source = of->input.channels[0];
    size_t lane = intern_channel(r, pool_format(p->pool, "%s.%u", of->name, replica), of->place);

    if (lane == PIPELINE_NONE)
        return lane;
    struct channel *c = &p->channels[lane];
    const struct channel *from = &p->channels[source];
    c->capacity = from->capacity;
    c->max_bytes = from->max_bytes;
    c->retries = from->retries;
    c->attempts = is_acknowledged(of) ? from->attempts : 0;
    c->delay = from->delay;
    c->dead = from->dead;
    c->durable = from->durable;
    c->senders = pool_zalloc(p->pool, sizeof *c->senders);
    c->receivers = pool_zalloc(p->pool, sizeof *c->receivers);
    c->senders[0] = (struct end){splitter, of->place};
    c->receivers[0] = (struct end){process, of->place};
    c->nsenders = c->nreceivers = 1;
    return lane;
}

static void expand(struct reader *r, size_t process, size_t splitter)
{
    struct pipeline *p = r->p;
    struct process *of = &p->processes[process], *new = &p->processes[splitter];
    size_t source = of->input.channels[0], n = (size_t)of->replicas;
    size_t *lanes = pool_zalloc(p->pool, n * sizeof *lanes);
    struct channel *c;

    *new = (struct process){.name = pool_format(p->pool, "%s.split", of->name),
                            .kind = PROCESS_PARTITION,
                            .replicas = 1,
                            .input = of->input,
                            .output = {.kind = OUTPUT_CHANNELS, .channels = lanes, .nchannels = n, .place = of->place},
                            .error = {.kind = OUTPUT_LOG, .place = of->place},
                            .serve = PIPELINE_NONE,
                            .requests = PIPELINE_NONE,
                            .success = {1},
                            .grace = of->grace,
                            .restart = of->restart,
                            .partition = of->partition,
                            .place = of->place};
    for (size_t i = 0; i < n; i++)
        if ((lanes[i] = add_lane(r, process, splitter, (unsigned)i + 1)) == PIPELINE_NONE)
            return;
    c = &p->channels[source];
    for (size_t i = 0; i < c->nreceivers; i++)
        if (c->receivers[i].process == process)
            c->receivers[i].process = splitter;
    of->laned = true;
    of->input.channels = lanes;
    of->input.nchannels = n;
}

void expand_partitions(struct reader *r)
{
    struct pipeline *p = r->p;
    size_t n = p->nprocesses, more = 0;

    for (size_t i = 0; i < n; i++)
        more += p->processes[i].partition != NULL;
    if (more == 0)
        return;
    struct process *all = pool_zalloc(p->pool, (n + more) * sizeof *all);
    memcpy(all, p->processes, n * sizeof *all);
    p->processes = all;
    for (size_t i = 0; i < n; i++)
        if (all[i].partition != NULL)
            expand(r, i, p->nprocesses++);
}
