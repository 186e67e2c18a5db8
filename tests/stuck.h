/* SPDX-License-Identifier: MPL-2.0 */
/* Who is said to be deadlocked: section 12 of docs/protocol.md. Decision: that nothing is reported is not shown by
 * waiting, but by looked(): a process that certainly is stuck starts to wait later than those of the test, and is
 * reported alone. */
#ifndef TESTS_STUCK_H
#define TESTS_STUCK_H

#include "speaker.h"

/* Fixture: a run whose broker says what it notices. run_stop() ends it. */
void stuck_start(void);

/* The number of the next notice. */
unsigned stuck_notice(void);
/* n more are reported; so many that were are not stuck any more. */
void stuck(unsigned n);
void stuck_no_more(unsigned n);
/* The field of a process in DUMP. */
enum { STUCK_FIELD = 12 };
bool is_stuck(const struct speaker *s);

/* The broker has looked, and found none of those that wait so far. */
void looked(void);

/* Offers, and waits. */
#define NIL ON(WIRE_OP_NONE, 0)
#define WAITS(s, ...)                                                                                                  \
    do {                                                                                                               \
        OFFER((s), 0, __VA_ARGS__);                                                                                    \
        ck_assert(silent(s));                                                                                          \
    } while (0)
void no_more(struct speaker *s);

/* The root gives up its ends. */
void abandon(uint64_t channel);

#endif
