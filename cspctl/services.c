/* SPDX-License-Identifier: MPL-2.0 */
/* Written beside and renamed: a caller sees all of it, or that there is none yet. */
#include "services.h"
#include "message.h"
#include "pool.h"
#include "suggestion.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME     "services"
#define FILE_NAME_NEW ".services"

static json_t *to_json(const struct pipeline *p, const struct service *s)
{
    json_t *backends = json_array();

    for (size_t i = 0; i < s->nbackends; i++)
        json_array_append_new(backends, json_pack("{s:s, s:I}", "name", p->processes[s->backends[i]].name, "replicas",
                                                  (json_int_t)p->processes[s->backends[i]].replicas));
    int64_t require = s->require == REQUIRE_ALL ? (int64_t)s->nbackends : s->require;
    return json_pack("{s:I, s:I, s:I, s:s, s:I, s:o}", "deadline_ns", (json_int_t)s->deadline, "hedge_ns",
                     (json_int_t)s->hedge, "require", (json_int_t)require, "merge_by", s->merge.by, "limit",
                     (json_int_t)s->merge.limit, "backends", backends);
}

int services_write(const char *dir, const struct pipeline *p)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    json_t *all = json_object();

    if (snprintf(path, sizeof path, "%s/" FILE_NAME, dir) >= (int)sizeof path ||
        snprintf(hidden, sizeof hidden, "%s/" FILE_NAME_NEW, dir) >= (int)sizeof hidden) {
        json_decref(all);
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 0; i < p->nservices; i++)
        if (p->services[i].nbackends != 0) /* else a reload has taken it out */
            json_object_set_new(all, p->services[i].name, to_json(p, &p->services[i]));
    errno = EIO;
    int failed = json_dump_file(all, hidden, JSON_COMPACT) != 0 || rename(hidden, path) != 0;
    json_decref(all);
    return failed ? -1 : 0;
}

/* The strings are copied: the JSON goes. */
static struct service_info *from_json(const char *name, const json_t *o)
{
    struct pool *pool = pool_new();
    struct service_info *s = pool_zalloc(pool, sizeof *s);
    json_int_t deadline, hedge, require, limit, replicas;
    const char *by;
    json_t *backends, *backend;
    size_t i;

    if (json_unpack((json_t *)o, "{s:I, s:I, s:I, s:s, s:I, s:o}", "deadline_ns", &deadline, "hedge_ns", &hedge,
                    "require", &require, "merge_by", &by, "limit", &limit, "backends", &backends) != 0) {
        pool_free(pool);
        return NULL;
    }
    *s = (struct service_info){.name = pool_copy(pool, name, strlen(name)), .deadline = deadline, .pool = pool};
    s->require = require;
    s->hedge = hedge;
    s->merge = (struct merge){.by = pool_copy(pool, by, strlen(by)), .limit = limit};
    s->backends = pool_zalloc(pool, json_array_size(backends) * sizeof *s->backends);
    json_array_foreach(backends, i, backend)
    {
        const char *text = "";
        if (json_unpack(backend, "{s:s, s:I}", "name", &text, "replicas", &replicas) != 0 || replicas < 1) {
            pool_free(pool);
            return NULL;
        }
        s->backends[s->nbackends++] = (struct backend_info){pool_copy(pool, text, strlen(text)), replicas};
    }
    return s;
}

static void no_service(const char *name, json_t *all)
{
    struct suggestion near = {.word = name};
    const char *key;
    json_t *value;

    json_object_foreach(all, key, value)
    {
        suggestion_offer(&near, key);
    }
    if (near.best != NULL)
        message("%s: no such service: did you mean '%s'?", name, near.best);
    else if (json_object_size(all) == 0)
        message("%s: no such service: this run has none: see 'services' in its pipeline file", name);
    else
        message("%s: no such service: there is '%s'", name, json_object_iter_key(json_object_iter(all)));
}

struct service_info *service_info_read(const char *dir, const char *name)
{
    char path[PATH_MAX];
    json_error_t error;
    struct service_info *s = NULL;

    if (snprintf(path, sizeof path, "%s/" FILE_NAME, dir) >= (int)sizeof path)
        return NULL;
    json_t *all = json_load_file(path, 0, &error);
    if (all == NULL) {
        message("%s: no such service: the run in %s was not started by 'cspctl run', or has just begun or ended", name,
                dir);
        return NULL;
    }
    json_t *one = json_object_get(all, name);
    if (one == NULL)
        no_service(name, all);
    else if ((s = from_json(name, one)) == NULL)
        message("%s: damaged: it is not a file of this version of cspctl", path);
    json_decref(all);
    return s;
}

void service_info_free(struct service_info *s)
{
    if (s != NULL)
        pool_free(s->pool);
}
