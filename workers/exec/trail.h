/* SPDX-License-Identifier: MPL-2.0 */
/* Which values a program may not have read. Decision: the sizes of the values written last are kept, as far back as a
 * pipe can hold, because the kernel tells only how many bytes are unread; so a death in mid-stream can be said in
 * values, exactly, at four bytes a value. Pure. */
#ifndef EXEC_TRAIL_H
#define EXEC_TRAIL_H

#include <stddef.h>
#include <stdint.h>

struct trail {
    uint32_t *sizes;   /* a ring of `cap`, a power of two: bytes on the pipe of each value, terminators and all */
    size_t cap, n, at; /* n values, the oldest at `at` */
    uint64_t begin;    /* bytes of the pipe before the oldest */
};

/* A value of that many bytes comes next. 0, or -1 with ENOMEM. */
int trail_add(struct trail *t, uint32_t size);

/* The first `position` bytes of the pipe are surely read: their values are forgotten. */
void trail_forget(struct trail *t, uint64_t position);

/* How many values end behind the first `position` bytes. */
size_t trail_count(const struct trail *t, uint64_t position);

void trail_free(struct trail *t);

#endif
