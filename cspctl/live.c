/* SPDX-License-Identifier: MPL-2.0 */
/* Runs may share a name (the same file started twice): then a name is not enough, and the error lists directories. */
#include "live.h"
#include "message.h"
#include "pool.h"
#include "snapshot.h"
#include "suggestion.h"
#include "table.h"
#include "unit.h"

#include <run.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

struct list {
    struct live *item;
    int n;
};

static int list_add(const char *dir, const struct csp__runinfo *info, void *arg)
{
    struct list *list = arg;

    list->item = memory_resize(list->item, ((size_t)list->n + 1) * sizeof *list->item);
    struct live *run = &list->item[list->n++];
    memset(run->dir, 0, sizeof run->dir);
    memcpy(run->dir, dir, strnlen(dir, sizeof run->dir - 1));
    run->info = *info;
    return 0;
}

static int by_age(const void *a, const void *b)
{
    int64_t x = ((const struct live *)a)->info.started, y = ((const struct live *)b)->info.started;

    return (x > y) - (x < y);
}

int live_all(struct live **runs)
{
    struct list list = {0};

    if (csp__rundir_each(list_add, &list) < 0) {
        free(list.item);
        return -1;
    }
    if (list.n > 0)
        qsort(list.item, (size_t)list.n, sizeof *list.item, by_age);
    *runs = list.item;
    return list.n;
}

int64_t live_uptime(const struct live *run)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - run->info.started;
}

void live_print(const struct live *run, FILE *to)
{
    char text[UNIT_TEXT];
    char *file = table_printable(run->info.file, strlen(run->info.file));
    char *name = table_printable(run->info.name, strlen(run->info.name));

    fprintf(to, "%s: pid %d, up %s, %s, %s\n\n", name, (int)run->info.root, unit_print_age(live_uptime(run), text),
            run->dir, *file != '\0' ? file : "no file");
    free(name);
    free(file);
}

static bool is_meant(const struct live *run, const char *which)
{
    size_t n = strlen(which);

    if (strchr(which, '/') == NULL)
        return strcmp(run->info.name, which) == 0;
    while (n > 1 && which[n - 1] == '/')
        n--;
    return strlen(run->dir) == n && strncmp(run->dir, which, n) == 0;
}

static int none_found(const char *which, const struct live *runs, int n)
{
    struct suggestion near = {.word = which};

    for (int i = 0; which != NULL && i < n; i++)
        suggestion_offer(&near, runs[i].info.name);
    if (which == NULL)
        message("no run is live: start one with 'cspctl run FILE'");
    else if (near.best != NULL)
        message("%s: no such live run: did you mean '%s'?", which, near.best);
    else
        message("%s: no such live run: 'cspctl ps' lists them", which);
    return EX_UNAVAILABLE;
}

static int many_found(const char *which, const struct live *runs, int n, int fits)
{
    message("%d runs %s%s: say which with --run:", fits, which != NULL ? "are called " : "are live",
            which != NULL ? which : "");
    for (int i = 0; i < n; i++)
        if (which == NULL || is_meant(&runs[i], which))
            message("  --run %s    (%s, %s)", runs[i].dir, runs[i].info.name, runs[i].info.file);
    return EX_USAGE;
}

int live_find(const char *which, struct live *found)
{
    struct live *runs = NULL;
    int n = live_all(&runs), fits = 0, status = 0;
    const char *inherited = getenv("CSP_RUN");

    if (n < 0) {
        message("live runs: cannot be listed: %s", strerror(errno));
        return EX_OSERR;
    }
    if (which == NULL && inherited != NULL && *inherited != '\0')
        which = inherited;
    for (int i = 0; i < n; i++)
        if (which == NULL || is_meant(&runs[i], which)) {
            *found = runs[i];
            fits++;
        }
    if (fits == 0)
        status = none_found(which, runs, n);
    else if (fits > 1)
        status = many_found(which, runs, n, fits);
    free(runs);
    return status;
}

int live_join(const char *which, struct live *found)
{
    int status = live_find(which, found);

    if (status == 0 && csp__join(found->dir) != 0) {
        message("%s: cannot be joined: %s", found->info.name, csp_errmsg());
        status = EX_UNAVAILABLE;
    }
    return status;
}

static void no_channel(const char *name)
{
    struct suggestion near = {.word = name};
    struct snapshot *s = snapshot_ask();

    for (size_t i = 0; s != NULL && i < s->nchannels; i++)
        if (strcmp(s->channels[i].name, "-") != 0)
            suggestion_offer(&near, s->channels[i].name);
    if (near.best != NULL)
        message("%s: no such channel: did you mean '%s'?", name, near.best);
    else
        message("%s: no such channel: 'cspctl ps' lists them", name);
    snapshot_free(s);
}

int live_channel(const char *name, int ends, csp_chan *channel)
{
    *channel = csp_open(name, ends);
    if (*channel != 0)
        return 0;
    if (errno == ENOENT) {
        no_channel(name);
        return EX_USAGE;
    }
    int status = errno == ENOTCONN ? EX_UNAVAILABLE : EX_USAGE;
    message("%s: %s", name, csp_errmsg());
    return status;
}
