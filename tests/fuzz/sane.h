/* SPDX-License-Identifier: MPL-2.0 */
/* What holds in a broker between any two events. */
#ifndef TESTS_FUZZ_SANE_H
#define TESTS_FUZZ_SANE_H

#include "broker/broker.h"

/* Looks through all of its state; what does not hold is a finding. */
void sane(struct broker *b);

#endif
