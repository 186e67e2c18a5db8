/* SPDX-License-Identifier: MPL-2.0 */
/* One quantity of a process over time. Decision: flat means that the highest of the last quarter of the looks is not
 * above the highest of the second by more than the gauge's slack: the first is the time in which buffers find their
 * size. */
#ifndef SOAK_GAUGE_H
#define SOAK_GAUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { GAUGE_MOST = 100000, GAUGE_LEAST = 8 /* looks, below which nothing is said */ };

struct gauge {
    const char *name, *unit;
    unsigned slack;
    size_t n;
    unsigned looks[GAUGE_MOST];
};

/* What is to be noted of a process: KiB that are resident, how many descriptors it has, and mappings. 0: it is gone. */
unsigned gauge_resident(pid_t pid);
unsigned gauge_descriptors(pid_t pid);
unsigned gauge_mappings(pid_t pid);

/* One more look; 0, and what is beyond GAUGE_MOST, is none. */
void gauge_note(struct gauge *g, unsigned look);

struct growth {
    unsigned before, after; /* the highest of the second and of the last quarter */
    bool flat;
};
struct growth gauge_growth(const struct gauge *g);

#endif
