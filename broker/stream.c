/* SPDX-License-Identifier: MPL-2.0 */
/* Opening and ending streams, both ways. Decision: a stream belongs to a line and needs an end of its process; when
 * either goes the stream goes, and only then does the end. */
#include "lease.h"
#include "pair.h"

#include <errno.h>
#include <string.h>

static int check(const struct line *l, const struct channel *c, const struct wire_stream *w, uint32_t ends)
{
    if (ends == 0 || ends > (END_SEND | END_RECV) || w->window == 0)
        return EINVAL;
    if (c == NULL || c->kind == WIRE_GROUP || !ends_allow(l->process, c, ends))
        return EBADF;
    bool already = ((ends & END_SEND) != 0 && sending_find(l, c) != NULL) ||
                   ((ends & END_RECV) != 0 && receiving_find(l, c) != NULL);
    if (c->capacity == 0 || already || ((ends & END_SEND) != 0 && overflow_rejects(c)))
        return EINVAL;
    return pair_is_busy(c, l, ends) ? EBUSY : 0;
}

void stream_open(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_stream w;
    memcpy(&w, m->payload, sizeof w);
    uint32_t ends = m->head.count;
    struct channel *c = channel_find(b, m->head.channel);
    int err = check(l, c, &w, ends);
    if (err == 0 && (ends & END_SEND) != 0)
        err = sending_open(b, l, c, w.window);
    if (err == 0 && (ends & END_RECV) != 0) {
        err = receiving_open(b, l, c, w.window, w.slot);
        if (err != 0 && (ends & END_SEND) != 0)
            sending_detach(b, sending_find(l, c), (struct reason){0});
    }
    struct wire_channel answer = {0};
    if (err == 0)
        pair_opened(b, c);
    if (err == 0)
        answer = (struct wire_channel){c->item.key, c->capacity, c->max_bytes};
    reply_answer(b, l, m, err, &answer, sizeof answer);
}

void stream_end_line(struct broker *b, struct line *l, struct reason why)
{
    LIST_EACH(node, next, &l->takes)
    receiving_end(b, LIST_OWNER(node, struct receiving, on_line));
    LIST_EACH(node, next, &l->puts)
    sending_detach(b, LIST_OWNER(node, struct sending, on_line), why);
}

void stream_drop(struct broker *b, struct line *by, struct channel *c, unsigned ends)
{
    LIST_EACH(node, next, &by->process->lines)
    {
        struct line *l = LIST_OWNER(node, struct line, node);
        struct receiving *r = (ends & END_RECV) != 0 ? receiving_find(l, c) : NULL;
        struct sending *s = (ends & END_SEND) != 0 ? sending_find(l, c) : NULL;
        if (r != NULL)
            receiving_end(b, r);
        if (s != NULL && l == by)
            sending_detach(b, s, (struct reason){0});
        else if (s != NULL)
            sending_drop(b, s);
    }
}
