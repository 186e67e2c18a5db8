/* SPDX-License-Identifier: MPL-2.0 */
/* The run that this process is in: joining, starting and leaving it. Decision: one record under one lock, and a process
 * that merely returns from main leaves as one that calls csp_term does, through on_exit(3), which alone knows the exit
 * status. Whoever only came from a fork() is told apart by a flag that the fork sets, so a call need not ask its pid.
 */
#include "run.h"
#include "error.h"
#include "hold.h"
#include "launch.h"
#include "lease.h"
#include "line.h"
#include "name.h"
#include "pair.h"
#include "polling.h"
#include "process.h"
#include "rundir.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TERM_MS     5000
#define SWEEP_MS    3000
#define LOST_STATUS 1    /* of a process that ended well otherwise, and lost values for want of memory */
#define MAX_SOCKETS 4096 /* 12 bytes each, which libzmq writes to at once: so much memory of each process */

struct csp__state csp__state = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .broker = -1, .lock_file = -1, .notices = -1, .birth = -1};
atomic_bool csp__foreign;

static struct outer { /* what was in the environment before this process became a root */
    const char *name;
    char *value;
} outer[] = {{"CSP_RUN", NULL}, {"CSP_PROCESS", NULL}};

#define OUTERS (sizeof outer / sizeof *outer)

/* ---- the context */

static struct csp__context *new_context(void)
{
    struct csp__context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    context->zmq = zmq_ctx_new();
    if (context->zmq == NULL || zmq_ctx_set(context->zmq, ZMQ_IO_THREADS, 1) != 0 ||
        zmq_ctx_set(context->zmq, ZMQ_BLOCKY, 0) != 0 || zmq_ctx_set(context->zmq, ZMQ_MAX_SOCKETS, MAX_SOCKETS) != 0) {
        if (context->zmq != NULL)
            zmq_ctx_term(context->zmq);
        free(context);
        errno = ENOMEM;
        return NULL;
    }
    context->users = 1;
    return context;
}

void csp__context_release(struct csp__context *context)
{
    if (--context->users != 0)
        return;
    while (zmq_ctx_term(context->zmq) != 0 && errno == EINTR)
        ;
    free(context);
}

/* ---- fork and exit */

static void in_forked_child(void)
{
    if (csp__state.phase == CSP__JOINED)
        atomic_store(&csp__foreign, 1);
    else
        pthread_mutex_init(&csp__state.lock, NULL); /* another thread may have held it */
    csp__hold_forked();
    csp__leases_forked();
    csp__name_forked();
}

static int leave(csp_exit why);

static void at_exit(int status, void *arg)
{
    (void)arg;
    if (atomic_load(&csp__foreign) || getpid() != csp__state.pid)
        return;
    struct timespec limit;
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec += TERM_MS / 1000;
    if (pthread_mutex_clocklock(&csp__state.lock, CLOCK_MONOTONIC, &limit) != 0)
        return; /* exit in the middle of a call: the broker sees this process die */
    int code = status & 255, is_root = csp__state.is_root;
    if (csp__state.phase == CSP__JOINED)
        (void)leave((csp_exit){.how = code == 0 ? CSP_CLEAN : CSP_CODE, .code = code});
    pthread_mutex_unlock(&csp__state.lock);
    if (code == 0 && !is_root && csp__state_status() != 0) {
        (void)fflush(NULL);
        _exit(csp__state_status());
    }
}

static int prepare_process(void)
{
    static int done;
    if (!done && (pthread_atfork(NULL, NULL, in_forked_child) != 0 || on_exit(at_exit, NULL) != 0))
        return csp__fail(ENOMEM, "joining a run", 0);
    done = 1;
    return 0;
}

/* ---- joining */

static void forget_run(void)
{
    if (csp__state.broker >= 0)
        close(csp__state.broker);
    if (csp__state.lock_file >= 0)
        close(csp__state.lock_file);
    if (csp__state.notices >= 0)
        close(csp__state.notices);
    for (size_t i = 0; i < OUTERS; i++) {
        if (csp__state.is_root && outer[i].value != NULL)
            setenv(outer[i].name, outer[i].value, 1);
        else if (csp__state.is_root)
            unsetenv(outer[i].name);
        free(outer[i].value);
        outer[i].value = NULL;
    }
    csp__name_clear();
    csp__leases_clear();
    csp__state.broker = csp__state.lock_file = csp__state.notices = -1;
    csp__state.process = csp__state.ticket = csp__state.inside = 0;
    csp__state.is_root = csp__state.said_bye = 0;
    csp__state.broker_pid = 0;
    csp__state.lines = 0;
    csp__state.context = NULL;
}

/* The broker and its directory are known: opens the first line. */
static int attach(pid_t broker)
{
    csp__state.broker = (int)syscall(SYS_pidfd_open, broker, 0);
    if (csp__state.broker < 0)
        return csp__failf(errno == ESRCH ? ENOENT : errno, "the broker of %s: %s", csp__state.dir,
                          strerrordesc_np(errno));
    csp__state.context = new_context();
    if (csp__state.context == NULL)
        return csp__fail(ENOMEM, "joining a run", 0);
    csp__state.pid = getpid();
    atomic_store(&csp__state.lost, 0);
    csp__state.phase = CSP__JOINED;
    if (csp__line_locked("joining a run") != NULL)
        return 0;
    csp__state.phase = CSP__IDLE;
    int err = errno;
    csp__context_release(csp__state.context);
    csp__state.context = NULL;
    errno = err;
    return -1;
}

/* The process that this program runs inside of, by the environment, which speaks of the run there. 0: none. */
static uint64_t find_inside(const char *dir)
{
    const char *run = getenv("CSP_RUN");
    const char *process = getenv("CSP_PROCESS");
    return run != NULL && process != NULL && strcmp(run, dir) == 0 ? strtoull(process, NULL, 10) : 0;
}

static int join(const char *dir, const char *ticket)
{
    struct csp__runinfo info;
    if (strlen(dir) >= sizeof csp__state.dir)
        return csp__failf(ENAMETOOLONG, "the run directory %s: its path is too long", dir);
    if (csp__rundir_read(dir, &info) != 0)
        return csp__failf(errno == ENOTDIR ? ENOENT : errno, "there is no run in %s: %s", dir, strerrordesc_np(errno));
    int is_alive = csp__rundir_alive(dir);
    if (is_alive <= 0)
        return is_alive < 0 ? csp__failf(errno, "the run in %s: %s", dir, strerrordesc_np(errno))
                            : csp__failf(ENOENT, "the run in %s has ended", dir);
    memcpy(csp__state.dir, dir, strlen(dir) + 1);
    memcpy(csp__state.token, info.token, sizeof info.token);
    csp__state.ticket = ticket != NULL ? strtoull(ticket, NULL, 10) : 0;
    csp__state.role = csp__state.ticket != 0 ? WIRE_PROCESS : WIRE_GUEST;
    csp__state.inside = csp__state.ticket == 0 ? find_inside(dir) : 0;
    int result = prepare_process() == 0 ? attach(info.broker) : -1;
    if (result != 0) {
        int err = errno;
        forget_run();
        errno = err;
    }
    return result;
}

/* ---- starting */

/* The broker, whatever its state, is ended and reaped, and what it did not remove is removed. Returns 0, or -1 where it
 * had to be killed. */
static int end_broker(csp_time by)
{
    int ended = csp__state.broker >= 0 ? csp__poll_in(csp__state.broker, by) : 0;
    if (ended <= 0)
        kill(csp__state.broker_pid, SIGKILL);
    while (waitpid(csp__state.broker_pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return ended > 0 ? 0 : -1;
}

static void remove_run(void)
{
    csp__children_kill();
    (void)csp__sweep_processes(csp__state.dir, SWEEP_MS);
    (void)csp__rundir_remove(csp__state.dir);
}

static int set_environment(void)
{
    for (size_t i = 0; i < OUTERS; i++) {
        const char *value = getenv(outer[i].name);
        if (value != NULL && (outer[i].value = strdup(value)) == NULL)
            return csp__fail(ENOMEM, "starting a run", 0);
    }
    if (setenv("CSP_RUN", csp__state.dir, 1) != 0)
        return csp__fail(errno, "starting a run", 0);
    unsetenv("CSP_TICKET");
    unsetenv("CSP_PROCESS");
    return 0;
}

static int start_broker(const struct csp__options *options)
{
    struct csp__runinfo info;
    csp__state.broker_pid = csp__launch(csp__state.dir, options, &csp__state.notices);
    if (csp__state.broker_pid < 0)
        return -1;
    csp__state.lock_file = csp__rundir_hold(csp__state.dir);
    csp__state.is_root = 1;
    csp__state.role = WIRE_PROCESS;
    csp__state.ticket = 0;
    int result;
    if (csp__state.lock_file < 0 || csp__rundir_read(csp__state.dir, &info) != 0) {
        result = csp__failf(errno, "the run directory %s: %s", csp__state.dir, strerrordesc_np(errno));
    } else {
        memcpy(csp__state.token, info.token, sizeof info.token);
        result = set_environment() == 0 ? attach(csp__state.broker_pid) : -1;
    }
    if (result != 0) {
        int err = errno;
        (void)end_broker(0);
        errno = err;
    }
    return result;
}

static int start(const struct csp__options *options)
{
    if (strpbrk(options->name, "\t\n") != NULL || strlen(options->name) > WIRE_MAX_NAME)
        return csp__failf(EINVAL, "the run's name has a tab or newline in it, or over %d bytes", WIRE_MAX_NAME);
    if (prepare_process() != 0)
        return -1;
    if (csp__rundir_name(csp__state.dir, sizeof csp__state.dir) != 0)
        return csp__failf(errno, "a run directory could not be named: %s%s", strerrordesc_np(errno),
                          errno == ENAMETOOLONG ? ": set XDG_RUNTIME_DIR to a directory with a shorter name" : "");
    if (start_broker(options) == 0)
        return 0;
    int err = errno;
    remove_run();
    forget_run();
    errno = err;
    return -1;
}

static const char *chosen(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* A run of the program's own: what is chosen about it comes from the environment. */
static int start_ours(void)
{
    struct csp__options options = {
        .name = strpbrk(program_invocation_short_name, "\t\n") == NULL ? program_invocation_short_name : "run",
        .on_deadlock = chosen("CSP_ON_DEADLOCK"),
        .seed = chosen("CSP_SEED"),
        .record = chosen("CSP_RECORD"),
        .replay = chosen("CSP_REPLAY"),
    };
    return start(&options);
}

int csp__state_join(void)
{
    if (csp__state.phase == CSP__JOINED)
        return 0;
    const char *dir = getenv("CSP_RUN");
    if (dir == NULL || *dir == '\0')
        return start_ours();
    const char *ticket = getenv("CSP_TICKET");
    int result = join(dir, ticket);
    if (ticket != NULL && result == 0)
        unsetenv("CSP_TICKET"); /* it is good once: what this process starts is not this process */
    return result;
}

int csp__state_forked(int birth)
{
    csp__state.pid = getpid();
    atomic_store(&csp__state.lost, 0);
    csp__state.process = csp__state.ticket = csp__state.inside = 0;
    csp__state.birth = birth;
    csp__state.role = WIRE_PROCESS;
    csp__state.is_root = csp__state.said_bye = 0;
    csp__state.lines = 0;
    csp__state.lock_file = csp__state.notices = -1; /* descriptors of the parent's: they were replaced */
    free(csp__state.context);                       /* what it holds is the parent's */
    csp__state.context = new_context();
    if (csp__state.context == NULL) {
        csp__state.phase = CSP__LEFT;
        return -1;
    }
    return csp__line_locked("joining a run") != NULL ? 0 : -1;
}

void csp__state_born(void)
{
    if (csp__state.birth < 0)
        return;
    uint64_t process;
    struct pollfd polls[] = {{.fd = csp__state.birth, .events = POLLIN}, {.fd = csp__state.broker, .events = POLLIN}};
    while (csp__poll(polls, 2, CSP_FOREVER) < 0)
        ; /* no memory. The broker's death too, for the pipe's end may not come: any thread of the parent's may have
             forked */
    if ((polls[0].revents & POLLIN) == 0 ||
        TEMP_FAILURE_RETRY(read(csp__state.birth, &process, sizeof process)) != sizeof process)
        _exit(1);
    close(csp__state.birth);
    csp__state.birth = -1;
    csp__state.process = process;
}

/* Whether this process may begin a run now; the lock is held. */
static int may_begin(void)
{
    if (csp__state.phase == CSP__JOINED)
        return csp__failf(EISCONN, "this process is in a run already: %s", csp__state.dir);
    return 0;
}

int csp__start(const struct csp__options *options)
{
    if (atomic_load(&csp__foreign))
        return csp__fail(EOWNERDEAD, "starting a run", 0);
    pthread_mutex_lock(&csp__state.lock);
    int result = may_begin() == 0 ? start(options) : -1;
    pthread_mutex_unlock(&csp__state.lock);
    return result;
}

int csp__join(const char *dir)
{
    if (atomic_load(&csp__foreign))
        return csp__fail(EOWNERDEAD, "joining a run", 0);
    pthread_mutex_lock(&csp__state.lock);
    int result = may_begin() == 0 ? join(dir, NULL) : -1;
    pthread_mutex_unlock(&csp__state.lock);
    return result;
}

int csp__notices(void)
{
    return csp__state.notices;
}

int csp_init(void)
{
    if (atomic_load(&csp__foreign))
        return csp__fail(EOWNERDEAD, "csp_init", 0);
    pthread_mutex_lock(&csp__state.lock);
    if (csp__state.phase == CSP__LEFT)
        csp__state.phase = CSP__IDLE;
    int result = csp__line_locked("csp_init") != NULL ? 0 : -1;
    pthread_mutex_unlock(&csp__state.lock);
    return result;
}

/* ---- leaving */

int csp__state_status(void)
{
    return atomic_load(&csp__state.lost) ? LOST_STATUS : 0;
}

/* What goes to the broker before the BYE: values that are held, and what pairs have. The line to say it on: another one
 * where this one was cut meanwhile. */
static struct csp__line *settle_values(struct csp__line *line)
{
    csp__hold_ship_all();
    csp__state.said_bye = 1;
    if (!line->cut && csp__pairs_unpair(line) == 0)
        return line;
    if (!line->cut)
        return NULL;
    csp__line_close();
    return csp__line_locked("leaving the run");
}

static int say_bye(csp_exit why, csp_time by)
{
    struct csp__line *line = csp__line_locked("leaving the run");
    if (line == NULL)
        return -1;
    line = settle_values(line);
    if (line == NULL)
        return csp__fail(errno, "leaving the run", 0);
    if (why.how == CSP_CLEAN && csp__state_status() != 0)
        why = (csp_exit){.how = CSP_CODE, .code = csp__state_status()};
    if (why.how == CSP_CLEAN) {
        csp__lease_done(line, 0);
        csp__lease_return_stash(line, 0); /* a guest's BYE would acknowledge them */
    }
    struct wire_exit body = {.how = why.how, .code = why.code};
    struct csp__request r = {.type = WIRE_BYE, .head = &body, .head_len = sizeof body};
    return csp__ask(line, &r, by, 0, NULL, NULL) < 0 ? csp__fail(errno, "leaving the run", 0) : 0;
}

/* As root: the broker ends, then what it left is removed. err is what saying BYE came to. */
static int end_run(csp_time by, int err)
{
    int killed = end_broker(by);
    int left = access(csp__state.dir, F_OK) == 0;
    if (killed != 0 || left)
        remove_run();
    csp__children_reap(1);
    if (killed != 0)
        return csp__failf(ETIMEDOUT, "the broker did not end within %d s and was killed", TERM_MS / 1000);
    /* The broker removes the directory last: where it is gone the run was ended, also if answer and death crossed. */
    return left && err != 0 ? csp__fail(err, "leaving the run", 0) : 0;
}

/* The lock is held, the run joined. */
static int leave(csp_exit why)
{
    csp_time by = csp_in(TERM_MS);
    int result = csp__state.said_bye ? 0 : say_bye(why, by);
    int err = result != 0 ? errno : 0;
    atomic_store(&csp__state.context->over, 1);
    csp__hold_end();
    csp__line_close();
    zmq_ctx_shutdown(csp__state.context->zmq); /* wakes the other threads' waits */
    csp__context_release(csp__state.context);
    if (csp__state.is_root) {
        result = end_run(by, err);
        err = errno;
    } else {
        csp__children_reap(0);
    }
    forget_run();
    csp__state.phase = CSP__LEFT;
    errno = err;
    return result;
}

int csp_term(void)
{
    if (atomic_load(&csp__foreign))
        return csp__fail(EOWNERDEAD, "csp_term", 0);
    pthread_mutex_lock(&csp__state.lock);
    int result = csp__state.phase == CSP__JOINED ? leave((csp_exit){.how = CSP_CLEAN}) : 0;
    pthread_mutex_unlock(&csp__state.lock);
    return result;
}

void csp__leave(csp_exit why)
{
    pthread_mutex_lock(&csp__state.lock);
    if (csp__state.phase == CSP__JOINED)
        (void)leave(why);
    pthread_mutex_unlock(&csp__state.lock);
}

int csp__bye(csp_exit why)
{
    pthread_mutex_lock(&csp__state.lock);
    int result = 0;
    if (csp__state.phase == CSP__JOINED && !csp__state.said_bye)
        result = say_bye(why, CSP_FOREVER);
    pthread_mutex_unlock(&csp__state.lock);
    return result;
}

int csp__in_run(void)
{
    const char *dir = getenv("CSP_RUN");
    return csp__state.phase == CSP__JOINED || (csp__state.phase == CSP__IDLE && dir != NULL && *dir != '\0');
}

const char *csp__dir(void)
{
    return csp__state.phase == CSP__JOINED ? csp__state.dir : NULL;
}

csp_proc csp__inside(void)
{
    return (csp_proc)csp__state.inside;
}

int csp__broker(void)
{
    return csp__state.broker;
}

csp_proc csp_self(void)
{
    return csp__line("csp_self") != NULL ? (csp_proc)csp__state.process : -1;
}
