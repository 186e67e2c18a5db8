/* SPDX-License-Identifier: MPL-2.0 */
/* The end of the run. Decision: it is answered and the directory goes only when everybody is dead, so that who sees the
 * end of a run finds nothing of it. Guests came from outside and live on: their calls fail. */
#include "broker.h"
#include "durable.h"
#include "polling.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEATH_MS 2000 /* for processes to die of SIGKILL */

/* A root that said BYE lives, and waits for the answer; and one that there was no memory for finds the broker gone. */
static bool must_die(const struct broker *b, const struct process *p)
{
    return p->pidfd >= 0 && !p->dead && !p->guest && !((b->bye || b->root->starved) && p->pid == b->root->pid);
}

/* Ends a bridge's program, with its group, and waits for it. */
static void end_program(pid_t group, int64_t until)
{
    int leader = (int)syscall(SYS_pidfd_open, group, 0);
    kill(-group, SIGKILL);
    if (leader < 0)
        return;
    (void)csp__poll_in(leader, until);
    close(leader);
}

void ending_kill(struct broker *b)
{
    int64_t until = csp_now() + INT64_C(1000000) * DEATH_MS;
    reporter_stop(b);
    /* Programs before bridges: one whose bridge is gone would see its end of file, and take a part for the whole. */
    LIST_EACH(node, next, &b->all)
    {
        const struct process *p = LIST_OWNER(node, struct process, all);
        if (p->program > 1)
            end_program(p->program, until);
    }
    LIST_EACH(node, next, &b->all)
    {
        const struct process *p = LIST_OWNER(node, struct process, all);
        if (must_die(b, p))
            sentence_signal(b, p, SIGKILL);
    }
    if (csp__sweep_processes(b->dir, DEATH_MS) < 0)
        fprintf(stderr, "broker: %s: not all processes of the run could be ended: %s\n", b->dir, strerror(errno));
    LIST_EACH(node, next, &b->all)
    {
        const struct process *p = LIST_OWNER(node, struct process, all);
        if (must_die(b, p))
            (void)csp__poll_in(p->pidfd, until);
    }
    if (csp__rundir_remove(b->dir) != 0)
        fprintf(stderr, "broker: %s: it could not be removed: %s\n", b->dir, strerror(errno));
    durable_close(b); /* whose directories the next run may have then */
    if (b->bye) {
        struct wire_head head = wire_head(WIRE_ANSWER, 0, 0);
        head.seq = b->bye_seq;
        reply_frame(b, b->bye_route, head, NULL, NULL, 0);
    }
}
