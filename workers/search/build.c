/* SPDX-License-Identifier: MPL-2.0 */
/* All rows go into one transaction without a journal: a build that fails is thrown away, so there is nothing to roll
 * back. The file is written as PATH.part, forced to the disk and renamed: whoever opens PATH finds an index or none,
 * also after a SIGKILL or a full disk. A chunk is gathered in memory and written as one piece (FTS5's "optimize" then
 * has nothing to merge), which is what makes it fast to build and to search. */
#include "build.h"
#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define CHUNK_BYTES (64 << 20) /* FTS5's memory for a chunk: more than one ever takes */

static const char schema[] =
    "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;"
    "PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN;"
    "CREATE TABLE entries(id INTEGER PRIMARY KEY, title TEXT NOT NULL, place_id INTEGER NOT NULL, name TEXT NOT NULL);"
    "CREATE TABLE places(id INTEGER PRIMARY KEY, place TEXT NOT NULL);"
    "CREATE TABLE words(word TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE totals(rows INTEGER NOT NULL, tokens INTEGER NOT NULL); INSERT INTO totals VALUES(0, 0)";

struct build {
    const char *part;
    sqlite3 *db;
    sqlite3_stmt *entry, *place, *text;
    int64_t rows, places;
    char *last_place;
    size_t last_place_len;
};

static char *sentence(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return text;
}

/* Runs SQL made by sqlite3_mprintf's rules. */
static int run(sqlite3 *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *sql = sqlite3_vmprintf(format, args);
    va_end(args);
    int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return rc;
}

static int prepare(sqlite3 *db, sqlite3_stmt **s, const char *sql)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
}

/* Runs a statement whose values are bound, and makes it ready for the next. */
static int step(sqlite3_stmt *s)
{
    sqlite3_step(s);
    return sqlite3_reset(s);
}

/* ---- chunks ----------------------------------------------------------------------------------------------------- */

static int begin_chunk(struct build *b, int64_t chunk)
{
    int rc = run(b->db,
                 "CREATE VIRTUAL TABLE chunk%lld USING fts5(title, source, content='', tokenize='" INDEX_TOKENIZER "');"
                 "INSERT INTO chunk%lld(chunk%lld, rank) VALUES('hashsize', %d)",
                 chunk, chunk, chunk, CHUNK_BYTES);
    char *sql = sqlite3_mprintf("INSERT INTO chunk%lld(rowid, title, source) VALUES(?1, ?2, ?3)", chunk);
    if (rc == SQLITE_OK)
        rc = sql == NULL ? SQLITE_NOMEM : prepare(b->db, &b->text, sql);
    sqlite3_free(sql);
    return rc;
}

/* Writes the chunk out and adds its words to those of the index. */
static int end_chunk(struct build *b, int64_t chunk)
{
    sqlite3_finalize(b->text);
    b->text = NULL;
    return run(b->db,
               "INSERT INTO chunk%lld(chunk%lld) VALUES('optimize');"
               "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, chunk%lld, row);"
               "INSERT INTO words SELECT term, doc FROM vocabulary WHERE doc >= %d"
               " ON CONFLICT(word) DO UPDATE SET rows = rows + excluded.rows;"
               "UPDATE totals SET rows = %lld, tokens = tokens + (SELECT ifnull(sum(cnt), 0) FROM vocabulary);"
               "DROP TABLE vocabulary",
               chunk, chunk, chunk, INDEX_RARE, b->rows);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* Neighbours mostly have the same place, so only the last one is remembered. */
static int add_place(struct build *b, const char *place, size_t len)
{
    if (b->places > 0 && len == b->last_place_len && memcmp(place, b->last_place, len) == 0)
        return SQLITE_OK;
    char *copy = realloc(b->last_place, len + 1);
    if (copy == NULL)
        return SQLITE_NOMEM;
    memcpy(copy, place, len);
    b->last_place = copy;
    b->last_place_len = len;
    sqlite3_bind_int64(b->place, 1, ++b->places);
    sqlite3_bind_text(b->place, 2, place, (int)len, SQLITE_STATIC);
    return step(b->place);
}

static int add_row(struct build *b, const char *title, size_t title_len, const char *source, size_t source_len)
{
    int rc = SQLITE_OK;
    if (b->rows % INDEX_CHUNK == 0) {
        if (b->rows > 0)
            rc = end_chunk(b, b->rows / INDEX_CHUNK - 1);
        if (rc == SQLITE_OK)
            rc = begin_chunk(b, b->rows / INDEX_CHUNK);
    }
    const char *slash = memrchr(source, '/', source_len);
    size_t place_len = slash == NULL ? 0 : (size_t)(slash - source) + 1;
    if (rc == SQLITE_OK)
        rc = add_place(b, source, place_len);
    if (rc != SQLITE_OK)
        return rc;
    b->rows++;
    sqlite3_bind_int64(b->text, 1, b->rows);
    sqlite3_bind_text(b->text, 2, title, (int)title_len, SQLITE_STATIC);
    sqlite3_bind_text(b->text, 3, source, (int)source_len, SQLITE_STATIC);
    rc = step(b->text);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(b->entry, 1, b->rows);
    sqlite3_bind_text(b->entry, 2, title, (int)title_len, SQLITE_STATIC);
    sqlite3_bind_int64(b->entry, 3, b->places);
    sqlite3_bind_text(b->entry, 4, source + place_len, (int)(source_len - place_len), SQLITE_STATIC);
    return step(b->entry);
}

/* 0, or an exit status with *why. */
static int add_lines(struct build *b, FILE *in, char **why)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int status = 0;
    while (status == 0 && (len = getline(&line, &size, in)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            len--;
        const char *tab = memchr(line, '\t', (size_t)len);
        if (tab == NULL) {
            *why = sentence("standard input:%lld: no tab between title and source", (long long)b->rows + 1);
            status = EX_DATAERR;
        } else if (add_row(b, line, (size_t)(tab - line), tab + 1, (size_t)(line + len - tab - 1)) != SQLITE_OK) {
            *why = sentence("%s: %s", b->part, sqlite3_errmsg(b->db));
            status = EX_IOERR;
        }
    }
    if (status == 0 && ferror(in)) {
        *why = sentence("standard input: %s", strerror(errno));
        status = EX_IOERR;
    }
    free(line);
    return status;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static int begin(struct build *b)
{
    int rc = sqlite3_open_v2(b->part, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = run(b->db, schema, INDEX_APPLICATION, INDEX_VERSION);
    if (rc == SQLITE_OK)
        rc = prepare(b->db, &b->entry, "INSERT INTO entries(id, title, place_id, name) VALUES(?1, ?2, ?3, ?4)");
    if (rc == SQLITE_OK)
        rc = prepare(b->db, &b->place, "INSERT INTO places(id, place) VALUES(?1, ?2)");
    return rc;
}

static int end(struct build *b)
{
    int rc = b->rows == 0 ? SQLITE_OK : end_chunk(b, (b->rows - 1) / INDEX_CHUNK);
    if (rc == SQLITE_OK)
        rc = run(b->db, "COMMIT");
    return rc;
}

static int fill(const char *part, FILE *in, int64_t *rows, char **why)
{
    struct build b = {.part = part};
    int status = 0;
    if (begin(&b) != SQLITE_OK) {
        *why = sentence("%s: %s", part, sqlite3_errmsg(b.db));
        status = EX_IOERR;
    }
    if (status == 0)
        status = add_lines(&b, in, why);
    if (status == 0 && end(&b) != SQLITE_OK) {
        *why = sentence("%s: %s", part, sqlite3_errmsg(b.db));
        status = EX_IOERR;
    }
    *rows = b.rows;
    sqlite3_finalize(b.text);
    sqlite3_finalize(b.entry);
    sqlite3_finalize(b.place);
    sqlite3_close(b.db);
    free(b.last_place);
    return status;
}

/* Whether the locked file still is the one of that name: another build may have renamed it since it was opened. */
static bool is_at(int fd, const char *path)
{
    struct stat open_one;
    struct stat named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_ino == named.st_ino &&
           open_one.st_dev == named.st_dev;
}

/* The lock says that a build is under way, and goes with the process. What a killed build left is emptied. */
static int open_part(const char *part, int *fd, char **why)
{
    *fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) {
        *why = sentence("%s: %s", part, strerror(errno));
        return EX_IOERR;
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0 || !is_at(*fd, part)) {
        *why = sentence("%s: another build writes it: wait for its end", part);
        return EX_TEMPFAIL;
    }
    if (ftruncate(*fd, 0) != 0) {
        *why = sentence("%s: %s", part, strerror(errno));
        return EX_IOERR;
    }
    return 0;
}

int build_index(const char *path, FILE *in, int64_t *rows, char **why)
{
    *why = NULL;
    *rows = 0;
    char *part = sentence("%s.part", path);
    if (part == NULL)
        return EX_OSERR;
    int fd;
    int status = open_part(part, &fd, why);
    if (status == 0) {
        status = fill(part, in, rows, why);
        if (status == 0 && (fsync(fd) != 0 || rename(part, path) != 0)) {
            *why = sentence("%s: %s", part, strerror(errno));
            status = EX_IOERR;
        }
        if (status != 0)
            unlink(part);
    }
    if (fd >= 0)
        close(fd);
    free(part);
    return status;
}
