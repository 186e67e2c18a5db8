/* SPDX-License-Identifier: MPL-2.0 */
/* The broker says what belongs to a process behind the process, so its waits, ends and streams are stretches of the
 * snapshot's lists; only who holds a channel needs an order of its own. Places are resolved here, after the run has
 * been left: while a guest is in it, it counts as one who could still send. */
#include "dump.h"
#include "pool.h"
#include "table.h"
#include "unit.h"

#include <run.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dump_line(FILE *to, const char *format, ...)
{
    struct pool *pool = pool_new();
    va_list args;

    va_start(args, format);
    const char *text = pool_vformat(pool, format, args);
    va_end(args);
    char *shown = table_printable(text, strlen(text));
    fprintf(to, "%s\n", shown);
    free(shown);
    pool_free(pool);
}

/* ---- names */

static int by_id(const void *a, const void *b)
{
    const struct dump_process *x = a, *y = b;

    return (x->p->id > y->p->id) - (x->p->id < y->p->id);
}

const struct dump_process *dump_process(const struct dump *d, int64_t id)
{
    const struct snapshot_process wanted = {.id = id};
    const struct dump_process key = {.p = &wanted};

    return d->n > 0 ? bsearch(&key, d->processes, d->n, sizeof key, by_id) : NULL;
}

static int channels_by_id(const void *a, const void *b)
{
    const struct snapshot_channel *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

const struct snapshot_channel *dump_channel(const struct dump *d, int64_t id)
{
    const struct snapshot_channel key = {.id = id};

    return d->s->nchannels > 0 ? bsearch(&key, d->s->channels, d->s->nchannels, sizeof key, channels_by_id) : NULL;
}

const char *dump_channel_name(const struct dump *d, int64_t id)
{
    const struct snapshot_channel *c = dump_channel(d, id);

    return c != NULL && strcmp(c->name, "-") != 0 ? c->name : pool_format(d->pool, "#%" PRId64, id);
}

/* Whether another replica of the process is there. */
static bool has_sibling(const struct dump *d, const struct dump_process *p)
{
    for (size_t i = 0; i < d->n; i++)
        if (&d->processes[i] != p && d->processes[i].p->replica > 0 && strcmp(d->processes[i].p->name, p->p->name) == 0)
            return true;
    return false;
}

static const char *name_of(const struct dump *d, const struct dump_process *p)
{
    const struct place *f = &p->function;

    if (strcmp(p->p->name, "-") != 0)
        return has_sibling(d, p) && p->p->replica > 0
                   ? pool_format(d->pool, "%s[%" PRId64 "]", p->p->name, p->p->replica)
                   : p->p->name;
    if (f->function != NULL || f->symbol != NULL)
        return f->function != NULL ? f->function : f->symbol;
    if (f->address != 0)
        return place_print(f, d->pool);
    return p->p->parent == 0 ? "(guest)" : "(no name)";
}

/* ---- what belongs to a process */

static bool is_ended(const struct dump_process *p)
{
    return strcmp(p->p->state, "ended") == 0;
}

/* The items of a list that belong to the process `id`: how many, from *at on, which is moved there. The lists are in
 * the order of the processes. */
static size_t stretch(const void *list, size_t count, size_t size, int64_t id, size_t *at)
{
    const char *items = list;
    int64_t owner;
    size_t n = 0;

    for (; *at < count; ++*at)
        if (memcpy(&owner, items + *at * size, sizeof owner), owner >= id)
            break;
    while (*at + n < count && (memcpy(&owner, items + (*at + n) * size, sizeof owner), owner == id))
        n++;
    return n;
}

static void join_lists(struct dump *d)
{
    const struct snapshot *s = d->s;
    size_t wait = 0, end = 0, stream = 0;

    for (size_t i = 0; i < d->n; i++) {
        struct dump_process *p = &d->processes[i];
        p->nwaits = stretch(s->waits, s->nwaits, sizeof *s->waits, p->p->id, &wait);
        p->waits = p->nwaits != 0 ? s->waits + wait : NULL;
        p->nends = stretch(s->ends, s->nends, sizeof *s->ends, p->p->id, &end);
        p->ends = p->nends != 0 ? s->ends + end : NULL;
        p->nstreams = stretch(s->streams, s->nstreams, sizeof *s->streams, p->p->id, &stream);
        p->streams = p->nstreams != 0 ? s->streams + stream : NULL;
    }
}

static void resolve(struct dump *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct dump_process *p = &d->processes[i];
        pid_t pid = is_ended(p) ? 0 : (pid_t)p->p->pid;
        if (p->p->function != 0)
            p->function = places_find(d->places, pid, p->p->function, false);
        p->places = pool_zalloc(d->pool, (p->nwaits + 1) * sizeof *p->places);
        for (size_t k = 0; k < p->nwaits; k++)
            if (p->waits[k].place != 0)
                p->places[k] = places_find(d->places, pid, p->waits[k].place, true);
    }
    for (size_t i = 0; i < d->n; i++)
        d->processes[i].name = name_of(d, &d->processes[i]);
}

size_t dump_offer(const struct dump_process *p, size_t first)
{
    size_t n = 0;

    while (first + n < p->nwaits && p->waits[first + n].line == p->waits[first].line)
        n++;
    return n;
}

int64_t dump_lasting(const struct dump *d, const struct dump_process *p)
{
    int64_t since = p->nwaits > 0 ? p->waits[0].since : p->p->since;

    for (size_t i = 1; i < p->nwaits; i++)
        since = p->waits[i].since < since ? p->waits[i].since : since;
    return since > 0 && d->now > since ? d->now - since : 0;
}

size_t dump_stuck(const struct dump *d, enum stuck how)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++)
        n += d->processes[i].p->stuck == (int64_t)how;
    return n;
}

/* ---- who holds what */

static int ends_by_channel(const void *a, const void *b)
{
    const struct snapshot_end *x = a, *y = b;

    if (x->channel != y->channel)
        return x->channel < y->channel ? -1 : 1;
    return (x->process > y->process) - (x->process < y->process);
}

static void index_ends(struct dump *d)
{
    size_t n = d->s->nends;

    d->by_channel = pool_zalloc(d->pool, (n + 1) * sizeof *d->by_channel);
    if (n == 0)
        return;
    memcpy(d->by_channel, d->s->ends, n * sizeof *d->by_channel);
    qsort(d->by_channel, n, sizeof *d->by_channel, ends_by_channel);
}

size_t dump_holders(const struct dump *d, int64_t channel, char end, int64_t **ids)
{
    size_t low = 0, high = d->s->nends, n = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->by_channel[middle].channel < channel)
            low = middle + 1;
        else
            high = middle;
    }
    for (high = low; high < d->s->nends && d->by_channel[high].channel == channel; high++)
        ;
    *ids = memory_alloc((high - low + 1) * sizeof **ids);
    for (size_t i = low; i < high; i++)
        if (strchr(d->by_channel[i].ends, end) != NULL)
            (*ids)[n++] = d->by_channel[i].process;
    return n;
}

static size_t members(const struct dump *d, int64_t scope, int64_t **ids)
{
    size_t n = 0;

    *ids = memory_alloc((d->n + 1) * sizeof **ids);
    for (size_t i = 0; i < d->n; i++)
        if (d->processes[i].p->scope == scope && !is_ended(&d->processes[i]))
            (*ids)[n++] = d->processes[i].p->id;
    return n;
}

/* ---- operations */

enum object { OBJECT_NONE, OBJECT_CHANNEL, OBJECT_GROUP, OBJECT_PROCESS, OBJECT_SCOPE, OBJECT_TIME, OBJECT_FD };

static const struct operation {
    const char *op, *phrase; /* phrase: what "waits" is followed by; %s is the object */
    enum object object;
    char partner; /* the end of the channel that its partner holds */
} operations[] = {
    {"send", "to send to %s", OBJECT_CHANNEL, 'r'},
    {"recv", "to receive from %s", OBJECT_CHANNEL, 's'},
    {"wait", "for the group %s", OBJECT_GROUP, 'r'},
    {"scope", "for the members of scope %s", OBJECT_SCOPE, 0},
    {"put", "for room in its stream to %s", OBJECT_CHANNEL, 'r'},
    {"flush", "for its stream to %s to be flushed", OBJECT_CHANNEL, 'r'},
    {"take", "to receive from %s", OBJECT_CHANNEL, 's'},
    {"exit", "for the end of process %s", OBJECT_PROCESS, 0},
    {"time", "for a time, %s", OBJECT_TIME, 0},
    {"fd", "for descriptor %s", OBJECT_FD, 0},
    {"none", "for nothing, in a case without a channel%s", OBJECT_NONE, 0},
};

static const struct operation *operation(const struct snapshot_wait *w)
{
    size_t n = sizeof operations / sizeof *operations;

    for (size_t i = 0; i < n; i++)
        if (strcmp(w->op, operations[i].op) == 0 && (w->number != 0 || operations[i].object >= OBJECT_TIME))
            return &operations[i];
    return &operations[n - 1];
}

static const char *object(const struct dump *d, const struct operation *o, const struct snapshot_wait *w)
{
    const struct dump_process *p = o->object == OBJECT_PROCESS ? dump_process(d, w->number) : NULL;
    char text[UNIT_TEXT];

    switch (o->object) {
    case OBJECT_NONE:
        return "";
    case OBJECT_CHANNEL:
    case OBJECT_GROUP:
        return strcmp(w->name, "-") != 0 ? w->name : dump_channel_name(d, w->number);
    case OBJECT_TIME:
        return w->number > d->now ? pool_format(d->pool, "in %s", unit_print_age(w->number - d->now, text)) : "now";
    default:
        return p != NULL ? pool_format(d->pool, "%" PRId64 " (%s)", w->number, p->name)
                         : pool_format(d->pool, "%" PRId64, w->number);
    }
}

const char *dump_wait_phrase(const struct dump *d, const struct snapshot_wait *w, const char *channel)
{
    const struct operation *o = operation(w);
    const char *gap = strstr(o->phrase, "%s");

    return pool_format(d->pool, "%.*s%s%s%s", (int)(gap - o->phrase), o->phrase,
                       o->object == OBJECT_CHANNEL ? channel : "", object(d, o, w), gap + 2);
}

size_t dump_partners(const struct dump *d, const struct snapshot_wait *w, int64_t **ids)
{
    const struct operation *o = operation(w);
    size_t n = 0, all = 0;

    if (o->object == OBJECT_CHANNEL || o->object == OBJECT_GROUP)
        all = dump_holders(d, w->number, o->partner, ids);
    else if (o->object == OBJECT_SCOPE)
        all = members(d, w->number, ids);
    else {
        *ids = memory_alloc(sizeof **ids);
        **ids = w->number;
        all = o->object == OBJECT_PROCESS;
    }
    for (size_t i = 0; i < all; i++)
        if ((*ids)[i] != w->process)
            (*ids)[n++] = (*ids)[i];
    return n;
}

/* ---- taking it */

struct dump *dump_of(struct snapshot *s, const struct live *run, csp_time now)
{
    struct pool *pool = pool_new();
    struct dump *d = pool_zalloc(pool, sizeof *d);

    *d = (struct dump){.run = run, .s = s, .now = now, .pool = pool, .places = places_new()};
    d->processes = pool_zalloc(pool, (s->nprocesses + 1) * sizeof *d->processes);
    for (size_t i = 0; i < s->nprocesses; i++)
        if (s->processes[i].pid != getpid())
            d->processes[d->n++].p = &s->processes[i];
    join_lists(d);
    index_ends(d);
    resolve(d);
    return d;
}

struct dump *dump_take(const struct live *run)
{
    struct snapshot *s = csp__join(run->dir) == 0 ? snapshot_ask_dump() : NULL;
    csp_time now = csp_now();
    int err = errno;

    (void)csp_term();
    errno = err;
    return s != NULL ? dump_of(s, run, now) : NULL;
}

void dump_free(struct dump *d)
{
    if (d == NULL)
        return;
    places_free(d->places);
    snapshot_free(d->s);
    pool_free(d->pool);
}
