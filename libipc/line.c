/* SPDX-License-Identifier: MPL-2.0 */
/* A thread's line to the broker. Decision: a line belongs to its thread alone, so nothing on the way of a value takes a
 * lock, but where a stream holds values (hold.h); what the broker says of streams is taken in wherever something is
 * read, in whatever call, because it may come between a question and its answer. The broker's death is a descriptor in
 * every wait. */
#include "line.h"
#include "descriptors.h"
#include "entropy.h"
#include "error.h"
#include "hold.h"
#include "lease.h"
#include "pair.h"
#include "polling.h"
#include "scope.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HELLO_MS  10000
#define BIRTH_MS  20000 /* for a child, whose first request does not wait for the WELCOME; many may be born at once */
#define LINGER_MS 1000  /* for an end without an answer only: what matters was answered before */
#define LEAVE_MS  5000
#define LISTEN_NS 30000
#define MOST_DEAF 1024

static __thread struct csp__line *mine;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int key_error;

/* ---- frames */

void *csp__frame(zmq_msg_t *msg, const struct wire_head *head)
{
    if (zmq_msg_init_size(msg, sizeof *head + head->length) != 0) {
        errno = ENOMEM;
        return NULL;
    }
    char *data = zmq_msg_data(msg);
    memcpy(data, head, sizeof *head);
    return data + sizeof *head;
}

int csp__line_transmit(struct csp__line *line, zmq_msg_t *msg)
{
    if (csp__socket_send(&line->socket, msg, 0) == 0)
        return 0;
    zmq_msg_close(msg); /* there is no limit to what may be queued: the connection is gone */
    line->gone = 1;
    errno = ENOTCONN;
    return -1;
}

void csp__line_cut(struct csp__line *line)
{
    line->gone = line->cut = 1;
    if (csp__poll_in(csp__state.broker, CSP_NOW) != 1) /* else everything is lost, and nobody there to be told */
        atomic_store(&csp__state.lost, 1);
}

int csp__line_send(struct csp__line *line, zmq_msg_t *msg)
{
    if (csp__hold_flush(line) == 0)
        return csp__line_transmit(line, msg);
    int err = errno;
    zmq_msg_close(msg);
    errno = err;
    return -1;
}

static void take_welcome(struct csp__line *line)
{
    struct wire_welcome welcome;
    if (line->number != 0)
        return;
    memcpy(&welcome, (const char *)zmq_msg_data(&line->frame) + sizeof line->head, sizeof welcome);
    csp__socket_widen(&line->frame);
    if (csp__state.process == 0) { /* else it may be read by any thread */
        csp__state.process = welcome.process;
        csp__state.ticket = 0;
    }
    line->number = welcome.line;
    line->deadline = welcome.deadline;
    line->holds = (line->head.flags & WIRE_NOW) == 0;
}

static void dispatch(struct csp__line *line)
{
    if (wire_check(zmq_msg_data(&line->frame), zmq_msg_size(&line->frame), &line->head) != 0)
        return;
    switch (line->head.type) {
    case WIRE_COMMIT:
    case WIRE_ANSWER:
        line->replied = line->head.seq == line->seq;
        break;
    case WIRE_WELCOME:
        take_welcome(line);
        break;
    case WIRE_REFUSED:
        line->gone = 1;
        line->replied = line->joins;
        break;
    case WIRE_ROOM:
        csp__stream_room(line);
        break;
    case WIRE_DELIVER:
        csp__stream_deliver(line);
        break;
    case WIRE_CANCELLED:
        csp__scope_note(line);
        break;
    case WIRE_BIND:
        csp__pair_bind(line);
        break;
    case WIRE_CONNECT:
        csp__pair_connect(line);
        break;
    case WIRE_RECALL:
        csp__pair_recall(line);
        break;
    case WIRE_ORPHAN:
        csp__pair_orphan(line);
        break;
    default:
        break;
    }
}

static int read_all(struct csp__line *line)
{
    while (!line->replied) {
        if (csp__socket_receive(&line->socket, &line->frame) == 0) {
            dispatch(line);
            continue;
        }
        if (errno == EAGAIN && !line->gone)
            return 0;
        line->gone = 1;
        errno = ENOTCONN;
        return -1;
    }
    return 1;
}

int csp__line_pump(struct csp__line *line)
{
    int locked = csp__hold_enter(line);
    int state = read_all(line);
    int err = errno;
    csp__hold_exit(line, locked);
    errno = err;
    return state;
}

int csp__line_listen(struct csp__line *line)
{
    csp_time now = csp_now();
    csp_time passed = now - line->heard;
    csp_time calls = (csp_time)(line->deaf - line->left + 1) * LISTEN_NS / (passed > 0 ? passed : 1);
    line->heard = now;
    line->deaf = line->left = calls < 1 ? 1 : calls > MOST_DEAF ? MOST_DEAF : (unsigned)calls;
    return read_all(line);
}

int csp__line_reserve(struct csp__line *line, size_t extra)
{
    if (extra > line->extra)
        line->extra = extra;
    size_t least = (size_t)2 * CSP__OWN_POLLS + line->extra + line->pairs_count;
    if (least <= line->polls_size)
        return 0;
    size_t size = 2 * least;
    struct pollfd *polls = realloc(line->polls, size * sizeof *polls);
    if (polls == NULL)
        return -1;
    line->polls = polls;
    line->polls_size = size;
    return 0;
}

/* Who is not served by then never will be: the broker has no descriptor for it, say. */
static csp_time served_by(struct csp__line *line, csp_time by)
{
    if (line->number != 0 || line->due == 0)
        return by;
    if (csp_now() >= line->due)
        line->gone = 1;
    return csp__sooner(by, line->due);
}

void csp__line_wait(struct csp__line *line, size_t extra, csp_time by)
{
    by = served_by(line, by);
    if (csp__hold_flush(line) != 0 && errno == ENOMEM)
        by = csp__sooner(by, csp_in(1)); /* the holder may use the socket meanwhile, and take in what wakes us */
    /* A wait inside of a select leaves alone what that has there. */
    struct pollfd *polls = extra != 0 ? line->polls : line->polls + CSP__OWN_POLLS + line->extra;
    int pairs = line->pairs == NULL ? 0 : csp__pairs_poll(line, polls + CSP__OWN_POLLS + extra);
    if (pairs < 0)
        return;
    if (!csp__socket_is_quiet(&line->socket)) {
        csp__pairs_unpoll(line);
        return;
    }
    polls[0] = (struct pollfd){.fd = line->socket.fd, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = csp__state.broker, .events = POLLIN};
    int n = csp__poll(polls, CSP__OWN_POLLS + extra + (size_t)pairs, by);
    if (n < 0 && errno == ENOMEM) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* whoever waits looks again */
        for (size_t i = 0; i < CSP__OWN_POLLS + extra + (size_t)pairs; i++)
            polls[i].revents = 0;
    } else if (n < 0 || polls[1].revents != 0)
        line->gone = 1; /* what it said before its end is read first: csp__line_pump */
    if (line->pairs != NULL)
        csp__pairs_polled(line, polls + CSP__OWN_POLLS + extra);
}

/* ---- requests */

int csp__ask(struct csp__line *line, const struct csp__request *r, csp_time by, size_t least, const void **payload,
             size_t *len)
{
    struct wire_head head = wire_head(r->type, r->flags, r->head_len + r->rest_len);
    head.channel = r->chan;
    head.count = r->count;
    head.seq = ++line->seq;
    line->replied = 0;
    zmq_msg_t msg;
    char *to = csp__frame(&msg, &head);
    if (to == NULL)
        return -1;
    if (r->head_len != 0)
        memcpy(to, r->head, r->head_len);
    if (r->rest_len != 0)
        memcpy(to + r->head_len, r->rest, r->rest_len);
    if (csp__line_send(line, &msg) != 0)
        return -1;

    int state;
    while ((state = csp__line_pump(line)) == 0) {
        if (by != CSP_FOREVER && csp_now() >= by) {
            errno = ETIMEDOUT;
            return -1;
        }
        csp__line_wait(line, 0, by);
    }
    line->replied = 0;
    if (state < 0)
        return -1;
    if (line->head.type != WIRE_ANSWER || line->head.count > INT_MAX ||
        (line->head.count == 0 && line->head.length < least)) {
        errno = EPROTO;
        return -1;
    }
    if (payload != NULL)
        *payload = (const char *)zmq_msg_data(&line->frame) + sizeof line->head;
    if (len != NULL)
        *len = line->head.length;
    return (int)line->head.count;
}

int csp__request(const char *what, const struct csp__request *r)
{
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    int err = csp__ask(line, r, CSP_FOREVER, 0, NULL, NULL);
    return err == 0 ? 0 : csp__fail(err < 0 ? errno : err, what, r->chan);
}

/* ---- the stash */

struct csp__stash *csp__stash_find(struct csp__line *line, csp_chan c)
{
    struct csp__stash *s = line->stash;
    while (s != NULL && s->chan != c)
        s = s->next;
    return s;
}

void csp__stash_put(struct csp__line *line, csp_chan c, csp_chan attached, const struct wire_lease *lease,
                    size_t offset, size_t len)
{
    struct csp__stash *s = line->spare;
    line->spare = NULL;
    *s = (struct csp__stash){
        .next = line->stash, .chan = c, .attached = attached, .lease = *lease, .offset = offset, .len = len};
    zmq_msg_init(&s->msg);
    zmq_msg_move(&s->msg, &line->frame);
    line->stash = s;
}

void csp__stash_remove(struct csp__line *line, struct csp__stash *s)
{
    struct csp__stash **at = &line->stash;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    zmq_msg_close(&s->msg);
    free(s);
}

/* ---- opening and closing */

static int set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int connect_socket(struct csp__line *line)
{
    char address[sizeof csp__state.dir + 16];
    int64_t most = WIRE_MAX_FRAME;
    (void)snprintf(address, sizeof address, "ipc://%s/broker", csp__state.dir);
    void *zmq = zmq_socket(line->context->zmq, ZMQ_DEALER);
    if (zmq == NULL || csp__socket_adopt(&line->socket, zmq) != 0)
        return -1;
    if (set(zmq, ZMQ_LINGER, LINGER_MS) != 0 || set(zmq, ZMQ_RECONNECT_IVL, -1) != 0 || set(zmq, ZMQ_SNDHWM, 0) != 0 ||
        set(zmq, ZMQ_RCVHWM, 0) != 0 || zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &most, sizeof most) != 0)
        return -1;
    return csp__socket_connect(zmq, address);
}

static int hello(struct csp__line *line)
{
    csp__state_born();
    struct wire_hello body = {.ticket = csp__state.ticket,
                              .process = csp__state.ticket != 0    ? 0
                                         : csp__state.process != 0 ? csp__state.process
                                                                   : csp__state.inside,
                              .pid = (uint32_t)getpid(),
                              .role = csp__state.process == 0 ? csp__state.role : WIRE_PROCESS};
    memcpy(body.token, csp__state.token, sizeof body.token);
    struct wire_head head = wire_head(WIRE_HELLO, 0, sizeof body);
    zmq_msg_t msg;
    void *to = csp__frame(&msg, &head);
    if (to == NULL)
        return -1;
    memcpy(to, &body, sizeof body);
    return csp__line_send(line, &msg);
}

int csp__line_join(struct csp__line *line)
{
    if (line->number != 0)
        return 0;
    csp_time by = csp_in(HELLO_MS);
    int state;
    line->joins = 1;
    while ((state = csp__line_pump(line)) == 0 && line->number == 0 && csp_now() < by)
        csp__line_wait(line, 0, by);
    line->joins = line->replied = 0;
    if (line->number != 0)
        return 0;
    if (state == 0)
        return csp__failf(ETIMEDOUT, "the broker of %s did not answer within %d s", csp__state.dir, HELLO_MS / 1000);
    if (state < 0)
        return csp__fail(ENOTCONN, "attaching to the run", 0);
    return csp__failf((int)line->head.count, "the broker of %s refused: %.*s", csp__state.dir, (int)line->head.length,
                      (const char *)zmq_msg_data(&line->frame) + sizeof line->head);
}

/* The file of the page, where the broker has not come to it. */
static void remove_page(const struct csp__line *line)
{
    if (atomic_load(&line->context->over))
        return; /* the directory may be another run's by now */
    char path[sizeof csp__state.dir + 32];
    (void)snprintf(path, sizeof path, "%s/p%" PRIu64, csp__state.dir, line->number);
    (void)unlink(path);
}

/* All but the socket and the context. */
static void free_memory(struct csp__line *line)
{
    for (size_t i = 0; i < CSP__BUCKETS; i++)
        while (line->streams[i] != NULL)
            csp__stream_end(line, line->streams[i], CSP_SEND | CSP_RECV);
    while (line->stash != NULL)
        csp__stash_remove(line, line->stash);
    csp__scopes_free(line);
    csp__lease_forget(line);
    if (line->page != NULL)
        munmap((void *)line->page, WIRE_PAGE_SIZE);
    zmq_msg_close(&line->frame);
    free(line->spare);
    free(line->polls);
    free(line->slots);
    free(line->ready);
    csp__turns_free(&line->turns);
    pthread_mutex_destroy(&line->lock);
    free(line);
}

static void free_line(struct csp__line *line)
{
    csp__hold_leave(line);
    if (line->page != NULL)
        remove_page(line);
    csp__pairs_close(line);
    if (line->socket.zmq != NULL) {
        if (line->gone)
            (void)set(line->socket.zmq, ZMQ_LINGER, 0);
        zmq_close(line->socket.zmq);
    }
    csp__context_release(line->context);
    free_memory(line);
}

static void leave(void *arg)
{
    struct csp__line *line = arg;
    if (atomic_load(&csp__foreign))
        return; /* a copy of somebody else's */
    if (!atomic_load(&line->context->over) && csp__hold_flush(line) == 0 && !line->gone &&
        csp__pairs_unpair(line) == 0) {
        csp__lease_done(line, 0);
        csp__lease_return_stash(line, 0);
        (void)csp__ask(line, &(struct csp__request){.type = WIRE_LEAVE}, csp_in(LEAVE_MS), 0, NULL, NULL);
    }
    pthread_mutex_lock(&csp__state.lock);
    csp__line_close();
    pthread_mutex_unlock(&csp__state.lock);
}

static void make_key(void)
{
    key_error = pthread_key_create(&key, leave);
}

static struct csp__line *new_line(void)
{
    struct csp__line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    zmq_msg_init(&line->frame);
    pthread_mutex_init(&line->lock, NULL);
    line->open_end = &line->open;
    line->context = csp__state.context;
    line->context->users++;
    if (csp__line_reserve(line, 2) != 0 || csp__entropy(&line->random, sizeof line->random) != 0) {
        free_line(line);
        return NULL;
    }
    line->random |= 1;
    line->deadline = CSP_FOREVER;
    return line;
}

static struct csp__line *open_line(const char *what)
{
    int dead = csp__poll_in(csp__state.broker, CSP_NOW);
    if (dead != 0) {
        csp__fail(dead < 0 ? errno : ENOTCONN, what, 0);
        return NULL;
    }
    pthread_once(&key_once, make_key);
    struct csp__line *line = key_error == 0 && csp__descriptors_left() ? new_line() : NULL;
    if (line == NULL) {
        csp__fail(key_error != 0 ? key_error : errno, what, 0);
        return NULL;
    }
    int is_born = csp__state.birth >= 0; /* then the first request need not wait for the broker's welcome */
    line->due = is_born ? csp_in(BIRTH_MS) : 0;
    if (connect_socket(line) != 0 || hello(line) != 0) {
        csp__fail(errno, what, 0);
    } else if (is_born || csp__line_join(line) == 0) {
        if (pthread_setspecific(key, line) == 0) {
            mine = line;
            csp__state.lines++;
            return line;
        }
        csp__fail(ENOMEM, what, 0);
    }
    int err = errno;
    free_line(line);
    errno = err;
    return NULL;
}

void csp__line_close(void)
{
    if (mine == NULL)
        return;
    if (!atomic_load(&mine->context->over))
        csp__state.lines--;
    free_line(mine);
    mine = NULL;
    pthread_setspecific(key, NULL);
}

/* The socket and the context are the parent's: libzmq must not hear of them again. */
void csp__line_forget(void)
{
    if (mine == NULL)
        return;
    mine->forgotten = 1;
    free_memory(mine);
    mine = NULL;
    pthread_setspecific(key, NULL);
}

struct csp__line *csp__line_locked(const char *what)
{
    if (mine != NULL && atomic_load(&mine->context->over))
        csp__line_close();
    if (mine != NULL)
        return mine;
    if (csp__state.phase == CSP__LEFT) {
        csp__failf(ENOTCONN, "%s: this process has left the run (csp_term); csp_init joins or starts one again", what);
        return NULL;
    }
    return csp__state_join() == 0 ? (mine != NULL ? mine : open_line(what)) : NULL;
}

struct csp__line *csp__line(const char *what)
{
    if (atomic_load_explicit(&csp__foreign, memory_order_relaxed)) {
        csp__fail(EOWNERDEAD, what, 0);
        return NULL;
    }
    if (mine != NULL && !atomic_load_explicit(&mine->context->over, memory_order_relaxed))
        return mine;
    pthread_mutex_lock(&csp__state.lock);
    struct csp__line *line = csp__line_locked(what);
    pthread_mutex_unlock(&csp__state.lock);
    return line;
}
