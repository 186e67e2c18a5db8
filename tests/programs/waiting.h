/* SPDX-License-Identifier: MPL-2.0 */
/* When another process waits. Decision: it is asked of the broker, again and again, for nothing else knows; a process
 * that waits there goes on waiting until somebody meets it, so the answer holds until the asker itself acts. */
#ifndef PROGRAMS_WAITING_H
#define PROGRAMS_WAITING_H

#include "csp.h"

#include <stddef.h>

/* Until each of the n processes waits in a call or has ended. Returns how many wait. */
size_t until_waiting(const csp_proc *processes, size_t n);

/* The fields of a line of STAT about process p, see docs/protocol.md section 8. Returns 0, or -1: it has ended. */
struct waiting {
    char state[16], waits[256];
    long pid;
    int64_t since;
};
int waiting_of(csp_proc p, struct waiting *w);

#endif
