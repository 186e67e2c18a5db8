/* SPDX-License-Identifier: MPL-2.0 */
/* Time, children and addresses of the benchmarks. Decision: a benchmark that cannot do its work ends at once with a
 * sentence on stderr, which is what scripts/bench shows as the reason; children die with their parent, and sockets have
 * abstract names, so that nothing is left of one that is killed. */
#include "bench.h"

#include "csp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t family; /* the process that printed addresses are named after; 0: this one */

double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double seconds_to_measure(void)
{
    const char *text = getenv("BENCH_SECONDS");
    double s = text != NULL ? strtod(text, NULL) : 1;
    return s > 0 ? s : 1;
}

static _Noreturn void end(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(70);
}

_Noreturn void fail(const char *what)
{
    end(what, strerror(errno));
}

_Noreturn void fail_csp(const char *what)
{
    end(what, csp_errmsg());
}

size_t number_argument(char **argv, int i, size_t otherwise)
{
    if (argv[i] == NULL)
        return otherwise;
    char *end;
    unsigned long n = strtoul(argv[i], &end, 10);
    if (n == 0 || *end != '\0') {
        fprintf(stderr, "%s: %s: not a number from 1 on\n", program_invocation_short_name, argv[i]);
        exit(64);
    }
    return n;
}

pid_t child_of(void (*fn)(void *), void *arg)
{
    pid_t parent = getpid(), child = fork();
    must(child >= 0, "fork");
    if (child > 0)
        return child;
    family = family != 0 ? family : parent;
    must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
    if (getppid() != parent)
        _exit(70);
    fn(arg);
    _exit(0);
}

void reap(pid_t *children, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int status;
        must(waitpid(children[i], &status, 0) == children[i], "waitpid");
        errno = ECHILD;
        must(status == 0, "a child failed");
    }
}

void dismiss(pid_t *children, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kill(children[i], SIGKILL);
    for (size_t i = 0; i < n; i++)
        must(waitpid(children[i], NULL, 0) == children[i], "waitpid");
}

const char *address_of(const char *name)
{
    static char addresses[4][64];
    static unsigned calls;
    char *address = addresses[calls++ % 4];
    snprintf(address, sizeof addresses[0], "ipc://@csp-bench-%d-%s", (int)(family != 0 ? family : getpid()), name);
    return address;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile(double *numbers, size_t n, double q)
{
    qsort(numbers, n, sizeof *numbers, by_value);
    return n == 0 ? 0 : numbers[(size_t)((double)n * q)];
}

void print_figure(const char *name, double value)
{
    printf("%s %.9g\n", name, value);
    must(fflush(stdout) == 0, "print");
}
