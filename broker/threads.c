/* SPDX-License-Identifier: MPL-2.0 */
/* Threads that the broker does not know. Decision: a process may have threads that never use the library, and any of
 * them may start to: so one that has more threads than lines is not stuck, whatever its lines do. The threads of libzmq
 * and of the library itself never do; they are known by the beginning of their names. It is read only of who was found
 * stuck. */
#include "broker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ZMQ_NAME "ZMQbg/"
#define CSP_NAME "csp/"

static bool begins(const char *name, ssize_t n, const char *with)
{
    return n >= (ssize_t)strlen(with) && memcmp(name, with, strlen(with)) == 0;
}

static bool is_known(int tasks, const char *thread)
{
    char path[64], name[32];
    if (snprintf(path, sizeof path, "%s/comm", thread) >= (int)sizeof path)
        return false;
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? TEMP_FAILURE_RETRY(read(fd, name, sizeof name - 1)) : -1;
    if (fd >= 0)
        close(fd);
    return begins(name, n, ZMQ_NAME) || begins(name, n, CSP_NAME);
}

bool threads_are_more(const struct process *p)
{
    size_t lines = 0, threads = 0;
    LIST_EACH(node, next, &p->lines)
    lines++;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)p->attached);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return true; /* it has just died, or cannot be read: then nothing is known of it */
    errno = 0;
    for (const struct dirent *e; threads <= lines && (e = readdir(tasks)) != NULL; errno = 0)
        threads += e->d_name[0] != '.' && !is_known(dirfd(tasks), e->d_name);
    bool is_unknown = errno != 0;
    closedir(tasks);
    return is_unknown || threads > lines;
}
