/* SPDX-License-Identifier: MPL-2.0 */
/* The state of a pair: section 15 of docs/protocol.md. Decision: what may happen in which state is one table, and what
 * is not in it happens to no one: a frame of another generation, or of a line that is no party, has crossed something.
 * Revoking comes before all else in a recall, so that the count that follows from it is exact; and who has died already
 * is not recalled, because it could send nothing back: what it had sent is read by its receiver, after its end. */
#include "pair.h"
#include "polling.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_NS INT64_C(100000000) /* from a recall to the next introduction */

/* ---- the page ---------------------------------------------------------------------------------------------------- */

/* Taken before sent: so sent is never the lesser, but for a page that lies. */
static uint64_t page_taken(const struct pair *p)
{
    return atomic_load_explicit(&p->page->taken, memory_order_acquire) & ~WIRE_REVOKED;
}

void pair_file(const struct broker *b, const struct pair *p, char kind, char *path, size_t size)
{
    snprintf(path, size, "%s/%c%llu.%llu", b->dir, kind, (unsigned long long)p->channel->item.key,
             (unsigned long long)p->generation);
}

static void remove_file(const struct broker *b, const struct pair *p, char kind)
{
    char path[4096];
    pair_file(b, p, kind, path, sizeof path);
    unlink(path);
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

void pair_say(struct broker *b, const struct pair *p, const struct line *l, enum wire_type type, const void *payload,
              size_t size)
{
    struct wire_head head = wire_head(type, 0, size);
    head.channel = p->channel->item.key;
    head.seq = p->generation;
    if (l->connected && reply_frame(b, l->route, head, payload, NULL, 0) != 0)
        process_starve(b, l->process, "no memory to speak to it");
}

static void say_recall(struct broker *b, const struct pair *p, const struct line *l)
{
    struct wire_recall w = {p->taken};
    pair_say(b, p, l, WIRE_RECALL, &w, sizeof w);
}

/* ---- a generation ------------------------------------------------------------------------------------------------ */

static void over(struct broker *b, struct pair *p)
{
    struct channel *c = p->channel;
    struct sending *s = p->from;
    bool closing = p->closing, dropping = p->dropping;
    if (p->state != PAIR_LEFT)
        atomic_fetch_or_explicit(&p->page->taken, WIRE_REVOKED, memory_order_acq_rel);
    if (p->to != NULL && (p->state == PAIR_BINDING || p->state == PAIR_JOINING))
        say_recall(b, p, p->to->line);
    page_free(p->page);
    remove_file(b, p, 'y');
    remove_file(b, p, 'x');
    p->page = NULL;
    p->state = PAIR_NONE;
    p->from = NULL;
    p->to = NULL;
    p->joined = p->told = p->drained = p->closing = p->dropping = false;
    p->taken = p->back = 0;
    p->not_before = b->now + PAUSE_NS;
    channel_touch(b, c);
    deadlock_possible(b);
    if (s != NULL)
        sending_resume(b, s, dropping);
    if (closing)
        channel_close(b, c);
}

/* From here on nothing more is taken. */
static void take_back(struct broker *b, struct pair *p)
{
    struct channel *c = p->channel;
    uint64_t old = atomic_fetch_or_explicit(&p->page->taken, WIRE_REVOKED, memory_order_acq_rel), sent = pair_sent(p);
    p->taken = old & ~WIRE_REVOKED;
    if (p->taken > sent) {
        p->taken = sent;
        if (p->to != NULL)
            process_fail(b, p->to->line->process, "the count in the page of a pair cannot be");
    }
    c->order += p->taken;
    c->received += p->taken;
    p->state = PAIR_RECALLING;
}

/* It has ended, although that was not handled yet, and answers no more. */
static bool is_going(const struct line *l)
{
    const struct process *p = l->process;
    return !l->connected || p->dead || p->reaped || p->fault != NULL || csp__poll_in(p->pidfd, CSP_NOW) == 1;
}

/* ---- what happens in a state --------------------------------------------------------------------------------------
 */

typedef void action(struct broker *b, struct pair *p, const struct news *n);

static void contradict(struct broker *b, struct pair *p, const struct news *n)
{
    (void)p;
    process_fail(b, n->line->process, "what it says of a pair contradicts what was said");
}

static void end(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    over(b, p);
}

/* Nothing of it is on the pair, or nobody can send it back: its own end is done by who says so. */
static void lose_sender(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    p->from = NULL;
    over(b, p);
}

static void give_up(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    p->unfit = true;
    over(b, p);
}

static void connect_sender(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    const struct channel *c = p->channel;
    receiving_sync(b, p->to);
    struct wire_pair w = {.read = p->from->put, .taken = p->to->taken};
    w.values = c->values + (p->to->delivered - p->to->taken) + p->from->waiting;
    w.bytes = c->bytes + p->to->out_bytes + sending_waiting_bytes(p->from);
    memcpy(w.token, p->token, sizeof w.token);
    p->state = PAIR_JOINING;
    pair_say(b, p, p->from->line, WIRE_CONNECT, &w, sizeof w);
}

static void join(struct broker *b, struct pair *p, const struct news *n)
{
    if (p->joined || n->number != p->from->put) {
        contradict(b, p, n);
        return;
    }
    p->joined = true;
    remove_file(b, p, 'y');
    if (p->state == PAIR_JOINING)
        p->state = PAIR_DIRECT;
    channel_touch(b, p->channel);
}

static void not_join(struct broker *b, struct pair *p, const struct news *n)
{
    if (p->joined)
        contradict(b, p, n);
    else
        give_up(b, p, n);
}

static void recall(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    if (is_going(p->from->line))
        return;
    take_back(b, p);
    say_recall(b, p, p->to->line);
    say_recall(b, p, p->from->line);
}

static void unpair(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    take_back(b, p);
    say_recall(b, p, p->to->line); /* the other one has asked, and gets its answer */
}

static void lose_receiver(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    if (p->state != PAIR_RECALLING) {
        take_back(b, p);
        say_recall(b, p, p->from->line);
    }
    p->to = NULL;
}

static void orphan(struct broker *b, struct pair *p, const struct news *n)
{
    (void)n;
    p->state = PAIR_ORPHANED;
    pair_say(b, p, p->to->line, WIRE_ORPHAN, NULL, 0);
}

/* What has come will be taken, unless the receiver ends: for the channel it is received. */
static void drain(struct broker *b, struct pair *p, const struct news *n)
{
    struct channel *c = p->channel;
    if (p->drained) {
        contradict(b, p, n);
        return;
    }
    p->drained = true;
    p->taken = n->number < PAIR_MOST ? n->number : 0;
    struct sending *s = p->from;
    if (s != NULL)
        sending_resume(b, s, false);
    channel_touch(b, c);
}

/* Of what a dead sender sent all is taken, or the rest is gone. */
static void settle_up(struct broker *b, struct pair *p, const struct news *n)
{
    struct pair_counts all = pair_counts(p->channel);
    p->channel->order += all.values + all.taken;
    p->channel->received += all.taken;
    p->channel->lost += all.values;
    end(b, p, n);
}

/* clang-format off */
static action *const actions[PAIR_STATES][PAIR_EVENTS] = {
    [PAIR_BINDING] = {
        [EVENT_BOUND] = connect_sender, [EVENT_NOT_BOUND] = give_up,
        [EVENT_JOINED] = contradict, [EVENT_NOT_JOINED] = contradict, [EVENT_RECALLED] = contradict,
        [EVENT_DRAINED] = contradict,
        [EVENT_DISTURBED] = end, [EVENT_UNPAIR] = end, [EVENT_SENDER_ENDS] = lose_sender, [EVENT_RECEIVER_ENDS] = end},
    [PAIR_JOINING] = {
        [EVENT_BOUND] = contradict, [EVENT_NOT_BOUND] = contradict,
        [EVENT_JOINED] = join, [EVENT_NOT_JOINED] = not_join, [EVENT_RECALLED] = contradict,
        [EVENT_DRAINED] = contradict,
        [EVENT_DISTURBED] = recall, [EVENT_UNPAIR] = unpair, [EVENT_SENDER_ENDS] = lose_sender, [EVENT_RECEIVER_ENDS] = lose_receiver},
    [PAIR_DIRECT] = {
        [EVENT_BOUND] = contradict, [EVENT_NOT_BOUND] = contradict,
        [EVENT_JOINED] = contradict, [EVENT_NOT_JOINED] = contradict, [EVENT_RECALLED] = contradict,
        [EVENT_DRAINED] = contradict,
        [EVENT_DISTURBED] = recall, [EVENT_UNPAIR] = unpair, [EVENT_SENDER_ENDS] = orphan, [EVENT_RECEIVER_ENDS] = lose_receiver},
    [PAIR_RECALLING] = {
        [EVENT_BOUND] = contradict, [EVENT_NOT_BOUND] = contradict,
        [EVENT_JOINED] = join, [EVENT_NOT_JOINED] = not_join, [EVENT_RECALLED] = end,
        [EVENT_DRAINED] = contradict,
        [EVENT_SENDER_ENDS] = lose_sender, [EVENT_RECEIVER_ENDS] = lose_receiver},
    [PAIR_ORPHANED] = {
        [EVENT_BOUND] = contradict, [EVENT_NOT_BOUND] = contradict, [EVENT_DRAINED] = drain,
        [EVENT_RECEIVER_ENDS] = settle_up},
    [PAIR_LEFT] = {
        [EVENT_BOUND] = contradict, [EVENT_NOT_BOUND] = contradict, [EVENT_DRAINED] = contradict,
        [EVENT_RECEIVER_ENDS] = settle_up},
};
/* clang-format on */

void pair_happen(struct broker *b, struct pair *p, enum pair_event event, const struct news *n)
{
    action *act = actions[p->state][event];
    if (act != NULL)
        act(b, p, n);
}

static void tell(struct broker *b, struct pair *p)
{
    p->told = true;
    p->to->hungry = false;
    if (reply_deliver(b, p->to, NULL, WIRE_DIRECT) != 0)
        process_starve(b, p->to->line->process, "no memory to deliver to it");
}

void pair_settle(struct broker *b, struct channel *c)
{
    struct pair *p = c->pair;
    bool delivered = c->values == 0 && (p->from == NULL || p->from->waiting == 0);
    if (p->state == PAIR_NONE)
        pair_introduce(b, p);
    else if ((p->state == PAIR_DIRECT || p->state == PAIR_ORPHANED) && !p->told && delivered)
        tell(b, p);
    if (p->state == PAIR_ORPHANED && p->drained && p->told) {
        p->state = PAIR_LEFT;
        remove_file(b, p, 'x');
        channel_touch(b, c);
    }
    if (p->state == PAIR_LEFT && page_taken(p) >= p->taken)
        settle_up(b, p, NULL);
}
