/* SPDX-License-Identifier: MPL-2.0 */
/* Scatter-gather: one request to every backend of a service, and one select over all that is still to be sent and all
 * that is still to be answered, until the deadline and not a moment longer. */
#ifndef CSPCTL_GATHER_H
#define CSPCTL_GATHER_H

#include "answer.h"
#include "services.h"

#include <csp.h>

/* Asks; answers has room for s->nbackends and is filled in, to be cleared with answer_clear() each. The time for it is
 * s->deadline, and runs from the moment when the requests can be sent. *took_ms is what it took. */
void gather(const struct service_info *s, const char *words, struct answer *answers, double *took_ms);

/* The words of a request as one text, with a space between them. NULL, and that is said, if one has a newline: a
 * request is a line. Caller owns the result and frees it. */
char *gather_words(char *const words[], size_t n);

/* Waits until each backend has a process that waits for requests, or has none left that will; at most until `by`.
 * Returns 0, or -1: ETIMEDOUT, ENOTCONN. */
int gather_ready(const struct service_info *s, csp_time by);

#endif
