/* SPDX-License-Identifier: MPL-2.0 */
/* What a fuzzed caller is told. Decision: libipc is linked as it is, and what it asks of libzmq and the clock is
 * answered here (the linker's --wrap): its broker says what the input says, mostly what would fit, in any order, and
 * ends where the input does. */
#ifndef TESTS_FUZZ_CALLER_H
#define TESTS_FUZZ_CALLER_H

#include "fuzz.h"
#include "line.h"

/* Begins a process that has joined a run in a directory, where its broker made the pages of pairs. */
void caller_begin(struct bytes *input, const char *dir);

/* Every socket was closed; files that are left go. */
void caller_end(void);

#endif
