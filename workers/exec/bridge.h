/* SPDX-License-Identifier: MPL-2.0 */
/* The supervisor of one program: starts it, watches it, its threads, the signals and the broker, and ends all of them
 * in the right order. Decision: a table of states and events, driven by one poll(2) of the main thread. */
#ifndef EXEC_BRIDGE_H
#define EXEC_BRIDGE_H

#include "options.h"

#include <signal.h>

/* Blocks the signals that the bridge takes; before any thread is started. */
void bridge_signals(void);

/* That set. */
const sigset_t *bridge_set(void);

/* Joins the run as this process, and adopts whatever its programs leave behind. 0, or -1 with errno. */
int bridge_join(const struct options *o);

/* Joins the run, runs the program to its end, tells everybody how it ended. Returns the bridge's exit status. May not
 * return, but exit, where a thread is stuck in a call. */
int bridge_run(struct options *o);

#endif
