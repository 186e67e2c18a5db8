/* SPDX-License-Identifier: MPL-2.0 */
/* From a path to a pipeline, in steps that each need the one before: text, document, sections, topology. Text and
 * document must be right before the next step can begin; from there on everything is read, so that all mistakes are
 * told at once. */
#include "pipeline.h"
#include "pool.h"
#include "reader.h"
#include "suggestion.h"

#include <ctype.h>
#include <string.h>

/* "config/word count.yaml" is the run "word-count". */
static const char *default_name(struct pool *pool, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    size_t n = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    char *name = pool_copy(pool, base, n < 63 ? n : 63);

    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
            *c = '-';
    return *name ? name : "pipeline";
}

/* Words of the command line that no variable has asked for. */
static void check_arguments(struct reader *r)
{
    for (size_t i = 0; i < r->narguments; i++) {
        const char *word = r->arguments[i];
        char *name = pool_copy(r->d->pool, word, strcspn(word, "="));
        struct suggestion s = {.word = name};
        bool known = false;
        for (size_t j = 0; j < r->p->nvars; j++) {
            known = known || strcmp(r->p->vars[j].name, name) == 0;
            suggestion_offer(&s, r->p->vars[j].name);
        }
        if (!known)
            diagnose(r->d, (struct place){0, 0},
                     diagnostics_did_you_mean(r->d, s.best,
                                              r->p->nvars ? "the variables are those under vars" : "it has no vars"),
                     "the command line gives %s, and this file has no such variable", diagnostics_quote(r->d, word));
    }
}

static void read_file(struct reader *r)
{
    int root = document_root(&r->doc);

    read_section(r, SECTION_FILE, root, document_place(&r->doc, root), r->p);
    check_arguments(r);
    check_topology(r);
    check_dependencies(r);
}

struct pipeline *pipeline_load(const char *path, char *const vars[], size_t nvars, struct diagnostics *d)
{
    struct pool *pool = pool_new();
    struct pipeline *p = pool_zalloc(pool, sizeof *p);
    struct reader r = {.p = p, .d = d, .arguments = vars, .narguments = nvars};

    *p = (struct pipeline){.pool = pool, .path = path, .name = default_name(pool, path), .deadline = -1};
    if (source_load(d, path) && document_load(&r.doc, d)) {
        r.mentioned = zhashx_new();
        read_file(&r);
        zhashx_destroy(&r.mentioned);
        document_free(&r.doc);
    }
    if (diagnostics_errors(d) == 0)
        return p;
    pipeline_free(p);
    return NULL;
}

void pipeline_free(struct pipeline *p)
{
    if (p)
        pool_free(p->pool);
}

size_t pipeline_channel(const struct pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->nchannels; i++)
        if (strcmp(p->channels[i].name, name) == 0)
            return i;
    return PIPELINE_NONE;
}

static bool has_end(const struct end *ends, size_t n, size_t process)
{
    for (size_t i = 0; i < n; i++)
        if (ends[i].process == process)
            return true;
    return false;
}

bool channel_has_sender(const struct channel *c, size_t process)
{
    return has_end(c->senders, c->nsenders, process);
}

bool channel_has_receiver(const struct channel *c, size_t process)
{
    return has_end(c->receivers, c->nreceivers, process);
}

size_t pipeline_process(const struct pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->nprocesses; i++)
        if (!p->processes[i].past && strcmp(p->processes[i].name, name) == 0)
            return i;
    return PIPELINE_NONE;
}

size_t pipeline_service(const struct pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->nservices; i++)
        if (strcmp(p->services[i].name, name) == 0)
            return i;
    return PIPELINE_NONE;
}

size_t pipeline_total_replicas(const struct pipeline *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->nprocesses; i++)
        n += (size_t)p->processes[i].replicas;
    return n;
}
