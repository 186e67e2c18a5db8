/* SPDX-License-Identifier: MPL-2.0 */
/* Many pipes into one output, whole lines, by a thread of its own.
 * The thread writes as anybody does, blocking: a terminal that is held with Ctrl-S, a pager, a full pipe stop this
 * thread, through the pipes the processes that write, and never the supervisor. What it holds is a line of each source.
 */
#ifndef CSPCTL_LOG_H
#define CSPCTL_LOG_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

enum log_kind {
    LOG_LINES, /* prefixed; when nobody reads the output any more the processes go on, and their lines are dropped */
    LOG_DATA,  /* as they are; when nobody reads any more the sources are closed, so that their writers get SIGPIPE */
};

/* Starts the thread. Signals must be blocked already, and SIGPIPE ignored. NULL with errno.
 * Caller owns the result and must give it to log_close(). */
struct log *log_open(int output, enum log_kind kind);

/* A new source with this prefix, which is copied. Returns the descriptor to write to (close-on-exec), or -1 with errno.
 * Caller owns it; the source ends when it is closed everywhere. */
int log_source(struct log *log, const char *prefix);

struct spotting { /* what is looked for in a source */
    const regex_t *regex;
    int tell; /* where `word` is written, once, when a line matches, or `over` when the source ends, and none has; a
               * pipe that is not full */
    const void *word, *over;
    size_t size;
};
/* The same, and its lines are looked at. What is pointed to but the word must outlive the log. */
int log_source_spotted(struct log *log, const char *prefix, const struct spotting *spotting);

/* Waits until every source has ended and all is written, as long as there is progress within each `ms` (-1: for ever).
 * False: it was given up, with what was not written. The log is gone in both cases. *error (or NULL), set if true: the
 * errno of the write that failed, after which nothing was written any more, or 0. A signal that is blocked is let
 * through while it waits for longer than a moment: who waits for a reader can be ended. */
bool log_close(struct log *log, int ms, int *error);

/* The prefix of a process's lines: "name[2] | " in the process's colour, or without. buf gets at most size bytes. */
void log_prefix(char *buf, size_t size, const char *label, size_t process, bool colour);

#endif
