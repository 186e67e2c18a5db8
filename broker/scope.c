/* SPDX-License-Identifier: MPL-2.0 */
/* Scopes and cancellation: section 11 of docs/protocol.md. Decision: whatever cancels a scope or a process marks only
 * that one and notes it; scope_settle() takes the marks inwards, one step at a time, and answers the offers: so a
 * cancellation from the middle of another event's handling meets no half-done state, however deep scopes are nested.
 * A scope is empty when it has no members and no scope inside it: one inside whose line lives has that line's process
 * as a member or is its line's innermost, and one whose line has ended goes as soon as it is empty itself. */
#include "broker.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS INT64_C(5000000000) /* of the run itself */

static bool is_empty(const struct scope *s)
{
    return list_empty(&s->members) && list_empty(&s->inside);
}

/* Notes that a scope may be empty now. */
static void touch(struct broker *b, struct scope *s)
{
    list_remove(&s->emptied);
    list_push(&b->emptied, &s->emptied);
}

/* ---- cancelling ------------------------------------------------------------------------------------------------- */

static void cancel_scope(struct broker *b, struct scope *s, enum how how, int64_t grace)
{
    if (s->cancelled != HOW_CLEAN)
        return;
    s->cancelled = how;
    s->reach = grace;
    timer_stop(&b->timers, &s->timer);
    list_push(&b->cancelling, &s->cancelling);
}

/* One that has died, or whose status is told, ended before. */
static void cancel_process(struct broker *b, struct process *p, enum how how, int64_t grace)
{
    if (p->cancelled != HOW_CLEAN || p->state == PROCESS_ENDED || p->dead || p->reaped || p->fault != NULL)
        return;
    p->cancelled = how;
    list_push(&b->condemned, &p->cancelling);
    sentence_pass(b, p, grace);
}

bool scope_ends(const struct offer *o)
{
    const struct line *l = o->line;
    bool cancelled = l->process->cancelled != HOW_CLEAN || (l->scope != NULL && l->scope->cancelled != HOW_CLEAN);
    return cancelled && !o->shielded && !o->leaves;
}

static void tell(struct broker *b, struct line *l, uint64_t scope, enum how how)
{
    struct wire_head head = wire_head(WIRE_CANCELLED, 0, 0);
    head.channel = scope;
    head.count = how;
    if (l->connected && reply_frame(b, l->route, head, NULL, NULL, 0) != 0)
        process_starve(b, l->process, "no memory to answer it");
}

static void cancel_line(struct broker *b, struct line *l, uint64_t scope, enum how how)
{
    if (l->offer != NULL && scope_ends(l->offer))
        offer_done(b, l->offer, WIRE_NO_CASE, ECANCELED);
    tell(b, l, scope, how);
}

/* The cancellation of a scope reaches its line, the scopes directly inside it and its members. */
static void spread(struct broker *b, struct scope *s)
{
    if (s->line != NULL)
        cancel_line(b, s->line, s->item.key, s->cancelled);
    LIST_EACH(node, next, &s->inside)
    cancel_scope(b, LIST_OWNER(node, struct scope, sibling), s->cancelled, s->reach);
    LIST_EACH(member, next_member, &s->members)
    cancel_process(b, LIST_OWNER(member, struct process, member), s->cancelled, s->reach);
}

/* That of a process reaches its lines and the outermost scope that each has entered, and from there the others. */
static void spread_lines(struct broker *b, struct process *p)
{
    LIST_EACH(node, next, &p->lines)
    {
        struct line *l = LIST_OWNER(node, struct line, node);
        struct scope *s = l->scope;
        cancel_line(b, l, 0, p->cancelled);
        while (s != NULL && s->around != NULL && s->around->line == l)
            s = s->around;
        if (s != NULL)
            cancel_scope(b, s, p->cancelled, p->grace);
    }
}

void scope_welcome(struct broker *b, struct line *l)
{
    if (l->process->cancelled != HOW_CLEAN)
        tell(b, l, 0, l->process->cancelled);
}

static int cancel(struct broker *b, const struct line *l, const struct message *m)
{
    uint64_t id = m->head.channel;
    if (m->head.count > WIRE_ONE_SCOPE)
        return EINVAL;
    if (m->head.count == WIRE_ONE_SCOPE) {
        if (l->scope == NULL || l->scope->item.key != id)
            return EBADF;
        cancel_scope(b, l->scope, HOW_CANCELLED, l->scope->grace);
        return 0;
    }
    struct process *p = process_find(b, id);
    if (id == 0 || id >= b->next_process)
        return ESRCH;
    if (l->process->guest || (p != NULL && p->guest))
        return EPERM;
    if (p != NULL)
        cancel_process(b, p, HOW_CANCELLED, p->scope != NULL ? p->scope->grace : GRACE_NS);
    return 0;
}

void scope_cancel(struct broker *b, struct line *l, const struct message *m)
{
    reply_answer(b, l, m, cancel(b, l, m), NULL, 0);
}

/* ---- entering --------------------------------------------------------------------------------------------------- */

struct scope *scope_of(const struct line *l)
{
    return l->scope != NULL ? l->scope : l->process->scope;
}

int64_t scope_deadline(const struct scope *s)
{
    int64_t nearest = -1;
    for (; s != NULL; s = s->around)
        if (s->deadline >= 0 && (nearest < 0 || s->deadline < nearest))
            nearest = s->deadline;
    return nearest;
}

static void expire(struct broker *b, struct timer *t)
{
    struct scope *s = LIST_OWNER(t, struct scope, timer);
    cancel_scope(b, s, HOW_DEADLINE, s->grace);
}

static struct scope *scope_new(struct broker *b, struct line *l)
{
    struct scope *s = calloc(1, sizeof *s);
    if (s == NULL || table_add(&b->scopes, &s->item, b->next_scope) != 0) {
        free(s);
        return NULL;
    }
    b->next_scope++;
    s->line = l;
    s->since = b->now;
    s->around = scope_of(l);
    list_init(&s->cancelling);
    list_init(&s->emptied);
    list_init(&s->woken);
    list_init(&s->inside);
    list_init(&s->sibling);
    list_init(&s->members);
    list_push(&b->all_scopes, &s->all);
    if (s->around != NULL)
        list_push(&s->around->inside, &s->sibling);
    l->scope = s;
    return s;
}

/* What was entered inside of something cancelled is cancelled with it; a deadline may have passed. */
static void set(struct broker *b, struct scope *s, const struct wire_scope *w)
{
    const struct process *p = s->line->process;
    s->deadline = w->deadline;
    s->grace = w->grace;
    if (s->around != NULL && s->around->cancelled != HOW_CLEAN)
        cancel_scope(b, s, s->around->cancelled, s->around->reach);
    else if (p->cancelled != HOW_CLEAN)
        cancel_scope(b, s, p->cancelled, p->grace);
    else if (s->cancelled == HOW_CLEAN && s->deadline >= 0)
        timer_set(&b->timers, &s->timer, s->deadline, expire);
    else
        timer_stop(&b->timers, &s->timer);
    if (timer_is_set(&s->timer) && s->deadline <= b->now)
        cancel_scope(b, s, HOW_DEADLINE, s->grace);
}

void scope_enter(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_scope w;
    memcpy(&w, m->payload, sizeof w);
    struct message answer = *m;
    struct scope *s = NULL;
    int err = 0;
    if (w.deadline < -1 || w.grace < 0)
        err = EINVAL;
    else if (m->head.channel != 0 && (l->scope == NULL || l->scope->item.key != m->head.channel))
        err = EBADF;
    else {
        s = m->head.channel != 0 ? l->scope : scope_new(b, l);
        err = s == NULL ? ENOMEM : 0;
    }
    if (s != NULL) {
        answer.head.channel = s->item.key;
        set(b, s, &w);
    }
    reply_answer(b, l, &answer, err, NULL, 0);
}

void scope_join(struct scope *s, struct process *p)
{
    p->scope = s;
    list_push(&s->members, &p->member);
}

/* ---- leaving ---------------------------------------------------------------------------------------------------- */

/* The line is in its innermost scope no longer. */
static void detach(struct line *l)
{
    struct scope *s = l->scope, *around = s->around;
    l->scope = around != NULL && around->line == l ? around : NULL;
    s->line = NULL;
}

/* Nobody is in it, and its line has left or ended. */
static void scope_free(struct broker *b, struct scope *s)
{
    if (s->around != NULL)
        touch(b, s->around);
    timer_stop(&b->timers, &s->timer);
    list_remove(&s->all);
    list_remove(&s->cancelling);
    list_remove(&s->emptied);
    list_remove(&s->sibling);
    table_remove(&b->scopes, &s->item);
    free(s);
}

void scope_part(struct broker *b, struct process *p, struct reason why)
{
    struct scope *s = p->scope;
    timer_stop(&b->timers, &p->timer);
    list_remove(&p->cancelling);
    if (s == NULL)
        return;
    p->scope = NULL;
    list_remove(&p->member);
    touch(b, s);
    if (why.how == HOW_CLEAN || p->cancelled != HOW_CLEAN || s->cancelled != HOW_CLEAN)
        return;
    s->failed = p->item.key;
    s->first = why;
    cancel_scope(b, s, HOW_CANCELLED, s->grace);
}

void scope_abandon(struct broker *b, struct line *l)
{
    for (struct scope *s; (s = l->scope) != NULL;) {
        detach(l);
        if (!is_empty(s))
            cancel_scope(b, s, HOW_CANCELLED, s->grace);
        touch(b, s);
    }
}

int scope_ready(const struct offer_case *oc)
{
    const struct scope *s = oc->offer->line->scope;
    if (oc->object == 0)
        return NOT_READY;
    if (s == NULL || s->item.key != oc->object)
        return EBADF;
    return is_empty(s) ? 0 : NOT_READY;
}

void scope_leave(struct broker *b, struct offer *o, uint32_t which)
{
    struct line *l = o->line;
    struct scope *s = l->scope;
    struct wire_exit why = {s->failed, s->first.how, s->first.code};
    if (s->failed == 0)
        why.how = (int32_t)s->cancelled;
    if (reply_commit(b, o, which, NULL, 0, NULL, &why, sizeof why) != 0) {
        offer_done(b, o, which, ENOMEM);
        return;
    }
    record_commit(b, o, which, 0, NULL, NULL, 0);
    offer_end(b, o);
    detach(l);
    scope_free(b, s);
}

/* ---- what follows ----------------------------------------------------------------------------------------------- */

/* A scope that may be empty: it goes, or its line, which waits for that, leaves it. */
static void conclude(struct broker *b, struct scope *s)
{
    struct offer *o = s->line != NULL ? s->line->offer : NULL;
    if (!is_empty(s))
        return;
    if (s->line == NULL)
        scope_free(b, s);
    else if (o != NULL && o->leaves && s->line->scope == s)
        for (uint32_t i = 0; i < o->count; i++)
            if (o->cases[i].op == WIRE_OP_SCOPE && o->cases[i].object == s->item.key) {
                scope_leave(b, o, i);
                return;
            }
}

void scope_settle(struct broker *b)
{
    struct list *node;
    for (;;) {
        if ((node = list_first(&b->condemned)) != NULL) { /* before the scopes that it has entered */
            list_remove(node);
            spread_lines(b, LIST_OWNER(node, struct process, cancelling));
        } else if ((node = list_first(&b->cancelling)) != NULL) {
            list_remove(node);
            spread(b, LIST_OWNER(node, struct scope, cancelling));
        } else if ((node = list_first(&b->emptied)) != NULL) {
            list_remove(node);
            conclude(b, LIST_OWNER(node, struct scope, emptied));
        } else
            return;
    }
}
