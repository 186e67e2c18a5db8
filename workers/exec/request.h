/* SPDX-License-Identifier: MPL-2.0 */
/* A request of a service as a value: `DEADLINE_NS WORDS`. Decision: one line of text, so that a program that was never
 * written for this can serve it, and the deadline as an absolute CLOCK_MONOTONIC time, which is the same in every
 * process and needs no allowance for the way. Pure. */
#ifndef EXEC_REQUEST_H
#define EXEC_REQUEST_H

#include "csp.h"

#include <stddef.h>

/* The deadline, and where the words are in m. 0, or -1: it is no request (no number, no blank, a newline in it). */
int request_read(const csp_msg *m, csp_time *by, const char **words, size_t *len);

#endif
