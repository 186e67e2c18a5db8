/* SPDX-License-Identifier: MPL-2.0 */
#ifndef BROKER_NOTICE_H
#define BROKER_NOTICE_H

/* Writes one line to a pipe, whole or not at all, and without memory. 0, or -1 with errno. */
int notice(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
