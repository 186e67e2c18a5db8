/* SPDX-License-Identifier: MPL-2.0 */
/* Memory of other processes, as the kernel counts it. Decision: Private_Clean and Private_Dirty of smaps_rollup: what a
 * forked process still shares with its parent is nobody's. */
#ifndef BENCH_PRIVATE_H
#define BENCH_PRIVATE_H

#include "bench.h"

/* The mean private memory of n live processes, in KiB. */
double private_memory(const pid_t *pids, size_t n);

/* What a process has resident, in KiB. */
double resident_memory(pid_t pid);

#endif
