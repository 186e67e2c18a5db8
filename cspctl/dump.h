/* SPDX-License-Identifier: MPL-2.0 */
/* The state of a whole run with names on it: what the broker's DUMP says, each process with what belongs to it, its
 * function and the place of its call resolved, and who holds the other end of what it waits for. */
#ifndef CSPCTL_DUMP_H
#define CSPCTL_DUMP_H

#include "live.h"
#include "place.h"
#include "snapshot.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct dump_process {
    const struct snapshot_process *p;
    const char *name;                  /* as it is shown: "grep[2]", or the function that it runs */
    struct place function;             /* where that begins; address 0: it runs a program */
    const struct snapshot_wait *waits; /* the cases of a line together */
    struct place *places;              /* of the call, for each of them */
    size_t nwaits;
    const struct snapshot_end *ends;
    size_t nends;
    const struct snapshot_stream *streams;
    size_t nstreams;
};

struct dump {
    const struct live *run;
    struct snapshot *s;
    csp_time now;                   /* when it was taken */
    struct dump_process *processes; /* by number, without who asked */
    size_t n;
    struct snapshot_end *by_channel; /* all ends, by channel */
    struct places *places;
    struct pool *pool;
};

/* Joins the run as a guest, asks, and leaves it again. NULL with errno; csp_errmsg() has the words. The run must
 * outlive the result, which is the caller's to give to dump_free(). */
struct dump *dump_take(const struct live *run);

/* The same from what the broker said at `now`; takes over the snapshot, and leaves this process out. */
struct dump *dump_of(struct snapshot *s, const struct live *run, csp_time now);
void dump_free(struct dump *d);

/* The process of that number, or NULL. */
const struct dump_process *dump_process(const struct dump *d, int64_t id);

/* The channel of that number, or NULL. */
const struct snapshot_channel *dump_channel(const struct dump *d, int64_t id);

/* "lines", or "#12" for one without a name. */
const char *dump_channel_name(const struct dump *d, int64_t id);

/* Who could end this wait, as a list of numbers, and how many: those who hold the other end of the channel, who hold
 * the group, the process, the scope's members; never the process itself. Caller frees *ids. */
size_t dump_partners(const struct dump *d, const struct snapshot_wait *w, int64_t **ids);

/* Processes that hold this end ('s', 'r') of a channel. Caller frees *ids. */
size_t dump_holders(const struct dump *d, int64_t channel, char end, int64_t **ids);

/* "to receive from lines", "for the end of process 4 (ping)": how a sentence goes on that began with "waits". channel:
 * what is said before a channel's name, "" or "channel ". */
const char *dump_wait_phrase(const struct dump *d, const struct snapshot_wait *w, const char *channel);

/* The cases of one offer of the process from `first` on: how many. They have one place and one since. */
size_t dump_offer(const struct dump_process *p, size_t first);

/* Since when it has waited or been in its state, in ns. */
int64_t dump_lasting(const struct dump *d, const struct dump_process *p);

enum stuck { STUCK_NOT, STUCK_FOR_EVER, STUCK_UNTIL_A_GUEST }; /* as DUMP has it */

/* How many are stuck so. */
size_t dump_stuck(const struct dump *d, enum stuck how);

/* The three ways to show it. only_stuck: no others. */
void dump_text(const struct dump *d, FILE *to);
void dump_report(const struct dump *d, FILE *to);
json_t *dump_json(const struct dump *d, bool only_stuck);

/* A line of text for people: nothing of it can drive a terminal. */
void dump_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
