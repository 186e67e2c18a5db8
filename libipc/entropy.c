/* SPDX-License-Identifier: MPL-2.0 */
/* Random bytes of the kernel. Up to 256 of them come at once, but for a signal early in a machine's life. */
#include "entropy.h"

#include <errno.h>
#include <sys/random.h>

int csp__entropy(void *p, size_t n)
{
    ssize_t got;
    do
        got = getrandom(p, n, 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)n ? 0 : -1;
}
