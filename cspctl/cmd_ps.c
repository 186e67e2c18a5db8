/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl ps: what runs, and what each process waits for. The broker of each run is asked as a guest; one that does not
 * answer is said to, and the others are shown all the same. */
#include "command.h"
#include "live.h"
#include "message.h"
#include "phases.h"
#include "snapshot.h"
#include "snapshot_json.h"
#include "table.h"
#include "text_json.h"
#include "unit.h"

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

/* How long the process has been in its state, or -1. */
static int64_t lasting(const struct snapshot_process *p)
{
    return p->since > 0 ? csp_now() - p->since : -1;
}

/* A guest has no name and no parent. We are one ourselves, but no part of the picture. */
static void leave_out_self(struct snapshot *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->nprocesses; i++) {
        struct snapshot_process *p = &s->processes[i];
        if (strcmp(p->name, "-") == 0 && p->parent == 0)
            p->name = "(guest)";
        if (p->pid != getpid())
            s->processes[n++] = *p;
    }
    s->nprocesses = n;
}

/* Joins, asks and leaves. NULL: it has ended, or does not answer, which is said. */
static struct snapshot *look(const struct live *run)
{
    struct snapshot *s = csp__join(run->dir) == 0 ? snapshot_ask_dump() : NULL;

    if (s == NULL && csp__rundir_alive(run->dir))
        message("%s: its broker does not answer: %s", run->info.name, csp_errmsg());
    (void)csp_term();
    if (s != NULL) {
        leave_out_self(s);
        phases_apply(run->dir, s);
    }
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
    char text[UNIT_TEXT];

    for (size_t i = 0; i < s->nprocesses; i++) {
        const struct snapshot_process *p = &s->processes[i];
        table_cell(t, "%s", p->name);
        number(t, p->replica);
        number(t, p->pid);
        number(t, p->program);
        table_cell(t, "%s", p->state);
        table_cell(t, "%s", lasting(p) >= 0 ? unit_print_age(lasting(p), text) : "-");
        table_cell(t, "%s", p->waits);
    }
    (void)table_print(t, stdout, 1);
    table_free(t);
}

static void print_channels(const struct snapshot *s)
{
    static const struct column columns[] = {{"CHANNEL", COLUMN_TEXT},   {"CAPACITY", COLUMN_NUMBER},
                                            {"VALUES", COLUMN_NUMBER},  {"BYTES", COLUMN_NUMBER},
                                            {"SENDERS", COLUMN_NUMBER}, {"RECEIVERS", COLUMN_NUMBER},
                                            {"SENT", COLUMN_NUMBER},    {"RECEIVED", COLUMN_NUMBER},
                                            {"STATE", COLUMN_TEXT},     {"KIND", COLUMN_TEXT}};
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
        table_cell(t, "%s", snapshot_kind(s, c));
    }
    (void)table_print(t, stdout, 1);
    table_free(t);
}

static int print_run(const struct live *run)
{
    struct snapshot *s = look(run);

    if (s == NULL)
        return EX_UNAVAILABLE;
    live_print(run, stdout);
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
    char text[UNIT_TEXT];
    int status = 0;

    for (int i = 0; i < n; i++) {
        struct snapshot *s = look(&runs[i]);
        if (s == NULL)
            status = EX_UNAVAILABLE;
        table_cell(t, "%s", runs[i].info.name);
        table_cell(t, "%d", (int)runs[i].info.root);
        table_cell(t, "%s", unit_print_age(live_uptime(&runs[i]), text));
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
        json_t *o = snapshot_process_json(p, csp_now()), *waits = json_array();
        for (const char *at = strcmp(p->waits, "-") != 0 ? p->waits : ""; *at != '\0'; at += *at == ',') {
            size_t length = strcspn(at, ",");
            char *wait = strndup(at, length);
            json_array_append_new(waits, text_json(wait));
            free(wait);
            at += length;
        }
        json_object_set_new(o, "waits", waits);
        json_object_set_new(o, "restarts", json_integer(p->restarts));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *json_channels(const struct snapshot *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->nchannels; i++)
        json_array_append_new(list, snapshot_channel_json(s, &s->channels[i]));
    return list;
}

/* Always {"runs": [...]}, each in full, so that a script reads one shape however many there are. */
static int print_json(const struct live *runs, int n)
{
    json_t *list = json_array();
    int status = 0;

    for (int i = 0; i < n; i++) {
        struct snapshot *s = look(&runs[i]);
        json_t *o = live_json(&runs[i]);
        if (s != NULL) {
            snapshot_memory_json(o, s);
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
