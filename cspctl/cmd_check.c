/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl check: load, and say what is wrong. `run` loads by the very same function, so what passes here is what runs.
 */
#include "command.h"
#include "diagnostic.h"
#include "pipeline.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_check = {
    .name = "check",
    .args = "[-o json] FILE [name=value ...]",
    .help = "say everything that is wrong with a pipeline file",
    .run = run,
    .details = "  -o, --output text|json   how to print it\n"
               "\nstatus: 0 it can be run, 64 usage, 78 it can't: mistakes are on stderr, with -o json on stdout\n",
};

static void print_json(struct diagnostics *d)
{
    json_t *report = diagnostics_json(d);

    json_dumpf(report, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(report);
}

static void print_text(const struct pipeline *p, struct diagnostics *d)
{
    diagnostics_print(d, stderr, diagnostics_colour(stderr));
    if (p)
        printf("%s: ok: processes %zu (with replicas %zu), channels %zu, services %zu\n", p->path, p->nprocesses,
               pipeline_total_replicas(p), p->nchannels, p->nservices);
}

static int check(int argc, char **argv, bool json)
{
    struct diagnostics *d = diagnostics_new();
    struct pipeline *p = pipeline_load(argv[optind], argv + optind + 1, (size_t)(argc - optind - 1), d);
    int status = p ? EX_OK : EX_CONFIG;

    if (json)
        print_json(d);
    else
        print_text(p, d);
    pipeline_free(p);
    diagnostics_free(d);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    bool json = false, bad = false;

    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
        if (c == 'o')
            json = command_json(optarg, &bad);
        else
            bad = true;
    if (bad || !command_takes_file(&command_check, argc, argv))
        return command_usage(&command_check);
    return check(argc, argv, json);
}
