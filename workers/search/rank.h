/* SPDX-License-Identifier: MPL-2.0 */
/* The score of a row: how many of the words it has, and before the decimal point; behind it bm25, squeezed into [0, 1).
 * So rows with more of the words come first, and one number orders them all.
 * FTS5 has a bm25 of its own, but that reads every row of every word before it can score the first one, which is what a
 * search with a deadline cannot afford. Here the number of rows of a word is kept in the index when it is built. */
#ifndef SEARCH_RANK_H
#define SEARCH_RANK_H

#include "words.h"

#include <sqlite3.h>

struct rank {
    fts5_tokenizer tokenizer;
    Fts5Tokenizer *tokens;
    sqlite3_stmt *of_word, *of_prefix; /* how many rows have a word; one that begins so */
    double rows, average;              /* in the index; tokens in a row of it */
    double weight[WORDS_MAX];          /* of the words of the present search: inverse document frequency */
};

/* Makes `score(TABLE)` known to the FTS5 of db, with the weights in *r, which must stay where it is.
 * Returns an SQLite result code. */
int rank_init(struct rank *r, sqlite3 *db, double rows, double tokens);

/* Sets the weights for the words, and takes those words out that have no token (dots, dashes), for which nothing can be
 * found. Returns an SQLite result code. */
int rank_words(struct rank *r, struct words *w);

void rank_free(struct rank *r);

#endif
