/* SPDX-License-Identifier: MPL-2.0 */
/* What durable.c and durable_set.c know of one another, and nobody else. */
#ifndef BROKER_DURABLE_PARTS_H
#define BROKER_DURABLE_PARTS_H

#include "durable.h"
#include "store.h"

/* A directory with its store. */
struct directory {
    struct list node, channels;
    struct store *store;
    bool changed, full, failed; /* failed: that was said */
    int64_t said;               /* when it was full last */
    bool forget;
};

struct range {
    uint64_t first, last;
};

struct tried {
    uint64_t key;
    uint32_t tries;
};

/* Who is restarted in a run sends again what was sent; only the beginning that is stored can be skipped in the next
 * run. So it is not a sum: it is the most that one of them sent since its own start. */
struct durable_sender {
    struct list node; /* in its channel's */
    uint64_t process; /* the last of them */
    uint64_t sent;    /* by it, in this run */
    uint64_t most;    /* by one of them */
    uint64_t more;    /* of that since the last commit */
    uint32_t replica;
    char name[];
};

struct durable {
    struct list node; /* in its directory's */
    struct directory *home;
    struct channel *channel;
    struct stored *row;
    struct list appended, senders;
    struct range *gone;
    struct tried *tried;
    size_t gone_count, gone_room, tried_count, tried_room;
    bool marked; /* row->next, row->delivered have changed */
};

/* A process that has ended, and is finished when all that it sent is stored. */
struct finishing {
    struct list node;
    bool written;
    uint32_t replica;
    char name[];
};

#define EACH_DIRECTORY(b, node, next) LIST_EACH(node, next, &(b)->durable.directories)
#define DIRECTORY(at)                 LIST_OWNER(at, struct directory, node)
#define CHANNEL(at)                   LIST_OWNER(at, struct durable, node)

#endif
