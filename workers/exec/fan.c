/* SPDX-License-Identifier: MPL-2.0 */
/* The channels of a port in their order, for each block anew: so the slowest of them sets the pace. */
#include "fan.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static int open_streams(struct fan *f, size_t window, bool bulk, size_t *least)
{
    for (f->at = 0; f->at < f->port->n; f->at++) {
        csp_chan c = f->port->chans[f->at];
        if (csp_stream(c, CSP_SEND, window) != 0 && (bulk || errno != EINVAL))
            return -1;
        size_t limit = csp__max_bytes(c);
        if (limit == 0)
            return -1;
        if (limit < *least) {
            *least = limit;
            f->narrow = f->at;
        }
    }
    return 0;
}

int fan_open(struct fan *f, const struct port *port, size_t window, bool bulk, struct splitter *s)
{
    size_t least = SIZE_MAX;
    *f = (struct fan){.port = port, .alive = port->n};
    if (open_streams(f, window, bulk, &least) != 0)
        return -1;
    f->gone = calloc(port->n + 1, sizeof *f->gone);
    if (f->gone != NULL && splitter_init(s, port->framing, least) == 0)
        return 0;
    errno = ENOMEM;
    return -1;
}

void fan_leave(struct fan *f, size_t i)
{
    f->gone[i] = true;
    f->alive--;
}

int fan_stage(csp_chan c, const csp__block *b, bool last, void *arg)
{
    (void)last;
    (void)arg;
    return csp__stage_block(c, b);
}

int fan_block(struct fan *f, const csp__block *b, fan_send *send, void *arg)
{
    size_t left = f->alive;
    for (f->at = 0; f->at < f->port->n; f->at++) {
        if (f->gone[f->at] || send(f->port->chans[f->at], b, --left == 0, arg) == 0)
            continue;
        if (errno != EPIPE)
            return -1;
        fan_leave(f, f->at);
        if (f->alive == 0)
            return -1;
    }
    return 0;
}

void fan_free(struct fan *f)
{
    free(f->gone);
    f->gone = NULL;
}
