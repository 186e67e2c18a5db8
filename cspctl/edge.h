/* SPDX-License-Identifier: MPL-2.0 */
/* What follows for a channel from how it is declared and who uses it: how its values are carried, what it promises, and
 * the memory that it can take. docs/pipeline.md says the same, "What explain shows": `run` declares by it, and
 * `explain` prints it. */
#ifndef CSPCTL_EDGE_H
#define CSPCTL_EDGE_H

#include "pipeline.h"

#include "../workers/exec/sizes.h"

#include <csp.h>

struct pool;

/* What a value can count on: it goes to one receiver, and is lost with it. */

/* Bytes beside its own that a value costs: in a frame with others, where a length stands; alone in the broker. */
#define EDGE_LENGTH 4
#define EDGE_ALONE  320

/* Streams that the declared processes make of a side of the channel, CSP_SEND or CSP_RECV: one a descriptor that leads
 * there, or a worker, and each replica counted. */
size_t edge_streams(const struct pipeline *p, const struct channel *c, int side);

/* "pair", "stream", "rendezvous" or "requests". A pair has one stream on each side: the broker may join them directly.
 */
const char *edge_kind(const struct pipeline *p, const struct channel *c);

/* The kind is "pair". */
bool edge_is_pair(const struct pipeline *p, const struct channel *c);

/* What becomes of its values when who has them dies: "at most once", "at least once", and ", ordered". */
const char *edge_delivery(const struct channel *c);

/* Why it is that. Belongs to the pool. */
const char *edge_why(const struct pipeline *p, const struct channel *c, struct pool *pool);

/* The most bytes of values that are in a channel or on the way, if no value is larger than `value`. Guests are not
 * counted. */
int64_t edge_memory(const struct pipeline *p, const struct channel *c, int64_t value);

/* The most that the bridges of all processes hold beside that: a block being read or written, and a pipe, for each
 * descriptor that leads to channels. */
int64_t edge_bridges(const struct pipeline *p, int64_t value);

/* Both, for the whole run. */
int64_t edge_total(const struct pipeline *p, int64_t value);

#endif
