/* SPDX-License-Identifier: MPL-2.0 */
/* Bytes from one source made into whole lines, so that several sources can share one output.
 * A log line has a prefix, and is cut into marked pieces where it is longer than LINES_LIMIT: memory is bounded, and a
 * program that writes no newline can't hold back what it says. Data is never cut: from LINES_LIMIT on, the source keeps
 * the output to itself until its line has ended (`open`), and whoever reads the others lets them wait. */
#ifndef CSPCTL_LINES_H
#define CSPCTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINES_LIMIT 8192  /* bytes of a line held back, without the prefix */
#define LINES_MORE  "[+]" /* ends a piece of a log line that goes on in the next */

struct lines {
    const char *prefix; /* "" for none; not owned */
    bool data;          /* pass lines on as they are, never cut */
    bool open;          /* data: what was written last is the beginning of a line */
    size_t held;
    char line[LINES_LIMIT];
};

/* Where whole lines go. Called with some whole lines, or (data only) with a part of one while `open`. */
typedef void lines_write(void *arg, const char *text, size_t size);

void lines_feed(struct lines *l, const char *text, size_t size, lines_write *out, void *arg);

/* The source has ended: what is left is a line, with a newline even where it had none. */
void lines_end(struct lines *l, lines_write *out, void *arg);

#endif
