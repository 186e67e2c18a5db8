/* SPDX-License-Identifier: MPL-2.0 */
/* search: a backend of a search service, and the tool that builds its index and tries it out.
 *
 * As a worker it serves until its request channel closes: a request is `DEADLINE_NS WORDS` with the channel for the
 * answer attached. It owes an answer only until the deadline: what is late already is dropped, a search ends `margin`
 * before the deadline with what it has, and an asker that has gone (EPIPE, ETIMEDOUT) is no fault. */
#include "hits.h"
#include "build.h"

#include <csp.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#define MARGIN_MS  10
#define LIMIT      20
#define LIMIT_MAX  1000
#define FOREVER_MS 86400000

static const char usage[] =
    "usage: search [--margin 10ms] [--limit 20] INDEX.db                         serve the channel in CSP_SERVE\n"
    "       search --build INDEX.db < LINES                                      lines: title TAB source\n"
    "       search --query INDEX.db [--deadline 80ms] [--margin 10ms] [--limit 20] WORD ...\n";

struct options {
    enum { SERVE, BUILD, QUERY } mode;
    const char *index;
    int64_t margin_ms, deadline_ms, limit;
};

static int fault(int status, const char *place, const char *what)
{
    fprintf(stderr, "search: %s: %s\n", place, what);
    return status;
}

/* ---- serving ---------------------------------------------------------------------------------------------------- */

/* Answers one request. Returns false when serving cannot go on: errno. */
static bool serve_one(struct index *x, const struct options *o, const csp_msg *m)
{
    char *rest;
    int64_t deadline = strtoll(m->data, &rest, 10);
    char *text = NULL;
    if (m->chan == 0 || csp_now() >= deadline)
        return true;
    size_t used = (size_t)(rest - (char *)m->data);
    text = hits_answer(x, rest, m->len - used, (size_t)o->limit, deadline - o->margin_ms * 1000000, NULL);
    if (text == NULL) {
        errno = ENOMEM;
        return false;
    }
    int rc = csp_send(m->chan, text, strlen(text), deadline);
    free(text);
    return rc == 0 || errno == EPIPE || errno == ETIMEDOUT || errno == EMSGSIZE;
}

static int serve(struct index *x, const struct options *o)
{
    const char *name = getenv("CSP_SERVE");
    if (name == NULL)
        return fault(EX_USAGE, "CSP_SERVE", "not set: a worker is started by `cspctl run`; or use --query");
    csp_chan requests = csp_open(name, CSP_RECV);
    if (requests == 0)
        return fault(EX_UNAVAILABLE, name, csp_errmsg());
    csp_msg m;
    bool well = true;
    while (well && csp_recv_msg(requests, &m, CSP_FOREVER) == 0) {
        /* The asker's receiving end came along: as long as it is ours too, its leaving would not be noticed. */
        if (m.chan != 0)
            (void)csp_drop(m.chan, CSP_RECV);
        well = serve_one(x, o, &m);
        int error = errno;
        if (m.chan != 0)
            (void)csp_drop(m.chan, CSP_SEND);
        csp_msg_free(&m);
        errno = error;
    }
    if (errno == EPIPE)
        return csp_term() == 0 ? 0 : fault(EX_OSERR, name, csp_errmsg());
    return fault(errno == ENOTCONN ? EX_UNAVAILABLE : EX_OSERR, name, strerror(errno));
}

/* ---- by hand ---------------------------------------------------------------------------------------------------- */

static int query(struct index *x, const struct options *o, char *const words[])
{
    char *line = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&line, &len);
    if (out == NULL)
        return fault(EX_OSERR, o->index, strerror(errno));
    for (size_t i = 0; words[i] != NULL; i++)
        fprintf(out, "%s ", words[i]);
    if (fclose(out) != 0)
        return fault(EX_OSERR, o->index, strerror(errno));
    bool failed = false;
    char *text = hits_answer(x, line, len, (size_t)o->limit, csp_in(o->deadline_ms - o->margin_ms), &failed);
    free(line);
    if (text == NULL)
        return fault(EX_OSERR, o->index, strerror(ENOMEM));
    int rc = puts(text);
    free(text);
    if (rc == EOF || fflush(stdout) == EOF)
        return fault(EX_IOERR, "standard output", strerror(errno));
    return failed ? EX_SOFTWARE : 0;
}

static int build(const char *path)
{
    char *why;
    int64_t rows;
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of a file is an error like a full disk */
    int status = build_index(path, stdin, &rows, &why);
    if (status != 0)
        fault(status, path, why != NULL ? why : strerror(ENOMEM));
    free(why);
    struct stat file;
    if (status == 0 && stat(path, &file) == 0)
        printf("%s: %" PRId64 " rows, %.1f MB\n", path, rows, (double)file.st_size / 1e6);
    return status;
}

/* ---- arguments -------------------------------------------------------------------------------------------------- */

/* A duration in whole ms: "80ms", "2s". */
static bool duration(const char *text, int64_t *ms)
{
    char *end;
    errno = 0;
    *ms = strtoll(text, &end, 10);
    int64_t unit = strcmp(end, "ms") == 0 ? 1 : strcmp(end, "s") == 0 ? 1000 : 0;
    if (errno != 0 || end == text || unit == 0 || *ms < 0 || *ms > FOREVER_MS)
        return false;
    *ms *= unit;
    return true;
}

static bool count(const char *text, int64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *n >= 1 && *n <= LIMIT_MAX;
}

/* 0, or an exit status. */
static int parse(struct options *o, int argc, char *argv[])
{
    static const struct option known[] = {
        {"build", required_argument, NULL, 'b'},
        {"query", required_argument, NULL, 'q'},
        {"deadline", required_argument, NULL, 'd'},
        {"margin", required_argument, NULL, 'm'},
        {"limit", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    bool good = true;
    while (good && (c = getopt_long(argc, argv, "+", known, NULL)) != -1) {
        if (c == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (c == 'b' || c == 'q') {
            o->mode = c == 'b' ? BUILD : QUERY;
            o->index = optarg;
        }
        good = c == 'd'   ? duration(optarg, &o->deadline_ms)
               : c == 'm' ? duration(optarg, &o->margin_ms)
               : c == 'l' ? count(optarg, &o->limit)
                          : c != '?';
        if (!good && c != '?')
            fprintf(stderr, "search: %s: not a %s\n", optarg, c == 'l' ? "count from 1 to 1000" : "duration like 80ms");
    }
    if (good && o->mode == SERVE && optind < argc)
        o->index = argv[optind++];
    if (!good || o->index == NULL || (o->mode != QUERY && optind < argc)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    return 0;
}

int main(int argc, char *argv[])
{
    struct options o = {.mode = SERVE, .margin_ms = MARGIN_MS, .deadline_ms = FOREVER_MS, .limit = LIMIT};
    int status = parse(&o, argc, argv);
    if (status != 0)
        return status;
    if (o.mode == BUILD)
        return build(o.index);
    char *why;
    struct index *x = index_open(o.index, &why);
    if (x == NULL) {
        fault(EX_NOINPUT, o.index, why != NULL ? why : strerror(ENOMEM));
        free(why);
        return EX_NOINPUT;
    }
    status = o.mode == SERVE ? serve(x, &o) : query(x, &o, argv + optind);
    index_close(x);
    return status;
}
