/* SPDX-License-Identifier: MPL-2.0 */
/* Descriptors. Decision: those that a child of csp_go got from its parent are replaced by /dev/null, not closed: a
 * FILE of the parent's may still write to its number, and would write into whatever got that number next; only what is
 * libzmq's or ours is closed. They are found with poll(2), which says of very many numbers at once which are
 * open: /proc makes a file for each, which took a tenth of the time to the child's first value. */
#include "descriptors.h"
#include "polling.h"
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FIRST = STDERR_FILENO + 1,
    AT_ONCE = 256,
    NEEDED = 16, /* by libzmq, for a context and a socket */
};

static rlim_t limit(void)
{
    struct rlimit r;
    return getrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_cur : 0;
}

/* Asks of the n numbers from `first` whether they are open: revents of each. 0, or -1 with errno. */
static int probe(struct pollfd *polls, int first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = first + (int)i};
    return csp__poll(polls, n, CSP_NOW) < 0 ? -1 : 0;
}

/* ---- finding them */

/* Without memory the rest of them stays, and is closed by the next execve(2). */
static void add(struct csp__inherited *list, int fd)
{
    if (fd < FIRST || fd == csp__state.broker || fd == csp__state.birth)
        return;
    if (list->n == list->size) {
        size_t size = list->size == 0 ? 32 : 2 * list->size;
        int *fds = realloc(list->fds, size * sizeof *fds);
        if (fds == NULL)
            return;
        list->fds = fds;
        list->size = size;
    }
    list->fds[list->n++] = fd;
}

/* How many are open; 0: the kernel does not say (before Linux 6.2). */
static size_t count(void)
{
    struct stat st;
    return stat("/proc/self/fd", &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
}

static int find_by_poll(struct csp__inherited *list, int end, size_t open_ones)
{
    struct pollfd polls[AT_ONCE];
    size_t found = 0;
    for (int first = 0; first < end && found < open_ones; first += AT_ONCE) {
        size_t n = end - first < AT_ONCE ? (size_t)(end - first) : AT_ONCE;
        if (probe(polls, first, n) != 0)
            return -1;
        for (size_t i = 0; i < n; i++)
            if ((polls[i].revents & POLLNVAL) == 0) {
                found++;
                add(list, polls[i].fd);
            }
    }
    return found < open_ones ? -1 : 0; /* the rest is beyond the limit, which was higher before */
}

static void find_in_proc(struct csp__inherited *list)
{
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (d != NULL && (entry = readdir(d)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd != dirfd(d))
            add(list, fd);
    }
    if (d != NULL)
        closedir(d);
}

void csp__inherited_find(struct csp__inherited *list)
{
    rlim_t end = limit();
    size_t open_ones = count();
    *list = (struct csp__inherited){.fds = NULL};
    if (open_ones == 0 || end > INT_MAX || find_by_poll(list, (int)end, open_ones) != 0) {
        list->n = 0;
        find_in_proc(list);
    }
}

/* ---- replacing them */

typedef int name_function(int, struct sockaddr *restrict, socklen_t *restrict);

static int is_in_run(int fd, name_function *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNSPEC};
    socklen_t size = sizeof at;
    size_t dir = strlen(csp__state.dir);
    return name(fd, (struct sockaddr *)&at, &size) == 0 && at.sun_family == AF_UNIX &&
           size > offsetof(struct sockaddr_un, sun_path) + dir && memcmp(at.sun_path, csp__state.dir, dir) == 0;
}

/* libzmq's own: its events and polls, and its connections in the run; and the pidfds of children. No FILE stands on
 * these. */
static int is_library_fd(int fd)
{
    struct stat st;
    char path[40];
    char link[64] = "";
    if (fstat(fd, &st) != 0 || S_ISSOCK(st.st_mode))
        return is_in_run(fd, getpeername) || is_in_run(fd, getsockname);
    if ((st.st_mode & S_IFMT) != 0) /* those have no type */
        return 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, link, sizeof link - 1) > 0 &&
           (strncmp(link, "anon_inode:[event", 17) == 0 || strncmp(link, "anon_inode:[pidfd", 17) == 0);
}

void csp__inherited_replace(struct csp__inherited *list)
{
    int null = list->n != 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    for (size_t i = 0; i < list->n; i++) {
        int fd = list->fds[i];
        if (is_library_fd(fd) || null < 0 || dup3(null, fd, O_CLOEXEC) < 0) /* EBADF: a number over the limit */
            close(fd);
    }
    if (null >= 0)
        close(null);
    free(list->fds);
    *list = (struct csp__inherited){.fds = NULL};
}

/* ---- how many more there can be */

/* By taking them: the last word. */
static int can_take(void)
{
    int fds[NEEDED];
    int n = 0;
    while (n < NEEDED && (fds[n] = fcntl(csp__state.broker, F_DUPFD_CLOEXEC, FIRST)) >= 0)
        n++;
    int left = n == NEEDED;
    while (n > 0)
        close(fds[--n]);
    return left;
}

int csp__descriptors_left(void)
{
    struct pollfd polls[4 * NEEDED];
    size_t n = sizeof polls / sizeof *polls;
    int free_ones = 0;
    if (limit() >= FIRST + n && probe(polls, FIRST, n) == 0)
        for (size_t i = 0; i < n; i++)
            free_ones += (polls[i].revents & POLLNVAL) != 0;
    return free_ones >= NEEDED || can_take();
}
