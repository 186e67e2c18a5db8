/* SPDX-License-Identifier: MPL-2.0 */
/* Many leased values, and consumers that are killed all the time: none is lost, none comes twice without its mark.
 * Decision: what was received is counted in memory that all share, and survives who is killed. */
#include "expect.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

Suite *losses_suite(void);

enum { WORKERS = 4, JOBS = 20000, KILLS = 25 };

static csp_chan jobs;

static struct counts {
    atomic_int fetched[JOBS]; /* how often each was received */
    atomic_int again;         /* deliveries with tries > 1 */
} * counts;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

static csp_time patience(void)
{
    return csp_in(100000);
}

static void kill_one(csp_proc *p)
{
    csp_exit why;
    pid_t pid = pid_of(*p);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ASSERT_OK(csp_wait(*p, &why, patience()));
}

static int consume(void *arg)
{
    int streams = *(int *)arg;
    csp_msg m;
    CHILD_ASSERT(csp_drop(jobs, CSP_SEND) == 0);
    if (streams)
        CHILD_ASSERT(csp_stream(jobs, CSP_RECV, 1024) == 0);
    while (csp_recv_msg(jobs, &m, CSP_FOREVER) == 0) {
        long job;
        memcpy(&job, m.data, sizeof job);
        int before = atomic_fetch_add(&counts->fetched[job], 1);
        CHILD_ASSERT(before == 0 || m.tries > 1); /* a value is doubled only with its mark */
        atomic_fetch_add(&counts->again, m.tries > 1);
        CHILD_ASSERT(csp_ack(m.id) == 0);
        csp_msg_free(&m);
    }
    return errno != EPIPE;
}

static int produce(void *arg)
{
    (void)arg;
    CHILD_ASSERT(csp_drop(jobs, CSP_RECV) == 0);
    CHILD_ASSERT(csp_stream(jobs, CSP_SEND, 4096) == 0);
    for (long i = 0; i < JOBS; i++)
        CHILD_ASSERT(csp_send(jobs, &i, sizeof i, CSP_FOREVER) == 0);
    return csp_flush(jobs, CSP_FOREVER) != 0;
}

static int all_fetched(void)
{
    for (long i = 0; i < JOBS; i++)
        if (atomic_load(&counts->fetched[i]) == 0)
            return 0;
    return 1;
}

START_TEST(of_many_values_none_is_lost_with_consumers_that_are_killed)
{
    csp_proc workers[WORKERS];
    unsigned seed = 2;
    int kills = 0;
    counts = shared_memory(sizeof *counts);
    jobs = make(1000);
    ASSERT_OK(csp_set_retry(jobs, &(csp_retry){.attempts = 1000}));
    csp_proc producer = go(produce, NULL);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = go(consume, &_i);
    do { /* also where all were fetched while the workers were started */
        int victim = rand_r(&seed) % WORKERS;
        kill_one(&workers[victim]);
        workers[victim] = go(consume, &_i);
        usleep(1000 + (useconds_t)rand_r(&seed) % 8000);
    } while (++kills < KILLS && !all_fetched());
    ended_well(producer);
    ASSERT_OK(csp_drop(jobs, CSP_SEND | CSP_RECV));
    for (int i = 0; i < WORKERS; i++) {
        csp_exit why;
        ASSERT_OK(csp_wait(workers[i], &why, patience()));
        ck_assert_msg(why.how == CSP_CLEAN, "a consumer ended with how %d, code %d", why.how, why.code);
    }
    for (long i = 0; i < JOBS; i++)
        ck_assert_msg(atomic_load(&counts->fetched[i]) > 0, "value %ld was lost", i);
}

Suite *losses_suite(void)
{
    Suite *s = suite_create("losses");
    TCase *t = tcase_create("losses");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_loop_test(t, of_many_values_none_is_lost_with_consumers_that_are_killed, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
