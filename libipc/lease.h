/* SPDX-License-Identifier: MPL-2.0 */
/* Leases: section 16 of docs/protocol.md, the caller's side. */
#ifndef CSP_LEASE_H
#define CSP_LEASE_H

#include "line.h"

/* A value that was received, as it lies in its frame. */
struct csp__given {
    const char *data;
    size_t len;
    csp_chan attached;
    struct wire_lease lease; /* id 0: none */
    const char *reason;      /* lease.reason bytes */
};

struct csp__lease { /* held by this process */
    struct csp__lease *next;
    uint64_t id;
    csp_chan chan;
};

static inline int csp__is_leased(const struct wire_lease *lease)
{
    return lease->id != 0 && !lease->letter;
}

/* Before a value is taken: memory to note its lease. 0, or -1: none. */
int csp__lease_prepare(struct csp__line *line);

/* This process holds so many leases more, or less, of values of c. Whether it holds any; for a guest, whether it may,
 * for the process that it is inside of may. */
void csp__lease_count(csp_chan c, int64_t more);
int csp__lease_holds(csp_chan c);

/* The value was taken, by this case: who receives with csp_recv means it to be done by its next receive, who
 * receives with csp_recv_msg acknowledges it. It was prepared. */
void csp__lease_note(struct csp__line *line, const csp_case *c, const struct wire_lease *lease);

/* Acknowledges what this thread received with csp_recv from c; 0: from any channel. */
void csp__lease_done(struct csp__line *line, csp_chan c);

/* The stash of a channel, or of all where c is 0, goes away unread: what is leased of it goes back. */
void csp__lease_return_stash(struct csp__line *line, csp_chan c);

/* Acknowledges: n ids. 0, or -1: ENOMEM, ENOTCONN. */
int csp__say_ack(struct csp__line *line, csp_chan c, const uint64_t *ids, size_t n, unsigned flags);

/* Gives back: delay as in wire_nack. 0, or -1: ENOMEM, ENOTCONN. */
int csp__say_nack(struct csp__line *line, csp_chan c, uint64_t id, int64_t delay, const char *reason, size_t len);

/* What this thread has staged the broker drops, with what it is about to be told. */
void csp__staged_drop(struct csp__line *line);

/* Frees what the line notes of leases. */
void csp__lease_forget(struct csp__line *line);

/* Forgets all leases of the process: the run has ended. */
void csp__leases_clear(void);

/* In a forked child, before anything else: the leases are its parent's. */
void csp__leases_forked(void);

#endif
