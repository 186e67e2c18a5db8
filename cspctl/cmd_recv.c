/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl recv: values from a channel of a live run, as a guest, a line each. Each value is written before the next is
 * received, so that at most one is on its way when this process is killed. */
#include "guest.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_recv = {
    .name = "recv",
    .args = "[--run NAME] [--timeout DURATION] [-n N] [-z] CHANNEL",
    .help = "receive values from a channel of a live run, and print a line each",
    .run = run,
    .details =
        "  -r, --run NAME|DIR       which run, where there are several\n"
        "  -t, --timeout DURATION   for each value (none); 0ms: only if one is there\n"
        "  -n N                     this many values (1); 0: until the channel is closed, which is success then\n"
        "  -z                       end each with NUL instead of a newline\n"
        "\nstatus: 0 all received, 1 the channel is closed, 124 time-out, 64 usage or no such channel, 69 no such\n"
        "run, or it has ended, 71 the system, 74 standard output can't be written\n",
};

static int recv_one(const struct guest *g)
{
    csp_msg m;

    if (csp_recv_msg(g->channel, &m, guest_deadline(g)) != 0)
        return guest_failed(g, errno);
    (void)fwrite(m.data, 1, m.len, stdout);
    (void)putchar(g->nul ? '\0' : '\n');
    csp_msg_free(&m);
    if (fflush(stdout) == 0)
        return 0;
    message("recv: standard output: %s: one value of %s is lost", strerror(errno), g->name);
    return EX_IOERR;
}

static int run(int argc, char **argv)
{
    struct guest g;
    int status = guest_begin(&g, &command_recv, "r:t:n:z", CSP_RECV, argc, argv);

    for (int64_t i = 0; status == 0 && (g.count == 0 || i < g.count); i++)
        status = recv_one(&g);
    return status == STATUS_CLOSED && g.count == 0 ? 0 : status;
}
