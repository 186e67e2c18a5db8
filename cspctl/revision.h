/* SPDX-License-Identifier: MPL-2.0 */
/* The pipeline of a live run after its file was reloaded. Decision: a new structure in which what there was keeps its
 * index, so that nothing that the run knows by an index has to be looked through: the definition of a process that has
 * changed has an index of its own, the old one stays for as long as a replica may be of it, and is past; channels and
 * services are those of their name. */
#ifndef CSPCTL_REVISION_H
#define CSPCTL_REVISION_H

#include "pipeline.h"

enum fate {
    FATE_PAST,    /* it was so before */
    FATE_KEPT,    /* unchanged, but for its replicas */
    FATE_CHANGED, /* its heir takes its place */
    FATE_REMOVED,
    FATE_ADDED, /* new, also as an heir */
};

struct revision {
    const struct pipeline *now;      /* of the run */
    const bool *gone, *vacant;       /* its processes */
    struct pipeline *next;           /* the file; owns all that there is here */
    struct pipeline *p;              /* both */
    size_t *process_of, *channel_of; /* indices of `next` -> of `p` */
    enum fate *fate;                 /* by process of `p` */
    bool *added;                     /* the same: it is FATE_ADDED */
    size_t *heir;                    /* the same; PIPELINE_NONE */
    size_t *older;                   /* the same: whose heir it is */
    bool *fresh;                     /* by channel of `p`: it is to be declared */
};

/* `gone`, `vacant`: as in struct vacancy. Nothing of it points to the file of `now`, but the definitions that are past
 * and not gone: struct process.origin. */
struct revision *revision_new(const struct pipeline *now, struct pipeline *next, const bool *gone, const bool *vacant);

/* A channel of `next` has the name of one that has ended: it is another one. */
void revision_renew(struct revision *r, size_t channel);

#endif
