/* SPDX-License-Identifier: MPL-2.0 */
/* One replica of a process: its incarnations, one after the other, what the bridge of each reports, and its end.
 * A child is a process group of its own and knows nothing of the supervisor's: descriptors 0 to 2 and the report,
 * default signals, an empty mask, the caller's limits. It is always the supervisor that reaps it, so its pid stays its
 * own as long as signals are sent to it. */
#ifndef CSPCTL_CHILD_H
#define CSPCTL_CHILD_H

#include "pipeline.h"
#include "restart.h"
#include "result.h"

#include <czmq.h>
#include <regex.h>

#include <csp.h>

#include <sys/resource.h>

enum child_phase {
    CHILD_NEW,     /* not started */
    CHILD_RUNNING, /* and expected to */
    CHILD_LEFT,    /* the run is ending, and so are its channels: it will end by itself, or be killed when due */
    CHILD_TOLD,    /* SIGTERM was sent; killed when due */
    CHILD_HALTED,  /* a bridge that was told to kill its program at once: killed when due */
    CHILD_KILLED,  /* SIGKILL was sent; given up when due */
    CHILD_BURIED,  /* it has ended, and may have another incarnation: known when the broker has done with this one */
    CHILD_PAUSED,  /* its next incarnation is started when due */
    CHILD_ENDED,   /* the last incarnation has */
    CHILD_PHASES
};

enum child_event {
    CHILD_START,    /* what it depends on is ready */
    CHILD_HOPELESS, /* that never will be */
    CHILD_TELL,     /* it is to end */
    CHILD_CANCEL,   /* the same, because the run has failed */
    CHILD_LEAVE,    /* all who send to it have ended, and it is to end by that */
    CHILD_KILL,     /* it is to end at once */
    CHILD_DUE,      /* its phase has lasted long enough */
    CHILD_EXIT,     /* this incarnation has ended, and its ending is known */
    CHILD_HURRY,    /* a next incarnation is not to be waited for */
    CHILD_RETIRE,   /* it is one too many: it takes nothing more, finishes what it has, and ends for good */
    CHILD_REPLACE,  /* this incarnation is to end, and the next one to follow at once, whatever `restart` says */
    CHILD_EVENTS
};

struct question { /* whether it is ready */
    pid_t pid;    /* of the program that is asked; 0: none runs */
    uint64_t incarnation;
    csp_time due, pause; /* due: to be asked, or to be given up */
    bool failed;         /* that it can't be asked is said */
};

struct child {
    size_t process; /* PIPELINE_NONE: the call of `run --call`, which is no process of the file */
    size_t becomes; /* the definition of the next incarnation, where a reload gave it another one, or PIPELINE_NONE */
    const char *label;
    unsigned replica;
    unsigned reload; /* the last one that changed something about it, from 1 */
    enum child_phase phase;
    csp_time due;   /* LEFT to PAUSED: when the phase has lasted long enough */
    uint64_t moved; /* LEFT: what drain_progress said */
    struct restarts restarts;
    bool said_waiting, said_silent;
    bool drains;    /* it is to read what nobody will read after it, up to the end, and to go then */
    bool spent;     /* it may not be restarted again */
    bool replacing; /* the next incarnation follows whatever the policy says */
    uint64_t incarnations;
    csp_proc next; /* the successor of this incarnation, which holds its ends too; 0: there is none */
    uint64_t next_ticket;
    /* of this incarnation; the first one's are those of the replica */
    csp_proc proc; /* -1: not announced */
    uint64_t ticket;
    csp_time since; /* it was started */
    pid_t pid;
    bool spotted;       /* what shows that it is ready was seen */
    unsigned looked_at; /* of its outputs, where a line may show it, which may have one still */
    bool ready;         /* it is, or was when it ended */
    bool is_named;      /* a log's thread knows it, and may for as long as the run lives */
    struct question question;
    struct ending ending;
    csp_exit told;   /* how it ended for the run, by the broker */
    int start_error; /* errno of exec, 0 if it started */
    /* of its bridge */
    int report; /* -1: closed */
    bool bridged, reported;
    bool gone;      /* the program's group is empty: its number may be a stranger's */
    pid_t program;  /* 0: not started */
    int given;      /* a descriptor that came and whose line has not; -1: none */
    zlistx_t *hold; /* the writing ends of the program's inputs, see hold.h */
    size_t held;    /* bytes of a line that is not whole yet */
    char line[1024], why[256];
};

/* What all children of a run have in common. */
struct stage {
    struct pipeline *p;
    const char *dir, *exec; /* the run directory and the bridge's path */
    struct log *log, *data;
    bool colour;
    struct rlimit limit; /* of the caller, on open files */
    regex_t **regexes;   /* by process: `ready: line`, where it has one */
    int spotted[2];      /* a pipe: in which output such a line was */
    struct pool *pool;
    struct resume *resume; /* what was stored of an interrupted run; NULL: no channel is durable */
};

/* Announces the child with its ends, and with a successor where it may be restarted. Returns 0, or -1 with errno. */
int child_announce(struct child *c, const struct stage *stage, const csp_chan *chans);

/* Announces a successor of this incarnation, where there is none. Returns 0, or -1 with errno. */
int child_prepare_next(struct child *c, const struct stage *stage, const csp_chan *chans);

/* Announces a successor of this incarnation with the ends of another definition, in the place of one that there is.
 * Returns 0, or -1 with errno: its successor is as it was. */
int child_prepare_as(struct child *c, const struct stage *stage, const csp_chan *chans, size_t process);

/* There will be no further incarnation after this one, which goes on. */
void child_forgo_next(struct child *c);

/* The incarnation that has ended gives way to the next one, which is not started yet and has a successor then. Returns
 * 0, or -1 with errno and nothing changed; EAGAIN: the broker has not done with the one that has ended. */
int child_succeed(struct child *c, const struct stage *stage, const csp_chan *chans);

/* There will be no further incarnation: the ends go, with this reason. */
void child_forgo(struct child *c, csp_exit why);

/* Starts it. Returns 0, or -1 after saying what is wrong; its ending is then set. */
int child_start(struct child *c, const struct stage *stage);

/* Starts argv as a child that belongs to no process of the file, its stderr in the log, its stdout there too (-1), or
 * this descriptor. Returns 0, or -1 with errno. */
int child_start_tool(struct child *c, const struct stage *stage, char **argv, int output);

/* Starts the program that shows, by its status, whether it is ready. Returns 0, or -1 with errno. */
int child_ask(struct child *c, const struct stage *stage);

/* readiness.c: a source of a log, in which the line is looked for that shows that it is ready, if there is one. A
 * descriptor, or -1 with errno. */
int readiness_source(struct child *c, const struct stage *stage, struct log *log, const char *prefix);

/* Reads what the bridge reports, as much as there is; at its end closes it and takes it out of this epoll set. */
void child_read_report(struct child *c, int epoll);
void child_close_report(struct child *c, int epoll);

/* It was made, and nothing can come from it any more. */
void child_free(struct child *c);

/* One line of a report. */
void child_report_line(struct child *c, char *line);

/* To its process group; to the bridge alone, which passes TERM on and kills its program with it. */
void child_signal(const struct child *c, int signal);

/* TERM to a program without inputs; others take nothing more, and end when they have done what they have. */
void child_retire(const struct child *c);

/* TERM, because the run has failed: a bridge is told so, and lets nobody take what its program wrote for the whole. */
void child_cancel(const struct child *c);

#endif
