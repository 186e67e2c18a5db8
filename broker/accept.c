/* SPDX-License-Identifier: MPL-2.0 */
/* libzmq 4.3.4 ends the program (SIGABRT) when accepting a connection on ipc fails with EMFILE or for want of memory.
 * Decision: its accept4 is ours: such an error is reported as ECONNABORTED, which libzmq takes as it should; and so is
 * a connection whose descriptor is too near to the limit, which is closed at once: the caller's library connects again.
 * The kernel gives the lowest free number, so the number itself tells how many there are, without a count that two
 * threads would share. */
#include "accept.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
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
    if (accepted < 0 ? errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS : accepted < limit)
        return accepted;
    if (accepted >= 0)
        close(accepted);
    else /* the connection waits, and libzmq asks again at once */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    errno = ECONNABORTED;
    return -1;
}
