/* SPDX-License-Identifier: MPL-2.0 */
/* What stands between a process of the file and the system: which ends it holds, and the command line that is executed
 * for it. An ordinary program runs under the bridge (workers/exec) where a channel leads to one of its descriptors; a
 * worker, and a program without channels, is executed itself. */
#ifndef CSPCTL_BRIDGE_H
#define CSPCTL_BRIDGE_H

#include "pipeline.h"

#include <csp.h>
#include <run.h>

bool process_bridged(const struct pipeline *p, size_t process);

/* The channels of its stdin. */
void process_inputs(const struct process *process, unsigned replica, const size_t **channels, size_t *n);

/* The ends of one replica, from the handles of the channels (by index). Caller owns *grants and frees it.
 * Returns how many. */
size_t process_grants(const struct pipeline *p, size_t process, unsigned replica, const csp_chan *chans,
                      struct csp__grant **grants);

/* The descriptor on which the bridge reports: behind all that the file gives to the program. */
int bridge_report_fd(const struct process *process);

/* What is executed, NULL at its end. Of a bridge, exec is its path. Belongs to pool. */
char **process_command(const struct pipeline *p, size_t process, unsigned replica, const char *exec, struct pool *pool);

/* "grep[2]", or "grep" where there is one replica. Belongs to pool. */
const char *process_label(const struct pipeline *p, size_t process, unsigned replica, struct pool *pool);

#endif
