/* SPDX-License-Identifier: MPL-2.0 */
/* Both sides of the file, so that they agree. Where it can't be written nothing is shown: the run goes on. */
#include "phases.h"
#include "pool.h"
#include "snapshot.h"
#include "supervisor.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *state_of(const struct supervisor *s, const struct child *c)
{
    if (c->process == PIPELINE_NONE)
        return NULL;
    if (c->phase == CHILD_NEW)
        return "depends"; /* it waits for others to be ready */
    if (c->phase == CHILD_BURIED || c->phase == CHILD_PAUSED)
        return "back-off";
    bool asked = s->stage.p->processes[c->process].ready.place.line != 0;
    if (c->phase != CHILD_RUNNING || !asked)
        return c->incarnations > 1 && c->phase != CHILD_ENDED ? "-" : NULL;
    return c->ready ? "ready" : "starting";
}

static char *describe(const struct supervisor *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; out != NULL && i < s->n; i++) {
        const struct child *c = s->children[i];
        const char *state = state_of(s, c);
        if (state != NULL)
            (void)fprintf(out, "%" PRId64 " %s %" PRIu64 "\n", c->proc, state,
                          c->incarnations > 0 ? c->incarnations - 1 : 0);
    }
    if (out != NULL && fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static void replace_file(const char *dir, const char *text)
{
    char path[PATH_MAX], fresh[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/phases", dir);
    (void)snprintf(fresh, sizeof fresh, "%s/.phases", dir);
    FILE *f = fopen(fresh, "we");
    if (f == NULL)
        return;
    bool good = fputs(text, f) >= 0;
    if (fclose(f) == 0 && good)
        (void)rename(fresh, path);
}

void phases_write(struct supervisor *s)
{
    char *text = s->state != RUN_OVER ? describe(s) : NULL;

    if (text == NULL || strcmp(text, s->phases != NULL ? s->phases : "") == 0) {
        free(text);
        return;
    }
    replace_file(s->stage.dir, text);
    free(s->phases);
    s->phases = text;
}

static void apply_line(struct snapshot *s, const char *line)
{
    char state[32];
    int64_t id, restarts;

    if (sscanf(line, "%" SCNd64 " %31s %" SCNd64, &id, state, &restarts) != 3)
        return;
    for (size_t i = 0; i < s->nprocesses; i++) {
        struct snapshot_process *p = &s->processes[i];
        if (p->id != id)
            continue;
        p->restarts = restarts;
        bool tells_more = strcmp(state, "ready") == 0 && strcmp(p->state, "waiting") == 0;
        if (strcmp(state, "-") != 0 && !tells_more)
            p->state = pool_copy(s->pool, state, strlen(state));
    }
}

void phases_apply(const char *dir, struct snapshot *s)
{
    char path[PATH_MAX], line[128];
    size_t n = 0;

    (void)snprintf(path, sizeof path, "%s/phases", dir);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        apply_line(s, line);
    if (f != NULL)
        (void)fclose(f);
    for (size_t i = 0; i < s->nprocesses; i++)
        if (strcmp(s->processes[i].state, "standing") != 0)
            s->processes[n++] = s->processes[i];
    s->nprocesses = n;
}
