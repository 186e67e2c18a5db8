/* SPDX-License-Identifier: MPL-2.0 */
/* What the runner and the processes of a scenario share: a file that each of them maps, named by CSP_FAULTS. It says
 * which calls are to fail, counts the calls, and lists what was made to fail, so that a fault is never only supposed.
 */
#ifndef TESTS_FAULTS_SEAM_H
#define TESTS_FAULTS_SEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAM_VARIABLE "CSP_FAULTS"

/* What a call asks of the system; a mask. */
enum seam_sort { MEMORY = 1, START = 2, SOCKET = 4, DESCRIPTOR = 8, DISK = 16, WAITING = 32, ANY_SORT = 63 };

/* Which process of a scenario: the one that began, those of csp_go, the broker, the bridge of csp_spawn. */
enum seam_role { CALLER, CHILD, BROKER, BRIDGE, ROLES };

enum { SEAM_LISTED = 512 };

struct seam_fault {
    int role, err;
    char call[32];
    uintptr_t at[2]; /* offsets in its program: where the call was made, and where that function was called */
};

struct seam {
    /* set by the runner */
    int roles;              /* a mask, 1 << role: whose calls are counted, and fail */
    int sorts;              /* which calls are */
    uint64_t first, last;   /* of these calls, counted from 1 over all processes, those fail */
    unsigned interruptions; /* every call that a signal can interrupt first fails so often with EINTR */
    int partial;            /* and is then made with less than was asked, where the system may do that, and so on */
    /* set by the seam */
    atomic_uint_fast64_t calls, faults;
    struct seam_fault list[SEAM_LISTED]; /* the first of the faults */
};

/* The error that this call is to fail with; 0: it is to be made. */
int seam_fault(enum seam_sort sort, int err, const char *call, void *const at[2]);
/* Of n bytes to be read or written here, how many are to be. */
size_t seam_part(int fd, size_t n, bool writes, const char *call, void *const at[2]);
/* Leads what SQLite asks of the system. */
void seam_below_sqlite(void);

/* For scenarios: nothing fails from here on; and this process, a child, begins a run. */
void seam_rest(void);
void seam_be_caller(void);

#endif
