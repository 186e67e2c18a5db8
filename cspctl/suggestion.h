/* SPDX-License-Identifier: MPL-2.0 */
/* "Did you mean": the known word that is nearest to an unknown one. */
#ifndef CSPCTL_SUGGESTION_H
#define CSPCTL_SUGGESTION_H

#include <stddef.h>

/* Keeps the best of the words it is shown. Start with {.word = what was written}. */
struct suggestion {
    const char *word;
    const char *best; /* NULL while nothing is near enough */
    size_t distance;
};

/* Returns 1 if the candidate is the best so far, else 0. */
int suggestion_offer(struct suggestion *s, const char *candidate);

#endif
