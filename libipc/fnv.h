/* SPDX-License-Identifier: MPL-2.0 */
/* FNV-1a in 64 bits. Decision: it tells apart what nobody chose in order to collide, such as names and payloads of
 * one's own run, and is a line; where a stranger could choose, it is no protection. */
#ifndef CSP_FNV_H
#define CSP_FNV_H

#include <stddef.h>
#include <stdint.h>

#define CSP__FNV_START UINT64_C(14695981039346656037)

/* Goes on with what h is of. */
static inline uint64_t csp__fnv(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ at[i]) * UINT64_C(1099511628211);
    return h;
}

#endif
