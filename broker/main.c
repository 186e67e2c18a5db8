/* SPDX-License-Identifier: MPL-2.0 */
/* The broker: hosts the channels of one run, and ends with it. Decision: it is started by the library with the path of
 * the run directory, which it makes: so a root that is killed at any moment leaves none; it says "ready" on a pipe when
 * it can be spoken to, or why it never will be. */
#include "broker.h"
#include "durable.h"
#include "record.h"
#include "heap.h"

#include "accept.h"
#include "entropy.h"
#include "tell.h"
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LINGER_MS  1000
#define OWN_FDS    16 /* that the broker always has: 0 to 2, the lock, the listening socket, ZeroMQ's */
#define SPARE_FDS  8  /* for what the broker opens for a moment, and for a line that it refuses */
#define BACKLOG    4096
#define MONITOR_AT "inproc://monitor"

struct arguments {
    const char *dir, *name, *file, *seed, *record, *replay;
    long root, ready;
    enum on_deadlock on_deadlock;
    bool notices;
};

static const char usage[] =
    "usage: broker --dir DIR --root PID --ready FD [--name NAME] [--file FILE]\n"
    "       [--on-deadlock report|fail|ignore] [--notices] [--seed N] [--record FILE] [--replay FILE]\n"
    "It is started by a program that uses libipc, not by hand: run `cspctl run FILE`, or a "
    "program that calls csp_init.\n";

static bool number(const char *text, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *value >= 0 && *value <= INT32_MAX;
}

static bool is_seed(const char *text)
{
    char *end;
    errno = 0;
    (void)strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && text[strspn(text, "0123456789")] == '\0' && *text != '\0';
}

static bool reaction(const char *word, enum on_deadlock *value)
{
    static const char *const words[] = {
        [DEADLOCK_FAIL] = "fail", [DEADLOCK_REPORT] = "report", [DEADLOCK_IGNORE] = "ignore"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0) {
            *value = (enum on_deadlock)i;
            return true;
        }
    return false;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    enum {
        DIR_ = 'd',
        NAME = 'n',
        FILE_ = 'f',
        ROOT = 'p',
        READY = 'r',
        ON_DEADLOCK = 'o',
        NOTICES = 'N',
        SEED = 's',
        RECORD = 'R',
        REPLAY = 'P'
    };
    static const struct option options[] = {{"dir", required_argument, NULL, DIR_},
                                            {"name", required_argument, NULL, NAME},
                                            {"file", required_argument, NULL, FILE_},
                                            {"root", required_argument, NULL, ROOT},
                                            {"ready", required_argument, NULL, READY},
                                            {"on-deadlock", required_argument, NULL, ON_DEADLOCK},
                                            {"notices", no_argument, NULL, NOTICES},
                                            {"seed", required_argument, NULL, SEED},
                                            {"record", required_argument, NULL, RECORD},
                                            {"replay", required_argument, NULL, REPLAY},
                                            {NULL, 0, NULL, 0}};
    *a = (struct arguments){.name = "", .file = "", .root = -1, .ready = -1};
    bool good = true;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == DIR_)
            a->dir = optarg;
        else if (o == NAME)
            a->name = optarg;
        else if (o == FILE_)
            a->file = optarg;
        else if (o == SEED)
            a->seed = optarg;
        else if (o == RECORD)
            a->record = optarg;
        else if (o == REPLAY)
            a->replay = optarg;
        else if (o == NOTICES)
            a->notices = true;
        else if (o == ON_DEADLOCK)
            good = reaction(optarg, &a->on_deadlock) && good;
        else if (o == ROOT || o == READY)
            good = number(optarg, o == ROOT ? &a->root : &a->ready) && good;
        else
            return false;
    }
    return good && (a->seed == NULL || is_seed(a->seed)) && optind == argc && a->dir != NULL && a->root > 0 &&
           a->ready >= 0;
}

/* Raises the limit of descriptors; a third of it each for lines and processes, or, where it is low, half of what the
 * broker itself leaves: who was announced must find a descriptor for its line. */
static int raise_limits(struct broker *b)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return -1;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0)
        return -1;
    rlim_t usable = r.rlim_cur < INT32_MAX ? r.rlim_cur : INT32_MAX;
    b->limit = usable / 3;
    rlim_t own = OWN_FDS + SPARE_FDS, left = usable > own ? (usable - own) / 2 : 0;
    if (left < b->limit)
        b->limit = left;
    accept_limit(usable > SPARE_FDS ? (int)(usable - SPARE_FDS) : 0);
    return 0;
}

static int fill_info(struct broker *b, const struct arguments *a)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    b->info.root = (pid_t)a->root;
    b->info.broker = getpid();
    b->info.started = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    int name = snprintf(b->info.name, sizeof b->info.name, "%s", a->name);
    int file = snprintf(b->info.file, sizeof b->info.file, "%s", a->file);
    if (name >= (int)sizeof b->info.name || file >= (int)sizeof b->info.file) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return csp__entropy(b->info.token, sizeof b->info.token);
}

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int open_socket(struct broker *b, struct csp__socket *s, int type)
{
    void *zmq = zmq_socket(b->context, type);
    return zmq != NULL ? csp__socket_adopt(s, zmq) : -1;
}

static int open_sockets(struct broker *b)
{
    b->context = zmq_ctx_new();
    if (b->context == NULL)
        return -1;
    if (open_socket(b, &b->router, ZMQ_ROUTER) != 0 || open_socket(b, &b->monitor, ZMQ_PAIR) != 0)
        return -1;
    void *router = b->router.zmq, *monitor = b->monitor.zmq;
    int64_t most = WIRE_MAX_FRAME;
    if (set_option(router, ZMQ_SNDHWM, 0) != 0 || set_option(router, ZMQ_RCVHWM, 0) != 0 ||
        set_option(router, ZMQ_ROUTER_MANDATORY, 1) != 0 || set_option(router, ZMQ_LINGER, LINGER_MS) != 0 ||
        set_option(router, ZMQ_BACKLOG, BACKLOG) != 0 ||
        zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &most, sizeof most) != 0)
        return -1;
    /* The monitor's queue must have no end: libzmq's own thread would wait for room in it. */
    if (set_option(monitor, ZMQ_RCVHWM, 0) != 0 || set_option(monitor, ZMQ_LINGER, 0) != 0 ||
        zmq_socket_monitor(router, MONITOR_AT, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) != 0)
        return -1;
    return csp__socket_connect(monitor, MONITOR_AT);
}

static int bind_router(struct broker *b)
{
    char path[512];
    struct stat st;
    if (snprintf(path, sizeof path, "ipc://%s/broker", b->dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (lstat(path + strlen("ipc://"), &st) == 0) { /* bind would take its place without a word */
        errno = EEXIST;
        return -1;
    }
    return csp__socket_bind(b->router.zmq, path);
}

/* *why gets what could not be done, where that is not plain. */
static int open_broker(struct broker *b, const struct arguments *a, char *why, size_t size)
{
    umask(077);
    b->now = csp_now();
    if (record_open(b, a->seed, a->record, a->replay, why, size) != 0)
        return -1;
    if (csp__rundir_make(a->dir, &b->lock) != 0)
        return -1;
    b->dir = a->dir; /* ours to remove */
    if (raise_limits(b) != 0 || fill_info(b, a) != 0 || (b->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        broker_begin(b) != 0 || open_sockets(b) != 0 || csp__rundir_write(b->dir, &b->info) != 0)
        return -1;
    page_guard();
    reserve_keep();
    return bind_router(b);
}

static void close_broker(struct broker *b)
{
    if (b->router.zmq != NULL)
        zmq_socket_monitor(b->router.zmq, NULL, 0);
    if (b->monitor.zmq != NULL)
        zmq_close(b->monitor.zmq);
    if (b->router.zmq != NULL)
        zmq_close(b->router.zmq);
    if (b->context != NULL)
        while (zmq_ctx_term(b->context) != 0 && errno == EINTR)
            continue;
}

/* Ends before the run has begun: no process of it is there, but its directory may be. */
static int give_up(struct broker *b)
{
    if (b->dir != NULL)
        (void)csp__rundir_remove(b->dir);
    close_broker(b);
    return EX_OSERR;
}

int main(int argc, char **argv)
{
    struct arguments a;
    csp__heap_keep();
    if (!parse(argc, argv, &a)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    static struct broker broker = {.epoll = -1, .notices = -1};
    broker.on_deadlock = a.on_deadlock;
    /* A root that died before "ready", a log that is gone: the run's end is still ours to do. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a record that may not grow any more is no reason to end */
    int ready = (int)a.ready;
    if (fcntl(ready, F_SETFD, FD_CLOEXEC) != 0) {
        fprintf(stderr, "broker: --ready: this descriptor is not open: start it through libipc\n");
        return EX_USAGE;
    }
    char why[512];
    snprintf(why, sizeof why, "the broker can not start in %s", a.dir);
    if (open_broker(&broker, &a, why, sizeof why) != 0) {
        int err = errno;
        csp__tell(ready, "error %d %s: %s\n", err, why, zmq_strerror(err));
        return give_up(&broker);
    }
    if (csp__tell(ready, "ready\n") != 0)
        return give_up(&broker); /* nobody waits: whoever started it is gone */
    if (a.notices && fcntl(ready, F_SETFL, O_NONBLOCK) == 0)
        broker.notices = ready;
    else
        close(ready);
    int rc = loop_run(&broker);
    record_close(&broker);
    ending_kill(&broker);
    close_broker(&broker);
    return rc == 0 ? EX_OK : EX_SOFTWARE;
}
