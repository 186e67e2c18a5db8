/* SPDX-License-Identifier: MPL-2.0 */
/* What is said where a bridge cannot even begin, or its broker has gone: the same of each kind of bridge. */
#include "failure.h"

#include "run.h"
#include "tell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void report_error(const struct options *o, int error, const char *what, const char *why, const char *hint)
{
    if (o->report >= 0)
        (void)csp__tell(o->report, "error %d %s: %s%s\n", error, what, why, hint);
    else
        fprintf(stderr, "exec: %s: %s: %s%s\n", o->label, what, why, hint);
}

/* The run was joined and the program not started: its ends go with this status. */
static int fail(const struct options *o, int error, const char *what, const char *why, const char *hint, int status)
{
    report_error(o, error, what, why, hint);
    (void)csp__bye((csp_exit){CSP_CODE, status});
    (void)csp_term();
    return status;
}

int failure_pipes(const struct options *o, int error)
{
    const char *hint = error == EMFILE || error == ENFILE ? ": raise the limit of open files (ulimit -n)" : "";
    return fail(o, error, "cannot make its pipes", strerror(error), hint, EX_OSERR);
}

int failure_exec(const struct options *o, int error)
{
    const char *hint = error == ENOENT   ? ": install it, or correct its name or PATH (or a script's #! line)"
                       : error == EACCES ? ": make it executable (chmod +x)"
                                         : "";
    return fail(o, error, o->argv[0], strerror(error), hint, error == ENOENT ? 127 : 126);
}

int failure_join(const struct options *o)
{
    report_error(o, errno, "cannot join the run", csp_errmsg(), "");
    return EX_UNAVAILABLE;
}

int failure_channel(const struct options *o, const char *name)
{
    return fail(o, errno, name, csp_errmsg(), "", EX_CONFIG);
}

int failure_joblog(const struct options *o)
{
    bool other = errno == EINVAL;
    return fail(o, errno, o->joblog, other ? "a line of it is no record of a task" : strerror(errno),
                other ? ": give --joblog another file" : "", EX_CANTCREAT);
}

int failure_broker(const struct options *o)
{
    fprintf(stderr, "exec: %s: the broker is gone: the run has ended, or has failed: see its first message\n",
            o->label);
    if (o->report >= 0)
        (void)csp__tell(o->report, "ended code %d 0 the broker is gone\n", EX_UNAVAILABLE);
    _exit(EX_UNAVAILABLE);
}
