/* SPDX-License-Identifier: MPL-2.0 */
/* Requests -> lines on the program's stdin, lines of its stdout -> answers. Decision: one request at a time, and each
 * answer is read to its end, also when nobody waits for it any more: so the n-th line out belongs to the n-th line in,
 * whatever the deadlines. Replicas, not pipelining, make a service faster: they share the channel.
 *
 * A request is `DEADLINE_NS WORDS` (CLOCK_MONOTONIC) with a channel for the answer attached. One that is late, that has
 * no such channel, or that has a newline in it is dropped, and its channel with it, which tells the asker. */
#ifndef EXEC_SERVER_H
#define EXEC_SERVER_H

#include "csp.h"
#include "notice.h"
#include "splitter.h"

struct server {
    csp_chan requests;
    const char *name;
    const struct joint *joint;
    int in, out;              /* the program's stdin for writing and stdout for reading, O_NONBLOCK */
    struct splitter splitter; /* of the answers */
    int lost;                 /* a request was with the program when it ended */
};

/* The thread; arg is the server. */
void *server_run(void *arg);

void server_free(struct server *s);

#endif
