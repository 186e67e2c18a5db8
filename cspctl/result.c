/* SPDX-License-Identifier: MPL-2.0 */
/* The rules of result.h. Pure, so that the whole table of exit statuses can be tested without starting anything. */
#include "result.h"

#include <signal.h>
#include <sysexits.h>

int ending_status(csp_exit why)
{
    switch (why.how) {
    case CSP_CODE:
        return why.code & 255;
    case CSP_SIGNAL:
        return 128 + (why.code & 127);
    case CSP_DEADLINE:
        return STATUS_DEADLINE;
    default:
        return 0;
    }
}

csp_exit ending_of(const siginfo_t *info, const uint8_t success[32])
{
    if (info->si_code != CLD_EXITED)
        return (csp_exit){CSP_SIGNAL, info->si_status};
    int code = info->si_status & 255;
    return success[code / 8] >> code % 8 & 1 ? (csp_exit){CSP_CLEAN, 0} : (csp_exit){CSP_CODE, code};
}

bool ending_is_failure(const struct ending *e)
{
    if (e->ours)
        return false;
    if (e->why.how == CSP_SIGNAL)
        return e->why.code != SIGPIPE;
    return e->why.how == CSP_CODE;
}

uint64_t ending_lost(const struct ending *e)
{
    return e->why.how == CSP_SIGNAL && e->why.code == SIGPIPE ? 0 : e->lost;
}

void result_cause(struct result *r, enum cause cause, int code, const char *who)
{
    if (r->cause != CAUSE_NONE)
        return;
    r->cause = cause;
    r->code = code;
    r->who = who;
}

bool result_ended(struct result *r, const struct ending *e, const char *who)
{
    r->lost += ending_lost(e);
    r->cut |= e->why.how == CSP_CANCELLED && !e->ours;
    if (!ending_is_failure(e))
        return false;
    result_cause(r, CAUSE_FAILURE, ending_status(e->why), who);
    return true;
}

void result_restarted(struct result *r, const struct ending *e, bool unsure)
{
    r->lost += ending_lost(e);
    r->unsure += unsure;
}

int result_status(const struct result *r)
{
    switch (r->cause) {
    case CAUSE_FAILURE:
    case CAUSE_SYSTEM:
        return r->code;
    case CAUSE_SIGNAL:
        return 128 + r->code;
    case CAUSE_DEADLINE:
        return STATUS_DEADLINE;
    case CAUSE_DEADLOCK:
        return STATUS_DEADLOCK;
    case CAUSE_BROKER:
        return EX_UNAVAILABLE;
    default:
        return r->lost > 0 || r->given_up > 0 || r->kept > 0 || r->cut || r->unsure > 0 ? STATUS_LOST : 0;
    }
}
