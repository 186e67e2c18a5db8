/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker's memory does while a fast sender and a slow receiver move many values through it. Decision: the root
 * only watches, 50 times a second, so that neither of the two waits for it; the receiver is slow by sleeping after
 * every 256 values, so the sender always has to wait for room.
 *
 *     memory VALUES */
#include "csp.h"
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CAPACITY = 4096, WINDOW = 1 << 20, SIZE = 64 };

static csp_chan values;
static size_t n_values;

static int sender(void *arg)
{
    char value[SIZE] = "value";
    (void)arg;
    must_csp(csp_stream(values, CSP_SEND, WINDOW) == 0, "stream");
    for (size_t i = 0; i < n_values; i++)
        must_csp(csp_send(values, value, sizeof value, CSP_FOREVER) == 0, "send");
    must_csp(csp_close(values) == 0, "close");
    return 0;
}

static int receiver(void *arg)
{
    char value[SIZE];
    (void)arg;
    must_csp(csp_stream(values, CSP_RECV, WINDOW) == 0, "stream");
    for (size_t i = 0; i < n_values; i++) {
        must_csp(csp_recv(values, value, sizeof value, CSP_FOREVER) == SIZE, "receive");
        if (i % 256 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
    }
    return 0;
}

/* The broker is the only child of a process that has just begun a run. */
static pid_t broker(void)
{
    int pid = 0;
    FILE *f = fopen("/proc/thread-self/children", "re");
    must(f != NULL, "/proc/thread-self/children");
    errno = ESRCH;
    must(fscanf(f, "%d", &pid) == 1, "the broker");
    fclose(f);
    return pid;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 2, "memory VALUES");
    n_values = number_argument(argv, 1, 1);
    must_csp((values = csp_make(CAPACITY)) != 0, "make");
    pid_t pid = broker();
    double at_first = resident_memory(pid), early = 0, late = 0;
    csp_proc children[] = {csp_go(sender, NULL), csp_go(receiver, NULL)};
    must_csp(children[0] >= 0 && children[1] >= 0, "go");
    must_csp(csp_drop(values, CSP_SEND | CSP_RECV) == 0, "drop");
    /* The first fifth of the time goes into `early`, when all buffers have been full; the time is known in the end. */
    static double seen[1 << 16];
    size_t n = 0;
    for (csp_time next = csp_in(20); csp_wait(children[1], NULL, next) != 0; next = csp_in(20)) {
        must_csp(errno == ETIMEDOUT, "wait");
        if (n < sizeof seen / sizeof *seen)
            seen[n++] = resident_memory(pid);
    }
    for (size_t i = 0; i < n; i++) {
        if (i < n / 5 || i == 0)
            early = seen[i] > early ? seen[i] : early;
        late = seen[i] > late ? seen[i] : late;
    }
    print_figure("KiB", late - at_first);
    print_figure("KiB-more", late - early);
    print_figure("values", (double)n_values);
    must_csp(csp_wait(children[0], NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_term() == 0, "term");
    return 0;
}
