/* SPDX-License-Identifier: MPL-2.0 */
/* A ring of sizes that doubles as needed: as a pipe holds at most 1 MiB, and a value has at least a byte on it (but
 * those of no bytes without a terminator), it stays small. */
#include "trail.h"

#include <stdlib.h>
#include <string.h>

static int grow(struct trail *t)
{
    size_t cap = t->cap != 0 ? t->cap * 2 : 1024, first = t->cap - t->at;
    uint32_t *sizes = malloc(cap * sizeof *sizes);
    if (sizes == NULL)
        return -1;
    if (t->n != 0) {
        memcpy(sizes, t->sizes + t->at, first * sizeof *sizes);
        memcpy(sizes + first, t->sizes, (t->n - first) * sizeof *sizes);
    }
    free(t->sizes);
    t->sizes = sizes;
    t->cap = cap;
    t->at = 0;
    return 0;
}

int trail_add(struct trail *t, uint32_t size)
{
    if (t->n == t->cap && grow(t) != 0)
        return -1;
    t->sizes[(t->at + t->n++) & (t->cap - 1)] = size;
    return 0;
}

void trail_forget(struct trail *t, uint64_t position)
{
    while (t->n != 0 && t->begin + t->sizes[t->at] <= position) {
        t->begin += t->sizes[t->at];
        t->at = (t->at + 1) & (t->cap - 1);
        t->n--;
    }
}

size_t trail_count(const struct trail *t, uint64_t position)
{
    uint64_t end = t->begin;
    for (size_t i = 0; i < t->n; i++) {
        end += t->sizes[(t->at + i) & (t->cap - 1)];
        if (end > position)
            return t->n - i;
    }
    return 0;
}

void trail_free(struct trail *t)
{
    free(t->sizes);
    *t = (struct trail){0};
}
