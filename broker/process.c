/* SPDX-License-Identifier: MPL-2.0 */
/* Processes: announced, started, attached, ended. Decision: all that a process has goes in one place, process_end(), in
 * one order (offers, streams, ends), whatever ended it; and a grant that fails for want of memory leaves nothing,
 * because the ends are all reserved before the first is given. */
#include "lease.h"
#include "record.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS INT64_C(1000000000) /* for a process whose announcer ended before it could say STARTED */

struct process *process_find(const struct broker *b, uint64_t id)
{
    struct item *i = table_find(&b->processes, id);
    return i != NULL ? LIST_OWNER(i, struct process, item) : NULL;
}

struct process *process_new(struct broker *b, const char *name, size_t length)
{
    struct process *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    if (length != 0)
        p->name = strndup(name, length);
    if ((length != 0 && p->name == NULL) || table_add(&b->processes, &p->item, b->next_process) != 0) {
        free(p->name);
        free(p);
        return NULL;
    }
    b->next_process++;
    b->live++;
    p->pidfd = -1;
    p->since = b->now;
    list_push(&b->all, &p->all);
    list_init(&p->pending);
    list_init(&p->sibling);
    list_init(&p->children);
    list_init(&p->held);
    list_init(&p->lines);
    list_init(&p->member);
    list_init(&p->cancelling);
    list_init(&p->zombie);
    list_init(&p->zombies);
    list_init(&p->leases);
    list_init(&p->inside);
    list_init(&p->guest_of);
    list_init(&p->awaited);
    list_init(&p->woken);
    return p;
}

void process_free(struct broker *b, struct process *p)
{
    watch_close(b, p);
    LIST_EACH(node, next, &p->held)
    free(LIST_OWNER(node, struct end, node));
    table_free(&p->ends);
    list_remove(&p->guest_of);
    table_remove(&b->processes, &p->item);
    list_remove(&p->all);
    list_remove(&p->pending);
    list_remove(&p->sibling);
    list_remove(&p->zombie);
    LIST_EACH(node, next, &p->awaited)
    list_remove(node);
    if (p->state != PROCESS_ENDED)
        b->live--;
    if (p->ticket != 0)
        table_remove(&b->tickets, &p->by_ticket);
    free(p->name);
    free(p);
}

/* Its end was noticed, by its pidfd too where it has one. */
static bool is_gone(const struct process *p)
{
    return p->state == PROCESS_ENDED && (p->dead || p->pidfd < 0);
}

void process_forget(struct broker *b, struct process *p)
{
    if (list_empty(&p->zombie))
        process_free(b, p);
    else {
        watch_close(b, p);
        list_remove(&p->all);
    }
}

/* Its announcer asks no more how it ended. */
static void unkeep(struct broker *b, struct process *p)
{
    list_remove(&p->zombie);
    if (is_gone(p))
        process_free(b, p);
}

struct reason process_reason(const struct process *p, struct reason why)
{
    bool code = why.how == HOW_CODE && why.code >= 0 && why.code < 256;
    if (why.how == HOW_CLEAN || (code && (why.code == 0 || (p->success[why.code / 8] >> why.code % 8 & 1) != 0)))
        return (struct reason){HOW_CLEAN, 0};
    bool own = why.how == HOW_SIGNAL && why.code != 0 && why.code != SIGTERM && why.code != SIGKILL;
    return p->cancelled != HOW_CLEAN && !own ? (struct reason){p->cancelled, 0} : why;
}

void process_end(struct broker *b, struct process *p, struct reason why)
{
    if (p->state == PROCESS_ENDED)
        return;
    why = process_reason(p, why);
    record_buried(b, p, why);
    successor_rise(p);
    LIST_EACH(node, next, &p->lines)
    line_end(b, LIST_OWNER(node, struct line, node), why);
    ends_release_all(b, p, why);
    lease_end(b, p, why);
    LIST_EACH(child, next_child, &p->children)
    {
        struct process *c = LIST_OWNER(child, struct process, sibling);
        list_remove(child);
        c->deadline = b->now + GRACE_NS;
        list_remove(&c->pending);
        list_push(&b->graced, &c->pending);
    }
    list_remove(&p->sibling);
    list_remove(&p->pending);
    if (p->ticket != 0)
        table_remove(&b->tickets, &p->by_ticket);
    p->ticket = 0;
    p->state = PROCESS_ENDED;
    p->since = b->now;
    p->reason = why;
    b->live--;
    scope_part(b, p, p->successor != NULL ? (struct reason){HOW_CLEAN, 0} : why);
    successor_part(p);
    deadlock_possible(b);
    LIST_EACH(node, next, &p->zombies)
    unkeep(b, LIST_OWNER(node, struct process, zombie));
    if (p == b->root)
        b->over = true;
    else if (is_gone(p) || p->guest) /* any other may live on, and is killed when the run ends */
        process_forget(b, p);
}

void process_fail(struct broker *b, struct process *p, const char *fault)
{
    if (p->fault != NULL || p->state == PROCESS_ENDED)
        return;
    p->fault = fault;
    list_remove(&p->pending);
    list_push(&b->failing, &p->pending);
}

void process_starve(struct broker *b, struct process *p, const char *fault)
{
    process_fail(b, p, fault);
    p->starved = true;
    if (p->state != PROCESS_ENDED && !p->dead && p->pidfd >= 0 && !p->guest && p->pid != b->root->pid)
        sentence_signal(b, p, SIGKILL);
}

void process_fail_all(struct broker *b)
{
    for (struct list *node; (node = list_first(&b->failing)) != NULL;) {
        struct process *p = LIST_OWNER(node, struct process, pending);
        fprintf(stderr, "broker: process %llu (%s): %s: it is treated as dead\n", (unsigned long long)p->item.key,
                p->name != NULL ? p->name : "-", p->fault);
        process_end(b, p, p->dead || p->reaped ? p->reason : (struct reason){HOW_SIGNAL, 0});
    }
}

/* Reserves and then grants what an ANNOUNCE lists. 0 or an errno, and nothing was granted. */
static int grant(struct broker *b, struct process *from, struct process *to, const struct message *m)
{
    const unsigned char *list = m->payload + sizeof(struct wire_announce);
    bool inherit = (m->head.flags & WIRE_INHERIT) != 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < m->head.count; i++) {
            struct wire_ends w;
            memcpy(&w, list + (size_t)i * sizeof w, sizeof w);
            struct channel *c = channel_find(b, w.channel);
            if (w.ends == 0 || w.ends > (END_SEND | END_RECV))
                return EINVAL;
            bool may_any = c != NULL && from == b->root && c->name != NULL;
            if (c == NULL || (!may_any && (ends_of(from, c) & w.ends) != w.ends))
                return EBADF;
            if (pass == 1)
                ends_grant(to, c, w.ends);
            else if (ends_reserve(to, c) != 0)
                return ENOMEM;
        }
        LIST_EACH(node, next, &from->held)
        {
            struct end *e = LIST_OWNER(node, struct end, node);
            if (!inherit || e->mask == 0)
                continue;
            if (pass == 1)
                ends_grant(to, e->channel, e->mask);
            else if (ends_reserve(to, e->channel) != 0)
                return ENOMEM;
        }
    }
    return 0;
}

/* Of a process that is there already, and waits for its ticket. 0 or an errno. */
static int watch_announced(struct broker *b, struct process *p, uint32_t pid)
{
    if (pid > INT32_MAX)
        return EINVAL;
    int err = watch_process(b, p, (pid_t)pid);
    if (err == 0)
        p->state = PROCESS_STARTED;
    return err;
}

static int announce(struct broker *b, struct line *l, const struct message *m, struct wire_announced *answer)
{
    struct process *from = l->process;
    struct scope *s = scope_of(l);
    struct wire_announce w;
    memcpy(&w, m->payload, sizeof w);
    size_t fixed = sizeof w + (size_t)m->head.count * sizeof(struct wire_ends), length = m->head.length - fixed;
    const char *name = (const char *)m->payload + fixed;
    if (!name_is_good(name, length))
        return EINVAL;
    if (s != NULL && s->cancelled != HOW_CLEAN)
        return ECANCELED;
    if (b->live >= b->limit)
        return ENOBUFS;
    struct process *p = process_new(b, name, length);
    if (p == NULL)
        return ENOMEM;
    uint64_t ticket;
    do
        ticket = random_next(&b->random);
    while (ticket == 0 || table_find(&b->tickets, ticket) != NULL);
    int err = table_add(&b->tickets, &p->by_ticket, ticket) != 0 ? ENOMEM : 0;
    p->ticket = err == 0 ? ticket : 0;
    if (err == 0 && w.pid != 0)
        err = watch_announced(b, p, w.pid);
    if (err == 0)
        err = successor_check(b, from, w.after);
    if (err == 0)
        err = grant(b, from, p, m);
    if (err != 0) {
        process_free(b, p);
        return err;
    }
    successor_stand(b, p, w.after);
    p->parent = from->item.key;
    p->replica = w.replica;
    p->function = w.function;
    p->timeout = w.timeout > 0 ? w.timeout : 0;
    memcpy(p->success, w.success, sizeof p->success);
    if (p->state == PROCESS_ANNOUNCED)
        list_push(&from->children, &p->sibling);
    list_push(&from->zombies, &p->zombie);
    if (s != NULL)
        scope_join(s, p);
    *answer = (struct wire_announced){p->item.key, p->ticket};
    return 0;
}

void process_announce(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_announced answer = {0};
    int err = announce(b, l, m, &answer);
    reply_answer(b, l, m, err, &answer, sizeof answer);
}

/* The process that a STARTED or REAPED means. NULL with *err, which is 0 where it is known no more. */
static struct process *meant(const struct broker *b, const struct line *l, uint64_t id, bool root_may, int *err)
{
    struct process *p = process_find(b, id);
    *err = id == 0 || id >= b->next_process ? ESRCH : 0;
    if (p != NULL && p->parent != l->process->item.key && !(root_may && l->process == b->root))
        *err = EPERM;
    return *err == 0 ? p : NULL;
}

static int started(struct broker *b, struct process *p, uint32_t pid)
{
    if (pid == 0) {
        if (p->state != PROCESS_ANNOUNCED)
            return EINVAL;
        list_remove(&p->zombie); /* there is nothing to reap */
        process_end(b, p, (struct reason){HOW_CLEAN, 0});
        return 0;
    }
    if (pid > INT32_MAX)
        return EINVAL;
    if (p->pidfd < 0) {
        int err = watch_process(b, p, (pid_t)pid);
        if (err == ESRCH) {
            process_end(b, p, (struct reason){HOW_SIGNAL, 0});
            return 0;
        }
        if (err != 0)
            return err;
    }
    p->pid = (pid_t)pid;
    successor_rise(p);
    if (p->state == PROCESS_ANNOUNCED) {
        p->state = PROCESS_STARTED;
        p->since = b->now;
    }
    list_remove(&p->sibling);
    return 0;
}

void process_started(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_started w;
    memcpy(&w, m->payload, sizeof w);
    int err;
    struct process *p = meant(b, l, w.process, false, &err);
    if (p != NULL && p->state != PROCESS_ENDED)
        err = started(b, p, w.pid);
    reply_answer(b, l, m, err, NULL, 0);
}

/* Who says REAPED of it knows its status. How it ended for the run: from now on nothing changes that. */
static struct reason reaped(struct broker *b, const struct line *l, struct process *p, struct reason status)
{
    if (p->state != PROCESS_ENDED && !p->reaped) {
        p->reaped = true;
        p->reason = process_reason(p, status);
    }
    struct reason why = p->reason;
    if (p->parent == l->process->item.key)
        list_remove(&p->zombie);
    if (p->state != PROCESS_ENDED && p->pidfd < 0)
        process_end(b, p, why);
    else if (list_empty(&p->zombie) && is_gone(p))
        process_free(b, p);
    return why;
}

void process_reaped(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_exit w;
    memcpy(&w, m->payload, sizeof w);
    int err;
    struct process *p = meant(b, l, w.process, true, &err);
    if (w.how < HOW_CLEAN || w.how > HOW_DEADLINE)
        err = EINVAL;
    else if (p != NULL) {
        struct reason why = reaped(b, l, p, (struct reason){w.how, w.code});
        w.how = why.how;
        w.code = why.code;
    }
    reply_answer(b, l, m, err, &w, sizeof w);
}
