/* SPDX-License-Identifier: MPL-2.0 */
/* That the broker knows what every call waits for, and where in the source: also of a wait that a process decides
 * alone. Each test lets a child wait in one call, and reads the line of the DUMP that says so. */
#include "block.h"
#include "expect.h"

#include <signal.h>
#include <unistd.h>

Suite *waits_suite(void);

#define CODE 4096 /* bytes of a function's code at most; each waits in one call */

static csp_chan c, d, g;

struct wait {
    unsigned long place;
    long long deadline;
    char op[16];
    unsigned long number;
};

/* The n-th (from 0) of the cases that the process waits for, as the DUMP has it. 0: it does not wait for so many. */
static int find_wait(csp_proc p, int n, struct wait *w)
{
    char *text = csp__dump();
    char start[48];
    int found = 0;
    ck_assert_msg(text != NULL, "csp__dump: %s", csp_errmsg());
    snprintf(start, sizeof start, "\nwait\t%lu\t", (unsigned long)p);
    const char *at = strstr(text, start);
    while (at != NULL && n-- > 0)
        at = strstr(at + 1, start);
    if (at != NULL)
        found = sscanf(at + strlen(start), "%*u %*d %lx %lld %15s %lu", &w->place, &w->deadline, w->op, &w->number);
    free(text);
    return found == 4;
}

static struct wait wait_of(csp_proc p)
{
    struct wait w = {0};
    csp_time by = soon();
    while (!find_wait(p, 0, &w))
        ck_assert_msg(csp_now() < by, "process %ld waits for nothing", (long)p);
    return w;
}

/* ---- the calls; each is reached by a child, and never returns */

static int in_send(void *arg)
{
    (void)arg;
    return csp_send(d, "x", 1, CSP_FOREVER) + 1;
}

static int in_send_msg(void *arg)
{
    (void)arg;
    csp_msg m = {.data = (char[]){"x"}, .len = 1};
    return csp_send_msg(d, &m, CSP_FOREVER) + 1;
}

static int in_recv(void *arg)
{
    (void)arg;
    char value;
    return csp_recv(d, &value, 1, CSP_FOREVER) >= 0 ? 1 : 2;
}

static int in_recv_msg(void *arg)
{
    (void)arg;
    csp_msg m;
    return csp_recv_msg(d, &m, CSP_FOREVER) + 1;
}

static int in_take_block(void *arg)
{
    (void)arg;
    csp__block b;
    return csp__take_block(d, &b, CSP_FOREVER) + 1;
}

static int in_group(void *arg)
{
    (void)arg;
    return csp_group_wait(g, CSP_FOREVER) + 1;
}

/* A stream whose window is full: one value in the buffer, one under way. */
static int fill_window(void)
{
    return csp_stream(c, CSP_SEND, 4) != 0 || csp_send(c, "abcd", 4, CSP_FOREVER) != 0 ||
           csp_flush(c, CSP_FOREVER) != 0 || csp_send(c, "efgh", 4, CSP_FOREVER) != 0;
}

static int in_put(void *arg)
{
    (void)arg;
    return fill_window() + csp_send(c, "ij", 2, CSP_FOREVER) + 1;
}

static int in_put_block(void *arg)
{
    (void)arg;
    static const uint32_t lengths[] = {2};
    csp__block b = {.data = "ij", .len = 2, .lengths = lengths, .count = 1};
    return fill_window() + csp__put_block(c, &b, CSP_FOREVER) + 1;
}

static int in_flush(void *arg)
{
    (void)arg;
    return fill_window() + csp_flush(c, CSP_FOREVER) + 1;
}

static int in_close(void *arg)
{
    (void)arg;
    return fill_window() + csp_close(c) + 1;
}

/* A value with a channel attached waits until the stream is flushed. */
static int in_attaching(void *arg)
{
    (void)arg;
    csp_msg m = {.chan = d};
    return fill_window() + csp_send_msg(c, &m, CSP_FOREVER) + 1;
}

static int in_take(void *arg)
{
    (void)arg;
    char value;
    return csp_stream(c, CSP_RECV, 100) + (int)csp_recv(c, &value, 1, CSP_FOREVER) + 1;
}

static int in_fd(void *arg)
{
    (void)arg;
    csp_case cases[] = {csp_on_fd(STDIN_FILENO, 0)};
    return csp_select(cases, 1, CSP_FOREVER) + 1;
}

static int in_nothing(void *arg)
{
    (void)arg;
    return csp_select(NULL, 0, CSP_FOREVER) + 1;
}

static int in_nil(void *arg)
{
    (void)arg;
    char value;
    csp_case cases[] = {csp_on_recv(0, &value, 1), csp_on_time(CSP_FOREVER)};
    return csp_select_first(cases, 2, CSP_FOREVER) + 1;
}

static const struct {
    int (*fn)(void *);
    const char *op;
    const csp_chan *number;
} calls[] = {{in_send, "send", &d},     {in_send_msg, "send", &d},   {in_recv, "recv", &d},
             {in_recv_msg, "recv", &d}, {in_take_block, "recv", &d}, {in_group, "wait", &g},
             {in_put, "put", &c},       {in_put_block, "put", &c},   {in_flush, "flush", &c},
             {in_close, "flush", &c},   {in_attaching, "flush", &c}, {in_take, "take", &c},
             {in_fd, "fd", NULL},       {in_nothing, "none", NULL},  {in_nil, "none", NULL}};

START_TEST(the_broker_knows_what_a_call_waits_for_and_where_it_stands)
{
    c = make(1);
    d = make(0);
    g = csp_group_make();
    ASSERT_OK(csp_group_add(g, 1));
    csp_proc p = go(calls[_i].fn, NULL);
    struct wait w = wait_of(p);
    ck_assert_str_eq(w.op, calls[_i].op);
    ck_assert_uint_eq(w.number, calls[_i].number != NULL ? *calls[_i].number : 0);
    ck_assert_int_eq(w.deadline, -1);
    unsigned long begin = (unsigned long)(uintptr_t)calls[_i].fn;
    ck_assert_msg(w.place > begin && w.place < begin + CODE, "place %lx of a function at %lx", w.place, begin);
    kill(pid_of(p), SIGKILL);
    ended(p, CSP_SIGNAL, SIGKILL);
}
END_TEST

/* ---- cases with numbers of their own */

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return pause();
}

static int in_exit(void *arg)
{
    csp_proc p = csp_go(sleep_for_ever, NULL);
    csp_send((csp_chan)(uintptr_t)arg, &p, sizeof p, CSP_FOREVER);
    return csp_wait(p, NULL, CSP_FOREVER) + 1;
}

START_TEST(a_wait_for_a_process_names_it)
{
    csp_chan answers = make(0);
    csp_proc child;
    csp_proc p = go(in_exit, (void *)(uintptr_t)answers); /* NOLINT(performance-no-int-to-ptr) */
    ck_assert_int_eq(csp_recv(answers, &child, sizeof child, soon()), sizeof child);
    struct wait w = wait_of(p);
    ck_assert_str_eq(w.op, "exit");
    ck_assert_int_eq((csp_proc)w.number, child);
}
END_TEST

static csp_time noon, night;

static int in_times(void *arg)
{
    csp_tick t = {.next = night, .every = 1};
    char value;
    csp_case cases[] = {csp_on_time(noon), csp_on_recv(c, &value, 1), csp_on_tick(&t), csp_on_fd(STDIN_FILENO, 0)};
    return csp_select(cases, arg != NULL ? 4 : 1, night) + 1;
}

START_TEST(all_cases_of_a_select_are_named_in_their_order)
{
    struct wait w;
    c = make(0);
    noon = csp_in(600000);
    night = csp_in(900000);
    csp_proc p = go(in_times, &c);
    w = wait_of(p);
    ck_assert_str_eq(w.op, "time");
    ck_assert_int_eq((csp_time)w.number, noon);
    ck_assert_int_eq(w.deadline, night);
    ck_assert(find_wait(p, 1, &w));
    ck_assert_str_eq(w.op, "recv");
    ck_assert_uint_eq(w.number, c);
    ck_assert(find_wait(p, 2, &w));
    ck_assert_str_eq(w.op, "time");
    ck_assert_int_eq((csp_time)w.number, night);
    ck_assert(find_wait(p, 3, &w));
    ck_assert_str_eq(w.op, "fd");
    ck_assert(!find_wait(p, 4, &w));
}
END_TEST

START_TEST(a_wait_for_time_alone_is_named_too)
{
    noon = csp_in(600000);
    night = CSP_FOREVER;
    struct wait w = wait_of(go(in_times, NULL));
    ck_assert_str_eq(w.op, "time");
    ck_assert_int_eq((csp_time)w.number, noon);
    ck_assert_int_eq(w.deadline, -1);
}
END_TEST

/* ---- what happens while the broker knows of the wait */

static int receive_later(void *arg)
{
    csp_proc *p = arg;
    (void)wait_of(*p);
    return csp_send(d, "x", 1, soon()) == 0 ? 0 : 1;
}

static int await_and_flush(void *arg)
{
    (void)arg;
    char value;
    CHILD_ASSERT(fill_window() == 0);
    CHILD_ASSERT(csp_send(c, "ij", 2, soon()) == 0);
    CHILD_ASSERT(csp_flush(c, soon()) == 0);
    CHILD_ASSERT(csp_recv(d, &value, 1, soon()) == 1);
    return 0;
}

/* Each of its waits is an offer when the value comes that ends it. */
START_TEST(a_wait_that_the_broker_knows_of_ends_as_any)
{
    char value[4];
    c = make(1);
    d = make(0);
    csp_proc p = go(await_and_flush, NULL);
    ck_assert_str_eq(wait_of(p).op, "put");
    ck_assert_int_eq(csp_recv(c, value, 4, soon()), 4);
    while (strcmp(wait_of(p).op, "flush") != 0)
        ;
    ck_assert_int_eq(csp_recv(c, value, 4, soon()), 4);
    ck_assert_int_eq(csp_recv(c, value, 4, soon()), 2);
    csp_proc q = go(receive_later, &p);
    ended_well(q);
    ended_well(p);
}
END_TEST

static int tick_thrice(void *arg)
{
    (void)arg;
    csp_tick t = {.next = csp_in(150), .every = 150000000};
    for (int i = 0; i < 3; i++) {
        csp_case tick = csp_on_tick(&t);
        CHILD_ASSERT(csp_select(&tick, 1, CSP_FOREVER) == 0);
    }
    return 0;
}

START_TEST(a_timer_fires_though_the_broker_knows_of_the_wait)
{
    csp_time begin = csp_now();
    ended_well(go(tick_thrice, NULL));
    ck_assert_int_ge(csp_now() - begin, 450000000);
}
END_TEST

static int wait_in_vain(void *arg)
{
    (void)arg;
    csp_case never = csp_on_time(csp_in(600000));
    csp_time by = csp_in(250);
    CHILD_ASSERT(csp_select(&never, 1, by) == -1 && errno == ETIMEDOUT && csp_now() >= by);
    return 0;
}

START_TEST(the_deadline_ends_a_wait_that_the_broker_knows_of)
{
    ended_well(go(wait_in_vain, NULL));
}
END_TEST

static void stop(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

Suite *waits_suite(void)
{
    Suite *s = suite_create("waits");
    TCase *tc = tcase_create("waits");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, NULL, stop);
    tcase_add_loop_test(tc, the_broker_knows_what_a_call_waits_for_and_where_it_stands, 0,
                        sizeof calls / sizeof *calls);
    tcase_add_test(tc, a_wait_for_a_process_names_it);
    tcase_add_test(tc, all_cases_of_a_select_are_named_in_their_order);
    tcase_add_test(tc, a_wait_for_time_alone_is_named_too);
    tcase_add_test(tc, a_wait_that_the_broker_knows_of_ends_as_any);
    tcase_add_test(tc, a_timer_fires_though_the_broker_knows_of_the_wait);
    tcase_add_test(tc, the_deadline_ends_a_wait_that_the_broker_knows_of);
    suite_add_tcase(s, tc);
    return s;
}
