/* SPDX-License-Identifier: MPL-2.0 */
/* Durations (80ms, 1m30s, 1.5h) and sizes (64KiB, 10MB, 512), read and written. */
#ifndef CSPCTL_UNIT_H
#define CSPCTL_UNIT_H

#include <stddef.h>
#include <stdint.h>

/* NULL and the value (nanoseconds, bytes, the number), or what is wrong with the text, as the end of a sentence that
 * begins with it: "has no unit". The result is static. */
const char *unit_duration(const char *text, int64_t *ns);
const char *unit_size(const char *text, int64_t *bytes);
const char *unit_count(const char *text, int64_t *count);

#define UNIT_TEXT 32 /* room that the following need */

/* In the largest unit that is exact ("64KiB", "1500ms"). Returns buf. */
char *unit_print_size(int64_t bytes, char buf[UNIT_TEXT]);
char *unit_print_duration(int64_t ns, char buf[UNIT_TEXT]);

/* A time that has passed, rounded, for people: "0.4s", "12s", "3m05s", "2h07m", "5d03h". Returns buf. */
char *unit_print_age(int64_t ns, char buf[UNIT_TEXT]);

/* A number of things, of which the noun says one: "1 value", "706 values", "2 processes". Returns buf. */
char *unit_print_number(uint64_t n, const char *noun, char buf[UNIT_TEXT]);

#endif
