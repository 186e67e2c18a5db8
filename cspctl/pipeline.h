/* SPDX-License-Identifier: MPL-2.0 */
/* The expanded topology of a pipeline file: what `check` accepts, `explain` shows and `run` starts.
 * There is one such structure and one function that makes it, so no two commands can understand a file differently.
 * It is read-only once loaded. Things refer to each other by index into the arrays of struct pipeline, so an index may
 * be kept, sent or compared, and no pointer has to be followed through a half-built graph. Everything belongs to the
 * pipeline and lives until pipeline_free(). */
#ifndef CSPCTL_PIPELINE_H
#define CSPCTL_PIPELINE_H

#include "restart.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct diagnostics;

#define PIPELINE_NONE        SIZE_MAX /* an index that points at nothing */
#define PIPELINE_MAX_REPLICA 1000
#define PIPELINE_MAX_ENTRIES 4096 /* processes, channels, services, variables: of each */

/* Where something stands in the file, counted from 1; line 0 is "nowhere in particular". Columns are characters. */
struct place {
    unsigned line, column;
};

struct variable {
    const char *name, *value; /* the value is what the command line said, else the default of `vars:` */
    struct place place;
};

/* A name, and where the file has it. */
struct mention {
    const char *name;
    struct place place;
};

struct mentions {
    struct mention *item;
    size_t n;
};

enum on_failure { ON_FAILURE_STOP, ON_FAILURE_CONTINUE };
enum close_policy {
    CLOSE_SENDERS, /* when the last declared sender has finally ended */
    CLOSE_NEVER,   /* only by `cspctl close` or with the run; guests may be its only senders or receivers */
    CLOSE_IDLE,    /* earlier, too: when nothing is left to be done and all who could send wait to receive */
};
enum overflow { OVERFLOW_BLOCK, OVERFLOW_DROP_OLDEST, OVERFLOW_DROP_NEWEST, OVERFLOW_REJECT };
enum records { RECORDS_LINE, RECORDS_NUL, RECORDS_LENGTH, RECORDS_WHOLE };

/* One declared end of a channel. A process stands once in a list, however many of its descriptors lead there; each of
 * its replicas holds an end of its own. */
struct end {
    size_t process;
    struct place place; /* where the file says so */
};

struct channel {
    const char *name;
    int64_t capacity;            /* values; 0 is a rendezvous: operations one by one, no stream */
    int64_t max_bytes;           /* of buffered values, and the largest single value */
    int close;                   /* enum close_policy */
    int overflow;                /* enum overflow: what a value meets for which there is no room */
    bool retries;                /* `retry` is given: each value is done at least once */
    int64_t attempts;            /* deliveries before a value is a dead letter; 0: its values are not leased */
    struct span delay;           /* of the back-off */
    struct mention dead_letters; /* the channel that gets them; no name: none */
    size_t dead;                 /* the same, or PIPELINE_NONE */
    size_t source;               /* the first channel whose dead letters come here, or PIPELINE_NONE */
    const char *durable;         /* the directory that keeps its values, or NULL */
    bool ordered;                /* what its receivers make of it goes on in its order */
    size_t service; /* a service's request channel (named SERVICE.BACKEND, close: never, senders are guests), or NONE */
    struct end *senders, *receivers;
    size_t nsenders, nreceivers;
    struct place place; /* its entry under `channels:`, else where it is first named */
    bool declared;      /* has an entry under `channels:` */
};

enum process_kind {
    PROCESS_COMMAND,   /* an ordinary program: under a bridge where a channel leads to one of its descriptors */
    PROCESS_EACH,      /* one run of the program for each value, or batch, under a bridge of its own kind */
    PROCESS_PARTITION, /* moves values to the lanes of a process: see struct process.laned; not of the file */
    PROCESS_WORKER, /* speaks libipc or cspctl: attaches by itself with CSP_TICKET; its descriptors are no channels */
};

enum acknowledge {
    ACK_WRITE,    /* a value is done when it was written to the program */
    ACK_LINE,     /* by the line of output that answers it */
    ACK_EXPLICIT, /* when the program says so */
};
enum output_order { ORDER_NONE, ORDER_INPUT };
enum resume_source { RESUME_AGAIN, RESUME_SKIP }; /* what a source writes that was interrupted */

/* How many values one run of `each` gets. */
struct batch {
    int64_t values, bytes; /* at most; 0: of that no bound; both 0: one value */
};

/* What a descriptor 0 is. */
enum input_kind { INPUT_NONE, INPUT_CHANNELS, INPUT_FILE };
struct input {
    int kind;         /* enum input_kind; NONE is /dev/null */
    size_t *channels; /* INPUT_CHANNELS: merged, ends with the last one; each at most once */
    size_t nchannels;
    const char *file; /* INPUT_FILE: a template: see pipeline_input_file() */
    struct place place;
};

/* What a descriptor 1 or 2 is. INHERIT of several replicas must still give whole lines: run passes them through the
 * log's path, without a prefix. */
enum output_kind { OUTPUT_INHERIT, OUTPUT_LOG, OUTPUT_NONE, OUTPUT_CHANNELS };
struct output {
    int kind;         /* enum output_kind */
    size_t *channels; /* OUTPUT_CHANNELS: each value goes to all; each at most once */
    size_t nchannels;
    struct place place;
};

/* One entry of `in:` or `out:`. */
struct port {
    int fd; /* >= 3; -1, always and only of a worker: it opens the channel by its name */
    size_t channel;
    struct place place;
};
struct ports {
    struct port *item;
    size_t n;
};

struct setting {
    const char *name, *value; /* the value is a template */
    struct place place;
};
struct settings {
    struct setting *item;
    size_t n;
};

/* A program as the file has it: either a list, whose elements are templates, or a string for the shell. */
struct program {
    const char **argv; /* argc templates; NULL for a string */
    struct place *places;
    size_t argc;
    const char *shell; /* given to /bin/sh -c as it stands; NULL for a list */
    const char *path; /* a worker's program file, found under libexec or in PATH; NULL for commands and shell strings */
    struct place place;
};

/* What shows that a process is ready to be depended on; nothing is given: that it is started. */
struct ready {
    const char *line;    /* POSIX extended: a line of its stdout or stderr that matches, or NULL */
    struct program exec; /* that ends with status 0 */
    struct place place;  /* line 0: it is not given */
};

struct process {
    const char *name;
    int kind; /* enum process_kind */
    struct program program;
    int64_t replicas; /* 1 .. PIPELINE_MAX_REPLICA; numbered from 1 */
    struct input input;
    struct output output, error;
    struct ports in, out;
    size_t serve; /* the service it is a backend of, or PIPELINE_NONE; then input and output are not used by the file */
    size_t requests; /* with serve: the channel its requests come from, shared by its replicas, else PIPELINE_NONE */
    int records_in, records_out; /* enum records */
    struct settings env;
    const char *cwd;       /* a template, or NULL: the caller's */
    uint8_t success[32];   /* bit c % 8 of byte c / 8: exit code c is no failure (as csp__announce takes it) */
    uint8_t reject[32];    /* the same: a value whose run ends so is a dead letter at once */
    int64_t grace;         /* ns from TERM to KILL */
    int64_t timeout;       /* ns that a value may take, 0: no bound */
    struct batch batch;    /* of `each` */
    int ack;               /* enum acknowledge */
    int order;             /* enum output_order */
    int resume;            /* enum resume_source */
    bool laned;            /* its replicas have a channel each, in order: those of input */
    const char *partition; /* the field by which values go to the same replica, or NULL */
    struct restart restart;
    struct ready ready;
    struct mentions depends_on; /* as the file has it, and: */
    size_t *after, nafter;      /* processes, each of whose replicas must be ready before it starts */
    struct place *after_places;
    struct place place; /* of its name */
    /* of a live run whose file was reloaded: revision.h */
    const struct pipeline *origin; /* whose variables its templates name; NULL: of the pipeline that it is in */
    bool past;                     /* another definition has taken its place, or it is of the file no more */
};

#define REQUIRE_ALL   (-1)
#define MERGE_BY_RANK "rank"

struct merge {
    const char *by; /* MERGE_BY_RANK: interleaved by place in each answer; else the field to sort by, highest first */
    int64_t limit;  /* hits in the merged answer */
};

struct service {
    const char *name;
    int64_t deadline; /* ns for the whole call */
    int64_t require;  /* answers needed for success: 1 .. nbackends, or REQUIRE_ALL */
    int64_t hedge;    /* ns without an answer after which another replica is asked; -1: never */
    struct merge merge;
    size_t *backends; /* processes; a backend's request channel is processes[i].requests */
    size_t nbackends;
    struct place place, require_place, hedge_place; /* of its name; of those, if they are given */
};

struct pipeline {
    const char *path;   /* as given */
    int64_t version;    /* of the format: 1 */
    const char *name;   /* `name:`, else the file's name without directory and extension */
    const char *joblog; /* of the command line, not of the file: where tasks are recorded, or NULL; */
    bool joblog_resume; /* those that are done there are not run again */
    int64_t deadline;   /* ns for the whole run, or -1 */
    int on_failure;     /* enum on_failure */
    struct variable *vars;
    size_t nvars;
    struct channel *channels;
    size_t nchannels;
    struct process *processes;
    size_t nprocesses;
    struct service *services;
    size_t nservices;
    struct pool *pool; /* owns all of the above */
};

/* Load and check a file with `name=value` words from the command line (the last one of a name counts).
 * Caller owns the result and must give it to pipeline_free(). NULL if there is any error; errors and warnings alike are
 * collected in d, which the caller prints with diagnostics_print(). The status for an error is EX_CONFIG (78). */
struct pipeline *pipeline_load(const char *path, char *const vars[], size_t nvars, struct diagnostics *d);
void pipeline_free(struct pipeline *p);

/* The following expand templates for one replica (from 1). They can't fail: the templates were checked by
 * pipeline_load(). Caller owns each result and frees it with one free(). */

/* The argument vector, NULL at its end; {"/bin/sh", "-c", ...} for a string. Of `each` it has the words $1 and $@
 * still, also behind a string, where all values are positional parameters. Execute program.path where that is set, else
 * look argv[0] up in the PATH of pipeline_environment(). */
char **pipeline_argv(const struct pipeline *p, size_t process, unsigned replica);
/* The same of the program that shows whether it is ready. */
char **pipeline_ready_argv(const struct pipeline *p, size_t process, unsigned replica);

/* What an element of a list under `each` stands for: only as a whole word, so that no value is ever part of one. */
enum program_value { VALUE_NONE, VALUE_ONE, VALUE_ALL };
enum program_value program_value(const char *text);

/* The whole environment, NULL at its end; later ones win: the caller's, vars, `replica` and CSP_REPLICA, env:, extra
 * ("NAME=value" words, NULL at its end, or NULL for none). */
char **pipeline_environment(const struct pipeline *p, size_t process, unsigned replica, char *const extra[]);

/* Directory to start in, or NULL for the caller's. */
char *pipeline_cwd(const struct pipeline *p, size_t process, unsigned replica);

/* The file that is its standard input; NULL unless input.kind is INPUT_FILE. */
char *pipeline_input_file(const struct pipeline *p, size_t process, unsigned replica);

/* Index of what is called so, and is not past; or PIPELINE_NONE. */
size_t pipeline_channel(const struct pipeline *p, const char *name);
size_t pipeline_process(const struct pipeline *p, const char *name);
size_t pipeline_service(const struct pipeline *p, const char *name);

/* Whether the process sends on the channel, or receives from it, by what the file says. */
bool channel_has_sender(const struct channel *c, size_t process);
bool channel_has_receiver(const struct channel *c, size_t process);

/* Replicas of all processes together. */
size_t pipeline_total_replicas(const struct pipeline *p);

#endif
