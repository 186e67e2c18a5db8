/* SPDX-License-Identifier: MPL-2.0 */
/* The definitions of a run's services, for who calls them from outside.
 * The root writes them as the file `services` (JSON) of the run directory (docs/protocol.md, section 9): a guest must
 * not need the pipeline file, which may have changed or gone since. */
#ifndef CSPCTL_SERVICES_H
#define CSPCTL_SERVICES_H

#include "pipeline.h"

struct backend_info {
    const char *name; /* its request channel is SERVICE.NAME */
    int64_t replicas;
};

struct service_info {
    const char *name;
    int64_t deadline;   /* ns */
    int64_t require;    /* answers */
    struct merge merge; /* how answers become one */
    int64_t hedge;      /* ns until another replica is asked; -1: never */
    struct backend_info *backends;
    size_t nbackends;
    struct pool *pool;
};

/* Writes the file whole, or nothing. Returns 0, or -1 with errno. */
int services_write(const char *dir, const struct pipeline *p);

/* One service of the run in that directory. Says what is wrong and returns NULL: no such service (did you mean), no
 * file. Caller owns the result and must give it to service_info_free(). */
struct service_info *service_info_read(const char *dir, const char *name);
void service_info_free(struct service_info *s);

#endif
