/* SPDX-License-Identifier: MPL-2.0 */
/* Values there and back, one at a time. Decision: the median of the single trips counts, as who happens to share a core
 * with whom makes a mean of two kinds of trips. */
#ifndef BENCH_TRIPS_H
#define BENCH_TRIPS_H

#include "bench.h"

/* Sends values of `size` bytes, each when the one before is back, for the time to be measured. Prints `us` and
 * `us-p99`, the median and the 99th percentile, and `values`. */
void trips_ask(bench_send *send, bench_recv *recv, void *end, size_t size);

/* Sends each value back until the asker has got its last. */
void trips_answer(bench_send *send, bench_recv *recv, void *end, size_t size);

#endif
