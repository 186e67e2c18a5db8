/* SPDX-License-Identifier: MPL-2.0 */
/* The expanded topology, for people and for programs. */
#ifndef CSPCTL_EXPLAIN_H
#define CSPCTL_EXPLAIN_H

#include "pipeline.h"

#include <jansson.h>
#include <stdio.h>

/* Returns 0, or -1 with errno where the output failed. */
int explain_text(const struct pipeline *p, FILE *to);

/* Caller owns the result. */
json_t *explain_json(const struct pipeline *p);

/* "command", "each", "worker"; "senders", "never", "idle". */
const char *explain_kind(const struct process *process);
const char *explain_close(const struct channel *c);

/* Whether the replicas of a process have different arguments. */
bool explain_argv_differs(const struct pipeline *p, size_t process);

/* One argument for a shell: as it is, in '...', or with control characters in $'...'. Belongs to pool. */
struct pool;
char *explain_word(struct pool *pool, const char *text);

#endif
