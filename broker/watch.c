/* SPDX-License-Identifier: MPL-2.0 */
/* Deaths of processes and ends of connections. Decision: a process whose pidfd fired is buried only when its
 * connections are gone (which libzmq's monitor says after it has handed over all that they brought) and the ROUTER was
 * then emptied: what a process had completely sent counts. All pidfds are in one epoll descriptor, because the cost of
 * a poll grows with its descriptors. What has a deadline here has one of two fixed delays, so two queues serve as
 * timers; deadlines and graces of scopes differ, and are in timers of their own. */
#include "broker.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DISCONNECT_NS INT64_C(500000000)

static int pidfd_open_(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int watch_process(struct broker *b, struct process *p, pid_t pid)
{
    int fd = pidfd_open_(pid);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? ENOBUFS : errno;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = p->item.key};
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        int err = errno;
        close(fd);
        return err == ENOSPC ? ENOBUFS : err;
    }
    p->pidfd = fd;
    p->pid = p->watched = pid;
    sentence_resume(b, p);
    return 0;
}

void watch_close(struct broker *b, struct process *p)
{
    if (p->pidfd < 0)
        return;
    epoll_ctl(b->epoll, EPOLL_CTL_DEL, p->pidfd, NULL);
    close(p->pidfd);
    p->pidfd = -1;
}

/* How a zombie ended, by its entry in /proc; unknown where it was reaped before that was read. */
static struct reason zombie_reason(const struct process *p)
{
    struct reason unknown = {HOW_SIGNAL, 0};
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return unknown;
    ssize_t n = TEMP_FAILURE_RETRY(read(fd, text, sizeof text - 1));
    close(fd);
    if (n <= 0 || syscall(SYS_pidfd_send_signal, p->pidfd, 0, NULL, 0) != 0)
        return unknown; /* the number may be another's by now */
    text[n] = '\0';
    const char *code = strrchr(text, ' ');
    const char *name_end = strrchr(text, ')');
    if (code == NULL || name_end == NULL || name_end[1] == '\0' || name_end[2] != 'Z')
        return unknown;
    int status = atoi(code);
    if (WIFEXITED(status))
        return (struct reason){HOW_CODE, WEXITSTATUS(status)};
    return WIFSIGNALED(status) ? (struct reason){HOW_SIGNAL, WTERMSIG(status)} : unknown;
}

/* All connections of a dead process are gone: it is buried when the ROUTER is empty. */
static void settled(struct broker *b, struct process *p)
{
    p->drained_from = b->messages;
    list_remove(&p->pending);
    list_push(&b->settled, &p->pending);
}

static void died(struct broker *b, struct process *p)
{
    p->dead = true;
    epoll_ctl(b->epoll, EPOLL_CTL_DEL, p->pidfd, NULL);
    if (p->state == PROCESS_ENDED) {
        if (p != b->root)
            process_forget(b, p);
        return;
    }
    if (!p->reaped)
        p->reason = zombie_reason(p);
    if (p == b->root && !record_replays(b))
        watch_end(b, p);
    else if (p->fault != NULL)
        return;
    else if (p->connected == 0 || p == b->root)
        settled(b, p);
    else {
        p->deadline = csp_now() + DISCONNECT_NS;
        list_remove(&p->pending);
        list_push(&b->dying, &p->pending);
    }
}

void watch_pidfds(struct broker *b)
{
    struct epoll_event events[64];
    int n;
    do {
        while ((n = epoll_wait(b->epoll, events, 64, 0)) < 0 && errno == EINTR)
            continue;
        for (int i = 0; i < n; i++) {
            struct process *p = process_find(b, events[i].data.u64);
            b->deadlock.ended |= events[i].data.u64 == 0;
            if (p != NULL && !p->dead)
                died(b, p);
        }
    } while (n == 64);
}

/* The connection of a line has gone. */
static void disconnected(struct broker *b, struct line *l)
{
    struct process *p = l->process;
    watch_forget(b, l);
    l->last_message = b->messages;
    if (!p->dead && p->fault == NULL)
        list_push(&b->gone, &l->gone);
}

void watch_forget(struct broker *b, struct line *l)
{
    if (l->fd >= 0 && (size_t)l->fd < b->connection_count && b->connections[l->fd].line == l)
        b->connections[l->fd].line = NULL;
    l->fd = -1;
    if (!l->connected)
        return;
    l->connected = false;
    struct process *p = l->process;
    if (--p->connected == 0 && p->dead && p->fault == NULL && p->state != PROCESS_ENDED)
        settled(b, p);
}

/* The entry for a descriptor, or NULL: no memory. */
static struct connection *connection(struct broker *b, int fd)
{
    size_t size = b->connection_count;
    if (fd < 0)
        return NULL;
    while (size <= (size_t)fd)
        size = size != 0 ? size * 2 : 64;
    if (size != b->connection_count) {
        struct connection *bigger = realloc(b->connections, size * sizeof *bigger);
        if (bigger == NULL)
            return NULL;
        memset(bigger + b->connection_count, 0, (size - b->connection_count) * sizeof *bigger);
        b->connections = bigger;
        b->connection_count = size;
    }
    return &b->connections[fd];
}

/* One event of the monitor: two parts, the first with the event and the descriptor. False: there is none. */
static bool next_event(struct broker *b)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (csp__socket_receive(&b->monitor, &msg) != 0) {
        zmq_msg_close(&msg);
        return false;
    }
    uint16_t event = 0;
    int32_t fd = -1;
    if (zmq_msg_size(&msg) >= sizeof event + sizeof fd) {
        memcpy(&event, zmq_msg_data(&msg), sizeof event);
        memcpy(&fd, (char *)zmq_msg_data(&msg) + sizeof event, sizeof fd);
    }
    while (zmq_msg_more(&msg) && csp__socket_receive(&b->monitor, &msg) == 0)
        continue;
    zmq_msg_close(&msg);

    struct connection *c = event != 0 ? connection(b, fd) : NULL;
    if (c == NULL) {
        b->missed |= event == ZMQ_EVENT_ACCEPTED;
        return true;
    }
    if (c->line != NULL)
        disconnected(b, c->line); /* also where the number is another connection's now */
    c->line = NULL;
    c->there = event == ZMQ_EVENT_ACCEPTED;
    return true;
}

void watch_connections(struct broker *b)
{
    while (next_event(b))
        continue;
}

void watch_line(struct broker *b, struct line *l, zmq_msg_t *hello)
{
    watch_connections(b); /* so that what is said about an earlier connection of this number is not taken for ours */
    l->fd = zmq_msg_get(hello, ZMQ_SRCFD);
    csp__socket_widen(hello);
    l->connected = true;
    l->process->connected++;
    struct connection *c = connection(b, l->fd);
    if (c == NULL) {
        l->fd = -1; /* then its death waits out the time */
        return;
    }
    if (c->line != NULL)
        disconnected(b, c->line);
    c->line = l;
    if (!c->there && !b->missed) /* for want of memory that may not be known: then its death waits out the time, too */
        disconnected(b, l);
}

static int64_t head_deadline(const struct list *queue, int64_t least)
{
    struct list *node = list_first(queue);
    int64_t at = node != NULL ? LIST_OWNER(node, struct process, pending)->deadline : INT64_MAX;
    return at < least ? at : least;
}

int64_t watch_settle_deadline(const struct broker *b)
{
    return head_deadline(&b->dying, INT64_MAX);
}

int64_t watch_deadline(const struct broker *b)
{
    return head_deadline(&b->graced, timer_next(&b->timers));
}

static struct process *expired(const struct list *queue, int64_t now)
{
    struct list *node = list_first(queue);
    struct process *p = node != NULL ? LIST_OWNER(node, struct process, pending) : NULL;
    return p != NULL && p->deadline <= now ? p : NULL;
}

void watch_settle(struct broker *b)
{
    if (list_empty(&b->dying))
        return;
    struct process *p;
    while ((p = expired(&b->dying, csp_now())) != NULL)
        settled(b, p);
}

void watch_expire(struct broker *b)
{
    struct process *p;
    while ((p = expired(&b->graced, b->now)) != NULL)
        process_end(b, p, (struct reason){HOW_SIGNAL, 0});
    timer_expire(&b->timers, b, b->now);
}

void watch_end(struct broker *b, struct process *p)
{
    record_death(b, p);
    process_end(b, p, p->reason);
}

void watch_end_line(struct broker *b, struct line *l)
{
    record_gone(b, l);
    line_end(b, l, (struct reason){0});
}

/* The ROUTER gives its connections a turn each: two rounds without a frame of this one and nothing of it is left. */
static bool quiet(const struct broker *b, uint64_t since)
{
    return b->messages - since > 2 * (uint64_t)b->connection_count + 64;
}

void watch_bury_aside(struct broker *b, bool drained)
{
    LIST_EACH(node, next, &b->settled)
    {
        struct process *p = LIST_OWNER(node, struct process, pending);
        if (drained && p->aside)
            watch_end(b, p);
    }
}

void watch_bury(struct broker *b, bool drained)
{
    LIST_EACH(node, next, &b->settled)
    {
        struct process *p = LIST_OWNER(node, struct process, pending);
        uint64_t last = p->drained_from;
        LIST_EACH(line, next_line, &p->lines)
        {
            const struct line *l = LIST_OWNER(line, struct line, node);
            last = l->last_message > last ? l->last_message : last;
        }
        if (drained || quiet(b, last))
            watch_end(b, p);
    }
    LIST_EACH(node, next, &b->gone)
    {
        struct line *l = LIST_OWNER(node, struct line, gone);
        if (drained || quiet(b, l->last_message))
            watch_end_line(b, l);
    }
}
