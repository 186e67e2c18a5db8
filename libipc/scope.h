/* SPDX-License-Identifier: MPL-2.0 */
/* The scopes that a thread has entered, and what of it is cancelled: section 11 of docs/protocol.md. */
#ifndef CSP_SCOPE_H
#define CSP_SCOPE_H

#include "line.h"

struct csp__scope {
    struct csp__scope *outer;
    uint64_t number;
    csp_time deadline;
    int cancelled; /* CSP_CANCELLED, CSP_DEADLINE; 0: it is not */
    int over;      /* the broker has forgotten it; what is left is to reap children */
    csp_exit first;
};

/* How the thread's innermost scope was cancelled, or else its process: CSP_CANCELLED, CSP_DEADLINE; 0: it was not. */
int csp__scope_how(const struct csp__line *line);

/* Whether calls of this thread are to end with ECANCELED: cancelled and not shielded. */
int csp__scope_ends(const struct csp__line *line);

/* WIRE_SHIELD in a shield, else 0. */
unsigned csp__scope_flags(void);

/* A CANCELLED is in the line's frame. */
void csp__scope_note(struct csp__line *line);

/* The line goes, and its scopes with it. */
void csp__scopes_free(struct csp__line *line);

/* In csp_go's child: no shield of its parent's. */
void csp__scope_forked(void);

#endif
