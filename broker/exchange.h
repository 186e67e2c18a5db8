/* SPDX-License-Identifier: MPL-2.0 */
/* One value, between offers and buffers. */
#ifndef BROKER_EXCHANGE_H
#define BROKER_EXCHANGE_H

#include "broker.h"

static inline struct waiter *waiter_first(const struct list *queue)
{
    struct list *node = list_first(queue);
    return node != NULL ? LIST_OWNER(node, struct waiter, node) : NULL;
}

/* In the buffer, and on the disk. */
bool exchange_has_room(struct broker *b, struct channel *c, uint64_t length);

/* A value goes from one offer to another. False: no memory for it, which ends the receiver's offer alone. */
bool exchange_meet(struct broker *b, struct offer *from, uint32_t out, struct offer *to, uint32_t in);

/* The first value of the buffer goes to an offer. Without memory the value stays. */
void exchange_take(struct broker *b, struct offer *o, uint32_t which);

/* A send case's value goes into the buffer. m: the offer has just come; NULL: it waited. */
void exchange_put(struct broker *b, struct offer *o, uint32_t which, const struct message *m);

#endif
