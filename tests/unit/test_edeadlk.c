/* SPDX-License-Identifier: MPL-2.0 */
/* Deadlocks as programs meet them: section 12 of docs/protocol.md with the library on the other side. Each call that
 * can block ends with EDEADLK where it would for ever, and none does while what will wake it is not a process of the
 * run: a timer, a descriptor, a program, a thread. Those come after more time than the broker takes to report. */
#include "expect.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

Suite *edeadlk_suite(void);

enum { LONG_MS = 1300 };

static csp_chan c, d;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

/* ---- each call */

static char byte;
static const char ten[10];

static int by_recv(void)
{
    return (int)csp_recv(c, &byte, 1, CSP_FOREVER);
}

static int by_send(void)
{
    return csp_send(d, &byte, 1, CSP_FOREVER);
}

static int by_select(void)
{
    csp_case cases[] = {csp_on_recv(c, &byte, 1), csp_on_send(d, &byte, 1)};
    return csp_select(cases, 2, CSP_FOREVER);
}

static int by_select_of_nothing(void)
{
    csp_case nil = csp_on_recv(0, &byte, 1);
    return csp_select(&nil, 1, CSP_FOREVER);
}

static int by_take(void)
{
    csp_chan e = csp_make(5);
    return csp_stream(e, CSP_RECV, 100) != 0 ? 0 : (int)csp_recv(e, &byte, 1, CSP_FOREVER);
}

static int by_put(void)
{
    csp_chan e = csp_make(5);
    int result = csp_stream(e, CSP_SEND, 100);
    for (int i = 0; i < 100 && result == 0; i++)
        result = csp_send(e, ten, sizeof ten, CSP_FOREVER);
    return result;
}

static int by_flush(void)
{
    csp_chan e = csp_make(1);
    int result = csp_stream(e, CSP_SEND, 100);
    for (int i = 0; i < 4 && result == 0; i++)
        result = csp_send(e, ten, sizeof ten, CSP_FOREVER);
    return result == 0 ? csp_flush(e, CSP_FOREVER) : 0;
}

static int by_group(void)
{
    csp_chan g = csp_group_make();
    return csp_group_add(g, 1) != 0 ? 0 : csp_group_wait(g, CSP_FOREVER);
}

static int (*const calls[])(void) = {by_recv, by_send, by_select, by_select_of_nothing,
                                     by_take, by_put,  by_flush,  by_group};

static csp_proc parent;

/* Its parent waits for it first: the two are stuck together, though the call may be one that nobody could end. */
static int call(void *which)
{
    until_waiting(parent);
    errno = 0;
    int result = (*(int (*const *)(void))which)();
    CHILD_ASSERT(result == -1 && errno == EDEADLK);
    CHILD_ASSERT(strstr(csp_errmsg(), "wait for ever") != NULL);
    return 0;
}

START_TEST(a_call_that_would_block_for_ever)
{
    c = make(0);
    d = make(0);
    parent = csp_self();
    csp_proc p = go(call, (void *)&calls[_i]);
    ASSERT_ERRNO(csp_wait(p, NULL, CSP_FOREVER), EDEADLK);
    ended_well(p);
}
END_TEST

static int use_it_again(void *unused)
{
    (void)unused;
    errno = 0;
    CHILD_ASSERT(csp_recv(c, &byte, 1, CSP_FOREVER) == -1 && errno == EDEADLK);
    CHILD_ASSERT(csp_recv(c, &byte, 1, soon()) == 1 && byte == 'x');
    return 0;
}

START_TEST(after_it_all_works_as_before)
{
    c = make(0);
    csp_proc p = go(use_it_again, NULL);
    ASSERT_ERRNO(csp_wait(p, NULL, CSP_FOREVER), EDEADLK);
    ASSERT_OK(csp_send(c, "x", 1, soon()));
    ended_well(p);
}
END_TEST

/* ---- no deadlock */

static int recv_one(void *unused)
{
    (void)unused;
    CHILD_ASSERT(csp_recv(c, &byte, 1, CSP_FOREVER) == 1);
    return 0;
}

/* The child waits for us, and we for what is no process of the run. */
static void no_deadlock(void (*wait)(void))
{
    c = make(0);
    csp_proc p = go(recv_one, NULL);
    wait();
    ASSERT_OK(csp_send(c, "x", 1, soon()));
    ended_well(p);
}

static void for_a_timer(void)
{
    csp_case after = csp_on_time(csp_in(LONG_MS));
    ck_assert_int_eq(csp_select(&after, 1, CSP_FOREVER), 0);
}

static void for_a_deadline(void)
{
    ASSERT_ERRNO(csp_recv(make(0), &byte, 1, csp_in(LONG_MS)), ETIMEDOUT);
}

static void for_a_descriptor(void)
{
    FILE *program = popen("sleep 1.3; echo", "r");
    csp_case readable = csp_on_fd(fileno(program), POLLIN);
    ck_assert_int_eq(csp_select(&readable, 1, CSP_FOREVER), 0);
    pclose(program);
}

static void for_a_program(void)
{
    char *const argv[] = {"sleep", "1.3", NULL};
    csp_proc p = csp_spawn(argv, 0, 0);
    csp_exit why;
    ck_assert_int_gt(p, 0);
    ASSERT_OK(csp_wait(p, &why, CSP_FOREVER));
    ck_assert_int_eq(why.how, CSP_CLEAN);
}

static void for_a_scope(void)
{
    csp_chan e = make(0);
    csp_exit first;
    ASSERT_OK(csp_scope(csp_in(LONG_MS)));
    ASSERT_ERRNO(csp_recv(e, &byte, 1, CSP_FOREVER), ECANCELED);
    ASSERT_OK(csp_scope_leave(&first));
    ck_assert_int_eq(first.how, CSP_DEADLINE);
}

static csp_chan from_thread;

static void *send_later(void *unused)
{
    (void)unused;
    poll(NULL, 0, LONG_MS);
    return csp_send(from_thread, "y", 1, soon()) == 0 ? NULL : &from_thread;
}

static void for_a_thread(void)
{
    pthread_t thread;
    void *failed;
    from_thread = make(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_later, NULL), 0);
    ck_assert_int_eq(csp_recv(from_thread, &byte, 1, CSP_FOREVER), 1);
    pthread_join(thread, &failed);
    ck_assert_ptr_null(failed);
}

static void (*const waits[])(void) = {for_a_timer,   for_a_deadline, for_a_descriptor,
                                      for_a_program, for_a_scope,    for_a_thread};

START_TEST(not_while_something_else_is_awaited)
{
    no_deadlock(waits[_i]);
}
END_TEST

Suite *edeadlk_suite(void)
{
    Suite *s = suite_create("edeadlk");
    TCase *t = tcase_create("edeadlk");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_loop_test(t, a_call_that_would_block_for_ever, 0, sizeof calls / sizeof *calls);
    tcase_add_test(t, after_it_all_works_as_before);
    tcase_add_loop_test(t, not_while_something_else_is_awaited, 0, sizeof waits / sizeof *waits);
    suite_add_tcase(s, t);
    return s;
}
