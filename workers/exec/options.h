/* SPDX-License-Identifier: MPL-2.0 */
/* The command line of the bridge. Decision: whatever leads to a descriptor of the program is one port, with one framing
 * and a list of channels, so that stdin, stdout, stderr and further descriptors are the same thing behind this file. */
#ifndef EXEC_OPTIONS_H
#define EXEC_OPTIONS_H

#include "csp.h"
#include "framing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port {
    int fd; /* in the program */
    enum framing framing;
    const char **names; /* channels as they were given: a name, or a number, which is a handle */
    csp_chan *chans;    /* opened by the supervisor */
    size_t n;
};

struct options {
    struct port *in, *out;
    size_t nin, nout;
    const char *serve; /* the channel of requests, or NULL */
    bool success[256];
    int report;    /* descriptor, or -1 */
    int64_t grace; /* ms from TERM to KILL */
    const char *label;
    char **argv; /* of the program */
};

/* Reads the command line. 0; or -1 after having said on stderr what is wrong. The caller frees with options_free in
 * both cases. */
int options_read(struct options *o, int argc, char **argv);
void options_free(struct options *o);

#endif
