/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl explain: what `run` would start, how it is joined, and what that can cost, without starting anything. */
#include "command.h"
#include "diagnostic.h"
#include "explain.h"

static int run(int argc, char **argv);

const struct command command_explain = {
    .name = "explain",
    .args = "[-o json] FILE [name=value ...]",
    .help = "show the processes and channels that a pipeline file makes",
    .run = run,
    .details = "  -o, --output text|json   how to print it\n"
               "\nstatus: 0, 64 usage, 78 the file has mistakes, which are on stderr\n",
};

static void show(const struct pipeline *p, struct diagnostics *d, bool json)
{
    diagnostics_print(d, stderr, diagnostics_colour(stderr));
    if (p && json) {
        json_t *report = explain_json(p);
        json_dumpf(report, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(report);
    } else if (p) {
        explain_text(p, stdout);
    }
}

static int run(int argc, char **argv)
{
    return command_look(&command_explain, argc, argv, show);
}
