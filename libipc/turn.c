/* SPDX-License-Identifier: MPL-2.0 */
/* Whose turn it is. Decision: it is counted by channel, in a hash table of the thread's, and not by calls: whatever a
 * program calls between, another select or a plain send, takes no channel's turn away. A table that has grown to its
 * bound forgets all: so a count is lost once in thousands of channels, and costs one more round of passes. */
#include "turn.h"
#include "select.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 16, MOST_SIZE = 4 * WIRE_MAX_CASES }; /* at most half of the entries are used */

static struct csp__turn *find(const struct csp__turns *turns, csp_chan chan)
{
    size_t i = (size_t)(chan * 0x9E3779B97F4A7C15ULL >> 32) & (turns->size - 1);
    while (turns->table[i].chan != 0 && turns->table[i].chan != chan)
        i = (i + 1) & (turns->size - 1);
    return &turns->table[i];
}

static int grow(struct csp__turns *turns)
{
    struct csp__turns bigger = {.size = turns->size == 0 ? FIRST_SIZE : 2 * turns->size, .used = turns->used};
    bigger.table = calloc(bigger.size, sizeof *bigger.table);
    if (bigger.table == NULL)
        return -1;
    for (size_t i = 0; i < turns->size; i++)
        if (turns->table[i].chan != 0)
            *find(&bigger, turns->table[i].chan) = turns->table[i];
    free(turns->table);
    *turns = bigger;
    return 0;
}

/* Room for n more. -1: no memory. */
static int reserve(struct csp__turns *turns, size_t n)
{
    while (2 * (turns->used + n) > turns->size) {
        if (turns->size < MOST_SIZE) {
            if (grow(turns) != 0)
                return -1;
        } else {
            memset(turns->table, 0, turns->size * sizeof *turns->table);
            turns->used = 0;
        }
    }
    return 0;
}

int csp__turns_pass(struct csp__turns *turns, const csp_case *cases, const struct csp__slot *slots, size_t n,
                    unsigned start)
{
    int due = 0;
    size_t shared = 0;
    for (size_t i = 0; i < n; i++)
        shared += slots[i].kind == CSP__SHARED;
    if (reserve(turns, shared) != 0)
        return 1;
    for (size_t i = 0; i < n; i++)
        if (slots[i].kind == CSP__SHARED)
            due |= find(turns, cases[i].chan)->passed >= CSP__PASSES;
    for (size_t i = 0; i < n; i++) {
        if (slots[i].kind != CSP__SHARED)
            continue;
        struct csp__turn *turn = find(turns, cases[i].chan);
        turns->used += turn->chan == 0;
        turn->chan = cases[i].chan;
        turn->passed = due ? start : turn->passed + 1;
    }
    return due;
}

void csp__turns_free(struct csp__turns *turns)
{
    free(turns->table);
    *turns = (struct csp__turns){.table = NULL};
}
