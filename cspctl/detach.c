/* SPDX-License-Identifier: MPL-2.0 */
/* One pipe tells it all: text before the 0 byte is what went wrong so far, the 0 byte is "up", the end without it is
 * the end of the run. */
#include "detach.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* Passes messages on until the run is up (true) or has ended (false). */
static bool wait_up(int fd)
{
    char text[4096];
    ssize_t n;

    while ((n = read(fd, text, sizeof text)) != 0) {
        if (n < 0 && errno != EINTR)
            return false;
        const char *end = n > 0 ? memchr(text, '\0', (size_t)n) : NULL;
        size_t size = end != NULL ? (size_t)(end - text) : n > 0 ? (size_t)n : 0;
        (void)fwrite(text, 1, size, stderr);
        if (end != NULL)
            return true;
    }
    return false;
}

static int foreground(const char *name, pid_t pid, int fd)
{
    int status;

    if (wait_up(fd)) {
        printf("%s %d\n", name, (int)pid);
        return 0;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EX_OSERR;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void background(int output, int fd, int *up)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)setsid();
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(output >= 0 ? output : null, STDOUT_FILENO);
    (void)dup2(output >= 0 ? output : null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
    if (output > STDERR_FILENO)
        close(output);
    *up = fd;
    message_copy(fd);
}

int detach(const char *name, const char *log, int *up)
{
    int end[2], output = -1;

    if (log != NULL && (output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666)) < 0) {
        message("%s: %s", log, strerror(errno));
        return EX_CANTCREAT;
    }
    pid_t pid = pipe2(end, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid < 0) {
        message("%s: cannot go to the background: %s", name, strerror(errno));
        if (output >= 0)
            close(output);
        return EX_OSERR;
    }
    if (pid == 0) {
        close(end[0]);
        background(output, end[1], up);
        return -1;
    }
    close(end[1]);
    if (output >= 0)
        close(output);
    int status = foreground(name, pid, end[0]);
    close(end[0]);
    return status;
}
