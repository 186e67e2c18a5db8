/* SPDX-License-Identifier: MPL-2.0 */
/* See private.h. Decision: a process that cannot be looked at ends the benchmark; a figure without it would be too
 * good. */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The sum of the lines `NAME: N kB` whose names begin so. */
static double sum(pid_t pid, const char *file, const char *name)
{
    char path[64], line[256];
    double total = -1;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    must(f != NULL, path);
    while (fgets(line, sizeof line, f) != NULL) {
        char key[64];
        double kib;
        if (sscanf(line, "%63[^:]: %lf kB", key, &kib) == 2 && strncmp(key, name, strlen(name)) == 0)
            total = (total < 0 ? 0 : total) + kib;
    }
    fclose(f);
    errno = ESRCH;
    must(total >= 0, path);
    return total;
}

double private_memory(const pid_t *pids, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += sum(pids[i], "smaps_rollup", "Private_");
    return total / (double)n;
}

double resident_memory(pid_t pid)
{
    return sum(pid, "status", "VmRSS");
}
