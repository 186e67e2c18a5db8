/* SPDX-License-Identifier: MPL-2.0 */
/* What `send`, `recv`, `ack` and `close` have in common: their options, the channel they are about, and what the errors
 * of an operation mean to a shell script. */
#ifndef CSPCTL_GUEST_H
#define CSPCTL_GUEST_H

#include "command.h"

#include <csp.h>

#define STATUS_CLOSED 1

struct guest {
    const char *run, *name; /* name: the channel's */
    int64_t timeout;        /* ns; -1: none */
    int64_t count;          /* recv: values; 0: until it is closed */
    bool nul;               /* values end with NUL, not with a newline */
    bool json;              /* recv: an object a value */
    bool all;               /* ack: every lease */
    int64_t again;          /* ack: a delay of csp__settle_oldest */
    const char *reason;     /* ack: for --reject, else NULL */
    csp_chan channel;
};

/* Reads the options of c (letters as for getopt: of r:, t:, n:, z, o:, and for ack a, y, j), joins the run and opens
 * the channel, the first word. Returns 0, or the exit status, what is wrong being said. */
int guest_begin(struct guest *g, const struct command *c, const char *letters, int ends, int argc, char **argv);

/* When an operation that begins now has to be done. */
csp_time guest_deadline(const struct guest *g);

/* The exit status for an operation that failed with this error: 1 closed, 75 full, 124 deadline; says what else it was.
 */
int guest_failed(const struct guest *g, int error);

#endif
