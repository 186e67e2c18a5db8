/* SPDX-License-Identifier: MPL-2.0 */
/* Whose turn it is in a select that mixes cases which this process decides alone with the broker's. */
#ifndef CSP_TURN_H
#define CSP_TURN_H

#include "csp.h"

enum { CSP__PASSES = 7 }; /* calls in a row by which a channel of the broker's is passed over at most */

struct csp__turn {
    csp_chan chan; /* 0: a free entry */
    unsigned passed;
};

struct csp__turns { /* all 0: none yet */
    struct csp__turn *table;
    size_t size, used;
};

struct csp__slot;

/* A case that this process decides alone is ready. 1: first the broker is to be asked, for one of the channels has been
 * passed over CSP__PASSES times; 0: it is passed over once more. `start`, 0 or 1, is drawn: from there it counts after
 * an asking, so that no pattern of calls has the broker asked in one place for ever. */
int csp__turns_pass(struct csp__turns *turns, const csp_case *cases, const struct csp__slot *slots, size_t n,
                    unsigned start);

void csp__turns_free(struct csp__turns *turns);

#endif
