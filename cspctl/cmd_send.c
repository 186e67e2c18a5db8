/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl send: values into a channel of a live run, as a guest. When it returns 0 each value is in the channel's buffer
 * or was received: a script may rely on it. */
#include "guest.h"
#include "message.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_send = {
    .name = "send",
    .args = "[--run NAME] [--timeout DURATION] [-z] CHANNEL [VALUE ...]",
    .help = "send values, or the lines of standard input, on a channel of a live run",
    .run = run,
    .details =
        "  -r, --run NAME|DIR       which run, where there are several\n"
        "  -t, --timeout DURATION   for each value (none); 0ms: only if a receiver or room is there\n"
        "  -z                       values of standard input end with NUL instead of a newline\n"
        "\nstatus: 0 all sent, 1 the channel is closed, 124 time-out, 64 usage or no such channel, 65 a value is\n"
        "too large, 69 no such run, or it has ended, 71 the system, 74 standard input can't be read, 75 the channel\n"
        "is full, and its overflow policy is reject\n",
};

static int send_one(const struct guest *g, const char *value, size_t size)
{
    return csp_send(g->channel, value, size, guest_deadline(g)) == 0 ? 0 : guest_failed(g, errno);
}

static int send_lines(const struct guest *g)
{
    int end = g->nul ? '\0' : '\n', status = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while (status == 0 && (n = getdelim(&line, &room, end, stdin)) >= 0)
        status = send_one(g, line, (size_t)n - (line[n - 1] == end));
    if (status == 0 && ferror(stdin)) {
        message("send: standard input: %s", strerror(errno));
        status = EX_IOERR;
    }
    free(line);
    return status;
}

static int run(int argc, char **argv)
{
    struct guest g;
    int status = guest_begin(&g, &command_send, "r:t:z", CSP_SEND, argc, argv);

    if (status != 0)
        return status;
    if (optind == argc)
        return send_lines(&g);
    for (int i = optind; i < argc && status == 0; i++)
        status = send_one(&g, argv[i], strlen(argv[i]));
    return status;
}
