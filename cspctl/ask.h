/* SPDX-License-Identifier: MPL-2.0 */
/* One backend that is asked: a try, and where it has replicas and the service hedges, another one each time that the
 * hedge's time has passed without an answer. Decision: each try has a reply channel of its own, so that the end of the
 * replica which took it is known at once, and the next is asked then without waiting for the time. The first answer
 * that is no failure counts; the reply channels of the other tries go, and a replica that comes late gets EPIPE. */
#ifndef CSPCTL_ASK_H
#define CSPCTL_ASK_H

#include "answer.h"
#include "services.h"

#include <csp.h>

struct ask {
    csp_chan requests;
    csp_msg request;
    struct attempt *tries;
    size_t tried, most; /* tries made, and how many there may be */
    csp_time next, by;  /* when the next one is due; the deadline of the call */
    int64_t hedge;      /* ns; -1: never */
    bool done;          /* nothing more is wanted of it */
    struct answer *to;  /* not owned */
};

/* Makes ready what the first try needs, before the clock runs. `to` is what becomes of it, to be cleared by its owner.
 */
void ask_open(struct ask *ask, const struct service_info *s, size_t backend, struct answer *to);

/* The request, whose bytes stay the caller's and valid until ask_close; asks at once when cases are waited for. */
void ask_begin(struct ask *ask, const char *request, size_t length, csp_time by);

/* How many cases it needs at most. */
size_t ask_size(const struct ask *ask);

/* Fills in ask_size() cases. */
void ask_cases(const struct ask *ask, csp_case *cases);

/* Its case number i has happened, with this error. */
void ask_step(struct ask *ask, size_t i, int err);

/* The select failed with this errno, which its cases show or concerns all. True: something changed. */
bool ask_failed(struct ask *ask, const csp_case *cases, int err);

void ask_close(struct ask *ask);

#endif
