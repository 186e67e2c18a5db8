/* SPDX-License-Identifier: MPL-2.0 */
/* Successors: section 17 of docs/protocol.md. Decision: a successor is an ordinary process that holds its ends from its
 * announcement on, so a channel outlives a restart by the one rule that it outlives any of its holders. While it stands
 * by it is nobody who could use them: it is left out where holders are counted for their number, and wakes nobody but
 * through the one whose place it takes. */
#include "broker.h"

#include <errno.h>

static void count(const struct process *p, int by)
{
    for (const struct list *node = p->held.next; node != &p->held; node = node->next) {
        const struct end *e = LIST_OWNER(node, struct end, node);
        e->channel->standing[0] += (uint64_t)((e->mask & END_SEND) != 0 ? by : 0);
        e->channel->standing[1] += (uint64_t)((e->mask & END_RECV) != 0 ? by : 0);
    }
}

int successor_check(const struct broker *b, const struct process *from, uint64_t after)
{
    const struct process *p = after != 0 ? process_find(b, after) : NULL;
    if (p == NULL)
        return after != 0 ? ESRCH : 0;
    if (p->parent != from->item.key)
        return EPERM;
    if (p->successor != NULL)
        return EEXIST;
    return p->before != NULL ? EAGAIN : 0; /* that has values to return and to send: what follows waits for it */
}

void successor_stand(const struct broker *b, struct process *p, uint64_t after)
{
    struct process *before = after != 0 ? process_find(b, after) : NULL;
    if (before == NULL || before->state == PROCESS_ENDED)
        return;
    p->before = before;
    before->successor = p;
    p->standing = p->state == PROCESS_ANNOUNCED;
    if (p->standing)
        count(p, 1);
}

void successor_rise(struct process *p)
{
    if (p->standing)
        count(p, -1);
    p->standing = false;
}

void successor_part(struct process *p)
{
    if (p->before != NULL)
        p->before->successor = NULL;
    if (p->successor != NULL) {
        successor_rise(p->successor);
        p->successor->before = NULL;
    }
    p->before = p->successor = NULL;
}

struct reason successor_reason(const struct process *p, const struct channel *c, struct reason why)
{
    bool goes_on = p->successor != NULL && (ends_of(p->successor, c) & END_SEND) != 0;
    return goes_on ? (struct reason){HOW_CLEAN, 0} : why;
}
