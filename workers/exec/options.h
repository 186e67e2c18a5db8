/* SPDX-License-Identifier: MPL-2.0 */
/* The command line of the bridge. Decision: whatever leads to a descriptor of the program is one port, with one framing
 * and a list of channels, so that stdin, stdout, stderr and further descriptors are the same thing behind this file. */
#ifndef EXEC_OPTIONS_H
#define EXEC_OPTIONS_H

#include "csp.h"
#include "framing.h"
#include "spotter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port {
    int fd; /* in the program */
    enum framing framing;
    const char **names; /* channels as they were given: a name, or a number, which is a handle */
    csp_chan *chans;    /* opened by the supervisor */
    size_t n;
    uint64_t skip; /* so many values at first are not sent: they were, before this run */
    bool tasks;    /* who receives takes its time for each value: little is sent ahead of the channel's capacity */
};

enum acknowledge { ACK_BY_WRITE, ACK_BY_LINE, ACK_BY_PROGRAM };

/* Element `at` of the program's arguments is a value, or all of a batch. */
struct slot {
    size_t at;
    bool all;
};

struct options {
    struct port *in, *out;
    size_t nin, nout;
    const char *serve; /* the channel of requests, or NULL */
    bool success[256], reject[256];
    int64_t grace; /* ms from TERM to KILL */
    regex_t ready; /* a line of stdout or stderr that matches is reported */
    int report;    /* descriptor, or -1 */
    bool has_ready;
    bool each;          /* a run of the program for each value, or batch; what follows is of that */
    bool joblog_resume; /* what is done in the joblog is not run again */
    bool skip;          /* the first $CSP_RESUMED values of descriptor 1 are not sent */
    bool ordered;       /* the inputs are: what was put may wait for what is to be received */
    int ack;            /* enum acknowledge, of a program that is not run for each */
    struct slot *slots;
    size_t nslots;
    int64_t batch, batch_bytes; /* at most so much for one run; 0: no such bound; both 0: one value */
    int64_t timeout;            /* ms that a value may take; 0: no bound */
    const char *joblog;         /* a file for the record of tasks, or NULL; */
    const char *joblog_name;    /* the process in it, */
    unsigned joblog_replica;    /* and which of its replicas */
    const char *partition;      /* no program: values of --in go to one of --out, by this field of theirs; or NULL */
    const char *label;
    char **argv; /* of the program */
};

/* Reads the command line. 0; or -1 after having said on stderr what is wrong. The caller frees with options_free in
 * both cases. */
int options_read(struct options *o, int argc, char **argv);
void options_free(struct options *o);

#endif
