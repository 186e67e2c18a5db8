/* SPDX-License-Identifier: MPL-2.0 */
/* A reply channel for each backend, capacity 1: an answer never waits for us, and an answer that comes too late finds
 * nobody and ends. Our own sending end goes when the request has gone, so that the backend's is the only one: its death
 * closes the channel, and is known at once. */
#include "gather.h"
#include "message.h"
#include "pool.h"
#include "snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_EVERY                                                                                                    \
    5 /* ms between two looks: the broker does not announce a change of state, and this ends with it                   \
       */

enum asking { ASK_SEND, ASK_WAIT, ASK_DONE };

struct ask {
    enum asking state;
    csp_chan requests, reply;
    csp_msg request, answer;
    struct answer *to;
};

static void ask_fail(struct ask *ask, const char *doing, int err)
{
    answer_fail(ask->to, "%s%s", doing, err == ENOTCONN ? "the run has ended" : strerror(err));
    ask->state = ASK_DONE;
}

static void ask_prepare(struct ask *ask, const struct service_info *s, size_t i, struct answer *to)
{
    char name[512];

    *ask = (struct ask){.to = to};
    *to = (struct answer){.backend = s->backends[i]};
    (void)snprintf(name, sizeof name, "%s.%s", s->name, s->backends[i]);
    ask->requests = csp_open(name, CSP_SEND);
    if (ask->requests == 0)
        ask_fail(ask, "its channel cannot be opened: ", errno);
    else if ((ask->reply = csp_make(1)) == 0)
        ask_fail(ask, "no reply channel: ", errno);
}

/* The case of this backend has happened, with this error. A worker that drops a request whose deadline has passed is
 * late, as one that goes on with it is. */
static void ask_step(struct ask *ask, int err, csp_time by)
{
    if (ask->state == ASK_SEND && err == 0) {
        ask->state = ASK_WAIT;
        if (csp_drop(ask->reply, CSP_SEND) != 0)
            ask_fail(ask, "", errno);
    } else if (ask->state == ASK_SEND && err == EPIPE) {
        answer_fail(ask->to, "no process of it is left");
        ask->state = ASK_DONE;
    } else if (ask->state == ASK_WAIT && err == EPIPE) {
        if (csp_now() < by)
            answer_fail(ask->to, "ended without an answer");
        ask->state = ASK_DONE;
    } else if (err != 0)
        ask_fail(ask, "", err);
    else
        ask->state = ASK_DONE;
}

static csp_case ask_case(struct ask *ask)
{
    switch (ask->state) {
    case ASK_SEND:
        return csp_on_send_msg(ask->requests, &ask->request);
    case ASK_WAIT:
        return csp_on_msg(ask->reply, &ask->answer);
    default:
        return csp_on_time(CSP_FOREVER);
    }
}

/* One event. False when nothing more will come before the deadline. */
static bool gather_step(struct ask *asks, csp_case *cases, size_t n, csp_time by)
{
    size_t open = 0;

    for (size_t i = 0; i < n; i++) {
        cases[i] = ask_case(&asks[i]);
        open += asks[i].state != ASK_DONE;
    }
    if (open == 0)
        return false;
    int happened = csp_select(cases, n, by);
    if (happened >= 0) {
        ask_step(&asks[happened], cases[happened].err, by);
        return true;
    }
    if (errno == ETIMEDOUT)
        return false;
    int err = errno, found = 0;
    for (size_t i = 0; i < n; i++)
        if (asks[i].state != ASK_DONE && (err != EBADF || cases[i].err == EBADF)) {
            ask_fail(&asks[i], "", err);
            found = 1;
        }
    return found;
}

void gather(const struct service_info *s, const char *words, struct answer *answers, double *took_ms)
{
    size_t n = s->nbackends, size = strlen(words) + 32;
    struct ask *asks = memory_alloc(n * sizeof *asks);
    csp_case *cases = memory_alloc(n * sizeof *cases);
    char *request = memory_alloc(size);

    for (size_t i = 0; i < n; i++)
        ask_prepare(&asks[i], s, i, &answers[i]);
    csp_time began = csp_now(), by = began + s->deadline;
    int length = snprintf(request, size, "%" PRId64 " %s", by, words);
    for (size_t i = 0; i < n; i++)
        asks[i].request = (csp_msg){.data = request, .len = (size_t)length, .chan = asks[i].reply};
    while (gather_step(asks, cases, n, by)) {
    }
    *took_ms = (double)(csp_now() - began) / 1e6;
    for (size_t i = 0; i < n; i++) {
        if (asks[i].answer.data != NULL)
            answer_read(&answers[i], asks[i].answer.data, asks[i].answer.len);
        csp_msg_free(&asks[i].answer);
    }
    free(request);
    free(cases);
    free(asks);
}

char *gather_words(char *const words[], size_t n)
{
    size_t size = 1;

    for (size_t i = 0; i < n; i++) {
        if (strchr(words[i], '\n') != NULL) {
            message("a request is one line: word %zu has a newline in it", i + 1);
            return NULL;
        }
        size += strlen(words[i]) + 1;
    }
    char *text = memory_alloc(size), *to = text;
    *to = '\0';
    for (size_t i = 0; i < n; i++)
        to = stpcpy(stpcpy(to, i > 0 ? " " : ""), words[i]);
    return text;
}

/* ---- waiting for the backends */

static bool backend_ready(const struct snapshot *state, const char *service, const char *backend)
{
    char receive[512];
    bool coming = false;

    (void)snprintf(receive, sizeof receive, "recv %s.%s", service, backend);
    for (size_t i = 0; i < state->nprocesses; i++) {
        const struct snapshot_process *p = &state->processes[i];
        if (strcmp(p->name, backend) != 0 || strcmp(p->state, "ended") == 0)
            continue;
        if (snapshot_waits(p, receive))
            return true;
        coming = true;
    }
    return !coming;
}

static bool all_ready(const struct snapshot *state, const struct service_info *s)
{
    for (size_t i = 0; i < s->nbackends; i++)
        if (!backend_ready(state, s->name, s->backends[i]))
            return false;
    return true;
}

int gather_ready(const struct service_info *s, csp_time by)
{
    for (;;) {
        struct snapshot *state = snapshot_ask();
        if (state == NULL)
            return -1;
        bool ready = all_ready(state, s);
        snapshot_free(state);
        if (ready)
            return 0;
        csp_time next = csp_in(READY_EVERY);
        csp_case look = csp_on_time(next);
        if (csp_select(&look, 1, by) < 0)
            return -1;
    }
}
