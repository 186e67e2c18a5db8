/* SPDX-License-Identifier: MPL-2.0 */
#include "world.h"

#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FIRST_PID = 0x7f000000, /* beyond what the kernel gives */
    FIRST_FD = 1 << 20,     /* of what stands for a descriptor here */
    PIDFDS = 256,
    FRAMES = 64,
    EVENTS = 64,
    NOTICES = FIRST_FD - 1
};

struct pidfd {
    bool open, watched;
    pid_t pid;
    uint64_t key;
};

struct event {
    uint16_t event;
    int32_t fd;
};

struct told {
    uint32_t route;
    zmq_msg_t msg;
};

static struct {
    struct wire_page pair_pages[WORLD_PAGES];
    struct broker *broker;
    void (*step)(void);
    int64_t now;
    bool alive[WORLD_PIDS];
    struct pidfd pidfds[PIDFDS];
    unsigned pidfd_count;
    pid_t peers[WORLD_ROUTES + 1]; /* 0: not connected */
    struct event events[EVENTS];
    unsigned first_event, last_event;
    bool event_half; /* its first part was read */
    struct told frames[FRAMES];
    unsigned first_frame, last_frame;
    bool frame_half;
    uint32_t answering; /* route that the next frame sent goes to */
    char address[32];
    unsigned pages;
    bool used[WORLD_PAGES];
    bool runs;
} w;

static _Alignas(WIRE_PAGE_SIZE) uint64_t line_pages[WORLD_PAGES][WIRE_PAGE_SIZE / sizeof(uint64_t)];
static bool line_used[WORLD_PAGES];

void world_begin(struct broker *b, void (*step)(void))
{
    memset(&w, 0, sizeof w);
    w.runs = true;
    w.broker = b;
    w.step = step;
    w.now = INT64_C(1000000000000);
}

void world_end(void)
{
    for (; w.first_frame != w.last_frame; w.first_frame++)
        zmq_msg_close(&w.frames[w.first_frame % FRAMES].msg);
    for (unsigned i = 0; i < w.pidfd_count; i++)
        HOLD(!w.pidfds[i].open);
    for (unsigned i = 0; i < WORLD_PAGES; i++)
        HOLD(!w.used[i] && !line_used[i]);
    w.runs = false;
}

void world_pass(int64_t ns)
{
    w.now += ns;
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

pid_t world_pid(unsigned index)
{
    w.alive[index % WORLD_PIDS] = true;
    return (pid_t)(FIRST_PID + index % WORLD_PIDS);
}

bool world_lives(pid_t pid)
{
    return pid >= FIRST_PID && pid < FIRST_PID + WORLD_PIDS && w.alive[pid - FIRST_PID];
}

/* A pidfd means the process that had the number when it was opened. */
void world_kill(pid_t pid)
{
    if (!world_lives(pid))
        return;
    w.alive[pid - FIRST_PID] = false;
    for (unsigned i = 0; i < w.pidfd_count; i++)
        if (w.pidfds[i].pid == pid)
            w.pidfds[i].pid = 0;
}

static struct pidfd *pidfd(int fd)
{
    HOLD(fd >= FIRST_FD && fd < FIRST_FD + (int)w.pidfd_count && w.pidfds[fd - FIRST_FD].open);
    return &w.pidfds[fd - FIRST_FD];
}

static long open_pidfd(pid_t pid)
{
    unsigned i = 0;
    if (!world_lives(pid)) {
        errno = ESRCH;
        return -1;
    }
    while (i < w.pidfd_count && w.pidfds[i].open)
        i++;
    if (i == PIDFDS) {
        errno = EMFILE;
        return -1;
    }
    w.pidfd_count += i == w.pidfd_count;
    w.pidfds[i] = (struct pidfd){.open = true, .pid = pid};
    return FIRST_FD + (int)i;
}

static long signal_pidfd(int fd, int number)
{
    struct pidfd *p = pidfd(fd);
    if (p->pid == 0) {
        errno = ESRCH;
        return -1;
    }
    if (number == SIGKILL)
        world_kill(p->pid);
    return 0;
}

/* The broker asks for these two only. */
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    int of = va_arg(list, int), argument = va_arg(list, int);
    va_end(list);
    HOLD(w.runs && (number == SYS_pidfd_open || number == SYS_pidfd_send_signal));
    return number == SYS_pidfd_open ? open_pidfd(of) : signal_pidfd(of, argument);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    if (!w.runs || fd < FIRST_FD)
        return __real_close(fd);
    pidfd(fd)->open = false;
    return 0;
}

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (!w.runs || fd < FIRST_FD)
        return __real_epoll_ctl(epoll, what, fd, event);
    struct pidfd *p = pidfd(fd);
    p->watched = what == EPOLL_CTL_ADD;
    if (p->watched)
        p->key = event->data.u64;
    return 0;
}

int __real_epoll_wait(int epoll, struct epoll_event *events, int most, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int ms)
{
    if (!w.runs)
        return __real_epoll_wait(epoll, events, most, ms);
    int n = 0;
    for (unsigned i = 0; i < w.pidfd_count && n < most; i++)
        if (w.pidfds[i].open && w.pidfds[i].watched && w.pidfds[i].pid == 0)
            events[n++] = (struct epoll_event){.events = EPOLLIN, .data.u64 = w.pidfds[i].key};
    return n;
}

/* A group to be signalled is never that of the fuzzer. */
int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number)
{
    if (!w.runs)
        return __real_kill(pid, number);
    HOLD(pid < -1 || pid > 1);
    if (number == SIGKILL)
        world_kill(pid < 0 ? -pid : pid);
    return 0;
}

pid_t __real_getpgid(pid_t pid);
pid_t __wrap_getpgid(pid_t pid);
pid_t __wrap_getpgid(pid_t pid)
{
    if (!w.runs)
        return __real_getpgid(pid);
    return pid % 2 == 0 ? pid : pid - 1;
}

bool __wrap_threads_are_more(const struct process *p);
bool __wrap_threads_are_more(const struct process *p)
{
    return p->attached % 4 == 3;
}

/* ---- time and waiting -------------------------------------------------------------------------------------------- */

int64_t __real_csp_now(void);
int64_t __wrap_csp_now(void);
int64_t __wrap_csp_now(void)
{
    return w.runs ? w.now : __real_csp_now();
}

/* Of the loop: something happens meanwhile. Of one pidfd: whether it has ended. */
int __real_poll(struct pollfd *polls, nfds_t count, int ms);
int __wrap_poll(struct pollfd *polls, nfds_t count, int ms);
int __wrap_poll(struct pollfd *polls, nfds_t count, int ms)
{
    if (!w.runs)
        return __real_poll(polls, count, ms);
    if (count == 1)
        return polls[0].fd >= FIRST_FD && pidfd(polls[0].fd)->pid == 0;
    w.step();
    polls[0].revents = polls[1].revents = polls[2].revents = POLLIN;
    return 3;
}

ssize_t __real_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
    if (!w.runs)
        return __real_getrandom(to, size, flags);
    memset(to, 7, size);
    return (ssize_t)size;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void tell(uint32_t route, uint16_t event)
{
    if (w.last_event - w.first_event == EVENTS)
        return;
    w.events[w.last_event++ % EVENTS] = (struct event){event, (int32_t)route};
}

void world_connect(uint32_t route, pid_t pid)
{
    w.peers[route] = pid;
    tell(route, ZMQ_EVENT_ACCEPTED);
}

bool world_connected(uint32_t route)
{
    return w.peers[route] != 0;
}

void world_disconnect(uint32_t route)
{
    if (w.peers[route] == 0)
        return;
    w.peers[route] = 0;
    tell(route, ZMQ_EVENT_DISCONNECTED);
}

static void free_frame(void *data, void *begin)
{
    (void)data;
    free(begin);
}

/* Where it came from is kept before its bytes: it may be handled long after others were read. */
void world_send(uint32_t route, const void *frame, size_t size)
{
    struct told *t = &w.frames[w.last_frame % FRAMES];
    if (w.last_frame - w.first_frame == FRAMES)
        return;
    unsigned char *begin = malloc(sizeof route + size);
    if (begin == NULL || zmq_msg_init_data(&t->msg, begin + sizeof route, size, free_frame, begin) != 0) {
        free(begin);
        return;
    }
    w.last_frame++;
    t->route = route;
    memcpy(begin, &route, sizeof route);
    if (size != 0)
        memcpy(begin + sizeof route, frame, size);
}

static void number(zmq_msg_t *msg, uint32_t route)
{
    zmq_msg_close(msg);
    zmq_msg_init_size(msg, 1 + sizeof route);
    unsigned char *at = zmq_msg_data(msg);
    at[0] = 0;
    memcpy(at + 1, &route, sizeof route);
}

static int receive_frame(zmq_msg_t *msg)
{
    if (w.first_frame == w.last_frame) {
        errno = EAGAIN;
        return -1;
    }
    struct told *t = &w.frames[w.first_frame % FRAMES];
    w.frame_half = !w.frame_half;
    if (w.frame_half)
        number(msg, t->route);
    else {
        zmq_msg_close(msg);
        memcpy(msg, &t->msg, sizeof *msg); /* as zmq_msg_move, of one that nobody else has */
        w.first_frame++;
    }
    return 0;
}

static int receive_event(zmq_msg_t *msg)
{
    if (w.first_event == w.last_event) {
        errno = EAGAIN;
        return -1;
    }
    w.event_half = !w.event_half;
    if (!w.event_half) {
        zmq_msg_close(msg);
        zmq_msg_init(msg);
        w.first_event++;
        return 0;
    }
    const struct event *e = &w.events[w.first_event % EVENTS];
    zmq_msg_close(msg);
    zmq_msg_init_size(msg, sizeof e->event + sizeof e->fd);
    unsigned char *at = zmq_msg_data(msg);
    memcpy(at, &e->event, sizeof e->event);
    memcpy(at + sizeof e->event, &e->fd, sizeof e->fd);
    return 0;
}

int __wrap_csp__socket_receive(struct csp__socket *s, zmq_msg_t *msg);
int __wrap_csp__socket_receive(struct csp__socket *s, zmq_msg_t *msg)
{
    return s == &w.broker->router ? receive_frame(msg) : receive_event(msg);
}

int __wrap_zmq_msg_more(const zmq_msg_t *msg);
int __wrap_zmq_msg_more(const zmq_msg_t *msg)
{
    (void)msg;
    return w.frame_half || w.event_half;
}

/* The connection that the frame came by. */
static uint32_t origin(const zmq_msg_t *msg)
{
    uint32_t route;
    zmq_msg_t *frame = (zmq_msg_t *)msg; /* zmq_msg_data() only looks */
    memcpy(&route, (const unsigned char *)zmq_msg_data(frame) - sizeof route, sizeof route);
    return route;
}

const char *__wrap_zmq_msg_gets(const zmq_msg_t *msg, const char *what);
const char *__wrap_zmq_msg_gets(const zmq_msg_t *msg, const char *what)
{
    (void)what;
    snprintf(w.address, sizeof w.address, "localhost:0:0:%d", (int)w.peers[origin(msg)]);
    return w.address;
}

int __wrap_zmq_msg_get(const zmq_msg_t *msg, int what);
int __wrap_zmq_msg_get(const zmq_msg_t *msg, int what)
{
    (void)what;
    return (int)origin(msg);
}

void __wrap_csp__socket_widen(zmq_msg_t *msg);
void __wrap_csp__socket_widen(zmq_msg_t *msg)
{
    (void)msg;
}

int __wrap_csp__socket_is_quiet(struct csp__socket *s);
int __wrap_csp__socket_is_quiet(struct csp__socket *s)
{
    (void)s;
    return 1;
}

/* Whatever the broker says is a good frame for a caller, to one that is there. */
int __wrap_csp__socket_send(struct csp__socket *s, zmq_msg_t *msg, int flags);
int __wrap_csp__socket_send(struct csp__socket *s, zmq_msg_t *msg, int flags)
{
    HOLD(s == &w.broker->router);
    const unsigned char *data = zmq_msg_data(msg);
    if ((flags & ZMQ_SNDMORE) != 0) {
        memcpy(&w.answering, data + 1, sizeof w.answering);
        HOLD(w.answering >= 1 && w.answering <= WORLD_ROUTES);
        if (w.peers[w.answering] == 0) {
            errno = EHOSTUNREACH;
            return -1;
        }
    } else {
        struct wire_head head;
        HOLD(wire_check(data, zmq_msg_size(msg), &head) == 0);
        HOLD(head.type >= WIRE_WELCOME && head.type < WIRE_TO_CALLER_END);
        world_said(w.answering, &head, data + sizeof head);
    }
    zmq_msg_close(msg);
    return 0;
}

/* ---- pages and files --------------------------------------------------------------------------------------------- */

int __wrap_page_open(struct broker *b, struct line *l);
int __wrap_page_open(struct broker *b, struct line *l)
{
    (void)b;
    if (l->page != NULL)
        return 0;
    unsigned i = 0;
    while (i < WORLD_PAGES && line_used[i])
        i++;
    if (i == WORLD_PAGES)
        return ENOBUFS;
    memset(line_pages[i], 0, sizeof line_pages[i]);
    line_used[i] = true;
    l->page = line_pages[i];
    return 0;
}

void __wrap_page_close(struct line *l);
void __wrap_page_close(struct line *l)
{
    if (l->page != NULL)
        line_used[(size_t)(l->page - line_pages[0]) / (WIRE_PAGE_SIZE / sizeof(uint64_t))] = false;
    l->page = NULL;
}

uint64_t *world_page(const struct line *l)
{
    return l->page;
}

struct wire_page *__wrap_page_make(const char *path);
struct wire_page *__wrap_page_make(const char *path)
{
    HOLD(strstr(path, "/y") != NULL);
    unsigned i = 0;
    while (i < WORLD_PAGES && w.used[i])
        i++;
    if (i == WORLD_PAGES) {
        errno = ENFILE;
        return NULL;
    }
    w.used[i] = true;
    memset(&w.pair_pages[i], 0, sizeof w.pair_pages[i]);
    return &w.pair_pages[i];
}

void __wrap_page_free(struct wire_page *page);
void __wrap_page_free(struct wire_page *page)
{
    if (page != NULL)
        w.used[page - w.pair_pages] = false;
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return w.runs ? 0 : __real_unlink(path);
}
