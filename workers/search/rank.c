/* SPDX-License-Identifier: MPL-2.0 */
/* bm25 with a title that counts TITLE times as much as a source; the formula is Robertson's with Lucene's inverse
 * document frequency, which is never negative. The frequencies come from the table `words`, which has the words that
 * are frequent in some part of the index: of a rare word it is enough to know that it is rare. */
#include "rank.h"
#include "index.h"

#include <math.h>
#include <string.h>

#define K1      1.2
#define B       0.75
#define TITLE   4.0
#define SQUEEZE 10.0 /* the bm25 that gives half a point */

static void score(const Fts5ExtensionApi *api, Fts5Context *row, sqlite3_context *result, int nargs,
                  sqlite3_value **args)
{
    (void)nargs;
    (void)args;
    const struct rank *r = api->xUserData(row);
    double frequency[WORDS_MAX] = {0};
    int instances = 0;
    int length = 0;
    int rc = api->xInstCount(row, &instances);
    for (int i = 0; rc == SQLITE_OK && i < instances; i++) {
        int phrase = 0;
        int column = 0;
        int offset = 0;
        rc = api->xInst(row, i, &phrase, &column, &offset);
        if (rc == SQLITE_OK && phrase >= 0 && phrase < WORDS_MAX)
            frequency[phrase] += column == 0 ? TITLE : 1.0;
    }
    if (rc == SQLITE_OK)
        rc = api->xColumnSize(row, -1, &length);
    if (rc != SQLITE_OK) {
        sqlite3_result_error_code(result, rc);
        return;
    }
    double sum = 0;
    double found = 0;
    double normal = K1 * (1 - B + B * length / r->average);
    for (size_t i = 0; i < WORDS_MAX; i++) {
        if (frequency[i] > 0) {
            found++;
            sum += r->weight[i] * frequency[i] * (K1 + 1) / (frequency[i] + normal);
        }
    }
    sqlite3_result_double(result, found + sum / (sum + SQUEEZE));
}

static int fts5_of(sqlite3 *db, fts5_api **api)
{
    sqlite3_stmt *s = NULL;
    *api = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &s, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_pointer(s, 1, (void *)api, "fts5_api_ptr", NULL);
    sqlite3_step(s);
    rc = sqlite3_finalize(s);
    return rc == SQLITE_OK && *api == NULL ? SQLITE_ERROR : rc;
}

int rank_init(struct rank *r, sqlite3 *db, double rows, double tokens)
{
    *r = (struct rank){.rows = rows, .average = rows > 0 ? tokens / rows : 1};
    fts5_api *api;
    void *data = NULL;
    int rc = fts5_of(db, &api);
    if (rc == SQLITE_OK)
        rc = api->xCreateFunction(api, "score", r, score, NULL);
    if (rc == SQLITE_OK)
        rc = api->xFindTokenizer(api, "unicode61", &data, &r->tokenizer);
    const char *options[] = INDEX_TOKENIZER_OPTIONS;
    if (rc == SQLITE_OK)
        rc = r->tokenizer.xCreate(data, options, sizeof options / sizeof options[0], &r->tokens);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(db, "SELECT rows FROM words WHERE word = ?1", -1, SQLITE_PREPARE_PERSISTENT,
                                &r->of_word, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(db, "SELECT sum(rows) FROM words WHERE word >= ?1 AND word < ?1 || char(0x10ffff)", -1,
                                SQLITE_PREPARE_PERSISTENT, &r->of_prefix, NULL);
    return rc;
}

static int rows_of(sqlite3_stmt *s, const char *token, int len, double *rows)
{
    sqlite3_bind_text(s, 1, token, len, SQLITE_STATIC);
    *rows = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_double(s, 0) : 0;
    return sqlite3_reset(s);
}

/* What the tokenizer's callbacks add up for one word: a phrase is at most as frequent as the rarest of its tokens. */
struct tally {
    struct rank *rank;
    int tokens;
    double rows;
};

static int whole_token(void *arg, int flags, const char *token, int len, int start, int end)
{
    (void)flags;
    (void)start;
    (void)end;
    struct tally *t = arg;
    double rows;
    int rc = rows_of(t->rank->of_word, token, len, &rows);
    t->rows = t->tokens++ == 0 ? rows : fmin(t->rows, rows);
    return rc;
}

/* Of a word with a * only the last token is a prefix, and nearly all have one token: taken for all of them it is an
 * estimate that is too high. */
static int prefix_token(void *arg, int flags, const char *token, int len, int start, int end)
{
    (void)flags;
    (void)start;
    (void)end;
    struct tally *t = arg;
    double rows;
    int rc = rows_of(t->rank->of_prefix, token, len, &rows);
    t->rows = t->tokens++ == 0 ? rows : fmin(t->rows, rows);
    return rc;
}

int rank_words(struct rank *r, struct words *w)
{
    for (size_t i = 0; i < w->len;) {
        const struct word *word = &w->list[i];
        struct tally t = {.rank = r};
        int flags = FTS5_TOKENIZE_QUERY | (word->prefix ? FTS5_TOKENIZE_PREFIX : 0);
        int rc = r->tokenizer.xTokenize(r->tokens, &t, flags, word->text, (int)strlen(word->text),
                                        word->prefix ? prefix_token : whole_token);
        if (rc != SQLITE_OK)
            return rc;
        if (t.tokens == 0) {
            words_remove(w, i);
            continue;
        }
        double n = fmin(fmax(t.rows, INDEX_RARE), r->rows);
        r->weight[i++] = log1p((r->rows - n + 0.5) / (n + 0.5));
    }
    return SQLITE_OK;
}

void rank_free(struct rank *r)
{
    sqlite3_finalize(r->of_word);
    sqlite3_finalize(r->of_prefix);
    if (r->tokens != NULL)
        r->tokenizer.xDelete(r->tokens);
    *r = (struct rank){0};
}
