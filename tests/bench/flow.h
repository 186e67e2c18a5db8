/* SPDX-License-Identifier: MPL-2.0 */
/* Values one way, as fast as they go. Decision: only the receiver's clock counts, from when the flow has settled (a
 * tenth of the time) to the last value: what a sender has put into a buffer was not moved yet. */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include "bench.h"

/* Sends values of `size` bytes for the time to be measured, and a last one that says so. */
void flow_send(bench_send *send, void *end, size_t size);

/* Receives them, and prints `values/s` and `values`: how many there were in all. */
void flow_receive(bench_recv *recv, void *end, size_t size);

#endif
