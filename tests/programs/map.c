/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: what is wrong is said here, with the number, for the programs could only say that something was. */
#include "map.h"

#include "journal.h"
#include "verdict.h"

#include <stdbool.h>
#include <stdlib.h>

static size_t words(const struct map *m)
{
    return 1 + (m->n + 63) / 64;
}

struct map map_make(size_t n)
{
    struct map m = {.n = n};
    m.bits = calloc(words(&m), sizeof *m.bits);
    if (m.bits == NULL)
        exit(UNABLE);
    return m;
}

void map_free(struct map *m)
{
    free(m->bits);
    *m = (struct map){0};
}

int map_has(const struct map *m, size_t i)
{
    return (int)(m->bits[1 + i / 64] >> i % 64 & 1);
}

int map_add(struct map *m, int64_t i)
{
    if (i < 0 || (size_t)i >= m->n || map_has(m, (size_t)i)) {
        wrong("%ld came %s", (long)i, i < 0 || (size_t)i >= m->n ? "and is no number that was sent" : "twice");
        return -1;
    }
    m->bits[1 + (size_t)i / 64] |= (uint64_t)1 << i % 64;
    return 0;
}

int map_send(csp_chan c, struct map *m)
{
    m->bits[0] = journal_id();
    return csp_send(c, m->bits, words(m) * sizeof *m->bits, CSP_FOREVER);
}

static int join(struct map *m, const uint64_t *bits)
{
    for (size_t i = 1; i < words(m); i++) {
        if ((m->bits[i] & bits[i]) != 0)
            return wrong("two consumers got the same of the numbers from %zu to %zu: %lx", (i - 1) * 64, i * 64 - 1,
                         (unsigned long)(m->bits[i] & bits[i]));
        m->bits[i] |= bits[i];
    }
    return RIGHT;
}

int map_receive(csp_chan c, struct map *m)
{
    csp_msg msg;
    if (csp_recv_msg(c, &msg, CSP_FOREVER) != 0)
        return failure("receive a consumer's map");
    journal_received(c, msg.data, msg.len);
    int status = msg.len == words(m) * sizeof *m->bits ? join(m, msg.data) : wrong("a map of %zu bytes", msg.len);
    csp_msg_free(&msg);
    return status;
}

int map_judge(const struct map *m, size_t first, size_t every)
{
    size_t gap = first;
    while (gap < m->n && map_has(m, gap))
        gap += every;
    for (size_t i = gap; i < m->n; i += every)
        if (map_has(m, i))
            return wrong("%zu is missing, and %zu came", gap, i);
    return gap < m->n ? CUT_OFF : RIGHT;
}
