/* SPDX-License-Identifier: MPL-2.0 */
/* Work that makes work, and workers that die: channels that close when they are idle, and leases, together. Decision:
 * the pages and links are numbers, so that the work is nothing and what is looked at is who does which; what was done
 * is counted in memory that all share, and survives who is killed. */
#include "expect.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

Suite *crawl_suite(void);

enum { PAGES = 1000, LINKS = 4, WORKERS = 4, KILLS = 25 };

static csp_chan urls, ring[3];

static struct counts {
    atomic_int fetched[PAGES]; /* how often each was received */
    atomic_int seen[PAGES];
    atomic_int again; /* deliveries with tries > 1 */
} * counts;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

static csp_time patience(void)
{
    return csp_in(100000);
}

/* ---- a ring */

static int pass_on(void *arg)
{
    int i = *(int *)arg;
    long n;
    while (csp_recv(ring[i], &n, sizeof n, CSP_FOREVER) > 0)
        if (n > 0) {
            n--;
            CHILD_ASSERT(csp_send(ring[(i + 1) % 3], &n, sizeof n, CSP_FOREVER) == 0);
        }
    return 0;
}

/* Each holds all ends: so all three channels could be sent on by all. */
START_TEST(a_ring_of_three_ends_when_nothing_goes_round)
{
    static int which[3] = {0, 1, 2};
    csp_proc p[3];
    for (int i = 0; i < 3; i++)
        ring[i] = make(4);
    send_number(ring[0], 100);
    for (int i = 0; i < 3; i++)
        p[i] = go(pass_on, &which[i]);
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(csp_drop(ring[i], CSP_RECV));
        ASSERT_OK(csp_close_when_idle(ring[i]));
    }
    for (int i = 0; i < 3; i++) {
        csp_exit why;
        ASSERT_OK(csp_wait(p[i], &why, patience()));
        ck_assert(why.how == CSP_CLEAN);
    }
}

START_TEST(who_gave_up_its_end_to_close_when_idle_sends_no_more)
{
    urls = make(1);
    ASSERT_OK(csp_close_when_idle(urls));
    ASSERT_ERRNO(csp_send(urls, "", 0, CSP_NOW), EBADF);
    ASSERT_ERRNO(csp_close_when_idle(urls), EBADF);
}

/* ---- a crawler */

/* Page n leads to LINKS others, in circles. */
static long link_of(long page, long i)
{
    return (page * 7 + i * 131 + 1) % PAGES;
}

enum { NEW, CLAIMED, QUEUED };

/* Whether this link is for us to put in the queue: it is new; or, for a page that is fetched again, who fetched it
 * before may have died in between. */
static int claim(long to, unsigned tries)
{
    int is = NEW;
    return atomic_compare_exchange_strong(&counts->seen[to], &is, CLAIMED) || (is == CLAIMED && tries > 1);
}

/* Fetches pages until there are none; each new link is a page to fetch. A page is done when its links are in the
 * queue. */
static int fetch(void *arg)
{
    int streams = *(int *)arg;
    csp_msg m;
    if (streams)
        CHILD_ASSERT(csp_stream(urls, CSP_RECV, 4096) == 0);
    while (csp_recv_msg(urls, &m, CSP_FOREVER) == 0) {
        long page;
        memcpy(&page, m.data, sizeof page);
        atomic_fetch_add(&counts->again, m.tries > 1);
        for (long i = 0; i < LINKS; i++) {
            long to = link_of(page, i);
            if (!claim(to, m.tries))
                continue;
            CHILD_ASSERT(csp_send(urls, &to, sizeof to, CSP_FOREVER) == 0);
            atomic_store(&counts->seen[to], QUEUED);
        }
        atomic_fetch_add(&counts->fetched[page], 1);
        CHILD_ASSERT(csp_ack(m.id) == 0);
        csp_msg_free(&m);
    }
    return errno != EPIPE;
}

static void start_crawl(csp_proc workers[], int *streams)
{
    counts = shared_memory(sizeof *counts);
    urls = make(100000);
    ASSERT_OK(csp_set_retry(urls, &(csp_retry){.attempts = 100}));
    atomic_store(&counts->seen[0], QUEUED);
    send_number(urls, 0);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = go(fetch, streams);
}

START_TEST(a_crawler_fetches_every_page_and_ends_by_itself)
{
    csp_proc workers[WORKERS];
    start_crawl(workers, &_i);
    ASSERT_OK(csp_drop(urls, CSP_RECV));
    ASSERT_OK(csp_close_when_idle(urls));
    for (int i = 0; i < WORKERS; i++) {
        csp_exit why;
        ASSERT_OK(csp_wait(workers[i], &why, patience()));
        ck_assert_msg(why.how == CSP_CLEAN, "a fetcher ended with how %d, code %d", why.how, why.code);
    }
    for (long i = 0; i < PAGES; i++)
        ck_assert_msg(atomic_load(&counts->fetched[i]) == 1, "page %ld was fetched %d times", i,
                      atomic_load(&counts->fetched[i]));
    ck_assert_int_eq(atomic_load(&counts->again), 0);
}

static void kill_one(csp_proc *p)
{
    csp_exit why;
    pid_t pid = pid_of(*p);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ASSERT_OK(csp_wait(*p, &why, patience()));
}

START_TEST(a_crawler_whose_fetchers_are_killed_fetches_every_page_too)
{
    csp_proc workers[WORKERS];
    unsigned seed = 1;
    start_crawl(workers, &_i);
    for (int i = 0; i < KILLS; i++) {
        int victim = rand_r(&seed) % WORKERS;
        kill_one(&workers[victim]);
        workers[victim] = go(fetch, &_i);
        usleep(2000);
    }
    ASSERT_OK(csp_drop(urls, CSP_RECV));
    ASSERT_OK(csp_close_when_idle(urls));
    for (int i = 0; i < WORKERS; i++) {
        csp_exit why;
        ASSERT_OK(csp_wait(workers[i], &why, patience()));
        ck_assert_msg(why.how == CSP_CLEAN, "a fetcher ended with how %d, code %d", why.how, why.code);
    }
    for (long i = 0; i < PAGES; i++)
        ck_assert_msg(atomic_load(&counts->fetched[i]) > 0, "page %ld was never fetched", i);
}

Suite *crawl_suite(void)
{
    Suite *s = suite_create("crawl");
    TCase *t = tcase_create("crawl");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, a_ring_of_three_ends_when_nothing_goes_round);
    tcase_add_test(t, who_gave_up_its_end_to_close_when_idle_sends_no_more);
    tcase_add_loop_test(t, a_crawler_fetches_every_page_and_ends_by_itself, 0, 2);
    tcase_add_loop_test(t, a_crawler_whose_fetchers_are_killed_fetches_every_page_too, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
