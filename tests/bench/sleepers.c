/* SPDX-License-Identifier: MPL-2.0 */
/* Work that goes to who is free: four receivers of a stream that sleep 1, 2, 4 and 8 ms a value, from the first value
 * to the end of the last one's work. Decision: what they are compared with is the same four, each of which takes the
 * next number of a counter in shared memory: nothing can share the same work better, and both sleep as long as the
 * machine does.
 *
 *     sleepers stream|counter */
#include "bench.h"
#include "csp.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { RECEIVERS = 4, RATE = 1000 + 500 + 250 + 125, CAPACITY = 1024, WINDOW = 1 << 20, SIZE = 64 };

static csp_chan jobs;
static long n_jobs;
static atomic_long *counter;

static void work(int receiver)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000L << receiver}, NULL);
}

static int receiver(void *arg)
{
    char value[SIZE];
    must_csp(csp_drop(jobs, CSP_SEND) == 0, "drop");
    must_csp(csp_stream(jobs, CSP_RECV, WINDOW) == 0, "stream");
    while (csp_recv(jobs, value, sizeof value, CSP_FOREVER) >= 0)
        work(*(int *)arg);
    must_csp(errno == EPIPE, "receive");
    return 0;
}

static void send_all(void)
{
    csp_proc children[RECEIVERS];
    char value[SIZE] = "job";
    must_csp((jobs = csp_make(CAPACITY)) != 0, "make");
    for (int i = 0; i < RECEIVERS; i++)
        must_csp((children[i] = csp_go(receiver, &i)) >= 0, "go");
    must_csp(csp_stream(jobs, CSP_SEND, WINDOW) == 0, "stream");
    double begin = seconds();
    for (long i = 0; i < n_jobs; i++)
        must_csp(csp_send(jobs, value, sizeof value, CSP_FOREVER) == 0, "send");
    must_csp(csp_close(jobs) == 0, "close");
    for (int i = 0; i < RECEIVERS; i++)
        must_csp(csp_wait(children[i], NULL, CSP_FOREVER) == 0, "wait");
    print_figure("values/s", (double)n_jobs / (seconds() - begin));
    must_csp(csp_term() == 0, "term");
}

static void counting(void *arg)
{
    while (atomic_fetch_add(counter, 1) < n_jobs)
        work(*(int *)arg);
}

static void count_all(void)
{
    pid_t children[RECEIVERS];
    counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
    must(counter != MAP_FAILED, "mmap");
    double begin = seconds();
    for (int i = 0; i < RECEIVERS; i++)
        children[i] = child_of(counting, &i);
    reap(children, RECEIVERS);
    print_figure("values/s", (double)n_jobs / (seconds() - begin));
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 2, "sleepers stream|counter");
    n_jobs = (long)(RATE * 2 * seconds_to_measure());
    if (strcmp(argv[1], "stream") == 0)
        send_all();
    else
        count_all();
    print_figure("values", (double)n_jobs);
    return 0;
}
