/* SPDX-License-Identifier: MPL-2.0 */
/* The loop. Decision: frames are read before anything is polled, because a poll costs as much as handling one; but
 * after a batch deaths are looked at too, whatever the load. What an event makes possible is done before the next is
 * read. */
#include "broker.h"
#include "durable.h"
#include "record.h"
#include "reserve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define BATCH 512

void loop_conclude(struct broker *b)
{
    settle(b);
    while (!list_empty(&b->failing)) {
        process_fail_all(b);
        settle(b);
    }
}

void loop_handle(struct broker *b, uint32_t route, zmq_msg_t *msg)
{
    struct message m = {.msg = msg, .route = route};
    b->messages++;
    if (!record_replays(b))
        b->now = csp_now();
    if (wire_check(zmq_msg_data(msg), zmq_msg_size(msg), &m.head) != 0 || m.head.type >= WIRE_TO_BROKER_END) {
        b->bad++;
        return;
    }
    m.payload = (unsigned char *)zmq_msg_data(msg) + sizeof m.head;
    struct line *l = line_find(b, route);
    if (l == NULL) {
        if (m.head.type == WIRE_HELLO)
            line_hello(b, &m);
        else
            b->bad++;
    } else {
        l->last_message = b->messages;
        record_frame(b, l, &m);
        if (l->process->carried != 0)
            receiving_sync_process(b, l->process);
        if (l->process->fault == NULL)
            request_handle(b, l, &m);
    }
    loop_conclude(b);
    durable_release(b);
}

/* Reads one message of two parts, routing id and frame, and handles it. False: there is none. */
static bool next_message(struct broker *b)
{
    zmq_msg_t id, frame;
    zmq_msg_init(&id);
    if (csp__socket_receive(&b->router, &id) != 0) {
        zmq_msg_close(&id);
        return false;
    }
    zmq_msg_init(&frame);
    unsigned parts = 0;
    while ((parts == 0 ? zmq_msg_more(&id) : zmq_msg_more(&frame)) && csp__socket_receive(&b->router, &frame) == 0)
        parts++;
    const unsigned char *number = zmq_msg_data(&id);
    uint32_t route;
    if (parts == 1 && zmq_msg_size(&id) == 1 + sizeof route &&
        number[0] == 0) { /* libzmq's own number, not one that a peer chose */
        memcpy(&route, number + 1, sizeof route);
        if (!RECORDED(b) || !replay_takes(b, route, &frame))
            loop_handle(b, route, &frame);
    } else
        b->bad++;
    zmq_msg_close(&id);
    zmq_msg_close(&frame);
    return true;
}

/* True: the ROUTER was empty. */
static bool receive_all(struct broker *b)
{
    for (unsigned i = 0; i < BATCH && !b->over; i++)
        if (!next_message(b))
            return true;
    return false;
}

void loop_expire(struct broker *b)
{
    record_expire(b);
    watch_expire(b);
    loop_conclude(b);
}

/* Between events, also of a replay, and then by our own clock: nothing moves that is stuck. */
static void look(struct broker *b)
{
    int64_t now = b->now;
    b->now = record_replays(b) ? csp_now() : now;
    if (timer_next(&b->deadlock.timers) <= b->now) {
        timer_expire(&b->deadlock.timers, b, b->now);
        deadlock_look(b);
        loop_conclude(b);
    }
    if (b->deadlock.ended) {
        reporter_reap(b);
        loop_conclude(b);
    }
    b->now = now;
    if (b->deadlock.told && !record_replays(b)) {
        reporter_act(b);
        loop_conclude(b);
    }
}

static int poll_ms(struct broker *b, bool drained)
{
    int64_t deadline = watch_settle_deadline(b), other = record_replays(b) ? replay_deadline(b) : watch_deadline(b);
    deadline = other < deadline ? other : deadline;
    other = durable_deadline(b);
    deadline = other < deadline ? other : deadline;
    other = timer_next(&b->deadlock.timers);
    deadline = other < deadline ? other : deadline;
    if (!drained)
        return 0;
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - csp_now();
    return left <= 0 ? 0 : left / 1000000 >= INT32_MAX ? INT32_MAX : (int)(left / 1000000 + 1);
}

/* The poll failed, and says nothing: interrupted, or no memory for it, which is no reason to end the run. */
static void look_everywhere(struct pollfd *polls, size_t n)
{
    if (errno != EINTR)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (size_t i = 0; i < n; i++)
        polls[i].revents = POLLIN;
}

int loop_run(struct broker *b)
{
    while (!b->over) {
        bool drained = receive_all(b);
        if (RECORDED(b))
            drained = replay_advance(b, drained);
        if (!record_replays(b)) {
            watch_bury(b, drained);
            loop_conclude(b);
        }
        if (b->over)
            break;
        durable_commit(b); /* what was said since the last one leaves only now */
        int ms = poll_ms(b, drained);
        if (ms != 0) { /* there is time */
            record_flush(b);
            reserve_keep();
        }
        bool quiet = csp__socket_is_quiet(&b->router) && csp__socket_is_quiet(&b->monitor);
        struct pollfd polls[] = {{.fd = b->router.fd, .events = POLLIN},
                                 {.fd = b->monitor.fd, .events = POLLIN},
                                 {.fd = b->epoll, .events = POLLIN}};
        if (poll(polls, 3, quiet ? ms : 0) < 0)
            look_everywhere(polls, 3);
        if (!record_replays(b))
            b->now = csp_now();
        if (polls[1].revents != 0 || !b->monitor.quiet) /* each look is a system call */
            watch_connections(b);
        if (polls[2].revents != 0)
            watch_pidfds(b);
        watch_settle(b);
        if (!record_replays(b) && watch_deadline(b) <= b->now)
            loop_expire(b);
        loop_conclude(b);
        look(b);
    }
    return 0;
}
