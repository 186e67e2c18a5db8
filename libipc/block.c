/* SPDX-License-Identifier: MPL-2.0 */
/* Blocks of values. Decision: a block that was received keeps the very frame that it came in, and what was no frame, a
 * single value, is dressed as one, so that whoever uses blocks knows one shape. */
#include "block.h"
#include "error.h"
#include "select.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

uint32_t csp__block_length(const csp__block *b, size_t i)
{
    return wire_block_length(b->lengths, 0, (uint32_t)i);
}

/* One value a send, where there is no stream. */
static int send_each(csp_chan c, const csp__block *b, csp_time by)
{
    size_t max = csp__max_bytes(c);
    for (size_t i = 0; i < b->count; i++)
        if (csp__block_length(b, i) > max)
            return csp__fail(EMSGSIZE, "send", c);
    const char *data = b->data;
    for (size_t i = 0; i < b->count; i++) {
        size_t len = csp__block_length(b, i);
        if (csp_send(c, data, len, by) != 0)
            return -1;
        data += len + (size_t)(b->gap != 0);
    }
    return 0;
}

int csp__put_block(csp_chan c, const csp__block *b, csp_time by)
{
    struct csp__line *line = csp__line("send");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    return s != NULL && s->send.on ? csp__stream_put_block(line, s, b, by) : send_each(c, b, by);
}

int csp__block_of_message(csp__block *b, zmq_msg_t *msg, size_t offset, size_t len)
{
    struct csp__batch *hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return -1;
    zmq_msg_init(&hold->msg);
    zmq_msg_move(&hold->msg, msg);
    hold->single = (uint32_t)len;
    *b = (csp__block){.data = (const char *)zmq_msg_data(&hold->msg) + offset,
                      .len = len,
                      .lengths = &hold->single,
                      .count = 1,
                      .hold = hold};
    return 0;
}

csp_case csp__on_block(csp_chan c, csp__block *b)
{
    return (csp_case){.op = CSP__OP_BLOCK, .chan = c, .buf = b};
}

int csp__take_block(csp_chan c, csp__block *b, csp_time by)
{
    *b = (csp__block){.data = NULL};
    csp_case one = csp__on_block(c, b);
    if (csp__select(&one, 1, by, 0, "receive") < 0)
        return -1;
    return one.err == 0 ? 0 : csp__fail(one.err, "receive", c);
}

void csp__block_free(csp__block *b)
{
    struct csp__batch *hold = b->hold;
    if (hold != NULL) {
        zmq_msg_close(&hold->msg);
        free(hold);
    }
    *b = (csp__block){.data = NULL};
}
