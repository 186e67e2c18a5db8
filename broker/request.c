/* SPDX-License-Identifier: MPL-2.0 */
/* Requests: one table from the type of a frame to what handles it. Decision: a handler answers before it lets anything
 * else happen, and what it makes possible is done afterwards by settle(); so an answer always comes before its effects.
 */
#include "durable.h"
#include "lease.h"
#include "pair.h"

#include <errno.h>
#include <string.h>

static void answer_channel(struct broker *b, struct line *l, const struct message *m, int err, const struct channel *c)
{
    struct wire_channel answer = {0};
    if (err == 0)
        answer = (struct wire_channel){c->item.key, c->capacity, c->max_bytes};
    reply_answer(b, l, m, err, &answer, sizeof answer);
}

static int make(struct broker *b, struct process *p, const struct message *m, struct channel **c)
{
    struct wire_make w;
    memcpy(&w, m->payload, sizeof w);
    const char *name = (const char *)m->payload + sizeof w;
    size_t length = m->head.length - sizeof w;
    bool group = w.kind == WIRE_GROUP, pair = w.kind == WIRE_PAIR;
    if (w.kind > WIRE_PAIR || w.policy > WIRE_CLOSE_IDLE || w.max_bytes > WIRE_MAX_VALUE)
        return EINVAL;
    if (!name_is_good(name, length) || ((group || pair) && length != 0) || (pair && w.capacity == 0))
        return EINVAL;
    if (length != 0 && p != b->root)
        return EPERM;
    struct channel *namesake = length != 0 ? channel_named(b, name, length) : NULL;
    if (namesake != NULL && !channel_unname(b, namesake))
        return EEXIST;
    if (b->channels.count >= WIRE_MAX_CHANNELS)
        return ENOBUFS;
    *c = channel_new(b, &w, name, length, pair || (!group && (m->head.flags & WIRE_DIRECT) != 0));
    if (*c == NULL)
        return ENOMEM;
    if (length == 0 && ends_give(p, *c, group ? END_RECV : END_SEND | END_RECV) != 0) {
        channel_reap(b, *c);
        return ENOMEM;
    }
    return 0;
}

static void request_make(struct broker *b, struct line *l, const struct message *m)
{
    struct channel *c = NULL;
    int err = make(b, l->process, m, &c);
    if (err == 0 && c->policy == WIRE_CLOSE_IDLE)
        idle_set(b, c);
    answer_channel(b, l, m, err, c);
}

static void request_open(struct broker *b, struct line *l, const struct message *m)
{
    uint32_t ends = m->head.count;
    struct channel *c = channel_named(b, (const char *)m->payload, m->head.length);
    int err = 0;
    if (ends == 0 || ends > (END_SEND | END_RECV))
        err = EINVAL;
    else if (c == NULL)
        err = ENOENT;
    else if (!ends_allow(l->process, c, ends))
        err = EPERM;
    answer_channel(b, l, m, err, c);
}

static void give_up(struct broker *b, struct line *l, struct channel *c, unsigned ends)
{
    stream_drop(b, l, c, ends);
    ends_release(b, l->process, c, ends, (struct reason){0});
    match_dropped(b, l->process, c);
}

static void request_drop(struct broker *b, struct line *l, const struct message *m)
{
    uint32_t ends = m->head.count;
    struct channel *c = channel_find(b, m->head.channel);
    struct process *p = l->process;
    int err = 0;
    if (ends == 0 || ends > (END_SEND | END_RECV))
        err = EINVAL;
    else if (c == NULL || (ends_of(p, c) & ends) != ends)
        err = EBADF;
    reply_answer(b, l, m, err, NULL, 0);
    if (c == NULL || err != 0)
        return;
    give_up(b, l, c, ends);
}

static void request_close(struct broker *b, struct line *l, const struct message *m)
{
    struct channel *c = channel_find(b, m->head.channel);
    bool when_idle = m->head.count == WIRE_CLOSE_WHEN_IDLE;
    int err = 0;
    if (m->head.count > WIRE_CLOSE_WHEN_IDLE)
        err = EINVAL;
    else if (c == NULL || c->kind == WIRE_GROUP || !ends_allow(l->process, c, END_SEND) ||
             (when_idle && (ends_of(l->process, c) & END_SEND) == 0))
        err = EBADF;
    else if (c->state != CHANNEL_OPEN || pair_is_closing(c))
        err = EPIPE;
    reply_answer(b, l, m, err, NULL, 0);
    if (err == 0 && when_idle) {
        idle_set(b, c);
        give_up(b, l, c, END_SEND);
    } else if (err == 0 && !pair_close(b, c))
        channel_close(b, c);
}

static void request_why(struct broker *b, struct line *l, const struct message *m)
{
    const struct channel *c = channel_find(b, m->head.channel);
    struct wire_why why = {0};
    if (c != NULL)
        why = (struct wire_why){c->state != CHANNEL_OPEN, c->why.how, c->why.code};
    reply_answer(b, l, m, c != NULL ? 0 : EBADF, &why, sizeof why);
}

static void request_add(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_add w;
    memcpy(&w, m->payload, sizeof w);
    struct channel *c = channel_find(b, m->head.channel);
    int64_t sum = 0;
    int err = 0;
    if (c == NULL || !ends_allow(l->process, c, END_RECV))
        err = EBADF;
    else if (c->kind != WIRE_GROUP || __builtin_add_overflow(c->group, w.n, &sum) || sum < 0 || sum > INT64_C(1) << 62)
        err = EINVAL;
    reply_answer(b, l, m, err, NULL, 0);
    if (c == NULL || err != 0)
        return;
    c->group = sum;
    channel_touch(b, c);
}

static void request_program(struct broker *b, struct line *l, const struct message *m)
{
    bool good = m->head.count != 1 && m->head.count <= INT32_MAX; /* a signal to group 1 would go to everybody */
    if (good)
        l->process->program = (pid_t)m->head.count;
    reply_answer(b, l, m, good ? 0 : EINVAL, NULL, 0);
}

static void request_leave(struct broker *b, struct line *l, const struct message *m)
{
    reply_answer(b, l, m, 0, NULL, 0);
    line_end(b, l, (struct reason){0});
}

static void request_bye(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_exit w;
    memcpy(&w, m->payload, sizeof w);
    struct process *p = l->process;
    if (w.how < HOW_CLEAN || w.how > HOW_DEADLINE || (w.process != 0 && w.process != p->item.key)) {
        process_fail(b, p, "a BYE with a reason that there is not");
        return;
    }
    if (p == b->root) { /* answered when all is over */
        b->bye = true;
        b->bye_route = l->route;
        b->bye_seq = m->head.seq;
    } else
        reply_answer(b, l, m, 0, NULL, 0);
    process_end(b, p, p->reaped ? p->reason : (struct reason){w.how, w.code}); /* that was answered already */
}

static const struct {
    request_handler *handler;
    bool numbered; /* its seq must be new */
    bool alone;    /* not while an offer waits */
    bool uses;     /* a guest that says it may wake others; it does more than look */
} requests[WIRE_TO_BROKER_END] = {
    [WIRE_LEAVE] = {request_leave, true},
    [WIRE_BYE] = {request_bye, true},
    [WIRE_OFFER] = {match_offer, true, true, true},
    [WIRE_WITHDRAW] = {match_withdraw},
    [WIRE_PUT] = {sending_put},
    [WIRE_TOOK] = {receiving_took},
    [WIRE_MAKE] = {request_make, true, true, true},
    [WIRE_OPEN] = {request_open, true, true, true},
    [WIRE_DROP] = {request_drop, true, true},
    [WIRE_CLOSE] = {request_close, true, true, true},
    [WIRE_WHY] = {request_why, true, true},
    [WIRE_STREAM] = {stream_open, true, true, true},
    [WIRE_ADD] = {request_add, true, true, true},
    [WIRE_ANNOUNCE] = {process_announce, true, true, true},
    [WIRE_STARTED] = {process_started, true, true},
    [WIRE_REAPED] = {process_reaped, true, true},
    [WIRE_PROGRAM] = {request_program, true, true},
    [WIRE_STAT] = {stat_answer, true, true},
    [WIRE_DUMP] = {dump_answer, true, true},
    [WIRE_SCOPE] = {scope_enter, true, true, true},
    [WIRE_CANCEL] = {scope_cancel, true, true, true},
    [WIRE_UNPAIR] = {pair_unpair, true, true, true},
    [WIRE_BOUND] = {pair_bound},
    [WIRE_JOINED] = {pair_joined},
    [WIRE_RECALLED] = {pair_recalled},
    [WIRE_DRAINED] = {pair_drained},
    [WIRE_SET] = {settings_set, true, true, true},
    [WIRE_MARK] = {durable_mark, true, true},
    [WIRE_SETTLE] = {settlement_settle, true, true, true},
    [WIRE_ACK] = {settlement_ack},
    [WIRE_NACK] = {settlement_nack},
};

void request_handle(struct broker *b, struct line *l, const struct message *m)
{
    uint8_t type = m->head.type;
    if (requests[type].handler == NULL)
        process_fail(b, l->process, "a second HELLO on its line");
    else if (requests[type].numbered && m->head.seq <= l->seq)
        process_fail(b, l->process, "a seq that is not new");
    else if (requests[type].alone && l->offer != NULL)
        process_fail(b, l->process, "a request while its offer waits");
    else {
        if (requests[type].numbered)
            l->seq = m->head.seq;
        l->process->uses |= requests[type].uses;
        requests[type].handler(b, l, m);
    }
}
