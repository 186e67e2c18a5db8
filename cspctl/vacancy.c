/* SPDX-License-Identifier: MPL-2.0 */
/* See vacancy.h. A compiled `ready: line` is never given up, nor is its index, nor a replica that it was looked for in:
 * a log's thread knows them for as long as any descendant of the process has its output open. */
#include "vacancy.h"
#include "control.h"
#include "pool.h"
#include "resume.h"

#include <stdlib.h>

static void not_of(bool *which, size_t process)
{
    if (process != PIPELINE_NONE)
        which[process] = false;
}

/* Nothing more is said of it, and nothing comes from it. */
static bool is_forgotten(const struct supervisor *s, const struct child *c)
{
    bool past = c->process != PIPELINE_NONE && s->stage.p->processes[c->process].past,
         cut = c->ending.why.how == CSP_CANCELLED && !c->ending.ours; /* say_cut */

    return past && c->phase == CHILD_ENDED && c->becomes == PIPELINE_NONE && !c->is_named && !cut && c->report < 0 &&
           c->hold == NULL && c->question.pid == 0;
}

void vacancy_step(struct supervisor *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (is_forgotten(s, s->children[i]))
            child_free(s->children[i]);
        else
            s->children[n++] = s->children[i];
    }
    s->n = n;
}

struct vacancy vacancy_find(const struct supervisor *s)
{
    const struct pipeline *p = s->stage.p;
    struct vacancy v = {memory_zalloc(p->nprocesses, sizeof *v.gone), memory_zalloc(p->nprocesses, sizeof *v.vacant)};

    for (size_t i = 0; i < p->nprocesses; i++)
        v.gone[i] = p->processes[i].past;
    for (size_t i = 0; i < s->n; i++) {
        const struct child *c = s->children[i];
        if (c->phase != CHILD_ENDED)
            not_of(v.gone, c->process);
        not_of(v.gone, c->becomes);
    }
    for (size_t i = 0; i < p->nprocesses; i++)
        v.vacant[i] =
            v.gone[i] && s->stage.regexes[i] == NULL && !control_names(s->control, i) && !resume_names(&s->stage, i);
    for (size_t i = 0; i < s->n; i++)
        not_of(v.vacant, s->children[i]->process);
    return v;
}

void vacancy_free(struct vacancy *v)
{
    free(v->gone);
    free(v->vacant);
}

static bool is_used(const struct pipeline *p, const struct pipeline *file)
{
    for (size_t i = 0; i < p->nprocesses; i++)
        if (p->processes[i].origin == file)
            return true;
    return false;
}

void vacancy_close_files(struct reloads *all, const struct pipeline *p)
{
    size_t n = 0;

    for (size_t i = 0; i < all->nloaded; i++) {
        if (i + 1 == all->nloaded || is_used(p, all->loaded[i]))
            all->loaded[n++] = all->loaded[i];
        else
            pipeline_free(all->loaded[i]);
    }
    all->nloaded = n;
}
