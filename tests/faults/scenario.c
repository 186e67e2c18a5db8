/* SPDX-License-Identifier: MPL-2.0 */
/* Runs one scenario in a run of its own: `scenario NAME`. What is wrong is said on stderr in a line that begins with
 * WRONG, by any of its processes. Status 0: all went well; 3: a call failed, as it may; anything else is wrong. */
#include "scenario.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static bool failed;
static __thread pid_t joined; /* the process in which a call of this thread succeeded: which is in the run */

void wrong(const char *format, ...)
{
    char text[512];
    int n = snprintf(text, sizeof text, "WRONG: ");
    va_list list;
    va_start(list, format);
    n += vsnprintf(text + n, sizeof text - (size_t)n - 1, format, list);
    va_end(list);
    n = n < (int)sizeof text - 1 ? n : (int)sizeof text - 2;
    text[n++] = '\n';
    (void)!write(STDERR_FILENO, text, (size_t)n);
    failed = true;
}

static bool is_in(int err, const int *list)
{
    while (*list != 0 && *list != err)
        list++;
    return *list != 0;
}

static bool judge(long result, const char *call, const int *first, const int *second)
{
    if (result >= 0)
        return (joined = getpid()) > 0;
    int err = errno;
    failed = true;
    if (!is_in(err, first) && !is_in(err, second))
        wrong("%s: %s: %s", call, strerrorname_np(err), csp_errmsg());
    else if (csp_errmsg()[0] == '\0' || strcmp(csp_errmsg(), "no error") == 0)
        wrong("%s: %s, and csp_errmsg says nothing", call, strerrorname_np(err));
    else
        dprintf(STDERR_FILENO, "%d: %s: %s: %s\n", (int)getpid(), call, strerrorname_np(err), csp_errmsg());
    return false;
}

static const int always[] = {ENOTCONN, ENOMEM, ENOBUFS, ECANCELED, EPIPE, 0};
static const int begins[] = {EMFILE, ENFILE, EAGAIN,     ENOSPC,    EROFS,  EIO,
                             ENOLCK, EPERM,  EADDRINUSE, ETIMEDOUT, EINVAL, 0};
static const int none[] = {0};

bool did(long result, const char *call)
{
    return judge(result, call, always, joined == getpid() ? none : begins);
}

bool started(long result, const char *call)
{
    return judge(result, call, always, begins);
}

void gave_up(void)
{
    failed = true;
}

bool all_well(void)
{
    return !failed;
}

int outcome(void)
{
    return failed ? FAILED : 0;
}

bool ended_well(csp_proc p)
{
    csp_exit why = {-1, -1};
    if (failed || p <= 0 || !DID(csp_wait(p, &why, soon()))) /* who failed gives up: a child may wait for it */
        return false;
    if (why.how == CSP_CLEAN)
        return true;
    failed = true;
    bool killed = why.how == CSP_SIGNAL && (why.code == SIGKILL || why.code == 0); /* treated as dead by the broker */
    bool said = why.how == CSP_CODE && (why.code == FAILED || why.code == 1 || why.code == EX_OSERR ||
                                        why.code == EX_UNAVAILABLE); /* those two: the bridge */
    if (!killed && !said && why.how != CSP_CANCELLED)
        wrong("a child ended with how %d, code %d", why.how, why.code);
    return false;
}

csp_chan make(size_t capacity)
{
    csp_chan c = csp_make(capacity);
    return STARTED(c != 0 ? 0 : -1) ? c : 0;
}

csp_time soon(void)
{
    return csp_in(30000);
}

bool send_numbers(csp_chan c, long count)
{
    for (long n = 0; n < count; n++)
        if (!DID(csp_send(c, &n, sizeof n, soon())))
            return false;
    return true;
}

void receive_numbers(csp_chan c, long count)
{
    long n, expected = 0;
    for (;;) {
        ssize_t size = csp_recv(c, &n, sizeof n, soon());
        if (size < 0 && errno == EPIPE)
            break;
        if (!DID(size))
            return;
        if (size != sizeof n || n != expected)
            wrong("received %ld of %zd bytes instead of %ld", n, size, expected);
        expected++;
    }
    csp_exit why;
    int is_over = csp_why(c, &why);
    if (!DID(is_over))
        return;
    if (is_over == 0)
        wrong("a receive says that the channel is closed, csp_why that it is open");
    else if (why.how == CSP_CLEAN && expected != count)
        wrong("%ld values of %ld, and the channel closed well", expected, count);
    else if (why.how != CSP_CLEAN)
        failed = true;
}

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

static void finish(int descriptors_before)
{
    static const int leaving[] = {ETIMEDOUT, 0};
    (void)judge(csp_term(), "csp_term", always, leaving);
    int now = descriptors();
    if (now != descriptors_before)
        wrong("%d descriptors before the run, %d after it", descriptors_before, now);
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid >= 0)
        wrong("a child is left after the run: %d", (int)pid);
}

int in_a_run(void (*run)(void), void (*otherwise)(void))
{
    int before = descriptors();
    if (STARTED(csp_init()))
        run();
    else if (otherwise != NULL)
        otherwise();
    finish(before);
    return outcome();
}

int main(int argc, char **argv)
{
    const struct scenario *s = scenarios;
    while (s->name != NULL && (argc != 2 || strcmp(s->name, argv[1]) != 0))
        s++;
    if (s->name == NULL) {
        for (s = scenarios; s->name != NULL; s++)
            printf("%s %d %d\n", s->name, s->every != 0 ? s->every : 1, s->needs);
        return argc == 1 ? 0 : 64;
    }
    for (int i = 0; i < 2; i++)
        if (s->environment[i] != NULL)
            putenv((char *)s->environment[i]);
    if (!s->several)
        return in_a_run(s->run, NULL);
    s->run();
    return outcome();
}
