/* SPDX-License-Identifier: MPL-2.0 */
/* The thread waits in epoll: the supervisor adds a source to it without a lock, and there may be thousands. A source
 * belongs to the thread from the moment it is added. A source in the middle of a line of data is read alone until the
 * line has ended. */
#include "log.h"
#include "lines.h"
#include "pool.h"

#include "../workers/exec/spotter.h"

#include <polling.h>

#include <csp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CHUNK        (64 << 10)
#define SPOTTED_WORD 64
#define TICK         50 /* ms: a moment */

struct source_spotter {
    struct spotter spotter;
    int tell;
    size_t size;
    char word[SPOTTED_WORD], over[SPOTTED_WORD];
};

struct source_pipe {
    int fd;
    struct source_spotter *spotter; /* NULL: nothing is looked for */
    struct lines lines;
    char prefix[]; /* what lines.prefix points to */
};

struct log {
    int output, epoll, closing; /* closing: an eventfd */
    enum log_kind kind;
    bool gone; /* nobody reads the output */
    int error; /* why */
    atomic_size_t left, progress;
    atomic_bool is_let_go;
    pthread_t thread;
    char chunk[CHUNK];
};

/* Who gave it to us, or has it, too, may have said that it is not to be waited for: it is, all the same. */
static bool await_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return csp__poll(&p, 1, CSP_FOREVER) == 1;
}

static void write_out(void *arg, const char *text, size_t size)
{
    struct log *log = arg;

    while (size > 0 && !log->gone) {
        ssize_t n = write(log->output, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && await_room(log->output))
            continue;
        if (n < 0) {
            log->gone = true;
            log->error = errno;
            return;
        }
        text += n;
        size -= (size_t)n;
        atomic_fetch_add(&log->progress, 1);
    }
}

static void source_tell(struct source_pipe *s, const char *word)
{
    (void)!write(s->spotter->tell, word, s->spotter->size);
    free(s->spotter);
    s->spotter = NULL;
}

static void free_source(struct source_pipe *s)
{
    free(s->spotter);
    free(s);
}

static void source_end(struct log *log, struct source_pipe *s)
{
    lines_end(&s->lines, write_out, log);
    /* Closing is not enough: a child that is just being started holds a copy until its exec, and so would epoll. */
    (void)epoll_ctl(log->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    if (s->spotter != NULL)
        source_tell(s, s->spotter->over);
    free_source(s);
    atomic_fetch_sub(&log->left, 1);
}

static void source_spot(struct source_pipe *s, const char *bytes, size_t n)
{
    if (s->spotter != NULL && spotter_feed(&s->spotter->spotter, bytes, n))
        source_tell(s, s->spotter->word);
}

/* Read what is there, and on to the end of a line of data. */
static void source_read(struct log *log, struct source_pipe *s)
{
    do {
        ssize_t n = read(s->fd, log->chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (log->gone && log->kind == LOG_DATA)) {
            source_end(log, s);
            return;
        }
        lines_feed(&s->lines, log->chunk, (size_t)n, write_out, log);
        source_spot(s, log->chunk, (size_t)n);
    } while (s->lines.open);
}

static void log_free(struct log *log)
{
    if (log->epoll >= 0)
        close(log->epoll);
    if (log->closing >= 0)
        close(log->closing);
    free(log);
}

/* The thread, and who gave it up: the second of them frees it. */
static void let_go(struct log *log)
{
    if (atomic_exchange(&log->is_let_go, true))
        log_free(log);
}

static void *log_thread(void *arg)
{
    struct log *log = arg;
    struct epoll_event events[64];
    bool closing = false;

    while (!closing || atomic_load(&log->left) > 0) {
        int n = epoll_wait(log->epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL) {
                source_read(log, events[i].data.ptr);
                continue;
            }
            closing = true;
            epoll_ctl(log->epoll, EPOLL_CTL_DEL, log->closing, NULL);
        }
    }
    let_go(log);
    return NULL;
}

struct log *log_open(int output, enum log_kind kind)
{
    struct log *log = memory_alloc(sizeof *log);

    memset(log, 0, offsetof(struct log, chunk));
    log->output = output;
    log->kind = kind;
    log->epoll = epoll_create1(EPOLL_CLOEXEC);
    log->closing = eventfd(0, EFD_CLOEXEC);
    int err = log->epoll < 0 || log->closing < 0 ? errno : 0;
    if (err == 0 && epoll_ctl(log->epoll, EPOLL_CTL_ADD, log->closing, &(struct epoll_event){.events = EPOLLIN}) != 0)
        err = errno;
    if (err == 0)
        err = pthread_create(&log->thread, NULL, log_thread, log);
    if (err == 0)
        return log;
    log_free(log);
    errno = err;
    return NULL;
}

static struct source_spotter *new_spotter(const struct spotting *spotting)
{
    struct source_spotter *s = spotting->size <= SPOTTED_WORD ? malloc(sizeof *s) : NULL;

    if (s == NULL)
        return NULL;
    spotter_begin(&s->spotter, spotting->regex);
    s->tell = spotting->tell;
    s->size = spotting->size;
    memcpy(s->word, spotting->word, s->size);
    memcpy(s->over, spotting->over, s->size);
    return s;
}

static struct source_pipe *new_source(const struct log *log, const char *prefix, const struct spotting *spotting)
{
    size_t size = strlen(prefix) + 1;
    struct source_spotter *spotter = spotting != NULL ? new_spotter(spotting) : NULL;
    struct source_pipe *s = spotting == NULL || spotter != NULL ? malloc(sizeof *s + size) : NULL;

    if (s == NULL) {
        free(spotter);
        return NULL;
    }
    *s = (struct source_pipe){.spotter = spotter, .lines = {.data = log->kind == LOG_DATA, .prefix = s->prefix}};
    memcpy(s->prefix, prefix, size);
    return s;
}

int log_source_spotted(struct log *log, const char *prefix, const struct spotting *spotting)
{
    struct source_pipe *s = new_source(log, prefix, spotting);
    int end[2];

    if (s == NULL)
        return -1;
    if (pipe2(end, O_CLOEXEC) != 0) {
        free_source(s);
        return -1;
    }
    s->fd = end[0];
    atomic_fetch_add(&log->left, 1);
    if (epoll_ctl(log->epoll, EPOLL_CTL_ADD, s->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = s}) == 0)
        return end[1]; /* cppcheck-suppress memleak ; s belongs to the thread now */
    int err = errno;
    atomic_fetch_sub(&log->left, 1);
    close(end[0]);
    close(end[1]);
    free_source(s);
    errno = err;
    return -1;
}

int log_source(struct log *log, const char *prefix)
{
    return log_source_spotted(log, prefix, NULL);
}

/* What is blocked, and has come, ends us now if it is to. */
static void admit_signals(void)
{
    sigset_t none, old;

    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, &old);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Joins the thread, if it ends within ms after its last progress. */
static bool joined(struct log *log, int ms)
{
    size_t before = atomic_load(&log->progress);

    for (int waited = 0; ms < 0 || waited < ms; waited += TICK) {
        csp_time by = csp_in(TICK);
        int err = pthread_clockjoin_np(log->thread, NULL, CLOCK_MONOTONIC,
                                       &(struct timespec){by / 1000000000, by % 1000000000});
        if (err != ETIMEDOUT)
            return err == 0;
        admit_signals();
        size_t now = atomic_load(&log->progress);
        if (now != before)
            waited = 0;
        before = now;
    }
    return false;
}

bool log_close(struct log *log, int ms, int *error)
{
    eventfd_write(log->closing, 1);
    if (!joined(log, ms)) {
        pthread_detach(log->thread); /* it is in a write(2) that does not return */
        let_go(log);
        return false;
    }
    if (error != NULL)
        *error = log->error;
    log_free(log);
    return true;
}

void log_prefix(char *buf, size_t size, const char *label, size_t process, bool colour)
{
    static const char *const colours[] = {"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};

    if (colour)
        snprintf(buf, size, "\033[%sm%s |\033[0m ", colours[process % (sizeof colours / sizeof *colours)], label);
    else
        snprintf(buf, size, "%s | ", label);
}
