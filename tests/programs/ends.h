/* SPDX-License-Identifier: MPL-2.0 */
/* The ends that a process of these programs holds. Decision: every process says once, when it starts, which ends it
 * uses, and gives up all others that it inherited: so a channel closes, or breaks, when those who really use it have
 * gone, also when they were killed, and whoever is left ends by the channels' own rules. */
#ifndef PROGRAMS_ENDS_H
#define PROGRAMS_ENDS_H

#include "csp.h"

#include <stddef.h>

struct end {
    csp_chan chan;
    int ends;
};

/* csp_make; both ends are held. Leaves with UNABLE where that is not possible, as do the others here. */
csp_chan ends_make(size_t capacity);

/* Notes ends that came with a value. */
void ends_got(csp_chan c, int ends);

/* Gives up these ends, those of them that are held. */
void ends_drop(csp_chan c, int ends);

/* Gives up all but these. */
void ends_keep(const struct end *kept, size_t n);
#define KEEP(...)                                                                                                      \
    ends_keep((const struct end[]){__VA_ARGS__}, sizeof((const struct end[]){__VA_ARGS__}) / sizeof(struct end))

void ends_drop_all(void);

#endif
