/* SPDX-License-Identifier: MPL-2.0 */
/* Who can move, and who can be woken by those: section 12 of docs/protocol.md. Decision: a least fixpoint over the
 * whole state at one instant. Whoever is alive by itself is woken first; then what each that is woken may do (send,
 * receive, drop, close, end, fail, leave) wakes those who wait for it, until nothing is added. So a cycle of waits
 * stays asleep without being looked for; and a doubt is always on the side of life. */
#include "alive.h"
#include "lease.h"
#include "pair.h"

#define MAY_RETURN     4 /* with END_SEND and END_RECV: has values of the channel out */
#define OPERATION(ops) (1u << (ops))

bool alive_is_stuck(const struct process *p)
{
    return !p->alive && !p->guest && p->state == PROCESS_ATTACHED;
}

/* ---- who is alive by itself ------------------------------------------------------------------------------------- */

/* The end that a case needs another one to use. */
static bool is_send(unsigned op)
{
    return op == WIRE_OP_SEND || op == WIRE_OP_PUT || op == WIRE_OP_FLUSH;
}

static bool is_receive(unsigned op)
{
    return op == WIRE_OP_RECV || op == WIRE_OP_TAKE;
}

/* Guests come to a named channel that is open and whose other end no process holds; and to one that never closes where
 * only those hold it who hold this one too: a queue that feeds itself must begin with something. */
static bool is_for_guests(const struct channel *c, unsigned op, bool hopes)
{
    if (c->kind == WIRE_GROUP || c->name == NULL)
        return false;
    if (hopes && c->policy == WIRE_CLOSE_NEVER)
        return true;
    uint64_t loop = c->policy == WIRE_CLOSE_NEVER ? c->both : 0;
    if (is_send(op))
        return c->receivers == loop && c->state != CHANNEL_BROKEN;
    return c->senders == loop && c->state == CHANNEL_OPEN;
}

/* Its caller has been told what it waits for. */
static bool stream_is_ready(const struct line *l, const struct channel *c, const struct offer_case *oc)
{
    if (oc->op == WIRE_OP_TAKE) {
        const struct receiving *r = receiving_find(l, c);
        if (r != NULL && !r->closed && pair_receives(r))
            return pair_has_value(r);
        return r == NULL || r->closed || !r->hungry; /* hungry: it has taken all that was delivered, and said so */
    }
    const struct sending *s = sending_find(l, c);
    if (s != NULL && pair_sends(s))
        return pair_has_room(s);
    if (s == NULL || s->refused || s->waiting == 0)
        return true;
    uint64_t cost = oc->length != 0 ? oc->length : 1;
    return oc->op == WIRE_OP_PUT && s->outstanding <= s->window && cost <= s->window - s->outstanding;
}

/* What the case waits for has happened, or does not depend on any process that is here. */
static bool case_is_open(const struct pass *s, const struct line *l, const struct offer_case *oc)
{
    if (oc->op == WIRE_OP_TIME || oc->op == WIRE_OP_FD)
        return true;
    if (oc->op == WIRE_OP_EXIT) {
        const struct process *p = process_find(s->b, oc->object);
        return p == NULL || p->state == PROCESS_ENDED || p->dead;
    }
    if ((!is_send(oc->op) && !is_receive(oc->op)) || oc->object == 0)
        return false;
    const struct channel *c = channel_find(s->b, oc->object);
    if (c == NULL || is_for_guests(c, oc->op, s->hopes))
        return true;
    if (is_receive(oc->op) && c->settings != NULL && c->settings->backing_off != 0)
        return true;
    return oc->op != WIRE_OP_SEND && oc->op != WIRE_OP_RECV && stream_is_ready(l, c, oc);
}

static bool line_is_alive(const struct pass *s, const struct line *l)
{
    const struct offer *o = l->offer;
    if (o == NULL || o->deadline >= 0 || !list_empty(&l->gone))
        return true;
    if (pair_moves(l) || (scope_deadline(l->scope) >= 0 && !o->shielded && !o->leaves))
        return true;
    for (uint32_t i = 0; i < o->count; i++)
        if (case_is_open(s, l, &o->cases[i]))
            return true;
    return false;
}

static bool holds_lease(const struct process *p)
{
    for (const struct list *node = p->leases.next; node != &p->leases; node = node->next)
        if (LIST_OWNER(node, const struct holding, of_process)->count != 0)
            return true;
    return false;
}

static bool is_alive(struct pass *s, struct process *p)
{
    if (p->state == PROCESS_ENDED || (p->guest && !p->uses))
        return false; /* it wakes nobody */
    if (p->standing)
        return false; /* but when it is started, and that depends on the one before it */
    if (p->dead || p->fault != NULL || p->program != 0 || !list_empty(&p->pending) || list_empty(&p->lines) ||
        p->cancelled != HOW_CLEAN || scope_deadline(p->scope) >= 0)
        return true;
    if (p->expired || (timer_is_set(&p->overdue) && holds_lease(p)))
        return true; /* it is killed, unless it settles what it holds */
    LIST_EACH(node, next, &p->lines)
    if (line_is_alive(s, LIST_OWNER(node, struct line, node)))
        return true;
    if (p->threads_until > s->now && p->threads_until < s->thread)
        s->thread = p->threads_until;
    return p->threads_until > s->now;
}

/* ---- who can be woken ------------------------------------------------------------------------------------------- */

static void wake(struct pass *s, struct process *p)
{
    if (p->alive)
        return;
    s->asleep -= alive_is_stuck(p);
    p->alive = true;
    list_push(&s->processes, &p->woken);
}

/* One who is alive may use these ends of the channel. */
static void reach(struct pass *s, struct channel *c, unsigned how)
{
    if ((how & ~c->reached) == 0)
        return;
    c->reached |= how;
    list_remove(&c->woken);
    list_push(&s->channels, &c->woken);
}

/* One who is alive may cancel the scope. */
static void reach_scope(struct pass *s, struct scope *scope)
{
    if (scope == NULL || scope->reached)
        return;
    scope->reached = true;
    list_push(&s->scopes, &scope->woken);
}

static void wake_queue(struct pass *s, const struct list *queue, bool guests_only)
{
    for (struct list *node = queue->next; node != queue; node = node->next) {
        struct waiter *w = LIST_OWNER(node, struct waiter, node);
        uint32_t which;
        if (w->kind != WAITER_CASE)
            continue;
        struct process *p = offer_of(w, &which)->line->process;
        if (!guests_only || p->guest)
            wake(s, p);
    }
}

/* The line waits for one of these operations on the channel. */
static void wake_stream(struct pass *s, const struct line *l, unsigned ops, const struct channel *c)
{
    if (l == NULL || l->process->alive || l->offer == NULL)
        return;
    const struct offer *o = l->offer;
    for (uint32_t i = 0; i < o->count; i++)
        if ((OPERATION(o->cases[i].op) & ops) != 0 && o->cases[i].object == c->item.key) {
            wake(s, l->process);
            return;
        }
}

static void wake_senders(struct pass *s, const struct channel *c)
{
    wake_queue(s, &c->sending, false);
    for (const struct list *node = c->put_streams.next; node != &c->put_streams; node = node->next)
        wake_stream(s, LIST_OWNER(node, struct sending, on_channel)->line,
                    OPERATION(WIRE_OP_PUT) | OPERATION(WIRE_OP_FLUSH), c);
}

static void wake_receivers(struct pass *s, const struct channel *c)
{
    wake_queue(s, &c->receiving, false);
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next)
        wake_stream(s, LIST_OWNER(node, struct receiving, on_channel)->line, OPERATION(WIRE_OP_TAKE), c);
}

static void reach_attached(struct pass *s, const struct attached *a)
{
    if (a->channel != NULL)
        reach(s, a->channel, a->ends);
}

/* Who may receive from the channel may get what is attached to its values. */
static void reach_values(struct pass *s, const struct channel *c)
{
    for (const struct list *node = c->buffer.next; node != &c->buffer; node = node->next)
        reach_attached(s, &LIST_OWNER(node, struct block, wait.node)->attached);
    const struct list *delayed = c->settings != NULL ? &c->settings->delayed : NULL;
    for (const struct list *node = delayed; delayed != NULL && (node = node->next) != delayed;)
        reach_attached(s, &backoff_block(node)->attached);
    for (const struct list *node = c->sending.next; node != &c->sending; node = node->next) {
        struct waiter *w = LIST_OWNER(node, struct waiter, node);
        if (w->kind == WAITER_CASE)
            reach_attached(s, &LIST_OWNER(w, struct offer_case, wait)->attached);
    }
}

/* What is attached to the dead letters that wait for it: who receives them gets that, who closes it frees that. */
static void reach_letters(struct pass *s, const struct channel *c)
{
    for (const struct list *node = c->sending.next; !list_empty(&c->sources) && node != &c->sending; node = node->next)
        if (LIST_OWNER(node, struct waiter, node)->kind == WAITER_BLOCK)
            reach_attached(s, &LIST_OWNER(node, struct block, wait.node)->attached);
}

static void reach_parked(void *pass, struct channel *c)
{
    reach(pass, c, END_SEND);
}

/* What may become of its values for other channels. */
static void follow_settings(struct pass *s, const struct channel *c, unsigned fresh)
{
    if (c->settings != NULL && c->settings->dead != NULL)
        reach(s, c->settings->dead, END_SEND);
    if (c->settings != NULL)
        parked_each(c, reach_parked, s);
    if ((fresh & (END_SEND | END_RECV)) == 0)
        return;
    reach_letters(s, c);
    LIST_EACH(node, next, &c->sources)
    {
        const struct settings *source = LIST_OWNER(node, const struct settings, of_dead);
        if (source->letters.waiting != 0)
            reach(s, source->channel, MAY_RETURN);
    }
}

static void follow_channel(struct pass *s, struct channel *c)
{
    unsigned fresh = c->reached & ~c->followed;
    c->followed = c->reached;
    follow_settings(s, c, fresh);
    if ((fresh & (END_SEND | END_RECV)) != 0)
        wake_senders(s, c); /* by a receive, a drop, a close */
    if ((fresh & (END_SEND | MAY_RETURN)) != 0)
        wake_receivers(s, c);
    if ((fresh & END_RECV) != 0) {
        wake_queue(s, &c->receiving, c->kind != WIRE_GROUP); /* a guest hears of a break; others hold the end too */
        reach_values(s, c);
    }
}

/* One inside of it goes when it is empty, for its line has ended; that may be what those around wait for. */
static void wake_leaver(struct pass *s, const struct scope *scope)
{
    while (scope != NULL && scope->line == NULL)
        scope = scope->around;
    if (scope != NULL && scope->line->offer != NULL && scope->line->offer->leaves)
        wake(s, scope->line->process);
}

/* What is cancelled with it; or its members may just end. */
static void follow_scope(struct pass *s, struct scope *scope)
{
    LIST_EACH(node, next, &scope->members)
    wake(s, LIST_OWNER(node, struct process, member));
    LIST_EACH(node, next, &scope->inside)
    reach_scope(s, LIST_OWNER(node, struct scope, sibling));
    const struct offer *o = scope->line != NULL ? scope->line->offer : NULL;
    if (o != NULL && (o->leaves || !o->shielded))
        wake(s, scope->line->process);
    if (scope->line == NULL)
        wake_leaver(s, scope->around);
}

static void follow_line(struct pass *s, const struct line *l)
{
    for (uint32_t i = 0; l->offer != NULL && i < l->offer->count; i++)
        reach_attached(s, &l->offer->cases[i].attached);
    for (const struct list *node = l->takes.next; node != &l->takes; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, struct receiving, on_line);
        if (!list_empty(&r->out))
            reach(s, r->channel, MAY_RETURN);
        for (const struct list *at = r->out.next; at != &r->out; at = at->next)
            reach_attached(s, &LIST_OWNER(at, struct block, wait.node)->attached);
    }
    for (struct scope *scope = l->scope; scope != NULL && scope->line == l; scope = scope->around)
        reach_scope(s, scope);
}

static void follow_leases(struct pass *s, const struct process *holder)
{
    LIST_EACH(node, next, &holder->leases)
    {
        const struct holding *h = LIST_OWNER(node, const struct holding, of_process);
        if (h->count != 0)
            reach(s, h->channel, MAY_RETURN);
        LIST_EACH(at, after, &h->blocks)
        reach_attached(s, &LIST_OWNER(at, struct block, wait.node)->attached);
    }
}

/* Guests hold no end of a named channel, and use them all. */
static void follow_guest(struct pass *s)
{
    struct broker *b = s->b;
    if (s->guests)
        return;
    s->guests = true;
    for (size_t i = 0; i < b->names.size; i++)
        for (struct item *it = b->names.slots[i]; it != NULL; it = it->next)
            reach(s, LIST_OWNER(it, struct channel, by_name), END_SEND | END_RECV);
}

static void follow_process(struct pass *s, struct process *p)
{
    LIST_EACH(node, next, &p->held)
    {
        const struct end *e = LIST_OWNER(node, struct end, node);
        reach(s, e->channel, e->mask);
    }
    LIST_EACH(node, next, &p->lines)
    follow_line(s, LIST_OWNER(node, struct line, node));
    follow_leases(s, lease_holder(p)); /* a guest may settle those of its host */
    wake_queue(s, &p->awaited, false);
    if (p->successor != NULL)
        wake(s, p->successor); /* it may end */
    reach_scope(s, p->scope);  /* it may fail */
    if (p->guest)
        follow_guest(s);
}

static void forget(struct list *queue)
{
    LIST_EACH(node, next, queue)
    list_remove(node);
}

/* Follows all that was woken, while anybody is left to be woken. */
static void follow(struct pass *s)
{
    struct list *node;
    for (;;) {
        if (s->asleep == 0) {
            forget(&s->processes);
            forget(&s->channels);
            forget(&s->scopes);
            return;
        }
        if ((node = list_first(&s->processes)) != NULL) {
            list_remove(node);
            follow_process(s, LIST_OWNER(node, struct process, woken));
        } else if ((node = list_first(&s->channels)) != NULL) {
            list_remove(node);
            follow_channel(s, LIST_OWNER(node, struct channel, woken));
        } else if ((node = list_first(&s->scopes)) != NULL) {
            list_remove(node);
            follow_scope(s, LIST_OWNER(node, struct scope, woken));
        } else
            return;
    }
}

/* Notes of which channels the process holds both ends. */
static void count_both(const struct process *p)
{
    for (const struct list *node = p->held.next; node != &p->held; node = node->next) {
        const struct end *e = LIST_OWNER(node, struct end, node);
        e->channel->both += e->mask == (END_SEND | END_RECV);
    }
}

void alive_find(struct pass *s, struct broker *b, bool hopes)
{
    *s = (struct pass){.b = b, .now = csp_now(), .thread = INT64_MAX, .hopes = hopes};
    list_init(&s->processes);
    list_init(&s->channels);
    list_init(&s->scopes);
    for (size_t i = 0; i < b->channels.size; i++)
        for (struct item *it = b->channels.slots[i]; it != NULL; it = it->next) {
            struct channel *c = LIST_OWNER(it, struct channel, item);
            c->reached = c->followed = 0;
            c->both = 0;
        }
    LIST_EACH(node, next, &b->all_scopes)
    LIST_OWNER(node, struct scope, all)->reached = false;
    LIST_EACH(node, next, &b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        p->alive = false;
        s->asleep += alive_is_stuck(p);
        count_both(p);
    }
    LIST_EACH(node, next, &b->all)
    {
        struct process *p = LIST_OWNER(node, struct process, all);
        if (is_alive(s, p))
            wake(s, p);
    }
    follow(s);
}

void alive_add(struct pass *s, struct process *p)
{
    wake(s, p);
    follow(s);
}
