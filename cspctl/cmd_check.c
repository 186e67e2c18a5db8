/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl check: load, and say what is wrong. `run` loads by the very same function, so what passes here is what runs.
 */
#include "command.h"
#include "diagnostic.h"
#include "pipeline.h"

#include <jansson.h>
#include <stdio.h>

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

static void show(const struct pipeline *p, struct diagnostics *d, bool json)
{
    if (json)
        print_json(d);
    else
        print_text(p, d);
}

static int run(int argc, char **argv)
{
    return command_look(&command_check, argc, argv, show);
}
