/* SPDX-License-Identifier: MPL-2.0 */
/* Holding: values that were put wait for others, so that they share a frame; section 6 of docs/protocol.md. */
#ifndef CSP_HOLD_H
#define CSP_HOLD_H

#include "line.h"

/* Before the socket of a line, or what its streams hold, is used: takes the line's lock where something is held, for
 * then the holder may be at work on it. Where nothing is held only the line's own thread is. Returns whether the lock
 * was taken, for csp__hold_exit; it is not where this thread has it. */
static inline int csp__hold_enter(struct csp__line *line)
{
    if (line->entered || atomic_load_explicit(&line->held, memory_order_acquire) == 0)
        return 0;
    pthread_mutex_lock(&line->lock);
    line->entered = 1;
    return 1;
}

static inline void csp__hold_exit(struct csp__line *line, int locked)
{
    if (!locked)
        return;
    line->entered = 0;
    pthread_mutex_unlock(&line->lock);
}

/* The following two between these. */

/* The stream holds values, perhaps since before: the holder sends them in about 1 ms, if nobody did before. 0, or -1:
 * there can be no holder, and the caller sends them now. */
int csp__hold_begin(struct csp__line *line, struct csp__stream *s);

/* Sends all that the line's streams hold. 0, or -1: ENOMEM, and it is held on; ENOTCONN. */
int csp__hold_ship(struct csp__line *line);

/* The same, for who may not have entered. */
static inline int csp__hold_flush(struct csp__line *line)
{
    if (atomic_load_explicit(&line->held, memory_order_acquire) == 0)
        return 0;
    int locked = csp__hold_enter(line);
    int result = csp__hold_ship(line);
    csp__hold_exit(line, locked);
    return result;
}

/* What the stream holds is not sent any more: it ends. */
void csp__hold_forget(struct csp__line *line, struct csp__stream *s);

/* The line is about to be closed: the holder must not see it again. */
void csp__hold_leave(struct csp__line *line);

/* Sends what all lines hold, of threads that compute. */
void csp__hold_ship_all(void);

/* Ends the holder. */
void csp__hold_end(void);

/* In the child of a fork(), where there is no holder. */
void csp__hold_forked(void);

#endif
