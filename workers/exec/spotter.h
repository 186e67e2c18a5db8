/* SPDX-License-Identifier: MPL-2.0 */
/* Finds the first line of a program's output that matches. Decision: it sees the bytes as they pass, whatever becomes
 * of them, so that a value of a channel and a line of the log are looked at alike; of a longer line it knows the
 * beginning. For the bridge and for cspctl. Pure: no descriptor is touched here. */
#ifndef EXEC_SPOTTER_H
#define EXEC_SPOTTER_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#define SPOTTER_LINE 4096 /* bytes of a line that are looked at */

struct spotter {
    const regex_t *regex; /* NULL: it looks for nothing, or has found it */
    size_t held;
    char line[SPOTTER_LINE + 1];
};

/* POSIX extended. 0, or -1 after writing into text what is wrong with it. */
int spotter_compile(regex_t *regex, const char *pattern, char *text, size_t size);

/* The regex is not owned. */
void spotter_begin(struct spotter *s, const regex_t *regex);

/* True: a line has ended among these bytes that matches, and is the first one. */
bool spotter_feed(struct spotter *s, const char *bytes, size_t n);

#endif
