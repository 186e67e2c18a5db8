/* SPDX-License-Identifier: MPL-2.0 */
/* `ready` and `depends_on`. A name may stand before the process that it means, so names are looked up when all are
 * known; then a circle among them is searched for along the names, each of which has its place in the file. */
#include "pool.h"
#include "reader.h"
#include "suggestion.h"

#include "../workers/exec/spotter.h"

#include <string.h>

void read_regex(struct reader *r, const struct value *v)
{
    regex_t regex;
    char why[200];

    if (spotter_compile(&regex, v->text, why, sizeof why) != 0) {
        wrong(r, v, "%s is no regular expression: %s", diagnostics_quote(r->d, v->text), why);
        return;
    }
    regfree(&regex);
    read_field(r, v);
}

void read_ready(struct reader *r, const struct value *v)
{
    const struct member **m = read_section(r, SECTION_READY, v->node, v->place, v->base);
    const struct member *line = given(m, SECTION_READY, "line"), *exec = given(m, SECTION_READY, "exec");

    ((struct ready *)v->field)->place = v->place;
    if ((line != NULL) == (exec != NULL))
        wrong(r, v, line ? "line and exec exclude each other" : "it needs line or exec");
}

void read_dependency(struct reader *r, const struct value *v)
{
    struct mentions *list = v->field;

    list->item = pool_more(r->p->pool, list->item, list->n, sizeof *list->item);
    list->item[list->n++] = (struct mention){pool_copy(r->p->pool, v->text, strlen(v->text)), v->place};
}

void read_dependencies(struct reader *r, const struct value *v)
{
    size_t n;
    const int *item = document_items(&r->doc, v->node, &n);
    struct value element;

    for (size_t i = 0; i < n; i++)
        if (read_element(r, v, item[i], &element))
            read_dependency(r, &element);
}

/* ---- names */

static const char *nearest_process(const struct reader *r, const char *name)
{
    struct suggestion s = {.word = name};

    for (size_t i = 0; i < r->p->nprocesses; i++)
        suggestion_offer(&s, r->p->processes[i].name);
    return s.best;
}

static bool is_before(const struct process *process, size_t meant)
{
    for (size_t i = 0; i < process->nafter; i++)
        if (process->after[i] == meant)
            return true;
    return false;
}

static void resolve(struct reader *r, size_t i)
{
    struct process *process = &r->p->processes[i];

    process->after = pool_zalloc(r->p->pool, (process->depends_on.n + 1) * sizeof *process->after);
    process->after_places = pool_zalloc(r->p->pool, (process->depends_on.n + 1) * sizeof *process->after_places);
    for (size_t k = 0; k < process->depends_on.n; k++) {
        struct mention m = process->depends_on.item[k];
        size_t meant = pipeline_process(r->p, m.name);
        if (meant == PIPELINE_NONE)
            diagnose(r->d, m.place,
                     diagnostics_did_you_mean(r->d, nearest_process(r, m.name), "name a process of this file"),
                     "depends_on: there is no process %s", diagnostics_quote(r->d, m.name));
        else if (is_before(process, meant))
            diagnose(r->d, m.place, "take one of them out", "depends_on: %s stands here a second time",
                     diagnostics_quote(r->d, m.name));
        else {
            process->after_places[process->nafter] = m.place;
            process->after[process->nafter++] = meant;
        }
    }
}

/* ---- circles */

struct search {
    struct reader *r;
    enum { NEW, ON_PATH, FINISHED } * state;
    size_t *path, depth;
};

static void say_circle(struct search *s, size_t first, struct place at)
{
    const struct pipeline *p = s->r->p;
    const char *text = p->processes[s->path[first]].name;

    for (size_t i = first + 1; i < s->depth; i++)
        text = diagnostics_text(s->r->d, "%s -> %s", text, p->processes[s->path[i]].name);
    diagnose(s->r->d, at, "take one of them out of its depends_on",
             "depends_on: none of these could ever start: %s -> %s", text, p->processes[s->path[first]].name);
}

static void visit(struct search *s, size_t i)
{
    const struct process *process = &s->r->p->processes[i];

    s->state[i] = ON_PATH;
    s->path[s->depth++] = i;
    for (size_t k = 0; k < process->nafter; k++) {
        size_t next = process->after[k], first = 0;
        if (s->state[next] == NEW)
            visit(s, next);
        else if (s->state[next] == ON_PATH) {
            while (s->path[first] != next)
                first++;
            say_circle(s, first, process->after_places[k]);
        }
    }
    s->depth--;
    s->state[i] = FINISHED;
}

/* Of `ready: line`, and nothing is there to be looked at; or of a program that runs anew for each value. */
static void check_ready(struct reader *r, const struct process *process)
{
    const struct ready *ready = &process->ready;

    if (ready->place.line == 0)
        return;
    if (process->kind == PROCESS_EACH)
        diagnose(r->d, ready->place, "take it out: such a process is ready when it is started",
                 "ready: a program that runs once for each value is never ready");
    else if (ready->line && process->output.kind == OUTPUT_NONE && process->error.kind == OUTPUT_NONE)
        diagnose(r->d, ready->place, "let one of them be seen: stderr: log", "ready: its stdout and stderr are none");
    else if (ready->line && process->serve != PIPELINE_NONE && process->kind == PROCESS_COMMAND &&
             process->error.kind == OUTPUT_NONE)
        diagnose(r->d, ready->place, "let it be seen: stderr: log",
                 "ready: its stdout are answers, and its stderr is none");
}

void check_dependencies(struct reader *r)
{
    size_t n = r->p->nprocesses;
    struct search s = {.r = r,
                       .state = pool_zalloc(r->doc.pool, n * sizeof *s.state),
                       .path = pool_zalloc(r->doc.pool, (n + 1) * sizeof *s.path)};

    for (size_t i = 0; i < n; i++) {
        check_ready(r, &r->p->processes[i]);
        resolve(r, i);
    }
    for (size_t i = 0; i < n; i++)
        if (s.state[i] == NEW)
            visit(&s, i);
}
