/* SPDX-License-Identifier: MPL-2.0 */
/* "All" is written as FTS5's implicit AND, one phrase after another, because that form drops a phrase that has no token
 * in it; an explicit AND with such a phrase matches nothing. A quotation mark inside a word is doubled, as in SQL. */
#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

static int add(struct words *w, const char *start, size_t len)
{
    if (w->len == WORDS_MAX) {
        errno = E2BIG;
        return -1;
    }
    bool prefix = len > 1 && start[len - 1] == '*';
    char *text = strndup(start, prefix ? len - 1 : len);
    if (text == NULL)
        return -1;
    w->list[w->len++] = (struct word){.text = text, .prefix = prefix};
    return 0;
}

int words_parse(struct words *w, const char *line, size_t len)
{
    *w = (struct words){0};
    for (size_t i = 0; i < len;) {
        size_t start = i;
        while (i < len && !is_blank(line[i]))
            i++;
        if (i > start && add(w, line + start, i - start) != 0)
            return -1;
        while (i < len && is_blank(line[i]))
            i++;
    }
    return 0;
}

void words_remove(struct words *w, size_t i)
{
    free(w->list[i].text);
    memmove(&w->list[i], &w->list[i + 1], (--w->len - i) * sizeof w->list[0]);
}

char *words_match(const struct words *w, bool any)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < w->len; i++) {
        if (i > 0)
            fputs(any ? " OR " : " ", out);
        putc('"', out);
        for (const char *c = w->list[i].text; *c != '\0'; c++) {
            if (*c == '"')
                putc('"', out);
            putc(*c, out);
        }
        fputs(w->list[i].prefix ? "\"*" : "\"", out);
    }
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        errno = ENOMEM;
        return NULL;
    }
    return text;
}

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->len; i++)
        free(w->list[i].text);
    *w = (struct words){0};
}
