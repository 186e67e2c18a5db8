/* SPDX-License-Identifier: MPL-2.0 */
/* Demand channels: a series is a channel, and who wants its next term sends a demand on it that carries a channel for
 * the answer. Decision: a fresh channel for each answer, of which the asker keeps only the receiving end and the asked
 * only the sending end; so each learns by EPIPE that the other has gone, in the middle of a demand too, and a series
 * can be handed on like any value. */
#ifndef PROGRAMS_DEMAND_H
#define PROGRAMS_DEMAND_H

#include "csp.h"
#include "rational.h"

#include <stddef.h>
#include <stdint.h>

/* A term as a value; den 0: the series has no more. */
struct term {
    uint64_t id; /* see journal.h */
    struct rational r;
};

/* A question to a series, and how far it has come. */
enum asking { TO_ASK, ASKED, ANSWERED };
struct question {
    csp_chan series, reply;
    enum asking state;
    uint64_t id; /* of the demand */
    struct term answer;
};

/* A question that is to be asked; ends_drop its reply where it never is answered. */
struct question question(csp_chan series);

/* The case that takes it a step further; nil when it is answered. *m must live as long as the case. */
csp_case question_case(struct question *q, csp_msg *m);

/* The case has happened, with err 0. */
void question_step(struct question *q, const csp_case *happened);

/* Asks n series at once, n at most 2, and waits for all answers. Returns a status. */
int ask(const csp_chan *series, size_t n, struct rational *answers);

/* A demand has come in m: for the answer to it, *reply. Empties m. */
void demanded(csp_chan series, csp_msg *m, csp_chan *reply);

/* The next term, for a case of a select, and what must follow the answer. */
struct term term(struct rational r);
void answered(csp_chan reply);

#endif
