/* SPDX-License-Identifier: MPL-2.0 */
#include "store_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FRAME = PAGE + 24 };
#define MIB    (UINT64_C(1) << 20)
#define MARGIN (2 * MIB) /* of either file, for removals */
#define LOG    (6 * MIB) /* of the log between two checkpoints, and the margin */
#define STEP   (MIB)     /* in which the file grows, at least, */
#define SHARE  8         /* and by this part of it */

void disk_init(struct disk *d)
{
    d->file = d->log = -1;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Allocates a file up to a size, beyond its end. */
static bool allocate(struct disk *d, int fd, uint64_t *allocated, uint64_t size)
{
    int rc;
    struct rlimit limit;
    if (size <= *allocated)
        return true;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur)
        return false; /* beyond the end the kernel does not ask for it */
    if (d->blind)
        return true;
    do
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)*allocated, (off_t)(size - *allocated));
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        d->blind = true;
        return true;
    }
    if (rc == 0)
        *allocated = size;
    return rc == 0;
}

/* What is written is synced after a second at most: whoever dies, nothing is lost by that, but by a power cut. */
static void *sync_all(void *arg)
{
    struct disk *d = arg;
    pthread_mutex_lock(&d->mutex);
    while (!d->stop) {
        if (!d->dirty) {
            pthread_cond_wait(&d->changed, &d->mutex);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        while (!d->stop && pthread_cond_timedwait(&d->changed, &d->mutex, &until) != ETIMEDOUT)
            continue;
        d->dirty = false;
        pthread_mutex_unlock(&d->mutex);
        int error = fdatasync(d->log) == 0 ? 0 : errno; /* a checkpoint of SQLite's syncs by itself */
        pthread_mutex_lock(&d->mutex);
        d->error = error;
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

static int start_thread(struct disk *d)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&d->thread, NULL, sync_all, d);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    d->threaded = err == 0;
    return err;
}

int disk_open(struct disk *d, const char *dir)
{
    char path[WIRE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/store.db", dir);
    d->file = open(path, O_RDWR | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/store.db-wal", dir);
    d->log = open(path, O_RDWR | O_CLOEXEC | O_CREAT, 0600);
    if (d->file < 0 || d->log < 0)
        return errno;
    return start_thread(d);
}

void disk_used(struct disk *d, uint64_t pages, uint64_t free_pages, uint64_t log_pages)
{
    d->file_used = pages * PAGE;
    d->log_used = log_pages * FRAME;
    d->spare = free_pages * PAGE;
    d->promised = 0;
}

void disk_cut(struct disk *d)
{
    d->file_allocated = d->file_used;
}

/* What values take at most: rows of several a page, or pages of their own. */
static uint64_t weight(uint64_t bytes, uint64_t values)
{
    return bytes + bytes / 64 + values * (bytes / (values != 0 ? values : 1) < 1024 ? 64 : PAGE) + PAGE;
}

static bool is_deleted(int fd)
{
    struct stat s;
    return fd >= 0 && fstat(fd, &s) == 0 && s.st_nlink == 0;
}

bool disk_deleted(struct disk *d)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (!d->deleted && now.tv_sec != d->looked)
        d->deleted = is_deleted(d->file) || is_deleted(d->log);
    d->looked = now.tv_sec;
    return d->deleted;
}

/* What is free in the file is as good for removals as what is behind its end: else a disk that was filled to the last,
 * of which the log or others take a little more then, would never have room again. */
bool disk_room(struct disk *d, uint64_t bytes, uint64_t values)
{
    uint64_t more = d->promised + weight(bytes, values) + MARGIN;
    uint64_t file = d->file_used + (more > d->spare ? more - d->spare : 0), log = d->log_used + more;
    if (log < LOG)
        log = LOG;
    bool fits = file <= d->file_allocated;
    if (!fits) /* in steps, where that is possible */
        fits = allocate(d, d->file, &d->file_allocated, file + file / SHARE + STEP) ||
               allocate(d, d->file, &d->file_allocated, file);
    return fits && allocate(d, d->log, &d->log_allocated, log);
}

void disk_promise(struct disk *d, uint64_t bytes, uint64_t values)
{
    d->promised += weight(bytes, values);
}

int disk_written(struct disk *d)
{
    pthread_mutex_lock(&d->mutex);
    if (!d->dirty)
        pthread_cond_signal(&d->changed);
    d->dirty = true;
    int error = d->error;
    d->error = 0;
    pthread_mutex_unlock(&d->mutex);
    return error;
}

void disk_stop(struct disk *d)
{
    pthread_mutex_lock(&d->mutex);
    d->stop = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->mutex);
    if (d->threaded)
        pthread_join(d->thread, NULL);
    d->threaded = false;
}

/* Gives back what was allocated beyond the end of the file. */
void disk_close(struct disk *d)
{
    struct stat st;
    if (d->file >= 0 && d->file_allocated != 0 && fstat(d->file, &st) == 0)
        (void)!ftruncate(d->file, st.st_size);
    if (d->file >= 0)
        close(d->file);
    if (d->log >= 0)
        close(d->log);
    pthread_mutex_destroy(&d->mutex);
    pthread_cond_destroy(&d->changed);
}
