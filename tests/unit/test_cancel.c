/* SPDX-License-Identifier: MPL-2.0 */
/* What a call does in a cancelled scope: it ends with ECANCELED, wherever it stands, unless it is shielded or had
 * happened before. Decision: the values of the races are numbers in a row, so that one that was both received and told
 * unsent, or neither, breaks the row at whoever receives. */
#include "block.h"
#include "expect.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *cancel_suite(void);

static struct notes {
    int there, err;
    long next; /* of the numbers in a row */
} * notes;

static csp_chan c, d, g; /* of capacity 1, and 0, and a group whose count is 1 */

static void begin(void)
{
    notes = shared_memory(sizeof *notes);
    c = make(1);
    d = make(0);
    g = csp_group_make();
    ASSERT_OK(csp_group_add(g, 1));
}

static void stop(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static csp_time late(void)
{
    return csp_in(100000);
}

static void enter(void)
{
    ck_assert_msg(csp_scope(CSP_FOREVER) == 0, "csp_scope: %s", csp_errmsg());
}

static void enter_cancelled(void)
{
    enter();
    ck_assert_msg(csp_scope_cancel() == 0, "csp_scope_cancel: %s", csp_errmsg());
}

static void leave(void)
{
    csp_exit first = {-1, -1};
    ck_assert_msg(csp_scope_leave(&first) == 0, "csp_scope_leave: %s", csp_errmsg());
    ck_assert_int_eq(first.how, CSP_CANCELLED);
}

static void until(const int *value, int wanted)
{
    csp_time by = late();
    while (__atomic_load_n(value, __ATOMIC_SEQ_CST) != wanted)
        ck_assert_msg(csp_now() < by, "%d, not %d", *value, wanted);
}

static void note(int *value, int n)
{
    __atomic_store_n(value, n, __ATOMIC_SEQ_CST);
}

/* ---- the calls; each waits for ever */

static int in_send(void)
{
    return csp_send(d, "x", 1, CSP_FOREVER);
}

static int in_send_msg(void)
{
    csp_msg m = {.data = (char[]){"x"}, .len = 1, .chan = c};
    return csp_send_msg(d, &m, CSP_FOREVER);
}

static int in_recv(void)
{
    char value;
    return (int)csp_recv(d, &value, 1, CSP_FOREVER);
}

static int in_recv_msg(void)
{
    csp_msg m;
    return csp_recv_msg(d, &m, CSP_FOREVER);
}

static int in_select(void)
{
    char value;
    csp_tick t = {.next = csp_in(600000), .every = 1};
    csp_case cases[] = {csp_on_recv(d, &value, 1), csp_on_send(d, "x", 1), csp_on_time(csp_in(600000)), csp_on_tick(&t),
                        csp_on_fd(STDIN_FILENO, 0)};
    return csp_select(cases, 5, csp_in(600000));
}

static int in_local_select(void)
{
    csp_case cases[] = {csp_on_time(csp_in(600000)), csp_on_fd(STDIN_FILENO, 0)};
    return csp_select_first(cases, 2, CSP_FOREVER);
}

static int in_nothing(void)
{
    return csp_select(NULL, 0, CSP_FOREVER);
}

static int in_group(void)
{
    return csp_group_wait(g, CSP_FOREVER);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return pause();
}

static csp_proc sleeper; /* started before the cancellation */

static int in_wait(void)
{
    return csp_wait(sleeper, NULL, CSP_FOREVER);
}

static int in_put(void)
{
    return csp_send(c, "ij", 2, CSP_FOREVER);
}

static int in_put_block(void)
{
    static const uint32_t lengths[] = {2};
    csp__block b = {.data = "ij", .len = 2, .lengths = lengths, .count = 1};
    return csp__put_block(c, &b, CSP_FOREVER);
}

static int in_flush(void)
{
    return csp_flush(c, CSP_FOREVER);
}

static int in_close(void)
{
    return csp_close(c);
}

static int in_take(void)
{
    char value;
    return (int)csp_recv(c, &value, 1, CSP_FOREVER);
}

static int in_take_block(void)
{
    csp__block b;
    return csp__take_block(c, &b, CSP_FOREVER);
}

static const struct call {
    int (*wait)(void);
    int ends; /* of c, that are a stream */
} calls[] = {{in_send, 0},         {in_send_msg, 0},     {in_recv, 0},
             {in_recv_msg, 0},     {in_select, 0},       {in_local_select, 0},
             {in_nothing, 0},      {in_group, 0},        {in_wait, 0},
             {in_put, CSP_SEND},   {in_flush, CSP_SEND}, {in_put_block, CSP_SEND},
             {in_close, CSP_SEND}, {in_take, CSP_RECV},  {in_take_block, CSP_RECV}};

#define CALLS ((int)(sizeof calls / sizeof *calls))

/* What the call needs: a full window of a sending stream, a child. */
static int prepare(const struct call *call)
{
    if (call->wait == in_wait)
        CHILD_ASSERT((sleeper = csp_go(sleep_for_ever, NULL)) > 0);
    if (call->ends == 0)
        return 0;
    CHILD_ASSERT(csp_stream(c, call->ends, 4) == 0);
    if (call->ends == CSP_SEND)
        CHILD_ASSERT(csp_send(c, "abcd", 4, late()) == 0 && csp_flush(c, late()) == 0 &&
                     csp_send(c, "efgh", 4, late()) == 0);
    return 0;
}

static int make_call(void *arg)
{
    const struct call *call = arg;
    int result = prepare(call);
    if (result != 0)
        return result;
    note(&notes->there, 1);
    CHILD_ASSERT(call->wait() == -1 && errno == ECANCELED);
    CHILD_ASSERT(strstr(csp_errmsg(), "cancelled") != NULL);
    CHILD_ASSERT(call->wait() == -1 && errno == ECANCELED);
    if (call->wait == in_wait) {
        (void)kill(pid_of(sleeper), SIGKILL);
        CHILD_ASSERT(csp_shield(1) == 1 && csp_wait(sleeper, NULL, late()) == 0);
    }
    return 0;
}

static void cancel_and_leave(csp_proc p)
{
    ASSERT_OK(csp_scope_cancel());
    ASSERT_OK(csp_shield(1));
    csp_exit why;
    ASSERT_OK(csp_wait(p, &why, late()));
    ck_assert_msg(why.how == CSP_CLEAN, "how %d, code %d", why.how, why.code);
    ASSERT_OK(csp_shield(0));
    leave();
}

START_TEST(a_call_that_waits_is_woken)
{
    enter();
    csp_proc p = go(make_call, (void *)&calls[_i]);
    until_waiting(p);
    cancel_and_leave(p);
}
END_TEST

/* Before the broker knows of a wait, or just then. */
START_TEST(a_call_that_begins_to_wait_is_woken)
{
    enter();
    csp_proc p = go(make_call, (void *)&calls[_i]);
    until(&notes->there, 1);
    cancel_and_leave(p);
}
END_TEST

/* By which a call that could happen is tried; it needs nothing but what begin() made. */
static int can_send(void)
{
    return csp_send(c, "x", 1, CSP_NOW);
}

static int can_recv(void)
{
    char value;
    return (int)csp_recv(c, &value, 1, CSP_NOW);
}

static int can_select(void)
{
    csp_case due = csp_on_time(1);
    return csp_select(&due, 1, CSP_FOREVER);
}

static int can_flush(void)
{
    return csp_flush(c, CSP_NOW);
}

static int can_put(void)
{
    return csp_send(c, "", 0, CSP_NOW);
}

static const struct {
    int (*call)(void);
    int ends, full; /* of c */
} possible[] = {
    {can_send, 0, 0}, {can_recv, 0, 1}, {can_select, 0, 0}, {can_flush, CSP_SEND, 0}, {can_put, CSP_SEND, 0}};

START_TEST(a_call_that_could_happen_does_not)
{
    if (possible[_i].ends != 0)
        ASSERT_OK(csp_stream(c, possible[_i].ends, 100));
    if (possible[_i].full)
        ASSERT_OK(csp_send(c, "x", 1, CSP_NOW));
    enter_cancelled();
    ASSERT_ERRNO(possible[_i].call(), ECANCELED);
    leave();
    ASSERT_OK(possible[_i].call());
}
END_TEST

/* A loop of calls that this process decides alone, none of which waits. */
static int never_wait(void *arg)
{
    (void)arg;
    csp_case due = csp_on_time(1);
    note(&notes->there, 1);
    while (csp_select(&due, 1, CSP_FOREVER) == 0)
        ;
    CHILD_ASSERT(errno == ECANCELED);
    return 0;
}

START_TEST(who_never_waits_hears_of_it_too)
{
    enter();
    csp_proc p = go(never_wait, NULL);
    until(&notes->there, 1);
    cancel_and_leave(p);
}
END_TEST

START_TEST(nothing_is_started_in_a_cancelled_scope)
{
    static char *argv[] = {"true", NULL};
    enter_cancelled();
    ASSERT_ERRNO(csp_go(sleep_for_ever, NULL), ECANCELED);
    ASSERT_ERRNO(csp_spawn(argv, 0, 0), ECANCELED);
    ASSERT_OK(csp_shield(1));
    ASSERT_ERRNO(csp_go(sleep_for_ever, NULL), ECANCELED);
    ASSERT_OK(csp_shield(0));
    leave();
}
END_TEST

START_TEST(what_cannot_wait_works_in_a_cancelled_scope)
{
    csp_exit why;
    enter_cancelled();
    csp_chan e = make(3);
    ASSERT_OK(csp_stream(e, CSP_SEND, 100));
    ASSERT_OK(csp_close(e));
    ck_assert_int_eq(csp_why(e, &why), 1);
    ASSERT_OK(csp_drop(e, CSP_SEND | CSP_RECV));
    ASSERT_OK(csp_group_add(g, 1));
    ck_assert_int_gt(csp_self(), 0);
    leave();
}
END_TEST

START_TEST(close_needs_no_flush_of_what_is_in_the_channel)
{
    ASSERT_OK(csp_stream(c, CSP_SEND, 100));
    ASSERT_OK(csp_send(c, "x", 1, CSP_NOW));
    ASSERT_OK(csp_flush(c, late()));
    enter_cancelled();
    ASSERT_OK(csp_close(c));
    leave();
}
END_TEST

static int fail_at_once(void *arg)
{
    (void)arg;
    return 1;
}

static int await_the_failing(void *arg)
{
    csp_chan from = *(csp_chan *)arg;
    char value;
    CHILD_ASSERT(csp_drop(from, CSP_SEND) == 0);
    CHILD_ASSERT(from == d || csp_stream(from, CSP_RECV, 100) == 0);
    note(&notes->there, 1);
    CHILD_ASSERT(csp_recv(from, &value, 1, late()) == -1 && errno == ECANCELED);
    return 0;
}

/* Its end closes the channel too, and that is not what they see. */
START_TEST(the_failure_of_the_last_sender_is_a_cancellation_to_its_receivers)
{
    csp_chan *from = _i == 0 ? &d : &c;
    enter();
    csp_proc p = go(await_the_failing, from);
    until(&notes->there, 1);
    csp_proc failing = go(fail_at_once, NULL);
    ASSERT_OK(csp_drop(*from, CSP_SEND));
    ASSERT_OK(csp_shield(1));
    ended(failing, CSP_CODE, 1);
    ended_well(p);
    ASSERT_OK(csp_shield(0));
    ASSERT_OK(csp_scope_leave(NULL));
}
END_TEST

/* ---- the shield */

START_TEST(a_shield_holds_it_off)
{
    enter_cancelled();
    ck_assert_int_eq(csp_shield(1), 1);
    ck_assert_int_eq(csp_shield(1), 2);
    send_number(c, 5);
    ck_assert_int_eq(receive_number(c), 5);
    ck_assert_int_eq(csp_shield(0), 1);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, CSP_NOW), EAGAIN);
    ck_assert_int_eq(csp_shield(0), 0);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, CSP_NOW), ECANCELED);
    leave();
}
END_TEST

START_TEST(a_shield_ends_as_often_as_it_began)
{
    ASSERT_ERRNO(csp_shield(0), EINVAL);
    ASSERT_ERRNO(csp_shield(2), EINVAL);
}
END_TEST

static int wait_shielded(void *arg)
{
    (void)arg;
    long n;
    CHILD_ASSERT(csp_shield(1) == 1);
    CHILD_ASSERT(csp_recv(d, &n, sizeof n, late()) == sizeof n && n == 7);
    CHILD_ASSERT(csp_shield(0) == 0);
    CHILD_ASSERT(csp_recv(d, &n, sizeof n, late()) == -1 && errno == ECANCELED);
    return 0;
}

START_TEST(a_shielded_wait_is_not_woken)
{
    enter();
    csp_proc p = go(wait_shielded, NULL);
    until_waiting(p);
    ASSERT_OK(csp_scope_cancel());
    ASSERT_OK(csp_shield(1));
    send_number(d, 7);
    ended_well(p);
    ASSERT_OK(csp_shield(0));
    leave();
}
END_TEST

START_TEST(a_child_has_no_shield_of_its_parent_s)
{
    enter();
    ASSERT_OK(csp_shield(1));
    csp_proc p = go(make_call, (void *)&calls[2]);
    ASSERT_OK(csp_shield(0));
    until_waiting(p);
    cancel_and_leave(p);
}
END_TEST

/* ---- one process */

static int recv_and_say(void *arg)
{
    char value;
    ssize_t n = csp_recv(d, &value, 1, CSP_FOREVER);
    note(&notes->err, n < 0 ? errno : -1);
    return arg != NULL;
}

START_TEST(a_process_is_cancelled_alone)
{
    csp_proc p = go(recv_and_say, NULL), q = go(recv_and_say, NULL);
    until_waiting(p);
    until_waiting(q);
    ASSERT_OK(csp_cancel(p));
    ASSERT_OK(csp_cancel(p));
    ended_well(p);
    ck_assert_int_eq(notes->err, ECANCELED);
    ck_assert(is_in_state(q, "waiting"));
    ASSERT_OK(csp_send(d, "x", 1, late()));
    ended_well(q);
    ASSERT_OK(csp_cancel(p));
}
END_TEST

START_TEST(a_cancelled_process_that_does_not_end_well_was_cancelled)
{
    csp_proc p = go(recv_and_say, &notes);
    ASSERT_OK(csp_cancel(p));
    ended(p, CSP_CANCELLED, 0);
}
END_TEST

static int own_children(void *arg)
{
    char value;
    CHILD_ASSERT(csp_go(recv_and_say, NULL) > 0);
    if (arg != NULL)
        CHILD_ASSERT(csp_scope(CSP_FOREVER) == 0 && csp_go(recv_and_say, NULL) > 0);
    note(&notes->there, 1);
    CHILD_ASSERT(csp_recv(c, &value, 1, late()) == -1 && errno == ECANCELED);
    if (arg != NULL)
        CHILD_ASSERT(csp_scope_leave(NULL) == 0);
    return 0;
}

START_TEST(the_scopes_of_a_cancelled_process_are_cancelled)
{
    csp_proc p = go(own_children, &notes);
    until(&notes->there, 1);
    ASSERT_OK(csp_cancel(p));
    ended_well(p);
    ck_assert_int_eq(notes->err, ECANCELED);
    ASSERT_OK(csp_send(d, "x", 1, late()));
    until(&notes->err, -1);
}
END_TEST

START_TEST(what_a_cancelled_process_started_outside_of_a_scope_goes_on)
{
    csp_proc p = go(own_children, NULL);
    until(&notes->there, 1);
    ASSERT_OK(csp_cancel(p));
    ended_well(p);
    ASSERT_OK(csp_send(d, "x", 1, late()));
    until(&notes->err, -1);
}
END_TEST

static int cancel_itself(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_scope(CSP_FOREVER) == 0);
    CHILD_ASSERT(csp_cancel(csp_self()) == 0);
    CHILD_ASSERT(csp_send(c, "x", 1, CSP_NOW) == -1 && errno == ECANCELED);
    csp_exit first;
    CHILD_ASSERT(csp_scope_leave(&first) == 0 && first.how == CSP_CANCELLED);
    CHILD_ASSERT(csp_send(c, "x", 1, CSP_NOW) == -1 && errno == ECANCELED);
    return 0;
}

START_TEST(a_process_may_cancel_itself)
{
    ended_well(go(cancel_itself, NULL));
}
END_TEST

START_TEST(nobody_that_never_was_is_cancelled)
{
    ASSERT_ERRNO(csp_cancel(0), ESRCH);
    ASSERT_ERRNO(csp_cancel(-1), ESRCH);
    ASSERT_ERRNO(csp_cancel(1000000), ESRCH);
}
END_TEST

/* ---- a cancellation that meets a commit */

#define ROUNDS 120

static unsigned seed = 1;

static void a_moment(void)
{
    csp_time until_then = csp_now() + rand_r(&seed) % 2000 * (csp_time)1000;
    while (csp_now() < until_then)
        ;
}

/* Sends numbers from where the row stands, until it is cancelled: that number was not sent. */
static int send_row(void *arg)
{
    (void)arg;
    note(&notes->there, 1);
    for (;; notes->next++)
        if (csp_send(d, &notes->next, sizeof notes->next, late()) != 0)
            break;
    CHILD_ASSERT(errno == ECANCELED);
    return 0;
}

static int receive_row(void *arg)
{
    long n, next = 0;
    while (csp_recv(d, &n, sizeof n, late()) == sizeof n) {
        CHILD_ASSERT(n == next);
        next++;
    }
    CHILD_ASSERT(errno == EPIPE);
    *(long *)arg = next;
    return 0;
}

/* Receives numbers, each the next of the row, until it is cancelled: then nothing was received. */
static int receive_part(void *arg)
{
    (void)arg;
    long n;
    note(&notes->there, 1);
    for (;; notes->next++) {
        if (csp_recv(d, &n, sizeof n, late()) != sizeof n)
            break;
        CHILD_ASSERT(n == notes->next);
    }
    CHILD_ASSERT(errno == ECANCELED);
    return 0;
}

static int send_all(void *arg)
{
    long n = 0;
    (void)csp_drop(d, CSP_RECV);
    while (csp_send(d, &n, sizeof n, late()) == 0)
        n++;
    CHILD_ASSERT(errno == EPIPE);
    *(long *)arg = n;
    return 0;
}

/* In every second round values meet before the cancellation does, whatever the machine does meanwhile. */
static void cancel_in_rounds(int (*member)(void *))
{
    for (int i = 0; i < ROUNDS; i++) {
        long before = notes->next;
        note(&notes->there, 0);
        enter();
        csp_proc p = go(member, NULL);
        until(&notes->there, 1);
        csp_time by = late();
        while (i % 2 == 0 && __atomic_load_n(&notes->next, __ATOMIC_SEQ_CST) < before + 3)
            ck_assert_msg(csp_now() < by, "%ld values in round %d", notes->next - before, i);
        a_moment();
        cancel_and_leave(p);
    }
}

START_TEST(a_value_is_received_or_its_sender_is_told_that_it_was_not_sent)
{
    long *received = shared_memory(sizeof *received);
    csp_proc receiver = go(receive_row, received);
    ASSERT_OK(csp_drop(d, CSP_RECV));
    cancel_in_rounds(send_row);
    ASSERT_OK(csp_close(d));
    ended_well(receiver);
    ck_assert_int_eq(*received, notes->next);
    ck_assert_int_gt(notes->next, ROUNDS);
}
END_TEST

START_TEST(a_cancelled_receive_takes_no_value)
{
    long *sent = shared_memory(sizeof *sent);
    csp_proc sender = go(send_all, sent);
    cancel_in_rounds(receive_part);
    ASSERT_OK(csp_drop(d, CSP_RECV));
    ended_well(sender);
    ck_assert_int_eq(*sent, notes->next);
    ck_assert_int_gt(notes->next, ROUNDS);
}
END_TEST

Suite *cancel_suite(void)
{
    Suite *s = suite_create("cancel");
    TCase *tc = tcase_create("cancel");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, begin, stop);
    tcase_add_loop_test(tc, a_call_that_waits_is_woken, 0, CALLS);
    tcase_add_loop_test(tc, a_call_that_begins_to_wait_is_woken, 0, CALLS);
    tcase_add_loop_test(tc, a_call_that_could_happen_does_not, 0, sizeof possible / sizeof *possible);
    tcase_add_test(tc, who_never_waits_hears_of_it_too);
    tcase_add_test(tc, nothing_is_started_in_a_cancelled_scope);
    tcase_add_test(tc, what_cannot_wait_works_in_a_cancelled_scope);
    tcase_add_test(tc, close_needs_no_flush_of_what_is_in_the_channel);
    tcase_add_loop_test(tc, the_failure_of_the_last_sender_is_a_cancellation_to_its_receivers, 0, 2);
    tcase_add_test(tc, a_shield_holds_it_off);
    tcase_add_test(tc, a_shield_ends_as_often_as_it_began);
    tcase_add_test(tc, a_shielded_wait_is_not_woken);
    tcase_add_test(tc, a_child_has_no_shield_of_its_parent_s);
    tcase_add_test(tc, a_process_is_cancelled_alone);
    tcase_add_test(tc, a_cancelled_process_that_does_not_end_well_was_cancelled);
    tcase_add_test(tc, the_scopes_of_a_cancelled_process_are_cancelled);
    tcase_add_test(tc, what_a_cancelled_process_started_outside_of_a_scope_goes_on);
    tcase_add_test(tc, a_process_may_cancel_itself);
    tcase_add_test(tc, nobody_that_never_was_is_cancelled);
    tcase_add_test(tc, a_value_is_received_or_its_sender_is_told_that_it_was_not_sent);
    tcase_add_test(tc, a_cancelled_receive_takes_no_value);
    suite_add_tcase(s, tc);
    return s;
}
