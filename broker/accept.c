/* SPDX-License-Identifier: MPL-2.0 */
/* libzmq 4.3.4 ends the program (SIGABRT) when accepting a connection on ipc fails with EMFILE. Decision: its accept4
 * is ours: a connection whose descriptor is too near to the limit is closed at once and reported as ECONNABORTED, which
 * libzmq takes as it should; the caller's library connects again. The kernel gives the lowest free number, so the
 * number itself tells how many there are, without a count that two threads would share. */
#include "accept.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int limit = 1 << 30;

void accept_limit(int descriptors)
{
    limit = descriptors;
}

__attribute__((visibility("default"))) int accept4(int fd, struct sockaddr *restrict address,
                                                   socklen_t *restrict length, int flags)
{
    int accepted = (int)syscall(SYS_accept4, fd, address, length, flags);
    if (accepted < limit)
        return accepted;
    close(accepted);
    errno = ECONNABORTED;
    return -1;
}
