/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CSP__POLLING_H
#define CSP__POLLING_H

#include "csp.h"

#include <poll.h>

/* Waits until one of the n descriptors is ready, or `by` has come; CSP_NOW, or a time that has passed, is a look. How
 * many are ready, 0 where none was in time, -1 with errno, which is never EINTR. */
int csp__poll(struct pollfd *polls, nfds_t n, csp_time by);

/* The same for one descriptor that is to be readable, as a pidfd is whose process has ended: 1, 0 or -1. */
int csp__poll_in(int fd, csp_time by);

#endif
