/* SPDX-License-Identifier: MPL-2.0 */
/* A record is not made here: if the run then does not start, no empty file has taken the place of an old one. */
#include "record.h"
#include "message.h"
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int check_replay(const char *path)
{
    static const char begins[] = "csp-record ";
    char text[sizeof begins - 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    int err = errno;

    if (fd >= 0)
        close(fd);
    if (n < 0) {
        message("run: --replay %s: %s", path, strerror(err));
        return EX_NOINPUT;
    }
    if (n == (ssize_t)sizeof text && memcmp(text, begins, sizeof text) == 0)
        return 0;
    message("run: --replay %s: is no record of a run: 'cspctl run --record FILE' makes one", path);
    return EX_DATAERR;
}

static int check_record(const char *path)
{
    struct pool *pool = pool_new();
    const char *slash = strrchr(path, '/');
    const char *dir = slash == NULL ? "." : slash == path ? "/" : pool_copy(pool, path, (size_t)(slash - path));
    struct stat s;
    int err = 0;

    if (stat(path, &s) == 0)
        err = S_ISDIR(s.st_mode) ? EISDIR : access(path, W_OK) != 0 ? errno : 0;
    else if (errno != ENOENT || access(dir, W_OK | X_OK) != 0)
        err = errno;
    pool_free(pool);
    if (err != 0)
        message("run: --record %s: %s", path, strerror(err));
    return err != 0 ? EX_CANTCREAT : 0;
}

int record_check(const struct csp__options *options)
{
    int status = options->replay != NULL ? check_replay(options->replay) : 0;

    if (status == 0 && options->record != NULL)
        status = check_record(options->record);
    return status;
}
