/* SPDX-License-Identifier: MPL-2.0 */
/* The verdict of a program of many processes, any of which may be killed. Decision: each process returns a status, each
 * waits for those it has started, and the worst goes up to the root, which prints one line. That work is undone is
 * excused by a death and by nothing else: so CUT_OFF, "others went before I was done", is wrong where nobody died. */
#ifndef PROGRAMS_VERDICT_H
#define PROGRAMS_VERDICT_H

#include "csp.h"

#include <stdbool.h>

enum {
    RIGHT = 0,
    WRONG = 1,
    USAGE = 2,
    INCOMPLETE = 3, /* a process that this one, or one below it, started was killed by SIGKILL */
    UNABLE = 4,
    CUT_OFF = 5, /* never a program's status */
};

/* Says on stderr what is wrong. Returns WRONG, and the whole program will, whatever becomes of this process. */
int wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What it means that a call of libipc has just failed: CUT_OFF with EPIPE; else it is said, and WRONG or UNABLE. */
int failure(const char *what);

/* The worse of two statuses. */
int worse(int a, int b);

/* csp_go; leaves with UNABLE where that is not possible. verdict_gather waits for it. */
csp_proc go(int (*fn)(void *), void *arg);

/* Waits for one child, and returns what its end means: its status, INCOMPLETE where it was killed, WRONG for another
 * signal. */
int verdict_of(csp_proc p);

/* The same for whichever child ends next. NO_CHILD: there is none any more, or the case `also`, which may be NULL,
 * happened before. */
enum { NO_CHILD = -1 };
int verdict_next(csp_case *also);

/* The same, and which child it was; there is one. */
int verdict_next_of(csp_proc *which);

/* Gives up every end that this process holds, waits for all its children and returns the worst of status and theirs. */
int verdict_gather(int status);

/* For the root, at its end: gathers, prints `PROGRAM: VERDICT: ` and the sentence (of what was right), ends the run.
 * Returns the exit status. */
int verdict(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The i-th argument as a number from least to most, or `otherwise` where there are fewer; leaves with USAGE. */
long argument(int argc, char **argv, int i, long otherwise, long least, long most);

#endif
