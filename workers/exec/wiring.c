/* SPDX-License-Identifier: MPL-2.0 */
/* Descriptors: the bridge's end of a pipe does not block (that is a property of this end alone: the program's blocks as
 * ever), and everything is close-on-exec. Pipes are enlarged: a block moves in one call, not in four. */
#include "wiring.h"

#include "keeper.h"
#include "sizes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A name that is a number is a handle, which needs no opening. */
static csp_chan open_channel(const char *name, int ends)
{
    char *end;
    errno = 0;
    unsigned long long handle = strtoull(name, &end, 10);
    if (*name >= '0' && *name <= '9' && *end == '\0' && errno == 0)
        return handle;
    return csp_open(name, ends);
}

int wiring_open_ports(struct port *p, size_t n, int ends, const char **what)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < p[i].n; k++) {
            *what = p[i].names[k];
            p[i].chans[k] = open_channel(*what, ends);
            if (p[i].chans[k] == 0)
                return -1;
        }
    return 0;
}

int wiring_open(struct wiring *w, struct options *o, const char **what)
{
    *w =
        (struct wiring){.o = o, .joint = {.notices = -1, .report = o->report, .halt = -1, .retire = -1}, .notices = -1};
    w->server.in = w->server.out = -1;
    if (wiring_open_ports(o->in, o->nin, CSP_RECV, what) != 0 ||
        wiring_open_ports(o->out, o->nout, CSP_SEND, what) != 0)
        return -1;
    *what = o->serve;
    return o->serve != NULL && (w->requests = open_channel(o->serve, CSP_RECV)) == 0 ? -1 : 0;
}

/* A pipe of that size to (ours = 1) or from (ours = 0) descriptor fd of the program; *end is our end. */
static int add_pipe(struct wiring *w, int fd, int ours, int size, int *end)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return -1;
    (void)fcntl(p[0], F_SETPIPE_SZ, size);
    w->plugs[w->nplugs++] = (struct plug){.fd = fd, .end = p[!ours]};
    *end = p[ours];
    return fcntl(*end, F_SETFL, O_NONBLOCK);
}

static int open_joint(struct wiring *w)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return -1;
    w->notices = p[0];
    w->joint.notices = p[1];
    atomic_init(&w->joint.complete, false);
    if (fcntl(w->notices, F_SETFL, O_NONBLOCK) != 0)
        return -1;
    w->joint.halt = eventfd(0, EFD_CLOEXEC);
    w->joint.retire = eventfd(0, EFD_CLOEXEC);
    return w->joint.halt < 0 || w->joint.retire < 0 ? -1 : 0;
}

/* Its stdout leads to a channel. */
static bool leads_out(const struct options *o)
{
    for (size_t i = 0; i < o->nout; i++)
        if (o->out[i].fd == STDOUT_FILENO)
            return true;
    return false;
}

int wiring_pipes(struct wiring *w)
{
    const struct options *o = w->o;
    size_t n = o->nin + o->nout + 2;
    w->in = calloc(n, sizeof *w->in);
    w->out = calloc(n, sizeof *w->out);
    w->plugs = calloc(n, sizeof *w->plugs);
    w->threads = calloc(n, sizeof *w->threads);
    if (w->in == NULL || w->out == NULL || w->plugs == NULL || w->threads == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        w->in[i].fd = w->out[i].fd = -1;
    if (open_joint(w) != 0)
        return -1;
    for (size_t i = 0; i < o->nin; i++) {
        w->in[i].port = &o->in[i];
        w->in[i].joint = &w->joint;
        w->in[i].listens = o->in[i].fd == STDIN_FILENO && leads_out(o);
        w->in[i].explicit = o->ack == ACK_BY_PROGRAM;
        w->in[i].window = o->ack == ACK_BY_PROGRAM ? EXEC_HELD : EXEC_WINDOW;
        if (add_pipe(w, o->in[i].fd, 1, EXEC_PIPE, &w->in[i].fd) != 0)
            return -1;
        keeper_hold(o->report, o->in[i].fd, w->in[i].fd);
    }
    for (size_t i = 0; i < o->nout; i++) {
        w->out[i].port = &o->out[i];
        w->out[i].joint = &w->joint;
        if (o->has_ready && o->report >= 0 && (o->out[i].fd == STDOUT_FILENO || o->out[i].fd == STDERR_FILENO))
            spotter_begin(&w->out[i].spotter, &o->ready);
        if (add_pipe(w, o->out[i].fd, 0, o->out[i].tasks ? EXEC_HELD : EXEC_PIPE, &w->out[i].fd) != 0)
            return -1;
    }
    if (o->serve == NULL)
        return 0;
    w->server.requests = w->requests;
    w->server.name = o->serve;
    w->server.joint = &w->joint;
    if (add_pipe(w, STDIN_FILENO, 1, EXEC_PIPE, &w->server.in) != 0)
        return -1;
    return add_pipe(w, STDOUT_FILENO, 0, EXEC_PIPE, &w->server.out);
}

void wiring_unplug(struct wiring *w)
{
    for (size_t i = 0; i < w->nplugs; i++)
        close(w->plugs[i].end);
    w->nplugs = 0;
}

static int start(struct wiring *w, void *(*run)(void *), void *arg)
{
    int error = pthread_create(&w->threads[w->nthreads], NULL, run, arg);
    if (error == 0) {
        w->nthreads++;
        return 0;
    }
    errno = error;
    return -1;
}

static int start_filter(struct wiring *w)
{
    w->filter =
        (struct filter){.in = &w->in[0], .joint = &w->joint, .timeout = w->o->timeout, .ordered = w->o->ordered};
    for (size_t i = 0; i < w->o->nout; i++)
        if (w->o->out[i].fd == STDOUT_FILENO)
            w->filter.out = &w->out[i];
    return start(w, filter_run, &w->filter);
}

int wiring_start(struct wiring *w)
{
    bool line = w->o->ack == ACK_BY_LINE;
    for (size_t i = 0; i < w->o->nout; i++)
        if (!(line && w->o->out[i].fd == STDOUT_FILENO) && start(w, outlet_run, &w->out[i]) != 0)
            return -1;
    for (size_t i = 0; !line && i < w->o->nin; i++)
        if (start(w, inlet_run, &w->in[i]) != 0)
            return -1;
    if (line && start_filter(w) != 0)
        return -1;
    return w->o->serve != NULL ? start(w, server_run, &w->server) : 0;
}

size_t wiring_readers(const struct wiring *w)
{
    return w->o->nout + (w->o->serve != NULL);
}

static void signal_event(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

bool wiring_retire(struct wiring *w)
{
    if (w->o->nin == 0 && w->o->serve == NULL)
        return false;
    signal_event(w->joint.retire);
    return true;
}

void wiring_halt(struct wiring *w, bool complete)
{
    atomic_store(&w->joint.complete, complete);
    signal_event(w->joint.halt);
}

void wiring_join(struct wiring *w)
{
    for (size_t i = 0; i < w->nthreads; i++)
        pthread_join(w->threads[i], NULL);
    w->nthreads = 0;
}

uint64_t wiring_lost(const struct wiring *w)
{
    if (w->o->ack != ACK_BY_WRITE)
        return 0; /* what was not acknowledged is delivered again, or given up there */
    uint64_t lost = w->o->serve != NULL ? (uint64_t)w->server.lost : 0;
    for (size_t i = 0; i < w->o->nin; i++)
        lost += inlet_lost(&w->in[i]);
    return lost;
}

void wiring_give_back(struct wiring *w)
{
    for (size_t i = 0; i < w->o->nin; i++)
        inlet_give_back(&w->in[i]);
}

void wiring_free(struct wiring *w)
{
    wiring_unplug(w);
    for (size_t i = 0; w->in != NULL && i < w->o->nin; i++)
        inlet_free(&w->in[i]);
    for (size_t i = 0; w->out != NULL && i < w->o->nout; i++)
        outlet_free(&w->out[i]);
    server_free(&w->server);
    free(w->in);
    free(w->out);
    free(w->plugs);
    free(w->threads);
    program_close(w->notices);
    program_close(w->joint.notices);
    program_close(w->joint.halt);
    program_close(w->joint.retire);
}
