/* SPDX-License-Identifier: MPL-2.0 */
/* Packs. Decision: a small frame is copied out, so that its memory is used again for the next; a large one is given
 * away as it is, and libzmq frees it when it was written: so a value is copied once. The next memory is as large as
 * what was given away, because frames follow the traffic. */
#include "pack.h"
#include "block.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(CSP__HEAD_ROOM == sizeof(struct wire_head), "what is given has room for the header");

#define FIRST_SIZE   1024
#define FIRST_PLACES 32
#define COPIED       8192 /* bytes of a frame; libzmq copies no larger one itself */

static int grow(struct csp__pack *p, size_t least)
{
    size_t size = p->size != 0 ? p->size : p->next != 0 ? p->next : FIRST_SIZE;
    while (size < least)
        size += size / 2;
    char *buf = realloc(p->buf, size);
    if (buf == NULL)
        return -1;
    p->buf = buf;
    p->size = size;
    return 0;
}

int csp__pack_reserve(struct csp__pack *p, size_t values, size_t bytes)
{
    if (p->count + values > p->places) {
        size_t places = p->places != 0 ? p->places : FIRST_PLACES;
        while (places < p->count + values)
            places *= 2;
        uint32_t *lengths = realloc(p->lengths, places * sizeof *lengths);
        if (lengths == NULL)
            return -1;
        p->lengths = lengths;
        p->places = (uint32_t)places;
    }
    size_t least = sizeof(struct wire_head) + p->data + bytes;
    return p->buf != NULL && least <= p->size ? 0 : grow(p, least);
}

/* The memory is the pack's. */
static void adopt(struct csp__pack *p, const struct csp__part *part)
{
    free(p->buf);
    p->buf = *part->given;
    p->size = part->size;
    *part->given = NULL;
}

int csp__pack_add_part(struct csp__pack *p, const struct csp__part *part, uint64_t cost)
{
    int adopted = p->count == 0 && part->given != NULL && *part->given != NULL;
    if (adopted)
        adopt(p, part);
    if (csp__pack_reserve(p, part->count, part->len) != 0)
        return -1;
    if (!adopted && part->len != 0)
        memcpy(p->buf + sizeof(struct wire_head) + p->data, part->data, part->len);
    memcpy(p->lengths + p->count, part->lengths, part->count * sizeof(uint32_t));
    p->count += part->count;
    p->data += part->len;
    p->cost += cost;
    p->flags |= part->flags;
    return 0;
}

static void free_buffer(void *data, void *hint)
{
    (void)hint;
    free(data);
}

int csp__pack_close(struct csp__pack *p, uint64_t channel, uint64_t seq, zmq_msg_t *msg)
{
    size_t lengths = p->count * sizeof(uint32_t);
    struct wire_head head = wire_head(WIRE_PUT, p->flags, p->data + lengths);
    size_t size = sizeof head + p->data + lengths;
    head.channel = channel;
    head.seq = seq;
    head.count = p->count;
    int copied = size <= COPIED;
    if (!copied && csp__pack_reserve(p, 0, lengths) != 0)
        return -1;
    if ((copied ? zmq_msg_init_size(msg, size) : zmq_msg_init_data(msg, p->buf, size, free_buffer, NULL)) != 0) {
        errno = ENOMEM;
        return -1;
    }
    char *to = zmq_msg_data(msg);
    memcpy(to, &head, sizeof head);
    if (copied)
        memcpy(to + sizeof head, p->buf + sizeof head, p->data);
    memcpy(to + sizeof head + p->data, p->lengths, lengths);
    if (!copied) {
        p->buf = NULL;
        p->size = 0;
        p->next = size;
    }
    csp__pack_clear(p);
    return 0;
}

void csp__pack_free(struct csp__pack *p)
{
    free(p->buf);
    free(p->lengths);
    *p = (struct csp__pack){.buf = NULL};
}
