/* SPDX-License-Identifier: MPL-2.0 */
/* Where the programs of this house stand: the broker and the workers. */
#ifndef CSP_PROGRAMS_H
#define CSP_PROGRAMS_H

#include <stddef.h>

/* The path of a broker or worker program: $CSP_LIBEXEC, then beside the running program and the library
 * (libexec/csp, ../libexec/csp), then where this library was installed to. 0, or -1: ENOENT, ENAMETOOLONG. */
int csp__program_path(const char *name, char *path, size_t size);

/* The path of the cspctl that belongs to those programs. 0, or -1: ENOENT, ENAMETOOLONG. */
int csp__cspctl_path(char *path, size_t size);

#endif
