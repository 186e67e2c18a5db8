/* SPDX-License-Identifier: MPL-2.0 */
#include "caller.h"

#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 1024, WAITS = 60, PAGES = 24, HONEST = 220, FIRST_FD = 1 << 20, FEW = 8 };

static struct {
    bool runs;
    struct bytes *in;
    const char *dir;
    int64_t now;
    unsigned waits; /* that found nothing since the last frame */
    unsigned sockets;
    bool gone;             /* the broker is */
    struct wire_head sent; /* the last that the caller said */
    uint64_t asked;        /* seq of its last request or offer */
    struct csp__line *line;
    unsigned maps[PAGES]; /* of a page */
    unsigned pair_pages;  /* that the broker has made: the first ones; then those of lines */
} w;

static _Alignas(WIRE_PAGE_SIZE) unsigned char pages[PAGES][WIRE_PAGE_SIZE];

void caller_begin(struct bytes *input, const char *dir)
{
    static int nothing = -1;
    if (nothing < 0)
        nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    memset(&w, 0, sizeof w);
    w.runs = true;
    w.in = input;
    w.dir = dir;
    w.now = INT64_C(1000000000000);
    struct csp__context *context = calloc(1, sizeof *context);
    HOLD(context != NULL);
    context->zmq = &w;
    context->users = 1;
    csp__state.context = context;
    csp__state.phase = CSP__JOINED;
    csp__state.pid = getpid();
    csp__state.broker = nothing;
    csp__state.process = csp__state.lines = 0;
    csp__state.ticket = 1;
    csp__state.birth = -1;
    snprintf(csp__state.dir, sizeof csp__state.dir, "%s", dir);
}

void caller_end(void)
{
    HOLD(w.sockets == 0);
    for (unsigned i = 0; i < PAGES; i++)
        HOLD(w.maps[i] == 0);
    w.runs = false;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

struct build {
    struct bytes *in;
    struct wire_head head;
    unsigned char payload[MOST];
    size_t length;
    unsigned twist;
};

static void add(struct build *f, const void *bytes, size_t size)
{
    size = size < MOST - f->length ? size : MOST - f->length;
    memcpy(f->payload + f->length, bytes, size);
    f->length += size;
}

static uint64_t odd(struct bytes *in)
{
    static const uint64_t numbers[] = {0, 1, 2, 7, 255, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_MAX};
    return BYTES_OF(in, numbers);
}

static struct csp__stream *a_stream(struct build *f)
{
    unsigned i = bytes_next(f->in);
    f->head.channel = f->twist == 1 ? odd(f->in) : 1 + i % 4;
    return w.line != NULL ? csp__stream_find(w.line, f->head.channel) : NULL;
}

static void lease(struct build *f)
{
    struct wire_lease l = {.id = 1u + bytes_below(f->in, 8), .tries = 1u + bytes_below(f->in, 3)};
    l.reason = bytes_below(f->in, 4);
    add(f, "why", l.reason);
    if (f->twist == 3)
        l.reason = (uint32_t)odd(f->in);
    add(f, &l, sizeof l);
    f->head.flags |= WIRE_LEASE;
}

/* The payload that the question wants. */
static void answer(struct build *f)
{
    unsigned how = bytes_next(f->in);
    f->head.seq = w.asked;
    f->head.channel = w.sent.channel != 0 ? w.sent.channel : 1 + how % 4;
    f->head.count = how < 200 ? 0 : how % 133;
    struct wire_channel c = {.channel = 1 + how % 4, .capacity = how / 4 % 4, .max_bytes = how < 128 ? 1 << 20 : 8};
    struct wire_exit e = {.process = how % 4, .how = how / 4 % 6, .code = how % 3};
    uint64_t number = how % 8;
    switch (w.sent.type) {
    case WIRE_MAKE:
    case WIRE_OPEN:
    case WIRE_STREAM:
        add(f, &c, sizeof c);
        break;
    case WIRE_REAPED:
        add(f, &e, sizeof e);
        break;
    case WIRE_WHY:
        add(f, &(struct wire_why){how % 2, how / 4 % 6, how % 3}, sizeof(struct wire_why));
        break;
    case WIRE_UNPAIR:
        add(f, &number, sizeof number);
        break;
    case WIRE_SETTLE:
        add(f, &(struct wire_settle){.count = number}, sizeof(struct wire_settle));
        break;
    case WIRE_STAT:
    case WIRE_DUMP:
        add(f, "run\tr\t-\t1\t2\t3\n", how % 16);
        break;
    default:
        break;
    }
    if (f->twist == 4)
        f->length = how % (f->length + 1);
}

static void commit(struct build *f)
{
    static const int32_t errors[] = {0, 0, EPIPE, EMSGSIZE, EBADF, ENOMEM, ECANCELED, EDEADLK, EPROTOTYPE, -1};
    unsigned how = bytes_next(f->in);
    struct wire_commit c = {.err = how < 200 ? 0 : BYTES_OF(f->in, errors), .attached = how % 8 == 7 ? how % 5 : 0};
    f->head.seq = w.asked;
    f->head.channel = 1 + how / 8 % 4;
    f->head.count = f->twist == 2 ? (uint32_t)odd(f->in) : how % 8 == 6 ? WIRE_NO_CASE : how % 4;
    add(f, &c, sizeof c);
    add(f, "a value of some bytes", how % 20);
    if (how % 16 == 13)
        lease(f);
}

static void deliver(struct build *f)
{
    static const uint32_t lengths[] = {1, 0, 3, 8, 2, 20};
    struct csp__stream *s = a_stream(f);
    unsigned how = bytes_next(f->in);
    uint32_t n = how % 4, all[4];
    f->head.seq = s == NULL || f->twist == 2 ? odd(f->in) : s->recv.delivered;
    f->head.count = n;
    f->head.flags = (uint16_t)(((how & 4) != 0 ? WIRE_GAP : 0) | ((how & 8) != 0 ? WIRE_NOEOL : 0));
    if (n == 0)
        f->head.flags = (how & 4) != 0 ? WIRE_CLOSED : WIRE_DIRECT;
    for (uint32_t i = 0; i < n; i++) {
        all[i] = BYTES_OF(f->in, lengths);
        add(f, "many values are here, cut anywhere", all[i] + ((how & 4) != 0));
    }
    if (f->twist == 3 && n != 0)
        all[0] = (uint32_t)odd(f->in);
    add(f, all, n * sizeof *all);
    if (n == 1 && (how & 16) != 0) {
        uint64_t attached = bytes_below(f->in, 5);
        f->head.flags |= WIRE_CHAN;
        add(f, &attached, sizeof attached);
    }
    if (n != 0 && (how & 32) != 0)
        lease(f);
}

static void room(struct build *f)
{
    const struct csp__stream *s = a_stream(f);
    unsigned how = bytes_next(f->in);
    f->head.count = how > 220 ? EPIPE : 0;
    f->head.seq = s != NULL && f->twist == 0 ? s->send.put - (how % 4 < s->send.put ? how % 4 : 0) : odd(f->in);
}

/* The broker, or the other side, writes into a page of a pair. */
static void write_page(struct bytes *in)
{
    static const size_t places[] = {0, 64, 128, 192, 256};
    uint64_t n = odd(in);
    size_t at = BYTES_OF(in, places);
    if (bytes_below(in, 8) == 7)
        n = WIRE_REVOKED | n % 4;
    if (w.pair_pages != 0)
        memcpy(pages[bytes_below(in, w.pair_pages)] + at, &n, sizeof n);
}

static void of_pair(struct build *f)
{
    (void)a_stream(f);
    struct wire_pair pair = {.read = odd(f->in), .values = bytes_below(f->in, 4), .bytes = bytes_below(f->in, 9)};
    uint64_t taken = f->twist == 2 ? odd(f->in) : bytes_below(f->in, 4);
    memset(pair.token, 7, sizeof pair.token);
    pair.taken = taken;
    f->head.seq = 1 + bytes_below(f->in, 2);
    if (f->head.type == WIRE_BIND || f->head.type == WIRE_CONNECT) {
        add(f, &pair, sizeof pair);
        if (f->twist != 5 && w.pair_pages < PAGES / 2)
            memset(pages[w.pair_pages++], 0, WIRE_PAGE_SIZE);
    } else if (f->head.type == WIRE_RECALL)
        add(f, &taken, sizeof taken);
}

static void welcome(struct build *f)
{
    unsigned how = bytes_next(f->in);
    struct wire_welcome c = {.process = 1 + how % 3, .line = 1 + how % 2, .deadline = how < 200 ? -1 : w.now + 5000000};
    f->head.flags = (how & 64) != 0 ? WIRE_NOW : 0;
    add(f, &c, sizeof c);
}

static void cancelled(struct build *f)
{
    f->head.channel = bytes_below(f->in, 4);
    f->head.count = f->twist == 1 ? (uint32_t)odd(f->in) : 3u + bytes_below(f->in, 2);
}

static void refused(struct build *f)
{
    f->head.count = bytes_next(f->in);
    add(f, "no", 2);
}

static void raw(struct build *f)
{
    f->head.type = bytes_next(f->in);
    f->head.flags = (uint16_t)(bytes_next(f->in) | bytes_next(f->in) << 8);
    f->head.channel = bytes_below(f->in, 6);
    f->head.seq = bytes_next(f->in);
    f->head.count = bytes_next(f->in);
    for (unsigned n = bytes_below(f->in, 64); n != 0; n--) {
        uint8_t c = bytes_next(f->in);
        add(f, &c, 1);
    }
}

static const struct {
    uint8_t type;
    void (*build)(struct build *f);
} kinds[] = {
    {WIRE_ANSWER, answer},   {WIRE_COMMIT, commit},   {WIRE_DELIVER, deliver},     {WIRE_ROOM, room},
    {WIRE_BIND, of_pair},    {WIRE_CONNECT, of_pair}, {WIRE_RECALL, of_pair},      {WIRE_ORPHAN, of_pair},
    {WIRE_WELCOME, welcome}, {WIRE_REFUSED, refused}, {WIRE_CANCELLED, cancelled}, {0, raw},
    {WIRE_ANSWER, answer},   {WIRE_DELIVER, deliver}, {WIRE_COMMIT, commit},       {WIRE_DELIVER, deliver},
};

/* On a pair the other caller speaks. */
static void of_peer(struct build *f)
{
    unsigned how = bytes_next(f->in);
    unsigned char token[WIRE_TOKEN_SIZE];
    memset(token, 7, sizeof token);
    if (how % 4 == 0) {
        f->head.type = WIRE_GREET;
        (void)a_stream(f);
        f->head.seq = 1 + how / 4 % 2;
        add(f, token, sizeof token);
    } else if (how % 4 == 1) {
        f->head.type = WIRE_ROOM;
        room(f);
    } else {
        deliver(f);
        f->head.type = WIRE_PUT;
        f->head.seq = how / 4 % 4;
        f->head.flags &= WIRE_GAP | WIRE_NOEOL;
    }
}

static int finish(struct build *f, zmq_msg_t *msg)
{
    f->head.magic = WIRE_MAGIC;
    f->head.version = WIRE_VERSION;
    f->head.length = (uint32_t)f->length;
    if (f->twist == 6)
        f->head.count = (uint32_t)odd(f->in);
    else if (f->twist == 7)
        f->head.flags ^= (uint16_t)(1u << bytes_below(f->in, 16));
    zmq_msg_close(msg);
    HOLD(zmq_msg_init_size(msg, sizeof f->head + f->length) == 0);
    memcpy(zmq_msg_data(msg), &f->head, sizeof f->head);
    memcpy((char *)zmq_msg_data(msg) + sizeof f->head, f->payload, f->length);
    w.waits = 0;
    return 0;
}

int __wrap_csp__socket_receive(struct csp__socket *s, zmq_msg_t *msg);
int __wrap_csp__socket_receive(struct csp__socket *s, zmq_msg_t *msg)
{
    enum { NOTHING = 48, PAGE = 56 };
    bool peer = w.line != NULL && s != &w.line->socket;
    unsigned what = w.in->at < w.in->end ? bytes_next(w.in) : 0;
    if (what >= NOTHING && what < PAGE)
        write_page(w.in);
    if (what < PAGE || w.gone) {
        errno = EAGAIN;
        return -1;
    }
    struct build f;
    f.in = w.in;
    f.length = 0;
    f.head = (struct wire_head){0};
    unsigned twist = bytes_next(w.in);
    f.twist = twist < HONEST ? 0 : 1 + twist % 7;
    if (peer)
        of_peer(&f);
    else {
        unsigned kind = what % (sizeof kinds / sizeof *kinds);
        f.head.type = kinds[kind].type;
        if ((w.line == NULL || w.line->number == 0) && what < 232)
            kind = 8; /* most brokers say this first */
        f.head.type = kinds[kind].type;
        kinds[kind].build(&f);
    }
    return finish(&f, msg);
}

/* What a caller says is a good frame. */
int __wrap_csp__socket_send(struct csp__socket *s, zmq_msg_t *msg, int flags);
int __wrap_csp__socket_send(struct csp__socket *s, zmq_msg_t *msg, int flags)
{
    struct wire_head head;
    (void)flags;
    HOLD(wire_check(zmq_msg_data(msg), zmq_msg_size(msg), &head) == 0);
    bool peer = w.line != NULL && s != &w.line->socket;
    HOLD(peer ? head.type == WIRE_PUT || head.type == WIRE_ROOM || head.type == WIRE_GREET
              : head.type < WIRE_TO_BROKER_END);
    if (head.type == WIRE_PUT)
        HOLD(wire_block_data(&head, (const char *)zmq_msg_data(msg) + sizeof head) >= 0);
    if (!peer && head.seq != 0 && head.type != WIRE_PUT && head.type != WIRE_TOOK &&
        (head.type < WIRE_BOUND || head.type > WIRE_DRAINED)) {
        w.sent = head;
        w.asked = head.seq;
    }
    zmq_msg_close(msg);
    return 0;
}

/* ---- sockets, time and threads ----------------------------------------------------------------------------------- */

void *__wrap_zmq_socket(void *context, int type);
void *__wrap_zmq_socket(void *context, int type)
{
    HOLD(context == &w);
    if (type == ZMQ_PAIR && bytes_next(w.in) > 250) {
        errno = EMFILE;
        return NULL;
    }
    w.sockets++;
    return &w;
}

int __wrap_zmq_close(void *socket);
int __wrap_zmq_close(void *socket)
{
    HOLD(socket == &w && w.sockets != 0);
    w.sockets--;
    return 0;
}

int __wrap_zmq_ctx_term(void *context);
int __wrap_zmq_ctx_term(void *context)
{
    HOLD(context == &w && w.sockets == 0);
    return 0;
}

/* A process that may have few: it would be two system calls for each socket that is made. */
int __wrap_csp__descriptors_left(void);
int __wrap_csp__descriptors_left(void)
{
    return w.sockets < FEW;
}

int __wrap_csp__socket_adopt(struct csp__socket *s, void *zmq);
int __wrap_csp__socket_adopt(struct csp__socket *s, void *zmq)
{
    *s = (struct csp__socket){.zmq = zmq, .fd = 0, .quiet = 1};
    return 0;
}

int __wrap_csp__socket_is_quiet(struct csp__socket *s);
int __wrap_csp__socket_is_quiet(struct csp__socket *s)
{
    (void)s;
    return 1;
}

void __wrap_csp__socket_widen(zmq_msg_t *msg);
void __wrap_csp__socket_widen(zmq_msg_t *msg)
{
    (void)msg;
}

int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    (void)option;
    (void)value;
    (void)size;
    HOLD(socket == &w);
    return 0;
}

int __wrap_zmq_getsockopt(void *socket, int option, void *value, size_t *size);
int __wrap_zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    (void)option;
    HOLD(socket == &w);
    memset(value, 0, *size);
    return 0;
}

static int connects(void)
{
    if (bytes_next(w.in) < 250)
        return 0;
    errno = ENOENT;
    return -1;
}

int __wrap_zmq_connect(void *socket, const char *address);
int __wrap_zmq_connect(void *socket, const char *address)
{
    HOLD(socket == &w && strncmp(address, "ipc://", 6) == 0);
    return connects();
}

int __wrap_zmq_bind(void *socket, const char *address);
int __wrap_zmq_bind(void *socket, const char *address)
{
    HOLD(socket == &w && strncmp(address, "ipc://", 6) == 0);
    return connects();
}

int __wrap_zmq_poll(zmq_pollitem_t *items, int count, long ms);
int __wrap_zmq_poll(zmq_pollitem_t *items, int count, long ms)
{
    (void)items;
    (void)count;
    (void)ms;
    w.now += INT64_C(100000000); /* a busy machine */
    return 0;
}

int64_t __real_csp_now(void);
int64_t __wrap_csp_now(void);
int64_t __wrap_csp_now(void)
{
    return w.runs ? w.now += 1000 : __real_csp_now();
}

/* A broker that says nothing more for long has died: no call waits for ever. */
static int pass(struct pollfd *polls, nfds_t count, int64_t ns)
{
    w.now += ns < 0 ? INT64_C(50000000) : ns;
    w.gone |= ++w.waits > WAITS || (w.in->at >= w.in->end && w.waits > 3);
    for (nfds_t i = 0; i < count; i++)
        polls[i].revents = i == 1 && w.gone ? POLLIN : 0;
    return w.gone;
}

int __real_ppoll(struct pollfd *polls, nfds_t count, const struct timespec *limit, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *polls, nfds_t count, const struct timespec *limit, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *polls, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
    if (!w.runs)
        return __real_ppoll(polls, count, limit, mask);
    return pass(polls, count, limit == NULL ? -1 : limit->tv_sec * INT64_C(1000000000) + limit->tv_nsec);
}

int __real_poll(struct pollfd *polls, nfds_t count, int ms);
int __wrap_poll(struct pollfd *polls, nfds_t count, int ms);
int __wrap_poll(struct pollfd *polls, nfds_t count, int ms)
{
    if (!w.runs)
        return __real_poll(polls, count, ms);
    for (nfds_t i = 0; i < count; i++)
        polls[i].revents = 0;
    return 0;
}

/* ---- pages: the first half those of pairs, which the broker makes, the others those of lines ------------------------
 */

static bool is_page(const char *path)
{
    return w.runs && strncmp(path, w.dir, strlen(w.dir)) == 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    if (!is_page(path))
        return __real_open(path, flags, 0600);
    bool makes = (flags & O_CREAT) != 0;
    for (unsigned i = makes ? PAGES / 2 : 0; i < (makes ? PAGES : w.pair_pages); i++)
        if (w.maps[i] == 0) {
            if (makes)
                memset(pages[i], 0, WIRE_PAGE_SIZE);
            return FIRST_FD + (int)i;
        }
    errno = ENOENT;
    return -1;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    return w.runs && fd >= FIRST_FD ? 0 : __real_close(fd);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size)
{
    HOLD(fd >= FIRST_FD && offset == 0 && size == WIRE_PAGE_SIZE);
    return 0;
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (!w.runs || fd < FIRST_FD)
        return __real_mmap(at, size, protection, flags, fd, offset);
    w.maps[fd - FIRST_FD]++;
    return pages[fd - FIRST_FD];
}

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    size_t i = (size_t)((unsigned char *)at - pages[0]) / WIRE_PAGE_SIZE;
    if (!w.runs || (unsigned char *)at < pages[0] || i >= PAGES)
        return __real_munmap(at, size);
    HOLD(w.maps[i] != 0);
    w.maps[i]--;
    return 0;
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return is_page(path) ? 0 : __real_unlink(path);
}

/* The thread that sends what is held never comes to it: what is held then goes where the protocol asks for it. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
    return w.runs ? 0 : __real_pthread_create(thread, a, run, arg);
}

struct csp__line *__real_csp__line(const char *what);
struct csp__line *__wrap_csp__line(const char *what);
struct csp__line *__wrap_csp__line(const char *what)
{
    struct csp__line *line = __real_csp__line(what);
    w.line = line;
    return line;
}
