/* SPDX-License-Identifier: MPL-2.0 */
/* A list that is moved up when it is full: it has as many blocks as a pipe and a window hold, which are few. */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCKS 16

int ledger_add(struct ledger *l, size_t from, uint64_t id, size_t n)
{
    if (l->count == l->room) {
        size_t room = l->room != 0 ? l->room * 2 : FIRST_BLOCKS;
        struct ledger_block *blocks = reallocarray(l->blocks, room, sizeof *blocks);
        if (blocks == NULL)
            return -1;
        l->blocks = blocks;
        l->room = room;
    }
    l->blocks[l->count++] = (struct ledger_block){.from = from, .id = id, .n = n};
    l->values += n;
    return 0;
}

void ledger_keep(struct ledger *l, size_t n)
{
    size_t gone = 0;
    while (gone < l->count && l->values - l->blocks[gone].n >= n)
        l->values -= l->blocks[gone++].n;
    l->count -= gone;
    if (gone != 0)
        memmove(l->blocks, l->blocks + gone, l->count * sizeof *l->blocks);
}

bool ledger_pop(struct ledger *l, size_t *from, uint64_t *id)
{
    while (l->count != 0 && l->blocks[l->count - 1].n == 0)
        l->count--;
    if (l->count == 0)
        return false;
    struct ledger_block *last = &l->blocks[l->count - 1];
    l->values--;
    last->n--;
    *from = last->from;
    *id = last->id != 0 ? last->id + last->n : 0;
    return true;
}

void ledger_free(struct ledger *l)
{
    free(l->blocks);
    *l = (struct ledger){0};
}
