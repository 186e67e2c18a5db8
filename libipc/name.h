/* SPDX-License-Identifier: MPL-2.0 */
/* The named channels that this process has opened or declared: their names and limits. */
#ifndef CSP_NAME_H
#define CSP_NAME_H

#include "csp.h"
#include "wire.h"

/* Notes a channel of that name; a failure to is no error, for this serves messages and limits only. */
void csp__name_note(csp_chan c, const char *name, size_t max_bytes);

/* Copies the channel's name. Returns 0 where it has none that is known here. */
int csp__name_of(csp_chan c, char name[WIRE_MAX_NAME + 1]);

/* Forgets all: the run has ended. */
void csp__name_clear(void);

/* In a forked child, before anything else: the lock is its own now. */
void csp__name_forked(void);

#endif
