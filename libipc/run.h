/* SPDX-License-Identifier: MPL-2.0 */
/* What the programs of this house (cspctl, the bridge) need of a run beyond csp.h: starting one with a name, declaring
 * its channels, announcing its processes. Decision: these are in the static library only, hidden in the shared one, so
 * that the public interface stays small and may grow by what users ask for. Results and errno as in csp.h. */
#ifndef CSP_RUN_H
#define CSP_RUN_H

#include "csp.h"

struct csp__options {
    const char *name;                   /* for `--run` */
    const char *file;                   /* that it came from, or NULL */
    const char *on_deadlock;            /* "report", "fail", "ignore"; NULL: "fail" */
    const char *seed, *record, *replay; /* see csp_init; NULL: none */
    int notices; /* the broker says what it notices on csp__notices() and does no more about it */
};

/* Starts a run whose root this process is, whatever CSP_RUN says. */
int csp__start(const struct csp__options *options);

/* Where the broker says what it notices, a line each: `deadlock N`: N processes can never move again; `idle N`:
 * they can, but only when a guest comes; `departed TEXT`: where the run departs from what is replayed. Not to be
 * closed. -1: none. */
int csp__notices(void);

/* Joins the run in directory dir as a guest, whatever the environment says, but where this program runs inside of a
 * process of that run: then as a guest inside of it. */
int csp__join(const char *dir);

/* The process that this one is a guest inside of, after it joined; 0: none. */
csp_proc csp__inside(void);

/* The run directory of the run this process is in; NULL before csp_init. Valid until csp_term. */
const char *csp__dir(void);

/* A descriptor that polls readable when the broker has died; not to be closed. -1 before csp_init. */
int csp__broker(void);

/* For a thread that waits in poll(2): a descriptor of its own, readable where the broker may have said something since
 * the thread last asked csp__cancelled, and did nothing else here. Not to be closed. -1 with errno. */
int csp__fd(void);

/* Whether the broker has said that the calling thread's innermost scope, or the process, is cancelled: CSP_CANCELLED,
 * CSP_DEADLINE; 0: it has not. A shield does not change that. */
int csp__cancelled(void);

enum csp__declared {
    CSP__NEVER_CLOSES = 1,  /* when its sending ends have gone */
    CSP__MAY_BE_DIRECT = 2, /* where one sends and one receives the broker may join them directly */
    CSP__CLOSES_IDLE = 4,   /* when nothing of it is left, and all who could send wait to receive, too */
};

/* Declares a named channel (root only); how: a mask of enum csp__declared. */
csp_chan csp__declare(const char *name, size_t capacity, size_t max_bytes, unsigned how);

enum csp__overflow { CSP__BLOCK, CSP__DROP_OLDEST, CSP__DROP_NEWEST, CSP__REJECT };

struct csp__settings { /* section 16 of docs/protocol.md */
    csp_retry retry;   /* attempts 0: its values are not leased, but where `ordered` */
    int ordered;       /* what its receivers stage goes on in the order of its values */
    enum csp__overflow overflow;
    const char *durable; /* a directory, or NULL */
};

/* Settings of a channel, before anything else is done with it: the root's of a named one, else of who holds both its
 * ends. Returns 0, or -1: EPERM (neither), EBUSY (it was used), EINVAL (a number out of its range; capacity 0, a group
 * or a pair; `dead` is the channel itself, or a directory over 4,096 bytes), EBADF (no such channel, or `dead` is none
 * that this process may send on), or as from opening the store in the directory. */
int csp__set(csp_chan c, const struct csp__settings *settings);

#define CSP__DONE ((csp_time)-3) /* a delay of csp__settle_oldest: they are acknowledged */

/* Settles the oldest `count` leases of this process on a channel, 0: all; of a guest's inside of a process: of that.
 * The delay is in ns, or CSP__DONE, CSP_BACK_OFF, CSP_FOREVER (dead letters); the reason goes with those, NULL: none.
 * Returns how many they were, or -1: ENOENT (none), EBADF (no such channel). */
int64_t csp__settle_oldest(csp_chan c, uint64_t count, csp_time delay, const char *reason);

/* The same for a durable channel, and what it resumed with: how many values, and a text of lines about processes
 * (section 18), which the caller frees; NULL: no memory for it. */
struct csp__resumed {
    uint64_t values;
    char *senders;
};
int csp__set_durable(csp_chan c, const struct csp__settings *settings, struct csp__resumed *resumed);

/* What a resumed run needs to know (root only): a process has ended, and all that it was to send it sent; or the run
 * has ended well. Returns 0, or -1: EPERM, ENOMEM. */
enum csp__marked { CSP__FINISHED, CSP__RUN_DONE };
int csp__mark(enum csp__marked what, const char *name, unsigned replica);

struct csp__grant {
    csp_chan chan;
    int ends;
};

struct csp__announcement {
    const struct csp__grant *grants; /* just these ends */
    size_t n;
    const char *name; /* NULL: none */
    unsigned replica;
    const uint8_t *success; /* a map of 256 bits: exit codes that are clean; NULL: {0} */
    csp_proc after;         /* whose successor it is: docs/protocol.md, section 17; 0: nobody's */
    csp_time timeout;       /* how long it may hold a lease, ns; 0: no bound */
};

/* Announces a process. It attaches with CSP_TICKET=*ticket in its environment. */
csp_proc csp__announce(const struct csp__announcement *a, uint64_t *ticket);

/* The announced process runs as pid; pid 0: it was never started, and its ends go. */
int csp__started(csp_proc p, pid_t pid);

/* The announced process ended so: say it after waitid(WNOWAIT) and before reaping; or it was never started, and this
 * is the reason with which its ends go. *told (or NULL): how it ended for the run. */
int csp__reaped(csp_proc p, csp_exit why, csp_exit *told);

/* Ends this process for the broker, with a reason: its ends go. Only csp_term may follow. */
int csp__bye(csp_exit why);

/* The process group of the program this process runs as a bridge; 0: none any more. */
int csp__program(pid_t group);

/* The broker's state as text, section 8 of docs/protocol.md. The caller frees it. NULL with errno. */
char *csp__stat(void);

/* The same, with all that processes wait for and hold: section 13. */
char *csp__dump(void);

#endif
