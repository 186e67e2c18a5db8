/* SPDX-License-Identifier: MPL-2.0 */
/* See store.h. Decision: a commit is written and not synced: what was said survives the death of every process; a
 * thread syncs it within a second, for a power cut. A full disk is found before a value is admitted, by store_disk.c.
 */
#include "store.h"

#include "store_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION = 0x43535031, VERSION = 1, CHECKPOINT_PAGES = 1000 };

struct store {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *rollback, *sent, *finished, *pages;
    struct disk disk;
    struct list channels;
    int lock, failed; /* failed: the errno of this transaction */
    int wal_pages;
    int synced; /* the errno of the last sync */
    char why[512];
    char dir[];
};

static int say(struct store *s, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int say(struct store *s, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
    return err;
}

/* SQLite takes a schema that could not be read for one that is damaged: what reading a file came to last; 0: no error.
 */
static int read_error(sqlite3 *db)
{
    int file = 0, log = 0;
    sqlite3_file *journal = NULL;
    sqlite3_file_control(db, NULL, SQLITE_FCNTL_LAST_ERRNO, &file);
    if (sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &journal) == SQLITE_OK && journal != NULL &&
        journal->pMethods != NULL)
        journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &log);
    return file != 0 ? file : log;
}

/* What SQLite says as an errno. */
static int error(struct store *s, int rc)
{
    int what = rc & 0xff, system = sqlite3_system_errno(s->db);
    if ((what == SQLITE_CORRUPT || what == SQLITE_NOTADB) && (system = read_error(s->db)) != 0)
        what = SQLITE_IOERR;
    switch (what) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return say(s, ENOSPC, "durable %s: the disk is full", s->dir);
    case SQLITE_NOMEM:
        return say(s, ENOMEM, "durable %s: no memory", s->dir);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return say(s, EBUSY, "durable %s: store.db can not be locked: another program has it open", s->dir);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return say(s, EBADMSG,
                   "durable %s: store.db is damaged: move it away to begin anew, or repair it with sqlite3's .recover",
                   s->dir);
    default:
        if (system == 0)
            system = EIO;
        if (system == EFBIG || system == EDQUOT)
            system = ENOSPC;
        return say(s, system, "durable %s: %s", s->dir, strerror(system));
    }
}

static int run(struct store *s, const char *sql)
{
    return error(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

static int prepare(struct store *s, sqlite3_stmt **statement, const char *sql)
{
    return error(s, sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL));
}

/* Notes that a parameter could not be bound: the statement would have that of another value. */
static void bound(struct store *s, int rc)
{
    if (rc != SQLITE_OK && s->failed == 0)
        s->failed = error(s, rc);
}

/* Steps a statement that gives no row. Within a transaction nothing is done after the first failure. */
static int step(struct store *s, sqlite3_stmt *statement)
{
    if (s->failed == 0) {
        s->failed = error(s, sqlite3_step(statement));
        sqlite3_reset(statement);
    }
    return s->failed;
}

/* The first column of the first row of a query. */
static int query(struct store *s, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int err = prepare(s, &statement, sql);
    if (err != 0)
        return err;
    int rc = sqlite3_step(statement);
    *value = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    err = error(s, rc);
    sqlite3_finalize(statement);
    return err;
}

static int committed(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct store *s = arg;
    (void)db;
    (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

static int check_version(struct store *s)
{
    int64_t application = 0, version = 0, tables = 0;
    int err = query(s, "PRAGMA application_id", &application);
    if (err == 0)
        err = query(s, "PRAGMA user_version", &version);
    if (err == 0)
        err = query(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err != 0)
        return err;
    if (application != APPLICATION && (application != 0 || tables != 0))
        return say(s, EPROTO, "durable %s: store.db is another program's: give a directory of its own", s->dir);
    if (version > VERSION)
        return say(s, EPROTO, "durable %s: store.db was written by a newer version (%lld, this one knows %d)", s->dir,
                   (long long)version, VERSION);
    return 0;
}

static int make_tables(struct store *s)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d;"
             "CREATE TABLE IF NOT EXISTS channel (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL,"
             " next INTEGER NOT NULL, delivered INTEGER NOT NULL);"
             "CREATE TABLE IF NOT EXISTS sent (name TEXT, replica INTEGER, channel INTEGER, count INTEGER NOT NULL,"
             " PRIMARY KEY (name, replica, channel)) WITHOUT ROWID;"
             "CREATE TABLE IF NOT EXISTS finished (name TEXT, replica INTEGER, PRIMARY KEY (name, replica))"
             " WITHOUT ROWID; COMMIT",
             APPLICATION, VERSION);
    return run(s, sql);
}

static int prepare_all(struct store *s)
{
    int err = prepare(s, &s->begin, "BEGIN IMMEDIATE");
    if (err == 0)
        err = prepare(s, &s->commit, "COMMIT");
    if (err == 0)
        err = prepare(s, &s->rollback, "ROLLBACK");
    if (err == 0)
        err = prepare(s, &s->sent,
                      "INSERT INTO sent VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT DO UPDATE SET count = count + excluded.count");
    if (err == 0)
        err = prepare(s, &s->finished, "INSERT OR IGNORE INTO finished VALUES (?1, ?2)");
    if (err == 0)
        err = prepare(s, &s->pages, "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count");
    return err;
}

/* Tells the disk how much of its files is in use. */
static void measure(struct store *s)
{
    if (sqlite3_step(s->pages) == SQLITE_ROW)
        disk_used(&s->disk, (uint64_t)sqlite3_column_int64(s->pages, 0), (uint64_t)sqlite3_column_int64(s->pages, 1),
                  (uint64_t)s->wal_pages);
    sqlite3_reset(s->pages);
}

static int open_database(struct store *s)
{
    char path[WIRE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/store.db", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would let others read it, by the umask */
    if (fd < 0)
        return say(s, errno, "durable %s: store.db: %s", s->dir, strerror(errno));
    close(fd);
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (s->db == NULL)
        return ENOMEM;
    if (rc != SQLITE_OK)
        return error(s, rc);
    sqlite3_extended_result_codes(s->db, 1);
    int err = run(s, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                     "PRAGMA cell_size_check = ON; PRAGMA cache_size = -16384");
    if (err == 0)
        err = check_version(s);
    if (err == 0)
        err = make_tables(s);
    if (err == 0)
        err = prepare_all(s);
    if (err != 0)
        return err;
    sqlite3_wal_hook(s->db, committed, s);
    err = disk_open(&s->disk, s->dir);
    if (err != 0)
        return say(s, err, "durable %s: %s", s->dir, strerror(err));
    measure(s);
    return 0;
}

/* Each directory has one run. A run that was killed needs a moment to end, which its lock shows. */
static int lock_directory(struct store *s)
{
    char path[WIRE_PATH_SIZE], owner[64] = "";
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST)
        return say(s, errno, "durable %s: it can not be made: %s", s->dir, strerror(errno));
    snprintf(path, sizeof path, "%s/lock", s->dir);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return say(s, errno, "durable %s: %s", s->dir, strerror(errno));
    for (int i = 0; flock(s->lock, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return say(s, errno, "durable %s: it can not be locked: %s", s->dir, strerror(errno));
        if (i == LOCK_TRIES) {
            ssize_t n = pread(s->lock, owner, sizeof owner - 1, 0);
            owner[n > 0 ? strcspn(owner, "\n") : 0] = '\0';
            return say(s, EBUSY, "durable %s: another run has it%s%s: stop that, or give this one another directory",
                       s->dir, owner[0] != '\0' ? ": broker " : "", owner);
        }
        usleep(LOCK_PAUSE_US);
    }
    if (ftruncate(s->lock, 0) == 0)
        dprintf(s->lock, "%d\n", (int)getpid()); /* only for that sentence */
    return 0;
}

int store_open(const char *dir, struct store **store, char *why, size_t size)
{
    struct store *s = calloc(1, sizeof *s + strlen(dir) + 1);
    snprintf(why, size, "durable %s: no memory", dir);
    if (s == NULL)
        return ENOMEM;
    memcpy(s->dir, dir, strlen(dir) + 1);
    list_init(&s->channels);
    s->lock = -1;
    disk_init(&s->disk);
    int err = strlen(dir) > WIRE_MAX_PATH ? say(s, ENAMETOOLONG, "durable: a path of more than %d bytes", WIRE_MAX_PATH)
                                          : lock_directory(s);
    if (err == 0)
        err = open_database(s);
    if (err != 0) {
        if (s->why[0] != '\0')
            snprintf(why, size, "%s", s->why);
        store_close(s);
        return err;
    }
    *store = s;
    return 0;
}

static void free_channel(struct stored *c)
{
    sqlite3_finalize(c->append);
    sqlite3_finalize(c->remove);
    sqlite3_finalize(c->remove_tries);
    sqlite3_finalize(c->tries);
    sqlite3_finalize(c->mark);
    list_remove(&c->node);
    free(c);
}

/* Gives back to the disk what values that are gone have left, where that is most of the file. */
static void shrink(struct store *s)
{
    int64_t pages = 0, unused = 0;
    if (query(s, "PRAGMA page_count", &pages) == 0 && query(s, "PRAGMA freelist_count", &unused) == 0 &&
        pages > CHECKPOINT_PAGES && unused > pages / 2)
        (void)run(s, "VACUUM"); /* without room it stays as it is */
}

void store_close(struct store *s)
{
    LIST_EACH(node, next, &s->channels)
    free_channel(LIST_OWNER(node, struct stored, node));
    if (s->begin != NULL)
        shrink(s);
    sqlite3_finalize(s->begin);
    sqlite3_finalize(s->commit);
    sqlite3_finalize(s->rollback);
    sqlite3_finalize(s->sent);
    sqlite3_finalize(s->finished);
    sqlite3_finalize(s->pages);
    disk_stop(&s->disk);
    sqlite3_close(s->db); /* checkpoints, syncs, and removes the log */
    disk_close(&s->disk); /* after it: closing another descriptor of the file would drop SQLite's locks */
    if (s->lock >= 0)
        close(s->lock);
    free(s);
}

const char *store_dir(const struct store *s)
{
    return s->dir;
}

bool store_is_at(const struct store *s, const char *dir)
{
    struct stat ours, its;
    return strcmp(s->dir, dir) == 0 ||
           (stat(s->dir, &ours) == 0 && stat(dir, &its) == 0 && ours.st_dev == its.st_dev && ours.st_ino == its.st_ino);
}

const char *store_why(const struct store *s)
{
    return s->why;
}

static int find_row(struct store *s, struct stored *c)
{
    sqlite3_stmt *find = NULL, *make = NULL;
    int err = prepare(s, &make, "INSERT OR IGNORE INTO channel (name, next, delivered) VALUES (?1, 1, 1)");
    if (err == 0)
        err = prepare(s, &find, "SELECT number, next, delivered FROM channel WHERE name = ?1");
    if (err == 0)
        err = error(s, sqlite3_bind_text(make, 1, c->name, -1, SQLITE_STATIC));
    if (err == 0)
        err = error(s, sqlite3_bind_text(find, 1, c->name, -1, SQLITE_STATIC));
    if (err == 0)
        err = error(s, sqlite3_step(make));
    if (err == 0) {
        int rc = sqlite3_step(find);
        c->number = sqlite3_column_int64(find, 0);
        c->next = (uint64_t)sqlite3_column_int64(find, 1);
        c->delivered = (uint64_t)sqlite3_column_int64(find, 2);
        err = rc == SQLITE_ROW ? 0 : error(s, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
    }
    sqlite3_finalize(find);
    sqlite3_finalize(make);
    return err;
}

/* Prepares a statement about the tables of a channel: %lld is its number. */
static int prepare_for(struct stored *c, sqlite3_stmt **statement, const char *format)
{
    char *sql = sqlite3_mprintf(format, (long long)c->number, (long long)c->number);
    int err = sql != NULL ? prepare(c->store, statement, sql) : ENOMEM;
    sqlite3_free(sql);
    return err;
}

static int make_channel(struct store *s, struct stored *c)
{
    int err = find_row(s, c);
    if (err != 0)
        return err;
    char *sql = sqlite3_mprintf(
        "CREATE TABLE IF NOT EXISTS value_%lld (key INTEGER PRIMARY KEY, id INTEGER, before INTEGER, flags INTEGER,"
        " reason BLOB, sum INTEGER, data BLOB);"
        "CREATE TABLE IF NOT EXISTS tries_%lld (key INTEGER PRIMARY KEY, tries INTEGER NOT NULL)",
        (long long)c->number, (long long)c->number);
    err = sql != NULL ? run(s, sql) : ENOMEM;
    sqlite3_free(sql);
    if (err == 0)
        err = prepare_for(c, &c->append, "INSERT INTO value_%lld VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    if (err == 0)
        err = prepare_for(c, &c->remove, "DELETE FROM value_%lld WHERE key BETWEEN ?1 AND ?2");
    if (err == 0)
        err = prepare_for(c, &c->remove_tries, "DELETE FROM tries_%lld WHERE key BETWEEN ?1 AND ?2");
    if (err == 0)
        err = prepare_for(c, &c->tries, "INSERT OR REPLACE INTO tries_%lld VALUES (?1, ?2)");
    if (err == 0)
        err = prepare_for(c, &c->mark, "UPDATE channel SET next = ?1, delivered = ?2 WHERE number = %lld");
    return err;
}

struct stored *store_channel(struct store *s, const char *name)
{
    struct stored *c = calloc(1, sizeof *c + strlen(name) + 1);
    if (c == NULL)
        return NULL;
    c->store = s;
    memcpy(c->name, name, strlen(name) + 1);
    list_push(&s->channels, &c->node);
    int err = make_channel(s, c);
    if (err != 0) {
        free_channel(c);
        errno = err;
        return NULL;
    }
    measure(s);
    return c;
}

/* Of a value's bytes: what a disk gave back wrong is not given to a receiver. Eight bytes a step, as FNV-1a does one.
 */
static uint64_t sum_of(const void *data, size_t length)
{
    const unsigned char *at = data;
    uint64_t h = UINT64_C(14695981039346656037) ^ length, word;
    for (; length >= sizeof word; length -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = (h ^ word) * UINT64_C(1099511628211);
        h ^= h >> 29;
    }
    for (size_t i = 0; i < length; i++)
        h = (h ^ at[i]) * UINT64_C(1099511628211);
    return h;
}

static int load_row(struct stored *c, sqlite3_stmt *row, struct stored_value *v)
{
    v->key = (uint64_t)sqlite3_column_int64(row, 0);
    v->id = (uint64_t)sqlite3_column_int64(row, 1);
    v->before = (uint32_t)sqlite3_column_int64(row, 2);
    v->flags = (uint32_t)sqlite3_column_int64(row, 3);
    v->reason_length = (size_t)sqlite3_column_bytes(row, 4);
    v->reason = sqlite3_column_blob(row, 4);
    v->length = (size_t)sqlite3_column_bytes(row, 6);
    v->data = sqlite3_column_blob(row, 6);
    if (v->length != 0 && v->data == NULL)
        return ENOMEM;
    if (sum_of(v->data, v->length) != (uint64_t)sqlite3_column_int64(row, 5) || v->key == 0 || v->key >= c->next)
        return say(c->store, EBADMSG, "durable %s: store.db is damaged: value %llu of channel %s is not what was sent",
                   c->store->dir, (unsigned long long)v->key, c->name);
    int64_t tries = sqlite3_column_int64(row, 7);
    v->tries = tries >= 0 ? (uint32_t)tries : v->before + (v->key < c->delivered);
    v->untried = v->key < c->delivered && v->tries == v->before;
    return 0;
}

int store_load(struct stored *c, int (*each)(void *arg, const struct stored_value *v), void *arg)
{
    sqlite3_stmt *all = NULL;
    struct stored_value v;
    int rc, err = prepare_for(c, &all,
                              "SELECT key, id, before, flags, reason, sum, data, ifnull(t.tries, -1)"
                              " FROM value_%lld v LEFT JOIN tries_%lld t USING (key) ORDER BY key");
    if (err != 0)
        return err;
    while ((rc = sqlite3_step(all)) == SQLITE_ROW && err == 0) {
        err = load_row(c, all, &v);
        if (err == 0)
            err = each(arg, &v);
    }
    if (err == 0)
        err = error(c->store, rc);
    sqlite3_finalize(all);
    return err;
}

/* Copies the log into the file. A failure is no loss: it is tried again when it is asked for again. */
static void checkpoint(struct store *s)
{
    int left = 0, done = 0;
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, &done) == SQLITE_OK && left == done) {
        s->wal_pages = 0; /* the next commit begins it again */
        measure(s);
        disk_cut(&s->disk);
    }
}

/* Where the disk is full all of the log can be used again first, however short it is: there may be no further commit.
 */
bool store_room(struct store *s, uint64_t bytes, uint64_t values)
{
    if (disk_room(&s->disk, bytes, values))
        return true;
    if (s->wal_pages == 0 || s->disk.promised != 0 || !sqlite3_get_autocommit(s->db))
        return false;
    checkpoint(s);
    return disk_room(&s->disk, bytes, values);
}

int store_sync_error(const struct store *s)
{
    return s->synced;
}

void store_promise(struct store *s, uint64_t bytes, uint64_t values)
{
    disk_promise(&s->disk, bytes, values);
}

int store_begin(struct store *s)
{
    s->failed = 0;
    return step(s, s->begin);
}

int store_append(struct stored *c, const struct stored_value *v)
{
    sqlite3_stmt *a = c->append;
    sqlite3_bind_int64(a, 1, (sqlite3_int64)v->key);
    sqlite3_bind_int64(a, 2, (sqlite3_int64)v->id);
    sqlite3_bind_int64(a, 3, v->before);
    sqlite3_bind_int64(a, 4, v->flags);
    bound(c->store,
          sqlite3_bind_blob64(a, 5, v->reason_length != 0 ? v->reason : NULL, v->reason_length, SQLITE_STATIC));
    sqlite3_bind_int64(a, 6, (sqlite3_int64)sum_of(v->data, v->length));
    bound(c->store, sqlite3_bind_blob64(a, 7, v->length != 0 ? v->data : "", v->length, SQLITE_STATIC));
    return step(c->store, a);
}

int store_remove(struct stored *c, uint64_t first, uint64_t last)
{
    sqlite3_bind_int64(c->remove, 1, (sqlite3_int64)first);
    sqlite3_bind_int64(c->remove, 2, (sqlite3_int64)last);
    sqlite3_bind_int64(c->remove_tries, 1, (sqlite3_int64)first);
    sqlite3_bind_int64(c->remove_tries, 2, (sqlite3_int64)last);
    int err = step(c->store, c->remove);
    return err != 0 ? err : step(c->store, c->remove_tries);
}

int store_tries(struct stored *c, uint64_t key, uint32_t tries)
{
    sqlite3_bind_int64(c->tries, 1, (sqlite3_int64)key);
    sqlite3_bind_int64(c->tries, 2, tries);
    return step(c->store, c->tries);
}

int store_mark(struct stored *c, uint64_t next, uint64_t delivered)
{
    sqlite3_bind_int64(c->mark, 1, (sqlite3_int64)next);
    sqlite3_bind_int64(c->mark, 2, (sqlite3_int64)delivered);
    return step(c->store, c->mark);
}

int store_sent(struct stored *c, const char *name, uint32_t replica, uint64_t more)
{
    sqlite3_stmt *sent = c->store->sent;
    bound(c->store, sqlite3_bind_text(sent, 1, name, -1, SQLITE_STATIC));
    sqlite3_bind_int64(sent, 2, replica);
    sqlite3_bind_int64(sent, 3, c->number);
    sqlite3_bind_int64(sent, 4, (sqlite3_int64)more);
    return step(c->store, sent);
}

int store_finished(struct store *s, const char *name, uint32_t replica)
{
    bound(s, sqlite3_bind_text(s->finished, 1, name, -1, SQLITE_STATIC));
    sqlite3_bind_int64(s->finished, 2, replica);
    return step(s, s->finished);
}

int store_forget(struct store *s)
{
    if (s->failed == 0)
        s->failed = run(s, "DELETE FROM sent; DELETE FROM finished");
    return s->failed;
}

int store_commit(struct store *s)
{
    if (s->failed == 0 && disk_deleted(&s->disk))
        s->failed = say(s, ESTALE, "durable %s: its files were deleted", s->dir); /* SQLite would write on */
    step(s, s->commit);
    int err = s->failed;
    if (!sqlite3_get_autocommit(s->db)) {
        sqlite3_step(s->rollback);
        sqlite3_reset(s->rollback);
    }
    s->failed = 0;
    if (err == 0) {
        if (s->wal_pages >= CHECKPOINT_PAGES)
            checkpoint(s);
        s->synced = disk_written(&s->disk);
    }
    measure(s);
    return err;
}

int store_senders(struct store *s, int (*each)(void *arg, const struct stored_sender *sender), void *arg)
{
    sqlite3_stmt *all = NULL;
    int rc, err = prepare(s, &all,
                          "SELECT s.name, s.replica, s.count, c.name FROM sent s JOIN channel c ON c.number = s.channel"
                          " UNION ALL SELECT name, replica, 0, NULL FROM finished ORDER BY 1, 2, 4");
    if (err != 0)
        return err;
    while ((rc = sqlite3_step(all)) == SQLITE_ROW && err == 0) {
        struct stored_sender sender = {(const char *)sqlite3_column_text(all, 0),
                                       (uint32_t)sqlite3_column_int64(all, 1), (uint64_t)sqlite3_column_int64(all, 2),
                                       (const char *)sqlite3_column_text(all, 3)};
        err = sender.name != NULL ? each(arg, &sender) : ENOMEM;
    }
    if (err == 0)
        err = error(s, rc);
    sqlite3_finalize(all);
    return err;
}
