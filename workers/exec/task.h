/* SPDX-License-Identifier: MPL-2.0 */
/* One run of the program for a batch of values, from its start to the verdict. Decision: a run has ended when its
 * program has: what that left behind is killed, so that nothing of a run can outlive its acknowledgement, or write into
 * the output of the next. Short runs are not told to anybody; who starts the bridge is told of a program that has lived
 * for TASK_TOLD_MS, to kill it with its group where the bridge dies by SIGKILL. */
#ifndef EXEC_TASK_H
#define EXEC_TASK_H

#include "batch.h"
#include "capture.h"
#include "program.h"

#include <poll.h>

#define TASK_TOLD_MS 20

enum verdict {
    TASK_DONE,
    TASK_REJECTED, /* never again: a dead letter */
    TASK_AGAIN,    /* later, as the channel's settings say */
    TASK_STOPPED,  /* the bridge is to end at once: the values go back by that */
    TASK_BROKEN,   /* the program can't be executed: task.error */
};

struct task {
    const struct options *o;
    struct program program;
    struct capture *out;
    size_t nout;
    struct tail tail;
    struct pollfd *polls; /* what is watched */
    struct plug *plugs;   /* the program's descriptors */
    int signals;          /* signalfd of bridge_set() */
    int heard;            /* csp__fd() */
    csp_time grace;       /* when the program is killed, since the bridge is to end; CSP_FOREVER */
    bool stop;            /* take no more values */
    bool failing;         /* so, because the run has failed */
    bool cancelled, killed;
    bool running;   /* a program is */
    int error;      /* TASK_BROKEN: an errno */
    char why[1024]; /* the reason where it is not TASK_DONE */
};

/* Makes pipes and streams. 0, or -1 with errno; *what: a channel that failed, or NULL. */
int task_open(struct task *t, const struct options *o, const char **what);

/* What waits in `signals`, between runs and during one. */
void task_signals(struct task *t);

/* Runs the program; after TASK_DONE its output is staged. */
enum verdict task_run(struct task *t, struct batch *b);

/* Bytes that the last run wrote to its outputs. */
uint64_t task_output(const struct task *t);

/* An output of which nobody receives any more; NULL: there is none. */
const struct capture *task_unheard(const struct task *t);

void task_free(struct task *t);

#endif
