/* SPDX-License-Identifier: MPL-2.0 */
/* A number as a value: what most of these programs send. Decision: sending gives it its id and receiving writes it into
 * the journal in one place, so that no program can forget either. */
#ifndef PROGRAMS_NUMBER_H
#define PROGRAMS_NUMBER_H

#include "csp.h"

#include <stdint.h>

struct number {
    uint64_t id; /* see journal.h */
    int64_t n;
};

/* n, with a new id: for a case of a select. */
struct number number(int64_t n);

/* Sends n. Returns what csp_send does. */
int number_send(csp_chan c, int64_t n, csp_time by);

/* Receives *n. Returns 0 or -1. */
int number_receive(csp_chan c, int64_t *n, csp_time by);

/* A case that receives *got; number_got must follow when it has happened with err 0. */
csp_case on_number(csp_chan c, struct number *got);
void number_got(const csp_case *happened);

#endif
