/* SPDX-License-Identifier: MPL-2.0 */
/* The pipes of a program and the threads behind them. Decision: all is made ready before the program is started
 * (channels opened, pipes made), so that what can fail fails while there is nothing to undo. */
#ifndef EXEC_WIRING_H
#define EXEC_WIRING_H

#include "filter.h"
#include "inlet.h"
#include "outlet.h"
#include "program.h"
#include "server.h"

#include <pthread.h>

struct wiring {
    const struct options *o;
    struct joint joint;
    int notices; /* the supervisor's end */
    struct inlet *in;
    struct outlet *out;
    struct filter filter; /* used with ack: line, for stdin and stdout */
    struct server server; /* used where o->serve is set */
    csp_chan requests;
    struct plug *plugs; /* the program's ends of the pipes */
    size_t nplugs;
    pthread_t *threads;
    size_t nthreads;
};

/* Opens the channels of n ports. 0, or -1 with errno and *what the name of the one that failed. */
int wiring_open_ports(struct port *p, size_t n, int ends, const char **what);

/* Opens all channels. 0, or -1 with errno and *what the name of the one that failed. */
int wiring_open(struct wiring *w, struct options *o, const char **what);

/* Makes the pipes. 0, or -1 with errno. */
int wiring_pipes(struct wiring *w);

/* Closes the program's ends, which it has by now, or will never need. */
void wiring_unplug(struct wiring *w);

/* Starts the threads. 0, or -1 with errno: some may run. */
int wiring_start(struct wiring *w);

/* How many of them read from the program. */
size_t wiring_readers(const struct wiring *w);

/* Nothing more is received, and the program's inputs are closed. False: it has none. */
bool wiring_retire(struct wiring *w);

/* The threads finish: nothing of the program is left. */
void wiring_halt(struct wiring *w, bool complete);

/* Waits for the threads' ends, which they have announced. */
void wiring_join(struct wiring *w);

/* Then: values taken from channels and not read by the program. */
uint64_t wiring_lost(const struct wiring *w);

/* Then: of what the program acknowledges, what it has not read goes back. */
void wiring_give_back(struct wiring *w);

void wiring_free(struct wiring *w);

#endif
