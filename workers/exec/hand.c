/* SPDX-License-Identifier: MPL-2.0 */
/* An array, from the oldest on: they are few, and mostly one is answered at a time. */
#include "hand.h"

#include <stdlib.h>
#include <string.h>

int hand_reserve(struct hand *h, size_t most)
{
    struct held *held = reallocarray(h->held, most, sizeof *held);
    if (held == NULL)
        return -1;
    h->held = held;
    uint64_t *ids = reallocarray(h->ids, most, sizeof *ids);
    if (ids == NULL)
        return -1;
    h->ids = ids;
    h->most = most;
    return 0;
}

void hand_add(struct hand *h, size_t from, uint64_t id, size_t bytes)
{
    h->held[h->n++] = (struct held){.from = from, .id = id, .bytes = bytes, .since = csp_now()};
    h->bytes += bytes;
}

bool hand_holds(const struct hand *h, size_t from)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->held[i].from == from)
            return true;
    return false;
}

size_t hand_run(struct hand *h, size_t n, bool ordered)
{
    size_t k = 0;
    while (k < n && k < h->n && h->held[k].from == h->held[0].from &&
           (!ordered || h->held[k].id == h->held[0].id + k)) {
        h->ids[k] = h->held[k].id;
        k++;
    }
    return k;
}

void hand_drop(struct hand *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->bytes -= h->held[i].bytes;
    h->n -= n;
    memmove(h->held, h->held + n, h->n * sizeof *h->held);
    if (h->n != 0)
        h->held[0].since = csp_now();
}

void hand_free(struct hand *h)
{
    free(h->held);
    free(h->ids);
    *h = (struct hand){0};
}
