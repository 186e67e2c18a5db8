/* SPDX-License-Identifier: MPL-2.0 */
/* What is wrong with a file, collected so that all of it is told at once, in the order of the file.
 * A diagnostic names a place, says what is wrong there and, separately, what to write instead: the line and a caret are
 * added when it is printed, from the source that the diagnostics keep. */
#ifndef CSPCTL_DIAGNOSTIC_H
#define CSPCTL_DIAGNOSTIC_H

#include "pipeline.h"

#include <stdio.h>

/* Caller owns the result and must give it to diagnostics_free(). */
struct diagnostics *diagnostics_new(void);
void diagnostics_free(struct diagnostics *d);

/* How many errors (warnings not counted) there are. */
size_t diagnostics_errors(const struct diagnostics *d);

/* Print everything, sorted by place. colour: see diagnostics_colour(). */
void diagnostics_print(struct diagnostics *d, FILE *to, bool colour);

/* Colour is for a terminal, and not where NO_COLOR is set. */
bool diagnostics_colour(FILE *to);

#endif
