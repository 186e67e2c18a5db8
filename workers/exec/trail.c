/* SPDX-License-Identifier: MPL-2.0 */
/* Rings that double as needed: as a pipe holds at most 1 MiB, and a value has at least a byte on it (but those of no
 * bytes without a terminator), they stay small. */
#include "trail.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZES  1024
#define FIRST_BLOCKS 16

/* A ring of `cap` items with n from `at` on, in an array of `bigger`. NULL: no memory. */
static void *larger(void *ring, size_t item, size_t cap, size_t n, size_t at, size_t bigger)
{
    char *to = reallocarray(NULL, bigger, item);
    size_t first = cap - at < n ? cap - at : n;
    if (to == NULL)
        return NULL;
    if (n != 0) {
        memcpy(to, (char *)ring + at * item, first * item);
        memcpy(to + first * item, ring, (n - first) * item);
    }
    free(ring);
    return to;
}

static int reserve(struct trail *t, size_t n)
{
    if (t->n + n > t->cap) {
        size_t cap = t->cap != 0 ? t->cap * 2 : FIRST_SIZES;
        while (cap < t->n + n)
            cap *= 2;
        uint32_t *sizes = larger(t->sizes, sizeof *sizes, t->cap, t->n, t->at, cap);
        if (sizes == NULL)
            return -1;
        t->sizes = sizes;
        t->cap = cap;
        t->at = 0;
    }
    if (t->nblocks == t->places) {
        size_t places = t->places != 0 ? t->places * 2 : FIRST_BLOCKS;
        struct trail_block *blocks = larger(t->blocks, sizeof *blocks, t->places, t->nblocks, t->first, places);
        if (blocks == NULL)
            return -1;
        t->blocks = blocks;
        t->places = places;
        t->first = 0;
    }
    return 0;
}

/* The sum of the sizes. */
static uint64_t fill(uint32_t *to, const char *lengths, size_t n, uint32_t more)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t length;
        memcpy(&length, lengths + i * sizeof length, sizeof length);
        to[i] = length + more;
        sum += to[i];
    }
    return sum;
}

int trail_add(struct trail *t, const void *lengths, size_t n, uint32_t more, uint32_t before, uint32_t lacking)
{
    if (n == 0)
        return 0;
    if (reserve(t, n) != 0)
        return -1;
    size_t at = (t->at + t->n) & (t->cap - 1), first = t->cap - at < n ? t->cap - at : n;
    t->end += fill(t->sizes + at, lengths, first, more);
    t->end += fill(t->sizes, (const char *)lengths + first * sizeof(uint32_t), n - first, more);
    t->sizes[at] += before;
    t->sizes[(at + n - 1) & (t->cap - 1)] -= lacking;
    t->end += before;
    t->end -= lacking;
    t->n += n;
    t->blocks[(t->first + t->nblocks++) & (t->places - 1)] = (struct trail_block){.end = t->end, .n = n};
    return 0;
}

void trail_forget(struct trail *t, uint64_t position)
{
    for (const struct trail_block *b; t->nblocks != 0 && (b = &t->blocks[t->first])->end <= position; t->nblocks--) {
        t->begin = b->end;
        t->at = (t->at + b->n) & (t->cap - 1);
        t->n -= b->n;
        t->first = (t->first + 1) & (t->places - 1);
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

size_t trail_untouched(const struct trail *t, uint64_t position)
{
    uint64_t begin = t->begin;
    for (size_t i = 0; i < t->n; i++) {
        if (begin >= position)
            return t->n - i;
        begin += t->sizes[(t->at + i) & (t->cap - 1)];
    }
    return 0;
}

void trail_free(struct trail *t)
{
    free(t->sizes);
    free(t->blocks);
    *t = (struct trail){0};
}
