/* SPDX-License-Identifier: MPL-2.0 */
/* What the library knows of the run that this process is in: one record a process, under one lock. */
#ifndef CSP_STATE_H
#define CSP_STATE_H

#include "csp.h"
#include "wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* A ZeroMQ context and who uses it: the run and each line. The last one out ends it, because zmq_ctx_term waits for
 * sockets that only their own threads may close. */
struct csp__context {
    void *zmq;
    unsigned users;   /* under the state's lock */
    atomic_bool over; /* the run has ended for this process: lines are of no use any more */
};

enum csp__phase { CSP__IDLE, CSP__JOINED, CSP__LEFT };

struct csp__state {
    pthread_mutex_t lock;
    enum csp__phase phase;
    pid_t pid; /* that joined: in another one, made by fork(), all this is somebody else's */
    char dir[128];
    uint8_t token[WIRE_TOKEN_SIZE];
    uint64_t process; /* 0 before the first line's WELCOME */
    uint64_t ticket;  /* for the first line; 0 for the root and a guest */
    uint32_t role;
    uint64_t
        inside; /* a guest's: the process inside of which it is, whose leases those are that it receives; 0: none */
    int said_bye;
    int is_root;
    pid_t broker_pid;
    int broker;    /* pidfd */
    int lock_file; /* root: keeps the run directory ours */
    int notices;   /* of the broker, for the root that wants them; -1 */
    unsigned lines;
    struct csp__context *context;
    atomic_int lost; /* values, for want of memory: csp__line_cut() */
    int birth;       /* in csp_go's child: where its number comes from; -1: it has it */
};

extern struct csp__state csp__state;

/* Set in a child that came from fork() outside csp_go. */
extern atomic_bool csp__foreign;

/* Joins the run if that was not done. The lock is held. 0, or -1 with the error noted. */
int csp__state_join(void);

/* Whether this process is in a run, or its first call would join one. */
int csp__in_run(void);

/* A context more or less in use. The lock is held. */
void csp__context_release(struct csp__context *context);

/* In csp_go's child: this process is another one of the same run, with a context of its own; which one is said on the
 * pipe `birth`. The lock is held. */
int csp__state_forked(int birth);

/* The exit status of this process where it is to be 0: another, where values of it were lost. */
int csp__state_status(void);

/* In csp_go's child: waits until it is known which process this is; where its parent died, or could not announce it,
 * the process ends here, and nobody has seen it. */
void csp__state_born(void);

#endif
