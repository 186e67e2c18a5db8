/* SPDX-License-Identifier: MPL-2.0 */
/* What a run finds that was interrupted: docs/durable.md. Decision: the broker keeps what there is to be known, in the
 * store itself, so that it is of one piece with the values; here is only what follows for the processes of the file. */
#ifndef CSPCTL_RESUME_H
#define CSPCTL_RESUME_H

#include "supervisor.h"

/* Sets a channel, its directory included, and notes what that had of it. Returns 0, or -1 with errno. */
int resume_set(struct supervisor *s, size_t channel, struct csp__settings *settings);

/* All channels are set: says how many values there are again. */
void resume_say(const struct supervisor *s);

/* Before the first is started: who was finished is left out. */
void resume_leave_out(struct supervisor *s);

/* How many of its values were stored: NULL, where none was. */
const uint64_t *resume_count(const struct stage *stage, size_t process, unsigned replica);

/* Something is known of a replica of it. */
bool resume_names(const struct stage *stage, size_t process);

/* It has ended, for good: so that it is finished where this run is interrupted after it. */
void resume_ended(struct supervisor *s, const struct child *c);

/* The run has ended well, and there is nothing to be resumed. */
void resume_forget(const struct supervisor *s);

#endif
