/* SPDX-License-Identifier: MPL-2.0 */
/* Blocks of values. Decision: a block that was received keeps the very frame that it came in, and what was no frame, a
 * single value, is dressed as one, so that whoever uses blocks knows one shape. */
#include "block.h"
#include "error.h"
#include "select.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

/* One value a send, where there is no stream. */
static int send_each(csp_chan c, const csp__block *b, csp_time by, const struct csp__call *call)
{
    size_t max = csp__max_bytes(c);
    for (size_t i = 0; i < b->count; i++)
        if (csp__block_length(b, i) > max)
            return csp__fail(EMSGSIZE, "send", c);
    const char *data = b->data;
    for (size_t i = 0; i < b->count; i++) {
        size_t len = csp__block_length(b, i);
        csp_case send = csp_on_send(c, data, len);
        if (csp__one(&send, by, call) != 0)
            return -1;
        data += len + (size_t)(b->gap != 0);
    }
    return 0;
}

CSP__ENTRY int csp__put_block(csp_chan c, const csp__block *b, csp_time by)
{
    struct csp__line *line = csp__line("send");
    if (line == NULL)
        return -1;
    struct csp__stream *s = csp__stream_find(line, c);
    const struct csp__call *call = CSP__CALL("send");
    return s != NULL && s->send.on ? csp__stream_put_block(line, s, b, by, call) : send_each(c, b, by, call);
}

CSP__ENTRY int csp__give_block(csp_chan c, const csp__block *b, char *memory, size_t size, csp_time by)
{
    csp__block with = *b;
    with.given = &memory;
    with.size = size;
    int result = csp__put_block(c, &with, by), err = errno;
    free(memory);
    errno = err;
    return result;
}

int csp__block_of_message(csp__block *b, zmq_msg_t *msg, const struct wire_lease *lease, size_t offset, size_t len)
{
    struct csp__batch *hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return -1;
    zmq_msg_init(&hold->msg);
    zmq_msg_move(&hold->msg, msg);
    hold->single = (uint32_t)len;
    const char *data = (const char *)zmq_msg_data(&hold->msg) + offset;
    *b = (csp__block){.data = data,
                      .len = len,
                      .lengths = &hold->single,
                      .count = 1,
                      .id = lease->id,
                      .tries = lease->tries,
                      .is_letter = lease->letter,
                      .reason = lease->reason != 0 ? data + len : NULL,
                      .reason_len = lease->reason,
                      .hold = hold};
    return 0;
}

csp_case csp__on_block(csp_chan c, csp__block *b)
{
    return (csp_case){.op = CSP__OP_BLOCK, .chan = c, .buf = b};
}

CSP__ENTRY int csp__take_block(csp_chan c, csp__block *b, csp_time by)
{
    *b = (csp__block){.data = NULL};
    csp_case receive = csp__on_block(c, b);
    return csp__one(&receive, by, CSP__CALL("receive"));
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
