/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl restart: each replica of processes of a live run ends, and another takes its place. */
#include "command.h"
#include "control.h"
#include "message.h"

#include <getopt.h>

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
    struct control_options o;
    struct live live;

    if (!control_options(&command_restart, argc, argv, &o))
        return command_usage(&command_restart);
    int status = live_find(o.run, &live);
    if (status != 0)
        return status;
    json_t *requests = json_array();
    for (int i = optind; i < argc; i++)
        if (json_array_append_new(requests, json_pack("{s:s, s:s}", "do", "restart", "name", argv[i])) != 0) {
            message("restart: a word is no UTF-8: `cspctl ps` lists the processes");
            json_decref(requests);
            return command_usage(&command_restart);
        }
    return control_ask_each(&live, requests, o.timeout);
}
