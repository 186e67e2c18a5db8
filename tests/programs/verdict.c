/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: that something was wrong is kept in memory which all processes of the program share, for the process that
 * saw it may be killed, or have lost its parent, before its status is asked for. */
#include "verdict.h"

#include "ends.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_int *anything_wrong;
static csp_proc *children;
static size_t child_count, child_room;
static pid_t owner; /* whose children those are */

/* Before the first process is started. */
static atomic_int *share(void)
{
    if (anything_wrong == NULL) {
        void *p = mmap(NULL, sizeof *anything_wrong, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
        if (p == MAP_FAILED)
            exit(UNABLE);
        anything_wrong = p;
    }
    return anything_wrong;
}

int wrong(const char *format, ...)
{
    va_list ap;
    atomic_store(share(), 1);
    flockfile(stderr);
    (void)fprintf(stderr, "%s: process %ld: ", program_invocation_short_name, (long)getpid());
    va_start(ap, format);
    (void)vfprintf(stderr, format, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
    funlockfile(stderr);
    return WRONG;
}

int failure(const char *what)
{
    int err = errno;
    if (err == EPIPE)
        return CUT_OFF;
    if (err != ENOTCONN && err != ENOMEM && err != ENOBUFS && err != EAGAIN)
        return wrong("%s: %s", what, csp_errmsg());
    (void)fprintf(stderr, "%s: process %ld: %s: %s\n", program_invocation_short_name, (long)getpid(), what,
                  csp_errmsg());
    return UNABLE;
}

int worse(int a, int b)
{
    static const int order[] = {RIGHT, CUT_OFF, INCOMPLETE, UNABLE, WRONG};
    for (size_t i = sizeof order / sizeof *order; i-- > 0;)
        if (a == order[i] || b == order[i])
            return order[i];
    return wrong("a status that is none: %d, %d", a, b);
}

csp_proc go(int (*fn)(void *), void *arg)
{
    (void)share();
    if (owner != getpid())
        child_count = 0;
    owner = getpid();
    if (child_count == child_room) {
        child_room = child_room * 2 + 16;
        children = realloc(children, child_room * sizeof *children);
        if (children == NULL)
            exit(UNABLE);
    }
    csp_proc p = csp_go(fn, arg);
    if (p < 0)
        exit(failure("csp_go"));
    children[child_count++] = p;
    return p;
}

static int status_of(csp_proc p, const csp_exit *why)
{
    if (why->how == CSP_CLEAN)
        return RIGHT;
    if (why->how == CSP_CODE && why->code <= CUT_OFF)
        return why->code;
    if (why->how == CSP_SIGNAL && why->code == SIGKILL)
        return INCOMPLETE;
    return wrong("process %ld of the run ended with how %d, code %d", (long)p, why->how, why->code);
}

int verdict_of(csp_proc p)
{
    csp_exit why;
    size_t i = 0;
    while (owner == getpid() && i < child_count && children[i] != p)
        i++;
    if (i < child_count)
        children[i] = children[--child_count];
    if (csp_wait(p, &why, CSP_FOREVER) != 0)
        return failure("csp_wait");
    return status_of(p, &why);
}

static int next_of(csp_case *also, csp_proc *which)
{
    size_t n = owner == getpid() ? child_count : 0;
    csp_exit why = {.how = CSP_CLEAN};
    if (n == 0 && also == NULL)
        return NO_CHILD;
    csp_case *cases = calloc(n + 1, sizeof *cases);
    if (cases == NULL)
        exit(UNABLE);
    for (size_t i = 0; i < n; i++)
        cases[i] = csp_on_exit(children[i], &why);
    if (also != NULL)
        cases[n] = *also;
    int chosen = csp_select(cases, n + (also != NULL), CSP_FOREVER);
    errno = chosen >= 0 ? cases[chosen].err : errno;
    if (also != NULL)
        *also = cases[n];
    free(cases);
    if (chosen < 0 || errno != 0)
        return failure("wait for the next child");
    if ((size_t)chosen == n)
        return NO_CHILD;
    *which = children[chosen];
    children[chosen] = children[--child_count];
    return status_of(*which, &why);
}

int verdict_next(csp_case *also)
{
    csp_proc which;
    return next_of(also, &which);
}

int verdict_next_of(csp_proc *which)
{
    *which = -1;
    return next_of(NULL, which);
}

int verdict_gather(int status)
{
    ends_drop_all();
    while (owner == getpid() && child_count != 0)
        status = worse(status, verdict_of(children[child_count - 1]));
    return status;
}

int verdict(int status, const char *format, ...)
{
    static const char *const words[] = {
        [RIGHT] = "right", [WRONG] = "wrong", [INCOMPLETE] = "incomplete", [UNABLE] = "unable"};
    va_list ap;
    status = verdict_gather(status);
    if (status == CUT_OFF)
        status = wrong("a process ended before its work was done, and nobody was killed");
    if (atomic_load(share()))
        status = WRONG;
    printf("%s: %s: ", program_invocation_short_name, words[status]);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    puts("");
    if (csp_term() != 0 && status == RIGHT)
        status = failure("csp_term");
    return fflush(stdout) == 0 ? status : UNABLE;
}

long argument(int argc, char **argv, int i, long otherwise, long least, long most)
{
    char *end;
    if (i >= argc)
        return otherwise;
    errno = 0;
    long n = strtol(argv[i], &end, 10);
    if (errno == 0 && end != argv[i] && *end == '\0' && n >= least && n <= most)
        return n;
    (void)fprintf(stderr, "%s: argument %d: \"%s\" is no number from %ld to %ld\n", program_invocation_short_name, i,
                  argv[i], least, most);
    exit(USAGE);
}
