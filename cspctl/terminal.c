/* SPDX-License-Identifier: MPL-2.0 */
/* The thread is detached, and ends with the terminal's input or its reader; one in a read ends with cspctl. It waits
 * for both at once, so that it takes no line that nobody reads any more. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct feed {
    int from, to;
};

/* False when there is nothing more to read, or nobody who reads it. A line is at most PIPE_BUF, so a write is whole. */
static bool feed_once(const struct feed *f)
{
    struct pollfd ready[] = {{.fd = f->from, .events = POLLIN}, {.fd = f->to}};
    char line[PIPE_BUF];

    if (poll(ready, 2, -1) < 0)
        return errno == EINTR;
    if (ready[1].revents != 0)
        return false;
    ssize_t n = read(f->from, line, sizeof line);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    return n > 0 && write(f->to, line, (size_t)n) == n;
}

static void *feed(void *arg)
{
    struct feed *f = arg;

    while (feed_once(f))
        ;
    close(f->from);
    close(f->to);
    free(f);
    return NULL;
}

static int start(struct feed *f)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, feed, f);

    if (err == 0)
        pthread_detach(thread);
    return err;
}

static int give_up(struct feed *f, int tty, int err)
{
    free(f);
    close(tty);
    errno = err;
    return -1;
}

int terminal_pipe(int tty)
{
    struct feed *f = malloc(sizeof *f);
    int end[2];

    if (f == NULL || pipe2(end, O_CLOEXEC) != 0)
        return give_up(f, tty, errno);
    *f = (struct feed){.from = tty, .to = end[1]};
    int err = start(f);
    if (err == 0)
        return end[0];
    close(end[0]);
    close(end[1]);
    return give_up(f, tty, err);
}
