/* SPDX-License-Identifier: MPL-2.0 */
/* The one seam through which libipc, the broker and the bridge ask the system for anything that it can refuse.
 * Decision: it is put there by the linker's tools, not by the sources: `objcopy --redefine-syms` renames these calls in
 * the product's objects alone (NAME becomes seam_NAME), so the product has no word of it, and libzmq, libc and the
 * scenario itself call as ever. The list of names is made from the lines that begin with CALL or VARIES below;
 * scripts/seam fails where the product calls something that is neither here nor known to be harmless.
 *
 * A call that is made to fail does not happen, sets errno to what its manual gives for the want of that resource, and
 * is noted with the places that made it. */
#include "seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { SHORT_MESSAGE = 33 }; /* bytes: libzmq 4.3.4, msg_t::max_vsm_size */

static struct seam *seam;
static int role;
enum { PLACES = 4093, LITTLE = 100 /* bytes, and there are mostly more */ };

/* Times in a row, by the place that calls: each meets it, and in a loop of two none gets every interruption. */
static __thread unsigned interrupted[PLACES];
static __thread bool parted[PLACES]; /* the last one here was in part */

static void be_child(void)
{
    if (role == CALLER)
        role = CHILD;
}

/* A broker that crashed is reaped by the library, which knows only that it has gone. */
static void crashed(int sig)
{
    static const char text[] = "WRONG: a process crashed\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    signal(sig, SIG_DFL);
    raise(sig);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv(SEAM_VARIABLE);
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    seam = mmap(NULL, sizeof *seam, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (seam == MAP_FAILED || pthread_atfork(NULL, NULL, be_child) != 0)
        abort();
    const char *name = program_invocation_short_name;
    role = strcmp(name, "broker") == 0 ? BROKER : strcmp(name, "exec") == 0 ? BRIDGE : CALLER;
    if (role == BROKER)
        seam_below_sqlite();
#ifndef __SANITIZE_ADDRESS__ /* which says more of it */
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
#endif
    signal(SIGABRT, crashed);
}

void seam_rest(void)
{
    if (seam != NULL) {
        seam->roles = 0;
        seam->interruptions = 0;
        seam->partial = 0;
    }
}

void seam_be_caller(void)
{
    role = CALLER;
}

static void note(const char *call, int err, void *const at[2])
{
    extern const char __executable_start;
    uint64_t n = atomic_fetch_add(&seam->faults, 1);
    if (n >= SEAM_LISTED)
        return;
    struct seam_fault *f = &seam->list[n];
    f->role = role;
    f->err = err;
    strncpy(f->call, call, sizeof f->call - 1);
    for (int i = 0; i < 2; i++)
        f->at[i] = (uintptr_t)at[i] - (uintptr_t)&__executable_start;
}

int seam_fault(enum seam_sort sort, int err, const char *call, void *const at[2])
{
    if (seam == NULL || (seam->roles & 1 << role) == 0)
        return 0;
    if (seam->interruptions != 0 && (sort & WAITING) != 0) {
        unsigned *times = &interrupted[(uintptr_t)at[0] % PLACES];
        if ((*times)++ < seam->interruptions) {
            note(call, EINTR, at);
            return EINTR;
        }
        *times = 0;
    }
    if ((seam->sorts & sort) == 0 || err == EINTR)
        return 0;
    uint64_t n = atomic_fetch_add(&seam->calls, 1) + 1;
    if (n < seam->first || n > seam->last)
        return 0;
    note(call, err, at);
    return err;
}

/* What the system gives in part: a file may end its disk, and a pipe of which more is wanted than is written to it at
 * once. But not what is in /proc: that fits. */
static bool comes_in_part(int fd, size_t n, bool writes)
{
    struct stat st;
    if (n < 2 || fstat(fd, &st) != 0)
        return false;
    return n > PIPE_BUF ? S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) : writes && S_ISREG(st.st_mode);
}

size_t seam_part(int fd, size_t n, bool writes, const char *call, void *const at[2])
{
    if (seam == NULL || (seam->roles & 1 << role) == 0 || !seam->partial || !comes_in_part(fd, n, writes))
        return n;
    bool *last = &parted[(uintptr_t)at[0] % PLACES];
    *last = !*last;
    if (!*last)
        return n;
    note(call, 0, at);
    return n / 2 < LITTLE ? n / 2 : LITTLE;
}

/* Where it is called from, and where that function is: only with sanitizers is there a frame pointer to find it by. */
#ifdef __SANITIZE_ADDRESS__
#pragma GCC diagnostic ignored "-Wframe-address"
#define CALLER_OF_CALLER __builtin_return_address(1)
#else
#define CALLER_OF_CALLER NULL
#endif
#define PLACE                  ((void *[2]){__builtin_return_address(0), CALLER_OF_CALLER})
#define FAULT(call, sort, err) seam_fault((sort), (err), call, PLACE)
/* CALL: made with its arguments, or it gives `failure` and errno. ANSWERS: the error is what it returns. */
#define CALL(type, name, parameters, arguments, sort, err, failure)                                                    \
    type seam_##name parameters;                                                                                       \
    type seam_##name parameters                                                                                        \
    {                                                                                                                  \
        int err_ = FAULT(#name, sort, err);                                                                            \
        if (err_ == 0)                                                                                                 \
            return name arguments;                                                                                     \
        errno = err_;                                                                                                  \
        return failure;                                                                                                \
    }
#define ANSWERS(name, parameters, arguments, sort, err)                                                                \
    int seam_##name parameters;                                                                                        \
    int seam_##name parameters                                                                                         \
    {                                                                                                                  \
        int err_ = FAULT(#name, sort, err);                                                                            \
        return err_ == 0 ? name arguments : err_;                                                                      \
    }
/* VARIES: written out, because its arguments or what it fails with vary. */
#define VARIES(type, name, ...)                                                                                        \
    type seam_##name(__VA_ARGS__);                                                                                     \
    type seam_##name(__VA_ARGS__)

/* ---- memory */

CALL(void *, malloc, (size_t n), (n), MEMORY, ENOMEM, NULL)
CALL(void *, calloc, (size_t n, size_t size), (n, size), MEMORY, ENOMEM, NULL)
CALL(void *, realloc, (void *p, size_t n), (p, n), MEMORY, ENOMEM, NULL)
CALL(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), MEMORY, ENOMEM, NULL)
CALL(char *, strdup, (const char *s), (s), MEMORY, ENOMEM, NULL)
CALL(char *, strndup, (const char *s, size_t n), (s, n), MEMORY, ENOMEM, NULL)
CALL(FILE *, open_memstream, (char **p, size_t *n), (p, n), MEMORY, ENOMEM, NULL)
CALL(char *, realpath, (const char *path, char *to), (path, to), MEMORY, ENOMEM, NULL)
CALL(int, setenv, (const char *name, const char *value, int over), (name, value, over), MEMORY, ENOMEM, -1)
CALL(ssize_t, __getdelim, (char **p, size_t *n, int end, FILE *f), (p, n, end, f), MEMORY, ENOMEM, -1)
CALL(void *, mmap, (void *p, size_t n, int may, int how, int fd, off_t at), (p, n, may, how, fd, at), MEMORY, ENOMEM,
     MAP_FAILED)
CALL(FILE *, fdopen, (int fd, const char *mode), (fd, mode), MEMORY, ENOMEM, NULL)
CALL(int, on_exit, (void (*fn)(int, void *), void *arg), (fn, arg), MEMORY, ENOMEM, -1)
CALL(int, zmq_msg_init_data, (zmq_msg_t * msg, void *p, size_t n, zmq_free_fn *fn, void *arg), (msg, p, n, fn, arg),
     MEMORY, ENOMEM, -1)
ANSWERS(pthread_atfork, (void (*a)(void), void (*b)(void), void (*c)(void)), (a, b, c), MEMORY, ENOMEM)
ANSWERS(pthread_key_create, (pthread_key_t * key, void (*fn)(void *)), (key, fn), MEMORY, EAGAIN)
ANSWERS(pthread_setspecific, (pthread_key_t key, const void *p), (key, p), MEMORY, ENOMEM)
ANSWERS(pthread_attr_init, (pthread_attr_t * a), (a), MEMORY, ENOMEM)
ANSWERS(posix_spawnattr_init, (posix_spawnattr_t * a), (a), MEMORY, ENOMEM)
ANSWERS(posix_spawn_file_actions_init, (posix_spawn_file_actions_t * a), (a), MEMORY, ENOMEM)
ANSWERS(posix_spawn_file_actions_adddup2, (posix_spawn_file_actions_t * a, int from, int to), (a, from, to), MEMORY,
        ENOMEM)
ANSWERS(posix_spawn_file_actions_addopen,
        (posix_spawn_file_actions_t * a, int fd, const char *path, int flags, mode_t mode), (a, fd, path, flags, mode),
        MEMORY, ENOMEM)
ANSWERS(posix_spawn_file_actions_addclosefrom_np, (posix_spawn_file_actions_t * a, int from), (a, from), MEMORY, ENOMEM)

/* A short message lies in the zmq_msg_t itself. */
VARIES(int, zmq_msg_init_size, zmq_msg_t *msg, size_t n)
{
    int err = n > SHORT_MESSAGE ? FAULT("zmq_msg_init_size", MEMORY, ENOMEM) : 0;
    if (err == 0)
        return zmq_msg_init_size(msg, n);
    errno = err;
    return -1;
}

/* ---- processes and threads */

VARIES(pid_t, fork, void)
{
    int err = FAULT("fork", START, EAGAIN);
    if (err == 0)
        return fork();
    errno = err;
    return -1;
}

ANSWERS(pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg), (t, a, fn, arg),
        START, EAGAIN)
ANSWERS(posix_spawn,
        (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *a,
         char *const argv[], char *const env[]),
        (pid, path, actions, a, argv, env), START, EAGAIN)

/* ---- sockets */

CALL(void *, zmq_ctx_new, (void), (), SOCKET, EMFILE, NULL)
CALL(int, zmq_ctx_set, (void *c, int option, int value), (c, option, value), SOCKET, EINVAL, -1)
CALL(void *, zmq_socket, (void *c, int type), (c, type), SOCKET, EMFILE, NULL)
CALL(int, zmq_bind, (void *s, const char *at), (s, at), SOCKET | WAITING, EADDRINUSE, -1)
CALL(int, zmq_connect, (void *s, const char *to), (s, to), SOCKET | WAITING, ENOMEM, -1)
CALL(int, zmq_setsockopt, (void *s, int option, const void *p, size_t n), (s, option, p, n), SOCKET, ENOMEM, -1)
CALL(int, zmq_getsockopt, (void *s, int option, void *p, size_t *n), (s, option, p, n), SOCKET | WAITING, ENOMEM, -1)
CALL(int, zmq_msg_recv, (zmq_msg_t * msg, void *s, int flags), (msg, s, flags), SOCKET | WAITING, EINTR, -1)
/* Without a high-water mark it fails only where the connection has gone, which is no fault but the end of a process. */
CALL(int, zmq_msg_send, (zmq_msg_t * msg, void *s, int flags), (msg, s, flags), SOCKET | WAITING, EINTR, -1)
CALL(int, setsockopt, (int fd, int level, int option, const void *p, socklen_t n), (fd, level, option, p, n), SOCKET,
     ENOBUFS, -1)
CALL(int, socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds), SOCKET, EMFILE,
     -1)

/* The monitor's end is given back whatever happens. */
VARIES(int, zmq_socket_monitor, void *s, const char *at, int events)
{
    int err = at != NULL ? FAULT("zmq_socket_monitor", SOCKET, EMFILE) : 0;
    if (err == 0)
        return zmq_socket_monitor(s, at, events);
    errno = err;
    return -1;
}

/* ---- descriptors */

CALL(int, pipe2, (int fds[2], int flags), (fds, flags), DESCRIPTOR, EMFILE, -1)
CALL(int, dup3, (int from, int to, int flags), (from, to, flags), DESCRIPTOR, EMFILE, -1)
CALL(int, epoll_create1, (int flags), (flags), DESCRIPTOR, EMFILE, -1)
CALL(DIR *, opendir, (const char *path), (path), DESCRIPTOR, EMFILE, NULL)
CALL(FILE *, fopen, (const char *path, const char *mode), (path, mode), DESCRIPTOR, EMFILE, NULL)
CALL(int, setrlimit, (int which, const struct rlimit *r), (which, r), DESCRIPTOR, EPERM, -1)
CALL(int, getrlimit, (int which, struct rlimit *r), (which, r), DESCRIPTOR, EPERM, -1)

VARIES(int, open, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    int err = FAULT("open", DESCRIPTOR, EMFILE);
    if (err == 0)
        return open(path, flags, mode);
    errno = err;
    return -1;
}

VARIES(int, openat, int dir, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    int err = FAULT("openat", DESCRIPTOR, EMFILE);
    if (err == 0)
        return openat(dir, path, flags, mode);
    errno = err;
    return -1;
}

VARIES(int, fcntl, int fd, int what, ...)
{
    va_list list;
    va_start(list, what);
    long arg = va_arg(list, long);
    va_end(list);
    bool takes = what == F_DUPFD_CLOEXEC || what == F_DUPFD;
    int err = takes ? FAULT("fcntl", DESCRIPTOR, EMFILE) : 0;
    if (err == 0)
        return fcntl(fd, what, arg);
    errno = err;
    return -1;
}

VARIES(int, epoll_ctl, int epoll, int what, int fd, struct epoll_event *event)
{
    int err = what == EPOLL_CTL_ADD ? FAULT("epoll_ctl", DESCRIPTOR, ENOSPC) : 0;
    if (err == 0)
        return epoll_ctl(epoll, what, fd, event);
    errno = err;
    return -1;
}

VARIES(long, syscall, long number, ...)
{
    long a[4];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    const char *name = number == SYS_pidfd_open ? "pidfd_open" : number == SYS_accept4 ? "accept4" : NULL;
    int err = name != NULL ? FAULT(name, DESCRIPTOR, EMFILE) : 0;
    if (err == 0)
        return syscall(number, a[0], a[1], a[2], a[3]);
    errno = err;
    return -1;
}

/* ---- files */

CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), DISK, ENOSPC, -1)
CALL(int, chmod, (const char *path, mode_t mode), (path, mode), DISK, EROFS, -1)
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), DISK, ENOSPC, -1)
CALL(int, renameat2, (int a, const char *from, int b, const char *to, unsigned how), (a, from, b, to, how), DISK,
     ENOSPC, -1)
CALL(int, fallocate, (int fd, int how, off_t at, off_t n), (fd, how, at, n), DISK, ENOSPC, -1)
CALL(int, fdatasync, (int fd), (fd), DISK, EIO, -1)
CALL(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), DISK, EIO, -1)
CALL(int, ftruncate, (int fd, off_t n), (fd, n), DISK, EIO, -1)
CALL(ssize_t, getdents64, (int fd, void *p, size_t n), (fd, p, n), DISK, EIO, -1)
CALL(int, fstat, (int fd, struct stat *st), (fd, st), DISK, EIO, -1)
CALL(int, stat, (const char *path, struct stat *st), (path, st), DISK, EIO, -1)
CALL(int, flock, (int fd, int how), (fd, how), DISK | WAITING, ENOLCK, -1)
CALL(ssize_t, readlink, (const char *path, char *to, size_t n), (path, to, n), DISK, EIO, -1)
ANSWERS(posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n), DISK | WAITING, ENOSPC)

static bool is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* A pipe is only ever interrupted. */
VARIES(ssize_t, read, int fd, void *p, size_t n)
{
    int err = FAULT("read", DISK | WAITING, is_file(fd) ? EIO : EINTR);
    if (err == 0)
        return read(fd, p, seam_part(fd, n, false, "read", PLACE));
    errno = err;
    return -1;
}

VARIES(ssize_t, write, int fd, const void *p, size_t n)
{
    int err = FAULT("write", DISK | WAITING, is_file(fd) ? ENOSPC : EINTR);
    if (err == 0)
        return write(fd, p, seam_part(fd, n, true, "write", PLACE));
    errno = err;
    return -1;
}

VARIES(int, dprintf, int fd, const char *format, ...)
{
    int err = FAULT("dprintf", DISK, ENOMEM);
    va_list list;
    va_start(list, format);
    int n = err == 0 ? vdprintf(fd, format, list) : -1;
    va_end(list);
    errno = err != 0 ? err : errno;
    return n;
}

/* What it had in memory is lost, and the descriptor closed all the same. */
VARIES(int, fclose, FILE *f)
{
    int err = FAULT("fclose", DISK, ENOSPC);
    int result = fclose(f);
    if (err == 0)
        return result;
    errno = err;
    return EOF;
}

/* ---- the store */

ANSWERS(sqlite3_open_v2, (const char *path, sqlite3 **db, int flags, const char *vfs), (path, db, flags, vfs), DISK,
        SQLITE_CANTOPEN)
ANSWERS(sqlite3_prepare_v3,
        (sqlite3 * db, const char *text, int n, unsigned flags, sqlite3_stmt **s, const char **rest),
        (db, text, n, flags, s, rest), MEMORY, SQLITE_NOMEM)
ANSWERS(sqlite3_step, (sqlite3_stmt * s), (s), DISK, SQLITE_FULL)
ANSWERS(sqlite3_exec, (sqlite3 * db, const char *text, int (*fn)(void *, int, char **, char **), void *arg, char **why),
        (db, text, fn, arg, why), DISK, SQLITE_FULL)
ANSWERS(sqlite3_bind_text, (sqlite3_stmt * s, int i, const char *text, int n, void (*fn)(void *)), (s, i, text, n, fn),
        MEMORY, SQLITE_NOMEM)
ANSWERS(sqlite3_bind_blob64, (sqlite3_stmt * s, int i, const void *p, sqlite3_uint64 n, void (*fn)(void *)),
        (s, i, p, n, fn), MEMORY, SQLITE_NOMEM)
ANSWERS(sqlite3_wal_checkpoint_v2, (sqlite3 * db, const char *name, int how, int *log, int *done),
        (db, name, how, log, done), DISK, SQLITE_IOERR)

/* ---- waiting */

CALL(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms), WAITING, ENOMEM, -1)
CALL(int, ppoll, (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *m), (p, n, t, m), WAITING,
     ENOMEM, -1)
CALL(int, zmq_poll, (zmq_pollitem_t * p, int n, long ms), (p, n, ms), WAITING, EINTR, -1)
CALL(int, epoll_wait, (int epoll, struct epoll_event *p, int n, int ms), (epoll, p, n, ms), WAITING, EINTR, -1)
CALL(pid_t, waitpid, (pid_t pid, int *status, int how), (pid, status, how), WAITING, EINTR, -1)
CALL(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int how), (type, id, info, how), WAITING, EINTR, -1)
CALL(ssize_t, getrandom, (void *p, size_t n, unsigned how), (p, n, how), WAITING, EINTR, -1)
CALL(int, nanosleep, (const struct timespec *t, struct timespec *left), (t, left), WAITING, EINTR, -1)
