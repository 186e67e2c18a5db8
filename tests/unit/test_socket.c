/* SPDX-License-Identifier: MPL-2.0 */
/* Sockets that are waited for by their descriptor. Decision: a lost wake-up shows as a thread that sleeps for ever, so
 * each wait here has a limit that is never reached, and there are very many of them, with sends at every point where
 * one could take in the command that a wait would have needed. */
#include "socket.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

enum { TRIPS = 100000, LIMIT_MS = 30000 };

static void *context;
static struct csp__socket here, there;

static void open_one(struct csp__socket *s, int type, const char *at, int binds)
{
    void *zmq = zmq_socket(context, type);
    ck_assert_ptr_nonnull(zmq);
    int none = 0;
    zmq_setsockopt(zmq, ZMQ_LINGER, &none, sizeof none);
    ck_assert_int_eq(binds ? zmq_bind(zmq, at) : zmq_connect(zmq, at), 0);
    ck_assert_int_eq(csp__socket_adopt(s, zmq), 0);
}

static void open_both(void)
{
    context = zmq_ctx_new();
    open_one(&here, ZMQ_PAIR, "inproc://both", 1);
    open_one(&there, ZMQ_PAIR, "inproc://both", 0);
}

static void close_both(void)
{
    zmq_close(here.zmq);
    zmq_close(there.zmq);
    zmq_ctx_term(context);
}

static int is_readable(const struct csp__socket *s, int ms)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    return poll(&p, 1, ms);
}

static int send_byte(struct csp__socket *s)
{
    zmq_msg_t msg;
    zmq_msg_init_size(&msg, 1);
    memset(zmq_msg_data(&msg), 'x', 1);
    return csp__socket_send(s, &msg, 0);
}

static int receive_byte(struct csp__socket *s)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    int result = csp__socket_receive(s, &msg);
    int err = errno;
    zmq_msg_close(&msg);
    errno = err;
    return result;
}

/* -1: the time was over, which no test here should see. */
static int await_byte(struct csp__socket *s)
{
    while (receive_byte(s) != 0)
        if (errno != EAGAIN || (csp__socket_is_quiet(s) && is_readable(s, LIMIT_MS) <= 0))
            return -1;
    return 0;
}

START_TEST(it_is_quiet_after_a_receive_that_found_nothing)
{
    ck_assert_int_eq(receive_byte(&here), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(here.quiet);
    ck_assert_int_eq(is_readable(&here, 0), 0);
}
END_TEST

START_TEST(it_is_not_after_one_that_found_a_message)
{
    ck_assert_int_eq(send_byte(&there), 0);
    ck_assert_int_eq(await_byte(&here), 0);
    ck_assert(!here.quiet);
}
END_TEST

START_TEST(it_is_not_after_a_send_but_is_found_to_be)
{
    ck_assert_int_eq(receive_byte(&here), -1);
    ck_assert_int_eq(send_byte(&here), 0);
    ck_assert(!here.quiet);
    ck_assert(csp__socket_is_quiet(&here));
}
END_TEST

/* The call that asks takes in the command: its descriptor says nothing any more, and it must not be waited for. */
START_TEST(a_message_whose_command_was_taken_in_is_found)
{
    ck_assert_int_eq(receive_byte(&here), -1);
    ck_assert_int_eq(send_byte(&there), 0);
    ck_assert_int_eq(is_readable(&here, LIMIT_MS), 1);
    here.quiet = 0;
    ck_assert(!csp__socket_is_quiet(&here));
    ck_assert_int_eq(is_readable(&here, 0), 0);
    ck_assert(!csp__socket_is_quiet(&here));
    ck_assert_int_eq(receive_byte(&here), 0);
}
END_TEST

START_TEST(a_message_to_a_quiet_socket_makes_it_readable)
{
    for (int i = 0; i < TRIPS; i++) {
        while (receive_byte(&here) == 0)
            ;
        ck_assert(here.quiet);
        ck_assert_int_eq(send_byte(&there), 0);
        ck_assert_int_eq(is_readable(&here, LIMIT_MS), 1);
    }
}
END_TEST

/* Answers each byte, sometimes with some more sends before it looks again; *arg: whether that went well. */
static void *answer(void *arg)
{
    int result = 0;
    for (int i = 0; i < TRIPS && result == 0; i++) {
        result = await_byte(&there);
        for (int k = 0; k < 1 + i % 3 && result == 0; k++)
            result = send_byte(&there);
    }
    *(int *)arg = result;
    return NULL;
}

START_TEST(no_wake_up_is_lost_in_very_many_round_trips)
{
    pthread_t thread;
    int result;
    ck_assert_int_eq(pthread_create(&thread, NULL, answer, &result), 0);
    for (int i = 0; i < TRIPS; i++) {
        ck_assert_int_eq(send_byte(&here), 0);
        for (int k = 0; k < 1 + i % 3; k++)
            ck_assert_int_eq(await_byte(&here), 0);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, 0);
}
END_TEST

Suite *socket_suite(void);
Suite *socket_suite(void)
{
    Suite *s = suite_create("socket");
    TCase *t = tcase_create("socket");
    tcase_add_checked_fixture(t, open_both, close_both);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, it_is_quiet_after_a_receive_that_found_nothing);
    tcase_add_test(t, it_is_not_after_one_that_found_a_message);
    tcase_add_test(t, it_is_not_after_a_send_but_is_found_to_be);
    tcase_add_test(t, a_message_whose_command_was_taken_in_is_found);
    tcase_add_test(t, a_message_to_a_quiet_socket_makes_it_readable);
    tcase_add_test(t, no_wake_up_is_lost_in_very_many_round_trips);
    suite_add_tcase(s, t);
    return s;
}
