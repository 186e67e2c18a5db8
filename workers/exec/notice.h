/* SPDX-License-Identifier: MPL-2.0 */
/* What the threads of the bridge tell its supervisor. Decision: through a pipe, one write a notice: it wakes the
 * supervisor's poll(2), keeps their order (a thread says that its receivers have gone before it closes the pipe whose
 * closing kills the program), and takes no lock. */
#ifndef EXEC_NOTICE_H
#define EXEC_NOTICE_H

#include <stdatomic.h>
#include <stdbool.h>

enum notice_kind {
    NOTICE_DRY,       /* an outlet has read all that there was; it waits for the verdict on an incomplete last value */
    NOTICE_GONE,      /* all receivers of an outlet have gone, and its pipe is about to be closed */
    NOTICE_CUT,       /* a channel of an inlet has closed because a sender did not end well */
    NOTICE_BAD,       /* the program wrote what is no value */
    NOTICE_LATE,      /* a value took longer than its timeout */
    NOTICE_FAULT,     /* the bridge itself can't go on; code is the errno */
    NOTICE_CANCELLED, /* its scope is: the thread receives and sends no more */
    NOTICE_SILENT,    /* the program has read all that came, and written nothing, for a while; text: how many values */
    NOTICE_LOST,      /* what the program wrote after that, or just before, goes nowhere */
    NOTICE_ENDED,     /* the thread ends */
};

struct notice {
    enum notice_kind kind;
    int code;
    char text[400]; /* why, in words */
};

/* What the supervisor and its threads share. */
struct joint {
    int notices;          /* the pipe's end for writing */
    int report;           /* to whoever started the bridge; -1: nobody */
    int halt;             /* an eventfd: readable when nothing of the program is left, so that all threads finish */
    int retire;           /* an eventfd: readable when nothing more is to be received */
    atomic_bool wrote;    /* the program, to its stdout */
    atomic_bool complete; /* set before `halt`: the program ended by itself, so an incomplete last value was meant */
};

/* Never fails but when the supervisor is gone, and the process with it. */
void notice_post(const struct joint *j, enum notice_kind kind, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A csp_ function failed with errno where it should not, or because it was cancelled: tells why. `what` says what was
 * tried, of which channel. */
void notice_fault(const struct joint *j, const char *what, const char *name);

/* Waits until fd has one of the events (1), or until the threads are to finish and it has none (0). What the broker
 * says meanwhile is heard: that an edge is to be direct, or is no more, must not wait for what the program does next.
 */
int joint_wait(const struct joint *j, int fd, short events);

#endif
