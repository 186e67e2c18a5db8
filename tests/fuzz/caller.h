/* SPDX-License-Identifier: MPL-2.0 */
/* What a fuzzed caller is told. Decision: libipc is linked as it is, and what it asks of libzmq and the clock is
 * answered here (the linker's --wrap): its broker says what the input says, mostly what would fit, in any order, and
 * ends where the input does. */
#ifndef TESTS_FUZZ_CALLER_H
#define TESTS_FUZZ_CALLER_H

#include "fuzz.h"
#include "line.h"

/* Begins a process that has joined a run in a directory that there is not. */
void caller_begin(struct bytes *input, const char *dir);

/* Every socket was closed, every page unmapped. */
void caller_end(void);

#endif
