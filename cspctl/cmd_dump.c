/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl dump: all that a run is doing. It is a process of its own also where the supervisor of the run is asked for it
 * (SIGQUIT), or the broker has found a deadlock: reading the debug information of any program takes what time and
 * memory it takes, and can't hold up who must go on. */
#include "command.h"
#include "dump.h"
#include "message.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_dump = {
    .name = "dump",
    .args = "[--run NAME] [--deadlock] [-o json]",
    .help = "show all processes of a live run: where each waits for what, and what it holds",
    .run = run,
    .details = "  -r, --run NAME|DIR       that run (the only one there is)\n"
               "      --deadlock           only the processes that can never move again, and who holds what they wait "
               "for\n"
               "  -o, --output text|json   how to print it\n"
               "\nstatus: 0, 64 usage, 69 no such run, or its broker does not answer, 74 standard output failed\n",
};

static int print(const struct dump *d, bool deadlock, bool json)
{
    if (json) {
        json_t *o = dump_json(d, deadlock);
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(o);
    } else if (deadlock)
        dump_report(d, stdout);
    else
        dump_text(d, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : EX_IOERR;
}

static int show(const char *which, bool deadlock, bool json)
{
    struct live run;
    int status = live_find(which, &run);

    if (status != 0)
        return status;
    struct dump *d = dump_take(&run);
    if (d == NULL) {
        message("%s: its broker does not answer: %s", run.info.name, csp_errmsg());
        return EX_UNAVAILABLE;
    }
    status = print(d, deadlock, json);
    dump_free(d);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"run", required_argument, NULL, 'r'},
                                            {"deadlock", no_argument, NULL, 'D'},
                                            {"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    const char *which = NULL;
    bool json = false, deadlock = false, bad = false;

    for (int c; (c = getopt_long(argc, argv, "r:o:", options, NULL)) != -1;)
        if (c == 'r')
            which = optarg;
        else if (c == 'D')
            deadlock = true;
        else if (c == 'o')
            json = command_json(optarg, &bad);
        else
            bad = true;
    if (!bad && optind < argc)
        return command_surplus(&command_dump, argv[optind], ": write --run before the name of a run");
    return bad ? command_usage(&command_dump) : show(which, deadlock, json);
}
