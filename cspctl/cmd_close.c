/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl close: no more values on a channel of a live run. What it holds is still received. */
#include "guest.h"

#include <errno.h>
#include <getopt.h>

static int run(int argc, char **argv);

const struct command command_close = {
    .name = "close",
    .args = "[--run NAME] CHANNEL",
    .help = "close a channel of a live run: what it holds is still received, nothing more is sent",
    .run = run,
    .details = "  -r, --run NAME|DIR       which run, where there are several\n"
               "\nstatus: 0, 1 it was closed already, 64 usage or no such channel, 69 no such run, 71 the system\n",
};

static int run(int argc, char **argv)
{
    struct guest g;
    int status = guest_begin(&g, &command_close, "r:", CSP_SEND, argc, argv);

    if (status != 0)
        return status;
    return csp_close(g.channel) == 0 ? 0 : guest_failed(&g, errno);
}
