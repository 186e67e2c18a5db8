/* SPDX-License-Identifier: MPL-2.0 */
/* The lines that a bridge writes on its report descriptor (workers/exec): `hold FD` and `release FD` of the inputs of
 * its program, `started PID`, `gone`, `error ERRNO text`, and at the end `ended HOW CODE LOST WHY...`. They are
 * believed over the bridge's exit status, which can't tell a program that failed from one that was cut off. */
#include "child.h"
#include "hold.h"
#include "message.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void read_ended(struct child *c, char *rest)
{
    static const char *const hows[] = {
        [CSP_CLEAN] = "clean", [CSP_CODE] = "code", [CSP_SIGNAL] = "signal", [CSP_CANCELLED] = "cancelled"};
    const char *how = strsep(&rest, " "), *code = strsep(&rest, " "), *lost = strsep(&rest, " ");

    if (lost == NULL)
        return;
    for (int i = CSP_CLEAN; i <= CSP_CANCELLED; i++)
        if (strcmp(how, hows[i]) == 0) {
            c->ending.why = (csp_exit){i, (int)strtol(code, NULL, 10)};
            c->reported = true;
        }
    c->ending.lost = strtoull(lost, NULL, 10);
    (void)snprintf(c->why, sizeof c->why, "%s", rest != NULL ? rest : "");
}

/* Once for each replica. */
static void say_silent(struct child *c, const char *values)
{
    char number[UNIT_TEXT];

    if (c->said_silent)
        return;
    c->said_silent = true;
    message("%s: hint: it has read %s, waits for more, and has written nothing: if some output is missing, it is "
            "in a buffer of the program: write stdbuf -oL before it, or use an option of its own (grep "
            "--line-buffered, sed -u, python -u)",
            c->label, unit_print_number(strtoull(values, NULL, 10), "value", number));
}

void child_report_line(struct child *c, char *line)
{
    char *rest = line;
    const char *what = strsep(&rest, " ");

    if (rest != NULL && strcmp(what, "error") == 0) {
        c->start_error = (int)strtol(rest, &rest, 10);
        (void)snprintf(c->why, sizeof c->why, "%s", rest + (*rest == ' '));
    } else if (rest != NULL && strcmp(what, "started") == 0)
        c->program = (pid_t)strtol(rest, NULL, 10);
    else if (rest != NULL && strcmp(what, "silent") == 0)
        say_silent(c, rest);
    else if (strcmp(what, "gone") == 0)
        c->gone = true;
    else if (strcmp(what, "ready") == 0)
        c->spotted = true;
    else if (rest != NULL && strcmp(what, "hold") == 0) {
        hold_add(&c->hold, (int)strtol(rest, NULL, 10), c->given);
        c->given = -1;
    } else if (rest != NULL && strcmp(what, "release") == 0)
        hold_release(c->hold, (int)strtol(rest, NULL, 10));
    else if (rest != NULL && strcmp(what, "ended") == 0)
        read_ended(c, rest);
}

/* As read(2), and takes the descriptor that comes with what is read: at most one, for a read ends behind it. */
static ssize_t read_some(struct child *c)
{
    struct iovec text = {.iov_base = c->line + c->held, .iov_len = sizeof c->line - 1 - c->held};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(c->report, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *got = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

    if (got != NULL && got->cmsg_type == SCM_RIGHTS)
        memcpy(&c->given, CMSG_DATA(got), sizeof c->given);
    return n;
}

/* Takes the whole lines out of what is held. A line that does not fit is not one of ours, and is dropped. */
static void take_lines(struct child *c)
{
    char *line = c->line, *end;

    c->line[c->held] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        child_report_line(c, line);
        line = end + 1;
    }
    c->held = strlen(line);
    memmove(c->line, line, c->held + 1);
    if (c->held == sizeof c->line - 1)
        c->held = 0;
}

void child_close_report(struct child *c, int epoll)
{
    if (c->report < 0)
        return;
    (void)epoll_ctl(epoll, EPOLL_CTL_DEL, c->report, NULL); /* closing may not do: see source_end in log.c */
    close(c->report);
    c->report = -1;
}

void child_read_report(struct child *c, int epoll)
{
    while (c->report >= 0) {
        ssize_t n = read_some(c);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            child_close_report(c, epoll);
            return;
        }
        c->held += (size_t)n;
        take_lines(c);
    }
}
