/* SPDX-License-Identifier: MPL-2.0 */
/* Jobs that are done at least once, whoever dies: leases, dead letters, and a parent that starts again what crashed.
 * Decision: the accidents are part of the program, so that what it prints is always the same: a worker that gets a job
 * which 7 divides for the first time kills itself in the middle, and 13 cannot be done at all.
 *
 *     jobs [COUNT]        squares 1 to COUNT (20) */
#include "csp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { WORKERS = 3, MOST = 10000, ALL = WORKERS + 2 };

static csp_chan jobs, results, failed;

struct result {
    long job, square;
    unsigned tries;
};

static int broken(const char *place)
{
    (void)fprintf(stderr, "jobs: %s: %s\n", place, csp_errmsg());
    return EX_SOFTWARE;
}

static int work(void *arg)
{
    (void)arg;
    csp_msg m;
    while (csp_recv_msg(jobs, &m, CSP_FOREVER) == 0) {
        struct result r = {.tries = m.tries};
        memcpy(&r.job, m.data, sizeof r.job);
        if (r.job % 7 == 0 && m.tries == 1)
            (void)raise(SIGKILL); /* the job goes back, and another worker gets it */
        r.square = r.job * r.job;
        if (r.job == 13)
            (void)csp_nack(m.id, CSP_FOREVER, "13 brings bad luck");
        else if (csp_send(results, &r, sizeof r, CSP_FOREVER) == 0)
            (void)csp_ack(m.id); /* a worker that dies before this does the job, and another does it again */
        csp_msg_free(&m);
    }
    return EX_OK;
}

static void print(const struct result *r)
{
    (void)printf("%ld: %ld%s\n", r->job, r->square, r->tries > 1 ? ", again" : "");
}

/* Takes what comes of the jobs until all are settled; who crashes meanwhile is started again. */
static int collect(struct result done[], long count)
{
    struct result r;
    csp_msg letter;
    csp_exit why;
    csp_case cases[ALL] = {csp_on_recv(results, &r, sizeof r), csp_on_msg(failed, &letter)};
    for (int i = 2; i < ALL; i++)
        cases[i] = csp_on_exit(csp_go(work, NULL), &why);
    for (long settled = 0; settled < count;) {
        int chosen = csp_select(cases, ALL, CSP_FOREVER);
        if (chosen < 0)
            return broken("collect");
        if (chosen >= 2) {
            cases[chosen] = csp_on_exit(csp_go(work, NULL), &why);
        } else if (chosen == 1) {
            (void)fprintf(stderr, "jobs: given up after %u: %s\n", letter.tries, letter.reason);
            csp_msg_free(&letter);
            settled++;
        } else if (done[r.job].job == 0) { /* once more is no harm: it has its mark */
            done[r.job] = r;
            settled++;
        }
    }
    return EX_OK;
}

int main(int argc, char **argv)
{
    static struct result done[MOST + 1];
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 20;
    if (argc > 2 || count < 1 || count > MOST) {
        (void)fprintf(stderr, "usage: jobs [COUNT]    (1 to %d)\n", MOST);
        return EX_USAGE;
    }
    jobs = csp_make((size_t)count);
    results = csp_make(100);
    failed = csp_make(100);
    if (csp_set_retry(jobs, &(csp_retry){.attempts = 5, .dead = failed}) != 0)
        return broken("make the queue");
    for (long i = 1; i <= count; i++)
        if (csp_send(jobs, &i, sizeof i, CSP_FOREVER) != 0)
            return broken("send a job");
    int status = collect(done, count);
    for (long i = 1; i <= count; i++)
        if (done[i].job != 0)
            print(&done[i]);
    return csp_term() == 0 ? status : broken("end");
}
