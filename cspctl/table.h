/* SPDX-License-Identifier: MPL-2.0 */
/* A table for people: columns as wide as their widest cell, numbers to the right.
 * Cells are shown, not passed on: control characters and bytes that are no UTF-8 become a replacement character, so
 * that no title, name or value can drive the reader's terminal. */
#ifndef CSPCTL_TABLE_H
#define CSPCTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct column {
    const char *title;
    enum { COLUMN_TEXT, COLUMN_NUMBER } kind;
};

/* Caller owns the result and must give it to table_free(). columns must outlive it. */
struct table *table_new(const struct column *columns, size_t n);
void table_free(struct table *t);

/* The next cell, row by row. It is copied. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* With a line of titles, or without. Returns 0, or -1 with errno where the output failed. */
int table_print(struct table *t, FILE *to, int titles);

/* Text as it may be shown on a terminal. Caller owns the result and frees it. */
char *table_printable(const char *text, size_t size);

#endif
