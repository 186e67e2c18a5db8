/* SPDX-License-Identifier: MPL-2.0 */
/* What a failing call leaves for csp_errmsg. */
#ifndef CSP_ERROR_H
#define CSP_ERROR_H

#include "csp.h"

/* Sets errno to err and notes what was asked ("send", a string that stays) of which channel (0: of none). Returns -1;
 * nothing is formatted before csp_errmsg asks. */
int csp__fail(int err, const char *what, csp_chan c);

/* The same with a sentence of its own. */
int csp__failf(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
