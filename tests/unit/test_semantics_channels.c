/* SPDX-License-Identifier: MPL-2.0 */
/* The section Channels of docs/semantics.md, rule by rule, between processes. Decision: a test waits until the broker
 * says that a process waits, or that it has ended, and then compares counts in shared memory: so it knows at which
 * point each process is, and needs no timing. */
#include "expect.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *semantics_channels_suite(void);

static csp_chan c, d;
static long *counter; /* shared */

static void count_from_zero(void)
{
    counter = shared_memory(sizeof *counter);
}

static void count_one(void)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static long counted(void)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

/* Kills it, and waits until the broker has buried it too. */
static void kill_process(csp_proc p)
{
    pid_t pid = pid_of(p);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ended(p, CSP_SIGNAL, SIGKILL);
    until_state(p, "ended");
}

/* ---- capacity */

enum { SENDS = 40 };

static int send_and_count(void *arg)
{
    (void)arg;
    for (long i = 0; i < SENDS; i++) {
        CHILD_ASSERT(csp_send(c, &i, sizeof i, soon()) == 0);
        count_one();
    }
    return 0;
}

/* Of its sends just those have returned whose value was received, and `capacity` more. */
static void sends_wait_for_receives(long capacity)
{
    count_from_zero();
    c = make((size_t)capacity);
    csp_proc p = go(send_and_count, NULL);
    for (long received = 0; received < SENDS - capacity; received++) {
        until_waiting(p);
        ck_assert_int_eq(counted(), received + capacity);
        ck_assert_int_eq(receive_number(c), received);
    }
    ended_well(p);
    ck_assert_int_eq(counted(), SENDS);
}

START_TEST(a_send_on_a_rendezvous_is_done_only_when_a_receiver_has_the_value)
{
    sends_wait_for_receives(0);
}

START_TEST(a_send_waits_only_while_capacity_values_wait)
{
    sends_wait_for_receives(_i);
}

static int receive_what_is_there_then_wait(void *arg)
{
    long n;
    (void)arg;
    for (long i = 0; i < 3; i++)
        CHILD_ASSERT(csp_recv(c, &n, sizeof n, CSP_NOW) == (ssize_t)sizeof n && n == i);
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, CSP_NOW) == -1 && errno == EAGAIN);
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n && n == 3);
    return 0;
}

START_TEST(a_receive_waits_only_while_no_value_waits)
{
    c = make(5);
    for (long i = 0; i < 3; i++)
        send_number(c, i);
    csp_proc p = go(receive_what_is_there_then_wait, NULL);
    until_waiting(p);
    send_number(c, 3);
    ended_well(p);
}

static int send_own_number(void *arg)
{
    return csp_send(c, arg, sizeof(long), soon()) == 0 ? 0 : 1;
}

enum { WAITERS = 5 };

/* So many processes that wait one after the other in that order. */
static void start_in_order(csp_proc *p, int (*fn)(void *))
{
    for (long i = 0; i < WAITERS; i++) {
        p[i] = go(fn, &i);
        until_waiting(p[i]);
    }
}

START_TEST(a_receive_from_a_full_buffer_admits_the_sender_that_waits_longest)
{
    csp_proc p[WAITERS];
    c = make(2);
    send_number(c, 100);
    send_number(c, 101);
    start_in_order(p, send_own_number);
    for (int i = 0; i < WAITERS; i++) {
        ck_assert_int_eq(receive_number(c), i < 2 ? 100 + i : i - 2);
        ck_assert_int_eq(stat_number("channel", c, 4), 2); /* full again, by the same step */
        ended_well(p[i]);
        ck_assert(i + 1 == WAITERS || is_in_state(p[i + 1], "waiting"));
    }
    ck_assert_int_eq(receive_number(c), WAITERS - 2);
    ck_assert_int_eq(receive_number(c), WAITERS - 1);
}

static int receive_seven(void *arg)
{
    long n;
    (void)arg;
    return csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n && n == 7 ? 0 : 1;
}

START_TEST(a_receiver_that_was_killed_while_it_waited_takes_nothing)
{
    c = make(0);
    csp_proc p = go(receive_seven, NULL);
    until_waiting(p);
    kill_process(p);
    ASSERT_ERRNO(csp_send(c, "lost", 4, CSP_NOW), EAGAIN);
    p = go(receive_seven, NULL);
    send_number(c, 7);
    ended_well(p);
}

/* ---- order */

START_TEST(waiting_senders_are_served_in_the_order_of_their_coming)
{
    csp_proc p[WAITERS];
    c = make(0);
    start_in_order(p, send_own_number);
    kill_process(p[2]); /* the others keep their places */
    for (int i = 0; i < WAITERS; i++) {
        if (i == 2)
            continue;
        ck_assert_int_eq(receive_number(c), i);
        ended_well(p[i]);
    }
}

static int receive_own_number(void *arg)
{
    long n = -1;
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n);
    return n == *(long *)arg ? 0 : 1;
}

static int select_own_number(void *arg)
{
    long n = -1;
    csp_case cases[] = {csp_on_recv(d, NULL, 0), csp_on_recv(c, &n, sizeof n)};
    CHILD_ASSERT(csp_select(cases, 2, soon()) == 1);
    return n == *(long *)arg ? 0 : 1;
}

START_TEST(waiting_receivers_are_served_in_the_order_of_their_coming)
{
    csp_proc p[WAITERS];
    c = make(_i < 2 ? 0 : 3);
    d = make(0);
    start_in_order(p, _i % 2 == 0 ? receive_own_number : select_own_number);
    kill_process(p[1]);
    for (long i = 0; i < WAITERS; i++) {
        if (i == 1)
            continue;
        send_number(c, i);
        ended_well(p[i]);
    }
}

enum { SENDERS = 3, EACH = 300, ALL = SENDERS * EACH };

static int send_in_order(void *arg)
{
    for (long i = 0; i < EACH; i++) {
        long n = *(long *)arg * EACH + i;
        CHILD_ASSERT(csp_send(c, &n, sizeof n, soon()) == 0);
    }
    return 0;
}

static int receive_in_order(void *arg)
{
    long last[SENDERS] = {-1, -1, -1};
    long n;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    while (csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n) {
        CHILD_ASSERT(n % EACH > last[n / EACH]);
        last[n / EACH] = n % EACH;
        count_one();
    }
    return errno == EPIPE ? 0 : 1;
}

START_TEST(the_values_of_each_sender_arrive_in_its_order)
{
    csp_proc p[SENDERS + 2];
    count_from_zero();
    c = make((size_t[]){0, 1, 5}[_i]);
    for (long i = 0; i < SENDERS; i++)
        p[i] = go(send_in_order, &i);
    for (int i = 0; i < 2; i++)
        p[SENDERS + i] = go(receive_in_order, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    for (int i = 0; i < SENDERS + 2; i++)
        ended_well(p[i]);
    ck_assert_int_eq(counted(), ALL);
}

/* ---- who */

static int receive_one_and_be_busy(void *arg)
{
    long n;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n);
    CHILD_ASSERT(csp_recv(d, NULL, 0, soon()) == -1 && errno == EPIPE);
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == -1 && errno == EPIPE); /* nothing was kept for it */
    return 0;
}

static int receive_and_count(void *arg)
{
    long n;
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    while (csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n)
        count_one();
    return errno == EPIPE ? 0 : 1;
}

START_TEST(work_goes_only_to_a_receiver_that_waits)
{
    count_from_zero();
    c = make((size_t)_i);
    d = make(0);
    csp_proc busy = go(receive_one_and_be_busy, NULL);
    send_number(c, 0);
    while (stat_number("channel", c, 4) != 0)
        continue;
    csp_proc idle = go(receive_and_count, NULL);
    for (long i = 0; i < EACH; i++)
        send_number(c, i);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ended_well(idle);
    ck_assert_int_eq(counted(), EACH);
    ASSERT_OK(csp_close(d));
    ended_well(busy);
}

/* ---- close */

static int send_three_and_close(void *arg)
{
    (void)arg;
    for (long i = 0; i < 3; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, soon()) == 0);
    CHILD_ASSERT(csp_close(c) == 0);
    return 0;
}

START_TEST(what_is_buffered_is_received_after_a_close)
{
    c = make(3);
    ended_well(go(send_three_and_close, NULL));
    for (long i = 0; i < 3; i++)
        ck_assert_int_eq(receive_number(c), i);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, CSP_FOREVER), EPIPE);
}

static int be_told_closed_for_ever(void *arg)
{
    char value;
    csp_msg m;
    (void)arg;
    for (int i = 0; i < 300; i++) {
        csp_case one = csp_on_recv(c, &value, 1);
        CHILD_ASSERT(csp_recv(c, &value, 1, CSP_FOREVER) == -1 && errno == EPIPE);
        CHILD_ASSERT(csp_recv(c, &value, 1, CSP_NOW) == -1 && errno == EPIPE);
        CHILD_ASSERT(csp_recv_msg(c, &m, CSP_FOREVER) == -1 && errno == EPIPE);
        CHILD_ASSERT(csp_select(&one, 1, CSP_FOREVER) == 0 && one.err == EPIPE && one.len == 0);
    }
    return 0;
}

START_TEST(every_receiver_of_a_closed_channel_is_told_so_for_ever)
{
    c = make((size_t)_i);
    csp_proc waiting = go(be_told_closed_for_ever, NULL);
    until_waiting(waiting);
    ASSERT_OK(csp_close(c));
    csp_proc later = go(be_told_closed_for_ever, NULL);
    ended_well(waiting);
    ended_well(later);
}

static int be_blocked_and_told_closed(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_send(c, "late", 4, CSP_FOREVER) == -1 && errno == EPIPE);
    return 0;
}

static int close_it(void *arg)
{
    (void)arg;
    if (csp_close(c) == 0)
        count_one();
    else
        CHILD_ASSERT(errno == EPIPE);
    return 0;
}

START_TEST(a_blocked_sender_wakes_with_epipe_and_its_value_was_never_sent)
{
    char value[8];
    count_from_zero();
    c = make((size_t)_i);
    if (_i > 0)
        ASSERT_OK(csp_send(c, "early", 5, CSP_NOW));
    csp_proc p[] = {go(be_blocked_and_told_closed, NULL), go(be_blocked_and_told_closed, NULL)};
    until_waiting(p[0]);
    until_waiting(p[1]);
    ended_well(go(close_it, NULL));
    ended_well(p[0]);
    ended_well(p[1]);
    if (_i > 0)
        ck_assert_int_eq(csp_recv(c, value, sizeof value, CSP_NOW), 5);
    ASSERT_ERRNO(csp_recv(c, value, sizeof value, CSP_FOREVER), EPIPE);
}

START_TEST(a_send_after_another_process_closed_is_epipe)
{
    count_from_zero();
    c = make(4);
    ended_well(go(close_it, NULL));
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_FOREVER), EPIPE);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EPIPE);
    csp_case one = csp_on_send(c, "x", 1);
    ck_assert_int_eq(csp_select(&one, 1, CSP_FOREVER), 0);
    ck_assert_int_eq(one.err, EPIPE);
}

START_TEST(of_many_closes_one_succeeds_and_the_others_are_epipe)
{
    csp_proc p[6];
    count_from_zero();
    c = make(0);
    for (int i = 0; i < 6; i++)
        p[i] = go(close_it, NULL);
    for (int i = 0; i < 6; i++)
        ended_well(p[i]);
    ck_assert_int_eq(counted(), 1);
    ASSERT_ERRNO(csp_close(c), EPIPE);
}

/* ---- ends */

static int send_when_counted(void *arg)
{
    long n = 7;
    (void)arg;
    while (counted() == 0) /* before its first call */
        sched_yield();
    return csp_send(c, &n, sizeof n, soon()) == 0 ? 0 : 1;
}

START_TEST(a_started_process_holds_its_ends_before_it_has_run)
{
    for (int i = 0; i < 10; i++) {
        count_from_zero();
        c = make(0);
        csp_proc p = go(send_when_counted, NULL);
        ASSERT_OK(csp_drop(c, CSP_SEND));
        ck_assert_int_eq(csp_why(c, NULL), 0); /* not closed */
        count_one();
        ck_assert_int_eq(receive_number(c), 7);
        ended_well(p);
        ASSERT_ERRNO(csp_recv(c, NULL, 0, CSP_FOREVER), EPIPE);
    }
}

static int receive_by_a_grant(void *arg)
{
    csp_msg m;
    char value;
    (void)arg;
    CHILD_ASSERT(csp_recv_msg(c, &m, soon()) == 0 && m.chan != 0);
    CHILD_ASSERT(csp_send(m.chan, "y", 1, CSP_NOW) == -1 && errno == EBADF);
    CHILD_ASSERT(csp_recv(m.chan, &value, 1, soon()) == 1 && value == 'x');
    csp_msg_free(&m);
    return 0;
}

START_TEST(a_value_grants_no_more_than_its_sender_held)
{
    c = make(0);
    csp_proc p = go(receive_by_a_grant, NULL);
    csp_chan gift = make(1);
    ASSERT_OK(csp_send(gift, "x", 1, soon()));
    ASSERT_OK(csp_drop(gift, CSP_SEND));
    ASSERT_OK(csp_send_msg(c, &(csp_msg){.chan = gift}, soon()));
    ended_well(p);
}

/* Of the two one is granted the channel; the other only learns its number. */
static int use_what_was_granted(void *arg)
{
    csp_chan number;
    csp_msg m;
    CHILD_ASSERT(csp_recv_msg(*(csp_chan *)arg, &m, soon()) == 0);
    memcpy(&number, m.data, sizeof number);
    int sent = csp_send(number, "x", 1, CSP_NOW);
    CHILD_ASSERT(m.chan != 0 ? sent == 0 : sent == -1 && errno == EBADF);
    csp_msg_free(&m);
    return 0;
}

START_TEST(a_losing_case_grants_nothing)
{
    for (int i = 0; i < 6; i++) {
        c = make(0);
        d = make(0);
        csp_chan to[] = {c, d};
        csp_proc p[] = {go(use_what_was_granted, &to[0]), go(use_what_was_granted, &to[1])};
        csp_chan gift = make(1);
        csp_msg m = {.data = &gift, .len = sizeof gift, .chan = gift};
        until_waiting(p[0]);
        until_waiting(p[1]);
        csp_case cases[] = {csp_on_send_msg(c, &m), csp_on_send_msg(d, &m)};
        int won = csp_select(cases, 2, soon());
        ck_assert(won == 0 || won == 1);
        ASSERT_OK(csp_send(to[1 - won], &gift, sizeof gift, soon()));
        ended_well(p[0]);
        ended_well(p[1]);
        ck_assert_int_eq(stat_number("channel", gift, 4), 1);
        ck_assert_int_eq(stat_number("channel", gift, 7), 1); /* this process */
        ASSERT_OK(csp_drop(gift, CSP_SEND | CSP_RECV));
    }
}

static int drop_all_and_wait(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_SEND) == 0);
    count_one();
    return csp_recv(d, NULL, 0, soon()) == -1 && errno == EPIPE ? 0 : 1;
}

START_TEST(a_dropped_end_is_given_up_by_its_process_alone)
{
    count_from_zero();
    c = make(1);
    d = make(0);
    csp_proc p = go(drop_all_and_wait, NULL);
    until_waiting(p);
    ck_assert_int_eq(stat_number("channel", c, 7), 1);
    ck_assert_int_eq(stat_number("channel", c, 8), 2);
    send_number(c, 1); /* ours stays */
    ASSERT_OK(csp_drop(c, CSP_SEND));
    ck_assert_str_eq(stat_field("channel", c, 11), "closed");
    ASSERT_OK(csp_close(d));
    ended_well(p);
}

static int send_some(void *arg)
{
    int how = *(int *)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    if (how == 0)
        CHILD_ASSERT(csp_recv(d, NULL, 0, soon()) == -1 && errno == EPIPE); /* goes on when the other has ended */
    for (long i = 0; i < EACH; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, soon()) == 0);
    if (how == SIGKILL)
        kill(getpid(), SIGKILL);
    return how;
}

START_TEST(the_end_of_one_sender_does_not_stop_its_siblings)
{
    int early = (int[]){3, SIGKILL}[_i], late = 0, received = 0;
    csp_exit why;
    long n;
    c = make((size_t)_i);
    d = make(0);
    csp_proc first = go(send_some, &early);
    csp_proc siblings[] = {go(send_some, &late), go(send_some, &late)};
    ASSERT_OK(csp_drop(c, CSP_SEND));
    for (; received < EACH; received++)
        (void)receive_number(c);
    ended(first, _i == 0 ? CSP_CODE : CSP_SIGNAL, early);
    ck_assert_int_eq(csp_why(c, NULL), 0);
    ASSERT_OK(csp_close(d));
    while (csp_recv(c, &n, sizeof n, soon()) > 0)
        received++;
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(received, ALL);
    ended_well(siblings[0]);
    ended_well(siblings[1]);
    ck_assert_int_eq(csp_why(c, &why), 1);
    ck_assert(why.how == (_i == 0 ? CSP_CODE : CSP_SIGNAL) && why.code == early);
}

static int hold_and_wait(void *arg)
{
    (void)arg;
    (void)csp_recv(d, NULL, 0, soon());
    return 0;
}

static int send_until_broken(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(c, CSP_RECV) == 0);
    CHILD_ASSERT(csp_send(c, "x", 1, CSP_FOREVER) == -1 && errno == EPIPE);
    CHILD_ASSERT(csp_send(c, "x", 1, CSP_FOREVER) == -1 && errno == EPIPE);
    return 0;
}

START_TEST(senders_get_epipe_when_the_last_receiver_is_killed)
{
    c = make(0);
    d = make(0);
    csp_proc receivers[] = {go(hold_and_wait, NULL), go(hold_and_wait, NULL)};
    csp_proc sender = go(send_until_broken, NULL);
    ASSERT_OK(csp_drop(c, CSP_RECV));
    kill_process(receivers[0]);
    until_waiting(sender); /* one is left */
    ck_assert_int_eq(csp_why(c, NULL), 0);
    kill_process(receivers[1]);
    ended_well(sender);
}

static long channels(void)
{
    long n = 0;
    char *text = csp__stat();
    ck_assert_ptr_nonnull(text);
    for (const char *at = text; (at = strstr(at, "\nchannel\t")) != NULL; at++)
        n++;
    free(text);
    return n;
}

static int fill_channels(void *arg)
{
    char value[1000] = "";
    for (int i = 0; i < 100; i++) {
        csp_chan full = csp_make(3);
        csp_chan inside = csp_make(1);
        CHILD_ASSERT(full != 0 && inside != 0);
        CHILD_ASSERT(csp_send(full, value, sizeof value, CSP_NOW) == 0);
        CHILD_ASSERT(csp_send(inside, value, sizeof value, CSP_NOW) == 0);
        CHILD_ASSERT(csp_send_msg(full, &(csp_msg){.chan = inside}, CSP_NOW) == 0);
    }
    count_one();
    if (*(int *)arg != 0)
        kill(getpid(), *(int *)arg);
    return 0;
}

START_TEST(a_channel_that_nobody_holds_is_freed_with_its_values)
{
    int how = (int[]){0, SIGKILL}[_i];
    count_from_zero();
    c = make(0);
    long before = channels();
    csp_proc p = go(fill_channels, &how);
    ended(p, how == 0 ? CSP_CLEAN : CSP_SIGNAL, how);
    until_state(p, "ended");
    ck_assert_int_eq(counted(), 1);
    ck_assert_int_eq(channels(), before);
}

START_TEST(channels_in_each_others_values_stay_until_the_run_ends)
{
    c = make(1);
    d = make(1);
    long before = channels();
    ASSERT_OK(csp_send_msg(c, &(csp_msg){.chan = d}, CSP_NOW));
    ASSERT_OK(csp_send_msg(d, &(csp_msg){.chan = c}, CSP_NOW));
    ASSERT_OK(csp_drop(c, CSP_SEND | CSP_RECV));
    ASSERT_OK(csp_drop(d, CSP_SEND | CSP_RECV));
    ck_assert_int_eq(channels(), before); /* ends are counted, and those values hold them */
}

/* Each holds every end, as it inherited them: counting never closes such a cycle. */
static int pass_round(void *arg)
{
    csp_chan in = *(long *)arg == 0 ? c : d, out = *(long *)arg == 0 ? d : c;
    long n;
    while (csp_recv(in, &n, sizeof n, soon()) > 0) {
        n++;
        CHILD_ASSERT(csp_send(n < 20 ? out : in, &n, sizeof n, soon()) == 0);
    }
    CHILD_ASSERT(errno == EPIPE);
    (void)csp_close(out);
    return 0;
}

START_TEST(a_cycle_does_not_close_by_counting_and_ends_by_a_close)
{
    long first = 0, second = 1;
    c = make(1);
    d = make(1);
    csp_proc p[] = {go(pass_round, &first), go(pass_round, &second)};
    ASSERT_OK(csp_drop(d, CSP_SEND | CSP_RECV));
    ASSERT_OK(csp_drop(c, CSP_RECV));
    until_waiting(p[0]);
    until_waiting(p[1]);
    ck_assert_str_eq(stat_field("channel", c, 11), "open");
    ck_assert_str_eq(stat_field("channel", d, 11), "open");
    ASSERT_OK(csp_close(c));
    ended_well(p[0]);
    ended_well(p[1]);
}

/* ---- values */

static int pass_channel_on(void *arg)
{
    csp_msg m;
    (void)arg;
    CHILD_ASSERT(csp_recv_msg(c, &m, soon()) == 0 && m.chan != 0);
    CHILD_ASSERT(csp_send_msg(d, &m, soon()) == 0);
    CHILD_ASSERT(csp_drop(m.chan, CSP_SEND | CSP_RECV) == 0);
    csp_msg_free(&m);
    return 0;
}

static int use_channel(void *arg)
{
    csp_msg m;
    (void)arg;
    CHILD_ASSERT(csp_recv_msg(d, &m, soon()) == 0 && m.chan != 0);
    csp_case cases[] = {csp_on_recv(d, NULL, 0), csp_on_send(m.chan, m.data, m.len)};
    CHILD_ASSERT(csp_select(cases, 2, soon()) == 1 && cases[1].err == 0);
    csp_msg_free(&m);
    return 0;
}

START_TEST(a_channel_goes_from_hand_to_hand_and_is_used_at_its_end)
{
    char value[8] = "";
    c = make(0);
    d = make(0);
    csp_proc p[] = {go(pass_channel_on, NULL), go(use_channel, NULL)};
    csp_chan travels = make(0);
    ASSERT_OK(csp_send_msg(c, &(csp_msg){.data = "hello", .len = 5, .chan = travels}, soon()));
    ASSERT_OK(csp_drop(travels, CSP_SEND));
    ck_assert_int_eq(csp_recv(travels, value, sizeof value, soon()), 5);
    ck_assert_mem_eq(value, "hello", 5);
    ended_well(p[0]);
    ended_well(p[1]);
    ASSERT_ERRNO(csp_recv(travels, value, sizeof value, CSP_FOREVER), EPIPE);
}

static const size_t sizes[] = {0, 1, 255, 4096, 65537, 0, 3 << 20, 0};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Bytes of every value, 0 included. */
static unsigned char *pattern(void)
{
    unsigned char *data = malloc(3 << 20);
    for (size_t i = 0; data != NULL && i < 3 << 20; i++)
        data[i] = (unsigned char)(i * 31 + i / 256);
    return data;
}

static int send_sizes(void *arg)
{
    const unsigned char *data = arg;
    for (int i = 0; i < SIZES; i++)
        CHILD_ASSERT(csp_send(c, data, sizes[i], soon()) == 0);
    return 0;
}

START_TEST(values_are_the_bytes_that_another_process_sent_also_none)
{
    unsigned char *data = pattern();
    ck_assert_ptr_nonnull(data);
    c = make((size_t)_i);
    csp_proc p = go(send_sizes, data);
    for (int i = 0; i < SIZES; i++) {
        csp_msg m;
        ASSERT_OK(csp_recv_msg(c, &m, soon()));
        ck_assert_uint_eq(m.len, sizes[i]);
        ck_assert(memcmp(m.data, data, m.len) == 0);
        csp_msg_free(&m);
    }
    ended_well(p);
    free(data);
}

static int receive_too_small_then_whole(void *arg)
{
    char small[4], big[16];
    (void)arg;
    CHILD_ASSERT(csp_recv(c, small, sizeof small, soon()) == -1 && errno == EMSGSIZE);
    CHILD_ASSERT(csp_recv(d, NULL, 0, soon()) == -1 && errno == EPIPE);
    CHILD_ASSERT(csp_recv(c, small, sizeof small, CSP_NOW) == -1 && errno == EMSGSIZE);
    CHILD_ASSERT(csp_recv(c, big, sizeof big, CSP_NOW) == 10 && memcmp(big, "0123456789", 10) == 0);
    CHILD_ASSERT(csp_recv(c, big, sizeof big, CSP_NOW) == -1 && errno == EAGAIN);
    return 0;
}

START_TEST(a_value_too_large_for_its_buffer_stays_with_its_receiver)
{
    char value;
    c = make((size_t)_i);
    d = make(0);
    csp_proc p = go(receive_too_small_then_whole, NULL);
    ASSERT_OK(csp_send(c, "0123456789", 10, soon()));
    until_waiting(p);                                      /* for d: there was a value in c */
    ASSERT_ERRNO(csp_recv(c, &value, 1, CSP_NOW), EAGAIN); /* no other gets it */
    ASSERT_OK(csp_close(d));
    ended_well(p);
}

Suite *semantics_channels_suite(void)
{
    Suite *s = suite_create("semantics_channels");
    TCase *t = tcase_create("channels");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, a_send_on_a_rendezvous_is_done_only_when_a_receiver_has_the_value);
    tcase_add_test(t, a_receiver_that_was_killed_while_it_waited_takes_nothing);
    tcase_add_loop_test(t, a_send_waits_only_while_capacity_values_wait, 1, 4);
    tcase_add_test(t, a_receive_waits_only_while_no_value_waits);
    tcase_add_test(t, a_receive_from_a_full_buffer_admits_the_sender_that_waits_longest);
    tcase_add_test(t, waiting_senders_are_served_in_the_order_of_their_coming);
    tcase_add_loop_test(t, waiting_receivers_are_served_in_the_order_of_their_coming, 0, 4);
    tcase_add_loop_test(t, the_values_of_each_sender_arrive_in_its_order, 0, 3);
    tcase_add_loop_test(t, work_goes_only_to_a_receiver_that_waits, 0, 3);
    tcase_add_test(t, what_is_buffered_is_received_after_a_close);
    tcase_add_loop_test(t, every_receiver_of_a_closed_channel_is_told_so_for_ever, 0, 2);
    tcase_add_loop_test(t, a_blocked_sender_wakes_with_epipe_and_its_value_was_never_sent, 0, 2);
    tcase_add_test(t, a_send_after_another_process_closed_is_epipe);
    tcase_add_test(t, of_many_closes_one_succeeds_and_the_others_are_epipe);
    tcase_add_test(t, a_started_process_holds_its_ends_before_it_has_run);
    tcase_add_test(t, a_value_grants_no_more_than_its_sender_held);
    tcase_add_test(t, a_losing_case_grants_nothing);
    tcase_add_test(t, a_dropped_end_is_given_up_by_its_process_alone);
    tcase_add_loop_test(t, the_end_of_one_sender_does_not_stop_its_siblings, 0, 2);
    tcase_add_test(t, senders_get_epipe_when_the_last_receiver_is_killed);
    tcase_add_loop_test(t, a_channel_that_nobody_holds_is_freed_with_its_values, 0, 2);
    tcase_add_test(t, channels_in_each_others_values_stay_until_the_run_ends);
    tcase_add_test(t, a_cycle_does_not_close_by_counting_and_ends_by_a_close);
    tcase_add_test(t, a_channel_goes_from_hand_to_hand_and_is_used_at_its_end);
    tcase_add_loop_test(t, values_are_the_bytes_that_another_process_sent_also_none, 0, 2);
    tcase_add_loop_test(t, a_value_too_large_for_its_buffer_stays_with_its_receiver, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
