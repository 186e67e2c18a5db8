/* SPDX-License-Identifier: MPL-2.0 */
/* The bound is the sum of three: a stream's sender may have a window of values outstanding, the channel buffers up to
 * max_bytes, and a receiver may have a window delivered ahead. */
#include "edge.h"

const char *edge_kind(const struct channel *c)
{
    return c->service != PIPELINE_NONE ? "requests" : c->capacity == 0 ? "rendezvous" : "stream";
}

size_t edge_ends(const struct pipeline *p, const struct end *ends, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += (size_t)p->processes[ends[i].process].replicas;
    return total;
}

int64_t edge_memory(const struct pipeline *p, const struct channel *c, int64_t value)
{
    int64_t ends = (int64_t)(edge_ends(p, c->senders, c->nsenders) + edge_ends(p, c->receivers, c->nreceivers));

    if (value > c->max_bytes)
        value = c->max_bytes;
    if (c->capacity == 0)
        return ends * value;
    return c->max_bytes + ends * (value > PIPELINE_WINDOW ? value : PIPELINE_WINDOW);
}
