/* SPDX-License-Identifier: MPL-2.0 */
/* The exit status of a run, decided by what ended it.
 * The first cause wins, whatever follows from it: one crash makes its neighbours fail, and only the crash is of use to
 * who reads the status. A death that another one caused (cancelled, cut off by EPIPE, killed by us) is never a cause;
 * but where none is found, it still means that something is missing. */
#ifndef CSPCTL_RESULT_H
#define CSPCTL_RESULT_H

#include <csp.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>

#define STATUS_LOST     1 /* values were lost, or a process was cut off, and no cause is known */
#define STATUS_DEADLINE 124
#define STATUS_DEADLOCK 70 /* EX_SOFTWARE */

/* How one process ended. */
struct ending {
    csp_exit why;
    bool ours;     /* after we had told it to end */
    uint64_t lost; /* values that it had not read to the end: see ending_lost() */
};

enum cause { CAUSE_NONE, CAUSE_FAILURE, CAUSE_SIGNAL, CAUSE_DEADLINE, CAUSE_BROKER, CAUSE_DEADLOCK, CAUSE_SYSTEM };

struct result {
    enum cause cause;
    int code; /* FAILURE: status of the process; SIGNAL: the signal; DEADLOCK: how many; SYSTEM: our own exit status */
    const char *who;   /* FAILURE: the process that failed; not owned */
    uint64_t lost;     /* values lost, all told */
    uint64_t kept;     /* values that were to be done, and are stored for the next run */
    uint64_t given_up; /* values that were to be done at least once, or were known to be done, and are not */
    bool cut;          /* a process was cut off, and not by us */
    unsigned unsure;   /* restarts of processes that may have held values */
};

/* Exit status of a process as the shell has it: 128 + signal for a signal. */
int ending_status(csp_exit why);

/* What waitid(2) said, as a reason; success: as struct process has it. */
csp_exit ending_of(const siginfo_t *info, const uint8_t success[32]);

/* Whether the process failed on its own. Death by SIGPIPE never is: its receivers were gone, and if one of them failed
 * then that is the failure. */
bool ending_is_failure(const struct ending *e);

/* Values that it may have lost. None where it ended because nobody wanted its output any more. */
uint64_t ending_lost(const struct ending *e);

/* The first cause stays; later ones change nothing. */
void result_cause(struct result *r, enum cause cause, int code, const char *who);

/* A process has ended: counts what it lost, and is the cause if it failed first. Returns ending_is_failure(). */
bool result_ended(struct result *r, const struct ending *e, const char *who);

/* A process has ended and is started again: counts what it lost. unsure: it may have held values, and nobody knows
 * which. */
void result_restarted(struct result *r, const struct ending *e, bool unsure);

/* The exit status of the run. */
int result_status(const struct result *r);

#endif
