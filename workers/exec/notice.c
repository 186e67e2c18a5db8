/* SPDX-License-Identifier: MPL-2.0 */
/* Notices are smaller than PIPE_BUF: a write of one is whole or not at all, whichever thread writes. */
#include "notice.h"

#include "run.h"

#include "csp.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

_Static_assert(sizeof(struct notice) <= PIPE_BUF, "a notice is written whole");

void notice_post(const struct joint *j, enum notice_kind kind, int code, const char *format, ...)
{
    struct notice n = {.kind = kind, .code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(n.text, sizeof n.text, format, args);
    va_end(args);
    while (write(j->notices, &n, sizeof n) < 0 && errno == EINTR)
        ;
}

void notice_fault(const struct joint *j, const char *what, const char *name)
{
    int code = errno;
    notice_post(j, code == ECANCELED ? NOTICE_CANCELLED : NOTICE_FAULT, code, "cannot %s %s: %s", what, name,
                csp_errmsg());
}

int joint_wait(const struct joint *j, int fd, short events)
{
    struct pollfd p[] = {
        {.fd = fd, .events = events}, {.fd = j->halt, .events = POLLIN}, {.fd = csp__fd(), .events = POLLIN}};
    for (;;) {
        (void)csp__cancelled();
        int n = poll(p, 3, -1);
        if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM)
            return 0;
        if (n > 0 && (p[0].revents != 0 || p[1].revents != 0))
            return p[0].revents != 0;
    }
}
