/* SPDX-License-Identifier: MPL-2.0 */
/* Leases that this process holds. Decision: those that are to be acknowledged by their id are in one table of the
 * process, since any thread may do that, and it is told apart here, without the broker, whether there is such a lease;
 * those of plain receives stay with the line of their thread, whose next receive acknowledges them. The broker knows
 * them all: what is lost here with a crash goes back there. */
#include "lease.h"
#include "error.h"
#include "select.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PLACES 64 /* a power of two */

_Static_assert(CSP_FOREVER == WIRE_DEAD_LETTER && CSP_BACK_OFF == WIRE_BACK_OFF, "a NACK's delays");

struct held { /* of a channel: few at a time */
    struct held *next;
    csp_chan chan;
    int64_t count;
};

static struct leases {
    pthread_mutex_t lock;
    struct csp__lease **places; /* by id, which mostly follow one another */
    size_t size, count;
    struct held *held;
} leases = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- how many there are, those of blocks included */

static struct held **held_of(csp_chan c)
{
    struct held **at = &leases.held;
    while (*at != NULL && (*at)->chan != c)
        at = &(*at)->next;
    return at;
}

/* Where there is no memory it is as if there were none, and a close that is told for them is asked for again. */
static void count_held(csp_chan c, int64_t more)
{
    struct held **at = held_of(c), *h = *at;
    if (h == NULL && more > 0 && (h = calloc(1, sizeof *h)) != NULL) {
        h->chan = c;
        *at = h;
    }
    if (h == NULL)
        return;
    h->count += more;
    if (h->count <= 0) {
        *at = h->next;
        free(h);
    }
}

void csp__lease_count(csp_chan c, int64_t more)
{
    pthread_mutex_lock(&leases.lock);
    count_held(c, more);
    pthread_mutex_unlock(&leases.lock);
}

int csp__lease_holds(csp_chan c)
{
    pthread_mutex_lock(&leases.lock);
    int holds = *held_of(c) != NULL;
    pthread_mutex_unlock(&leases.lock);
    return holds || csp__state.inside != 0;
}

/* ---- the table */

static struct csp__lease **place_of(uint64_t id)
{
    struct csp__lease **at = &leases.places[id & (leases.size - 1)];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

/* Makes the table larger; where that fails it is slower only, but for the first. */
static void grow(void)
{
    size_t size = leases.size != 0 ? leases.size * 2 : FIRST_PLACES;
    struct csp__lease **places = calloc(size, sizeof(void *));
    if (places == NULL)
        return;
    for (size_t i = 0; i < leases.size; i++)
        while (leases.places[i] != NULL) {
            struct csp__lease *l = leases.places[i];
            leases.places[i] = l->next;
            l->next = places[l->id & (size - 1)];
            places[l->id & (size - 1)] = l;
        }
    free(leases.places);
    leases.places = places;
    leases.size = size;
}

static int prepare_table(void)
{
    pthread_mutex_lock(&leases.lock);
    if (leases.count >= leases.size)
        grow();
    int result = leases.size != 0 ? 0 : -1;
    pthread_mutex_unlock(&leases.lock);
    return result;
}

/* A lease of this id may be there already: one that `cspctl ack` gave back, by which this process got it again. */
static void add(struct csp__lease *l)
{
    pthread_mutex_lock(&leases.lock);
    struct csp__lease **at = place_of(l->id), *old = *at;
    l->next = old != NULL ? old->next : NULL;
    *at = l;
    leases.count += old == NULL;
    if (old != NULL)
        count_held(old->chan, -1);
    pthread_mutex_unlock(&leases.lock);
    free(old);
}

/* Takes the lease out, so that just one thread has it. NULL: there is none; the error is noted. */
static struct csp__lease *take_out(const char *what, uint64_t id)
{
    pthread_mutex_lock(&leases.lock);
    struct csp__lease **at = leases.size != 0 ? place_of(id) : NULL;
    struct csp__lease *l = at != NULL ? *at : NULL;
    if (l != NULL) {
        *at = l->next;
        leases.count--;
    }
    pthread_mutex_unlock(&leases.lock);
    if (l == NULL)
        (void)csp__failf(ENOENT, "%s: this process holds no lease of a value with id %" PRIu64, what, id);
    return l;
}

/* It was said what became of it, or (sent < 0) could not be: then it is held on. */
static int conclude(struct csp__lease *l, int sent, const char *what)
{
    if (sent == 0) {
        free(l);
        return 0;
    }
    int err = errno;
    add(l);
    return csp__fail(err, what, l->chan);
}

void csp__leases_clear(void)
{
    pthread_mutex_lock(&leases.lock);
    for (size_t i = 0; i < leases.size; i++)
        while (leases.places[i] != NULL) {
            struct csp__lease *l = leases.places[i];
            leases.places[i] = l->next;
            free(l);
        }
    free(leases.places);
    leases.places = NULL;
    leases.size = leases.count = 0;
    while (leases.held != NULL) {
        struct held *h = leases.held;
        leases.held = h->next;
        free(h);
    }
    pthread_mutex_unlock(&leases.lock);
}

void csp__leases_forked(void)
{
    pthread_mutex_init(&leases.lock, NULL);
}

/* ---- frames */

int csp__say_ack(struct csp__line *line, csp_chan c, const uint64_t *ids, size_t n, unsigned flags)
{
    struct wire_head head = wire_head(WIRE_ACK, flags, n * sizeof *ids);
    head.channel = c;
    head.count = (uint32_t)n;
    zmq_msg_t msg;
    char *to = csp__frame(&msg, &head);
    if (to == NULL)
        return -1;
    if (n != 0)
        memcpy(to, ids, n * sizeof *ids);
    csp__lease_count(c, -(int64_t)n);
    if ((flags & WIRE_STAGED) == 0)
        csp__staged_drop(line);
    return csp__line_send(line, &msg);
}

int csp__say_nack(struct csp__line *line, csp_chan c, uint64_t id, int64_t delay, const char *reason, size_t len)
{
    if (len > WIRE_MAX_REASON)
        len = WIRE_MAX_REASON;
    struct wire_nack body = {.id = id, .delay = delay};
    struct wire_head head = wire_head(WIRE_NACK, 0, sizeof body + len);
    head.channel = c;
    zmq_msg_t msg;
    char *to = csp__frame(&msg, &head);
    if (to == NULL)
        return -1;
    memcpy(to, &body, sizeof body);
    if (len != 0)
        memcpy(to + sizeof body, reason, len);
    csp__staged_drop(line);
    csp__lease_count(c, -1);
    return csp__line_send(line, &msg);
}

/* ---- what is received */

int csp__lease_prepare(struct csp__line *line)
{
    if (line->spare_lease == NULL)
        line->spare_lease = malloc(sizeof *line->spare_lease);
    return line->spare_lease != NULL ? prepare_table() : -1;
}

void csp__lease_note(struct csp__line *line, const csp_case *c, const struct wire_lease *lease)
{
    bool apart = c->op == CSP__OP_BLOCK || (c->op == CSP__OP_MSG && c->arg != 0);
    if (!csp__is_leased(lease) || apart)
        return;
    struct csp__lease *l = line->spare_lease;
    line->spare_lease = NULL;
    *l = (struct csp__lease){.id = lease->id, .chan = c->chan};
    if (c->op == CSP__OP_MSG) {
        add(l);
        return;
    }
    l->next = line->plain;
    line->plain = l;
}

void csp__lease_done(struct csp__line *line, csp_chan c)
{
    for (struct csp__lease **at = &line->plain; *at != NULL;) {
        struct csp__lease *l = *at;
        if ((c != 0 && l->chan != c) || csp__say_ack(line, l->chan, &l->id, 1, 0) != 0) {
            at = &l->next; /* of another channel, or later */
            continue;
        }
        *at = l->next;
        if (line->spare_lease == NULL)
            line->spare_lease = l;
        else
            free(l);
    }
}

void csp__lease_forget(struct csp__line *line)
{
    while (line->plain != NULL) {
        struct csp__lease *l = line->plain;
        line->plain = l->next;
        free(l);
    }
    free(line->spare_lease);
}

void csp__lease_return_stash(struct csp__line *line, csp_chan c)
{
    for (struct csp__stash *s = line->stash; s != NULL; s = s->next)
        if ((c == 0 || s->chan == c) && csp__is_leased(&s->lease))
            (void)csp__say_nack(line, s->chan, s->lease.id, 0, NULL, 0);
}

/* ---- the public part */

int csp_ack(uint64_t id)
{
    static const char what[] = "acknowledge";
    struct csp__lease *l = take_out(what, id);
    if (l == NULL)
        return -1;
    struct csp__line *line = csp__line(what);
    return conclude(l, line != NULL ? csp__say_ack(line, l->chan, &id, 1, 0) : -1, what);
}

int csp_nack(uint64_t id, csp_time again, const char *reason)
{
    static const char what[] = "give back";
    if (again < CSP_BACK_OFF)
        return csp__failf(EINVAL, "give back: the time is an absolute one, CSP_NOW, CSP_FOREVER or CSP_BACK_OFF");
    struct csp__lease *l = take_out(what, id);
    if (l == NULL)
        return -1;
    struct csp__line *line = csp__line(what);
    csp_time left = again > 0 ? again - csp_now() : again;
    int64_t delay = again > 0 && left < 0 ? 0 : left;
    size_t len = reason != NULL ? strnlen(reason, WIRE_MAX_REASON) : 0;
    return conclude(l, line != NULL ? csp__say_nack(line, l->chan, id, delay, reason, len) : -1, what);
}
