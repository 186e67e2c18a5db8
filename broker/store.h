/* SPDX-License-Identifier: MPL-2.0 */
/* A durable directory: the values of its channels on disk. Decision: SQLite in WAL mode, one database a directory and
 * one table a channel (docs/durable.md has the figures); the store knows nothing of the broker, says with errno what
 * the disk says, and a transaction that failed has left nothing, so that it can be made again. */
#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

struct store;

/* A channel in it. */
struct stored {
    struct list node; /* in its store's */
    struct store *store;
    uint64_t next;      /* key of the next value; never used again */
    uint64_t delivered; /* all values below it may have been delivered */
    struct sqlite3_stmt *append, *remove, *remove_tries, *tries, *mark;
    int64_t number;
    char name[];
};

/* A value as it is stored. The bytes are the caller's, or valid until the next call. */
struct stored_value {
    uint64_t key;    /* its place in the channel */
    uint64_t id;     /* as its receivers see it */
    uint32_t before; /* tries that it came with: on other channels */
    uint32_t tries;  /* with those; is set by store_load() */
    bool untried;    /* there are no others, though it was delivered: so is that */
    uint32_t flags;  /* WIRE_GAP, WIRE_NOEOL */
    const char *reason;
    const void *data;
    size_t length;
    size_t reason_length; /* 0: none */
};

/* What was stored of a process, by name and replica. */
struct stored_sender {
    const char *name;
    uint32_t replica;
    uint64_t values; /* 0 for `channel` NULL */
    const char *channel;
};

/* Opens the database of a directory, which is made if it is not there. 0, or an errno, and `why` has a sentence: EBUSY
 * another run has it, EPROTO it is of a newer version, EBADMSG it is damaged, or what the disk says. */
int store_open(const char *dir, struct store **store, char *why, size_t size);
/* What was committed is on the disk then. */
void store_close(struct store *s);
const char *store_dir(const struct store *s);
bool store_is_at(const struct store *s, const char *dir);
/* A sentence about the last failure. */
const char *store_why(const struct store *s);

/* Finds or makes a channel. NULL with errno. */
struct stored *store_channel(struct store *s, const char *name);
/* Calls for each value, in order; an errno that is not 0 ends it. Returns that, or EBADMSG. */
int store_load(struct stored *c, int (*each)(void *arg, const struct stored_value *v), void *arg);

/* Whether so many bytes in so many values find room on the disk besides what was promised since the last commit. Values
 * that are removed need none: it is kept for them. */
bool store_room(struct store *s, uint64_t bytes, uint64_t values);
void store_promise(struct store *s, uint64_t bytes, uint64_t values);

/* A transaction. Each returns 0 or an errno; after one that is not 0 store_commit() rolls back, and returns it. */
int store_begin(struct store *s);
int store_append(struct stored *c, const struct stored_value *v);
int store_remove(struct stored *c, uint64_t first, uint64_t last);
int store_tries(struct stored *c, uint64_t key, uint32_t tries);
int store_mark(struct stored *c, uint64_t next, uint64_t delivered);
/* A process has had so many more values stored in the channel. */
int store_sent(struct stored *c, const char *name, uint32_t replica, uint64_t more);
/* A process, all of whose values are stored, need not be started by a resume. */
int store_finished(struct store *s, const char *name, uint32_t replica);
/* The run has ended well: nothing is remembered of its processes. */
int store_forget(struct store *s);
int store_commit(struct store *s);

/* What was committed before could not be synced to the disk: an errno, said once; or 0. */
int store_sync_error(const struct store *s);

/* Calls for what store_sent() and store_finished() said, the latter with channel NULL. */
int store_senders(struct store *s, int (*each)(void *arg, const struct stored_sender *sender), void *arg);

#endif
