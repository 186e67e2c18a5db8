/* SPDX-License-Identifier: MPL-2.0 */
/* Replay: what comes is held until the record says that it is its turn. Decision: only the order is enforced here, by
 * choosing what is handled next; whether it is what was recorded, and leads to the same, the handlers find when they
 * say it (record.c). A frame that comes or not as time goes is taken from the record (TOOK) or handled when it comes.
 */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KILL_NS INT64_C(50000000)   /* for what comes next, before who was killed from outside is killed again */
#define HELD_NS INT64_C(8000000000) /* those whose calls wait for an answer for 10 s only */

struct held {
    struct list node; /* in line.held or broker.strangers */
    uint32_t route;
    int64_t since;
    zmq_msg_t msg;
};

static struct wire_head head_of(struct held *h)
{
    struct wire_head head;
    memcpy(&head, zmq_msg_data(&h->msg), sizeof head);
    return head;
}

static struct held *first(const struct list *queue)
{
    struct list *node = list_first(queue);
    return node != NULL ? LIST_OWNER(node, struct held, node) : NULL;
}

static void drop(struct held *h)
{
    list_remove(&h->node);
    zmq_msg_close(&h->msg);
    free(h);
}

static void handle(struct broker *b, struct held *h)
{
    list_remove(&h->node);
    loop_handle(b, h->route, &h->msg);
    zmq_msg_close(&h->msg);
    free(h);
}

void replay_forget(struct list *held)
{
    LIST_EACH(node, next, held)
    drop(LIST_OWNER(node, struct held, node));
}

/* ---- what is held ----------------------------------------------------------------------------------------------- */

/* The first frame of a line that must wait for its turn, after those before it that need not were handled. */
static struct held *waiting(struct broker *b, uint32_t route)
{
    struct list *at = NULL;
    for (struct line *l; (l = line_find(b, route)) != NULL;) {
        at = at == NULL ? l->held.next : at;
        if (at == &l->held)
            return NULL;
        struct held *h = LIST_OWNER(at, struct held, node);
        at = at->next;
        struct message m = {.head = head_of(h), .msg = &h->msg, .route = route};
        m.payload = (unsigned char *)zmq_msg_data(&h->msg) + sizeof m.head;
        if (m.head.type == WIRE_TOOK)
            continue; /* that of the record is handled; this one may be needed after a departure */
        if (record_is_event(l, &m))
            return h;
        bool late = m.head.type == WIRE_WITHDRAW && (l->offer == NULL || l->offer->seq != m.head.seq);
        if (late)
            drop(h);
        else
            handle(b, h);
    }
    return NULL;
}

static void hold(struct broker *b, struct list *queue, uint32_t route, zmq_msg_t *msg)
{
    struct held *h = malloc(sizeof *h);
    if (h == NULL) {
        record_depart(b, "a frame that there is no memory for");
        replay_release(b);
        loop_handle(b, route, msg);
        return;
    }
    h->route = route;
    h->since = csp_now();
    zmq_msg_init(&h->msg);
    zmq_msg_move(&h->msg, msg);
    struct wire_head head = head_of(h);
    LIST_EACH(node, next, queue)
    {
        struct held *old = LIST_OWNER(node, struct held, node);
        if (head.type == WIRE_TOOK && head_of(old).type == WIRE_TOOK && head_of(old).channel == head.channel)
            drop(old); /* the later one says all that it said */
    }
    list_push(queue, &h->node);
}

static bool knocks(const struct broker *b, uint32_t route)
{
    LIST_EACH(node, next, &b->strangers)
    if (LIST_OWNER(node, struct held, node)->route == route)
        return true;
    return false;
}

bool replay_takes(struct broker *b, uint32_t route, zmq_msg_t *msg)
{
    struct wire_head head;
    if (!record_replays(b)) {
        replay_release(b);
        return false;
    }
    if (wire_check(zmq_msg_data(msg), zmq_msg_size(msg), &head) != 0 || head.type >= WIRE_TO_BROKER_END)
        return false;
    struct line *l = line_find(b, route);
    if (l != NULL && l->process->aside)
        return false;
    if (l != NULL) {
        l->last_message = ++b->messages;
        hold(b, &l->held, route, msg);
        waiting(b, route);
    } else if (knocks(b, route) || (head.type == WIRE_HELLO && line_is_held(b, msg)))
        hold(b, &b->strangers, route, msg);
    else
        return false;
    return true;
}

/* All that is held, in an order that keeps that of each line. */
void replay_release(struct broker *b)
{
    for (struct held *h; !b->over && (h = first(&b->strangers)) != NULL;)
        handle(b, h);
    for (bool any = true; any && !b->over;) {
        any = false;
        LIST_EACH(node, next, &b->all)
        {
            const struct process *p = LIST_OWNER(node, struct process, all);
            LIST_EACH(at, after, &p->lines)
            {
                struct held *h = first(&LIST_OWNER(at, struct line, node)->held);
                if (h == NULL)
                    continue;
                handle(b, h);
                any = true; /* the lists may have changed */
                break;
            }
            if (any)
                break;
        }
    }
}

/* ---- whose turn it is ------------------------------------------------------------------------------------------- */

enum turn { TURN_DONE, TURN_LATER, TURN_NEVER };

static struct line *line_of(const struct process *p, uint64_t id)
{
    LIST_EACH(node, next, &p->lines)
    if (LIST_OWNER(node, struct line, node)->id == id)
        return LIST_OWNER(node, struct line, node);
    return NULL;
}

static bool is_in(const struct list *queue, const struct list *member)
{
    const struct list *at = queue->next;
    while (at != queue && at != member)
        at = at->next;
    return at == member;
}

/* A TOOK as it was recorded. */
static enum turn take(struct broker *b, const struct line *l, const struct recorded *next)
{
    struct wire_head head = wire_head(WIRE_TOOK, 0, 0);
    unsigned flags;
    zmq_msg_t msg;
    if (sscanf(next->rest, "%*s %*s TOOK %" SCNu64 " %" SCNu64 " %u", &head.channel, &head.seq, &flags) != 3 ||
        zmq_msg_init_size(&msg, sizeof head) != 0)
        return TURN_NEVER;
    head.flags = (uint16_t)flags;
    memcpy(zmq_msg_data(&msg), &head, sizeof head);
    record_now(b, next->at);
    loop_handle(b, l->route, &msg);
    zmq_msg_close(&msg);
    return TURN_DONE;
}

static enum turn turn_frame(struct broker *b, const struct recorded *next, bool drained)
{
    uint64_t line, process;
    char type[16];
    if (sscanf(next->rest, "%" SCNu64 " %" SCNu64 " %15s", &line, &process, type) != 3)
        return TURN_NEVER;
    struct process *p = process_find(b, process);
    struct line *l = p != NULL ? line_of(p, line) : NULL;
    if (l == NULL)
        return TURN_NEVER;
    if (strcmp(type, "TOOK") == 0)
        return take(b, l, next);
    struct held *h = waiting(b, l->route);
    if (h == NULL)
        return drained && (is_in(&b->settled, &p->pending) || is_in(&b->gone, &l->gone)) ? TURN_NEVER : TURN_LATER;
    record_now(b, next->at);
    handle(b, h);
    return TURN_DONE;
}

static enum turn turn_hello(struct broker *b, const struct recorded *next)
{
    uint64_t line, process;
    uint32_t role;
    if (sscanf(next->rest, "%" SCNu64 " %" SCNu64 " %u", &line, &process, &role) != 3)
        return TURN_NEVER;
    LIST_EACH(node, after, &b->strangers)
    {
        struct held *h = LIST_OWNER(node, struct held, node);
        uint32_t route = h->route;
        struct wire_hello w;
        if (head_of(h).type != WIRE_HELLO)
            continue;
        memcpy(&w, (unsigned char *)zmq_msg_data(&h->msg) + sizeof(struct wire_head), sizeof w);
        bool new_guest = line != 0 && process >= b->next_process;
        if (w.role != role || line_claim(b, &w) != (new_guest ? 0 : process))
            continue;
        record_now(b, next->at);
        handle(b, h);
        struct line *l = line_find(b, route);
        LIST_EACH(at, following, &b->strangers)
        if (l != NULL && LIST_OWNER(at, struct held, node)->route == route) {
            list_remove(at);
            list_push(&l->held, at);
        }
        return TURN_DONE;
    }
    return TURN_LATER;
}

static bool has_frames(struct broker *b, const struct process *p)
{
    LIST_EACH(node, next, &p->lines)
    if (waiting(b, LIST_OWNER(node, struct line, node)->route) != NULL)
        return true;
    return false;
}

static enum turn turn_death(struct broker *b, const struct recorded *next, bool drained)
{
    uint64_t process;
    struct reason why;
    if (sscanf(next->rest, "%" SCNu64 " %d %d", &process, &why.how, &why.code) != 3)
        return TURN_NEVER;
    struct process *p = process_find(b, process);
    if (p == NULL || p->state == PROCESS_ENDED)
        return TURN_NEVER;
    if (!drained || !is_in(&b->settled, &p->pending))
        return TURN_LATER;
    if (why.how != HOW_SIGNAL && has_frames(b, p))
        return TURN_NEVER; /* it did more than it had done then; one that was killed may get further */
    record_now(b, next->at);
    watch_end(b, p);
    loop_conclude(b);
    return TURN_DONE;
}

/* The line whose connection has ended, and of which nothing more is to come: that of a process whose death was seen
 * first is in no list. NULL: it has not yet. */
static struct line *line_gone(struct broker *b, uint64_t id)
{
    LIST_EACH(node, next, &b->gone)
    if (LIST_OWNER(node, struct line, gone)->id == id)
        return LIST_OWNER(node, struct line, gone);
    LIST_EACH(node, next, &b->settled)
    {
        struct line *l = line_of(LIST_OWNER(node, struct process, pending), id);
        if (l != NULL)
            return l;
    }
    return NULL;
}

static enum turn turn_gone(struct broker *b, const struct recorded *next, bool drained)
{
    struct line *l = line_gone(b, strtoull(next->rest, NULL, 10));
    if (l == NULL || !drained)
        return TURN_LATER;
    if (waiting(b, l->route) != NULL)
        return TURN_NEVER;
    record_now(b, next->at);
    watch_end_line(b, l);
    loop_conclude(b);
    return TURN_DONE;
}

/* Counted between two events: the count is brought up to the record's. */
static enum turn turn_took(struct broker *b, const struct recorded *next)
{
    uint64_t process, line, channel;
    if (sscanf(next->rest, "%" SCNu64 " %" SCNu64 " %" SCNu64, &process, &line, &channel) != 3)
        return TURN_NEVER;
    const struct process *p = process_find(b, process);
    const struct line *l = p != NULL ? line_of(p, line) : NULL;
    const struct channel *c = channel_find(b, channel);
    struct receiving *r = l != NULL && c != NULL ? receiving_find(l, c) : NULL;
    if (r == NULL)
        return TURN_NEVER;
    receiving_sync(b, r);
    loop_conclude(b);
    return TURN_DONE;
}

static enum turn turn(struct broker *b, const struct recorded *next, bool drained)
{
    if (next->kind == NULL || next->odd)
        return TURN_NEVER;
    if (strcmp(next->kind, "frame") == 0)
        return turn_frame(b, next, drained);
    if (strcmp(next->kind, "hello") == 0)
        return turn_hello(b, next);
    if (strcmp(next->kind, "death") == 0)
        return turn_death(b, next, drained);
    if (strcmp(next->kind, "gone") == 0)
        return turn_gone(b, next, drained);
    if (strcmp(next->kind, "took") == 0)
        return turn_took(b, next);
    if (strcmp(next->kind, "deadlock") == 0 && !b->deadlock.told)
        return TURN_LATER;
    bool expire = strcmp(next->kind, "expire") == 0;
    if (!expire && strcmp(next->kind, "deadlock") != 0)
        return TURN_NEVER; /* it should have followed from the event before */
    record_now(b, next->at);
    if (expire)
        loop_expire(b);
    else {
        reporter_act(b);
        loop_conclude(b);
    }
    return TURN_DONE;
}

/* What comes next may do so because somebody was killed, who is alive now. */
static void kill_again(struct broker *b)
{
    const struct process *p = record_killed(b);
    if (p != NULL)
        syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

/* One of these frames has been held so long that its sender would soon take the broker for dead. */
static bool has_held_long(const struct list *queue, int64_t now)
{
    LIST_EACH(node, next, queue)
    {
        struct held *h = LIST_OWNER(node, struct held, node);
        uint16_t type = head_of(h).type;
        if ((type == WIRE_HELLO || type == WIRE_REAPED) && now - h->since >= HELD_NS)
            return true;
    }
    return false;
}

static bool somebody_gives_up(const struct broker *b, int64_t now)
{
    if (has_held_long(&b->strangers, now))
        return true;
    LIST_EACH(node, next, &b->all)
    {
        const struct process *p = LIST_OWNER(node, struct process, all);
        LIST_EACH(at, after, &p->lines)
        if (has_held_long(&LIST_OWNER(at, struct line, node)->held, now))
            return true;
    }
    return false;
}

/* What is next has not come yet. False: it is not waited for any longer; when the root has died not for as long as it
 * took then, which may be hours. */
static bool wait_on(struct broker *b, const struct recorded *next)
{
    int64_t patience = b->root != NULL && b->root->dead ? RECORD_PATIENCE_NS : next->wait;
    int64_t now = csp_now(), since = b->looked > next->since ? b->looked : next->since;
    if (now - next->since >= patience)
        return false;
    if (now - since < KILL_NS)
        return true;
    b->looked = now;
    if (somebody_gives_up(b, now))
        return false;
    kill_again(b);
    return true;
}

bool replay_advance(struct broker *b, bool drained)
{
    watch_bury_aside(b, drained);
    while (record_replays(b) && !b->over) {
        struct recorded next = record_next(b);
        bool hello = next.kind != NULL && strcmp(next.kind, "hello") == 0;
        enum turn t = turn(b, &next, drained);
        if (t == TURN_LATER && wait_on(b, &next))
            return drained;
        if (t != TURN_DONE && record_replays(b))
            record_depart(b, t == TURN_LATER ? "nothing in time" : "nothing of the kind");
        else if (record_replays(b) && record_is_same(b, &next))
            record_depart(b, "nothing of the kind");
        if (hello)
            drained = false; /* connections were looked at: what they had brought is still to be read */
    }
    replay_release(b);
    return drained;
}

int64_t replay_deadline(struct broker *b)
{
    struct recorded next = record_next(b);
    int64_t look = (b->looked > next.since ? b->looked : next.since) + KILL_NS, end = next.since + next.wait;
    return look < end ? look : end;
}
