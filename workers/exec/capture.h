/* SPDX-License-Identifier: MPL-2.0 */
/* What one run of a program writes, until it is known whether it counts. Decision: the pipes outlive the runs, with
 * their writing ends kept here, for a pipe costs more than all else that a short run takes beside its start; so there
 * is no end of file: a run's output has ended when no process of the run is left, and its pipe is empty.
 *
 * Blocks go to the broker, staged, as they get full, the last when the run is done. A run that writes more than
 * CAPTURE_MOST has gone wrong, for all of it is kept in memory. */
#ifndef EXEC_CAPTURE_H
#define EXEC_CAPTURE_H

#include "fan.h"
#include "options.h"
#include "program.h"
#include "splitter.h"

#define CAPTURE_MOST (64u << 20)

struct capture {
    struct fan fan;
    int in, out;    /* the pipe's ends for reading, O_NONBLOCK, and for writing */
    uint64_t bytes; /* of this run */
    uint64_t wrote; /* of the last one that has ended */
    bool over;      /* who received from one of its channels has ended */
    struct splitter splitter;
};

/* Makes the pipe and the streams of its channels. 0, or -1 with errno; *what: the name of the channel that failed, or
 * NULL. */
int capture_open(struct capture *c, const struct port *port, const char **what);

/* Reads once, so that who writes without end keeps nobody from looking at the time, or all there is, and stages it. 0,
 * or -1 with errno, and why in words, where the run has gone wrong: EMSGSIZE a value is too large, EFBIG the output is,
 * and others, where the bridge has. */
int capture_read(struct capture *c, bool all, char *why, size_t size);

/* The run has ended well, all of it was read: the rest is staged. 0, or -1 as capture_read, or with EBADMSG. */
int capture_end(struct capture *c, char *why, size_t size);

/* What was read of this run counts no more; what is staged is dropped by whoever settles. */
void capture_drop(struct capture *c);

void capture_free(struct capture *c);

/* The last line of what programs say on stderr, all of which is passed on to our own. */
struct tail {
    int in, out; /* as above */
    char line[512];
    size_t len;
    bool ended; /* what comes next is another line */
};

int tail_open(struct tail *t);
/* Reads once. Whether there may be more. */
bool tail_read(struct tail *t);
void tail_clear(struct tail *t);
void tail_free(struct tail *t);

#endif
