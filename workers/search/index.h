/* SPDX-License-Identifier: MPL-2.0 */
/* An index: an SQLite file of rows, each a title and a source, searched by words until a deadline.
 *
 * Layout. The rows are cut into chunks of INDEX_CHUNK rows, each an FTS5 table of its own (chunk0, chunk1, ...),
 * because some steps of FTS5 cannot be interrupted (a prefix is merged whole before its first row comes; two frequent
 * words that never meet are walked to their end): a chunk bounds how long such a step takes, so something is found by
 * any deadline. Row n of the index is row n of table `entries`, which has the text (FTS5's own copy would cost more:
 * the part of a source up to its last slash is the same in neighbours, and is kept once, in `places`). `words` has the
 * frequencies. */
#ifndef SEARCH_INDEX_H
#define SEARCH_INDEX_H

#include "heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_APPLICATION 0x43535049 /* "CSPI", SQLite's application_id of an index */
#define INDEX_VERSION     1          /* its user_version */
#define INDEX_CHUNK       65536      /* rows; see docs/search.md for the measurement */
#define INDEX_RARE        4          /* a word that fewer rows of every chunk have is not in `words` */
/* + is part of a word: c++ is not c. */
#define INDEX_TOKENIZER "unicode61 remove_diacritics 2 tokenchars ''+''"
#define INDEX_TOKENIZER_OPTIONS                                                                                        \
    {                                                                                                                  \
        "remove_diacritics", "2", "tokenchars", "+"                                                                    \
    }

struct index;

/* Opens an index for searching, and reads what every search needs. Returns it, or NULL: then *why is a sentence, to be
 * freed by the caller (NULL: no memory). */
struct index *index_open(const char *path, char **why);

/* Searches for rows with all of the words, and if none is found for rows with some of them; ends at `stop`, an absolute
 * time. The best rows are put into *best, best first. *partial says that time ran out.
 * Returns 0, or -1: index_error tells why. */
int index_search(struct index *x, const char *words, size_t len, int64_t stop, struct heap *best, bool *partial);

/* The text of a row: pointers into the index, valid until the next call. Returns 0, or -1: index_error tells why. */
struct entry {
    const char *title, *place, *name; /* the source is place, then name */
    size_t title_len, place_len, name_len;
};
int index_entry(struct index *x, int64_t row, struct entry *e);

/* The last error in words; valid until the next call. */
const char *index_error(const struct index *x);

void index_close(struct index *x);

#endif
