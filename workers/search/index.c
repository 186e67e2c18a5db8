/* SPDX-License-Identifier: MPL-2.0 */
/* A search is a walk over the chunks that may end at any moment: rows come unordered and go into the heap at once.
 * First the rows with all words, for at most half of the time, then those with any of them. The chunks are not taken in
 * order but in strides: neighbours in the corpus are alike, and what a search finds in the time it has should come from
 * everywhere. The clock is asked between the rows, between the chunks and, by SQLite's progress handler, within the
 * steps of FTS5 that read many pages before a row comes. */
#include "index.h"
#include "rank.h"

#include <csp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_PER_LOOK 16                 /* rows between two looks at the clock: some 30 us */
#define OPS_PER_LOOK  50                 /* SQLite's virtual machine's steps between two looks: a dozen pages */
#define MMAP_BYTES    ((int64_t)1 << 40) /* as much of the file as SQLite allows */

struct index {
    sqlite3 *db;
    struct rank rank;
    sqlite3_stmt **chunks; /* the search of each chunk, prepared */
    size_t nchunks;
    sqlite3_stmt *entry;
    int64_t stop, last; /* of the present pass, of the search */
    char error[256];
};

static int failed(struct index *x)
{
    snprintf(x->error, sizeof x->error, "%s", sqlite3_errmsg(x->db));
    return -1;
}

static int time_is_up(void *arg)
{
    const struct index *x = arg;
    return csp_now() >= x->stop;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    return sqlite3_finalize(s) == SQLITE_OK ? n : -1;
}

/* One read transaction for ever: an index never changes (a new one takes its place by rename), so no search need lock.
 */
static int open_file(struct index *x, const char *path)
{
    if (sqlite3_open_v2(path, &x->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return failed(x);
    char *sql = sqlite3_mprintf("PRAGMA mmap_size = %lld; PRAGMA cache_size = -16384; BEGIN", (long long)MMAP_BYTES);
    int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(x->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return failed(x);
    int64_t application = number_of(x->db, "PRAGMA application_id");
    if (application < 0)
        return failed(x);
    if (application != INDEX_APPLICATION || number_of(x->db, "PRAGMA user_version") != INDEX_VERSION) {
        snprintf(x->error, sizeof x->error, "not an index of this version: build it with search --build");
        return -1;
    }
    return 0;
}

/* A statement's first step connects its FTS5 table, which costs more than a search of it: it is done here, once. */
static int prepare_chunk(struct index *x, size_t i)
{
    char *sql =
        sqlite3_mprintf("SELECT rowid, score(chunk%d) FROM chunk%d WHERE chunk%d MATCH ?1", (int)i, (int)i, (int)i);
    if (sql == NULL)
        return SQLITE_NOMEM;
    int rc = sqlite3_prepare_v3(x->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &x->chunks[i], NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_text(x->chunks[i], 1, "\"\"", -1, SQLITE_STATIC);
    sqlite3_step(x->chunks[i]);
    return sqlite3_reset(x->chunks[i]);
}

static int prepare(struct index *x)
{
    static const char entry[] = "SELECT title, place, name FROM entries JOIN places ON places.id = entries.place_id "
                                "WHERE entries.id = ?1";
    int64_t rows = number_of(x->db, "SELECT rows FROM totals");
    int64_t tokens = number_of(x->db, "SELECT tokens FROM totals");
    if (rows < 0 || tokens < 0 || rank_init(&x->rank, x->db, (double)rows, (double)tokens) != SQLITE_OK)
        return failed(x);
    x->nchunks = (size_t)((rows + INDEX_CHUNK - 1) / INDEX_CHUNK);
    x->chunks = calloc(x->nchunks + 1, sizeof(sqlite3_stmt *));
    if (x->chunks == NULL) {
        snprintf(x->error, sizeof x->error, "no memory");
        return -1;
    }
    for (size_t i = 0; i < x->nchunks; i++)
        if (prepare_chunk(x, i) != SQLITE_OK)
            return failed(x);
    if (sqlite3_prepare_v3(x->db, entry, -1, SQLITE_PREPARE_PERSISTENT, &x->entry, NULL) != SQLITE_OK)
        return failed(x);
    return 0;
}

struct index *index_open(const char *path, char **why)
{
    struct index *x = calloc(1, sizeof *x);
    *why = NULL;
    if (x == NULL)
        return NULL;
    if (open_file(x, path) == 0 && prepare(x) == 0)
        return x;
    *why = strdup(x->error);
    index_close(x);
    return NULL;
}

void index_close(struct index *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; x->chunks != NULL && i < x->nchunks; i++)
        sqlite3_finalize(x->chunks[i]);
    free((void *)x->chunks);
    sqlite3_finalize(x->entry);
    rank_free(&x->rank);
    sqlite3_close(x->db);
    free(x);
}

const char *index_error(const struct index *x)
{
    return x->error;
}

/* ---- searching -------------------------------------------------------------------------------------------------- */

/* A stride that visits every one of n chunks before it comes back: next to the golden section of n, without a common
 * divisor. */
static size_t stride_of(size_t n)
{
    size_t stride = n * 618 / 1000;
    for (;; stride++) {
        size_t a = n;
        size_t b = stride;
        while (b != 0) {
            size_t r = a % b;
            a = b;
            b = r;
        }
        if (a == 1)
            return stride;
    }
}

/* SQLITE_DONE: all rows seen; SQLITE_INTERRUPT: time is up; else an error. */
static int search_chunk(struct index *x, sqlite3_stmt *chunk, const char *match, struct heap *best)
{
    sqlite3_bind_text(chunk, 1, match, -1, SQLITE_STATIC);
    int rc;
    unsigned seen = 0;
    while ((rc = sqlite3_step(chunk)) == SQLITE_ROW) {
        heap_offer(best, (struct hit){.row = sqlite3_column_int64(chunk, 0), .score = sqlite3_column_double(chunk, 1)});
        x->stop = x->last; /* something is found: no second pass will want its half of the time */
        if (++seen % ROWS_PER_LOOK == 0 && time_is_up(x)) {
            rc = SQLITE_INTERRUPT;
            break;
        }
    }
    if (rc != SQLITE_DONE && rc != SQLITE_INTERRUPT)
        failed(x);
    sqlite3_reset(chunk);
    return rc;
}

/* One pass over all chunks. */
static int search_all(struct index *x, const struct words *words, bool any, int64_t stop, struct heap *best)
{
    char *match = words_match(words, any);
    if (match == NULL) {
        snprintf(x->error, sizeof x->error, "no memory");
        return SQLITE_NOMEM;
    }
    int rc = SQLITE_DONE;
    size_t stride = stride_of(x->nchunks);
    size_t chunk = 0;
    x->stop = stop;
    for (size_t i = 0; i < x->nchunks && rc == SQLITE_DONE; i++) {
        rc = time_is_up(x) ? SQLITE_INTERRUPT : search_chunk(x, x->chunks[chunk], match, best);
        chunk = (chunk + stride) % x->nchunks;
    }
    free(match);
    return rc;
}

static int search_words(struct index *x, const struct words *words, int64_t stop, struct heap *best)
{
    x->last = stop;
    if (words->len == 0)
        return SQLITE_DONE;
    if (words->len == 1)
        return search_all(x, words, false, stop, best);
    int64_t now = csp_now();
    int rc = search_all(x, words, false, now + (stop - now) / 2, best);
    if (best->len == 0 && (rc == SQLITE_DONE || rc == SQLITE_INTERRUPT))
        rc = search_all(x, words, true, stop, best);
    return rc;
}

int index_search(struct index *x, const char *words, size_t len, int64_t stop, struct heap *best, bool *partial)
{
    struct words list;
    int rc = SQLITE_ERROR;
    *partial = false;
    x->error[0] = '\0';
    if (words_parse(&list, words, len) != 0) {
        snprintf(x->error, sizeof x->error, errno == E2BIG ? "more than %d words" : "no memory", WORDS_MAX);
    } else if (list.len == 0) {
        snprintf(x->error, sizeof x->error, "no words to search for");
    } else if (rank_words(&x->rank, &list) != SQLITE_OK) {
        failed(x);
    } else {
        sqlite3_progress_handler(x->db, OPS_PER_LOOK, time_is_up, x);
        rc = search_words(x, &list, stop, best);
        sqlite3_progress_handler(x->db, 0, NULL, NULL);
    }
    words_free(&list);
    heap_sort(best);
    *partial = rc == SQLITE_INTERRUPT;
    return rc == SQLITE_DONE || rc == SQLITE_INTERRUPT ? 0 : -1;
}

int index_entry(struct index *x, int64_t row, struct entry *e)
{
    sqlite3_reset(x->entry);
    sqlite3_bind_int64(x->entry, 1, row);
    if (sqlite3_step(x->entry) != SQLITE_ROW)
        return failed(x);
    *e = (struct entry){
        .title = (const char *)sqlite3_column_text(x->entry, 0),
        .place = (const char *)sqlite3_column_text(x->entry, 1),
        .name = (const char *)sqlite3_column_text(x->entry, 2),
        .title_len = (size_t)sqlite3_column_bytes(x->entry, 0),
        .place_len = (size_t)sqlite3_column_bytes(x->entry, 1),
        .name_len = (size_t)sqlite3_column_bytes(x->entry, 2),
    };
    return 0;
}
