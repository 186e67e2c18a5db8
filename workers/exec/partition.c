/* SPDX-License-Identifier: MPL-2.0 */
/* The loop: room in every lane, a block, its values sorted into a block for each lane, one step. */
#include "partition.h"

#include "block.h"
#include "bridge.h"
#include "failure.h"
#include "field.h"
#include "inlet.h"
#include "run.h"
#include "tell.h"
#include "sizes.h"
#include "term.h"
#include "wiring.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

/* What of a block goes to one lane. */
struct part {
    char *data;
    uint32_t *lengths;
    size_t len, count, size, places;
};

struct partition {
    const struct options *o;
    const struct port *in, *lanes;
    struct part *parts;
    uint64_t *ids;
    size_t nids;
    int signals;
    bool stop, failing;
    int status;    /* not 0: it can't go on */
    char why[512]; /* of that, or of an input that was cut short */
    bool cut;
};

static void take_signals(struct partition *p)
{
    struct signalfd_siginfo s;
    while (read(p->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGCHLD)
            continue;
        p->failing = p->failing || s.ssi_signo != SIGTERM || (s.ssi_code == SI_QUEUE && s.ssi_int == EXEC_TERM_FAILED);
        p->stop = true;
    }
}

static void fail(struct partition *p, const char *what)
{
    if (errno == ENOTCONN)
        (void)failure_broker(p->o);
    p->stop = true;
    p->failing = p->failing || errno == ECANCELED;
    if (p->failing)
        return;
    p->status = EX_OSERR;
    snprintf(p->why, sizeof p->why, "cannot %s: %s", what, csp_errmsg());
}

/* ---- moving */

static int reserve(struct part *part, size_t len)
{
    if (part->len + len > part->size || part->data == NULL) {
        size_t size = (part->len + len) * 2 + 64;
        char *data = realloc(part->data, size);
        if (data == NULL)
            return -1;
        part->data = data;
        part->size = size;
    }
    if (part->count == part->places) {
        size_t places = part->places != 0 ? part->places * 2 : 64;
        uint32_t *lengths = reallocarray(part->lengths, places, sizeof *lengths);
        if (lengths == NULL)
            return -1;
        part->lengths = lengths;
        part->places = places;
    }
    return 0;
}

/* A value goes to its lane as it is, with the byte behind it. */
static int sort_value(struct partition *p, const char *value, uint32_t len, int gap)
{
    size_t n, whole = len + (size_t)gap;
    const char *field = field_of(value, len, p->o->partition, &n);
    struct part *part = &p->parts[field_lane(field, n, p->lanes->n)];
    if (reserve(part, whole) != 0)
        return -1;
    if (whole != 0)
        memcpy(part->data + part->len, value, whole);
    part->len += whole;
    part->lengths[part->count++] = len;
    return 0;
}

static int sort_block(struct partition *p, const csp__block *b)
{
    const char *at = b->data;
    if (b->count > p->nids) {
        uint64_t *ids = reallocarray(p->ids, b->count, sizeof *ids);
        if (ids == NULL)
            return -1;
        p->ids = ids;
        p->nids = b->count;
    }
    for (size_t i = 0; i < b->count; i++) {
        uint32_t len = csp__block_length(b, i);
        p->ids[i] = b->id + i;
        if (sort_value(p, at, len, b->gap) != 0)
            return -1;
        at += len + (size_t)b->gap;
    }
    return 0;
}

static int stage(struct partition *p, int gap)
{
    for (size_t i = 0; i < p->lanes->n; i++) {
        struct part *part = &p->parts[i];
        const csp__block b = {
            .data = part->data, .len = part->len, .lengths = part->lengths, .count = part->count, .gap = gap};
        if (b.count != 0 && csp__stage_block(p->lanes->chans[i], &b) != 0)
            return -1;
        part->len = part->count = 0;
    }
    return 0;
}

/* A replica is gone for good: nobody will do its values, and to drop them here would be to say that they are done. */
static void give_up(struct partition *p)
{
    p->stop = true;
    snprintf(p->why, sizeof p->why, "a receiver of its lanes has ended");
}

static void move_block(struct partition *p, csp__block *b)
{
    int moved = -1;
    if (sort_block(p, b) != 0) {
        errno = ENOMEM;
        fail(p, "sort a block of values");
    } else {
        moved = stage(p, b->gap);
        if (moved == 0)
            moved = csp__settle(p->in->chans[0], p->ids, b->count);
        if (moved != 0 && errno == EPIPE)
            give_up(p);
        else if (moved != 0)
            fail(p, "move values");
    }
    csp__block_free(b);
}

/* ---- the loop */

static void await_room(struct partition *p)
{
    for (size_t i = 0; i < p->lanes->n && !p->stop; i++) {
        csp_case cases[] = {csp__on_room(p->lanes->chans[i]), csp_on_fd(p->signals, POLLIN)};
        int which;
        while ((which = csp_select(cases, 2, CSP_FOREVER)) == 1 && !p->stop)
            take_signals(p);
        if (which < 0)
            fail(p, "send");
    }
}

/* False: the input has ended. */
static bool take_block(struct partition *p)
{
    csp__block b = {0};
    csp_exit why = {CSP_CLEAN, 0};
    char text[64];
    csp__idle(p->in->chans[0]);
    csp_case cases[] = {csp__on_block(p->in->chans[0], &b), csp_on_fd(p->signals, POLLIN)};
    int which = csp_select(cases, 2, CSP_FOREVER);
    if (which < 0)
        fail(p, "receive");
    else if (which == 1)
        take_signals(p);
    else if (cases[0].err == 0)
        move_block(p, &b);
    if (which != 0 || cases[0].err == 0)
        return true;
    p->cut = csp_why(p->in->chans[0], &why) >= 0 && why.how != CSP_CLEAN;
    if (p->cut)
        snprintf(p->why, sizeof p->why, "its input channel %s was cut short: %s", p->in->names[0],
                 inlet_reason(why, text, sizeof text));
    return false;
}

static int finish(struct partition *p)
{
    csp_exit bye = {p->failing || p->cut ? CSP_CANCELLED : CSP_CLEAN, 0};
    if (p->status != 0)
        bye = (csp_exit){CSP_CODE, p->status};
    if (p->o->report >= 0)
        (void)csp__tell(p->o->report, "ended %s %d 0 %s\n",
                        p->status != 0 ? "code"
                        : p->failing   ? "cancelled"
                                       : "clean",
                        p->status, p->why);
    (void)csp__bye(bye);
    (void)csp_term();
    return p->status;
}

static int open_all(struct partition *p, struct options *o, const char **what)
{
    if (wiring_open_ports(o->in, o->nin, CSP_RECV, what) != 0 ||
        wiring_open_ports(o->out, o->nout, CSP_SEND, what) != 0)
        return -1;
    *what = p->in->names[0];
    if (csp_stream(p->in->chans[0], CSP_RECV, EXEC_BLOCK) != 0)
        return -1;
    for (size_t i = 0; i < p->lanes->n; i++) {
        *what = p->lanes->names[i];
        if (csp_stream(p->lanes->chans[i], CSP_SEND, EXEC_DONE) != 0)
            return -1;
    }
    *what = NULL;
    p->parts = calloc(p->lanes->n + 1, sizeof *p->parts);
    p->signals = signalfd(-1, bridge_set(), SFD_CLOEXEC | SFD_NONBLOCK);
    return p->parts == NULL || p->signals < 0 ? -1 : 0;
}

static void free_all(struct partition *p)
{
    for (size_t i = 0; p->parts != NULL && i < p->lanes->n; i++) {
        free(p->parts[i].data);
        free(p->parts[i].lengths);
    }
    free(p->parts);
    free(p->ids);
    if (p->signals >= 0)
        close(p->signals);
}

int partition_run(struct options *o)
{
    struct partition p = {.o = o, .in = &o->in[0], .lanes = &o->out[0], .signals = -1};
    const char *what = NULL;
    if (bridge_join(o) != 0)
        return failure_join(o);
    bool opened = open_all(&p, o, &what) == 0;
    int error = errno;
    if (opened) {
        if (o->report >= 0)
            (void)csp__tell(o->report, "started 0\n");
        while (!p.stop && take_block(&p))
            await_room(&p);
    }
    int status = opened ? finish(&p) : what != NULL ? failure_channel(o, what) : failure_pipes(o, error);
    free_all(&p);
    return status;
}
