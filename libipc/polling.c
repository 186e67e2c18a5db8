/* SPDX-License-Identifier: MPL-2.0 */
/* A wait for descriptors. Decision: a signal neither ends it nor makes it longer, and this is said here alone: a look
 * that does not wait can be interrupted too (Linux asks for signals before it asks for the time), and who
 * forgets that takes a signal for a death. */
#include "polling.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#define NS 1000000000

int csp__poll(struct pollfd *polls, nfds_t n, csp_time by)
{
    int ready;
    do {
        csp_time left = by == CSP_FOREVER || by == CSP_NOW ? 0 : by - csp_now();
        left = left > 0 ? left : 0;
        struct timespec limit = {.tv_sec = left / NS, .tv_nsec = left % NS};
        ready = ppoll(polls, n, by == CSP_FOREVER ? NULL : &limit, NULL);
    } while (ready < 0 && errno == EINTR);
    return ready;
}

int csp__poll_in(int fd, csp_time by)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return csp__poll(&one, 1, by);
}
