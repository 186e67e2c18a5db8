/* SPDX-License-Identifier: MPL-2.0 */
/* What one value is on a pipe. Decision: a pipe's bytes are cut by its framing alone, and nothing is ever read into the
 * bytes of a value: NUL bytes and broken UTF-8 pass through `line`, newlines through `nul`.
 *
 *   line    ends with \n, which is no part of the value; the last one of a pipe may lack it
 *   nul     the same with \0
 *   length  4 bytes, most significant first: how many bytes follow
 *   whole   out of a program: all that it writes is one value, also nothing; into a program: values back to back */
#ifndef EXEC_FRAMING_H
#define EXEC_FRAMING_H

enum framing { FRAMING_LINE, FRAMING_NUL, FRAMING_LENGTH, FRAMING_WHOLE };

#define FRAMING_PREFIX 4 /* bytes before a value of FRAMING_LENGTH */

/* The framing of that name, or -1. */
int framing_by_name(const char *name);

/* The byte that ends a value, or -1 where none does. */
int framing_terminator(enum framing f);

#endif
