/* SPDX-License-Identifier: MPL-2.0 */
/* The judgement on a program's end, the gravest reason first. A program that ended by itself just before it was to be
 * killed has not been killed: what it did is judged as if nothing had been the matter. */
#include "ending.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

static int mirrored(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static struct ending ending(int bye, int how, int code, int exit_status)
{
    return (struct ending){.bye = {bye, bye == CSP_CODE || bye == CSP_SIGNAL ? code : 0},
                           .how = how,
                           .code = code,
                           .exit_status = exit_status};
}

static bool killed_by_us(const struct facts *f)
{
    return f->cause != CAUSE_NONE && (f->late || (WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGKILL));
}

static bool succeeded(const struct facts *f)
{
    if (WIFEXITED(f->status))
        return f->unheard || f->success[WEXITSTATUS(f->status)];
    return f->unheard && WTERMSIG(f->status) == SIGPIPE;
}

static struct ending judge(const struct facts *f)
{
    int status = f->status;
    if (f->cause == CAUSE_BAD)
        return ending(CSP_CODE, CSP_CODE, EX_DATAERR, EX_DATAERR);
    if (f->cause == CAUSE_LATE)
        return ending(CSP_SIGNAL, CSP_SIGNAL, SIGKILL, 128 + SIGKILL);
    if (f->cause == CAUSE_FAULT)
        return ending(CSP_CODE, CSP_CODE, EX_OSERR, EX_OSERR);
    if (killed_by_us(f) || f->abandoned)
        return ending(CSP_CANCELLED, CSP_CANCELLED, 0, mirrored(status) != 0 ? mirrored(status) : 128 + SIGKILL);
    if (succeeded(f) && f->lost)
        return ending(CSP_CANCELLED, CSP_CANCELLED, 0, 128 + SIGTERM);
    int bye = f->failing ? CSP_CANCELLED : CSP_CLEAN; /* its receivers must not take a part for the whole */
    if (succeeded(f))
        return ending(bye, CSP_CLEAN, 0, 0);
    if (f->drained)
        return ending(bye, CSP_CANCELLED, 0, mirrored(status));
    if (WIFSIGNALED(status))
        return ending(CSP_SIGNAL, CSP_SIGNAL, WTERMSIG(status), mirrored(status));
    return ending(CSP_CODE, CSP_CODE, WEXITSTATUS(status), mirrored(status));
}

static void describe(struct ending *e, const struct facts *f)
{
    size_t size = sizeof e->why;
    if (f->cause == CAUSE_BAD || f->cause == CAUSE_LATE || f->cause == CAUSE_FAULT || killed_by_us(f))
        snprintf(e->why, size, "%s%s", f->cause == CAUSE_CUT ? "killed because " : "", f->why);
    else if (f->abandoned || (f->lost && e->how == CSP_CANCELLED))
        snprintf(e->why, size, "its output was given up");
    else if (f->unheard && e->how == CSP_CLEAN)
        snprintf(e->why, size, "its receivers ended");
    else if (WIFSIGNALED(f->status))
        snprintf(e->why, size, "killed by signal %d (%s)", WTERMSIG(f->status), strsignal(WTERMSIG(f->status)));
    else
        snprintf(e->why, size, "exit status %d", WEXITSTATUS(f->status));
}

struct ending ending_of(const struct facts *f)
{
    struct ending e = judge(f);
    describe(&e, f);
    return e;
}

const char *ending_how(int how)
{
    static const char *const names[] = {
        [CSP_CLEAN] = "clean", [CSP_CODE] = "code", [CSP_SIGNAL] = "signal", [CSP_CANCELLED] = "cancelled"};
    return names[how];
}
