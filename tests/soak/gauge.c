/* SPDX-License-Identifier: MPL-2.0 */
#include "gauge.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is resident is the highest that was ever needed at a time: a process that is stopped at a bad moment makes a
 * step of some MiB, at any time, which stays. Of 600,000 values and 1,000 disturbances a leak of 11 bytes each, or 6
 * KiB, shows. */
enum { SLACK_KIB = 6144, SLACK_FDS = 8 };

static bool memory(pid_t pid, unsigned *kib)
{
    char path[64], line[128];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *in = fopen(path, "re");
    while (in != NULL && !found && fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0) {
            *kib = (unsigned)strtoul(line + 6, NULL, 10);
            found = true;
        }
    if (in != NULL)
        (void)fclose(in);
    return found;
}

static bool descriptors(pid_t pid, unsigned *fds)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return false;
    *fds = 0;
    while (readdir(dir) != NULL)
        ++*fds;
    (void)closedir(dir);
    *fds -= *fds >= 2 ? 2 : 0; /* . and .. */
    return true;
}

bool gauge_look(struct gauge *g)
{
    if (g->n == GAUGE_MOST || !memory(g->pid, &g->kib[g->n]) || !descriptors(g->pid, &g->fds[g->n]))
        return false;
    g->n++;
    return true;
}

static unsigned highest(const unsigned *of, size_t from, size_t to)
{
    unsigned most = 0;
    for (size_t i = from; i < to; i++)
        most = of[i] > most ? of[i] : most;
    return most;
}

struct growth gauge_growth(const struct gauge *g)
{
    size_t quarter = g->n / 4, last = g->n - quarter;
    struct growth w = {highest(g->kib, quarter, 2 * quarter), highest(g->kib, last, g->n),
                       highest(g->fds, quarter, 2 * quarter), highest(g->fds, last, g->n), false};
    w.flat = g->n >= 8 && w.kib_after <= w.kib_before + w.kib_before / 8 + SLACK_KIB &&
             w.fds_after <= w.fds_before + SLACK_FDS;
    return w;
}
