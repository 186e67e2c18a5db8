/* SPDX-License-Identifier: MPL-2.0 */
/* A pack: an open frame of values that were put and not sent yet. Section 6 of docs/protocol.md: a block, as it grows.
 */
#ifndef CSP_PACK_H
#define CSP_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zmq.h>

#include "wire.h"

#define CSP__PACK_MAX (256u << 10) /* bytes of one frame, where one value is not larger */

struct csp__pack {
    char *buf;         /* room for the header, then the data */
    size_t size, next; /* of buf; of the one after it */
    uint32_t *lengths;
    uint32_t places; /* for lengths */
    uint32_t count;  /* values */
    unsigned flags;  /* WIRE_GAP, WIRE_NOEOL: of the frame that it becomes */
    size_t data;     /* bytes of data, gaps included */
    uint64_t cost;   /* what they count in a window */
};

struct csp__part { /* some values in a row, as they lie in a block */
    const char *data;
    size_t len;
    const char *lengths; /* count 32-bit lengths, unaligned */
    uint32_t count;
    unsigned flags;
    char **given; /* NULL, or where the memory that the data lies in is given (block.h), `size` bytes */
    size_t size;
};

/* What a value counts in a window; an empty one too, or their number would have no bound. */
static inline size_t csp__cost(size_t len, int gap)
{
    size_t bytes = len + (gap != 0);
    return bytes != 0 ? bytes : 1;
}

/* Room for so many values more with so many bytes in all. 0, or -1: no memory. */
int csp__pack_reserve(struct csp__pack *p, size_t values, size_t bytes);

/* Adds one value without a gap. 0, or -1: no memory, and nothing was added. */
static inline int csp__pack_add(struct csp__pack *p, const void *value, size_t len)
{
    if ((p->count == p->places || p->size - p->data < sizeof(struct wire_head) + len) &&
        csp__pack_reserve(p, 1, len) != 0)
        return -1;
    if (len != 0)
        memcpy(p->buf + sizeof(struct wire_head) + p->data, value, len);
    p->lengths[p->count++] = (uint32_t)len;
    p->data += len;
    p->cost += csp__cost(len, 0);
    return 0;
}

/* Adds all values of a part, whose flags are the pack's where that has values; `cost` is what they count. Memory that
 * is given becomes the pack's where that is empty, and *given is NULL then. 0, or -1: no memory, and nothing was added.
 */
int csp__pack_add_part(struct csp__pack *p, const struct csp__part *part, uint64_t cost);

/* Makes a PUT of all that was added, and empties the pack. 0, or -1: no memory, and it is as it was. */
int csp__pack_close(struct csp__pack *p, uint64_t channel, uint64_t seq, zmq_msg_t *msg);

/* Forgets what was added. */
static inline void csp__pack_clear(struct csp__pack *p)
{
    p->count = 0;
    p->flags = 0;
    p->data = 0;
    p->cost = 0;
}

void csp__pack_free(struct csp__pack *p);

#endif
