/* SPDX-License-Identifier: MPL-2.0 */
/* The supervisor's side. A visitor is a connection: it asks once, waits for the answer, and is gone. */
#include "control.h"
#include "change.h"
#include "pool.h"
#include "supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_SIZE  65536
#define VISITORS_MOST 16 /* at a time; more wait in the kernel */

struct visitor {
    int fd; /* -1: nobody */
    bool asked;
    struct change change;
};

struct control {
    int listener, epoll;
    struct visitor visitors[VISITORS_MOST];
};

static bool watch(const struct control *c, int fd, void *source)
{
    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = source}) == 0;
}

struct control *control_open(const char *dir, int epoll)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct control *c = memory_alloc(sizeof *c);

    *c = (struct control){.epoll = epoll, .listener = -1};
    for (size_t i = 0; i < VISITORS_MOST; i++)
        c->visitors[i].fd = -1;
    errno = ENAMETOOLONG;
    if (snprintf(at.sun_path, sizeof at.sun_path, "%s/control", dir) < (int)sizeof at.sun_path)
        c->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->listener < 0 || bind(c->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(c->listener, VISITORS_MOST) != 0 || !watch(c, c->listener, c)) {
        int err = errno;
        control_close(c);
        errno = err;
        return NULL;
    }
    return c;
}

static void leave(struct visitor *v)
{
    close(v->fd); /* which takes it out of the epoll */
    *v = (struct visitor){.fd = -1};
}

/* A visitor that has gone is not told; one that does not read is not waited for. */
static void answer(struct visitor *v, int status)
{
    json_t *o = json_pack("{s:i, s:s}", "status", status, "text", v->change.text);
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;

    if (text != NULL)
        (void)send(v->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text);
    json_decref(o);
    leave(v);
}

static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == geteuid();
}

static struct visitor *free_place(struct control *c)
{
    for (size_t i = 0; i < VISITORS_MOST; i++)
        if (c->visitors[i].fd < 0)
            return &c->visitors[i];
    return NULL;
}

/* Where there is no place the listener is not looked at until there is: the epoll would say so for ever. */
static void listen_while(struct control *c, bool room)
{
    (void)epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->listener,
                    &(struct epoll_event){.events = room ? EPOLLIN : 0, .data.ptr = c});
}

static void welcome(struct control *c)
{
    struct visitor *v;

    while ((v = free_place(c)) != NULL) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        v->fd = fd;
        if (!is_ours(fd) || !watch(c, fd, v))
            leave(v);
    }
    listen_while(c, false);
}

static void take_request(struct supervisor *s, struct visitor *v)
{
    static char request[REQUEST_SIZE];
    json_error_t error;
    ssize_t n = recv(v->fd, request, sizeof request, MSG_TRUNC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || n > (ssize_t)sizeof request || v->asked) {
        leave(v); /* it has gone, or does not keep to the rules; what it asked for goes on */
        return;
    }
    json_t *o = json_loadb(request, (size_t)n, 0, &error);
    v->asked = true;
    if (!change_begin(s, o, &v->change))
        answer(v, v->change.status);
    json_decref(o);
}

bool control_take(struct supervisor *s, void *source)
{
    struct control *c = s->control;

    if (c == NULL)
        return false;
    if (source == c) {
        welcome(c);
        return true;
    }
    for (size_t i = 0; i < VISITORS_MOST; i++)
        if (source == &c->visitors[i]) {
            if (c->visitors[i].fd >= 0)
                take_request(s, &c->visitors[i]);
            listen_while(c, true);
            return true;
        }
    return false;
}

void control_step(struct supervisor *s)
{
    struct control *c = s->control;

    for (size_t i = 0; c != NULL && i < VISITORS_MOST; i++)
        if (c->visitors[i].asked && change_done(s, &c->visitors[i].change)) {
            answer(&c->visitors[i], c->visitors[i].change.status);
            listen_while(c, true);
        }
}

bool control_names(const struct control *c, size_t process)
{
    for (size_t i = 0; c != NULL && i < VISITORS_MOST; i++) {
        const struct change *change = &c->visitors[i].change;
        if (c->visitors[i].asked && change->kind != CHANGE_RELOAD && change->process == process)
            return true;
    }
    return false;
}

void control_close(struct control *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < VISITORS_MOST; i++)
        if (c->visitors[i].fd >= 0)
            leave(&c->visitors[i]);
    if (c->listener >= 0)
        close(c->listener);
    free(c);
}
