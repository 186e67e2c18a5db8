/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker says of a run (STAT and DUMP, sections 8 and 13 of docs/protocol.md), as structures; what belongs to
 * a process or a channel is a list of its own, by number, as it was said.
 * The text is cut up in place, and the structures point into it: nothing is copied but numbers. */
#ifndef CSPCTL_SNAPSHOT_H
#define CSPCTL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct snapshot_process {
    const char *name, *state, *waits; /* waits: "recv a,send b", or "-" */
    int64_t id, replica, pid, program, since;
    int64_t restarts; /* by the supervisor: phases.h */
    /* of a dump: */
    uint64_t function;
    int64_t scope, cancelled, stuck, parent;
};

struct snapshot_channel {
    const char *name, *state; /* "-" for a channel without a name */
    int64_t id, capacity, values, bytes, max_bytes, senders, receivers, sent, received, how, code, lost;
    int64_t leased, back_off, given_up, dropped; /* of one with settings */
};

/* What belongs to a process begins with its number. */
struct snapshot_wait { /* one case of a caller's offer */
    int64_t process, line, since, deadline, number;
    uint64_t place;
    const char *op, *name;
};

struct snapshot_end {
    int64_t process, channel;
    const char *ends; /* "s", "r", "sr" */
};

struct snapshot_stream {
    int64_t process, line, channel, window, values, since;
    const char *direction; /* "s", "r" */
    const char *how;       /* "hosted", "pair" */
};

struct snapshot_value { /* one or more, in a block */
    const char *where, *preview;
    int64_t channel, process, count, bytes;
};

struct snapshot_scope {
    int64_t number, process, line, parent, deadline, cancelled, members;
};

struct snapshot {
    const char *name, *file;
    int64_t root, broker, started;
    int64_t memory, heap; /* of the broker: bytes in use, and had from the system; of a dump, 0 where it is not said */
    struct snapshot_process *processes;
    struct snapshot_channel *channels;
    struct snapshot_wait *waits;
    struct snapshot_end *ends;
    struct snapshot_stream *streams;
    struct snapshot_value *values;
    struct snapshot_scope *scopes;
    size_t nprocesses, nchannels, nwaits, nends, nstreams, nvalues, nscopes;
    char *text;
    struct pool *pool;
};

/* Takes over the text, of malloc. NULL: it is not what those sections say. Lines of a kind not known are passed over,
 * and so are fields behind the known ones. Caller owns the result and must give it to snapshot_free(). */
struct snapshot *snapshot_parse(char *text);
void snapshot_free(struct snapshot *s);

/* How a channel's values go at the moment: "pair", directly; "stream"; or "-", value by value. Only of a dump. */
const char *snapshot_kind(const struct snapshot *s, const struct snapshot_channel *c);

/* Asks the broker of the run this process is in. NULL with errno; csp_errmsg() has the words. */
struct snapshot *snapshot_ask(void);
struct snapshot *snapshot_ask_dump(void);

/* The channel of that name, or NULL. */
const struct snapshot_channel *snapshot_channel(const struct snapshot *s, const char *name);

/* Whether the process waits to do `operation` ("recv lines"). */
int snapshot_waits(const struct snapshot_process *p, const char *operation);

#endif
