/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CSP_TELL_H
#define CSP_TELL_H

/* Writes one line to a pipe, whole or not at all, and without memory. 0, or -1 with errno. */
int csp__tell(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
