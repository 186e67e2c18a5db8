/* SPDX-License-Identifier: MPL-2.0 */
/* The text of a pipeline file, known to be text: read within a limit and checked to be UTF-8 without control characters
 * before any parser sees it, so that "not a text file" has a place and a sentence of its own. */
#ifndef CSPCTL_SOURCE_H
#define CSPCTL_SOURCE_H

#include "pipeline.h"

#define SOURCE_LIMIT (1 << 20) /* bytes of a file */
#define SOURCE_BLOCK 128

struct line {
    size_t start, end; /* bytes, without what ends it */
};

struct source {
    const char *path;
    char *text; /* without a byte order mark */
    size_t size;
    struct line *lines; /* they end as YAML 1.1 says */
    size_t nlines;
    uint32_t *characters; /* how many begin before each SOURCE_BLOCK bytes */
};

/* Read d's file. False if there is something wrong, which is then among d's errors. */
bool source_load(struct diagnostics *d, const char *path);
void source_free(struct source *s);

/* Byte offset of a place; a column beyond the line gives the line's end. */
size_t source_offset(const struct source *s, struct place at);
/* The line that an offset is in, and the character of it. */
struct place source_place(const struct source *s, size_t offset);
/* Bytes of the line (from 1) without its end. */
const char *source_line(const struct source *s, unsigned line, size_t *length);

/* One character of UTF-8: its length in bytes and its code, or 0 if the bytes are none. */
size_t source_character(const char *text, size_t size, uint32_t *code);

/* Whether a character may be shown: it neither controls a terminal nor turns the direction of the text around it. */
bool source_is_shown(uint32_t code);

#endif
