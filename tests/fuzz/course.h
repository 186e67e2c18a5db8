/* SPDX-License-Identifier: MPL-2.0 */
/* The course of a fuzzed run: a broker, what an input lets happen to it, and its end, of which nothing may be left.
 * Decision: what is to be looked at between two events is the target's; all else is one for the targets that need it,
 * so an input of one can be tried with another. */
#ifndef TESTS_FUZZ_COURSE_H
#define TESTS_FUZZ_COURSE_H

#include "broker/broker.h"
#include "fuzz.h"

struct course {
    int64_t last_pass;              /* ns: so much time passes at each of the last steps, */
    unsigned patience;              /* of which so many may be needed when the root has died */
    void (*open)(struct broker *b); /* before it begins; NULL: nothing */
    void (*look)(struct broker *b); /* between two events; NULL: nobody looks */
    void (*close)(struct broker *b);
};

void course_run(const struct course *c, struct bytes in);

#endif
