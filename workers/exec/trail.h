/* SPDX-License-Identifier: MPL-2.0 */
/* Which values a program may not have read. Decision: the sizes of the values written last are kept, as far back as a
 * pipe can hold, because the kernel tells only how many bytes are unread; so a death in mid-stream can be said in
 * values, exactly, at four bytes a value. They come and go by blocks, so that it costs next to nothing. Pure. */
#ifndef EXEC_TRAIL_H
#define EXEC_TRAIL_H

#include <stddef.h>
#include <stdint.h>

struct trail_block {
    uint64_t end; /* bytes of the pipe up to the end of its last value */
    size_t n;     /* values */
};

struct trail {
    uint32_t *sizes;     /* a ring of `cap`, a power of two: bytes on the pipe of each value, terminators and all */
    size_t cap, n, at;   /* n values, the oldest at `at` */
    uint64_t begin, end; /* bytes of the pipe before the oldest, and behind the newest */
    struct trail_block *blocks; /* a ring as well: what was added at a time */
    size_t places, nblocks, first;
};

/* Values come next: of lengths[i] bytes (unaligned, n of them) and `more`; the first of `before` bytes more, the last
 * of `lacking` less. 0, or -1 with ENOMEM. */
int trail_add(struct trail *t, const void *lengths, size_t n, uint32_t more, uint32_t before, uint32_t lacking);

/* The first `position` bytes of the pipe are surely read: blocks that end there are forgotten. */
void trail_forget(struct trail *t, uint64_t position);

/* How many values end behind the first `position` bytes. */
size_t trail_count(const struct trail *t, uint64_t position);

/* How many values begin there, or behind: of them nothing was read. */
size_t trail_untouched(const struct trail *t, uint64_t position);

void trail_free(struct trail *t);

#endif
