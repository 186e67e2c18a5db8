/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl restart: each replica of processes of a live run ends, and another takes its place. */
#include "command.h"
#include "control.h"

#include <getopt.h>
#include <stddef.h>

#define RESTART_WAIT 60000000000LL /* ns */

static int run(int argc, char **argv);

const struct command command_restart = {
    .name = "restart",
    .args = "[--run NAME] [--timeout DURATION] PROCESS ...",
    .help = "end each replica of a process of a live run, and start it anew",
    .run = run,
    .details =
        "  -r, --run NAME|DIR       which run, where there are several\n"
        "  -t, --timeout DURATION   how long to wait until it is done (60s)\n"
        "\nEach takes nothing more, finishes what it has, and ends; its channels stay, and the next takes its place.\n"
        "One without an input gets TERM; one that has not ended within its grace is killed.\n"
        "\nstatus: 0 done; 1 it can't be, or the run or the process ends meanwhile; 64 usage; 69 no such "
        "run;\n"
        "124 not done in time: it goes on\n",
};

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'}, {"timeout", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    const char *which = NULL;
    int64_t timeout = RESTART_WAIT;
    bool bad = false;
    struct live live;

    for (int c; (c = getopt_long(argc, argv, "r:t:", options, NULL)) != -1;)
        if (c == 'r')
            which = optarg;
        else if (c == 't')
            timeout = command_duration(&command_restart, "--timeout", optarg, &bad);
        else
            bad = true;
    if (bad || optind >= argc)
        return command_usage(&command_restart);
    int status = live_find(which, &live);
    for (int i = optind; status == 0 && i < argc; i++)
        status = control_ask(&live, json_pack("{s:s, s:s}", "do", "restart", "name", argv[i]), timeout);
    return status;
}
