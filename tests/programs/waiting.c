/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: STAT's text is read as its section of the protocol says; a line that is otherwise ends the program. */
#include "waiting.h"

#include "run.h"
#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find(const char *text, csp_proc p, struct waiting *w)
{
    char start[40];
    int n = snprintf(start, sizeof start, "\nprocess\t%" PRId64 "\t", p);
    const char *line = strstr(text, start);
    if (line == NULL)
        return -1;
    if (sscanf(line + n, "%*[^\t]\t%*[^\t]\t%ld\t%*[^\t]\t%15[^\t]\t%255[^\t]\t%" SCNd64, &w->pid, w->state, w->waits,
               &w->since) != 4)
        exit(wrong("STAT says of a process: %.200s", line + 1));
    return strcmp(w->state, "ended") == 0 ? -1 : 0;
}

int waiting_of(csp_proc p, struct waiting *w)
{
    char *text = csp__stat();
    if (text == NULL)
        exit(failure("STAT"));
    int result = find(text, p, w);
    free(text);
    return result;
}

size_t until_waiting(const csp_proc *processes, size_t n)
{
    size_t busy;
    size_t waiting;
    do {
        char *text = csp__stat();
        struct waiting w;
        if (text == NULL)
            exit(failure("STAT"));
        busy = waiting = 0;
        for (size_t i = 0; i < n; i++)
            if (find(text, processes[i], &w) == 0)
                *(strcmp(w.state, "waiting") == 0 ? &waiting : &busy) += 1;
        free(text);
    } while (busy != 0);
    return waiting;
}
