/* SPDX-License-Identifier: MPL-2.0 */
/* How a bridge ends. Decision: three parties are told, and each something of its own: the broker, whether what is
 * downstream may take this end for a complete one; whoever reads --report, what happened; the caller's shell, a status.
 * They are told by one function of the facts, so that they never contradict each other by accident. Pure. */
#ifndef EXEC_ENDING_H
#define EXEC_ENDING_H

#include "csp.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum cause {
    CAUSE_NONE,  /* the program ended by itself */
    CAUSE_CUT,   /* killed: a channel of it was cut short */
    CAUSE_BAD,   /* killed: it wrote what is no value */
    CAUSE_LATE,  /* killed: a value took too long */
    CAUSE_FAULT, /* killed: the bridge could not go on */
    CAUSE_GRACE, /* killed: it did not end within the grace period after TERM */
    CAUSE_NOW,   /* killed: a second TERM, or INT */
};

struct facts {
    int status; /* of the program, as of waitpid(2) */
    enum cause cause;
    bool late;      /* the cause came when the program had ended, and hit what it had left behind */
    bool drained;   /* TERM was passed on to it */
    bool failing;   /* so, because the run has failed: what it wrote is no whole */
    bool unheard;   /* all receivers of an output had gone, and well, before it ended */
    bool abandoned; /* output that it had written was given up */
    bool lost;      /* it was cancelled, and with that some of its output */
    bool success[256];
    char why[400]; /* of the cause */
};

struct ending {
    csp_exit bye;    /* for the broker */
    int how, code;   /* for the report */
    int exit_status; /* of the bridge */
    char why[512];
};

struct ending ending_of(const struct facts *f);

/* "clean", "code", "signal", "cancelled". */
const char *ending_how(int how);

#endif
