/* SPDX-License-Identifier: MPL-2.0 */
/* The children of this process: those that csp_go and csp_spawn started and nobody has reaped. */
#ifndef CSP_PROCESS_H
#define CSP_PROCESS_H

#include "line.h"

struct csp__child {
    struct csp__child *next;
    csp_proc process;
    uint64_t scope; /* of the thread that started it, 0: it had entered none */
    pid_t pid;
    int fd;         /* pidfd */
    int report;     /* of a bridge: the pipe on which it says how its program ended; -1: a plain child */
    unsigned users; /* the table, and each call that waits for it */
    int reaped;
};

/* A child that the line's thread has started, for the table, with its descriptor; the table's lock is held. NULL:
 * ENOMEM, EMFILE. */
struct csp__child *csp__child_add(const struct csp__line *line, csp_proc process, pid_t pid);

/* The child, to be released; NULL: none of this process, or reaped. */
struct csp__child *csp__child_find(csp_proc process);
void csp__child_release(struct csp__child *child);

/* A child that was started in that scope; 0: there is none that was not reaped. */
csp_proc csp__child_of_scope(uint64_t scope);

/* Reaps the child if it has ended, and tells the broker how; *why is how it ended for the run. 1; 0: it runs; -1:
 * somebody else reaped it. */
int csp__child_reap(struct csp__line *line, struct csp__child *child, csp_exit *why);

/* Announces a process: its number and ticket. `r` is the request but its type. 0, or -1 with the error noted. */
int csp__announce_request(struct csp__line *line, struct csp__request *r, const char *what, csp_proc *process,
                          uint64_t *ticket);

/* Tells the broker that the process runs as pid (0: never). 0, or -1: ENOTCONN, ENOMEM. */
int csp__say_started(struct csp__line *line, csp_proc process, pid_t pid);

/* How the bridge says that its program ended; it has exited. 0, or -1 where it did not say. */
int csp__report_end(int fd, csp_exit *why);

/* Whether this process reads a terminal that its process group owns: then a child stays in that group. */
int csp__reads_terminal(void);

/* At the end of the run; the state's lock is held. */
void csp__children_kill(void);
void csp__children_reap(int all); /* all: they were killed; else only those that have ended */
void csp__children_forget(void);  /* in a forked child: they are its siblings */

/* Leaves the run, if joined, with this reason. */
void csp__leave(csp_exit why);

#endif
