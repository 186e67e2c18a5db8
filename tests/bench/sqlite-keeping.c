/* SPDX-License-Identifier: MPL-2.0 */
/* See keeping.h: SQLite in WAL mode, used by one process alone. Decision: a table a channel, whose rowid is the id, so
 * that an append is always at the end of its tree. */
#include "bench.h"
#include "keeping.h"

#include <sqlite3.h>
#include <stdio.h>

static sqlite3 *db;
static sqlite3_stmt *begin_, *commit_, *rollback_, *append_[KEEPING_CHANNELS], *remove_[KEEPING_CHANNELS];
static bool full;

static void good(bool well)
{
    if (well)
        return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    fail("sqlite");
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *s = NULL;
    good(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) == SQLITE_OK);
    return s;
}

static void step(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    full |= rc == SQLITE_FULL || rc == SQLITE_IOERR;
    good(rc == SQLITE_DONE || full);
    sqlite3_reset(s);
}

static void open_(const char *dir, bool sync)
{
    char path[512], sql[256];
    snprintf(path, sizeof path, "%s/sqlite.db", dir);
    good(sqlite3_open(path, &db) == SQLITE_OK);
    snprintf(sql, sizeof sql, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = %s",
             sync ? "FULL" : "NORMAL");
    good(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    for (unsigned c = 0; c < KEEPING_CHANNELS; c++) {
        snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS v%u (id INTEGER PRIMARY KEY, value BLOB)", c);
        good(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
        snprintf(sql, sizeof sql, "INSERT INTO v%u VALUES (?1, ?2)", c);
        append_[c] = prepare(sql);
        snprintf(sql, sizeof sql, "DELETE FROM v%u WHERE id = ?1", c);
        remove_[c] = prepare(sql);
    }
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    rollback_ = prepare("ROLLBACK");
}

static void begin(void)
{
    full = false;
    step(begin_);
}

static void append(unsigned channel, uint64_t id, const void *value, size_t size)
{
    sqlite3_stmt *s = append_[channel];
    sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
    sqlite3_bind_blob64(s, 2, value, size, SQLITE_STATIC);
    if (!full)
        step(s);
}

static void remove_one(unsigned channel, uint64_t id)
{
    sqlite3_bind_int64(remove_[channel], 1, (sqlite3_int64)id);
    if (!full)
        step(remove_[channel]);
}

static bool commit(void)
{
    if (!full)
        step(commit_);
    if (full && !sqlite3_get_autocommit(db))
        sqlite3_step(rollback_), sqlite3_reset(rollback_);
    return !full;
}

static void each(unsigned channel, void (*see)(uint64_t, const void *, size_t))
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT id, value FROM v%u ORDER BY id", channel);
    sqlite3_stmt *s = prepare(sql);
    while (sqlite3_step(s) == SQLITE_ROW)
        see((uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    good(sqlite3_finalize(s) == SQLITE_OK);
}

static void close_(void)
{
    for (unsigned c = 0; c < KEEPING_CHANNELS; c++) {
        sqlite3_finalize(append_[c]);
        sqlite3_finalize(remove_[c]);
    }
    sqlite3_finalize(begin_);
    sqlite3_finalize(commit_);
    sqlite3_finalize(rollback_);
    good(sqlite3_close(db) == SQLITE_OK);
}

int main(int argc, char **argv)
{
    static const struct keeping sqlite = {open_, begin, append, remove_one, commit, each, close_};
    return keeping_main(&sqlite, argc, argv);
}
