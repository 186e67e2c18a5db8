/* SPDX-License-Identifier: MPL-2.0 */
/* A run from its start to its last process. One thread and one epoll wait for everything: signals, the broker's death,
 * reports, and the next of the times that are due. What an event means depends on what the run is doing, and that is
 * one table (supervisor.c), and what it means for a replica another one (lifecycle.c). */
#ifndef CSPCTL_SUPERVISOR_H
#define CSPCTL_SUPERVISOR_H

#include "child.h"
#include "reload.h"

#include <run.h>

struct order { /* what the user asked for */
    const char *name;
    const char *call, *request; /* a service to be called when it is up, or NULL */
    bool call_json;
    struct csp__options options; /* of the run; its name, file and notices are set by the supervisor */
    int up;                      /* descriptor: where who started us in the background waits; -1 */
};

enum run_state {
    RUN_SAME,      /* in the table: the event changes nothing */
    RUN_UP,        /* all is well */
    RUN_DRAINING,  /* the sources were told to end, the rest ends as its channels end */
    RUN_CANCELLED, /* all were told to end */
    RUN_KILLED,    /* all were killed */
    RUN_OVER,      /* nothing of it runs any more */
    RUN_STATES,
};

enum run_event {
    EVENT_FAILURE,  /* a process failed on its own, and on_failure is stop */
    EVENT_SIGNAL,   /* we were told to end */
    EVENT_DEADLINE, /* of the run */
    EVENT_CALLED,   /* the call has ended */
    EVENT_BROKER,   /* the broker has died */
    EVENT_DEADLOCK, /* processes can never move again, and have been reported */
    EVENT_ENDED,    /* the last child has ended */
    RUN_EVENTS,
};

struct notices {
    char line[8192]; /* of which a path may be 4,096 */
    size_t held;
    struct child report, dump; /* who prints a deadlock, and what SIGQUIT asked for; phase CHILD_NEW: nobody */
    bool again;                /* another deadlock came meanwhile */
    bool fatal;                /* the run is to be cancelled for it */
};

struct supervisor {
    const struct order *order;
    struct stage stage;
    struct child **children; /* of the file, and the call, if there is one */
    size_t n, alive;
    size_t *alive_of; /* replicas of each process of the file that have not finally ended */
    csp_chan *chans;  /* handles of the channels of the file */
    enum run_state state;
    struct result result;
    csp_time begun, deadline; /* of the run */
    pid_t broker;
    int epoll, signals;
    struct notices notices;
    char *phases;            /* what was written last, or NULL: phases.c */
    struct control *control; /* where it is asked for changes; NULL before it can be */
    struct reloads reloads;
    csp_time remind; /* before that drain_say says nothing more */
};

#define SUPERVISOR_SELF "/proc/self/exe" /* cspctl, also where its file was replaced */

/* Runs the pipeline. Returns the exit status. Blocks signals and changes process-wide state: a program's main business.
 */
int supervise(struct pipeline *p, const struct order *order);

/* Tell the run of an event. */
void supervisor_event(struct supervisor *s, enum run_event event);

/* Start the children, all of them announced before: stage.c. False where the run can't go on; said so. */
bool supervisor_prepare(struct supervisor *s);
/* Declares channels of the pipeline and sets them, all before the first has settings, for these name others. `which`:
 * by channel; NULL: all. False with errno, after saying which. */
bool supervisor_declare(struct supervisor *s, const bool *which);
void supervisor_start(struct supervisor *s);
/* A file's path as those who look at the run are shown it, a line whatever is in it. Belongs to the pool. */
char *supervisor_shown_path(struct pool *pool, const char *path);
/* One more replica of a process of the file: announced, and to be started by CHILD_START. NULL: it can't be, with
 * errno. */
struct child *supervisor_add(struct supervisor *s, size_t process, unsigned replica);

/* lifecycle.c: something has happened to a replica, or is to; its table says what follows.
 *   CHILD_START    starts its first incarnation
 *   CHILD_TELL     ends it for good: TERM, and KILL after its grace
 *   CHILD_RETIRE   ends it for good, when it has done what it has
 *   CHILD_REPLACE  ends this incarnation in the same way, and starts the next one, which holds its ends meanwhile */
void supervisor_child(struct supervisor *s, struct child *c, enum child_event event);
/* Whose phase has lasted long enough; and when the next one's has: CSP_FOREVER. */
void lifecycle_step(struct supervisor *s);
csp_time lifecycle_next(const struct supervisor *s);
/* Whether a process of these ends, but that one (PIPELINE_NONE: but none), has not finally ended. */
bool lifecycle_any_alive(const struct supervisor *s, const struct end *ends, size_t n, size_t but);

/* readiness.c */
int readiness_open(struct supervisor *s); /* 0, or -1 with errno */
/* These processes are new (NULL: all are): the same. */
int readiness_compile(struct supervisor *s, const bool *which);
void readiness_forget(struct supervisor *s, const bool *which);
void readiness_close(struct supervisor *s);
/* Reads which outputs had a line that was looked for. */
void readiness_read(struct supervisor *s);
/* One who was asked whether a process is ready has ended: true; or it was another child. */
bool readiness_reaped(struct supervisor *s, pid_t pid, bool well);
/* Who is ready by now, and who may start because of it; and when there is something to be done: CSP_FOREVER. */
void readiness_step(struct supervisor *s);
csp_time readiness_next(const struct supervisor *s);

/* losses.c: says which channels have values left that nobody will have, and counts those that were promised. */
void losses_say(struct supervisor *s);

/* drain.c: what the run's table does to the children. */
void drain_kill(struct supervisor *s);
/* While it drains or is cancelled: who is to be told by now, as its senders, or those who depend on it, have ended. */
void drain_step(struct supervisor *s);

struct inputs {
    size_t own;        /* its process */
    bool any, endless; /* endless: one that nothing closes */
    bool fed;          /* a process that sends to one has not finally ended */
    bool unsafe;       /* one whose values are lost with who received them */
};
struct inputs drain_inputs(const struct supervisor *s, const struct child *c);
/* It has outputs, and nobody is left who receives from one. */
bool drain_is_unheard(const struct supervisor *s, const struct child *c);
/* A number that is another one when values have come to it or from it, or wait in a back-off to come to it. */
uint64_t drain_progress(const struct supervisor *s, const struct child *c);
/* Says which channels have values left to be done, once in a while. */
void drain_say(struct supervisor *s);
/* A further incarnation would find nothing to do: its inputs are closed and empty. */
bool drain_is_done(const struct supervisor *s, const struct child *c);

/* notice.c: reads what the broker has noticed. */
void notice_read(struct supervisor *s);
/* Prints what all processes of the run are doing. */
void notice_dump(struct supervisor *s);
/* One of those who print has ended, well or not: true; or it was another child. */
bool notice_reaped(struct supervisor *s, pid_t pid, bool well);
/* The report of a deadlock takes too long, and next time it would: CSP_FOREVER. */
void notice_step(struct supervisor *s);
csp_time notice_next(const struct supervisor *s);

/* reaper.c: takes note of all children that have ended, and of orphans that became ours. */
void reaper_run(struct supervisor *s);
/* Kills and reaps every process that is still ours, at most for ms: what escaped from its session and its environment.
 */
void reaper_sweep(struct supervisor *s, int ms);

#endif
