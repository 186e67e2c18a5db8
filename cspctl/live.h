/* SPDX-License-Identifier: MPL-2.0 */
/* Which live run a command is about: --run NAME or DIRECTORY, else CSP_RUN in the environment, else the only one there
 * is. Whether a run lives is asked of its directory's lock (libipc/rundir.h), never of a list that could be stale. */
#ifndef CSPCTL_LIVE_H
#define CSPCTL_LIVE_H

#include <csp.h>
#include <rundir.h>

#include <limits.h>
#include <stdio.h>

struct live {
    char dir[PATH_MAX];
    struct csp__runinfo info;
};

/* All live runs of this user, the oldest first. Caller owns *runs and frees it. Returns how many, or -1 with errno. */
int live_all(struct live **runs);

/* Finds the run; which is the argument of --run or NULL. Returns 0, or the exit status after saying what is wrong:
 * EX_UNAVAILABLE where there is none, EX_USAGE where it is not clear which. */
int live_find(const char *which, struct live *found);

/* How long it has run, in ns. */
int64_t live_uptime(const struct live *run);

/* "NAME: pid 12, up 3.1s, DIR, FILE": the line above all that is said of a run. */
void live_print(const struct live *run, FILE *to);

/* Finds the run and joins it as a guest. Same results. */
int live_join(const char *which, struct live *found);

/* Opens a channel of the run joined; ends as csp_open has them. Returns 0, or the exit status after saying what is
 * wrong, with the nearest name that there is. */
int live_channel(const char *name, int ends, csp_chan *channel);

#endif
