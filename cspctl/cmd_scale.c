/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl scale: another number of replicas of processes of a live run. */
#include "command.h"
#include "control.h"
#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

const struct command command_scale = {
    .name = "scale",
    .args = "[--run NAME] [--timeout DURATION] PROCESS=N ...",
    .help = "change the number of replicas of a process of a live run",
    .run = run,
    .details = "  -r, --run NAME|DIR       which run, where there are several\n"
               "  -t, --timeout DURATION   how long to wait until it is done (60s)\n"
               "\nMore are started; of those that are too many each takes nothing more, finishes what it has, and "
               "ends.\n"
               "\nstatus: 0 done; 1 it can't be, or the run or the process ends meanwhile; 64 usage; 69 no such "
               "run;\n"
               "124 not done in time: it goes on\n",
};

/* PROCESS=N. NULL after saying what is wrong. */
static json_t *request(const char *word)
{
    const char *equals = strrchr(word, '=');
    char *end = NULL;

    errno = 0;
    long n = equals != NULL ? strtol(equals + 1, &end, 10) : -1;
    if (equals == NULL || equals == word || end == equals + 1 || *end != '\0' || errno != 0 || n < 0) {
        message("scale: %s: write PROCESS=N, as in filter=4", word);
        return NULL;
    }
    json_t *asked =
        json_pack("{s:s, s:s%, s:I}", "do", "scale", "name", word, (size_t)(equals - word), "replicas", (json_int_t)n);
    if (asked == NULL)
        message("scale: a word is no UTF-8: `cspctl ps` lists the processes");
    return asked;
}

static int run(int argc, char **argv)
{
    return control_command(&command_scale, argc, argv, request);
}
