/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl explain: what `run` would start, how it is joined, and what that can cost, without starting anything. */
#include "command.h"
#include "diagnostic.h"
#include "explain.h"

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_explain = {
    .name = "explain",
    .args = "[-o json] FILE [name=value ...]",
    .help = "show the processes and channels that a pipeline file makes",
    .run = run,
    .details = "  -o, --output text|json   how to print it\n"
               "\nstatus: 0, 64 usage, 78 the file has mistakes, which are on stderr\n",
};

bool explain_argv_differs(const struct pipeline *p, size_t process)
{
    const struct program *program = &p->processes[process].program;
    bool differs = false;

    for (size_t i = 0; i < program->argc; i++)
        differs = differs || strstr(program->argv[i], "$replica") || strstr(program->argv[i], "${replica}");
    return differs;
}

static int explain(int argc, char **argv, bool json)
{
    struct diagnostics *d = diagnostics_new();
    struct pipeline *p = pipeline_load(argv[optind], argv + optind + 1, (size_t)(argc - optind - 1), d);

    diagnostics_print(d, stderr, diagnostics_colour(stderr));
    if (p && json) {
        json_t *report = explain_json(p);
        json_dumpf(report, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(report);
    } else if (p) {
        explain_text(p, stdout);
    }
    int status = p ? EX_OK : EX_CONFIG;
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
    if (bad || !command_takes_file(&command_explain, argc, argv))
        return command_usage(&command_explain);
    return explain(argc, argv, json);
}
