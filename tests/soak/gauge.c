/* SPDX-License-Identifier: MPL-2.0 */
#include "gauge.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The lines of a file in /proc/PID that begin so; *number: that which stands there in the last of them. */
static unsigned lines(pid_t pid, const char *file, const char *start, unsigned *number)
{
    char path[64], line[4096];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, start, strlen(start)) == 0) {
            *number = (unsigned)strtoul(line + strlen(start), NULL, 10);
            n++;
        }
    if (in != NULL)
        (void)fclose(in);
    return n;
}

unsigned gauge_resident(pid_t pid)
{
    unsigned kib = 0;
    return lines(pid, "status", "VmRSS:", &kib) != 0 ? kib : 0;
}

unsigned gauge_mappings(pid_t pid)
{
    unsigned any;
    return lines(pid, "maps", "", &any);
}

unsigned gauge_descriptors(pid_t pid)
{
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

void gauge_note(struct gauge *g, unsigned look)
{
    if (g->n < GAUGE_MOST && look != 0)
        g->looks[g->n++] = look;
}

static unsigned highest(const struct gauge *g, size_t from, size_t to)
{
    unsigned most = 0;
    for (size_t i = from; i < to; i++)
        most = g->looks[i] > most ? g->looks[i] : most;
    return most;
}

struct growth gauge_growth(const struct gauge *g)
{
    size_t quarter = g->n / 4;
    struct growth w = {highest(g, quarter, 2 * quarter), highest(g, g->n - quarter, g->n), false};
    w.flat = g->n >= GAUGE_LEAST && w.after <= w.before + g->slack;
    return w;
}
