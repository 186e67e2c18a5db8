/* SPDX-License-Identifier: MPL-2.0 */
/* What a cancelled process gets that does not end: a signal after each grace. Decision: its group gets them only where
 * it leads one, and the numbers are asked of the kernel at that moment, while its pidfd still keeps them from being
 * somebody else's. One that was not started yet is not spared: what was due is done when it can be signalled. */
#include "broker.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int signals[] = {[SENTENCE_TERM] = SIGTERM, [SENTENCE_KILL] = SIGKILL};

/* The root's group is the one that its shell made for it, with others in it. */
static bool leads_group(const struct broker *b, const struct process *p)
{
    return p != b->root && p->watched > 1 && syscall(SYS_pidfd_send_signal, p->pidfd, 0, NULL, 0) == 0 &&
           getpgid(p->watched) == p->watched;
}

void sentence_signal(const struct broker *b, const struct process *p, int number)
{
    if (!leads_group(b, p) || kill(-p->watched, number) != 0)
        syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0);
}

static void carry_out(struct broker *b, struct timer *t)
{
    struct process *p = LIST_OWNER(t, struct process, timer);
    if (p->pidfd < 0)
        return; /* sentence_resume() */
    int number = signals[p->sentence];
    sentence_signal(b, p, number);
    if (p->program > 1)
        kill(-p->program, number);
    if (++p->sentence != SENTENCE_NONE)
        timer_set(&b->timers, &p->timer, timer_after(b->now, p->grace), carry_out);
}

void sentence_pass(struct broker *b, struct process *p, int64_t grace)
{
    p->grace = grace;
    timer_set(&b->timers, &p->timer, timer_after(b->now, grace), carry_out);
}

void sentence_resume(struct broker *b, struct process *p)
{
    if (p->cancelled != HOW_CLEAN && !timer_is_set(&p->timer) && p->sentence != SENTENCE_NONE)
        timer_set(&b->timers, &p->timer, b->now, carry_out);
}
