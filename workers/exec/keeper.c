/* SPDX-License-Identifier: MPL-2.0 */
/* What is given is in the keeper's queue as soon as it was sent, so it is kept whenever the bridge dies. */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void say(int report, const char *verb, int fd, void *control, size_t size)
{
    char line[32];
    struct iovec text = {.iov_base = line};
    text.iov_len = (size_t)snprintf(line, sizeof line, "%s %d\n", verb, fd);
    const struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = control, .msg_controllen = size};
    while (sendmsg(report, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

void keeper_hold(int report, int fd, int end)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof end);
    memcpy(CMSG_DATA(&control.head), &end, sizeof end);
    say(report, "hold", fd, &control, sizeof control);
}

void keeper_release(int report, int fd)
{
    say(report, "release", fd, NULL, 0);
}
