/* SPDX-License-Identifier: MPL-2.0 */
/* Memory and descriptors of a process over time. Decision: flat means that the highest of the last quarter of the looks
 * is not much above the highest of the second: the first is the time in which buffers find their size. */
#ifndef SOAK_GAUGE_H
#define SOAK_GAUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { GAUGE_MOST = 100000 };

struct gauge {
    const char *name;
    pid_t pid;
    size_t n;
    unsigned kib[GAUGE_MOST], fds[GAUGE_MOST];
};

/* One more look. False: the process is gone, or there were too many. */
bool gauge_look(struct gauge *g);

struct growth {
    unsigned kib_before, kib_after, fds_before, fds_after; /* the highest of the second and of the last quarter */
    bool flat;
};
struct growth gauge_growth(const struct gauge *g);

#endif
