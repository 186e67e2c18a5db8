/* SPDX-License-Identifier: MPL-2.0 */
/* Who holds a lease for too long is killed: section 16 of docs/protocol.md. Decision: one timer a process, set when it
 * has its first lease; when that goes off it is looked for the oldest one. What was delivered ahead waits for that, so
 * its own time begins when that is settled. So a lease costs nothing for its timeout but where one is near it. What is
 * redelivered waits for the death, so that no two ever do the same value because of it.
 */
#include "lease.h"

#include <signal.h>

static int64_t oldest(const struct process *p)
{
    int64_t at = INT64_MAX;
    for (const struct list *node = p->leases.next; node != &p->leases; node = node->next) {
        const struct holding *h = LIST_OWNER(node, const struct holding, of_process);
        int64_t first = INT64_MAX;
        for (const struct list *of = h->blocks.next; of != &h->blocks; of = of->next) {
            const struct block *block = LIST_OWNER(of, const struct block, wait.node);
            first = block->since < first ? block->since : first;
        }
        first = h->since > first ? h->since : first;
        at = first < at ? first : at;
    }
    return at;
}

static void due(struct broker *b, struct timer *t)
{
    struct process *p = LIST_OWNER(t, struct process, overdue);
    int64_t since = oldest(p);
    if (since == INT64_MAX || p->dead)
        return;
    int64_t at = timer_after(since, p->timeout);
    if (at > b->now) {
        timer_set(&b->timers, t, at, due);
        return;
    }
    p->expired = true;
    if (p->program > 1)
        kill(-p->program, SIGKILL);
    if (p->pidfd >= 0)
        sentence_signal(b, p, SIGKILL);
}

void timeout_start(struct broker *b, struct process *p)
{
    if (p->timeout != 0 && !p->expired && !timer_is_set(&p->overdue))
        timer_set(&b->timers, &p->overdue, timer_after(b->now, p->timeout), due);
}
