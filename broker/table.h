/* SPDX-License-Identifier: MPL-2.0 */
/* A hash table from 64-bit numbers to structures that carry their own link. Decision: not czmq's zhashx, which
 * allocates for each entry and aborts the program where it cannot: here only the array of slots is allocated, and where
 * it cannot grow the chains grow instead. */
#ifndef BROKER_TABLE_H
#define BROKER_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct item {
    struct item *next;
    uint64_t key;
};

struct table { /* all zero is an empty table */
    struct item **slots;
    size_t size, count;
};

/* Adds an item; keys need not be unique. Returns 0, or -1 with ENOMEM, which only the first item of a table can meet.
 */
int table_add(struct table *t, struct item *item, uint64_t key);

/* The first item with this key, or NULL. */
struct item *table_find(const struct table *t, uint64_t key);

/* The next item with the same key, or NULL. */
struct item *table_next(const struct item *item);

/* Removes an item that is in the table. */
void table_remove(struct table *t, struct item *item);

/* Frees the slots of a table, not its items. */
void table_free(struct table *t);

#endif
