/* SPDX-License-Identifier: MPL-2.0 */
/* A record is not made here: if the run then does not start, no empty file has taken the place of an old one. */
#include "record.h"
#include "message.h"
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* The first line of a record: its format, and the seed. */
static bool begins_well(const char *text)
{
    static const char begins[] = "csp-record 1 ";
    const char *seed = text + sizeof begins - 1;
    char *end;

    if (strncmp(text, begins, sizeof begins - 1) != 0 || *seed < '0' || *seed > '9')
        return false;
    errno = 0;
    (void)strtoull(seed, &end, 10);
    return errno == 0 && *end == '\n';
}

/* Read here and then by the broker, and by that in places twice: so no pipe, for which we might wait for ever, too. */
static int check_replay(const char *path)
{
    char text[64] = "";
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd < 0 || fstat(fd, &s) != 0               ? -1
                : S_ISREG(s.st_mode) || S_ISDIR(s.st_mode) ? read(fd, text, sizeof text - 1)
                                                           : 0;
    int err = errno;

    if (fd >= 0)
        close(fd);
    if (n < 0) {
        message("run: --replay %s: %s", path, strerror(err));
        return EX_NOINPUT;
    }
    if (begins_well(text))
        return 0;
    message("run: --replay %s: is no record of a run: 'cspctl run --record FILE' makes one", path);
    return EX_DATAERR;
}

static int check_record(const char *path, const char *replay)
{
    struct pool *pool = pool_new();
    const char *slash = strrchr(path, '/');
    const char *dir = slash == NULL ? "." : slash == path ? "/" : pool_copy(pool, path, (size_t)(slash - path));
    struct stat s, other;
    const char *wrong = NULL;

    if (stat(path, &s) == 0) {
        if (S_ISDIR(s.st_mode))
            wrong = strerror(EISDIR);
        else if (access(path, W_OK) != 0)
            wrong = strerror(errno);
        else if (replay != NULL && stat(replay, &other) == 0 && s.st_dev == other.st_dev && s.st_ino == other.st_ino)
            wrong = "it is what is replayed: write another file";
    } else if (errno != ENOENT || access(dir, W_OK | X_OK) != 0)
        wrong = strerror(errno);
    pool_free(pool);
    if (wrong != NULL)
        message("run: --record %s: %s", path, wrong);
    return wrong != NULL ? EX_CANTCREAT : 0;
}

int record_check(const struct csp__options *options)
{
    int status = options->replay != NULL ? check_replay(options->replay) : 0;

    if (status == 0 && options->record != NULL)
        status = check_record(options->record, options->replay);
    return status;
}
