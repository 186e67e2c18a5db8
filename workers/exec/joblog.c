/* SPDX-License-Identifier: MPL-2.0 */
#include "joblog.h"

#include "fnv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_SHOWN 4096 /* bytes of a value that are in its line, to be read by people */

/* What every line begins with, and no value has in it, since a quotation mark in a text has a backslash before it. */
static const char head[] = "{\"process\":\"";

struct mark {
    uint64_t hash, length;
};

struct joblog {
    int fd;
    const char *process;
    unsigned replica;
    bool cut;           /* the file ends in a line that is cut: the next one begins with a newline */
    struct mark *marks; /* of done tasks, in order of hash */
    size_t n, room;
};

static int by_hash(const void *x, const void *y)
{
    const struct mark *a = x, *b = y;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->length > b->length) - (a->length < b->length);
}

static int add(struct joblog *log, struct mark mark)
{
    if (log->n == log->room) {
        size_t room = log->room != 0 ? 2 * log->room : 64;
        struct mark *more = realloc(log->marks, room * sizeof *more);
        if (more == NULL)
            return -1;
        log->marks = more;
        log->room = room;
    }
    log->marks[log->n++] = mark;
    return 0;
}

/* The last head in a line: what a kill or a full disk has cut may have another replica's line behind it. */
static const char *last_head(const char *line, size_t size)
{
    const char *found = NULL, *end = line + size;
    for (const char *p = line; (p = memmem(p, (size_t)(end - p), head, sizeof head - 1)) != NULL; p++)
        found = p;
    return found;
}

/* One line of the file that ends as a whole one does; but so does one that was cut behind a brace in its value. */
static int read_line(struct joblog *log, const char *line, size_t size)
{
    json_error_t error;
    const char *process, *outcome, *hash, *begin = last_head(line, size);
    json_int_t length;
    json_t *o = begin != NULL ? json_loadb(begin, size - (size_t)(begin - line), JSON_ALLOW_NUL, &error)
                              : json_loadb(line, size, JSON_ALLOW_NUL, &error);
    int result = 0;

    if (o == NULL && begin != NULL)
        return 0;
    if (o == NULL || json_unpack(o, "{s:s, s:s, s:s, s:I}", "process", &process, "outcome", &outcome, "hash", &hash,
                                 "length", &length) != 0) {
        errno = EINVAL;
        result = -1;
    } else if (strcmp(process, log->process) == 0 && strcmp(outcome, "done") == 0)
        result = add(log, (struct mark){strtoull(hash, NULL, 16), (uint64_t)length});
    int err = errno;
    json_decref(o);
    errno = err;
    return result;
}

static int read_done(struct joblog *log, const char *path)
{
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return errno == ENOENT ? 0 : -1;
    char *line = NULL;
    size_t room = 0;
    int result = 0;
    for (ssize_t n; result == 0 && (n = getline(&line, &room, in)) > 0;)
        if (line[n - 1] == '\n' && n > 1 && line[n - 2] == '}') /* else a kill has cut it */
            result = read_line(log, line, (size_t)n);
        else if (line[0] != '{' && line[0] != '\n') { /* nor the beginning of what a kill has cut */
            errno = EINVAL;
            result = -1;
        }
    if (result == 0 && ferror(in) != 0)
        result = -1;
    int err = errno;
    free(line);
    (void)fclose(in);
    if (log->n != 0)
        qsort(log->marks, log->n, sizeof *log->marks, by_hash);
    errno = err;
    return result;
}

static bool ends_cut(int fd)
{
    char last = '\n';
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        (void)!pread(fd, &last, 1, st.st_size - 1);
    return last != '\n';
}

struct joblog *joblog_open(const char *path, const char *process, unsigned replica, bool resume)
{
    struct joblog *log = calloc(1, sizeof *log);
    if (log == NULL)
        return NULL;
    log->process = process;
    log->replica = replica;
    log->fd = -1;
    if (!resume || read_done(log, path) == 0)
        log->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (log->fd < 0) {
        int err = errno;
        joblog_close(log);
        errno = err;
        return NULL;
    }
    log->cut = ends_cut(log->fd);
    return log;
}

bool joblog_done(const struct joblog *log, const void *value, size_t length)
{
    struct mark mark = {csp__fnv(CSP__FNV_START, value, length), length};
    return log->n != 0 && bsearch(&mark, log->marks, log->n, sizeof mark, by_hash) != NULL;
}

/* JSON is UTF-8: bytes that are none are shown as U+FFFD, which the hash does not mind. */
static json_t *shown(const unsigned char *value, size_t length)
{
    size_t n = length < VALUE_SHOWN ? length : VALUE_SHOWN;
    while (n != 0 && n < length && (value[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    json_t *text = json_stringn((const char *)value, n);
    if (text != NULL)
        return text;
    char *safe = malloc(3 * n + 1), *to = safe;
    if (safe == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (value[i] < 0x80)
            *to++ = (char)value[i];
        else
            to = mempcpy(to, "\xef\xbf\xbd", 3);
    text = json_stringn(safe, (size_t)(to - safe));
    free(safe);
    return text;
}

static char *line_of(const struct joblog *log, const struct joblog_task *t)
{
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, csp__fnv(CSP__FNV_START, t->value, t->length));
    json_t *o = json_pack("{s:s, s:i, s:I, s:i, s:f, s:f, s:i, s:i, s:s, s:I, s:I, s:s, s:o}", "process", log->process,
                          "replica", (int)log->replica, "id", (json_int_t)t->id, "tries", (int)t->tries, "start",
                          (double)t->start / 1e9, "seconds", (double)t->took / 1e9, "status", t->status, "signal",
                          t->signal, "outcome", t->outcome, "output", (json_int_t)t->output, "length",
                          (json_int_t)t->length, "hash", hash, "value", shown(t->value, t->length));
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(16)) : NULL;
    json_decref(o);
    return text;
}

/* At once, among those of other replicas. A file takes less where its disk is full, a pipe where a signal comes: the
 * next write says which, and what is left of the line then is cut. */
static int write_whole(struct joblog *log, const char *line, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(log->fd, line + done, size - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    log->cut = done != size && (done != 0 || log->cut);
    return done == size ? 0 : -1;
}

int joblog_write(struct joblog *log, const struct joblog_task *task)
{
    char *text = line_of(log, task), *line = NULL;
    int size = text != NULL ? asprintf(&line, "%s%s\n", log->cut ? "\n" : "", text) : -1;
    free(text);
    if (size < 0) {
        errno = ENOMEM;
        return -1;
    }
    int result = write_whole(log, line, (size_t)size), err = errno;
    free(line);
    errno = err;
    return result;
}

void joblog_close(struct joblog *log)
{
    if (log == NULL)
        return;
    if (log->fd >= 0)
        (void)close(log->fd);
    free(log->marks);
    free(log);
}
