/* SPDX-License-Identifier: MPL-2.0 */
/* The ends of a bridge that are its own and not its program's. Decision: each is told where the bridge's caller looks
 * for it, on --report where there is one, and returns the exit status that main.c documents. */
#ifndef EXEC_FAILURE_H
#define EXEC_FAILURE_H

#include "options.h"

/* The run was not joined; errno and csp_errmsg() say why. */
int failure_join(const struct options *o);

/* The channel of that name cannot be used, as csp_errmsg() says. */
int failure_channel(const struct options *o, const char *name);

/* The record of tasks cannot be written, or is none; errno says why. */
int failure_joblog(const struct options *o);

/* The program was not started, with these errors. Its ends go. */
int failure_pipes(const struct options *o, int error);
int failure_exec(const struct options *o, int error);

/* The broker has gone. Does not return, but exits. */
int failure_broker(const struct options *o);

#endif
