/* SPDX-License-Identifier: MPL-2.0 */
/* What only the supervisor knows of the run's processes, for those who look at it: a file of the run directory,
 * `phases`, a line `NUMBER STATE RESTARTS` for each that is more than started. Decision: a file that is replaced, and
 * no question to the supervisor, so that looking never waits for it. */
#ifndef CSPCTL_PHASES_H
#define CSPCTL_PHASES_H

struct supervisor;
struct snapshot;

/* Writes it where it has changed. */
void phases_write(struct supervisor *s);

/* Gives the processes of the snapshot the states that the file of their run has, and leaves those out that stand by. */
void phases_apply(const char *dir, struct snapshot *s);

#endif
