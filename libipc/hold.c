/* SPDX-License-Identifier: MPL-2.0 */
/* The holder: a thread that sends what is held while its owner computes. Decision: it keeps no time for a frame, it
 * looks at all lines once in a while, and sends what it saw at its last look too: so an owner that sends fast never
 * asks a clock, and wakes nobody. It only ever tries a line's lock: an owner that has it is not computing. */
#include "hold.h"
#include "stream.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define LOOK_NS    700000       /* so what is held goes after one to two of these */
#define STACK_SIZE (256u << 10) /* libzmq needs little; sanitizers more */

static struct holder {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int runs, ends;
    atomic_int asleep;       /* nothing is held: who begins to wakes it */
    struct csp__line *lines; /* that ever held something */
} holder = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* ---- what a line holds */

int csp__hold_ship(struct csp__line *line)
{
    while (line->open != NULL) {
        struct csp__stream *s = line->open;
        if (csp__stream_ship(line, s) != 0 && errno == ENOMEM)
            return -1;
        csp__pack_clear(&s->send.pack); /* gone with the line, if not sent */
        s->send.is_open = 0;
        line->open = s->send.next_open;
    }
    line->open_end = &line->open;
    atomic_store_explicit(&line->held, 0, memory_order_release);
    if (!line->gone)
        return 0;
    errno = ENOTCONN;
    return -1;
}

void csp__hold_forget(struct csp__line *line, struct csp__stream *s)
{
    int locked = csp__hold_enter(line);
    struct csp__stream **at = &line->open;
    s->send.is_open = 0;
    while (*at != NULL && *at != s)
        at = &(*at)->send.next_open;
    if (*at != NULL) {
        *at = s->send.next_open;
        if (line->open_end == &s->send.next_open)
            line->open_end = at;
        if (line->open == NULL)
            atomic_store_explicit(&line->held, 0, memory_order_release);
    }
    csp__hold_exit(line, locked);
}

/* ---- the thread */

/* Sends what the line held at the last look already. Whether anything was held since. */
static int look(struct csp__line *line)
{
    unsigned opened = atomic_load(&line->opened);
    if (line->seen != opened) {
        line->seen = opened;
        return 1;
    }
    if (atomic_load_explicit(&line->held, memory_order_acquire) == 0)
        return 0;
    if (pthread_mutex_trylock(&line->lock) == 0) {
        /* Is it still so? Where nothing is held any more the owner may be at work without the lock. */
        if (atomic_load(&line->held) != 0 && atomic_load(&line->opened) == opened)
            (void)csp__hold_ship(line);
        pthread_mutex_unlock(&line->lock);
    }
    return 1;
}

static int look_at_all(void)
{
    int any = 0;
    for (struct csp__line *line = holder.lines; line != NULL; line = line->next_holding)
        any |= look(line);
    return any;
}

static void *hold(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "csp/hold"); /* by which the broker knows that it needs no line */
    pthread_mutex_lock(&holder.lock);
    while (!holder.ends) {
        if (look_at_all()) {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_nsec += LOOK_NS;
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            (void)pthread_cond_clockwait(&holder.wake, &holder.lock, CLOCK_MONOTONIC, &until);
            continue;
        }
        atomic_store(&holder.asleep, 1);
        if (!look_at_all()) /* who began since then has seen that we sleep, or is seen */
            pthread_cond_wait(&holder.wake, &holder.lock);
        atomic_store(&holder.asleep, 0);
    }
    pthread_mutex_unlock(&holder.lock);
    return arg;
}

/* The holder's lock is held. */
static int start(void)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return -1;
    sigset_t all;
    sigset_t mask;
    sigfillset(&all);
    holder.ends = 0;
    (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask); /* signals are for the program's own threads */
    holder.runs = pthread_create(&holder.thread, &attr, hold, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_attr_destroy(&attr);
    return holder.runs ? 0 : -1;
}

/* The first time that this line is to hold something. */
static int join(struct csp__line *line)
{
    pthread_mutex_lock(&holder.lock);
    int result = holder.runs || start() == 0 ? 0 : -1;
    if (result == 0) {
        line->next_holding = holder.lines;
        holder.lines = line;
        line->is_holding = 1;
    }
    pthread_mutex_unlock(&holder.lock);
    return result;
}

int csp__hold_begin(struct csp__line *line, struct csp__stream *s)
{
    if (s->send.is_open)
        return 0;
    if (!line->is_holding && join(line) != 0)
        return -1;
    s->send.is_open = 1;
    s->send.next_open = NULL;
    *line->open_end = s;
    line->open_end = &s->send.next_open;
    atomic_fetch_add(&line->opened, 1);
    atomic_store(&line->held, 1);
    if (atomic_load(&holder.asleep)) {
        pthread_mutex_lock(&holder.lock);
        pthread_cond_signal(&holder.wake);
        pthread_mutex_unlock(&holder.lock);
    }
    return 0;
}

void csp__hold_leave(struct csp__line *line)
{
    pthread_mutex_lock(&holder.lock);
    struct csp__line **at = &holder.lines;
    while (*at != NULL && *at != line)
        at = &(*at)->next_holding;
    if (*at != NULL)
        *at = line->next_holding;
    line->is_holding = 0;
    pthread_mutex_unlock(&holder.lock);
}

void csp__hold_ship_all(void)
{
    pthread_mutex_lock(&holder.lock);
    for (struct csp__line *line = holder.lines; line != NULL; line = line->next_holding)
        if (atomic_load(&line->held) != 0 && pthread_mutex_trylock(&line->lock) == 0) {
            if (atomic_load(&line->held) != 0)
                (void)csp__hold_ship(line);
            pthread_mutex_unlock(&line->lock);
        }
    pthread_mutex_unlock(&holder.lock);
}

void csp__hold_end(void)
{
    pthread_mutex_lock(&holder.lock);
    int runs = holder.runs;
    holder.runs = 0;
    holder.ends = 1;
    pthread_cond_signal(&holder.wake);
    pthread_mutex_unlock(&holder.lock);
    if (runs)
        pthread_join(holder.thread, NULL);
}

void csp__hold_forked(void)
{
    pthread_mutex_init(&holder.lock, NULL);
    pthread_cond_init(&holder.wake, NULL);
    holder.runs = 0;
    atomic_store(&holder.asleep, 0);
    holder.lines = NULL;
}
