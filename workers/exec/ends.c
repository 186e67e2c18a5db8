/* SPDX-License-Identifier: MPL-2.0 */
/* 64 bytes become a mask, and its bits places. The last bytes, fewer than 64, are left to memchr(3). */
#include "ends.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FEW    3                   /* ends in 64 bytes */
#define NO_END (UINT64_C(1) << 63) /* so that there is a lowest bit */

/* Bit i: the i-th of 64 bytes is the terminator. */
static uint64_t mask_of(const char *p, char terminator)
{
    uint64_t mask = 0;
#ifdef __SSE2__
    const __m128i want = _mm_set1_epi8(terminator);
    for (size_t i = 0; i < 4; i++) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(p + i * 16));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part, want)) << (i * 16);
    }
#else
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(p[i] == terminator) << i;
#endif
    return mask;
}

/* Notes where the ends of a mask lie, which begins at `at`. Most have few: those are stored without a branch, which
 * would be guessed wrong about once a line; what is too much the next step overwrites. */
static size_t step(uint32_t *to, uint32_t at, uint64_t mask)
{
    size_t n = 0;
    for (int i = 0; i < FEW; i++, mask &= mask - 1) {
        to[i] = at + (uint32_t)__builtin_ctzll(mask | NO_END);
        n += mask != 0;
    }
    for (; mask != 0; mask &= mask - 1)
        to[n++] = at + (uint32_t)__builtin_ctzll(mask);
    return n;
}

/* Makes lengths of the ends from the n-th on, and goes on behind the last. */
static void measure(struct ends *e, size_t n)
{
    uint32_t begin = (uint32_t)e->rest;
    for (; n < e->count; n++) {
        uint32_t end = e->lengths[n];
        e->lengths[n] = end - begin;
        begin = end + 1;
    }
    e->rest = begin;
}

int ends_find(struct ends *e, char terminator)
{
    size_t before = e->count;
    for (; e->fill - e->scan >= 64 && e->room - e->count >= ENDS_AHEAD; e->scan += 64)
        e->count += step(e->lengths + e->count, (uint32_t)e->scan, mask_of(e->buf + e->scan, terminator));
    const char *at;
    while (e->fill - e->scan < 64 && e->count < e->room &&
           (at = memchr(e->buf + e->scan, terminator, e->fill - e->scan)) != NULL) {
        e->lengths[e->count++] = (uint32_t)(at - e->buf);
        e->scan = (size_t)(at - e->buf) + 1;
    }
    measure(e, before);
    if (e->fill - e->scan >= 64 || e->count == e->room)
        return 0;
    e->scan = e->fill;
    return 1;
}
