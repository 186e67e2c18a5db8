/* SPDX-License-Identifier: MPL-2.0 */
/* The line that is shown is what the user's terminal shows: tabs stay tabs under which the caret is moved by the same
 * tabs, wide characters count twice, bytes that a terminal might obey are replaced, and of a very long line only the
 * part around the place is shown. */
#include "diagnostic.h"
#include "pool.h"
#include "table.h"

#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define SHOWN_WHOLE  160 /* bytes of a line that is shown as it is */
#define SHOWN_BEFORE 60  /* characters of a longer one before the place, and bytes after it */
#define SHOWN_AFTER  60
#define QUOTED       60 /* bytes of a text from the file */

struct diagnostics *diagnostics_new(void)
{
    struct diagnostics *d = memory_alloc(sizeof *d);

    *d = (struct diagnostics){.pool = pool_new()};
    return d;
}

void diagnostics_free(struct diagnostics *d)
{
    if (!d)
        return;
    source_free(&d->source);
    pool_free(d->pool);
    free(d);
}

size_t diagnostics_errors(const struct diagnostics *d)
{
    return d->errors;
}

bool diagnostics_full(const struct diagnostics *d)
{
    return d->n == DIAGNOSTICS_LIMIT;
}

static void add(struct diagnostics *d, struct diagnostic new)
{
    if (new.at.line > d->source.nlines)
        new.at = source_place(&d->source, d->source.size);
    for (size_t i = 0; i < d->n; i++)
        if (d->item[i].at.line == new.at.line &&
            d->item[i].at.column == new.at.column &&strcmp(d->item[i].message, new.message) == 0)
            return;
    d->errors += !new.warning;
    if (diagnostics_full(d)) {
        d->omitted++;
        return;
    }
    if (new.hint)
        new.hint = pool_copy(d->pool, new.hint, strlen(new.hint));
    new.order = d->n;
    d->item[d->n++] = new;
}

void diagnose(struct diagnostics *d, struct place at, const char *hint, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(d, (struct diagnostic){.at = at, .hint = hint, .message = pool_vformat(d->pool, format, args)});
    va_end(args);
}

void diagnose_warning(struct diagnostics *d, struct place at, const char *hint, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(d,
        (struct diagnostic){.at = at, .warning = true, .hint = hint, .message = pool_vformat(d->pool, format, args)});
    va_end(args);
}

const char *diagnostics_text(struct diagnostics *d, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const char *text = pool_vformat(d->pool, format, args);
    va_end(args);
    return text;
}

/* The next character as it may be shown; returns its length in the source. */
static size_t show_character(const char *text, size_t size, const char **shown, size_t *length)
{
    uint32_t code = 0;
    size_t n = source_character(text, size, &code);

    *shown = text;
    *length = n;
    if (n == 0 || (!source_is_shown(code) && code != '\t')) {
        *shown = "?";
        *length = 1;
    }
    return n ? n : 1;
}

const char *diagnostics_quote(struct diagnostics *d, const char *text)
{
    char buf[QUOTED + 8];
    size_t size = strlen(text), used = 0;
    const char *shown;

    for (size_t i = 0, n; i < size; i += n) {
        size_t length;
        n = show_character(text + i, size - i, &shown, &length);
        if (used + length > QUOTED) {
            used += (size_t)snprintf(buf + used, sizeof buf - used, "...");
            break;
        }
        memcpy(buf + used, *shown == '\t' ? " " : shown, length);
        used += length;
    }
    return diagnostics_text(d, "\"%.*s\"", (int)used, buf);
}

const char *diagnostics_did_you_mean(struct diagnostics *d, const char *best, const char *otherwise)
{
    return best ? diagnostics_text(d, "did you mean %s?", diagnostics_quote(d, best)) : otherwise;
}

bool diagnostics_colour(FILE *to)
{
    const char *no = getenv("NO_COLOR");

    return (!no || !*no) && isatty(fileno(to));
}

static int by_place(const void *a, const void *b)
{
    const struct diagnostic *x = a, *y = b;

    if (x->at.line != y->at.line)
        return x->at.line < y->at.line ? -1 : 1;
    if (x->at.column != y->at.column)
        return x->at.column < y->at.column ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* Columns on a terminal. The tool runs in the C locale, which knows no wide characters, so ask another. */
static int width_of(const char *text, size_t size)
{
    static locale_t utf8;
    uint32_t code;

    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!utf8 || !source_character(text, size, &code))
        return 1;
    locale_t old = uselocale(utf8);
    int width = wcwidth((wchar_t)code);
    uselocale(old);
    return width < 0 ? 1 : width;
}

/* Where to begin so that at most so many characters are left out of sight. */
static size_t window_start(const char *line, size_t length, size_t caret)
{
    size_t start = length > SHOWN_WHOLE ? caret : 0;

    for (size_t n = 0; start > 0 && n < SHOWN_BEFORE; n++)
        do
            start--;
        while (start > 0 && ((unsigned char)line[start] & 0xc0) == 0x80);
    return start;
}

static void print_line(FILE *to, const char *line, size_t length, size_t caret)
{
    size_t start = window_start(line, length, caret);
    const char *shown;

    if (start)
        fputs("...", to);
    for (size_t i = start, n, size; i < length; i += n) {
        if (length > SHOWN_WHOLE && i >= caret + SHOWN_AFTER) {
            fputs("...", to);
            break;
        }
        n = show_character(line + i, length - i, &shown, &size);
        fwrite(shown, 1, size, to);
    }
    fputc('\n', to);
}

static void print_caret(FILE *to, const char *line, size_t length, size_t caret)
{
    size_t start = window_start(line, length, caret);
    const char *shown;

    fputs(start ? "   " : "", to);
    for (size_t i = start, n, size; i < caret; i += n) {
        n = show_character(line + i, caret - i, &shown, &size);
        if (*shown == '\t')
            fputc('\t', to);
        else
            fprintf(to, "%*s", width_of(shown, size), "");
    }
}

static void print_excerpt(const struct source *s, struct place at, FILE *to, bool colour)
{
    size_t length;
    const char *line = source_line(s, at.line, &length);
    size_t caret = source_offset(s, at) - (size_t)(line - s->text);

    fprintf(to, "%5u | ", at.line);
    print_line(to, line, length, caret);
    fputs("      | ", to);
    print_caret(to, line, length, caret);
    fputs(colour ? "\033[1;31m^\033[0m\n" : "^\n", to);
}

static void print_one(const struct diagnostics *d, const struct diagnostic *i, FILE *to, bool colour)
{
    const char *bold = colour ? "\033[1m" : "", *normal = colour ? "\033[0m" : "";

    fprintf(to, "%s%s", bold, d->source.path);
    if (i->at.line)
        fprintf(to, ":%u:%u", i->at.line, i->at.column);
    fprintf(to, ":%s %s%s\n", normal, i->warning ? "warning: " : "", i->message);
    if (i->at.line)
        print_excerpt(&d->source, i->at, to, colour);
    if (i->hint)
        fprintf(to, "      = %s\n", i->hint);
}

void diagnostics_print(struct diagnostics *d, FILE *to, bool colour)
{
    qsort(d->item, d->n, sizeof *d->item, by_place);
    for (size_t i = 0; i < d->n; i++)
        print_one(d, &d->item[i], to, colour);
    if (d->omitted)
        fprintf(to, "%s: and %zu more\n", d->source.path, d->omitted);
}

struct json_t *diagnostics_json(struct diagnostics *d)
{
    json_t *errors = json_array(), *warnings = json_array();
    char *path = table_printable(d->source.path, strlen(d->source.path));

    qsort(d->item, d->n, sizeof *d->item, by_place);
    for (size_t i = 0; i < d->n; i++) {
        const struct diagnostic *x = &d->item[i];
        json_array_append_new(x->warning ? warnings : errors,
                              json_pack("{s:i,s:i,s:s,s:s?}", "line", (int)x->at.line, "column", (int)x->at.column,
                                        "message", x->message, "hint", x->hint));
    }
    json_t *report = json_pack("{s:s,s:b,s:i,s:o,s:o}", "file", path, "ok", d->errors == 0, "omitted", (int)d->omitted,
                               "errors", errors, "warnings", warnings);
    free(path);
    return report;
}
