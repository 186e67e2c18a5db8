/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl call: asks a service of a live run, as a guest, and prints who answered what by the deadline. */
#include "command.h"
#include "gather.h"
#include "live.h"
#include "message.h"
#include "pool.h"
#include "result.h"
#include "table.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_call = {
    .name = "call",
    .args = "[--run NAME] [--timeout DURATION] [--wait DURATION] [-o json] SERVICE [WORD ...]",
    .help = "ask all backends of a service of a live run, and merge their answers",
    .run = run,
    .details = "  -r, --run NAME|DIR       which run, where there are several\n"
               "  -t, --timeout DURATION   instead of the service's deadline\n"
               "  -w, --wait DURATION      first wait for the backends to be ready, at most this long\n"
               "  -o, --output text|json   how to print it\n"
               "\nstatus: 0 as many backends as `require` says have answered, else 124; 64 usage, 69 no such run\n",
};

struct options {
    const char *run;
    int64_t timeout, wait; /* ns; -1: not given */
    bool json, bad;
};

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'},
        {"timeout", required_argument, NULL, 't'},
        {"wait", required_argument, NULL, 'w'},
        {"output", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "r:t:w:o:", options, NULL)) != -1;)
        if (c == 'r')
            o->run = optarg;
        else if (c == 't')
            o->timeout = command_duration(&command_call, "--timeout", optarg, &o->bad);
        else if (c == 'w')
            o->wait = command_duration(&command_call, "--wait", optarg, &o->bad);
        else if (c == 'o')
            o->json = command_json(optarg, &o->bad);
        else
            o->bad = true;
    if (!o->bad && optind >= argc) {
        message("call: a service is missing");
        o->bad = true;
    }
}

static const char *text_of(const json_t *hit, const char *key)
{
    const json_t *value = json_object_get(hit, key);

    return json_is_string(value) ? json_string_value(value) : "-";
}

static int print_hits(const struct answer *answers, size_t n, const struct merge *merge)
{
    static const struct column columns[] = {{"TITLE", COLUMN_TEXT}, {"SOURCE", COLUMN_TEXT}, {"SCORE", COLUMN_NUMBER}};
    struct table *t = table_new(columns, sizeof columns / sizeof *columns);
    json_t *hits = answers_merge(answers, n, merge), *hit;
    size_t i;

    json_array_foreach(hits, i, hit)
    {
        const json_t *score = json_object_get(hit, "score");
        table_cell(t, "%s", text_of(hit, "title"));
        table_cell(t, "%s", text_of(hit, "source"));
        if (json_is_number(score))
            table_cell(t, "%.3f", json_number_value(score));
        else
            table_cell(t, "-");
    }
    int result = table_print(t, stdout, 0);
    json_decref(hits);
    table_free(t);
    return result;
}

static int print_json(const struct answer *answers, size_t n, const struct merge *merge, double took_ms)
{
    json_t *reply = answers_json(answers, n, merge, took_ms);
    int failed = json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    putchar('\n');
    json_decref(reply);
    return failed != 0 || fflush(stdout) != 0 ? -1 : 0;
}

static int print_text(const struct answer *answers, size_t n, const struct merge *merge, double took_ms)
{
    int result = print_hits(answers, n, merge);
    char *summary = answers_summary(answers, n, took_ms);
    char *shown = table_printable(summary, strlen(summary));

    (void)fprintf(stderr, "%s\n", shown);
    free(shown);
    free(summary);
    return result;
}

static int call(struct service_info *s, const struct options *o, const char *words)
{
    struct answer *answers = memory_alloc(s->nbackends * sizeof *answers);
    double took_ms;

    if (o->timeout >= 0)
        s->deadline = o->timeout;
    if (o->wait >= 0 && gather_ready(s, csp_now() + o->wait) != 0 && errno == ENOTCONN)
        message("%s: the run has ended", s->name);
    gather(s, words, answers, &took_ms);
    (void)csp_term(); /* before anything is printed: a late backend learns now that nobody waits any more */
    int printed = o->json ? print_json(answers, s->nbackends, &s->merge, took_ms)
                          : print_text(answers, s->nbackends, &s->merge, took_ms);
    int status = (int64_t)answers_good(answers, s->nbackends) >= s->require ? 0 : STATUS_DEADLINE;
    for (size_t i = 0; i < s->nbackends; i++)
        answer_clear(&answers[i]);
    free(answers);
    return printed == 0 ? status : EX_IOERR;
}

static int run(int argc, char **argv)
{
    struct options o = {.timeout = -1, .wait = -1};
    struct live live;

    parse(&o, argc, argv);
    if (o.bad)
        return command_usage(&command_call);
    char *words = gather_words(argv + optind + 1, (size_t)(argc - optind - 1));
    int status = words != NULL ? live_join(o.run, &live) : EX_USAGE;
    struct service_info *s = status == 0 ? service_info_read(live.dir, argv[optind]) : NULL;
    if (s != NULL)
        status = call(s, &o, words);
    else if (status == 0)
        status = EX_USAGE;
    service_info_free(s);
    free(words);
    return status;
}
