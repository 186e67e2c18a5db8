/* SPDX-License-Identifier: MPL-2.0 */
/* One source of blocks to all the channels of a port. Decision: a channel that nobody receives from any more is passed
 * over from then on; what follows when it was the last is for its user to say. */
#ifndef EXEC_FAN_H
#define EXEC_FAN_H

#include "options.h"
#include "splitter.h"

#include <stdbool.h>
#include <stddef.h>

struct fan {
    const struct port *port;
    bool *gone;    /* by channel: nobody receives */
    size_t alive;  /* channels that are not gone */
    size_t narrow; /* the channel with the least max_bytes */
    size_t at;     /* the channel of the last failure */
};

/* Makes the streams of its channels, and the splitter for values that each of them takes. bulk: none may be without
 * capacity. 0; -1 with errno: ENOMEM, or that of the channel `at`. */
int fan_open(struct fan *f, const struct port *port, size_t window, bool bulk, struct splitter *s);

/* What sends a block to one channel: 0, or -1 with errno. last: it is for no other. */
typedef int fan_send(csp_chan c, const csp__block *b, bool last, void *arg);
int fan_stage(csp_chan c, const csp__block *b, bool last, void *arg);

/* One block to all that still have receivers. 0, or -1 with errno, of the channel `at`; EPIPE: it was the last. */
int fan_block(struct fan *f, const csp__block *b, fan_send *send, void *arg);

/* Nobody receives from the i-th channel any more. */
void fan_leave(struct fan *f, size_t i);

void fan_free(struct fan *f);

#endif
