/* SPDX-License-Identifier: MPL-2.0 */
/* The seam below SQLite, in the broker: its memory, and what it asks of files. Decision: through the places that SQLite
 * has for that (its allocator, the system calls of its VFS, the methods of a file for sync), so that each of its own
 * paths after a failure is taken, which a failure of its functions as a whole would leave out. A write fails twice
 * over: the disk is full in the middle of it, and it is broken. */
#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { METHODS = 4 }; /* sorts of files that SQLite has on unix: few */

static bool is_ready; /* SQLite has begun: before, a failure would be one of the seam */
static sqlite3_mem_methods memory;
static sqlite3_vfs plain, led;
static struct {
    const sqlite3_io_methods *plain;
    sqlite3_io_methods led;
} methods[METHODS];

/* The place is that of the call below, `by`: what called it is SQLite's own. */
#define FAULT(by, call, sort, err) seam_fault((sort), (err), call, (void *[2]){(char *)(by) + 1, NULL})

/* ---- memory */

static void *allocate(int n)
{
    return !is_ready || FAULT(allocate, "sqlite malloc", MEMORY, ENOMEM) == 0 ? memory.xMalloc(n) : NULL;
}

static void *reallocate(void *p, int n)
{
    return !is_ready || FAULT(reallocate, "sqlite realloc", MEMORY, ENOMEM) == 0 ? memory.xRealloc(p, n) : NULL;
}

/* ---- files */

static int fails(int err)
{
    errno = err;
    return -1;
}

/* What could not be opened to be written SQLite tries to read, and says what came of that: so that fails, too. */
static int open_path(const char *path, int flags, int mode)
{
    static int failed;
    int err = (flags & O_ACCMODE) == O_RDONLY ? failed : 0;
    if (err == 0)
        err = FAULT(open_path, "sqlite open", DESCRIPTOR | WAITING, EMFILE);
    if (err == 0)
        err = FAULT(open_path, "sqlite open", DISK, EIO);
    if (err != EINTR)
        failed = (flags & O_ACCMODE) != O_RDONLY ? err : 0;
    return err == 0 ? open(path, flags, mode) : fails(err);
}

static int stat_path(const char *path, struct stat *st)
{
    int err = FAULT(stat_path, "sqlite stat", DISK, EIO);
    return err == 0 ? stat(path, st) : fails(err);
}

static int stat_file(int fd, struct stat *st)
{
    int err = FAULT(stat_file, "sqlite fstat", DISK, EIO);
    return err == 0 ? fstat(fd, st) : fails(err);
}

static int cut(int fd, off_t size)
{
    int err = FAULT(cut, "sqlite ftruncate", DISK | WAITING, EIO);
    return err == 0 ? ftruncate(fd, size) : fails(err);
}

static int control(int fd, int what, ...)
{
    va_list list;
    va_start(list, what);
    long arg = va_arg(list, long);
    va_end(list);
    int err = what == F_SETLK ? FAULT(control, "sqlite fcntl", DISK, ENOLCK) : 0;
    return err == 0 ? fcntl(fd, what, arg) : fails(err);
}

static ssize_t read_at(int fd, void *p, size_t n, off_t at)
{
    int err = FAULT(read_at, "sqlite pread", DISK | WAITING, EIO);
    return err == 0 ? pread(fd, p, n, at) : fails(err);
}

/* What there was room for is written. */
static ssize_t write_at(int fd, const void *p, size_t n, off_t at)
{
    int err = FAULT(write_at, "sqlite pwrite", DISK | WAITING, ENOSPC);
    if (err == ENOSPC)
        (void)!pwrite(fd, p, n / 2, at);
    if (err == 0)
        err = FAULT(write_at, "sqlite pwrite", DISK, EIO);
    return err == 0 ? pwrite(fd, p, n, at) : fails(err);
}

static int sync_file(sqlite3_file *file, int how)
{
    int err = FAULT(sync_file, "sqlite fdatasync", DISK, EIO);
    int i = 0;
    while (file->pMethods != &methods[i].led)
        i++;
    return err == 0 ? methods[i].plain->xSync(file, how) : SQLITE_IOERR_FSYNC;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *given)
{
    int rc = plain.xOpen(vfs, name, file, flags, given), i = 0;
    if (file->pMethods == NULL)
        return rc;
    while (i < METHODS && methods[i].plain != NULL && methods[i].plain != file->pMethods)
        i++;
    if (i == METHODS)
        abort();
    methods[i].plain = file->pMethods;
    methods[i].led = *file->pMethods;
    methods[i].led.xSync = sync_file;
    file->pMethods = &methods[i].led;
    return rc;
}

void seam_below_sqlite(void)
{
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } calls[] = {
        {"open", (sqlite3_syscall_ptr)open_path},    {"stat", (sqlite3_syscall_ptr)stat_path},
        {"fstat", (sqlite3_syscall_ptr)stat_file},   {"ftruncate", (sqlite3_syscall_ptr)cut},
        {"fcntl", (sqlite3_syscall_ptr)control},     {"pread64", (sqlite3_syscall_ptr)read_at},
        {"pwrite64", (sqlite3_syscall_ptr)write_at},
    };
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) != SQLITE_OK)
        abort();
    sqlite3_mem_methods ours = memory;
    ours.xMalloc = allocate;
    ours.xRealloc = reallocate;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK)
        abort();
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs == NULL)
        abort();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call) != SQLITE_OK)
            abort();
    plain = led = *vfs;
    led.xOpen = open_file;
    led.pNext = NULL;
    if (sqlite3_vfs_register(&led, 1) != SQLITE_OK)
        abort();
    is_ready = true;
}
