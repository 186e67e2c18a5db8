/* SPDX-License-Identifier: MPL-2.0 */
/* The answer to a request, one line of JSON: a list of hits, best first; an object with "partial" where time ran out;
 * an object with "error" where there was a fault. */
#ifndef SEARCH_HITS_H
#define SEARCH_HITS_H

#include "index.h"

/* Searches and answers: index_search with a heap of `limit` rows, and the rows' text. *failed, which may be NULL, says
 * that the answer is an error. Returns the JSON, to be freed by the caller, or NULL: no memory. */
char *hits_answer(struct index *x, const char *words, size_t len, size_t limit, int64_t stop, bool *failed);

#endif
