/* SPDX-License-Identifier: MPL-2.0 */
/* See keeping.h: LMDB. Decision: a database a channel, with integer keys, and MDB_APPEND where the id is the largest.
 * Without sync it has MDB_NOSYNC, the only mode in which a commit waits for no disk; MDB_WRITEMAP is not used, since
 * then a full disk is a SIGBUS. */
#include "bench.h"
#include "keeping.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>

static MDB_env *env;
static MDB_txn *txn;
static MDB_dbi dbi[KEEPING_CHANNELS];
static bool full;

static void good(int rc)
{
    full |= rc == MDB_MAP_FULL || rc == ENOSPC || rc == EIO; /* a write that the disk took a part of is EIO */
    if (rc == 0 || full)
        return;
    fprintf(stderr, "lmdb: %s\n", mdb_strerror(rc));
    fail("lmdb");
}

static void begin(void)
{
    full = false;
    good(mdb_txn_begin(env, NULL, 0, &txn));
}

static bool commit(void)
{
    if (full)
        mdb_txn_abort(txn);
    else
        good(mdb_txn_commit(txn));
    return !full;
}

static void open_(const char *dir, bool sync)
{
    good(mdb_env_create(&env));
    good(mdb_env_set_maxdbs(env, KEEPING_CHANNELS));
    good(mdb_env_set_mapsize(env, (size_t)16 << 30));
    good(mdb_env_open(env, dir, MDB_NOTLS | (sync ? 0 : MDB_NOSYNC), 0600));
    begin();
    for (unsigned c = 0; c < KEEPING_CHANNELS; c++)
        good(mdb_dbi_open(txn, c == 0 ? "v0" : "v1", MDB_CREATE | MDB_INTEGERKEY, &dbi[c]));
    must(commit(), "open");
}

static void append(unsigned channel, uint64_t id, const void *value, size_t size)
{
    MDB_val key = {sizeof id, &id}, data = {size, (void *)value};
    if (!full)
        good(mdb_put(txn, dbi[channel], &key, &data, MDB_APPEND));
}

static void remove_one(unsigned channel, uint64_t id)
{
    MDB_val key = {sizeof id, &id};
    int rc = full ? 0 : mdb_del(txn, dbi[channel], &key, NULL);
    good(rc == MDB_NOTFOUND ? 0 : rc);
}

static void each(unsigned channel, void (*see)(uint64_t, const void *, size_t))
{
    MDB_cursor *cursor;
    MDB_val key, data;
    MDB_txn *read;
    good(mdb_txn_begin(env, NULL, MDB_RDONLY, &read));
    good(mdb_cursor_open(read, dbi[channel], &cursor));
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0)
        see(*(uint64_t *)key.mv_data, data.mv_data, data.mv_size);
    mdb_cursor_close(cursor);
    mdb_txn_abort(read);
}

static void close_(void)
{
    mdb_env_close(env);
}

int main(int argc, char **argv)
{
    static const struct keeping lmdb = {open_, begin, append, remove_one, commit, each, close_};
    return keeping_main(&lmdb, argc, argv);
}
