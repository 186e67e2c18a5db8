/* SPDX-License-Identifier: MPL-2.0 */
#include "ends.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Bit i: the i-th of 64 bytes is the terminator. */
static uint64_t mask_of(const char *p, char terminator)
{
    uint64_t mask = 0;
#ifdef __SSE2__
    const __m128i want = _mm_set1_epi8(terminator);
    for (int i = 0; i < 4; i++) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(p + i * 16));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part, want)) << (i * 16);
    }
#else
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(p[i] == terminator) << i;
#endif
    return mask;
}

static void step(struct ends *e, uint64_t mask)
{
    uint32_t *to = e->lengths + e->count;
    size_t rest = e->rest;
    while (mask != 0) {
        size_t end = e->scan + (size_t)__builtin_ctzll(mask);
        *to++ = (uint32_t)(end - rest);
        rest = end + 1;
        mask &= mask - 1;
    }
    e->count = (size_t)(to - e->lengths);
    e->rest = rest;
}

int ends_find(struct ends *e, char terminator)
{
    while (e->fill - e->scan >= 64) {
        if (e->room - e->count < ENDS_AHEAD)
            return 0;
        step(e, mask_of(e->buf + e->scan, terminator));
        e->scan += 64;
    }
    const char *at;
    while ((at = memchr(e->buf + e->scan, terminator, e->fill - e->scan)) != NULL) {
        if (e->room == e->count)
            return 0;
        e->scan = (size_t)(at - e->buf);
        step(e, 1);
        e->scan++;
    }
    e->scan = e->fill;
    return 1;
}
