/* SPDX-License-Identifier: MPL-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS 8000000 /* some tenths of a second */

static const char *const files[] = {"pipeline.yaml", "kept", "visits"};

static const char *in(const char *dir, const char *name)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

int pipeline_write(const char *dir)
{
    FILE *f = fopen(in(dir, "pipeline.yaml"), "we");
    if (f == NULL)
        return -1;
    fprintf(f,
            "processes:\n"
            "  count: {command: [seq, '%d'], stdout: a}\n"
            "  pass: {command: [cat], stdin: a, stdout: b}\n"
            "  keep: {command: 'exec cat > kept', stdin: b, cwd: %s}\n",
            NUMBERS, dir);
    return fclose(f) == 0 ? 0 : -1;
}

pid_t pipeline_visit(const char *dir, const char *cspctl)
{
    static const char loop[] = "n=0; while [ $n -lt 60 ]; do n=$((n + 1));"
                               " if ls $2/csp-*/run; then seen=1; n=0; $0 recv a -n 200 --timeout 200ms >> $1;"
                               " elif [ \"$seen\" ]; then exit; fi; sleep 0.05; done";
    char run[PATH_MAX];
    snprintf(run, sizeof run, "%s/run", dir);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    setenv("XDG_RUNTIME_DIR", run, 1);
    unsetenv("CSP_RUN");
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(127); /* that the run has ended is no news */
    execl("/bin/sh", "sh", "-c", loop, cspctl, in(dir, "visits"), run, (char *)NULL);
    _exit(127);
}

struct numbers { /* of a file, one after the other */
    FILE *f;
    uint64_t next, last; /* next: 0, no more */
};

/* A last line that was cut short is none. */
static void advance(struct numbers *n, struct findings *f, const char *whose)
{
    char line[64];
    n->last = n->next;
    n->next = 0;
    if (n->f == NULL || fgets(line, sizeof line, n->f) == NULL || strchr(line, '\n') == NULL)
        return;
    n->next = strtoull(line, NULL, 10);
    f->values++;
    if (n->next <= n->last) {
        fprintf(stderr, "%s: %" PRIu64 " after %" PRIu64 "\n", whose, n->next, n->last);
        f->doubled++;
    }
}

static void merge(struct numbers *kept, struct numbers *visits, unsigned excuses, struct findings *f)
{
    for (uint64_t want = 1; kept->next != 0; want++) {
        bool ours = kept->next == want, theirs = visits->next == want;
        if (ours && theirs) {
            fprintf(stderr, "%" PRIu64 " is in the file and with a guest\n", want);
            f->doubled++;
        }
        if (!ours && !theirs && f->excused < excuses) {
            f->excused++;
        } else if (!ours && !theirs) {
            fprintf(stderr, "%" PRIu64 " is missing: the file goes on with %" PRIu64 ", the guests with %" PRIu64 "\n",
                    want, kept->next, visits->next);
            f->lost++;
            want = kept->next - 1; /* once is enough */
            continue;
        }
        if (ours)
            advance(kept, f, "the file");
        if (theirs)
            advance(visits, f, "the guests");
    }
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The numbers of a file in order, in a file that has no name. They may go back so often: what had been delivered ahead
 * to a filter that was killed returns to its place, and others have gone on meanwhile. NULL: there is none. */
static FILE *sorted(FILE *from, unsigned returns, struct findings *f)
{
    FILE *to = from != NULL ? tmpfile() : NULL;
    uint64_t *all = NULL, last = 0;
    size_t n = 0, size = 0;
    char line[64];
    while (to != NULL && fgets(line, sizeof line, from) != NULL && strchr(line, '\n') != NULL) {
        if (n == size) {
            size = size != 0 ? size * 2 : 1024;
            all = realloc(all, size * sizeof *all);
            if (all == NULL)
                abort();
        }
        all[n] = strtoull(line, NULL, 10);
        if (all[n] < last && returns-- == 0) {
            fprintf(stderr, "the guests: %" PRIu64 " after %" PRIu64 "\n", all[n], last);
            f->doubled++;
            returns = 0;
        }
        last = all[n++];
    }
    if (n != 0)
        qsort(all, n, sizeof *all, ascending);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%" PRIu64 "\n", all[i]);
    free(all);
    if (to != NULL)
        rewind(to);
    if (from != NULL)
        (void)fclose(from);
    return to;
}

void pipeline_judge(const char *dir, unsigned guests_killed, unsigned others_killed, bool complete, struct findings *f)
{
    *f = (struct findings){0};
    struct numbers kept = {.f = fopen(in(dir, "kept"), "re")};
    struct numbers visits = {.f = sorted(fopen(in(dir, "visits"), "re"), others_killed, f)};
    advance(&kept, f, "the file");
    advance(&visits, f, "the guests");
    merge(&kept, &visits, guests_killed, f);
    uint64_t last = kept.last;
    while (visits.next != 0) {
        last = visits.next;
        advance(&visits, f, "the guests");
    }
    last = kept.last > last ? kept.last : last;
    if (complete && last + guests_killed < NUMBERS) {
        fprintf(stderr, "the run ended well, and the last number is %" PRIu64 " of %d\n", last, NUMBERS);
        f->lost++;
    }
    if (kept.f != NULL)
        (void)fclose(kept.f);
    if (visits.f != NULL)
        (void)fclose(visits.f);
}

void pipeline_remove(const char *dir)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in(dir, files[i]));
}
