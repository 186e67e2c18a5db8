/* SPDX-License-Identifier: MPL-2.0 */
/* The prime sieve that merges: a process for the multiples of each prime, one that merges them with a heap, one that
 * strikes the merged from the odd numbers; after Go's test/chan/sieve2.go. Decision: primes are fed back to the merger,
 * which is slower than they come, so a process in between holds them without a limit: it never makes the sender wait.
 * A ring of processes that only wait for each other would never end: it is broken from outside, where the primes'
 * receiver goes.
 *
 *     heapsieve [COUNT=1000]     the first COUNT primes */
#include "ends.h"
#include "number.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

static csp_chan odds, composites, fed, feed, primes; /* feed: by the siever; fed: to the merger */

static int over(const char *what)
{
    return errno == EPIPE ? RIGHT : failure(what); /* the root alone knows whether it was too early */
}

struct progression {
    csp_chan out;
    int64_t from, by;
};

static int progress(void *arg)
{
    const struct progression *p = arg;
    KEEP({p->out, CSP_SEND});
    for (int64_t n = p->from;; n += p->by)
        if (number_send(p->out, n, CSP_FOREVER) != 0)
            return over("send a progression");
}

/* ---- the heap: streams of multiples, the one with the least next multiple on top */

struct stream {
    int64_t head;
    csp_chan from;
};
static struct stream *heap;
static int streams;

static void swap(int a, int b)
{
    struct stream s = heap[a];
    heap[a] = heap[b];
    heap[b] = s;
}

static void sift_down(int i)
{
    for (int child = 2 * i + 1; child < streams; child = 2 * i + 1) {
        if (child + 1 < streams && heap[child + 1].head < heap[child].head)
            child++;
        if (heap[i].head <= heap[child].head)
            return;
        swap(i, child);
        i = child;
    }
}

static void sift_up(int i)
{
    while (i > 0) {
        int parent = (i - 1) / 2;
        if (heap[parent].head <= heap[i].head)
            return;
        swap(i, parent);
        i = parent;
    }
}

/* ---- the merger */

/* Passes on all multiples less than n; 0 or -1. */
static int merge_up_to(int64_t n)
{
    while (streams != 0 && heap[0].head < n) {
        if (number_send(composites, heap[0].head, CSP_FOREVER) != 0 ||
            number_receive(heap[0].from, &heap[0].head, CSP_FOREVER) != 0)
            return -1;
        sift_down(0);
    }
    return 0;
}

/* A process for the odd multiples of p from its square on. */
static int add_stream(int64_t p)
{
    struct progression multiples = {.out = ends_make(10), .from = p * p, .by = 2 * p};
    heap = realloc(heap, ((size_t)streams + 1) * sizeof *heap);
    if (heap == NULL)
        exit(UNABLE);
    go(progress, &multiples);
    ends_drop(multiples.out, CSP_SEND);
    heap[streams] = (struct stream){.from = multiples.out};
    if (number_receive(multiples.out, &heap[streams].head, CSP_FOREVER) != 0)
        return -1;
    sift_up(streams++);
    return 0;
}

/* The next prime is known when all composites up to the last one's square have gone out. */
static int merge(void *arg)
{
    int64_t p;
    (void)arg;
    KEEP({fed, CSP_RECV}, {composites, CSP_SEND});
    while (number_receive(fed, &p, CSP_FOREVER) == 0 && merge_up_to(p * p) == 0 && add_stream(p) == 0 &&
           merge_up_to(p * p + 1) == 0)
        ;
    return verdict_gather(over("merge"));
}

/* ---- between them */

static struct number *queue;
static size_t room;

/* Space for one more at its end. */
static void extend(size_t n)
{
    if (n < room)
        return;
    room = room * 2 + 1024;
    queue = realloc(queue, room * sizeof *queue);
    if (queue == NULL)
        exit(UNABLE);
}

/* Takes whatever comes at once, and gives it when it is wanted. */
static int hold(void *arg)
{
    size_t first = 0;
    size_t last = 0;
    csp_chan in = feed;
    (void)arg;
    KEEP({feed, CSP_RECV}, {fed, CSP_SEND});
    while (in != 0 || first != last) {
        struct number got;
        extend(last);
        csp_case cases[] = {on_number(in, &got), csp_on_send(first != last ? fed : 0, &queue[first], sizeof *queue)};
        int chosen = csp_select(cases, 2, CSP_FOREVER);
        if (chosen < 0)
            return failure("select");
        if (cases[chosen].err != 0 && chosen == 1)
            return RIGHT;
        if (chosen == 1)
            first++;
        else if (cases[0].err != 0)
            in = 0;
        else {
            number_got(&cases[0]);
            queue[last++] = number(got.n);
        }
    }
    return RIGHT;
}

static int strike_out(void *arg)
{
    int64_t n = 0;
    int64_t composite;
    (void)arg;
    KEEP({odds, CSP_RECV}, {composites, CSP_RECV}, {feed, CSP_SEND}, {primes, CSP_SEND});
    int going = number_send(primes, 2, CSP_FOREVER) == 0 && number_receive(odds, &n, CSP_FOREVER) == 0 &&
                number_send(feed, n, CSP_FOREVER) == 0 && number_send(primes, n, CSP_FOREVER) == 0 &&
                number_receive(odds, &n, CSP_FOREVER) == 0;
    while (going && number_receive(composites, &composite, CSP_FOREVER) == 0) {
        while (going && n < composite)
            going = number_send(feed, n, CSP_FOREVER) == 0 && number_send(primes, n, CSP_FOREVER) == 0 &&
                    number_receive(odds, &n, CSP_FOREVER) == 0;
        if (going && n == composite)
            going = number_receive(odds, &n, CSP_FOREVER) == 0;
    }
    return over("strike out");
}

static int is_prime(int64_t n)
{
    int64_t d = 2;
    while (d * d <= n && n % d != 0)
        d++;
    return n > 1 && d * d > n;
}

static int receive_primes(long count)
{
    int64_t last = 1;
    for (long i = 0; i < count; i++) {
        int64_t p;
        if (number_receive(primes, &p, CSP_FOREVER) != 0)
            return failure("receive a prime");
        for (last++; last < p; last++)
            if (is_prime(last))
                return wrong("%ld came, and not %ld", (long)p, (long)last);
        if (p < last || !is_prime(p))
            return wrong("%ld came as prime %ld", (long)p, i + 1);
    }
    return RIGHT;
}

int main(int argc, char **argv)
{
    long count = argument(argc, argv, 1, 1000, 1, 1000000);
    odds = ends_make(50);
    composites = ends_make(50);
    feed = ends_make(10);
    fed = ends_make(0);
    primes = ends_make(10);
    go(progress, &(struct progression){.out = odds, .from = 3, .by = 2});
    go(strike_out, NULL);
    go(hold, NULL);
    go(merge, NULL);
    KEEP({primes, CSP_RECV});
    return verdict(receive_primes(count), "the first %ld primes, composites merged by a heap of processes", count);
}
