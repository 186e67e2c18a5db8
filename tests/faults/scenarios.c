/* SPDX-License-Identifier: MPL-2.0 */
/* The scenarios: small programs that together call everything in csp.h. Each is short, because each of its calls for
 * memory, descriptors and the like is a run of its own in which that one fails. */
#include "scenario.h"
#include "seam.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static csp_chan a, b, group;

static bool make_both(size_t capacity)
{
    return (a = make(capacity)) != 0 && (b = make(capacity)) != 0;
}

/* ---- channels */

static int send_three(void *arg)
{
    (void)arg;
    (void)(DID(csp_drop(a, CSP_RECV)) && send_numbers(a, 3));
    return outcome();
}

static void rendezvous(void)
{
    if ((a = make(0)) == 0)
        return;
    csp_proc p = csp_go(send_three, NULL);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_SEND)))
        return;
    receive_numbers(a, 3);
    (void)ended_well(p);
}

static int send_eight_and_close(void *arg)
{
    (void)arg;
    if (send_numbers(a, 8) && DID(csp_close(a)) && csp_send(a, "", 0, CSP_NOW) != -1)
        wrong("a send on a closed channel succeeded");
    return outcome();
}

static void buffered(void)
{
    if ((a = make(2)) == 0)
        return;
    csp_proc p = csp_go(send_eight_and_close, NULL);
    if (!STARTED(p))
        return;
    ssize_t size = csp_recv(a, NULL, 0, csp_in(1)); /* too little for a value, which stays */
    int err = errno;
    if (size >= 0)
        wrong("a value of no bytes");
    else if (err != ETIMEDOUT && err != EMSGSIZE && err != EPIPE)
        (void)DID(size);
    if (!DID(csp_drop(a, CSP_SEND)))
        return;
    receive_numbers(a, 8);
    (void)ended_well(p);
}

static int send_large(void *arg)
{
    size_t size = 300000;
    char *large = malloc(size);
    (void)arg;
    if (large == NULL)
        return FAILED;
    memset(large, 'x', size);
    for (int i = 0; i < 2 && DID(csp_send(a, large, size, soon())); i++)
        continue;
    free(large);
    return outcome();
}

static void large_values(void)
{
    csp_msg m;
    if ((a = make(4)) == 0)
        return;
    csp_proc p = csp_go(send_large, NULL);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_SEND)))
        return;
    for (int i = 0; i < 2 && DID(csp_recv_msg(a, &m, soon())); i++) {
        const char *data = m.data;
        if (m.len != 300000 || data[0] != 'x' || data[m.len - 1] != 'x')
            wrong("a large value is not what was sent");
        csp_msg_free(&m);
    }
    (void)ended_well(p);
}

/* Answers each number on the channel that came with it. */
static int answer(void *arg)
{
    csp_msg m;
    (void)arg;
    (void)csp_drop(a, CSP_SEND);
    while (csp_recv_msg(a, &m, soon()) == 0) {
        (void)DID(csp_send(m.chan, m.data, m.len, soon()));
        (void)DID(csp_drop(m.chan, CSP_SEND | CSP_RECV));
        csp_msg_free(&m);
    }
    return errno == EPIPE ? outcome() : FAILED;
}

static void attached(void)
{
    if ((a = make(1)) == 0)
        return;
    csp_proc p = csp_go(answer, NULL);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_RECV)))
        return;
    for (long n = 0, got; n < 2; n++) {
        csp_msg m = {.data = &n, .len = sizeof n, .chan = make(n == 0 ? 0 : 1)};
        if (m.chan == 0 || !DID(csp_send_msg(a, &m, soon())) || !DID(csp_drop(m.chan, CSP_SEND)) ||
            !DID(csp_recv(m.chan, &got, sizeof got, soon())))
            return;
        if (got != n)
            wrong("the answer to %ld is %ld", n, got);
    }
    (void)(DID(csp_drop(a, CSP_SEND)) && ended_well(p));
}

/* ---- select */

static int send_one(void *arg)
{
    long n = (long)(intptr_t)arg;
    (void)DID(csp_send(n == 1 ? a : b, &n, sizeof n, soon()));
    return outcome();
}

/* A value of each child, and both their exits, in whatever order. */
static void select_all(void)
{
    long got[2] = {0, 0};
    csp_exit why[2] = {{-1, -1}, {-1, -1}};
    csp_tick tick = {.next = csp_in(1), .every = 1000000};
    if (!make_both(0))
        return;
    csp_proc one = csp_go(send_one, (void *)1), two = STARTED(one) ? csp_go(send_one, (void *)2) : -1;
    if (!STARTED(two))
        return;
    for (int left = 4; left > 0;) {
        csp_case cases[] = {csp_on_recv(got[0] == 0 ? a : 0, &got[0], sizeof got[0]),
                            csp_on_recv(got[1] == 0 ? b : 0, &got[1], sizeof got[1]),
                            one != 0 ? csp_on_exit(one, &why[0]) : csp_on_recv(0, NULL, 0),
                            two != 0 ? csp_on_exit(two, &why[1]) : csp_on_recv(0, NULL, 0),
                            csp_on_tick(&tick),
                            csp_on_fd(STDIN_FILENO, 0),
                            csp_on_time(soon())};
        int i = csp_select(cases, sizeof cases / sizeof *cases, CSP_FOREVER);
        if (!DID(i) || i > 4) /* a child that failed sends nothing: then the end of the other shows it */
            return;
        left -= i < 4;
        one = i == 2 ? 0 : one;
        two = i == 3 ? 0 : two;
        if ((i == 2 && why[0].how != CSP_CLEAN) || (i == 3 && why[1].how != CSP_CLEAN)) {
            gave_up();
            return;
        }
    }
    if (got[0] != 1 || got[1] != 2)
        wrong("received %ld and %ld", got[0], got[1]);
}

static int receive_either(void *arg)
{
    long n;
    (void)arg;
    csp_case cases[] = {csp_on_recv(a, &n, sizeof n), csp_on_recv(b, &n, sizeof n)};
    (void)DID(csp_select_first(cases, 2, soon()));
    return outcome();
}

/* Two senders wait on one channel, a select that sends or receives meets them. */
static void select_sends(void)
{
    long n = 1;
    if (!make_both(0))
        return;
    csp_proc one = csp_go(receive_either, NULL), two = STARTED(one) ? csp_go(receive_either, NULL) : -1;
    if (!STARTED(two))
        return;
    for (int i = 0; i < 2; i++) {
        csp_case cases[] = {csp_on_send(a, &n, sizeof n), csp_on_send(b, &n, sizeof n), csp_on_exit(one, NULL),
                            csp_on_exit(two, NULL)};
        int which = csp_select_first(cases, 4, soon());
        if (!DID(which) || which > 1)
            return;
    }
    (void)ended_well(one);
    (void)ended_well(two);
}

/* ---- streams and pairs */

static int stream_numbers(void *arg)
{
    (void)arg;
    if (DID(csp_stream(a, CSP_SEND, 200)) && send_numbers(a, 60))
        (void)DID(csp_flush(a, soon()));
    return outcome();
}

static void streamed(void)
{
    if ((a = make(20)) == 0)
        return;
    csp_proc p = csp_go(stream_numbers, NULL);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_SEND)) || !DID(csp_stream(a, CSP_RECV, 100)))
        return;
    receive_numbers(a, 60);
    (void)ended_well(p);
}

static int send_over_pair(void *arg)
{
    (void)arg;
    if (send_numbers(a, 40))
        (void)DID(csp_flush(a, soon()));
    return outcome();
}

static void paired(void)
{
    a = csp_pair(16);
    if (!DID(a != 0 ? 0 : -1))
        return;
    csp_proc p = csp_go(send_over_pair, NULL);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_SEND)))
        return;
    receive_numbers(a, 40);
    (void)ended_well(p);
}

/* ---- leases */

/* Gives the first value back, and acknowledges each. */
static void receive_and_settle(long count)
{
    csp_msg m;
    long done = 0, given_back = 0;
    while (csp_recv_msg(a, &m, soon()) == 0) {
        if (m.tries == 1 && given_back == 0)
            given_back += DID(csp_nack(m.id, CSP_NOW, "not yet")) ? 1 : 0;
        else
            done += DID(csp_ack(m.id)) ? 1 : 0;
        csp_msg_free(&m);
    }
    csp_exit why;
    if (errno != EPIPE)
        (void)did(-1, "csp_recv_msg");
    else if (DID(csp_why(a, &why)) && why.how != CSP_CLEAN)
        gave_up();
    if (all_well() && done != count)
        wrong("%ld values were acknowledged, of %ld", done, count);
}

static int send_four(void *arg)
{
    (void)arg;
    (void)(DID(csp_drop(a, CSP_RECV)) && send_numbers(a, 4));
    return outcome();
}

static void retried(void)
{
    if (!make_both(8))
        return;
    csp_retry retry = {.attempts = 3, .least = 0, .most = 0, .dead = b};
    if (!DID(csp_set_retry(a, &retry)))
        return;
    csp_proc p = csp_go(send_four, NULL);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_SEND)))
        return;
    receive_and_settle(4);
    (void)ended_well(p);
}

/* ---- processes */

static int be_parent(void *arg)
{
    csp_proc p = csp_go(send_three, arg);
    if (STARTED(p) && DID(csp_drop(a, CSP_SEND)))
        receive_numbers(a, 3);
    if (p > 0)
        (void)ended_well(p);
    return outcome();
}

static void grandchildren(void)
{
    if ((a = make(0)) == 0)
        return;
    csp_proc p = csp_go(be_parent, NULL);
    if (STARTED(p) && DID(csp_drop(a, CSP_SEND | CSP_RECV)))
        (void)ended_well(p);
}

static void spawned(void)
{
    char *argv[] = {"cat", NULL}, line[32];
    if (!make_both(4))
        return;
    csp_proc p = csp_spawn(argv, a, b);
    if (!STARTED(p) || !DID(csp_drop(a, CSP_RECV)) || !DID(csp_drop(b, CSP_SEND)))
        return;
    for (int i = 0; i < 3; i++) {
        int n = snprintf(line, sizeof line, "line %d", i);
        if (!DID(csp_send(a, line, (size_t)n, soon())))
            break;
    }
    bool is_sent = all_well() && DID(csp_drop(a, CSP_SEND));
    int got = 0;
    for (ssize_t n; is_sent && (n = csp_recv(b, line, sizeof line, soon())) != -1; got++)
        if (n != 6 || line[5] != '0' + got)
            wrong("line %d is not what was sent", got);
    if (errno != EPIPE)
        (void)did(-1, "csp_recv");
    if (ended_well(p) && is_sent && got != 3)
        wrong("cat gave %d lines of 3", got);
}

static void not_spawned(void)
{
    char *argv[] = {"/nonexistent/program", NULL};
    csp_proc p = csp_spawn(argv, 0, 0);
    if (p > 0)
        wrong("a program that is not there was started");
    else if (errno != ENOENT)
        (void)STARTED(-1);
}

/* ---- scopes and groups */

static int wait_to_be_cancelled(void *arg)
{
    long n;
    (void)arg;
    ssize_t size = csp_recv(a, &n, sizeof n, CSP_FOREVER);
    return size < 0 && errno == ECANCELED ? 0 : size < 0 && DID(size) ? 0 : FAILED;
}

static void cancelled(void)
{
    csp_exit first;
    if ((a = make(0)) == 0 || !DID(csp_scope(CSP_FOREVER)))
        return;
    if (DID(csp_scope_grace(200)) && STARTED(csp_go(wait_to_be_cancelled, NULL)) &&
        STARTED(csp_go(wait_to_be_cancelled, NULL)))
        (void)DID(csp_scope_cancel());
    else
        (void)csp_scope_cancel();
    if (csp_shield(1) != 1 || csp_shield(0) != 0)
        wrong("csp_shield does not count");
    if (DID(csp_scope_leave(&first)) && all_well() && first.how != CSP_CANCELLED &&
        first.how != CSP_CODE) /* or failed before */
        wrong("the scope was not cancelled: how %d", first.how);
}

static int fail(void *arg)
{
    (void)arg;
    return FAILED;
}

static void a_member_fails(void)
{
    csp_exit first;
    if ((a = make(0)) == 0 || !DID(csp_scope(csp_in(30000))))
        return;
    (void)DID(csp_scope_grace(200));
    if (!STARTED(csp_go(wait_to_be_cancelled, NULL)) || !STARTED(csp_go(fail, NULL)))
        (void)csp_scope_cancel();
    if (!DID(csp_scope_leave(&first)) || !all_well() || first.how == CSP_CODE)
        return;
    if (first.how == CSP_SIGNAL && (first.code == SIGKILL || first.code == 0)) /* it could not be served */
        gave_up();
    else
        wrong("the first member that failed: how %d, code %d", first.how, first.code);
}

static int finish_one(void *arg)
{
    (void)arg;
    (void)DID(csp_group_add(group, -1));
    return outcome();
}

static void grouped(void)
{
    group = csp_group_make();
    if (!STARTED(group != 0 ? 0 : -1) || !DID(csp_group_add(group, 2)))
        return;
    csp_proc p[2] = {-1, -1};
    bool is_started = STARTED(p[0] = csp_go(finish_one, NULL)) && STARTED(p[1] = csp_go(finish_one, NULL));
    if (is_started && ended_well(p[0]) && ended_well(p[1]))
        (void)DID(csp_group_wait(group, soon()));
}

/* ---- the broker's other work */

static int receive_for_ever(void *arg)
{
    char value;
    (void)arg;
    ssize_t size = csp_recv(a, &value, 1, CSP_FOREVER);
    if (size >= 0)
        wrong("received what nobody sent");
    return errno == EDEADLK ? 0 : DID(size) ? 0 : FAILED;
}

/* Parent and child wait for each other, who is told so. */
static void deadlocked(void)
{
    if ((a = make(0)) == 0)
        return;
    csp_proc p = csp_go(receive_for_ever, NULL);
    if (!STARTED(p))
        return;
    if (csp_wait(p, NULL, CSP_FOREVER) != 0 && errno != EDEADLK)
        (void)did(-1, "csp_wait");
    (void)csp_drop(a, CSP_SEND | CSP_RECV);
}

static void *use_from_thread(void *arg)
{
    (void)send_numbers(a, 3);
    close(*(int *)arg); /* our end: a receiver sees that nothing more comes */
    return NULL;
}

static void threads(void)
{
    pthread_t t;
    int ends[2];
    long n, i = 0;
    if ((a = make(1)) == 0 || pipe(ends) != 0)
        return;
    if (pthread_create(&t, NULL, use_from_thread, &ends[1]) != 0)
        return;
    int which = 0;
    for (; which == 0; i += which == 0) {
        csp_case cases[] = {csp_on_recv(a, &n, sizeof n), csp_on_fd(ends[0], POLLIN)};
        which = csp_select_first(cases, 2, soon());
        if (DID(which) && which == 0 && n != i)
            wrong("received %ld instead of %ld", n, i);
    }
    (void)csp_drop(a, CSP_RECV); /* the sender need not wait any more */
    pthread_join(t, NULL);
    close(ends[0]);
    if (all_well() && i != 3)
        wrong("received %ld values of 3", i);
}

const struct scenario scenarios[] = {
    {.name = "rendezvous", .run = rendezvous},
    {.name = "buffered", .run = buffered},
    {.name = "large-values", .run = large_values},
    {.name = "attached", .run = attached},
    {.name = "select", .run = select_all},
    {.name = "select-sends", .run = select_sends},
    {.name = "streamed", .run = streamed},
    {.name = "paired", .run = paired},
    {.name = "retried", .run = retried},
    {.name = "grandchildren", .run = grandchildren},
    {.name = "spawned", .run = spawned},
    {.name = "not-spawned", .run = not_spawned},
    {.name = "cancelled", .run = cancelled},
    {.name = "a-member-fails", .run = a_member_fails},
    {.name = "grouped", .run = grouped},
    /* Without /proc it cannot be known who could still move. */
    {.name = "deadlocked", .run = deadlocked, .needs = DESCRIPTOR | DISK},
    {.name = "threads", .run = threads},
    {.name = "recorded", .run = rendezvous, .environment = {"CSP_RECORD=record", "CSP_SEED=7"}},
    {.name = "stored", .run = stored, .several = true, .every = 5},
    {.name = "stored-large", .run = stored_large, .several = true, .every = 61},
    {.name = "settled", .run = settled, .several = true, .every = 7},
    {.name = "moved", .run = moved, .several = true, .every = 9},
    {.name = "resumed", .run = resumed, .several = true, .every = 9},
    {.name = NULL},
};
