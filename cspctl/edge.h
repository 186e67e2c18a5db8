/* SPDX-License-Identifier: MPL-2.0 */
/* What follows for a channel from how it is declared and who uses it: the kind of edge that it is, what it promises,
 * and the memory that it can take. */
#ifndef CSPCTL_EDGE_H
#define CSPCTL_EDGE_H

#include "pipeline.h"

/* "rendezvous", "stream" or "requests". */
const char *edge_kind(const struct channel *c);

/* What a value can count on: it goes to one receiver, and is lost with it. */
#define EDGE_DELIVERY "at most once"

/* Ends that declared processes hold, each replica counted. */
size_t edge_ends(const struct pipeline *p, const struct end *ends, size_t n);

/* The most bytes of values that are in a channel or on the way, if no value is larger than `value`: what it buffers,
 * and at each end a window, or one value where that is larger; at a rendezvous one value an end. Guests are not
 * counted. */
int64_t edge_memory(const struct pipeline *p, const struct channel *c, int64_t value);

#endif
