/* SPDX-License-Identifier: MPL-2.0 */
/* A channel as a semaphore: as many are inside as it has capacity, never more, and never fewer where more want to be.
 * Decision: who is inside is counted in memory that all share, so that the count does not come from what it judges;
 * that it is exact is looked at when the broker says that everybody waits.
 *
 *     semaphore [CAPACITY=3] [WORKERS=8] [ROUNDS=50]     capacity 1: a mutex */
#include "ends.h"
#include "number.h"
#include "verdict.h"
#include "waiting.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

enum { MOST = 100 };

static csp_chan semaphore, leave;
static long capacity, workers, rounds;
static bool held; /* whether a worker stays inside until it is told to leave */

static struct shared {
    atomic_long inside;
    volatile long work; /* not atomic: it is right only where one is inside */
} * shared;

static int stay(void)
{
    int64_t n;
    if (atomic_fetch_add(&shared->inside, 1) >= capacity)
        return wrong("more than %ld are inside", capacity);
    shared->work = shared->work + 1;
    int status = held && number_receive(leave, &n, CSP_FOREVER) != 0 ? failure("wait inside") : RIGHT;
    atomic_fetch_sub(&shared->inside, 1);
    return status;
}

static int work(void *arg)
{
    int64_t token;
    (void)arg;
    KEEP({semaphore, CSP_SEND | CSP_RECV}, {leave, CSP_RECV});
    for (long i = 0; i < rounds; i++) {
        if (number_send(semaphore, i, CSP_FOREVER) != 0)
            return failure("enter");
        int status = stay();
        if (status != RIGHT)
            return status;
        if (number_receive(semaphore, &token, CSP_FOREVER) != 0)
            return failure("leave");
    }
    return RIGHT;
}

/* When all wait exactly so many are inside as can be; then one is let go. */
static int admit_one(const csp_proc *processes)
{
    long wanting = (long)until_waiting(processes, (size_t)workers);
    long most = wanting < capacity ? wanting : capacity;
    long inside = atomic_load(&shared->inside);
    struct number word = number(0);
    csp_case let_go = csp_on_send(leave, &word, sizeof word);
    if (inside != most) {
        printf("%ld are inside, and %ld of %ld wait: ", inside, wanting - inside, workers);
        return CUT_OFF; /* excused where one has died */
    }
    int status = RIGHT;
    while (status == RIGHT) /* a worker that has ended well is in nobody's way */
        status = verdict_next(&let_go);
    return status == NO_CHILD ? RIGHT : status;
}

/* Who is killed inside takes its place there with it: so the semaphore is closed where anybody does not end well. */
static int until_all_ended(int status)
{
    ends_drop(leave, CSP_SEND | CSP_RECV);
    for (int next = status; next != NO_CHILD; next = verdict_next(NULL)) {
        if (next != RIGHT)
            (void)csp_close(semaphore); /* perhaps again */
        status = worse(status, next);
    }
    return status;
}

static int phase(bool hold)
{
    csp_proc processes[MOST];
    int status = RIGHT;
    held = hold;
    *shared = (struct shared){0};
    semaphore = ends_make((size_t)capacity);
    leave = ends_make(0);
    for (long i = 0; i < workers; i++)
        processes[i] = go(work, NULL);
    ends_drop(leave, CSP_RECV);
    for (long i = 0; hold && i < workers * rounds && status == RIGHT; i++)
        status = admit_one(processes);
    status = until_all_ended(status);
    if (status == RIGHT && capacity == 1 && shared->work != workers * rounds)
        status = wrong("the work under the mutex was done %ld times, not %ld", shared->work, workers * rounds);
    ends_drop_all();
    return status;
}

int main(int argc, char **argv)
{
    capacity = argument(argc, argv, 1, 3, 1, MOST);
    workers = argument(argc, argv, 2, 8, 1, MOST);
    rounds = argument(argc, argv, 3, 50, 1, 1000000);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
    if (shared == MAP_FAILED)
        return UNABLE;
    int status = phase(true);
    if (status == RIGHT)
        status = phase(false);
    return verdict(status, "%ld workers, %ld rounds: a channel of capacity %ld admits exactly %ld", workers, rounds,
                   capacity, capacity);
}
