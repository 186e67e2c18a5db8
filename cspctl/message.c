/* SPDX-License-Identifier: MPL-2.0 */
/* A message is one write(2): shorter than PIPE_BUF, it is whole whoever else writes. */
#include "message.h"
#include "log.h"

#include <polling.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEGIN        "cspctl: "
#define MESSAGE_WAIT 5000 /* ms that stderr may be full */

static int route = -1, copy = -1;

int message_open(struct log *log)
{
    route = log_source(log, "");
    return route < 0 ? -1 : fcntl(route, F_SETFL, O_NONBLOCK);
}

void message_close(void)
{
    if (route >= 0)
        close(route);
    route = -1;
}

void message_copy(int fd)
{
    copy = fd;
}

static void deliver(const char *text, size_t size)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n;

    if (copy >= 0)
        do
            n = write(copy, text, size);
        while (n < 0 && errno == EINTR);
    if (route < 0 && csp__poll(&p, 1, csp_in(MESSAGE_WAIT)) != 1)
        return;
    do
        n = write(route >= 0 ? route : STDERR_FILENO, text, size);
    while (n < 0 && errno == EINTR); /* full or gone: nobody to tell */
}

void message(const char *format, ...)
{
    char text[MESSAGE_LIMIT] = BEGIN;
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): seen only when clang-tidy is given several files */
    int more = vsnprintf(text + strlen(BEGIN), sizeof text - strlen(BEGIN), format, args);
    va_end(args);
    if (more < 0)
        return;
    size_t n = strlen(text);
    if (n == sizeof text - 1)
        n--;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            text[i] = '?';
    text[n++] = '\n';
    deliver(text, n);
}
