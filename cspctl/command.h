/* SPDX-License-Identifier: MPL-2.0 */
/* A subcommand of cspctl is a file cmd_NAME.c with its table entry on top, and a line in main.c's table.
 * Options are read with getopt_long: czmq's zargs does not know which options take a value, so that it would swallow
 * FILE in `-v FILE`, and it lets unknown options pass. */
#ifndef CSPCTL_COMMAND_H
#define CSPCTL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct command {
    const char *name;
    const char *args; /* for the usage line, as "FILE [name=value ...]" */
    const char *help; /* one line */
    /* Called with argv[0] = "cspctl NAME", so that getopt's own messages name the place, and optind = 1. Returns the
     * exit status. */
    int (*run)(int argc, char **argv);
    const char *details; /* options and statuses for `cspctl help NAME`, lines with an end each; or NULL */
};

extern const struct command command_check, command_explain, command_run, command_ps, command_dump, command_stop,
    command_scale, command_restart, command_reload, command_call, command_send, command_recv, command_ack,
    command_close, command_help, command_version;

/* Print the usage line of c on stderr. Returns EX_USAGE. */
int command_usage(const struct command *c);

/* Says that a word is one too many (and what to write instead of it: "" or ": write ..."), and how to use it. Returns
 * the same. */
int command_surplus(const struct command *c, const char *word, const char *advice);

/* The value of -o: true for "json", false for "text"; anything else is an error said on stderr, *bad is set. */
bool command_json(const char *format, bool *bad);

/* A duration from the command line ("80ms"), in ns; anything else is an error said on stderr, *bad is set. */
int64_t command_duration(const struct command *c, const char *option, const char *text, bool *bad);

struct pipeline;
struct diagnostics;

/* For commands that look at a file: `[-o FORMAT] FILE [name=value ...]` is read, the file loaded (NULL: it has errors),
 * and `show` called. Returns EX_OK, or EX_CONFIG for a file with errors, or EX_USAGE. */
int command_look(const struct command *c, int argc, char **argv,
                 void (*show)(const struct pipeline *p, struct diagnostics *d, bool json));

#endif
