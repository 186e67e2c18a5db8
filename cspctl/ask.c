/* SPDX-License-Identifier: MPL-2.0 */
/* A reply channel has capacity 1: an answer never waits for us. Our own sending end of it goes when the request has
 * gone, so that the replica's is the only one: its death closes the channel. */
#include "ask.h"
#include "message.h"
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum attempt_state { ATTEMPT_SEND, ATTEMPT_WAIT, ATTEMPT_OVER };

struct attempt {
    enum attempt_state state;
    csp_chan reply;
    csp_msg request, answer;
};

/* Keeps errno, for who says why. */
static void forget(struct attempt *t)
{
    int err = errno;
    if (t->state != ATTEMPT_OVER)
        (void)csp_drop(t->reply, t->state == ATTEMPT_SEND ? CSP_SEND | CSP_RECV : CSP_RECV);
    t->state = ATTEMPT_OVER;
    csp_msg_free(&t->answer);
    errno = err;
}

static void finish(struct ask *ask)
{
    for (size_t i = 0; i < ask->tried; i++)
        forget(&ask->tries[i]);
    ask->done = true;
}

static void fail(struct ask *ask, const char *doing, int err)
{
    answer_fail(ask->to, "%s%s", doing, err == ENOTCONN ? "the run has ended" : strerror(err));
    finish(ask);
}

/* The next try. Its time is over from now on, whatever comes of it. */
static void try_next(struct ask *ask)
{
    struct attempt *t = &ask->tries[ask->tried];

    *t = (struct attempt){.state = ATTEMPT_OVER, .reply = csp_make(1)};
    if (t->reply == 0) {
        fail(ask, "no reply channel: ", errno);
        return;
    }
    t->state = ATTEMPT_SEND;
    ask->tried++;
    ask->to->tries = ask->tried;
    ask->next = ask->tried < ask->most ? csp_now() + ask->hedge : CSP_FOREVER;
}

void ask_open(struct ask *ask, const struct service_info *s, size_t backend, struct answer *to)
{
    char name[512];
    const struct backend_info *b = &s->backends[backend];

    *to = (struct answer){.backend = b->name};
    *ask = (struct ask){.to = to, .hedge = s->hedge, .most = s->hedge < 0 ? 1 : (size_t)b->replicas};
    ask->tries = memory_zalloc(ask->most, sizeof *ask->tries);
    (void)snprintf(name, sizeof name, "%s.%s", s->name, b->name);
    ask->requests = csp_open(name, CSP_SEND);
    if (ask->requests == 0)
        fail(ask, "its channel cannot be opened: ", errno);
    do
        if (!ask->done)
            try_next(ask);
    while (!ask->done && ask->hedge == 0 && ask->tried < ask->most);
}

void ask_begin(struct ask *ask, const char *request, size_t length, csp_time by)
{
    ask->request = (csp_msg){.data = (void *)request, .len = length};
    ask->by = by;
    if (ask->next != CSP_FOREVER)
        ask->next = csp_now() + ask->hedge;
}

size_t ask_size(const struct ask *ask)
{
    return ask->most + 1;
}

void ask_cases(const struct ask *ask, csp_case *cases)
{
    for (size_t i = 0; i < ask->most; i++) {
        struct attempt *t = &ask->tries[i];
        bool open = i < ask->tried && !ask->done;
        t->request = ask->request;
        t->request.chan = t->reply;
        if (open && t->state == ATTEMPT_SEND)
            cases[i] = csp_on_send_msg(ask->requests, &t->request);
        else if (open && t->state == ATTEMPT_WAIT)
            cases[i] = csp_on_msg(t->reply, &t->answer);
        else
            cases[i] = csp_on_time(CSP_FOREVER);
    }
    cases[ask->most] = csp_on_time(ask->done ? CSP_FOREVER : ask->next);
}

/* Nothing comes of this try: another replica is asked at once; else, when none is out, the backend has failed. */
static void give_up(struct ask *ask, struct attempt *t, const char *why)
{
    forget(t);
    if (ask->tried < ask->most) {
        try_next(ask);
        return;
    }
    for (size_t i = 0; i < ask->tried; i++)
        if (ask->tries[i].state != ATTEMPT_OVER)
            return;
    if (ask->to->state != ANSWER_FAILED)
        answer_fail(ask->to, "%s", why);
    finish(ask);
}

/* What it says: another may know better than one that failed. */
static void take_answer(struct ask *ask, struct attempt *t)
{
    answer_clear(ask->to);
    ask->to->state = ANSWER_LATE;
    answer_read(ask->to, t->answer.data, t->answer.len);
    if (ask->to->state == ANSWER_FAILED)
        give_up(ask, t, "");
    else
        finish(ask);
}

/* A worker that drops a request whose deadline has passed is late, as one that goes on with it is. */
void ask_step(struct ask *ask, size_t i, int err)
{
    struct attempt *t = &ask->tries[i < ask->most ? i : 0];

    if (i == ask->most)
        try_next(ask);
    else if (t->state == ATTEMPT_SEND && err == 0) {
        t->state = ATTEMPT_WAIT;
        if (csp_drop(t->reply, CSP_SEND) != 0)
            fail(ask, "", errno);
    } else if (t->state == ATTEMPT_SEND && err == EPIPE)
        give_up(ask, t, "no process of it is left");
    else if (t->state == ATTEMPT_WAIT && err == EPIPE && csp_now() >= ask->by)
        finish(ask);
    else if (t->state == ATTEMPT_WAIT && err == EPIPE)
        give_up(ask, t, "ended without an answer");
    else if (err != 0)
        fail(ask, "", err);
    else
        take_answer(ask, t);
}

bool ask_failed(struct ask *ask, const csp_case *cases, int err)
{
    bool mine = err != EBADF;

    for (size_t i = 0; i < ask->most; i++)
        mine |= cases[i].err == EBADF;
    if (ask->done || !mine)
        return false;
    fail(ask, "", err);
    return true;
}

void ask_close(struct ask *ask)
{
    finish(ask);
    free(ask->tries);
}
