/* SPDX-License-Identifier: MPL-2.0 */
/* A binary heap with its worst hit at the root: a row that is no better is turned away by one comparison, and that is
 * what nearly every row of a long search meets. Only a row that gets in pays for the look whether it is in already (two
 * passes of a search meet the same rows), which costs k comparisons. */
#include "heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static bool worse(const struct hit *a, const struct hit *b)
{
    return a->score != b->score ? a->score < b->score : a->row > b->row;
}

static void swap(struct hit *a, struct hit *b)
{
    struct hit t = *a;
    *a = *b;
    *b = t;
}

static void up(struct heap *h, size_t i)
{
    while (i > 0 && worse(&h->hits[i], &h->hits[(i - 1) / 2])) {
        swap(&h->hits[i], &h->hits[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static void down(struct heap *h, size_t i, size_t len)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < len; child++)
            if (worse(&h->hits[child], &h->hits[least]))
                least = child;
        if (least == i)
            return;
        swap(&h->hits[i], &h->hits[least]);
        i = least;
    }
}

int heap_init(struct heap *h, size_t cap)
{
    *h = (struct heap){.cap = cap, .hits = calloc(cap, sizeof(struct hit))};
    if (h->hits == NULL) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

void heap_offer(struct heap *h, struct hit hit)
{
    bool full = h->len == h->cap;
    if (full && !worse(&h->hits[0], &hit))
        return;
    if (full) {
        h->hits[0] = hit;
        down(h, 0, h->len);
    } else {
        h->hits[h->len] = hit;
        up(h, h->len++);
    }
}

void heap_sort(struct heap *h)
{
    for (size_t len = h->len; len > 1; len--) {
        swap(&h->hits[0], &h->hits[len - 1]);
        down(h, 0, len - 1);
    }
}

void heap_free(struct heap *h)
{
    free(h->hits);
    *h = (struct heap){0};
}
