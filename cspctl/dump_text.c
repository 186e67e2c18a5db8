/* SPDX-License-Identifier: MPL-2.0 */
/* The dump for a person. Two or three lines a process, those first that somebody looks for: the ones that can never
 * move again, then those that have waited longest. What there are many of alike (channels, values, streams) is a table.
 */
#include "dump.h"
#include "pool.h"
#include "table.h"
#include "unit.h"

#include <csp.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_CASES    8 /* of a select */
#define SHOWN_ENDS     8
#define SHOWN_PARTNERS 3
#define SHOWN_IDS      6
#define TENTH          100000000

/* ---- processes */

enum rank { RANK_STUCK, RANK_WAITING, RANK_ATTACHED, RANK_OTHER, RANK_ENDED };

static enum rank rank(const struct dump_process *p)
{
    if (p->p->stuck)
        return RANK_STUCK;
    if (strcmp(p->p->state, "waiting") == 0)
        return RANK_WAITING;
    if (strcmp(p->p->state, "attached") == 0)
        return RANK_ATTACHED;
    return strcmp(p->p->state, "ended") == 0 ? RANK_ENDED : RANK_OTHER;
}

static int by_need(const void *a, const void *b, void *arg)
{
    const struct dump_process *x = *(const struct dump_process *const *)a, *y = *(const struct dump_process *const *)b;
    int64_t m = dump_lasting(arg, x) / TENTH, n = dump_lasting(arg, y) / TENTH; /* what looks the same is in order */

    if (rank(x) != rank(y))
        return (int)rank(x) - (int)rank(y);
    if (m != n)
        return m > n ? -1 : 1;
    return (x->p->id > y->p->id) - (x->p->id < y->p->id);
}

/* ", held by 3 filter, 4 filter and 12 more" */
static const char *partners(const struct dump *d, const struct snapshot_wait *w, struct pool *pool)
{
    if (strcmp(w->op, "exit") == 0 || strcmp(w->op, "time") == 0 || strcmp(w->op, "fd") == 0 || w->number == 0)
        return "";
    bool scope = strcmp(w->op, "scope") == 0;
    const char *text = scope ? "" : ", held by nobody else";
    int64_t *ids;
    size_t n = dump_partners(d, w, &ids);

    for (size_t i = 0; i < n && i < SHOWN_PARTNERS; i++) {
        const struct dump_process *p = dump_process(d, ids[i]);
        text = pool_format(pool, "%s%s%" PRId64 " %s", i == 0 ? "" : text,
                           i > 0   ? ", "
                           : scope ? ": "
                                   : ", held by ",
                           ids[i], p != NULL ? p->name : "?");
    }
    free(ids);
    return n > SHOWN_PARTNERS ? pool_format(pool, "%s and %zu more", text, n - SHOWN_PARTNERS) : text;
}

static const char *at_place(const struct place *place, struct pool *pool)
{
    return place->address != 0 ? pool_format(pool, ", at %s", place_print(place, pool)) : "";
}

static void print_offer(const struct dump *d, const struct dump_process *p, size_t first, size_t n, FILE *to)
{
    struct pool *pool = pool_new();
    const struct snapshot_wait *w = &p->waits[first];
    const char *place = at_place(&p->places[first], pool);

    if (n == 1)
        dump_line(to, "    %s%s%s", dump_wait_phrase(d, w, ""), partners(d, w, pool), place);
    else
        dump_line(to, "    for one of %zu%s", n, place);
    for (size_t i = 0; n > 1 && i < n && i < SHOWN_CASES; i++)
        dump_line(to, "        %s%s", dump_wait_phrase(d, w + i, ""), partners(d, w + i, pool));
    if (n > SHOWN_CASES)
        dump_line(to, "        and %zu more", n - SHOWN_CASES);
    pool_free(pool);
}

/* "receives from a, b; sends to c": what it could do. */
static void print_ends(const struct dump *d, const struct dump_process *p, FILE *to)
{
    static const struct {
        char end;
        const char *verb;
    } directions[] = {{'r', "receives from"}, {'s', "sends to"}};
    struct pool *pool = pool_new();
    const char *text = "";

    for (size_t k = 0; k < 2; k++) {
        size_t n = 0;
        for (size_t i = 0; i < p->nends; i++) {
            if (strchr(p->ends[i].ends, directions[k].end) == NULL || n++ >= SHOWN_ENDS)
                continue;
            text = n == 1 ? pool_format(pool, "%s%s%s ", text, *text != '\0' ? "; " : "", directions[k].verb)
                          : pool_format(pool, "%s, ", text);
            text = pool_format(pool, "%s%s", text, dump_channel_name(d, p->ends[i].channel));
        }
        if (n > SHOWN_ENDS)
            text = pool_format(pool, "%s and %zu more", text, n - SHOWN_ENDS);
    }
    if (*text != '\0')
        dump_line(to, "    %s", text);
    pool_free(pool);
}

static const char *condition(const struct dump_process *p)
{
    static const char *const ranks[] = {
        [RANK_STUCK] = "stuck", [RANK_WAITING] = "waits", [RANK_ATTACHED] = "runs", [RANK_ENDED] = "ended"};

    return rank(p) == RANK_OTHER ? p->p->state : ranks[rank(p)];
}

static void print_process(const struct dump *d, const struct dump_process *p, FILE *to)
{
    struct pool *pool = pool_new();
    char age[UNIT_TEXT], left[UNIT_TEXT];
    const struct snapshot_process *s = p->p;
    const char *more = s->pid == d->run->info.root ? ", the root" : "";

    if (s->program > 0)
        more = pool_format(pool, "%s, program %" PRId64, more, s->program);
    if (s->scope > 0)
        more = pool_format(pool, "%s, in scope %" PRId64, more, s->scope);
    if (s->cancelled != 0)
        more = pool_format(pool, "%s, cancelled%s", more, s->cancelled == CSP_DEADLINE ? " by a deadline" : "");
    if (p->nwaits > 0 && p->waits[0].deadline >= 0)
        more = pool_format(pool, "%s, at most %s more", more, unit_print_age(p->waits[0].deadline - d->now, left));
    dump_line(to, "process %" PRId64 " %s: %s %s, pid %" PRId64 "%s", s->id, p->name, condition(p),
              unit_print_age(dump_lasting(d, p), age), s->pid, more);
    for (size_t i = 0, n; i < p->nwaits; i += n) {
        n = dump_offer(p, i);
        print_offer(d, p, i, n, to);
    }
    print_ends(d, p, to);
    pool_free(pool);
}

static void print_processes(const struct dump *d, FILE *to)
{
    const struct dump_process **order = memory_alloc((d->n + 1) * sizeof(void *));
    size_t count[RANK_ENDED + 1] = {0};

    for (size_t i = 0; i < d->n; i++) {
        order[i] = &d->processes[i];
        count[rank(order[i])]++;
    }
    qsort_r((void *)order, d->n, sizeof(void *), by_need, (void *)d);
    size_t others = count[RANK_ATTACHED] + count[RANK_OTHER];
    char number[UNIT_TEXT];
    fprintf(to, "%s: ", unit_print_number(d->n - count[RANK_ENDED], "process", number));
    if (count[RANK_STUCK] > 0)
        fprintf(to, "%zu can never move again, ", count[RANK_STUCK]);
    fprintf(to, "%zu wait%s, %zu %s not; %zu %s ended\n\n", count[RANK_WAITING], count[RANK_WAITING] == 1 ? "s" : "",
            others, others == 1 ? "does" : "do", count[RANK_ENDED], count[RANK_ENDED] == 1 ? "has" : "have");
    for (size_t i = 0; i < d->n - count[RANK_ENDED]; i++)
        print_process(d, order[i], to);
    free((void *)order);
}

/* ---- tables */

static void id_list(struct table *t, const int64_t *ids, size_t n, int64_t more)
{
    struct pool *pool = pool_new();
    const char *text = "";

    for (size_t i = 0; i < n && i < SHOWN_IDS; i++)
        text = pool_format(pool, "%s%s%" PRId64, text, i > 0 ? "," : "", ids[i]);
    more += n > SHOWN_IDS ? (int64_t)(n - SHOWN_IDS) : 0;
    if (more > 0)
        text = pool_format(pool, "%s+%" PRId64, text, more);
    table_cell(t, "%s", *text != '\0' ? text : "-");
    pool_free(pool);
}

/* Who holds an end; what is counted beyond the processes is in values on their way. */
static void holder_cell(const struct dump *d, struct table *t, int64_t channel, char end, int64_t all)
{
    int64_t *ids;
    size_t n = dump_holders(d, channel, end, &ids);

    id_list(t, ids, n, all - (int64_t)n);
    free(ids);
}

static void finish(struct table *t, FILE *to)
{
    fputc('\n', to);
    (void)table_print(t, to, 1);
    table_free(t);
}

static void print_channels(const struct dump *d, FILE *to)
{
    static const struct column columns[] = {
        {"CHANNEL", COLUMN_TEXT}, {"CAPACITY", COLUMN_NUMBER}, {"VALUES", COLUMN_NUMBER}, {"BYTES", COLUMN_NUMBER},
        {"SENT", COLUMN_NUMBER},  {"RECEIVED", COLUMN_NUMBER}, {"STATE", COLUMN_TEXT},    {"KIND", COLUMN_TEXT},
        {"SENDERS", COLUMN_TEXT}, {"RECEIVERS", COLUMN_TEXT}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < d->s->nchannels; i++) {
        const struct snapshot_channel *c = &d->s->channels[i];
        const int64_t numbers[] = {c->capacity, c->values, c->bytes, c->sent, c->received};
        table_cell(t, "%s", dump_channel_name(d, c->id));
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            table_cell(t, "%" PRId64, numbers[k]);
        table_cell(t, "%s", c->state);
        table_cell(t, "%s", snapshot_kind(d->s, c));
        holder_cell(d, t, c->id, 's', c->senders);
        holder_cell(d, t, c->id, 'r', c->receivers);
    }
    finish(t, to);
}

static void print_values(const struct dump *d, FILE *to)
{
    static const struct column columns[] = {{"VALUES", COLUMN_NUMBER}, {"BYTES", COLUMN_NUMBER},
                                            {"CHANNEL", COLUMN_TEXT},  {"WHERE", COLUMN_TEXT},
                                            {"PROCESS", COLUMN_TEXT},  {"BEGINS", COLUMN_TEXT}};
    static const struct {
        const char *where, *shown;
    } wheres[] = {{"send", "waits to be sent by"}, {"prefetch", "delivered ahead to"}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < d->s->nvalues; i++) {
        const struct snapshot_value *v = &d->s->values[i];
        const struct dump_process *p = dump_process(d, v->process);
        const char *where = v->where;
        for (size_t k = 0; k < sizeof wheres / sizeof *wheres; k++)
            where = strcmp(v->where, wheres[k].where) == 0 ? wheres[k].shown : where;
        table_cell(t, "%" PRId64, v->count);
        table_cell(t, "%" PRId64, v->bytes);
        table_cell(t, "%s", dump_channel_name(d, v->channel));
        table_cell(t, "%s", where);
        if (v->process != 0)
            table_cell(t, "%" PRId64 " %s", v->process, p != NULL ? p->name : "(guest)");
        else
            table_cell(t, "-");
        table_cell(t, "%s", v->preview);
    }
    finish(t, to);
}

static void print_streams(const struct dump *d, FILE *to)
{
    static const struct column columns[] = {{"STREAM", COLUMN_TEXT},   {"PROCESS", COLUMN_TEXT},
                                            {"WINDOW", COLUMN_NUMBER}, {"UNDER WAY", COLUMN_NUMBER},
                                            {"HOW", COLUMN_TEXT},      {"FOR", COLUMN_NUMBER}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);
    char text[UNIT_TEXT];

    for (size_t i = 0; i < d->s->nstreams; i++) {
        const struct snapshot_stream *s = &d->s->streams[i];
        const struct dump_process *p = dump_process(d, s->process);
        table_cell(t, "%s %s", *s->direction == 's' ? "to" : "from", dump_channel_name(d, s->channel));
        table_cell(t, "%" PRId64 " %s", s->process, p != NULL ? p->name : "?");
        table_cell(t, "%s", unit_print_size(s->window, text));
        table_cell(t, "%" PRId64, s->values);
        table_cell(t, "%s", s->how);
        table_cell(t, "%s", s->since > 0 ? unit_print_age(d->now - s->since, text) : "-");
    }
    finish(t, to);
}

static void print_scopes(const struct dump *d, FILE *to)
{
    static const struct column columns[] = {{"SCOPE", COLUMN_NUMBER},    {"INSIDE", COLUMN_NUMBER},
                                            {"ENTERED BY", COLUMN_TEXT}, {"DEADLINE", COLUMN_TEXT},
                                            {"STATE", COLUMN_TEXT},      {"MEMBERS", COLUMN_TEXT}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);
    char text[UNIT_TEXT];

    for (size_t i = 0; i < d->s->nscopes; i++) {
        const struct snapshot_scope *s = &d->s->scopes[i];
        const struct dump_process *p = dump_process(d, s->process);
        const struct snapshot_wait all = {.op = "scope", .name = "-", .number = s->number};
        int64_t *ids;
        size_t n = dump_partners(d, &all, &ids);
        table_cell(t, "%" PRId64, s->number);
        table_cell(t, s->parent > 0 ? "%" PRId64 : "-", s->parent);
        table_cell(t, "%" PRId64 " %s", s->process, p != NULL ? p->name : "?");
        table_cell(t, s->deadline >= 0 ? "in %s" : "-", unit_print_age(s->deadline - d->now, text));
        table_cell(t, "%s",
                   s->cancelled == 0              ? "open"
                   : s->cancelled == CSP_DEADLINE ? "its deadline passed"
                                                  : "cancelled");
        id_list(t, ids, n, s->members - (int64_t)n);
        free(ids);
    }
    finish(t, to);
}

void dump_text(const struct dump *d, FILE *to)
{
    live_print(d->run, to);
    print_processes(d, to);
    if (d->s->nchannels > 0)
        print_channels(d, to);
    if (d->s->nvalues > 0)
        print_values(d, to);
    if (d->s->nstreams > 0)
        print_streams(d, to);
    if (d->s->nscopes > 0)
        print_scopes(d, to);
}
