/* SPDX-License-Identifier: MPL-2.0 */
/* Durable channels: section 18 of docs/protocol.md. Decision: what an event changes is noted in memory and written in
 * one transaction before the broker waits; until it is committed no frame leaves the broker (reply.c holds them). So
 * nothing is said before what it says is in the store, whatever part of the broker says it, a transaction that failed
 * is made again, and the load itself makes the groups. */
#ifndef BROKER_DURABLE_H
#define BROKER_DURABLE_H

#include "broker.h"

struct durable_sender; /* a process whose values are counted */

void durable_init(struct broker *b);

/* The durable part of a SET, whose other parts are done: opens the store in the directory that follows the settings,
 * loads what the channel has there, and answers the SET. */
void durable_set(struct broker *b, struct line *l, const struct message *m, struct channel *c);
/* MARK */
void durable_mark(struct broker *b, struct line *l, const struct message *m);

/* Whether the disk has room for more values of a channel. */
bool durable_room(struct broker *b, struct channel *c, uint64_t bytes, uint64_t values);
/* The values of a block that was not stored before come into the channel, or must do so with what else this event
 * changes: it gets its key, and its id, where it has none. -1: no memory, and nothing was changed. */
int durable_append(struct broker *b, struct channel *c, struct block *block, struct durable_from from);
/* The values of a block come too late for a channel that is broken: the next run finds them there. False: they are not
 * stored, for the channel is not durable, or not broken but closed, or for want of memory. */
bool durable_leave(struct broker *b, struct channel *c, struct block *block, struct durable_from from);
/* The first n values of a block are done: received where they are not leased, acknowledged, a dead letter elsewhere. */
void durable_gone(struct broker *b, struct channel *c, const struct block *block, uint32_t n);
/* A block is about to be delivered; is leased, its tries being counted. */
void durable_delivered(struct broker *b, struct channel *c, const struct block *block);
void durable_leased(struct broker *b, struct channel *c, struct block *block);
/* A block of a leased channel comes back, and this delivery does not count: nothing that is stored says that it does.
 */
void durable_untried(struct broker *b, struct channel *c, struct block *block);

/* The id of the value of a durable channel that has this key. */
uint64_t durable_id(const struct channel *c, uint64_t key);
/* As whom a process sends on the channel. */
struct durable_from durable_sender(struct channel *c, const struct process *p);

/* A frame waits until its event is over, for it may be said before what it says is noted, and for the commit. False: it
 * need not. *rc: -1: no memory to keep it. */
bool durable_holds(struct broker *b, uint32_t route, zmq_msg_t *msg, int *rc);
/* An event is over: where nothing is to be committed what it said can go. */
void durable_release(struct broker *b);
/* Writes what has changed, and lets go what waited for that; tries again what failed, when it is time. */
void durable_commit(struct broker *b);
/* When that is. */
int64_t durable_deadline(const struct broker *b);
/* A disk is full, or a commit failed: who waits does not wait for another process. */
bool durable_waits(const struct broker *b);
/* The run is over. */
void durable_close(struct broker *b);

#endif
