/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CSP_ENTROPY_H
#define CSP_ENTROPY_H

#include <stddef.h>

/* Fills p with n random bytes, 256 at most. Returns 0, or -1 with errno. */
int csp__entropy(void *p, size_t n);

#endif
