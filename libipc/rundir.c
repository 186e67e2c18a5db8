/* SPDX-License-Identifier: MPL-2.0 */
/* The run directory: all that a run writes to the system. Decision: a directory is ours to remove only when its name
 * has our shape, this user owns it and its lock is free, and then only files with our names go, the lock last: so no
 * mistake here can remove anything of somebody else, and a removal that was cut short is found again by the next. */
#include "rundir.h"
#include "entropy.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX       "csp-"
#define RANDOM_CHARS 8
#define SOCKET_PATH  107 /* bytes that sun_path takes */
#define UNFINISHED_S 60  /* a directory still under its first name after this long was left by a death */
#define SWEEP_MS     3000

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/* Where run directories are. One place, so that what is started, listed and swept are the same runs. */
static const char *parent(void)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    return xdg != NULL && *xdg == '/' && access(xdg, W_OK | X_OK) == 0 ? xdg : "/tmp";
}

static int is_ours(const char *name)
{
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    name += strlen(PREFIX);
    return strlen(name) == RANDOM_CHARS && strspn(name, alphabet) == RANDOM_CHARS;
}

/* Opens a run directory: -1 where it is none of this user's. */
static int open_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return -1;
    int err = fstat(fd, &st) != 0 ? errno : st.st_uid != geteuid() ? EACCES : 0;
    if (err == 0)
        return fd;
    close(fd);
    errno = err;
    return -1;
}

int csp__rundir_name(char *path, size_t size)
{
    (void)csp__rundir_sweep(); /* what cannot be swept now does not keep this run from starting */
    unsigned char bytes[RANDOM_CHARS];
    char chars[RANDOM_CHARS + 1] = "";
    if (csp__entropy(bytes, sizeof bytes) != 0)
        return -1;
    for (size_t i = 0; i < RANDOM_CHARS; i++)
        chars[i] = alphabet[bytes[i] % (sizeof alphabet - 1)];
    int n = snprintf(path, size, "%s/" PREFIX "%s", parent(), chars);
    if (n < 0 || (size_t)n >= size || (size_t)n + strlen("/broker") > SOCKET_PATH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

/* The name that a run directory has until its lock is held. */
static int hidden_name(char *hidden, size_t size, const char *path)
{
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? -1 : snprintf(hidden, size, "%.*s.%s", (int)(slash + 1 - path), path, slash + 1);
    if (n < 0 || (size_t)n >= size) {
        errno = n < 0 ? EINVAL : ENAMETOOLONG;
        return -1;
    }
    return 0;
}

static int try_lock(int fd, int how)
{
    int result;
    do
        result = flock(fd, how | LOCK_NB);
    while (result < 0 && errno == EINTR);
    return result;
}

/* Locks a file, shared: root and broker hold it, and a sweep, which wants it alone, knows by that that one lives. */
static int hold(int lock)
{
    if (lock < 0 || try_lock(lock, LOCK_SH) == 0)
        return lock;
    int err = errno;
    close(lock);
    errno = err;
    return -1;
}

/* Takes back a directory that did not become one: without a descriptor, for there may be none. */
static void unmake(const char *hidden)
{
    char file[PATH_MAX];
    if (snprintf(file, sizeof file, "%s/lock", hidden) < (int)sizeof file)
        (void)unlink(file);
    (void)rmdir(hidden);
}

/* Makes and locks the file `lock` in the directory whose first name is hidden. */
static int make_lock(const char *hidden)
{
    int dirfd = open_dir(hidden);
    if (dirfd < 0)
        return -1;
    int lock = hold(openat(dirfd, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    int err = errno;
    close(dirfd);
    errno = err;
    return lock;
}

static const char *const our_files[] = {"run",    ".run",    "services", ".services",
                                        "broker", "control", "phases",   ".phases"};
enum { OUR_FILES = sizeof our_files / sizeof *our_files };

static int is_our_file(const char *name)
{
    for (size_t i = 0; i < OUR_FILES; i++)
        if (strcmp(name, our_files[i]) == 0)
            return 1;
    static const char digits[] = "0123456789";
    size_t n = name[0] != '\0' ? strspn(name + 1, digits) : 0, left = n != 0 ? strlen(name + 1 + n) : 0;
    if (name[0] == 'p')
        return n != 0 && left == 0;
    if ((name[0] != 'x' && name[0] != 'y') || left < 2 || name[1 + n] != '.')
        return 0;
    return strspn(name + 2 + n, digits) == left - 1; /* of a pair: the channel's number and the generation's */
}

/* Where it cannot be looked into: by the names that are known. Pages, which have numbers, are there for a
 * moment only. */
static int remove_unseen(const char *dir)
{
    struct stat st;
    char file[PATH_MAX];
    if (lstat(dir, &st) != 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        errno = EACCES;
        return -1;
    }
    for (size_t i = 0; i < OUR_FILES; i++)
        if (snprintf(file, sizeof file, "%s/%s", dir, our_files[i]) < (int)sizeof file)
            (void)unlink(file);
    unmake(dir);
    return access(dir, F_OK) != 0 ? 0 : -1;
}

/* Not by opendir(3), which needs memory: a run that ends for want of it is to leave nothing, too. */
static int remove_files(int dirfd)
{
    alignas(struct dirent64) char entries[4096];
    ssize_t n;
    while ((n = getdents64(dirfd, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            if (is_our_file(entry->d_name))
                (void)unlinkat(dirfd, entry->d_name, 0);
            at += entry->d_reclen;
        }
    if (n == 0)
        (void)unlinkat(dirfd, "lock", 0);
    return (int)n;
}

static int remove_one(const char *dir)
{
    int dirfd = open_dir(dir);
    int result = dirfd >= 0 ? remove_files(dirfd) : -1;
    if (dirfd >= 0)
        close(dirfd);
    if (result != 0)
        return remove_unseen(dir);
    return rmdir(dir) == 0 || errno == ENOENT ? 0 : -1;
}

int csp__rundir_remove(const char *dir)
{
    char hidden[PATH_MAX];
    if (hidden_name(hidden, sizeof hidden, dir) != 0)
        return -1;
    int result = remove_one(dir);
    return remove_one(hidden) == 0 ? result : -1;
}

int csp__rundir_make(const char *path, int *lock)
{
    char hidden[PATH_MAX];
    if (hidden_name(hidden, sizeof hidden, path) != 0 || mkdir(hidden, 0700) != 0)
        return -1;
    *lock = chmod(hidden, 0700) == 0 ? make_lock(hidden) : -1;
    if (*lock >= 0 && renameat2(AT_FDCWD, hidden, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    int err = errno;
    unmake(hidden);
    if (*lock >= 0)
        close(*lock);
    errno = err;
    return -1;
}

int csp__rundir_hold(const char *path)
{
    int dirfd = open_dir(path);
    if (dirfd < 0)
        return -1;
    int lock = hold(openat(dirfd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    int err = errno;
    close(dirfd);
    errno = err;
    return lock;
}

/* ---- the file `run` */

static int has_newline(const char *text)
{
    return strchr(text, '\n') != NULL;
}

static int print_info(FILE *f, const struct csp__runinfo *info)
{
    (void)fprintf(f, "csp 1\ntoken ");
    for (size_t i = 0; i < sizeof info->token; i++)
        (void)fprintf(f, "%02x", info->token[i]);
    (void)fprintf(f, "\nname %s\nfile %s\nroot %ld\nbroker %ld\nstarted %" PRId64 "\n", info->name, info->file,
                  (long)info->root, (long)info->broker, info->started);
    int failed = ferror(f);
    return fclose(f) == 0 && !failed ? 0 : -1;
}

int csp__rundir_write(const char *dir, const struct csp__runinfo *info)
{
    if (has_newline(info->name) || has_newline(info->file)) {
        errno = EINVAL;
        return -1;
    }
    int dirfd = open_dir(dir);
    if (dirfd < 0)
        return -1;
    int fd = openat(dirfd, ".run", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    int result = -1;
    if (f != NULL)
        result = print_info(f, info) == 0 && renameat(dirfd, ".run", dirfd, "run") == 0 ? 0 : -1;
    int err = errno;
    if (f == NULL && fd >= 0)
        close(fd);
    close(dirfd);
    errno = err;
    return result;
}

static int read_token(uint8_t token[WIRE_TOKEN_SIZE], const char *hex)
{
    for (size_t i = 0; i < WIRE_TOKEN_SIZE; i++) {
        unsigned byte;
        if (!isxdigit((unsigned char)hex[2 * i]) || sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return -1;
        token[i] = (uint8_t)byte;
    }
    return hex[2 * (size_t)WIRE_TOKEN_SIZE] == '\0' ? 0 : -1;
}

/* Takes over one line `key value`; unknown keys are for later versions. Returns -1 for a value that is none. */
static int read_line(struct csp__runinfo *info, const char *key, const char *value)
{
    if (strcmp(key, "token") == 0)
        return read_token(info->token, value);
    if (strcmp(key, "name") == 0)
        return snprintf(info->name, sizeof info->name, "%s", value) < (int)sizeof info->name ? 0 : -1;
    if (strcmp(key, "file") == 0)
        return snprintf(info->file, sizeof info->file, "%s", value) < (int)sizeof info->file ? 0 : -1;
    if (strcmp(key, "root") == 0)
        info->root = (pid_t)strtol(value, NULL, 10);
    else if (strcmp(key, "broker") == 0)
        info->broker = (pid_t)strtol(value, NULL, 10);
    else if (strcmp(key, "started") == 0)
        info->started = strtoll(value, NULL, 10);
    else if (strcmp(key, "csp") == 0)
        return strcmp(value, "1") == 0 ? 0 : -1;
    return 0;
}

static int read_lines(FILE *f, struct csp__runinfo *info)
{
    char line[sizeof info->file + 16];
    int lines = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, ' ');
        if (value != NULL)
            *value++ = '\0';
        if (lines++ == 0 && strcmp(line, "csp") != 0)
            return -1;
        if (value != NULL && read_line(info, line, value) != 0)
            return -1;
    }
    return lines > 0 && info->broker > 0 && info->root > 0 ? 0 : -1;
}

int csp__rundir_read(const char *dir, struct csp__runinfo *info)
{
    *info = (struct csp__runinfo){.root = 0};
    int dirfd = open_dir(dir);
    if (dirfd < 0)
        return -1;
    int fd = openat(dirfd, "run", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int err = errno;
    close(dirfd);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (f == NULL) {
        if (fd >= 0) {
            err = errno;
            close(fd);
        }
        errno = err;
        return -1;
    }
    int result = read_lines(f, info);
    (void)fclose(f);
    if (result != 0)
        errno = EPROTO;
    return result;
}

/* ---- living and dead ones */

/* Is the run of this directory dead? 1: yes, and *lock is its lock, now held here; 0: no; -1: it has no lock. */
static int is_dead(int dirfd, int *lock)
{
    *lock = openat(dirfd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (*lock < 0)
        return errno == ENOENT ? -1 : 0;
    if (try_lock(*lock, LOCK_EX) == 0)
        return 1;
    close(*lock);
    *lock = -1;
    return 0;
}

int csp__rundir_alive(const char *dir)
{
    int dirfd = open_dir(dir);
    if (dirfd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
    int lock;
    int dead = is_dead(dirfd, &lock);
    if (lock >= 0)
        close(lock);
    close(dirfd);
    return dead == 0;
}

static int visit_live(const char *dir, int (*each)(const char *, const struct csp__runinfo *, void *), void *arg)
{
    struct csp__runinfo info;
    return csp__rundir_alive(dir) > 0 && csp__rundir_read(dir, &info) == 0 ? each(dir, &info, arg) : 0;
}

struct visit {
    int (*each)(const char *, const struct csp__runinfo *, void *); /* NULL: sweep */
    void *arg;
};

static int sweep_dir(const char *dir, int hidden)
{
    int dirfd = open_dir(dir);
    if (dirfd < 0)
        return 0;
    int lock;
    int dead = is_dead(dirfd, &lock);
    close(dirfd);
    if (dead == 0)
        return 0;
    int result = 0;
    if (dead < 0 && hidden)
        (void)rmdir(dir); /* its start died before there was a lock */
    else if (dead > 0 && (csp__sweep_processes(dir, SWEEP_MS) < 0 || remove_one(dir) != 0))
        result = -1;
    int err = errno;
    if (lock >= 0)
        close(lock);
    errno = err;
    return result;
}

/* A directory still under its first name belongs to a start under way, or to one that died in it long ago. */
static int is_unfinished(const char *dir)
{
    struct stat st;
    return lstat(dir, &st) == 0 && time(NULL) - st.st_mtime > UNFINISHED_S;
}

static int visit_entry(const char *name, const struct visit *v)
{
    char dir[PATH_MAX];
    int hidden = *name == '.';
    if (!is_ours(name + hidden) || snprintf(dir, sizeof dir, "%s/%s", parent(), name) >= (int)sizeof dir)
        return 0;
    if (v->each != NULL)
        return hidden ? 0 : visit_live(dir, v->each, v->arg);
    return !hidden || is_unfinished(dir) ? sweep_dir(dir, hidden) : 0;
}

/* Goes through all run directories; a sweep goes on after a failure, which is the result then. */
static int visit_all(const struct visit *v)
{
    DIR *d = opendir(parent());
    if (d == NULL)
        return -1;
    const struct dirent *entry;
    int result = 0;
    while ((v->each == NULL || result == 0) && (entry = readdir(d)) != NULL) {
        int one = visit_entry(entry->d_name, v);
        result = one != 0 ? one : result;
    }
    int err = errno;
    closedir(d);
    errno = err;
    return result;
}

int csp__rundir_each(int (*each)(const char *dir, const struct csp__runinfo *info, void *arg), void *arg)
{
    return visit_all(&(struct visit){.each = each, .arg = arg});
}

int csp__rundir_sweep(void)
{
    return visit_all(&(struct visit){.each = NULL});
}
