/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl ps: what runs, and what each process waits for. The broker of each run is asked as a guest; one that does not
 * answer is said to, and the others are shown all the same. */
#include "command.h"
#include "live.h"
#include "message.h"
#include "snapshot.h"
#include "table.h"

#include <run.h>

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static int run(int argc, char **argv);

const struct command command_ps = {
    .name = "ps",
    .args = "[--run NAME] [-o json]",
    .help = "list the live runs; of one, its processes and channels",
    .run = run,
    .details = "  -r, --run NAME|DIR       that run in full (so is the only one there is)\n"
               "  -o, --output text|json   how to print it\n"
               "\nstatus: 0, 64 usage, 69 no such run, or its broker does not answer\n",
};

#define AGE_TEXT 32

/* "0.4s", "12s", "3m05s", "2h07m", "5d03h". */
static const char *age(int64_t ns, char buf[AGE_TEXT])
{
    int64_t s = ns > 0 ? ns / 1000000000 : 0;

    if (s < 10)
        snprintf(buf, AGE_TEXT, "%.1fs", ns > 0 ? (double)ns / 1e9 : 0.0);
    else if (s < 60)
        snprintf(buf, AGE_TEXT, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(buf, AGE_TEXT, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, AGE_TEXT, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(buf, AGE_TEXT, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
    return buf;
}

static int64_t uptime(const struct live *run)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - run->info.started;
}

/* How long the process has been in its state, or -1. */
static int64_t lasting(const struct snapshot_process *p)
{
    return p->since > 0 ? csp_now() - p->since : -1;
}

/* A guest has no name. We are one ourselves, but no part of the picture. */
static void leave_out_self(struct snapshot *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->nprocesses; i++) {
        struct snapshot_process *p = &s->processes[i];
        if (strcmp(p->name, "-") == 0)
            p->name = "(guest)";
        if (p->pid != getpid())
            s->processes[n++] = *p;
    }
    s->nprocesses = n;
}

/* Joins, asks and leaves. NULL: it has ended, or does not answer, which is said. */
static struct snapshot *look(const struct live *run)
{
    struct snapshot *s = csp__join(run->dir) == 0 ? snapshot_ask() : NULL;

    if (s == NULL && csp__rundir_alive(run->dir))
        message("%s: its broker does not answer: %s", run->info.name, csp_errmsg());
    (void)csp_term();
    if (s != NULL)
        leave_out_self(s);
    return s;
}

static size_t living(const struct snapshot *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->nprocesses; i++)
        n += strcmp(s->processes[i].state, "ended") != 0;
    return n;
}

/* ---- text */

static void number(struct table *t, int64_t n)
{
    if (n > 0)
        table_cell(t, "%" PRId64, n);
    else
        table_cell(t, "-");
}

static void print_processes(const struct snapshot *s)
{
    static const struct column columns[] = {
        {"PROCESS", COLUMN_TEXT}, {"REPLICA", COLUMN_NUMBER}, {"PID", COLUMN_NUMBER}, {"PROGRAM", COLUMN_NUMBER},
        {"STATE", COLUMN_TEXT},   {"FOR", COLUMN_NUMBER},     {"WAITS", COLUMN_TEXT}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);
    char text[AGE_TEXT];

    for (size_t i = 0; i < s->nprocesses; i++) {
        const struct snapshot_process *p = &s->processes[i];
        table_cell(t, "%s", p->name);
        number(t, p->replica);
        number(t, p->pid);
        number(t, p->program);
        table_cell(t, "%s", p->state);
        table_cell(t, "%s", lasting(p) >= 0 ? age(lasting(p), text) : "-");
        table_cell(t, "%s", p->waits);
    }
    (void)table_print(t, stdout, 1);
    table_free(t);
}

static void print_channels(const struct snapshot *s)
{
    static const struct column columns[] = {
        {"CHANNEL", COLUMN_TEXT}, {"CAPACITY", COLUMN_NUMBER}, {"VALUES", COLUMN_NUMBER},
        {"BYTES", COLUMN_NUMBER}, {"SENDERS", COLUMN_NUMBER},  {"RECEIVERS", COLUMN_NUMBER},
        {"SENT", COLUMN_NUMBER},  {"RECEIVED", COLUMN_NUMBER}, {"STATE", COLUMN_TEXT}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < s->nchannels; i++) {
        const struct snapshot_channel *c = &s->channels[i];
        const int64_t numbers[] = {c->capacity, c->values, c->bytes, c->senders, c->receivers, c->sent, c->received};
        if (strcmp(c->name, "-") == 0)
            table_cell(t, "#%" PRId64, c->id);
        else
            table_cell(t, "%s", c->name);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            table_cell(t, "%" PRId64, numbers[k]);
        table_cell(t, "%s", c->state);
    }
    (void)table_print(t, stdout, 1);
    table_free(t);
}

static int print_run(const struct live *run)
{
    char text[AGE_TEXT];
    struct snapshot *s = look(run);

    if (s == NULL)
        return EX_UNAVAILABLE;
    char *file = table_printable(run->info.file, strlen(run->info.file));
    printf("%s: pid %d, up %s, %s, %s\n\n", run->info.name, (int)run->info.root, age(uptime(run), text), run->dir,
           *file != '\0' ? file : "no file");
    free(file);
    print_processes(s);
    if (s->nchannels > 0) {
        putchar('\n');
        print_channels(s);
    }
    snapshot_free(s);
    return 0;
}

static int print_runs(const struct live *runs, int n)
{
    static const struct column columns[] = {{"RUN", COLUMN_TEXT},  {"PID", COLUMN_NUMBER},
                                            {"UP", COLUMN_NUMBER}, {"PROCESSES", COLUMN_NUMBER},
                                            {"DIR", COLUMN_TEXT},  {"FILE", COLUMN_TEXT}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);
    char text[AGE_TEXT];
    int status = 0;

    for (int i = 0; i < n; i++) {
        struct snapshot *s = look(&runs[i]);
        if (s == NULL)
            status = EX_UNAVAILABLE;
        table_cell(t, "%s", runs[i].info.name);
        table_cell(t, "%d", (int)runs[i].info.root);
        table_cell(t, "%s", age(uptime(&runs[i]), text));
        number(t, s != NULL ? (int64_t)living(s) : 0);
        table_cell(t, "%s", runs[i].dir);
        table_cell(t, "%s", *runs[i].info.file != '\0' ? runs[i].info.file : "-");
        snapshot_free(s);
    }
    (void)table_print(t, stdout, 1);
    table_free(t);
    return status;
}

/* ---- JSON */

static json_t *json_processes(const struct snapshot *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->nprocesses; i++) {
        const struct snapshot_process *p = &s->processes[i];
        json_t *waits = json_array();
        for (const char *at = strcmp(p->waits, "-") != 0 ? p->waits : ""; *at != '\0'; at += *at == ',') {
            size_t length = strcspn(at, ",");
            json_array_append_new(waits, json_stringn(at, length));
            at += length;
        }
        json_array_append_new(list,
                              json_pack("{s:I, s:s, s:I, s:I, s:I, s:s, s:o, s:f}", "id", (json_int_t)p->id, "name",
                                        p->name, "replica", (json_int_t)p->replica, "pid", (json_int_t)p->pid,
                                        "program", (json_int_t)p->program, "state", p->state, "waits", waits, "seconds",
                                        lasting(p) >= 0 ? (double)lasting(p) / 1e9 : 0.0));
    }
    return list;
}

static json_t *json_channels(const struct snapshot *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->nchannels; i++) {
        const struct snapshot_channel *c = &s->channels[i];
        json_array_append_new(
            list, json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", (json_int_t)c->id,
                            "name", c->name, "state", c->state, "capacity", (json_int_t)c->capacity, "max_bytes",
                            (json_int_t)c->max_bytes, "values", (json_int_t)c->values, "bytes", (json_int_t)c->bytes,
                            "senders", (json_int_t)c->senders, "receivers", (json_int_t)c->receivers, "sent",
                            (json_int_t)c->sent, "received", (json_int_t)c->received, "lost", (json_int_t)c->lost));
    }
    return list;
}

/* Always {"runs": [...]}, each in full, so that a script reads one shape however many there are. */
static int print_json(const struct live *runs, int n)
{
    json_t *list = json_array();
    int status = 0;

    for (int i = 0; i < n; i++) {
        const struct csp__runinfo *info = &runs[i].info;
        struct snapshot *s = look(&runs[i]);
        json_t *o =
            json_pack("{s:s, s:s, s:s, s:i, s:i, s:f}", "name", info->name, "file", info->file, "dir", runs[i].dir,
                      "pid", (int)info->root, "broker", (int)info->broker, "uptime_s", (double)uptime(&runs[i]) / 1e9);
        if (s != NULL) {
            json_object_set_new(o, "processes", json_processes(s));
            json_object_set_new(o, "channels", json_channels(s));
        } else
            status = EX_UNAVAILABLE;
        json_array_append_new(list, o);
        snapshot_free(s);
    }
    json_t *all = json_pack("{s:o}", "runs", list);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(all);
    return status;
}

static int show(const char *which, bool json)
{
    struct live *runs = NULL, one;
    int status = which != NULL ? live_find(which, &one) : 0;

    if (status != 0)
        return status;
    int n = which != NULL ? 1 : live_all(&runs);
    if (n < 0) {
        message("live runs: cannot be listed: %m");
        return EX_OSERR;
    }
    const struct live *shown = which != NULL ? &one : runs;
    if (json)
        status = print_json(shown, n);
    else if (n == 0)
        message("no run is live");
    else
        status = n == 1 ? print_run(shown) : print_runs(shown, n);
    free(runs);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'}, {"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    const char *which = NULL;
    bool json = false, bad = false;

    for (int c; (c = getopt_long(argc, argv, "r:o:", options, NULL)) != -1;)
        if (c == 'r')
            which = optarg;
        else if (c == 'o')
            json = command_json(optarg, &bad);
        else
            bad = true;
    if (!bad && optind < argc)
        return command_surplus(&command_ps, argv[optind], ": write --run before the name of a run");
    return bad ? command_usage(&command_ps) : show(which, json);
}
