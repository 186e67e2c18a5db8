/* SPDX-License-Identifier: MPL-2.0 */
/* Scopes: section 11 of docs/protocol.md, the caller's side. Decision: the broker alone knows who belongs to a scope
 * and when it is cancelled; a thread keeps a stack of those it has entered, marked by what the broker says between any
 * two frames, so that a call which this process decides alone ends as one that the broker decides. */
#include "scope.h"
#include "error.h"
#include "hold.h"
#include "process.h"
#include "run.h"
#include "select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS 5000000000

static __thread int shields;

/* ---- what is cancelled */

int csp__scope_how(const struct csp__line *line)
{
    return line->scope != NULL ? line->scope->cancelled : line->cancelled;
}

int csp__scope_ends(const struct csp__line *line)
{
    return shields == 0 && csp__scope_how(line) != 0;
}

unsigned csp__scope_flags(void)
{
    return shields != 0 ? WIRE_SHIELD : 0;
}

/* Marks the scopes from the innermost out to `last`, NULL: all, with their first reason. */
static void mark(const struct csp__line *line, const struct csp__scope *last, int how)
{
    for (struct csp__scope *s = line->scope; s != NULL; s = s->outer) {
        if (s->cancelled == 0)
            s->cancelled = how;
        if (s == last)
            break;
    }
}

static void mark_process(struct csp__line *line, int how)
{
    if (line->cancelled == 0)
        line->cancelled = how;
    mark(line, NULL, how);
}

void csp__scope_note(struct csp__line *line)
{
    int how = line->head.count == CSP_DEADLINE ? CSP_DEADLINE : CSP_CANCELLED;
    if (line->head.channel == 0) {
        mark_process(line, how);
        return;
    }
    const struct csp__scope *s = line->scope;
    while (s != NULL && s->number != line->head.channel)
        s = s->outer;
    if (s != NULL)
        mark(line, s, how);
}

static void pop(struct csp__line *line)
{
    struct csp__scope *s = line->scope;
    line->scope = s->outer;
    free(s);
}

void csp__scopes_free(struct csp__line *line)
{
    while (line->scope != NULL)
        pop(line);
}

void csp__scope_forked(void)
{
    shields = 0;
}

/* ---- entering and leaving */

/* Sets what the broker knows of a scope, or makes one: number 0. 0, or -1 with the error noted. */
static int say_scope(struct csp__line *line, const char *what, uint64_t number, csp_time deadline, csp_time grace)
{
    struct wire_scope body = {.deadline = deadline, .grace = grace};
    struct csp__request r = {.type = WIRE_SCOPE, .chan = number, .head = &body, .head_len = sizeof body};
    int err = csp__ask(line, &r, CSP_FOREVER, 0, NULL, NULL);
    return err == 0 ? 0 : csp__fail(err < 0 ? errno : err, what, 0);
}

int csp_scope(csp_time by)
{
    static const char what[] = "enter a scope";
    if (by == CSP_NOW || by < CSP_FOREVER)
        return csp__failf(EINVAL, "%s: its deadline is a time as csp_in gives it, or CSP_FOREVER", what);
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    struct csp__scope *s = malloc(sizeof *s);
    if (s == NULL)
        return csp__fail(ENOMEM, what, 0);
    if (say_scope(line, what, 0, by, GRACE_NS) != 0) {
        int err = errno;
        free(s);
        errno = err;
        return -1;
    }
    *s = (struct csp__scope){
        .outer = line->scope, .number = line->head.channel, .deadline = by, .cancelled = csp__scope_how(line)};
    line->scope = s;
    return 0;
}

/* The line of this thread, which is in a scope; NULL with the error noted. */
static struct csp__line *line_in_scope(const char *what)
{
    struct csp__line *line = csp__line(what);
    if (line != NULL && line->scope == NULL) {
        csp__failf(EINVAL, "%s: this thread is in none", what);
        return NULL;
    }
    return line;
}

int csp_scope_grace(int64_t ms)
{
    static const char what[] = "set the grace of a scope";
    csp_time ns;
    if (ms < 0)
        return csp__failf(EINVAL, "%s: it is at least 0 ms", what);
    struct csp__line *line = line_in_scope(what);
    if (line == NULL)
        return -1;
    if (__builtin_mul_overflow(ms, (csp_time)1000000, &ns))
        ns = INT64_MAX;
    return say_scope(line, what, line->scope->number, line->scope->deadline, ns);
}

int csp_scope_cancel(void)
{
    static const char what[] = "cancel a scope";
    struct csp__line *line = line_in_scope(what);
    if (line == NULL)
        return -1;
    struct csp__request r = {.type = WIRE_CANCEL, .chan = line->scope->number, .count = WIRE_ONE_SCOPE};
    int err = csp__ask(line, &r, CSP_FOREVER, 0, NULL, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, what, 0);
    mark(line, line->scope, CSP_CANCELLED);
    return 0;
}

/* Waits until every member has ended. */
static int await_members(const struct csp__line *line, const struct csp__call *call)
{
    struct csp__scope *s = line->scope;
    struct wire_exit first = {.how = CSP_CLEAN};
    csp_case ended = {.op = CSP__OP_SCOPE, .chan = s->number, .buf = &first};
    if (s->over)
        return 0;
    if (csp__select(&ended, 1, CSP_FOREVER, 0, call) < 0)
        return -1;
    s->first = (csp_exit){.how = first.how, .code = first.code};
    s->over = 1;
    return 0;
}

static int reap_members(const struct csp__line *line, const struct csp__call *call)
{
    csp_proc p;
    while ((p = csp__child_of_scope(line->scope->number)) > 0) {
        csp_case ended = csp_on_exit(p, NULL);
        if (csp__select(&ended, 1, CSP_FOREVER, 0, call) < 0 && errno != ECHILD) /* another thread has reaped it */
            return -1;
    }
    return 0;
}

CSP__ENTRY int csp_scope_leave(csp_exit *first)
{
    const struct csp__call *call = CSP__CALL("leave a scope");
    struct csp__line *line = line_in_scope(call->what);
    if (line == NULL)
        return -1;
    shields++;
    int result = await_members(line, call) == 0 ? reap_members(line, call) : -1;
    shields--;
    if (result != 0)
        return -1;
    if (first != NULL)
        *first = line->scope->first;
    pop(line);
    return 0;
}

/* ---- of one thread, of one process */

int csp_shield(int on)
{
    if ((on != 0 && on != 1) || (on == 0 && shields == 0))
        return csp__failf(EINVAL, "shield: 1 begins one, and 0 ends one that was begun");
    return shields += on != 0 ? 1 : -1;
}

/* Of the scope that this program was started in by csp_spawn: its bridge is a member, it is not. */
static csp_time outer_deadline(void)
{
    const char *text = getenv("CSP_DEADLINE");
    csp_time outer = text != NULL ? strtoll(text, NULL, 10) : 0;
    return outer > 0 ? outer : CSP_FOREVER;
}

csp_time csp_deadline(void)
{
    struct csp__line *line = csp__in_run() ? csp__line("deadline") : NULL;
    if (line == NULL || csp__line_join(line) != 0)
        return outer_deadline();
    csp_time nearest = csp__sooner(line->deadline, outer_deadline());
    for (const struct csp__scope *s = line->scope; s != NULL; s = s->outer)
        nearest = csp__sooner(nearest, s->deadline);
    return nearest;
}

int csp_cancel(csp_proc p)
{
    static const char what[] = "cancel a process";
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    int err = ESRCH;
    if (p > 0)
        err =
            csp__ask(line, &(struct csp__request){.type = WIRE_CANCEL, .chan = (csp_chan)p, .count = WIRE_ONE_PROCESS},
                     CSP_FOREVER, 0, NULL, NULL);
    if (err == ESRCH)
        return csp__failf(ESRCH, "%s: there never was a process %" PRId64 " in this run", what, p);
    if (err == EPERM)
        return csp__failf(EPERM, "%s: guests cancel nobody, and nobody cancels a guest", what);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, what, 0);
    if ((uint64_t)p == csp__state.process)
        mark_process(line, CSP_CANCELLED);
    return 0;
}

int csp__fd(void)
{
    const struct csp__line *line = csp__line("descriptor");
    return line != NULL ? line->socket.fd : -1;
}

int csp__cancelled(void)
{
    struct csp__line *line = csp__in_run() ? csp__line("cancelled") : NULL;
    if (line == NULL)
        return 0;
    (void)csp__hold_flush(line); /* the holder's use of the socket would take from the descriptor what it has to show */
    (void)csp__line_pump(line);
    return csp__scope_how(line);
}
