/* SPDX-License-Identifier: MPL-2.0 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 8

static struct item **slot(const struct table *t, uint64_t key)
{
    return &t->slots[(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (t->size - 1)];
}

static void grow(struct table *t)
{
    struct table bigger = {.size = t->size != 0 ? t->size * 2 : FIRST_SIZE, .count = t->count};
    bigger.slots = calloc(bigger.size, sizeof(struct item *));
    if (bigger.slots == NULL)
        return;
    for (size_t i = 0; i < t->size; i++)
        for (struct item *it = t->slots[i], *next; it != NULL; it = next) {
            next = it->next;
            struct item **s = slot(&bigger, it->key);
            it->next = *s;
            *s = it;
        }
    free(t->slots);
    *t = bigger;
}

int table_add(struct table *t, struct item *item, uint64_t key)
{
    if (t->count >= t->size)
        grow(t);
    if (t->size == 0) {
        errno = ENOMEM;
        return -1;
    }
    struct item **s = slot(t, key);
    item->key = key;
    item->next = *s;
    *s = item;
    t->count++;
    return 0;
}

static struct item *chain(struct item *item, uint64_t key)
{
    while (item != NULL && item->key != key)
        item = item->next;
    return item;
}

struct item *table_find(const struct table *t, uint64_t key)
{
    return t->size != 0 ? chain(*slot(t, key), key) : NULL;
}

struct item *table_next(const struct item *item)
{
    return chain(item->next, item->key);
}

void table_remove(struct table *t, struct item *item)
{
    struct item **s = slot(t, item->key);
    while (*s != item)
        s = &(*s)->next;
    *s = item->next;
    t->count--;
}

void table_free(struct table *t)
{
    free(t->slots);
    *t = (struct table){0};
}
