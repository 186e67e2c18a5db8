/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker, and a bridge, tell on the pipe of who started them. Decision: not by dprintf(3), which needs memory:
 * that there is none is one of the things to be told. */
#include "tell.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int csp__tell(int fd, const char *format, ...)
{
    char line[PIPE_BUF]; /* up to so many bytes are written at once */
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : n < (int)sizeof line ? (size_t)n : sizeof line - 1;
    if (n >= (int)sizeof line)
        line[length - 1] = '\n'; /* cut, and a line all the same */
    ssize_t written;
    do
        written = write(fd, line, length);
    while (written < 0 && errno == EINTR);
    return written < 0 ? -1 : 0;
}
