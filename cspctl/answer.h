/* SPDX-License-Identifier: MPL-2.0 */
/* What the backends of a service have answered, and how several answers become one. Pure: nothing here waits.
 * An answer is JSON: an array of hits, {"hits": [...], "partial": true}, or {"error": "..."}; a hit is an object, and
 * what it has besides "title", "source" and "score" is passed on. Anything else is a failure of that backend alone. */
#ifndef CSPCTL_ANSWER_H
#define CSPCTL_ANSWER_H

#include "pipeline.h"

#include <jansson.h>

enum answer_state { ANSWER_LATE, ANSWER_COMPLETE, ANSWER_PARTIAL, ANSWER_FAILED };

struct answer {
    const char *backend; /* not owned */
    int state;           /* enum answer_state */
    char *error;         /* FAILED: why; owned */
    json_t *hits;        /* COMPLETE, PARTIAL: an array; owned */
    size_t tries;        /* requests that were made of it: more than 1 where it was hedged */
};

/* Reads the text of an answer into a, which is LATE before. */
void answer_read(struct answer *a, const char *text, size_t size);

/* The backend failed: a NULL hits, an error in words, which are copied. */
void answer_fail(struct answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void answer_clear(struct answer *a);

/* How many are in a state. */
size_t answers_in(const struct answer *a, size_t n, enum answer_state state);
/* Answers that count for `require`: complete and partial ones. */
size_t answers_good(const struct answer *a, size_t n);

/* The merged hits, at most merge->limit, each with its "backend". By rank: all first places in the order of the
 * backends, then all second places, ... By a field: highest number first, hits without it last, equal ones as by rank.
 * Caller owns the result (json_decref). */
json_t *answers_merge(const struct answer *a, size_t n, const struct merge *merge);

/* The whole reply as `call -o json` prints it. Caller owns the result. */
json_t *answers_json(const struct answer *a, size_t n, const struct merge *merge, double took_ms);

/* "2 of 3 backends in 80 ms: late: media; failed: web: no such table". Caller owns the result and frees it. */
char *answers_summary(const struct answer *a, size_t n, double took_ms);

#endif
