/* SPDX-License-Identifier: MPL-2.0 */
/* Many live processes: how long until all have said something, and what memory each has for itself. Decision: all are
 * alive, attached and waiting in a receive while memory is looked at; private is what no other process maps, as the
 * kernel counts it.
 *
 *     many PROCESSES */
#include "csp.h"
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static csp_chan hello, quit;

static int child(void *arg)
{
    pid_t pid = getpid();
    (void)arg;
    must_csp(csp_drop(quit, CSP_SEND) == 0, "drop");
    must_csp(csp_send(hello, &pid, sizeof pid, CSP_FOREVER) == 0, "hello");
    return csp_recv(quit, NULL, 0, CSP_FOREVER) >= 0 || errno != EPIPE;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 2, "many PROCESSES");
    size_t n = number_argument(argv, 1, 1);
    csp_proc *children = calloc(n, sizeof *children);
    pid_t *pids = calloc(n, sizeof *pids);
    must(children != NULL && pids != NULL, "memory");
    must_csp((hello = csp_make(n)) != 0 && (quit = csp_make(0)) != 0, "make");
    double begin = seconds();
    for (size_t i = 0; i < n; i++)
        must_csp((children[i] = csp_go(child, NULL)) >= 0, "go");
    for (size_t i = 0; i < n; i++)
        must_csp(csp_recv(hello, &pids[i], sizeof *pids, CSP_FOREVER) == sizeof *pids, "receive");
    print_figure("s", seconds() - begin);
    print_figure("KiB", private_memory(pids, n));
    must_csp(csp_close(quit) == 0, "close");
    for (size_t i = 0; i < n; i++)
        must_csp(csp_wait(children[i], NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_term() == 0, "term");
    free(pids);
    free(children);
    return 0;
}
