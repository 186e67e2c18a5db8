/* SPDX-License-Identifier: MPL-2.0 */
/* How cspctl tells a bridge why it has to end. Decision: TERM by itself drains, and what was written counts as whole;
 * a TERM queued with this value says that the run has failed, and then no receiver may take a part for the whole. One
 * that retires closes its program's inputs, so that nothing which the program has is lost; one without inputs gets
 * TERM. It stands alone, for cspctl links nothing of the bridge. */
#ifndef EXEC_TERM_H
#define EXEC_TERM_H

/* The value of a TERM of sigqueue(3). */
#define EXEC_TERM_FAILED 1
#define EXEC_TERM_RETIRE                                                                                               \
    2 /* this replica is one too many, or is to be restarted: it takes nothing more, and finishes */

#endif
