/* SPDX-License-Identifier: MPL-2.0 */
/* The ends of a process are a union: however many of its descriptors lead to a channel, it holds the end once. */
#include "bridge.h"
#include "pool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool process_bridged(const struct pipeline *p, size_t process)
{
    const struct process *c = &p->processes[process];

    if (c->kind == PROCESS_EACH || c->kind == PROCESS_PARTITION)
        return true;
    return c->kind == PROCESS_COMMAND &&
           (c->serve != PIPELINE_NONE || c->input.kind == INPUT_CHANNELS || c->output.kind == OUTPUT_CHANNELS ||
            c->error.kind == OUTPUT_CHANNELS || c->in.n > 0 || c->out.n > 0);
}

/* ---- ends */

void process_inputs(const struct process *process, unsigned replica, const size_t **channels, size_t *n)
{
    *channels = process->input.channels;
    *n = process->input.kind == INPUT_CHANNELS ? process->input.nchannels : 0;
    if (!process->laned)
        return;
    *channels += replica - 1;
    *n = 1;
}

static void grant(unsigned char *ends, const size_t *channels, size_t n, unsigned char end)
{
    for (size_t i = 0; i < n; i++)
        ends[channels[i]] |= end;
}

static void grant_ports(unsigned char *ends, const struct ports *ports, unsigned char end)
{
    for (size_t i = 0; i < ports->n; i++)
        ends[ports->item[i].channel] |= end;
}

size_t process_grants(const struct pipeline *p, size_t process, unsigned replica, const csp_chan *chans,
                      struct csp__grant **grants)
{
    const struct process *c = &p->processes[process];
    unsigned char *ends = memory_zalloc(p->nchannels, sizeof *ends);
    size_t n = 0, ninputs;
    const size_t *inputs;

    if (c->serve != PIPELINE_NONE)
        grant(ends, &c->requests, 1, CSP_RECV);
    process_inputs(c, replica, &inputs, &ninputs);
    grant(ends, inputs, ninputs, CSP_RECV);
    if (c->output.kind == OUTPUT_CHANNELS)
        grant(ends, c->output.channels, c->output.nchannels, CSP_SEND);
    if (c->error.kind == OUTPUT_CHANNELS)
        grant(ends, c->error.channels, c->error.nchannels, CSP_SEND);
    grant_ports(ends, &c->in, CSP_RECV);
    grant_ports(ends, &c->out, CSP_SEND);
    *grants = memory_alloc(p->nchannels * sizeof **grants);
    for (size_t i = 0; i < p->nchannels; i++)
        if (ends[i] != 0)
            (*grants)[n++] = (struct csp__grant){chans[i], ends[i]};
    free(ends);
    return n;
}

/* ---- command line */

struct words {
    char **item;
    size_t n;
    struct pool *pool;
};

static void word(struct words *w, const char *text)
{
    w->item = pool_more(w->pool, w->item, w->n, sizeof *w->item);
    w->item[w->n++] = text != NULL ? pool_copy(w->pool, text, strlen(text)) : NULL;
}

static void option(struct words *w, const char *name, const char *value)
{
    word(w, name);
    word(w, value);
}

static void channel_options(struct words *w, const struct pipeline *p, const char *name, const size_t *channels,
                            size_t n)
{
    for (size_t i = 0; i < n; i++)
        option(w, name, p->channels[channels[i]].name);
}

static void port_options(struct words *w, const struct pipeline *p, const char *name, const struct ports *ports)
{
    for (size_t i = 0; i < ports->n; i++)
        option(w, name, pool_format(w->pool, "%d:%s", ports->item[i].fd, p->channels[ports->item[i].channel].name));
}

/* Whether who receives one of these works at each value for a while: with `ack: line` it may be as fast as any filter.
 */
static bool are_tasks(const struct pipeline *p, const size_t *channels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct channel *c = &p->channels[channels[i]];
        for (size_t k = 0; k < c->nreceivers; k++) {
            const struct process *to = &p->processes[c->receivers[k].process];
            if (to->kind == PROCESS_EACH || to->kind == PROCESS_PARTITION || to->ack == ACK_EXPLICIT)
                return true;
        }
    }
    return false;
}

/* Who acknowledges what it receives has little under way by itself. */
static void tasks_options(struct words *w, const struct pipeline *p, const struct process *c)
{
    if (c->kind != PROCESS_COMMAND || c->ack == ACK_LINE)
        return;
    if (c->output.kind == OUTPUT_CHANNELS && are_tasks(p, c->output.channels, c->output.nchannels))
        option(w, "--tasks", "1");
    if (c->error.kind == OUTPUT_CHANNELS && are_tasks(p, c->error.channels, c->error.nchannels))
        option(w, "--tasks", "2");
    for (size_t i = 0; i < c->out.n; i++)
        if (are_tasks(p, &c->out.item[i].channel, 1))
            option(w, "--tasks", pool_format(w->pool, "%d", c->out.item[i].fd));
}

static void ends_options(struct words *w, const struct pipeline *p, const struct process *c, unsigned replica)
{
    const size_t *inputs;
    size_t ninputs;

    process_inputs(c, replica, &inputs, &ninputs);
    if (c->serve != PIPELINE_NONE)
        option(w, "--serve", p->channels[c->requests].name);
    channel_options(w, p, "--in", inputs, ninputs);
    if (c->output.kind == OUTPUT_CHANNELS)
        channel_options(w, p, "--out", c->output.channels, c->output.nchannels);
    if (c->error.kind == OUTPUT_CHANNELS)
        channel_options(w, p, "--err", c->error.channels, c->error.nchannels);
    port_options(w, p, "--in-fd", &c->in);
    port_options(w, p, "--out-fd", &c->out);
    tasks_options(w, p, c);
}

static void codes_option(struct words *w, const char *name, const uint8_t codes[32])
{
    const char *list = "", *comma = "";

    for (unsigned code = 0; code < 256; code++)
        if (codes[code / 8] >> code % 8 & 1) {
            list = pool_format(w->pool, "%s%s%u", list, comma, code);
            comma = ",";
        }
    if (*list != '\0')
        option(w, name, list);
}

/* The i-th element of its list is written as a value: not one that a variable has made look like it. */
static bool value_at(const struct process *c, size_t i)
{
    return program_value(c->program.argv[i]) != VALUE_NONE;
}

static void setting_options(struct words *w, const struct process *c, const char *label)
{
    static const char *const records[] = {
        [RECORDS_LINE] = "line", [RECORDS_NUL] = "nul", [RECORDS_LENGTH] = "length", [RECORDS_WHOLE] = "whole"};

    option(w, "--records-in", records[c->records_in]);
    option(w, "--records-out", records[c->records_out]);
    codes_option(w, "--success", c->success);
    option(w, "--grace", pool_format(w->pool, "%" PRId64, (c->grace + 999999) / 1000000));
    option(w, "--report", pool_format(w->pool, "%d", bridge_report_fd(c)));
    if (c->ready.line != NULL)
        option(w, "--ready", c->ready.line);
    option(w, "--label", label);
}

/* What only a process has that acknowledges its values. */
static void lease_options(struct words *w, const struct process *c, char *const argv[])
{
    for (size_t i = 0; c->kind == PROCESS_EACH && argv[i] != NULL; i++)
        if (program_value(argv[i]) != VALUE_NONE && (c->program.shell != NULL || value_at(c, i)))
            option(w, program_value(argv[i]) == VALUE_ONE ? "--value" : "--values", pool_format(w->pool, "%zu", i));
    if (c->kind == PROCESS_EACH)
        word(w, "--each");
    else if (c->kind == PROCESS_PARTITION)
        option(w, "--partition", c->partition);
    else if (c->ack != ACK_WRITE)
        option(w, "--ack", c->ack == ACK_LINE ? "line" : "explicit");
    if (c->batch.values > 0)
        option(w, "--batch", pool_format(w->pool, "%" PRId64, c->batch.values));
    if (c->batch.bytes > 0)
        option(w, "--batch-bytes", pool_format(w->pool, "%" PRId64, c->batch.bytes));
    if (c->timeout > 0)
        option(w, "--timeout", pool_format(w->pool, "%" PRId64, (c->timeout + 999999) / 1000000));
    codes_option(w, "--reject", c->reject);
    if (c->order == ORDER_INPUT)
        word(w, "--ordered");
    if (c->resume == RESUME_SKIP)
        word(w, "--skip");
}

/* A task is known by its process, whatever replica does it. */
static void joblog_options(struct words *w, const struct pipeline *p, const struct process *c, unsigned replica)
{
    if (p->joblog == NULL || c->kind != PROCESS_EACH)
        return;
    option(w, "--joblog", p->joblog);
    option(w, "--joblog-name", pool_format(w->pool, "%u:%s", replica, c->name));
    if (p->joblog_resume)
        word(w, "--joblog-resume");
}

static int highest(const struct ports *ports, int fd)
{
    for (size_t i = 0; i < ports->n; i++)
        if (ports->item[i].fd > fd)
            fd = ports->item[i].fd;
    return fd;
}

int bridge_report_fd(const struct process *process)
{
    return highest(&process->out, highest(&process->in, 2)) + 1;
}

const char *process_label(const struct pipeline *p, size_t process, unsigned replica, struct pool *pool)
{
    const struct process *c = &p->processes[process];

    return c->replicas > 1 ? pool_format(pool, "%s[%u]", c->name, replica) : pool_copy(pool, c->name, strlen(c->name));
}

char **process_command(const struct pipeline *p, size_t process, unsigned replica, const char *exec, struct pool *pool)
{
    struct words w = {.pool = pool};
    char **argv = pipeline_argv(p, process, replica);

    if (process_bridged(p, process)) {
        word(&w, exec);
        ends_options(&w, p, &p->processes[process], replica);
        setting_options(&w, &p->processes[process], process_label(p, process, replica, pool));
        lease_options(&w, &p->processes[process], argv);
        joblog_options(&w, p, &p->processes[process], replica);
        word(&w, "--");
    }
    for (size_t i = 0; argv[i] != NULL; i++)
        word(&w, argv[i]);
    word(&w, NULL);
    free(argv);
    return w.item;
}
