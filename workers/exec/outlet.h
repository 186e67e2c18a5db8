/* SPDX-License-Identifier: MPL-2.0 */
/* One descriptor of the program -> channels. Decision: one thread an output descriptor; a block goes out as soon as the
 * pipe has no more, so a slow program's lines do not wait, and a fast one's go by the hundred thousand bytes. Each
 * block goes to every channel in turn: the slowest one sets the pace.
 *
 * When all receivers have gone the pipe is closed, and the program gets SIGPIPE at its next write, as in a shell. What
 * follows the last complete value is sent only if the program ended by itself: what a killed one had begun is no value.
 */
#ifndef EXEC_OUTLET_H
#define EXEC_OUTLET_H

#include "fan.h"
#include "notice.h"
#include "options.h"
#include "splitter.h"
#include "spotter.h"

struct outlet {
    const struct port *port;
    struct joint *joint;
    int fd; /* the pipe's end for reading, O_NONBLOCK */
    struct fan fan;
    uint64_t skip; /* values that are not to be sent */
    struct splitter splitter;
    struct spotter spotter; /* of the line that says that the program is ready */
};

/* The thread; arg is the outlet. */
void *outlet_run(void *arg);

void outlet_free(struct outlet *out);

/* The parts of it, for whoever is the thread itself. Makes the streams of the channels. 0, or -1 and it is said why. */
int outlet_open(struct outlet *out, size_t window);

/* Stages a block for all that still have receivers. 0, or -1: no more is to be sent, as is said. */
int outlet_stage(struct outlet *out, const csp__block *b);

/* Says what is wrong with what the program wrote: the errno of outlet_read or splitter_end. */
void outlet_bad(struct outlet *out, int error);

/* Reads once into the splitter. 1; 0 at the end of file; -1 with errno: EAGAIN, or those of read(2) and splitter_added.
 */
int outlet_read(int fd, struct splitter *s);

#endif
