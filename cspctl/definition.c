/* SPDX-License-Identifier: MPL-2.0 */
/* Two replicas show whether a text that holds the number of one is the same for each. */
#include "definition.h"

#include <stdlib.h>
#include <string.h>

#define REPLICAS 2

struct sides {
    const struct pipeline *a, *b;
    size_t i, k; /* the processes */
};

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_words(char *const a[], char *const b[])
{
    size_t n = 0;

    while (a[n] != NULL && b[n] != NULL && strcmp(a[n], b[n]) == 0)
        n++;
    return a[n] == NULL && b[n] == NULL;
}

/* In any order; no name is there twice. */
static bool holds_words(char *const all[], char *const words[])
{
    for (; *words != NULL; words++) {
        size_t n = 0;
        while (all[n] != NULL && strcmp(all[n], *words) != 0)
            n++;
        if (all[n] == NULL)
            return false;
    }
    return true;
}

/* ---- what is expanded */

static bool same_argv(char **vector(const struct pipeline *, size_t, unsigned), const struct sides *s, unsigned replica)
{
    char **a = vector(s->a, s->i, replica), **b = vector(s->b, s->k, replica);
    bool same = same_words(a, b);

    free(a);
    free(b);
    return same;
}

static bool same_path(char *path(const struct pipeline *, size_t, unsigned), const struct sides *s, unsigned replica)
{
    char *a = path(s->a, s->i, replica), *b = path(s->b, s->k, replica);
    bool same = same_text(a, b);

    free(a);
    free(b);
    return same;
}

static bool same_environment(const struct sides *s, unsigned replica)
{
    char **a = pipeline_environment(s->a, s->i, replica, NULL), **b = pipeline_environment(s->b, s->k, replica, NULL);
    bool same = holds_words(a, b) && holds_words(b, a);

    free(a);
    free(b);
    return same;
}

static bool has_program(const struct program *p)
{
    return p->argv != NULL || p->shell != NULL;
}

/* A list and a string may come to the same words and are not the same: $1 of a string is its shell's. */
static bool same_kind(const struct program *a, const struct program *b)
{
    return (a->argv != NULL) == (b->argv != NULL) && (a->shell != NULL) == (b->shell != NULL) &&
           same_text(a->path, b->path);
}

static bool same_start(const struct sides *s)
{
    const struct process *x = &s->a->processes[s->i], *y = &s->b->processes[s->k];
    bool same = same_kind(&x->program, &y->program) && same_kind(&x->ready.exec, &y->ready.exec);

    for (unsigned replica = 1; same && replica <= REPLICAS; replica++)
        same = (!has_program(&x->program) || same_argv(pipeline_argv, s, replica)) &&
               (!has_program(&x->ready.exec) || same_argv(pipeline_ready_argv, s, replica)) &&
               same_environment(s, replica) && same_path(pipeline_cwd, s, replica) &&
               same_path(pipeline_input_file, s, replica);
    return same;
}

/* ---- ends */

static bool same_channel(const struct sides *s, size_t a, size_t b)
{
    if (a == PIPELINE_NONE || b == PIPELINE_NONE)
        return a == b;
    return strcmp(s->a->channels[a].name, s->b->channels[b].name) == 0;
}

static bool same_channels(const struct sides *s, const size_t *a, size_t na, const size_t *b, size_t nb)
{
    for (size_t i = 0; na == nb && i < na; i++)
        if (!same_channel(s, a[i], b[i]))
            return false;
    return na == nb;
}

static bool same_output(const struct sides *s, const struct output *a, const struct output *b)
{
    return a->kind == b->kind &&
           (a->kind != OUTPUT_CHANNELS || same_channels(s, a->channels, a->nchannels, b->channels, b->nchannels));
}

/* Lanes may be more or fewer with the replicas. */
static bool same_input(const struct sides *s, const struct process *x, const struct process *y)
{
    const struct input *a = &x->input, *b = &y->input;

    return a->kind == b->kind && x->laned == y->laned &&
           (a->kind != INPUT_CHANNELS || same_channels(s, a->channels, a->nchannels, b->channels, b->nchannels));
}

static bool same_ports(const struct sides *s, const struct ports *a, const struct ports *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (a->item[i].fd != b->item[i].fd || !same_channel(s, a->item[i].channel, b->item[i].channel))
            return false;
    return a->n == b->n;
}

static bool same_ends(const struct sides *s, const struct process *x, const struct process *y)
{
    bool serves = x->serve != PIPELINE_NONE && y->serve != PIPELINE_NONE;

    return same_input(s, x, y) && same_output(s, &x->output, &y->output) && same_output(s, &x->error, &y->error) &&
           same_ports(s, &x->in, &y->in) && same_ports(s, &x->out, &y->out) &&
           same_channel(s, x->requests, y->requests) &&
           (serves ? strcmp(s->a->services[x->serve].name, s->b->services[y->serve].name) == 0 : x->serve == y->serve);
}

/* ---- what it promises */

static bool has_mention(const struct mentions *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->item[i].name, name) == 0)
            return true;
    return false;
}

static bool holds_mentions(const struct mentions *all, const struct mentions *some)
{
    for (size_t i = 0; i < some->n; i++)
        if (!has_mention(all, some->item[i].name))
            return false;
    return true;
}

static bool same_restart(const struct restart *a, const struct restart *b)
{
    return a->when == b->when && a->attempts == b->attempts && a->within == b->within &&
           a->delay.least == b->delay.least && a->delay.most == b->delay.most;
}

static bool same_values(const struct process *x, const struct process *y)
{
    return x->records_in == y->records_in && x->records_out == y->records_out && x->timeout == y->timeout &&
           x->batch.values == y->batch.values && x->batch.bytes == y->batch.bytes && x->ack == y->ack &&
           x->order == y->order && x->resume == y->resume && same_text(x->partition, y->partition);
}

static bool same_life(const struct process *x, const struct process *y)
{
    return memcmp(x->success, y->success, sizeof x->success) == 0 &&
           memcmp(x->reject, y->reject, sizeof x->reject) == 0 && x->grace == y->grace &&
           same_restart(&x->restart, &y->restart) && same_text(x->ready.line, y->ready.line) &&
           holds_mentions(&x->depends_on, &y->depends_on) && holds_mentions(&y->depends_on, &x->depends_on);
}

bool definition_same(const struct pipeline *a, size_t process, const struct pipeline *b, size_t other)
{
    const struct process *x = &a->processes[process], *y = &b->processes[other];
    const struct sides s = {a, b, process, other};

    return x->kind == y->kind && same_values(x, y) && same_life(x, y) && same_ends(&s, x, y) && same_start(&s);
}

/* ---- channels */

const char *definition_channel_key(const struct pipeline *a, size_t channel, const struct pipeline *b, size_t other)
{
    const struct channel *x = &a->channels[channel], *y = &b->channels[other];
    const struct sides s = {.a = a, .b = b};

    if (x->capacity != y->capacity)
        return "capacity";
    if (x->max_bytes != y->max_bytes)
        return "max_bytes";
    if (x->close != y->close)
        return "close";
    if (x->overflow != y->overflow)
        return "overflow";
    if (!same_text(x->durable, y->durable))
        return "durable";
    if (x->retries != y->retries || (x->retries && x->attempts != y->attempts) || x->delay.least != y->delay.least ||
        x->delay.most != y->delay.most || !same_channel(&s, x->dead, y->dead))
        return "retry";
    if (x->ordered != y->ordered)
        return "order, of who receives from it";
    return x->attempts != y->attempts ? "ack, of who receives from it" : NULL;
}
