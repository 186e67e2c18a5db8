/* SPDX-License-Identifier: MPL-2.0 */
/* The bridge that runs its program once for each value, or batch of values. Decision: one thread, and so one line to
 * the broker: what a run has written and the acknowledgement of its values go there as one step, in which nothing can
 * come between; and the broker sees at once when there is nothing left to be done here. Values are received one by one,
 * so that only those of the current run are leased, while others are delivered ahead by the pace at which runs end. */
#ifndef EXEC_EACH_H
#define EXEC_EACH_H

#include "options.h"

/* Joins the run, and runs the program for every value until the inputs have ended. Returns the bridge's exit status. */
int each_run(struct options *o);

#endif
