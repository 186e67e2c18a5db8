/* SPDX-License-Identifier: MPL-2.0 */
/* A circular list whose links lie in the members. Decision: not czmq's zlistx, because a waiter must leave the middle
 * of a queue in constant time, and because czmq aborts the program where it has no memory: linking needs none here. */
#ifndef BROKER_LIST_H
#define BROKER_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* The structure of which `node` is the member `member`. */
#define LIST_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* The nodes of a list in order; the current one may be removed, the one after it (in a variable of the loop) not. */
#define LIST_EACH(at, after, head)                                                                                     \
    for (struct list * (at) = (head)->next, *(after) = (at)->next; (at) != (head); (at) = (after), (after) = (at)->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline struct list *list_first(const struct list *l)
{
    return l->next != l ? l->next : NULL;
}

/* Links a node in before another one; before the head of a list that is at its end. */
static inline void list_push(struct list *before, struct list *node)
{
    node->prev = before->prev;
    node->next = before;
    before->prev->next = node;
    before->prev = node;
}

/* Unlinks; the node is then a list of its own, so that a second removal does nothing. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
