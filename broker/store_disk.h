/* SPDX-License-Identifier: MPL-2.0 */
/* The room of a store on its disk, and its sync. Decision: room is allocated before a value is admitted, so a full disk
 * is found at one place, where the sender can wait; a margin is never given to values, so that what is acknowledged can
 * be removed on a full disk, too. Where a file system cannot allocate ahead, its commit fails instead, and waits. */
#ifndef BROKER_STORE_DISK_H
#define BROKER_STORE_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define WIRE_PATH_SIZE (WIRE_MAX_PATH + 32)
#define LOCK_TRIES     300
#define LOCK_PAUSE_US  10000

struct disk {
    int file, log;                          /* store.db, store.db-wal */
    uint64_t file_allocated, log_allocated; /* bytes */
    uint64_t file_used, log_used, spare;    /* spare: of what is used, free for values */
    uint64_t promised;                      /* bytes since the last commit */
    bool blind;                             /* it cannot be allocated ahead */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool dirty, stop;
    bool deleted;
    int64_t looked; /* when it was asked whether they were deleted, s */
    int error;      /* of a sync */
};

void disk_init(struct disk *d);
/* Both files are there. An errno. */
int disk_open(struct disk *d, const char *dir);
void disk_used(struct disk *d, uint64_t pages, uint64_t free_pages, uint64_t log_pages);
/* The log was copied into the file, which SQLite has then cut to what it uses, and what was allocated behind that is
 * gone. Removals need none of it: what they write is in the file. */
void disk_cut(struct disk *d);
/* Nobody could open the files again: they were deleted. Looks once a second at most. */
bool disk_deleted(struct disk *d);
bool disk_room(struct disk *d, uint64_t bytes, uint64_t values);
void disk_promise(struct disk *d, uint64_t bytes, uint64_t values);
/* A commit was written; it is synced within a second. Returns the errno of the last sync. */
int disk_written(struct disk *d);
void disk_stop(struct disk *d);
void disk_close(struct disk *d);

#endif
