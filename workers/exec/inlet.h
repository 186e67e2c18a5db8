/* SPDX-License-Identifier: MPL-2.0 */
/* Channels -> one descriptor of the program. Decision: one thread an input descriptor, which is one caller, so its
 * select sees its channels and the pipe at once: a program that stops reading is noticed while the channels are silent,
 * and the inlet gives up its receiving ends, so that whoever sends to it gets EPIPE.
 *
 * How it ends: all channels closed and well: the pipe is closed. A channel cut short by a crash: the pipe stays open,
 * for the program must not take what it has for all, and the supervisor kills it. */
#ifndef EXEC_INLET_H
#define EXEC_INLET_H

#include "ledger.h"
#include "notice.h"
#include "options.h"
#include "renderer.h"
#include "sizes.h"

#include <stdint.h>

struct inlet {
    const struct port *port;
    const struct joint *joint;
    int fd;           /* the pipe's end for writing, O_NONBLOCK; later maybe one for reading, to ask what is unread */
    uint64_t written; /* bytes */
    uint64_t size;    /* of the pipe */
    size_t window;    /* bytes that are delivered ahead */
    bool explicit;    /* the program acknowledges */
    struct renderer renderer;
    struct ledger ledger; /* of values that the program acknowledges */
    uint64_t values;      /* that came */
    bool listens;         /* it is to be said where the program reads and writes nothing: not yet */
};

/* The thread; arg is the inlet. */
void *inlet_run(void *arg);

/* When the thread and the program have ended: values that were taken from the channels and not read by the program. */
uint64_t inlet_lost(const struct inlet *in);

/* Then, too: those that the program would have acknowledged, and of which it has read nothing, go back: this was no
 * try.
 */
void inlet_give_back(struct inlet *in);

/* Frees all and closes the pipe. */
void inlet_free(struct inlet *in);

/* Writes all to a pipe whose reader may be slow. 0, or -1: EPIPE, ECANCELED (the threads are to finish). */
int inlet_pour(const struct joint *j, int fd, const char *p, size_t n, uint64_t *written);

/* What cut a channel short, in words. */
const char *inlet_reason(csp_exit why, char *text, size_t size);

#endif
