/* SPDX-License-Identifier: MPL-2.0 */
/* What only the whole file shows: channels with one side, cycles that never end, services that nobody serves.
 * A cycle is searched for against the stream, from a process through the channels it reads to their senders, because
 * that is how the ends are linked already. */
#include "reader.h"
#include "pool.h"
#include "suggestion.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define CYCLE_SHOWN 12 /* processes of a cycle that are named */

static bool has_replicas(const struct pipeline *p, const struct service *s)
{
    for (size_t i = 0; i < s->nbackends; i++)
        if (p->processes[s->backends[i]].replicas > 1)
            return true;
    return false;
}

static void check_service(struct reader *r, const struct service *s)
{
    char number[UNIT_TEXT];

    if (s->nbackends == 0)
        diagnose(r->d, s->place, diagnostics_text(r->d, "write serve: %s in a process", s->name),
                 "no process serves \"%s\"", s->name);
    else if (s->require != REQUIRE_ALL && s->require > (int64_t)s->nbackends)
        diagnose(r->d, s->require_place, "write all, or a number that can be reached (replicas share one answer)",
                 "require: %d answers, and \"%s\" has %s", (int)s->require, s->name,
                 unit_print_number(s->nbackends, "backend", number));
    if (s->hedge >= 0 && s->nbackends != 0 && !has_replicas(r->p, s))
        diagnose(r->d, s->hedge_place, "write replicas: 2 in one of its backends, or take hedge out",
                 "hedge: there is no other replica to ask: each backend of \"%s\" has one", s->name);
}

static bool is_complete(const struct reader *r, const struct channel *c)
{
    bool guests = c->service != PIPELINE_NONE || (c->declared && c->close == CLOSE_NEVER);

    return guests || ((c->nsenders || c->source != PIPELINE_NONE) && c->nreceivers) ||
           zhashx_lookup(r->mentioned, c->name);
}

/* The channel that this one was probably meant to be. One that lacks just the other side comes first. */
static const struct channel *nearest_channel(const struct reader *r, const struct channel *c)
{
    const struct channel *best = NULL;

    for (int complements = 1; !best && complements >= 0; complements--) {
        struct suggestion s = {.word = c->name};
        for (size_t i = 0; i < r->p->nchannels; i++) {
            const struct channel *other = &r->p->channels[i];
            bool complement =
                c->nsenders ? other->nreceivers && !other->nsenders : other->nsenders && !other->nreceivers;
            if (other->service == PIPELINE_NONE && (complement || !complements) && suggestion_offer(&s, other->name))
                best = other;
        }
    }
    return best;
}

/* How the file uses a channel, for a hint: `which "top" reads in line 9`. */
static const char *use_of(struct reader *r, const struct channel *c)
{
    const struct end *e = c->nreceivers ? c->receivers : c->nsenders ? c->senders : NULL;

    if (!e)
        return diagnostics_text(r->d, ", of line %u", c->place.line);
    return diagnostics_text(r->d, ", which \"%s\" %s in line %u", r->p->processes[e->process].name,
                            c->nreceivers ? "reads" : "writes", e->place.line);
}

static void one_sided(struct reader *r, const struct channel *c, const struct channel *near)
{
    bool writes = c->nsenders > 0;
    const struct end *e = writes ? c->senders : c->receivers;
    const char *hint;

    if (near)
        hint = diagnostics_text(r->d, "did you mean \"%s\"%s?", near->name, use_of(r, near));
    else
        hint = diagnostics_text(
            r->d, "name it as the %s of a process; if only `cspctl %s` %s it, write channels: {%s: {close: never}}",
            writes ? "stdin" : "stdout", writes ? "recv" : "send", writes ? "reads" : "writes", c->name);
    diagnose(r->d, e->place, hint, "nothing %s the channel \"%s\", which \"%s\" %s", writes ? "reads" : "writes",
             c->name, r->p->processes[e->process].name, writes ? "writes" : "reads");
}

static void unread_letters(struct reader *r, const struct channel *c)
{
    const struct channel *source = &r->p->channels[c->source];

    diagnose(r->d, source->dead_letters.place,
             diagnostics_text(r->d, "name it as the stdin of a process: keep: {command: 'cat > %s.txt', stdin: %s}",
                              c->name, c->name),
             "dead: nothing reads the channel \"%s\", which gets the dead letters of \"%s\"", c->name, source->name);
}

static void check_sides(struct reader *r)
{
    struct pipeline *p = r->p;
    bool *said = pool_zalloc(r->doc.pool, p->nchannels * sizeof *said);

    for (size_t i = 0; i < p->nchannels; i++) {
        const struct channel *c = &p->channels[i];
        if (is_complete(r, c) || said[i])
            continue;
        const struct channel *near = diagnostics_full(r->d) ? NULL : nearest_channel(r, c);
        if (!c->nsenders && c->source != PIPELINE_NONE) {
            unread_letters(r, c);
            continue;
        }
        if (!c->nsenders && !c->nreceivers) {
            diagnose(r->d, c->place,
                     near ? diagnostics_text(r->d, "did you mean \"%s\"%s?", near->name, use_of(r, near))
                          : "take it out, or name it as the stdout of one process and the stdin of another",
                     "no process uses the channel \"%s\"", c->name);
            continue;
        }
        one_sided(r, c, near);
        if (near && !near->nsenders != !near->nreceivers) /* one mistake has made both: it is said */
            said[near - p->channels] = true;
    }
}

struct search {
    struct reader *r;
    enum { NEW, ON_PATH, FINISHED } * state; /* by process */
    bool *cut;                               /* by channel: its cycle is said */
    bool *letters;                           /* by channel: the sources of its dead letters are being looked at */
    size_t *path, *by;                       /* processes from the root, and the channel by which each is reached */
    size_t depth;
};

/* The path's end reads from `channel`, into which the process at path[first] writes. */
static void say_cycle(struct search *s, size_t first, size_t channel)
{
    struct pipeline *p = s->r->p;
    const struct channel *closing = &p->channels[channel];
    const char *start = p->processes[s->path[first]].name;
    const char *text = diagnostics_text(s->r->d, "%s -> %s", start, closing->name);
    struct place at = closing->place;

    for (size_t i = s->depth - 1, shown = 1; i > first; i--, shown++) {
        if (shown == CYCLE_SHOWN) {
            text = diagnostics_text(s->r->d, "%s -> ...", text);
            break;
        }
        text = diagnostics_text(s->r->d, "%s -> %s -> %s", text, p->processes[s->path[i]].name,
                                p->channels[s->by[i]].name);
    }
    for (size_t i = 0; i < closing->nsenders; i++)
        if (closing->senders[i].process == s->path[first])
            at = closing->senders[i].place;
    diagnose(
        s->r->d, at,
        diagnostics_text(
            s->r->d,
            "write channels: {%s: {close: idle}}, and it ends when nothing is left to be done; or close: never, and "
            "end it by `cspctl close %s`, a deadline or `cspctl stop`",
            closing->name, closing->name),
        "this cycle never ends, since each waits for the other's end: %s -> %s", text, start);
    s->cut[channel] = true;
}

static void visit(struct search *s, size_t process);

static void visit_senders(struct search *s, size_t channel)
{
    const struct channel *c = &s->r->p->channels[channel];

    /* Where it gets dead letters its end waits for that of their source, and so for whoever sends there. */
    for (size_t i = 0; c->source != PIPELINE_NONE && !s->letters[channel] && i < s->r->p->nchannels; i++)
        if (s->r->p->channels[i].dead == channel) {
            s->letters[channel] = true;
            visit_senders(s, i);
            s->letters[channel] = false;
        }
    for (size_t i = 0; c->close == CLOSE_SENDERS && i < c->nsenders && !s->cut[channel]; i++) {
        size_t sender = c->senders[i].process, first = 0;
        if (s->state[sender] == NEW) {
            s->by[s->depth] = channel;
            visit(s, sender);
        } else if (s->state[sender] == ON_PATH) {
            while (s->path[first] != sender)
                first++;
            say_cycle(s, first, channel);
        }
    }
}

static void visit(struct search *s, size_t process)
{
    const struct process *p = &s->r->p->processes[process];

    s->state[process] = ON_PATH;
    s->path[s->depth++] = process;
    for (size_t i = 0; i < p->input.nchannels; i++)
        visit_senders(s, p->input.channels[i]);
    for (size_t i = 0; i < p->in.n; i++)
        visit_senders(s, p->in.item[i].channel);
    s->depth--;
    s->state[process] = FINISHED;
}

static void check_cycles(struct reader *r)
{
    struct pool *pool = r->doc.pool;
    size_t n = r->p->nprocesses;
    struct search s = {.r = r,
                       .state = pool_zalloc(pool, n * sizeof *s.state),
                       .cut = pool_zalloc(pool, r->p->nchannels * sizeof *s.cut),
                       .letters = pool_zalloc(pool, r->p->nchannels * sizeof *s.letters),
                       .path = pool_zalloc(pool, (n + 1) * sizeof *s.path),
                       .by = pool_zalloc(pool, (n + 1) * sizeof *s.by)};

    for (size_t i = 0; i < n; i++)
        if (s.state[i] == NEW)
            visit(&s, i);
}

void check_topology(struct reader *r)
{
    for (size_t i = 0; i < r->p->nservices; i++)
        check_service(r, &r->p->services[i]);
    settle_leases(r);
    check_sides(r);
    check_cycles(r);
    check_guarantees(r);
    if (diagnostics_errors(r->d) == 0)
        expand_partitions(r);
}
