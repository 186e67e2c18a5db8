/* SPDX-License-Identifier: MPL-2.0 */
/* The record of tasks: a line of JSON for each, in a file that all bridges of a run share.
 *
 * Decision: a bridge writes its lines itself, each with one write(2) to a descriptor opened with O_APPEND, so that
 * lines of different bridges never mix and a kill leaves at most one line cut, which the reader passes over. A task is
 * known by its process and its value, of which the line has length and hash: so --resume does not depend on ids, which
 * another run gives anew. A line is written after the task was settled: what is in doubt after a crash is done again.
 */
#ifndef EXEC_JOBLOG_H
#define EXEC_JOBLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct joblog;

struct joblog_task {
    const void *value;
    size_t length;
    uint64_t id;
    unsigned tries;
    int64_t start;       /* ns of CLOCK_REALTIME */
    int64_t took;        /* ns */
    int status, signal;  /* of the program; signal 0: it exited */
    uint64_t output;     /* bytes that it wrote to its channels */
    const char *outcome; /* "done", "retry", "rejected" */
};

/* Opens the file to append to it. With resume, reads first which tasks of this process are done in it; a file that is
 * not there has none. Caller owns the result. NULL with errno; EINVAL: it has a whole line that is none of a record. */
struct joblog *joblog_open(const char *path, const char *process, unsigned replica, bool resume);

/* Whether a task with this value is done in the file that was resumed. */
bool joblog_done(const struct joblog *log, const void *value, size_t length);

/* Adds a line. 0, or -1 with errno, and nothing of it is in the file or a line that is cut. */
int joblog_write(struct joblog *log, const struct joblog_task *task);

/* NULL is allowed. */
void joblog_close(struct joblog *log);

#endif
