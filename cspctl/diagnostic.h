/* SPDX-License-Identifier: MPL-2.0 */
/* What is wrong with a file, collected so that all of it is told at once, in the order of the file.
 * A diagnostic names a place, says what is wrong there and, separately, what to write instead: the line and a caret are
 * added when it is printed, from the source that the diagnostics keep. */
#ifndef CSPCTL_DIAGNOSTIC_H
#define CSPCTL_DIAGNOSTIC_H

#include "pipeline.h"
#include "source.h"

#include <stdio.h>

#define DIAGNOSTICS_LIMIT 50 /* more are only counted: an alias can repeat one mistake a million times */

struct diagnostic {
    struct place at;
    bool warning;
    const char *message, *hint; /* hint: what to do, or NULL */
    size_t order;               /* of arrival, for those of one place */
};

struct diagnostics {
    struct source source;
    struct pool *pool;
    struct diagnostic item[DIAGNOSTICS_LIMIT];
    size_t n, errors, omitted;
};

/* Caller owns the result and must give it to diagnostics_free(). */
struct diagnostics *diagnostics_new(void);
void diagnostics_free(struct diagnostics *d);

/* How many errors (warnings not counted) there are. */
size_t diagnostics_errors(const struct diagnostics *d);

/* Whether more are only counted, so that it is not worth while to find words for them. */
bool diagnostics_full(const struct diagnostics *d);

/* Say that something is wrong. The same words at the same place are said once. The hint is copied. */
void diagnose(struct diagnostics *d, struct place at, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diagnose_warning(struct diagnostics *d, struct place at, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Text for messages and hints, owned by d: formatted, and what the file says in quotes, shortened and printable. */
const char *diagnostics_text(struct diagnostics *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *diagnostics_quote(struct diagnostics *d, const char *text);

/* The usual hint: did you mean `best`, or, where that is NULL, otherwise. */
const char *diagnostics_did_you_mean(struct diagnostics *d, const char *best, const char *otherwise);

/* Print everything, sorted by place. colour: see diagnostics_colour(). */
void diagnostics_print(struct diagnostics *d, FILE *to, bool colour);

/* The same as an object: {"file", "ok", "errors": [{"line", "column", "message", "hint"}], "warnings"}; line 0 is the
 * file. Caller owns the result (a json_t of jansson). */
struct json_t *diagnostics_json(struct diagnostics *d);

/* Colour is for a terminal, and not where NO_COLOR is set. */
bool diagnostics_colour(FILE *to);

#endif
