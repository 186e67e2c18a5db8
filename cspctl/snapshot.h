/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker says of a run (STAT, section 8 of docs/protocol.md), as structures.
 * The text is cut up in place, and the structures point into it: nothing is copied but numbers. */
#ifndef CSPCTL_SNAPSHOT_H
#define CSPCTL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct snapshot_process {
    const char *name, *state, *waits; /* waits: "recv a,send b", or "-" */
    int64_t id, replica, pid, program, since;
};

struct snapshot_channel {
    const char *name, *state; /* "-" for a channel without a name */
    int64_t id, capacity, values, bytes, max_bytes, senders, receivers, sent, received, how, code, lost;
};

struct snapshot {
    const char *name, *file;
    int64_t root, broker, started;
    struct snapshot_process *processes;
    struct snapshot_channel *channels;
    size_t nprocesses, nchannels;
    char *text;
    struct pool *pool;
};

/* Takes over the text, of malloc. NULL: it is not what section 8 says. Lines of a kind not known are passed over, and
 * so are fields behind the known ones. Caller owns the result and must give it to snapshot_free(). */
struct snapshot *snapshot_parse(char *text);
void snapshot_free(struct snapshot *s);

/* Asks the broker of the run this process is in. NULL with errno; csp_errmsg() has the words. */
struct snapshot *snapshot_ask(void);

/* The channel of that name, or NULL. */
const struct snapshot_channel *snapshot_channel(const struct snapshot *s, const char *name);

/* Whether the process waits to do `operation` ("recv lines"). */
int snapshot_waits(const struct snapshot_process *p, const char *operation);

#endif
