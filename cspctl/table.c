/* SPDX-License-Identifier: MPL-2.0 */
/* Width is counted in terminal cells with wcwidth(3) in the C.UTF-8 locale, whatever the caller's locale is: what is
 * shown is always UTF-8, and the widths would be those of another encoding. */
#include "table.h"
#include "pool.h"
#include "source.h"

#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define REPLACEMENT "\xef\xbf\xbd"

struct table {
    const struct column *columns;
    size_t ncolumns, ncells;
    char **cells;
    struct pool *pool;
};

char *table_printable(const char *text, size_t size)
{
    char *shown = memory_alloc(size * strlen(REPLACEMENT) + 1), *to = shown;
    uint32_t code;

    for (size_t i = 0, n; i < size; i += n) {
        n = source_character(text + i, size - i, &code);
        if (n > 0 && source_is_shown(code)) {
            to = mempcpy(to, text + i, n);
            continue;
        }
        to = mempcpy(to, REPLACEMENT, strlen(REPLACEMENT));
        if (n == 0)
            n = 1;
    }
    *to = '\0';
    return shown;
}

struct table *table_new(const struct column *columns, size_t n)
{
    struct pool *pool = pool_new();
    struct table *t = pool_zalloc(pool, sizeof *t);

    *t = (struct table){.columns = columns, .ncolumns = n, .pool = pool};
    return t;
}

void table_free(struct table *t)
{
    if (t != NULL)
        pool_free(t->pool);
}

void table_cell(struct table *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = pool_vformat(t->pool, format, args);
    va_end(args);
    char *shown = table_printable(text, strlen(text));
    t->cells = pool_more(t->pool, t->cells, t->ncells, sizeof *t->cells);
    t->cells[t->ncells++] = pool_copy(t->pool, shown, strlen(shown));
    free(shown);
}

static size_t width(const char *text, size_t size)
{
    size_t cells = 0;
    uint32_t code;

    for (size_t i = 0, n; i < size; i += n) {
        n = source_character(text + i, size - i, &code);
        int w = n > 0 ? wcwidth((wchar_t)code) : 1;
        cells += w < 0 ? 1 : (size_t)w;
        if (n == 0)
            n = 1;
    }
    return cells;
}

static void print_cell(const struct table *t, FILE *to, size_t column, const char *text, size_t wide)
{
    size_t own = width(text, strlen(text));
    int gap = wide > own ? (int)(wide - own) : 0;
    int last = column + 1 == t->ncolumns;

    if (t->columns[column].kind == COLUMN_NUMBER)
        (void)fprintf(to, "%*s%s%s", gap, "", text, last ? "\n" : "  ");
    else
        (void)fprintf(to, "%s%*s%s", text, last ? 0 : gap, "", last ? "\n" : "  ");
}

static void print_rows(const struct table *t, FILE *to, int titles)
{
    size_t *wide = memory_alloc(t->ncolumns * sizeof *wide);

    for (size_t c = 0; c < t->ncolumns; c++) {
        wide[c] = titles ? strlen(t->columns[c].title) : 0;
        for (size_t i = c; i < t->ncells; i += t->ncolumns) {
            size_t w = width(t->cells[i], strlen(t->cells[i]));
            wide[c] = w > wide[c] ? w : wide[c];
        }
    }
    for (size_t c = 0; titles && c < t->ncolumns; c++)
        print_cell(t, to, c, t->columns[c].title, wide[c]);
    for (size_t i = 0, c = 0; i < t->ncells; i++, c = c + 1 < t->ncolumns ? c + 1 : 0)
        print_cell(t, to, c, t->cells[i], wide[c]);
    free(wide);
}

int table_print(struct table *t, FILE *to, int titles)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t old = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;

    print_rows(t, to, titles);
    if (utf8 != (locale_t)0) {
        uselocale(old);
        freelocale(utf8);
    }
    return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}
