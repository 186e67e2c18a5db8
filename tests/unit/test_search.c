/* SPDX-License-Identifier: MPL-2.0 */
/* The search worker's parts: the heap, the words as FTS5 sees them, what is found by when, and what a build leaves. */
#include "e2e/harness.h"

#include "hits.h"
#include "build.h"
#include "words.h"

#include <csp.h>
#include <jansson.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- heap ------------------------------------------------------------------------------------------------------- */

TEST(the_heap_keeps_the_best_in_order)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 10), 0);
    for (int64_t i = 0; i < 1000; i++)
        heap_offer(&h, (struct hit){.row = i, .score = (double)(i * 7919 % 1000)});
    heap_sort(&h);
    ck_assert_uint_eq(h.len, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_double_eq(h.hits[i].score, 999.0 - (double)i);
    heap_free(&h);
}

TEST(of_equal_rows_the_heap_prefers_the_lower_whatever_comes_first)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 2), 0);
    for (int64_t row = 5; row > 0; row--)
        heap_offer(&h, (struct hit){.row = row, .score = 1});
    heap_sort(&h);
    ck_assert_int_eq(h.hits[0].row, 1);
    ck_assert_int_eq(h.hits[1].row, 2);
    heap_free(&h);
}

TEST(a_heap_that_is_not_full_gives_what_it_has)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 100), 0);
    heap_sort(&h);
    ck_assert_uint_eq(h.len, 0);
    for (int64_t row = 0; row < 3; row++)
        heap_offer(&h, (struct hit){.row = row, .score = (double)row});
    heap_sort(&h);
    ck_assert_uint_eq(h.len, 3);
    ck_assert_int_eq(h.hits[0].row, 2);
    heap_free(&h);
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static void assert_match(const char *line, bool any, const char *want)
{
    struct words w;
    ck_assert_int_eq(words_parse(&w, line, strlen(line)), 0);
    char *match = words_match(&w, any);
    ck_assert_ptr_nonnull(match);
    ck_assert_str_eq(match, want);
    free(match);
    words_free(&w);
}

TEST(every_word_is_quoted)
{
    assert_match("c++ foo-bar AND", false, "\"c++\" \"foo-bar\" \"AND\"");
    assert_match("a OR\tb\n", true, "\"a\" OR \"OR\" OR \"b\"");
    assert_match("say \"hi\"", false, "\"say\" \"\"\"hi\"\"\"");
    assert_match(" \t ", false, "");
}

TEST(a_star_at_the_end_is_a_prefix_and_nowhere_else)
{
    assert_match("lib* a*b *", false, "\"lib\"* \"a*b\" \"*\"");
    assert_match("x\"*", false, "\"x\"\"\"*");
}

TEST(too_many_words_are_refused)
{
    char line[2 * WORDS_MAX + 3];
    for (size_t i = 0; i < sizeof line - 1; i++)
        line[i] = i % 2 == 0 ? 'a' : ' ';
    line[sizeof line - 1] = '\0';
    struct words w;
    ck_assert_int_eq(words_parse(&w, line, strlen(line)), -1);
    ck_assert_uint_eq(w.len, WORDS_MAX);
    words_free(&w);
}

/* ---- index ------------------------------------------------------------------------------------------------------ */

static struct index *index_of(const char *lines)
{
    char *why = NULL;
    int64_t rows;
    FILE *in = fmemopen((void *)lines, strlen(lines) + (lines[0] == '\0'), "r");
    ck_assert_ptr_nonnull(in);
    if (lines[0] == '\0')
        getc(in);
    int status = build_index(in_scratch("t.db"), in, &rows, &why);
    ck_assert_msg(status == 0, "%s", why);
    fclose(in);
    struct index *x = index_open(in_scratch("t.db"), &why);
    ck_assert_msg(x != NULL, "%s", why);
    return x;
}

/* The titles found for the words, joined by commas; "!" and the message for an error; "~" first where it is partial. */
static const char *titles(struct index *x, const char *words)
{
    static char out[4096];
    char *text = hits_answer(x, words, strlen(words), 20, csp_in(60000), NULL);
    ck_assert_ptr_nonnull(text);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    free(text);
    const char *error = json_string_value(json_object_get(json, "error"));
    out[0] = '\0';
    if (error != NULL)
        snprintf(out, sizeof out, "!%s", error);
    if (json_object_get(json, "hits") != NULL)
        strcpy(out, "~");
    size_t i;
    json_t *hit;
    json_array_foreach(json_is_array(json) ? json : json_object_get(json, "hits"), i, hit)
    {
        size_t len = strlen(out);
        snprintf(out + len, sizeof out - len, "%s%s", i > 0 ? "," : "",
                 json_string_value(json_object_get(hit, "title")));
    }
    json_decref(json);
    return out;
}

static const char few[] = "penguin\tbirds: book/penguin.html\n"
                          "emperor penguin\tbirds: book/emperor.html\n"
                          "c++ annotations\tc++-doc: doc/annotations.html\n"
                          "c annotations\tc-doc: doc/c.html\n"
                          "AND gate\tlogic: gates/and.svg\n"
                          "foo bar\tx: foo/one\n"
                          "bar then foo\tx: y/two\n";

TEST(words_find_rows_by_title_and_source)
{
    struct index *x = index_of(few);
    ck_assert_str_eq(titles(x, "emperor"), "emperor penguin");
    ck_assert_str_eq(titles(x, "gates"), "AND gate");
    ck_assert_str_eq(titles(x, "penguin emperor"), "emperor penguin");
    ck_assert_str_eq(titles(x, "PENGUIN"), "penguin,emperor penguin");
    ck_assert_str_eq(titles(x, "peng*"), "penguin,emperor penguin");
    ck_assert_str_eq(titles(x, "zebra"), "");
    index_close(x);
}

TEST(syntax_of_the_index_is_just_words)
{
    struct index *x = index_of(few);
    ck_assert_str_eq(titles(x, "c++"), "c++ annotations");
    ck_assert_str_eq(titles(x, "AND"), "AND gate");
    ck_assert_str_eq(titles(x, "foo-bar"), "foo bar");
    ck_assert_str_eq(titles(x, "title:penguin"), "");
    ck_assert_str_eq(titles(x, "\""), "");
    ck_assert_str_eq(titles(x, "\" penguin - ("), "penguin,emperor penguin");
    ck_assert_str_eq(titles(x, "NEAR(penguin"), "");
    index_close(x);
}

TEST(a_request_without_words_is_an_error)
{
    struct index *x = index_of(few);
    ck_assert_str_eq(titles(x, " "), "!no words to search for");
    index_close(x);
}

TEST(some_of_the_words_do_only_where_no_row_has_all)
{
    struct index *x = index_of(few);
    ck_assert_str_eq(titles(x, "penguin emperor"), "emperor penguin");
    ck_assert_str_eq(titles(x, "emperor penguin zebra"), "emperor penguin,penguin");
    index_close(x);
}

TEST(a_hit_has_title_source_and_score)
{
    struct index *x = index_of(few);
    char *text = hits_answer(x, "gate", 4, 20, csp_in(60000), NULL);
    json_t *json = json_loads(text, 0, NULL);
    const char *title;
    const char *source;
    double score;
    ck_assert_int_eq(json_unpack(json, "[{s:s, s:s, s:f}]", "title", &title, "source", &source, "score", &score), 0);
    ck_assert_str_eq(title, "AND gate");
    ck_assert_str_eq(source, "logic: gates/and.svg");
    ck_assert(score > 1 && score < 2);
    json_decref(json);
    free(text);
    index_close(x);
}

TEST(bytes_that_are_not_utf8_cost_no_answer)
{
    struct index *x = index_of("caf\xe9 \xc0\xaf \xed\xa0\x80 na\xc3\xafve\tp: d/caf\xe9\xff\n");
    ck_assert_str_eq(titles(x, "naive"),
                     "caf\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                     "na\xc3\xafve");
    index_close(x);
}

TEST(an_empty_index_answers)
{
    struct index *x = index_of("");
    ck_assert_str_eq(titles(x, "penguin"), "");
    index_close(x);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* Rows that all have one word, one of 1,000 others, and one of their own. */
static struct index *large_index(int64_t rows)
{
    char *why = NULL;
    FILE *lines = fopen(in_scratch("lines"), "w+");
    ck_assert_ptr_nonnull(lines);
    for (int64_t i = 0; i < rows; i++)
        fprintf(lines, "word%lld\tcommon: dir%lld/%s\n", (long long)(i % 1000), (long long)i, i % 2 ? "odd" : "even");
    rewind(lines);
    int64_t built_rows;
    int status = build_index(in_scratch("large.db"), lines, &built_rows, &why);
    ck_assert_msg(status == 0, "%s", why);
    ck_assert_int_eq(built_rows, rows);
    fclose(lines);
    struct index *x = index_open(in_scratch("large.db"), &why);
    ck_assert_msg(x != NULL, "%s", why);
    return x;
}

static size_t search_until(struct index *x, const char *words, int64_t stop, bool *partial)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 20), 0);
    ck_assert_int_eq(index_search(x, words, strlen(words), stop, &h, partial), 0);
    size_t found = h.len;
    heap_free(&h);
    return found;
}

/* However slow the machine is: with a part of the time that the whole search takes it must find something, say that it
 * is not all, and end in time. Others that have the processor meanwhile can make either search as long as they like: so
 * one of many attempts must show it. */
static void assert_interrupted(struct index *x, const char *words, double part, double at_most)
{
    enum { ATTEMPTS = 50 };
    size_t found = 0;
    bool partial = false;
    double whole = 0, took = 0;
    for (int i = 0; i < ATTEMPTS && !(partial && found > 0 && took < whole * at_most); i++) {
        csp_time start = csp_now();
        found = search_until(x, words, csp_in(60000), &partial);
        whole = (double)(csp_now() - start);
        ck_assert(!partial && found == 20);
        start = csp_now();
        found = search_until(x, words, start + (csp_time)(whole * part), &partial);
        took = (double)(csp_now() - start);
    }
    ck_assert_msg(partial && found > 0 && took < whole * at_most, "%s: %zu rows, %s, in %.1f of %.1f ms", words, found,
                  partial ? "partial" : "complete", took / 1e6, whole / 1e6);
}

TEST(a_search_ends_between_two_rows_with_what_it_has)
{
    struct index *x = large_index(INDEX_CHUNK);
    assert_interrupted(x, "common", 0.2, 0.6);
    assert_interrupted(x, "odd even common", 0.2, 0.6);
    assert_interrupted(x, "word1 OR common", 0.2, 0.6);
    index_close(x);
}

/* A prefix is merged before its first row comes: chunk by chunk. */
TEST(a_search_for_a_prefix_has_rows_long_before_its_end)
{
    struct index *x = large_index(INT64_C(8) * INDEX_CHUNK);
    assert_interrupted(x, "dir*", 0.07, 0.5);
    assert_interrupted(x, "d* common", 0.07, 0.5);
    index_close(x);
}

TEST(a_search_without_time_is_partial_and_empty)
{
    struct index *x = index_of(few);
    bool partial;
    ck_assert_uint_eq(search_until(x, "penguin", csp_now() - 1, &partial), 0);
    ck_assert(partial);
    index_close(x);
}

TEST(every_chunk_is_searched)
{
    struct index *x = large_index(INT64_C(2) * INDEX_CHUNK + 1);
    struct heap h;
    bool partial;
    ck_assert_int_eq(heap_init(&h, 1000), 0);
    ck_assert_int_eq(index_search(x, "word7", 5, csp_in(60000), &h, &partial), 0);
    ck_assert_uint_eq(h.len, (2 * INDEX_CHUNK + 1 - 8) / 1000 + 1);
    heap_free(&h);
    index_close(x);
}

/* ---- building --------------------------------------------------------------------------------------------------- */

static int build_text(const char *path, const char *lines, const char **why)
{
    static char kept[256];
    char *said = NULL;
    int64_t rows;
    FILE *in = fmemopen((void *)lines, strlen(lines), "r");
    int status = build_index(path, in, &rows, &said);
    fclose(in);
    snprintf(kept, sizeof kept, "%s", said != NULL ? said : "");
    free(said);
    *why = kept;
    return status;
}

TEST(a_line_without_a_tab_is_an_error_with_its_place)
{
    const char *why;
    ck_assert_int_eq(build_text(in_scratch("bad.db"), "a\tb\nno tab\n", &why), 65);
    ck_assert_str_eq(why, "standard input:2: no tab between title and source");
    ck_assert_int_ne(access(in_scratch("bad.db"), F_OK), 0);
    ck_assert_int_ne(access(in_scratch("bad.db.part"), F_OK), 0);
}

TEST(a_failed_build_leaves_the_old_index)
{
    const char *why;
    char *said;
    ck_assert_int_eq(build_text(in_scratch("t.db"), "old\tone\n", &why), 0);
    ck_assert_int_eq(build_text(in_scratch("t.db"), "new", &why), 65);
    struct index *x = index_open(in_scratch("t.db"), &said);
    ck_assert_ptr_nonnull(x);
    ck_assert_str_eq(titles(x, "old"), "old");
    index_close(x);
}

/* A search that is under way goes on with the index that it opened. */
TEST(a_new_index_takes_the_place_of_one_in_use)
{
    struct index *old = index_of("old\tone\n");
    struct index *new = index_of("new\tone\n");
    ck_assert_str_eq(titles(old, "one"), "old");
    ck_assert_str_eq(titles(new, "one"), "new");
    index_close(old);
    index_close(new);
}

TEST(a_build_that_is_killed_leaves_no_index_and_the_next_one_works)
{
    ck_assert_int_eq(mkfifo(in_scratch("lines"), 0600), 0);
    struct running r =
        start("exec '%s' --build '%s' < '%s'", built("libexec/csp/search"), in_scratch("k.db"), in_scratch("lines"));
    /* A pipe holds 64 KiB: when more than that is written the build has begun to read. */
    FILE *lines = fopen(in_scratch("lines"), "w");
    ck_assert_ptr_nonnull(lines);
    for (int i = 0; i < 100000; i++)
        fprintf(lines, "title %d\tsource\n", i);
    ck_assert_int_eq(fflush(lines), 0);
    ck_assert_int_eq(access(in_scratch("k.db.part"), F_OK), 0);
    kill(r.pid, SIGKILL);
    struct outcome o = finish(&r);
    ck_assert_int_eq(o.status, 128 + SIGKILL);
    outcome_free(&o);
    fclose(lines);
    ck_assert_int_ne(access(in_scratch("k.db"), F_OK), 0);
    const char *why;
    ck_assert_int_eq(build_text(in_scratch("k.db"), "a\tb\n", &why), 0);
    ck_assert_int_ne(access(in_scratch("k.db.part"), F_OK), 0);
}

TEST(no_room_is_reported_and_leaves_nothing)
{
    struct outcome o = sh("ulimit -f 100; seq 100000 | sed 's/$/\tx/' | '%s' --build '%s'", built("libexec/csp/search"),
                          in_scratch("full.db"));
    assert_status(&o, 74);
    assert_contains(&o.err, "full.db.part: ");
    outcome_free(&o);
    ck_assert_int_ne(access(in_scratch("full.db"), F_OK), 0);
    ck_assert_int_ne(access(in_scratch("full.db.part"), F_OK), 0);
}

TEST(what_is_no_index_is_refused)
{
    char *why;
    ck_assert_ptr_null(index_open(in_scratch("absent.db"), &why));
    ck_assert_str_eq(why, "unable to open database file");
    free(why);
    write_text(in_scratch("text.db"), "%s",
               "This is no index, but a text of some length, so that SQLite reads it as a file of "
               "its own, and finds that it is none.");
    ck_assert_ptr_null(index_open(in_scratch("text.db"), &why));
    ck_assert_str_eq(why, "file is not a database");
    free(why);
}

SUITE_OF(search)
