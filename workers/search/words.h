/* SPDX-License-Identifier: MPL-2.0 */
/* The words of a request, as FTS5 must see them. A user types c++, foo-bar or AND and means these very words; FTS5
 * reads operators and syntax errors. So every word is quoted, and the only operator is a * at the end of a word: all
 * that begins so. */
#ifndef SEARCH_WORDS_H
#define SEARCH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 32

struct word {
    char *text; /* without the * */
    bool prefix;
};

struct words {
    struct word list[WORDS_MAX];
    size_t len;
};

/* Splits a line at blanks and control characters. Returns 0, also with no word at all, or -1: ENOMEM, E2BIG (more than
 * WORDS_MAX). Free with words_free, also after an error. */
int words_parse(struct words *w, const char *line, size_t len);

/* Takes word i out. */
void words_remove(struct words *w, size_t i);

/* The MATCH expression for rows with all the words, or with any of them. Returns it, to be freed by the caller, or
 * NULL: ENOMEM. */
char *words_match(const struct words *w, bool any);

void words_free(struct words *w);

#endif
