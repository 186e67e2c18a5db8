/* SPDX-License-Identifier: MPL-2.0 */
/* Moves the values of a channel to lanes, channels of which each has one receiver, by a field of theirs. Decision: it
 * is a process of its own, so that a value has the same way whoever sent it; each block is put into the lanes and
 * acknowledged in one step, so that no value is lost or doubled by its death. A lane that is full holds up all: the
 * order within a field is worth more than the pace of the others. */
#ifndef EXEC_PARTITION_H
#define EXEC_PARTITION_H

#include "options.h"

/* Joins the run, and moves values until the input has ended. Returns the exit status. */
int partition_run(struct options *o);

#endif
