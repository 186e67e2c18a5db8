/* SPDX-License-Identifier: MPL-2.0 */
/* The best k rows of a stream of rows. SQLite's own ORDER BY gives nothing before it has seen the last row, so a search
 * that is interrupted would have nothing to show: rows are taken as they come, and the heap holds the best so far at
 * any moment. */
#ifndef SEARCH_HEAP_H
#define SEARCH_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct hit {
    int64_t row;
    double score; /* higher is better; of two equal ones the lower row is better */
};

struct heap {
    struct hit *hits; /* the worst first while it fills; after heap_sort the best first */
    size_t len, cap;
};

/* Makes an empty heap for cap >= 1 rows. Returns 0, or -1: ENOMEM. */
int heap_init(struct heap *h, size_t cap);

/* Offers a row: it is kept if there is room or it is better than the worst. */
void heap_offer(struct heap *h, struct hit hit);

/* Puts the best first. The heap takes no more offers then. */
void heap_sort(struct heap *h);

void heap_free(struct heap *h);

#endif
