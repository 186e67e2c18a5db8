/* SPDX-License-Identifier: MPL-2.0 */
/* Pairs: their sockets, pages, and the line's list of them. Decision: who binds and who connects is told by the broker
 * in whatever call the thread is, so all of it is done where frames are dispatched; and what the library must not do
 * there (join while an offer is out that sends on the channel) waits in the list. A socket is closed without linger:
 * what counts is kept by the sender until the page says that it was taken. */
#include "pair.h"
#include "descriptors.h"
#include "line.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATH_SIZE (sizeof csp__state.dir + 48)

/* ---- the record */

static void path_of(const struct csp__pair *pair, char kind, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%c%" PRIu64 ".%" PRIu64, csp__state.dir, kind, pair->chan, pair->generation);
}

/* 0, or -1 with errno. */
static int map_page(struct csp__pair *pair)
{
    char path[PATH_SIZE];
    path_of(pair, 'y', path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    void *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int err = errno;
    close(fd);
    errno = err;
    if (page == MAP_FAILED)
        return -1;
    pair->page = page;
    return 0;
}

struct csp__pair *csp__pair_new(struct csp__line *line, struct csp__stream *s, int sends)
{
    struct csp__pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        return NULL;
    pair->stream = s;
    pair->chan = s->chan;
    pair->generation = line->head.seq;
    pair->sends = sends;
    pair->users = 1;
    pair->kept_end = &pair->kept;
    pair->last = &pair->early;
    memcpy(pair->token, (const char *)zmq_msg_data(&line->frame) + sizeof line->head, sizeof pair->token);
    memcpy(&pair->call, (const char *)zmq_msg_data(&line->frame) + sizeof line->head, sizeof pair->call);
    line->pairs_count++;
    if (csp__line_reserve(line, 0) != 0 || map_page(pair) != 0) {
        int err = errno;
        line->pairs_count--;
        free(pair);
        errno = err;
        return NULL;
    }
    pair->next = line->pairs;
    line->pairs = pair;
    return pair;
}

struct csp__pair *csp__pair_find(const struct csp__line *line, csp_chan c, uint64_t generation, int sends)
{
    struct csp__pair *pair = line->pairs;
    while (pair != NULL && (pair->chan != c || pair->generation != generation || pair->sends != sends))
        pair = pair->next;
    return pair;
}

/* ---- the socket */

static int set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

int csp__pair_open(struct csp__line *line, struct csp__pair *pair)
{
    char address[PATH_SIZE + 8] = "ipc://";
    int64_t most = WIRE_MAX_FRAME;
    path_of(pair, 'x', address + strlen(address));
    if (!csp__descriptors_left()) {
        errno = EMFILE;
        return -1;
    }
    void *zmq = zmq_socket(line->context->zmq, ZMQ_PAIR);
    if (zmq == NULL)
        return -1;
    if (csp__socket_adopt(&pair->socket, zmq) == 0 && set(zmq, ZMQ_LINGER, 0) == 0 &&
        set(zmq, ZMQ_RECONNECT_IVL, -1) == 0 && set(zmq, ZMQ_SNDHWM, 0) == 0 && set(zmq, ZMQ_RCVHWM, 0) == 0 &&
        zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0 &&
        (pair->sends ? csp__socket_connect(zmq, address) : csp__socket_bind(zmq, address)) == 0)
        return 0;
    int err = errno;
    zmq_close(zmq);
    pair->socket.zmq = NULL;
    errno = err;
    return -1;
}

void csp__pair_close(const struct csp__line *line, struct csp__pair *pair)
{
    if (pair->socket.zmq == NULL)
        return;
    if (!line->forgotten)
        zmq_close(pair->socket.zmq);
    if (!line->forgotten && !pair->sends && !atomic_load(&line->context->over)) {
        char path[PATH_SIZE]; /* libzmq leaves it where it lies */
        path_of(pair, 'x', path);
        (void)unlink(path);
    }
    pair->socket.zmq = NULL;
}

void csp__pairs_close(const struct csp__line *line)
{
    for (struct csp__pair *pair = line->pairs; pair != NULL; pair = pair->next)
        csp__pair_close(line, pair);
}

/* ---- its end */

static void free_kept(struct csp__pair *pair)
{
    while (pair->kept != NULL) {
        struct csp__kept *k = pair->kept;
        pair->kept = k->next;
        zmq_msg_close(&k->msg);
        free(k);
    }
}

void csp__pair_release(struct csp__pair *pair)
{
    if (--pair->users != 0)
        return;
    munmap((void *)pair->page, WIRE_PAGE_SIZE);
    free(pair);
}

static void forget(struct csp__line *line, const struct csp__pair *pair)
{
    struct csp__pair **at = &line->pairs;
    while (*at != pair)
        at = &(*at)->next;
    *at = pair->next;
    line->pairs_count--;
}

void csp__pair_end(struct csp__line *line, struct csp__pair *pair)
{
    csp__pair_close(line, pair);
    forget(line, pair);
    pair->ended = 1;
    free_kept(pair);
    if (pair->hosted != NULL) {
        free(pair->hosted->costs);
        free(pair->hosted);
    }
    while (pair->early != NULL) {
        struct csp__batch *b = pair->early;
        pair->early = b->next;
        csp__batch_free(b);
    }
    csp__pair_release(pair);
}

void csp__pairs_end(struct csp__line *line, const struct csp__stream *s, int ends)
{
    for (struct csp__pair *pair = line->pairs, *next; pair != NULL; pair = next) {
        next = pair->next;
        if (pair->stream != s || (ends & (pair->sends ? CSP_SEND : CSP_RECV)) == 0)
            continue;
        if (pair->stream->recv.pair == pair) /* the stream may go on with its other end */
            pair->stream->recv.pair = NULL;
        if (pair->stream->send.pair == pair)
            pair->stream->send.pair = NULL;
        csp__pair_end(line, pair);
    }
}

/* ---- what is said of it */

int csp__pair_say(struct csp__line *line, const struct csp__pair *pair, enum wire_type type, int err, const void *body,
                  size_t len)
{
    struct wire_head head = wire_head(type, 0, len);
    head.channel = pair->chan;
    head.seq = pair->generation;
    head.count = (uint32_t)err;
    zmq_msg_t msg;
    void *to = csp__frame(&msg, &head);
    if (to == NULL) {
        line->gone = 1; /* the broker would wait for ever */
        return -1;
    }
    if (len != 0)
        memcpy(to, body, len);
    return csp__line_send(line, &msg);
}

/* ---- waiting */

/* What a sender is told by ROOM stands in the page. */
static void drain(struct csp__pair *pair)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (; csp__socket_receive(&pair->socket, &msg) == 0; pair->wide = 1)
        if (!pair->wide)
            csp__socket_widen(&msg);
    zmq_msg_close(&msg);
}

static void look_at(struct csp__line *line, struct csp__pair *pair)
{
    if (pair->sends)
        drain(pair);
    else if (pair->greeted)
        pair->readable = 1;
    else
        csp__pair_greeting(line, pair);
}

int csp__pairs_poll(struct csp__line *line, struct pollfd *polls)
{
    int n = 0;
    int come = 0;
    for (struct csp__pair *pair = line->pairs; pair != NULL; pair = pair->next) {
        pair->polled = 0;
        if (pair->socket.zmq == NULL)
            continue;
        if (!pair->sends)
            csp__pair_before_wait(pair);
        if (!pair->awaited && (pair->sends || pair->greeted))
            continue;
        if (!csp__socket_is_quiet(&pair->socket)) {
            look_at(line, pair);
            come = 1;
        }
        pair->polled = 1;
        polls[n++] = (struct pollfd){.fd = pair->socket.fd, .events = POLLIN};
    }
    if (!come)
        return n;
    csp__pairs_unpoll(line);
    return -1;
}

void csp__pairs_polled(struct csp__line *line, const struct pollfd *polls)
{
    for (struct csp__pair *pair = line->pairs; pair != NULL; pair = pair->next) {
        if (pair->polled && polls++->revents != 0)
            look_at(line, pair);
        pair->polled = pair->awaited = 0;
    }
}

void csp__pairs_unpoll(struct csp__line *line)
{
    for (struct csp__pair *pair = line->pairs; pair != NULL; pair = pair->next)
        pair->polled = pair->awaited = 0;
}
