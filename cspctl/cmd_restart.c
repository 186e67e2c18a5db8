/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl restart: each replica of processes of a live run ends, and another takes its place. */
#include "command.h"
#include "control.h"
#include "message.h"

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

/* NULL after saying what is wrong. */
static json_t *request(const char *word)
{
    json_t *asked = json_pack("{s:s, s:s}", "do", "restart", "name", word);
    if (asked == NULL)
        message("restart: a word is no UTF-8: `cspctl ps` lists the processes");
    return asked;
}

static int run(int argc, char **argv)
{
    return control_command(&command_restart, argc, argv, request);
}
