/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl ack: what came of values that a script received with `cspctl recv`. Decision: it speaks of the oldest ones,
 * not of ids: a script works at its values one after another, and its commands, each a process of its own, then have
 * nothing to remember. */
#include "guest.h"
#include "message.h"
#include "run.h"

#include <errno.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_ack = {
    .name = "ack",
    .args = "[--run NAME] [-n N | --all] [--retry[=DELAY] | --reject REASON] CHANNEL",
    .help = "say that values which this process received are done, or are to be delivered again",
    .run = run,
    .details =
        "  -r, --run NAME|DIR       which run, where there are several\n"
        "  -n N                     so many of the values that are leased to this process, the oldest (1)\n"
        "      --all                all of them\n"
        "      --retry[=DELAY]      not done: deliver them again after DELAY, or as the channel's retry says\n"
        "      --reject REASON      not done, and never will be: they are dead letters, with this reason\n"
        "\nOnly inside a process of a run: what `cspctl recv` prints there is leased to that process.\n"
        "\nstatus: 0, 1 fewer were leased (what there was is settled), 64 usage, no such channel, or not inside of a\n"
        "process, 69 no such run, or it has ended, 71 the system\n",
};

static int run(int argc, char **argv)
{
    struct guest g;
    int status = guest_begin(&g, &command_ack, "r:n:ayj", CSP_RECV, argc, argv);

    if (status != 0)
        return status;
    if (csp__inside() == 0) {
        message("ack: %s: this is no program of a process of the run (CSP_PROCESS is not set): what was received here"
                " is done already",
                g.name);
        return EX_USAGE;
    }
    int64_t count = g.all ? 0 : g.count;
    int64_t n = count == 0 && !g.all ? 0 : csp__settle_oldest(g.channel, (uint64_t)count, g.again, g.reason);
    if (n < 0 && errno != ENOENT)
        return guest_failed(&g, errno);
    return n < count || n < 0 ? STATUS_CLOSED : 0;
}
