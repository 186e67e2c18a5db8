/* SPDX-License-Identifier: MPL-2.0 */
#include "rest.h"

#include <run.h>

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One line of a dump: docs/protocol.md, sections 8 and 13. */
static void read_line(struct rest *r, const char *line)
{
    unsigned long long used, had, waiting;
    char state[16], direction;
    if (sscanf(line, "memory\t%llu\t%llu", &used, &had) == 2) {
        r->in_use = (unsigned)(used / 1024);
        r->had = (unsigned)(had / 1024);
    } else if (sscanf(line, "process\t%*u\t%*[^\t]\t%*u\t%*d\t%*d\t%15[^\t]", state) == 1) {
        r->processes++;
        r->still = r->still && strcmp(state, "announced") != 0 && strcmp(state, "started") != 0;
    } else if (sscanf(line, "stream\t%*u\t%*u\t%*u\t%c\t%*u\t%llu", &direction, &waiting) == 2) {
        r->still = r->still && waiting == 0;
    } else if (strncmp(line, "value\t", 6) == 0)
        r->still = false;
}

static bool ask(const char *dir, struct rest *r)
{
    char *text = csp__join(dir) == 0 ? csp__dump() : NULL, *rest = text;
    *r = (struct rest){.still = true};
    for (const char *line; text != NULL && (line = strsep(&rest, "\n")) != NULL;)
        read_line(r, line);
    free(text);
    (void)csp_term();
    if (r->processes != 0)
        r->processes--;
    return text != NULL;
}

static int answer(const char *runtime, int to)
{
    char pattern[PATH_MAX];
    glob_t found;
    struct rest r;
    (void)snprintf(pattern, sizeof pattern, "%s/csp-*", runtime);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 1;
    return ask(found.gl_pathv[0], &r) && write(to, &r, sizeof r) == sizeof r ? 0 : 1;
}

bool rest_look(const char *runtime, struct rest *r)
{
    int ends[2], status = 1;
    if (pipe(ends) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        _exit(answer(runtime, ends[1]));
    close(ends[1]);
    bool good = pid > 0 && read(ends[0], r, sizeof *r) == sizeof *r;
    close(ends[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && good;
}
