/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: a plain table, which a fork copies as it copies the ends. */
#include "ends.h"

#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

static struct end *held;
static size_t count, room;

void ends_got(csp_chan c, int ends)
{
    size_t i = 0;
    while (i < count && held[i].chan != c)
        i++;
    if (i == count && count == room) {
        room = room * 2 + 16;
        held = realloc(held, room * sizeof *held);
        if (held == NULL)
            exit(UNABLE);
    }
    if (i == count)
        held[count++] = (struct end){.chan = c};
    held[i].ends |= ends;
}

csp_chan ends_make(size_t capacity)
{
    csp_chan c = csp_make(capacity);
    if (c == 0)
        exit(failure("csp_make"));
    ends_got(c, CSP_SEND | CSP_RECV);
    return c;
}

static void drop_at(size_t i, int ends)
{
    ends &= held[i].ends;
    if (ends != 0 && csp_drop(held[i].chan, ends) != 0)
        exit(failure("csp_drop"));
    held[i].ends &= ~ends;
    if (held[i].ends == 0)
        held[i] = held[--count];
}

void ends_drop(csp_chan c, int ends)
{
    for (size_t i = 0; i < count; i++)
        if (held[i].chan == c) {
            drop_at(i, ends);
            return;
        }
}

void ends_keep(const struct end *kept, size_t n)
{
    for (size_t i = count; i-- > 0;) {
        int keep = 0;
        for (size_t k = 0; k < n; k++)
            keep |= kept[k].chan == held[i].chan ? kept[k].ends : 0;
        drop_at(i, ~keep);
    }
}

void ends_drop_all(void)
{
    ends_keep(NULL, 0);
}
