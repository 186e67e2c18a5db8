/* SPDX-License-Identifier: MPL-2.0 */
/* Arguments are shown as a shell would want them, so that a line can be copied to a terminal and tried alone. */
#include "edge.h"
#include "explain.h"
#include "pool.h"
#include "table.h"
#include "unit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool explain_argv_differs(const struct pipeline *p, size_t process)
{
    const struct program *program = &p->processes[process].program;
    bool differs = false;

    for (size_t i = 0; i < program->argc; i++)
        differs = differs || strstr(program->argv[i], "$replica") || strstr(program->argv[i], "${replica}");
    return differs;
}

char *explain_word(struct pool *pool, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    bool controls = false;
    char *out = pool_zalloc(pool, 4 * strlen(text) + 4), *to = out;

    if (*text && !text[strspn(text, plain)])
        return pool_copy(pool, text, strlen(text));
    for (const char *c = text; *c; c++)
        controls = controls || (unsigned char)*c < 0x20 || *c == 0x7f;
    to = stpcpy(to, controls ? "$'" : "'");
    for (const char *c = text; *c; c++)
        if (*c == '\n')
            to = stpcpy(to, "\\n");
        else if (controls && ((unsigned char)*c < 0x20 || *c == 0x7f))
            to += sprintf(to, "\\%03o", (unsigned char)*c);
        else if (*c == '\'')
            to = stpcpy(to, controls ? "\\'" : "'\\''");
        else if (*c == '\\' && controls)
            to = stpcpy(to, "\\\\");
        else
            *to++ = *c;
    stpcpy(to, "'");
    return out;
}

const char *explain_kind(const struct process *process)
{
    static const char *const kinds[] = {[PROCESS_COMMAND] = "command",
                                        [PROCESS_EACH] = "each",
                                        [PROCESS_PARTITION] = "partition",
                                        [PROCESS_WORKER] = "worker"};

    return kinds[process->kind];
}

const char *explain_close(const struct channel *c)
{
    static const char *const words[] = {[CLOSE_SENDERS] = "senders", [CLOSE_NEVER] = "never", [CLOSE_IDLE] = "idle"};

    return words[c->close];
}

static const char *command_line(struct pool *pool, const struct pipeline *p, size_t process, unsigned replica)
{
    char **argv = pipeline_argv(p, process, replica);
    const char *line = "";

    for (char **a = argv; *a; a++)
        line = pool_format(pool, "%s%s%s", line, a == argv ? "" : " ", explain_word(pool, *a));
    free(argv);
    return line;
}

static void process_rows(struct table *t, struct pool *pool, const struct pipeline *p, size_t i)
{
    const struct process *process = &p->processes[i];
    int64_t rows = explain_argv_differs(p, i) ? process->replicas : 1;

    for (int64_t replica = 1; replica <= rows; replica++) {
        table_cell(t, "%s", replica == 1 ? process->name : "");
        if (rows > 1)
            table_cell(t, "%" PRId64 " of %" PRId64, replica, process->replicas);
        else
            table_cell(t, "%" PRId64, process->replicas);
        table_cell(t, "%s", explain_kind(process));
        table_cell(t, "%s", command_line(pool, p, i, (unsigned)replica));
    }
}

static int print_processes(const struct pipeline *p, FILE *to)
{
    static const struct column columns[] = {
        {"PROCESS", COLUMN_TEXT}, {"REPLICAS", COLUMN_NUMBER}, {"KIND", COLUMN_TEXT}, {"RUNS", COLUMN_TEXT}};
    struct pool *pool = pool_new();
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < p->nprocesses; i++)
        process_rows(t, pool, p, i);
    int result = table_print(t, to, 1);
    table_free(t);
    pool_free(pool);
    return result;
}

/* The replica that reads the channel. */
static size_t lane_of(const struct pipeline *p, const struct process *process, const struct channel *c)
{
    size_t replica = 1;

    while (&p->channels[process->input.channels[replica - 1]] != c)
        replica++;
    return replica;
}

/* "grep x4, head"; nobody declared means guests. */
static const char *ends_text(struct pool *pool, const struct pipeline *p, const struct channel *c,
                             const struct end *ends, size_t n, const char *guests)
{
    const char *text = n ? "" : guests;

    for (size_t i = 0; i < n; i++) {
        const struct process *process = &p->processes[ends[i].process];
        text = pool_format(pool, "%s%s%s", text, i ? ", " : "", process->name);
        if (process->laned && ends == c->receivers)
            text = pool_format(pool, "%s[%zu]", text, lane_of(p, process, c));
        else if (process->replicas > 1)
            text = pool_format(pool, "%s x%" PRId64, text, process->replicas);
    }
    return text;
}

/* In whole units that are of a size to be read. */
static char *memory_text(int64_t bytes, char text[UNIT_TEXT])
{
    int64_t unit = bytes >= 4 << 20 ? 1 << 20 : bytes >= 4 << 10 ? 1 << 10 : 1;

    return unit_print_size((bytes + unit - 1) / unit * unit, text);
}

static void channel_row(struct table *t, struct pool *pool, const struct pipeline *p, const struct channel *c)
{
    char max_bytes[UNIT_TEXT], memory[UNIT_TEXT];
    bool requests = c->service != PIPELINE_NONE;

    table_cell(t, "%s",
               ends_text(pool, p, c, c->senders, c->nsenders,
                         requests                     ? "(cspctl call)"
                         : c->source != PIPELINE_NONE ? "(dead letters)"
                                                      : "(cspctl send)"));
    table_cell(t, "-> %s ->", c->name);
    table_cell(t, "%s", ends_text(pool, p, c, c->receivers, c->nreceivers, "(cspctl recv)"));
    table_cell(t, "%s", edge_kind(p, c));
    table_cell(t, "%s", edge_why(p, c, pool));
    table_cell(t, "%s", edge_delivery(c));
    table_cell(t, "%" PRId64, c->capacity);
    table_cell(t, "%s", unit_print_size(c->max_bytes, max_bytes));
    table_cell(t, "%s", explain_close(c));
    table_cell(t, "%s", memory_text(edge_memory(p, c, EXEC_WINDOW), memory));
}

static int print_channels(const struct pipeline *p, FILE *to)
{
    static const struct column columns[] = {
        {"FROM", COLUMN_TEXT},  {"CHANNEL", COLUMN_TEXT},  {"TO", COLUMN_TEXT},         {"KIND", COLUMN_TEXT},
        {"WHY", COLUMN_TEXT},   {"DELIVERY", COLUMN_TEXT}, {"CAPACITY", COLUMN_NUMBER}, {"MAX_BYTES", COLUMN_NUMBER},
        {"CLOSE", COLUMN_TEXT}, {"MEMORY", COLUMN_NUMBER}};
    struct pool *pool = pool_new();
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < p->nchannels; i++)
        channel_row(t, pool, p, &p->channels[i]);
    int result = table_print(t, to, 1);
    table_free(t);
    pool_free(pool);
    return result;
}

static int print_services(const struct pipeline *p, FILE *to)
{
    static const struct column columns[] = {
        {"SERVICE", COLUMN_TEXT}, {"DEADLINE", COLUMN_NUMBER}, {"HEDGE", COLUMN_NUMBER}, {"REQUIRE", COLUMN_TEXT},
        {"MERGE", COLUMN_TEXT},   {"LIMIT", COLUMN_NUMBER},    {"BACKENDS", COLUMN_TEXT}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);
    char deadline[UNIT_TEXT];
    struct pool *pool = pool_new();

    for (size_t i = 0; i < p->nservices; i++) {
        const struct service *s = &p->services[i];
        const char *backends = "";
        for (size_t j = 0; j < s->nbackends; j++)
            backends = pool_format(pool, "%s%s%s", backends, j ? ", " : "", p->processes[s->backends[j]].name);
        table_cell(t, "%s", s->name);
        table_cell(t, "%s", unit_print_duration(s->deadline, deadline));
        table_cell(t, "%s", s->hedge < 0 ? "-" : unit_print_duration(s->hedge, deadline));
        table_cell(t, "%s", s->require == REQUIRE_ALL ? "all" : pool_format(pool, "%" PRId64, s->require));
        table_cell(t, "by %s", s->merge.by);
        table_cell(t, "%" PRId64, s->merge.limit);
        table_cell(t, "%s", backends);
    }
    int result = table_print(t, to, 1);
    table_free(t);
    pool_free(pool);
    return result;
}

static int print_memory(const struct pipeline *p, FILE *to)
{
    char a[UNIT_TEXT], b[UNIT_TEXT], c[UNIT_TEXT], window[UNIT_TEXT];

    return fprintf(to,
                   "\nat most %s of values in channels, on the way and in the bridges (%s of it), while no value is "
                   "larger than %s; %s if values are as large as max_bytes allows\n",
                   memory_text(edge_total(p, EXEC_WINDOW), a), memory_text(edge_bridges(p, EXEC_WINDOW), b),
                   unit_print_size(EXEC_WINDOW, window), memory_text(edge_total(p, INT64_MAX), c)) < 0
               ? -1
               : 0;
}

int explain_text(const struct pipeline *p, FILE *to)
{
    char deadline[UNIT_TEXT];

    fprintf(to, "%s: processes %zu (with replicas %zu), channels %zu, services %zu; deadline %s; on_failure %s\n\n",
            p->name, p->nprocesses, pipeline_total_replicas(p), p->nchannels, p->nservices,
            p->deadline < 0 ? "none" : unit_print_duration(p->deadline, deadline),
            p->on_failure == ON_FAILURE_STOP ? "stop" : "continue");
    int result = print_processes(p, to);
    if (result == 0 && p->nchannels) {
        fputc('\n', to);
        result = print_channels(p, to);
    }
    if (result == 0 && p->nservices) {
        fputc('\n', to);
        result = print_services(p, to);
    }
    if (result == 0 && p->nchannels)
        result = print_memory(p, to);
    return result;
}
