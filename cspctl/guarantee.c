/* SPDX-License-Identifier: MPL-2.0 */
/* What the file promises about the values of its channels, and whether all who handle them can keep it. Decision: a
 * promise that one process of many cannot keep is refused as a whole, with the place of that process: a channel whose
 * values are done at least once, but for those that the wrong replica got, is no use to anybody. */
#include "pool.h"
#include "reader.h"

#include <string.h>

static const struct process *process_at(const struct reader *r, const struct end *e)
{
    return &r->p->processes[e->process];
}

/* Its acknowledgements come from its bridge, or from what moves its values to it, whatever the channel promises. */
static bool acknowledges(const struct process *process)
{
    return process->kind == PROCESS_EACH || process->partition ||
           (process->kind == PROCESS_COMMAND && process->ack != ACK_WRITE);
}

/* What its bridge writes for it is bound to what it read: nothing of it is under way when all its values are done. */
static bool is_settled(const struct process *process)
{
    return process->kind != PROCESS_COMMAND || process->ack == ACK_LINE;
}

/* ---- settings */

/* The dead letters' channel, made if nothing else names it: then nothing reads it, which is said there. */
static void resolve_dead(struct reader *r, size_t i)
{
    struct mention m = r->p->channels[i].dead_letters;

    if (!r->p->channels[i].retries || !m.name)
        return;
    if (strcmp(m.name, r->p->channels[i].name) == 0) {
        diagnose(r->d, m.place, "name another channel, and read it in a process: dead: failed",
                 "dead: the dead letters of \"%s\" can't go to itself", m.name);
        return;
    }
    size_t dead = intern_channel(r, m.name, m.place);
    if (dead == PIPELINE_NONE)
        return;
    r->p->channels[i].dead = dead;
    if (r->p->channels[dead].source == PIPELINE_NONE)
        r->p->channels[dead].source = i;
}

static void settle_channel(const struct reader *r, struct channel *c)
{
    bool leased = c->retries;

    for (size_t i = 0; i < c->nreceivers; i++) {
        const struct process *process = process_at(r, &c->receivers[i]);
        c->ordered = c->ordered || process->order == ORDER_INPUT;
        leased = leased || acknowledges(process);
    }
    if (c->retries)
        return;
    c->attempts = leased;
    c->delay = (struct span){0, 0};
}

void settle_leases(struct reader *r)
{
    for (size_t i = 0; i < r->p->nchannels; i++)
        settle_channel(r, &r->p->channels[i]);
    for (size_t i = 0, n = r->p->nchannels; i < n; i++)
        resolve_dead(r, i);
}

/* ---- refusals */

/* What it writes is put in one step with an acknowledgement, and that can't wait for a receiver. */
static bool puts_in_one_step(const struct reader *r, const struct channel *c)
{
    for (size_t i = 0; i < c->nsenders; i++) {
        const struct process *process = process_at(r, &c->senders[i]);
        if (process->kind == PROCESS_EACH || (process->kind == PROCESS_COMMAND && process->ack == ACK_LINE))
            return true;
    }
    return false;
}

static void check_buffer(struct reader *r, const struct channel *c)
{
    const char *what = c->retries                      ? "retry"
                       : c->overflow != OVERFLOW_BLOCK ? "overflow"
                       : c->source != PIPELINE_NONE    ? "dead letters"
                       : c->durable                    ? "durable"
                       : c->ordered                    ? "order: input"
                       : puts_in_one_step(r, c)        ? "output that goes with an acknowledgement"
                       : c->attempts > 0               ? "a receiver that acknowledges"
                                                       : NULL;

    if (c->capacity == 0 && what)
        diagnose(r->d, c->place, "write a capacity of at least 1, or leave it out: it is 1024 then",
                 "capacity: 0 holds no values, and %s of \"%s\" can't do without", what, c->name);
}

static void check_receivers(struct reader *r, const struct channel *c)
{
    for (size_t i = 0; c->attempts > 0 && i < c->nreceivers; i++) {
        const struct process *process = process_at(r, &c->receivers[i]);
        if (process->kind == PROCESS_COMMAND && process->ack == ACK_WRITE && !(process->partition && !c->retries))
            diagnose(r->d, c->receivers[i].place,
                     "write each: instead of command:, or ack: line where each line of input gives one of output, or "
                     "ack: explicit where it calls `cspctl ack`",
                     c->retries ? "\"%s\" never says when a value of \"%s\" is done, so retry cannot be kept"
                                : "\"%s\" never says when a value of \"%s\" is done, and others that read it do",
                     process->name, c->name);
        if (c->ordered && process->order != ORDER_INPUT)
            diagnose(r->d, c->receivers[i].place, "write order: input for all that read it, or for none",
                     "\"%s\" reads \"%s\" without order: input, and others with it", process->name, c->name);
    }
}

static bool drops(const struct channel *c)
{
    return c->overflow == OVERFLOW_DROP_OLDEST || c->overflow == OVERFLOW_DROP_NEWEST;
}

static void check_overflow(struct reader *r, const struct channel *c)
{
    if (drops(c) && (c->retries || c->ordered))
        diagnose(r->d, c->place, "write overflow: block or reject",
                 "overflow: \"%s\" drops values, and %s promises to keep them", c->name,
                 c->retries ? "retry" : "order: input");
    for (size_t i = 0; c->overflow == OVERFLOW_REJECT && i < c->nsenders; i++)
        if (process_at(r, &c->senders[i])->kind != PROCESS_WORKER)
            diagnose(r->d, c->senders[i].place, "write overflow: block, drop-oldest or drop-newest",
                     "overflow: reject is told to the sender, and \"%s\" can't be told",
                     process_at(r, &c->senders[i])->name);
}

/* A chain of dead letters that comes back: each channel would wait for the next to be empty. */
static void check_chain(struct reader *r, size_t start)
{
    const struct channel *c = &r->p->channels[start];
    size_t at = c->dead;

    for (size_t steps = 0; at != PIPELINE_NONE && at != start && steps < r->p->nchannels; steps++)
        at = r->p->channels[at].dead;
    if (at == start && c->dead_letters.place.line >= r->p->channels[c->dead].dead_letters.place.line)
        diagnose(r->d, c->dead_letters.place, "let one of them be given up: take its \"dead\" out",
                 "dead: the dead letters of \"%s\" come back to it", c->name);
}

/* ---- idle: all of a cycle must be seen to wait */

struct flow {
    const struct pipeline *p;
    bool *seen;   /* by process */
    bool *passed; /* by channel */
};

static struct flow flow_new(struct reader *r)
{
    return (struct flow){r->p, pool_zalloc(r->doc.pool, r->p->nprocesses * sizeof(bool)),
                         pool_zalloc(r->doc.pool, r->p->nchannels * sizeof(bool))};
}

/* Marks whoever is downstream of a channel. */
static void flow_from(struct flow *f, size_t channel)
{
    const struct channel *c = &f->p->channels[channel];

    if (f->passed[channel])
        return;
    f->passed[channel] = true;
    for (size_t i = 0; i < c->nreceivers; i++) {
        size_t process = c->receivers[i].process;
        if (f->seen[process])
            continue;
        f->seen[process] = true;
        for (size_t k = 0; k < f->p->nchannels; k++)
            if (channel_has_sender(&f->p->channels[k], process))
                flow_from(f, k);
    }
    if (c->dead != PIPELINE_NONE)
        flow_from(f, c->dead);
}

/* Whether what the process writes can come to the channel, be it as a dead letter. */
static bool leads_to(struct reader *r, size_t process, size_t channel)
{
    struct flow f = flow_new(r);

    for (size_t k = 0; k < r->p->nchannels; k++)
        if (channel_has_sender(&r->p->channels[k], process))
            flow_from(&f, k);
    return f.passed[channel];
}

static void check_idle(struct reader *r, size_t channel)
{
    const struct pipeline *p = r->p;

    if (p->channels[channel].close != CLOSE_IDLE)
        return;
    struct flow f = flow_new(r);
    flow_from(&f, channel);
    for (size_t i = 0; i < p->nprocesses; i++)
        if (f.seen[i] && !is_settled(&p->processes[i]) && leads_to(r, i, channel))
            diagnose(r->d, p->processes[i].place,
                     "write each: instead of command:, or ack: line where each line of input gives one of output",
                     "close: idle of \"%s\": nobody can see when \"%s\" has nothing more to write",
                     p->channels[channel].name, p->processes[i].name);
}

/* ---- partition */

static void check_partition(struct reader *r, const struct process *process)
{
    if (!process->partition || process->kind == PROCESS_WORKER)
        return;
    if (process->order == ORDER_INPUT)
        diagnose(r->d, process->place, "keep one of them: with partition values of the same field keep their order",
                 "\"%s\": partition and order: input exclude each other", process->name);
    if (process->input.kind != INPUT_CHANNELS || process->input.nchannels != 1)
        diagnose(r->d, process->place, "write stdin: CHANNEL", "\"%s\": partition is of one channel, that of stdin",
                 process->name);
    else if (r->p->channels[process->input.channels[0]].capacity == 0)
        diagnose(r->d, process->place, "write a capacity of at least 1, or leave it out: it is 1024 then",
                 "\"%s\": partition needs a channel that holds values, and \"%s\" has capacity 0", process->name,
                 r->p->channels[process->input.channels[0]].name);
}

/* ---- resume */

static bool others_lead_to(const struct process *process, size_t channel)
{
    for (size_t i = 0; process->error.kind == OUTPUT_CHANNELS && i < process->error.nchannels; i++)
        if (process->error.channels[i] == channel)
            return true;
    for (size_t i = 0; i < process->out.n; i++)
        if (process->out.item[i].channel == channel)
            return true;
    return false;
}

static void check_resume(struct reader *r, const struct process *process)
{
    const struct output *out = &process->output;

    if (process->resume != RESUME_SKIP)
        return;
    if (process->kind != PROCESS_COMMAND || process->input.kind == INPUT_CHANNELS || process->in.n > 0 ||
        process->serve != PIPELINE_NONE)
        diagnose(r->d, process->place, "take it out: what it read comes again by itself",
                 "\"%s\": resume: skip is for a command that reads no channel", process->name);
    else if (out->kind != OUTPUT_CHANNELS || out->nchannels != 1 || !r->p->channels[out->channels[0]].durable)
        diagnose(r->d, process->place, "write stdout: CHANNEL, and durable: DIRECTORY in that channel",
                 "\"%s\": resume: skip needs to know what was stored of one durable channel", process->name);
    else if (others_lead_to(process, out->channels[0]))
        diagnose(r->d, process->place, "let the others lead to another channel",
                 "\"%s\": resume: skip counts what stdout sends, and more of its descriptors lead to that channel",
                 process->name);
}

void check_guarantees(struct reader *r)
{
    for (size_t i = 0; i < r->p->nchannels; i++) {
        check_buffer(r, &r->p->channels[i]);
        check_receivers(r, &r->p->channels[i]);
        check_overflow(r, &r->p->channels[i]);
        check_chain(r, i);
        check_idle(r, i);
    }
    for (size_t i = 0; i < r->p->nprocesses; i++)
        check_partition(r, &r->p->processes[i]);
    for (size_t i = 0; i < r->p->nprocesses; i++)
        check_resume(r, &r->p->processes[i]);
}
