/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl stop: the same as Ctrl-C in the terminal of the run, from elsewhere, and waiting until it has ended.
 * --kill is the second Ctrl-C: TERM after INT, as two of the same signal would become one while the first is pending.
 */
#include "command.h"
#include "live.h"
#include "message.h"
#include "result.h"
#include "unit.h"

#include <polling.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#define STOP_WAIT 30000000000LL /* ns */

static int run(int argc, char **argv);

const struct command command_stop = {
    .name = "stop",
    .args = "[--run NAME] [--kill] [--timeout DURATION]",
    .help = "end a live run, as Ctrl-C does, and wait for its end",
    .run = run,
    .details =
        "  -r, --run NAME|DIR       which run, where there are several\n"
        "  -k, --kill               do not drain: kill everything at once, as a second Ctrl-C does\n"
        "  -t, --timeout DURATION   how long to wait for the end (30s)\n"
        "\nstatus: 0 it has ended, 64 usage, 69 no such run, 71 it can't be told, 124 it has not ended in time\n",
};

/* A pidfd of the process, which is that of this run: it was alive after the pidfd was there. -1 with errno. */
static int open_process(const struct live *live, pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd >= 0 && !csp__rundir_alive(live->dir)) {
        close(fd);
        errno = ESRCH;
        return -1;
    }
    return fd;
}

static int tell(int root, bool at_once)
{
    if (syscall(SYS_pidfd_send_signal, root, SIGINT, NULL, 0) != 0)
        return -1;
    return at_once ? (int)syscall(SYS_pidfd_send_signal, root, SIGTERM, NULL, 0) : 0;
}

static int stop(const struct live *live, bool at_once, int64_t timeout)
{
    csp_time by = csp_now() + timeout;
    char text[UNIT_TEXT];
    int root = open_process(live, live->info.root), broker = open_process(live, live->info.broker), status = 0;

    if (root >= 0 && tell(root, at_once) != 0 && errno != ESRCH) {
        message("%s: process %d cannot be told: %s", live->info.name, (int)live->info.root, strerror(errno));
        status = EX_OSERR;
    } else if ((root >= 0 && csp__poll_in(root, by) != 1) || (broker >= 0 && csp__poll_in(broker, by) != 1)) {
        message("%s: has not ended within %s: it drains; --kill ends it at once", live->info.name,
                unit_print_duration(timeout, text));
        status = STATUS_DEADLINE;
    }
    if (root >= 0)
        close(root);
    if (broker >= 0)
        close(broker);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"run", required_argument, NULL, 'r'},
                                            {"kill", no_argument, NULL, 'k'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    const char *which = NULL;
    int64_t timeout = STOP_WAIT;
    bool at_once = false, bad = false;
    struct live live;

    for (int c; (c = getopt_long(argc, argv, "r:kt:", options, NULL)) != -1;)
        if (c == 'r')
            which = optarg;
        else if (c == 'k')
            at_once = true;
        else if (c == 't')
            timeout = command_duration(&command_stop, "--timeout", optarg, &bad);
        else
            bad = true;
    if (bad)
        return command_usage(&command_stop);
    if (optind < argc)
        return command_surplus(&command_stop, argv[optind], ": write --run before the name of a run");
    int status = live_find(which, &live);
    return status != 0 ? status : stop(&live, at_once, timeout);
}
