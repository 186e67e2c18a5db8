/* SPDX-License-Identifier: MPL-2.0 */
/* Reading requests strictly: what is not one is nobody's request, and must not come between a line and its answer. */
#include "request.h"

#include <stddef.h>
#include <string.h>

int request_read(const csp_msg *m, csp_time *by, const char **words, size_t *len)
{
    const char *p = m->data, *end = p + m->len;
    csp_time t = 0;
    if (p == end || *p < '0' || *p > '9')
        return -1;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(t, 10, &t) || __builtin_add_overflow(t, *p - '0', &t))
            return -1;
    if (p == end || *p != ' ' || memchr(p, '\n', (size_t)(end - p)) != NULL)
        return -1;
    *by = t;
    *words = p + 1;
    *len = (size_t)(end - p - 1);
    return 0;
}
