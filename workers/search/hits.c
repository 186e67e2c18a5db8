/* SPDX-License-Identifier: MPL-2.0 */
/* JSON is UTF-8, and names of files are any bytes: a byte that is no part of a character becomes U+FFFD, so that an odd
 * name never costs the answer. */
#include "hits.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The length of the UTF-8 character at s, at most len; 0: there is none. */
static size_t character(const unsigned char *s, size_t len)
{
    static const struct {
        unsigned char mask, lead, length, first_low, first_high;
    } forms[] = {
        {0x80, 0x00, 1, 0, 0},       {0xff, 0xe0, 3, 0xa0, 0xbf}, {0xff, 0xed, 3, 0x80, 0x9f},
        {0xf0, 0xe0, 3, 0x80, 0xbf}, {0xff, 0xf0, 4, 0x90, 0xbf}, {0xff, 0xf4, 4, 0x80, 0x8f},
        {0xfc, 0xf0, 4, 0x80, 0xbf}, {0xe0, 0xc0, 2, 0x80, 0xbf},
    };
    if (s[0] == 0xc0 || s[0] == 0xc1)
        return 0;
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        if ((s[0] & forms[f].mask) != forms[f].lead)
            continue;
        size_t n = forms[f].length;
        if (n > len || (n > 1 && (s[1] < forms[f].first_low || s[1] > forms[f].first_high)))
            return 0;
        for (size_t i = 2; i < n; i++)
            if ((s[i] & 0xc0) != 0x80)
                return 0;
        return n;
    }
    return 0;
}

/* The text a followed by the text b. */
static json_t *text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len + b_len;
    unsigned char *joined = malloc(len + 1);
    char *clean = malloc(3 * len + 1);
    json_t *json = NULL;
    if (joined != NULL && clean != NULL) {
        memcpy(joined, a, a_len);
        memcpy(joined + a_len, b, b_len);
        size_t out = 0;
        for (size_t i = 0; i < len;) {
            size_t n = character(joined + i, len - i);
            memcpy(clean + out, n > 0 ? (const char *)joined + i : "\xef\xbf\xbd", n > 0 ? n : 3);
            out += n > 0 ? n : 3;
            i += n > 0 ? n : 1;
        }
        json = json_stringn_nocheck(clean, out);
    }
    free(joined);
    free(clean);
    return json;
}

static json_t *error_of(const char *words)
{
    return json_pack("{s:o}", "error", text(words, strlen(words), "", 0));
}

/* NULL: an entry could not be read (index_error tells), or no memory. */
static json_t *hits_of(struct index *x, const struct heap *best)
{
    json_t *hits = json_array();
    for (size_t i = 0; hits != NULL && i < best->len; i++) {
        struct entry e;
        json_t *hit = NULL;
        if (index_entry(x, best->hits[i].row, &e) == 0)
            hit = json_pack("{s:o, s:o, s:f}", "title", text(e.title, e.title_len, "", 0), "source",
                            text(e.place, e.place_len, e.name, e.name_len), "score",
                            round(best->hits[i].score * 10000) / 10000);
        if (hit == NULL || json_array_append_new(hits, hit) != 0) {
            json_decref(hits);
            return NULL;
        }
    }
    return hits;
}

char *hits_answer(struct index *x, const char *words, size_t len, size_t limit, int64_t stop, bool *failed)
{
    struct heap best;
    bool partial;
    json_t *json = NULL;
    if (heap_init(&best, limit) != 0)
        return NULL;
    if (index_search(x, words, len, stop, &best, &partial) == 0)
        json = hits_of(x, &best);
    heap_free(&best);
    bool error = json == NULL;
    if (error)
        json = error_of(index_error(x));
    else if (partial)
        json = json_pack("{s:o, s:b}", "hits", json, "partial", 1);
    if (failed != NULL)
        *failed = error;
    char *out = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    return out;
}
