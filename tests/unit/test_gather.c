/* SPDX-License-Identifier: MPL-2.0 */
/* Answers of backends: which texts are answers, and how several become one. */
#include "../../cspctl/answer.h"
#include "../../cspctl/gather.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *gather_suite(void);

static struct answer read_one(const char *text)
{
    struct answer a = {.backend = "b"};

    answer_read(&a, text, strlen(text));
    return a;
}

START_TEST(an_array_of_hits_is_an_answer)
{
    struct answer a = read_one("[{\"title\": \"x\"}, {\"title\": \"y\", \"score\": 1}]");
    ck_assert_int_eq(a.state, ANSWER_COMPLETE);
    ck_assert_uint_eq(json_array_size(a.hits), 2);
    answer_clear(&a);

    a = read_one("[]");
    ck_assert_int_eq(a.state, ANSWER_COMPLETE);
    ck_assert_uint_eq(json_array_size(a.hits), 0);
    answer_clear(&a);
}
END_TEST

START_TEST(an_object_says_whether_it_is_all)
{
    struct answer a = read_one("{\"hits\": [{\"title\": \"x\"}], \"partial\": true}");
    ck_assert_int_eq(a.state, ANSWER_PARTIAL);
    ck_assert_uint_eq(json_array_size(a.hits), 1);
    answer_clear(&a);

    a = read_one("{\"hits\": [], \"partial\": false}");
    ck_assert_int_eq(a.state, ANSWER_COMPLETE);
    answer_clear(&a);
}
END_TEST

START_TEST(an_error_is_told_in_its_own_words)
{
    struct answer a = read_one("{\"error\": \"no such table\", \"hits\": []}");
    ck_assert_int_eq(a.state, ANSWER_FAILED);
    ck_assert_str_eq(a.error, "no such table");
    ck_assert_ptr_null(a.hits);
    answer_clear(&a);
}
END_TEST

/* What is no answer, and a word of what is said about it. */
static const struct {
    const char *text, *says;
} broken[] = {
    {"", "not JSON"},
    {"hello", "not JSON"},
    {"[{\"title\": \"x\"}", "not JSON"},
    {"[] trailing", "not JSON"},
    {"[{\"title\": \"\xff\"}]", "not JSON"},
    {"{\"hits\": [], \"hits\": []}", "not JSON"},
    {"{}", "neither hits nor an error"},
    {"{\"hits\": 7}", "neither hits nor an error"},
    {"{\"error\": 7}", "not a text"},
    {"[1]", "hit 1 is not an object"},
    {"{\"hits\": [{}, \"x\"]}", "hit 2 is not an object"},
};

START_TEST(anything_else_is_a_failure)
{
    struct answer a = read_one(broken[_i].text);
    ck_assert_int_eq(a.state, ANSWER_FAILED);
    ck_assert_msg(strstr(a.error, broken[_i].says) != NULL, "%s: %s", broken[_i].text, a.error);
    ck_assert_ptr_null(a.hits);
    answer_clear(&a);
}
END_TEST

/* ---- merging */

/* Two answers, one that failed between them, and one without hits. */
static struct answer three[4];

static void answer_all(void)
{
    static const char *const texts[] = {
        "[{\"title\": \"a1\", \"score\": 1}, {\"title\": \"a2\", \"score\": 9}, {\"title\": \"a3\"}]", "oops",
        "[{\"title\": \"c1\", \"score\": 5}, {\"title\": \"c2\", \"score\": 1}]", "[]"};
    static const char *const names[] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < 4; i++) {
        three[i] = (struct answer){.backend = names[i]};
        answer_read(&three[i], texts[i], strlen(texts[i]));
    }
}

static void forget_all(void)
{
    for (size_t i = 0; i < 4; i++)
        answer_clear(&three[i]);
}

/* The titles of the merged hits, as "a1 c1 ". */
static const char *merged(const char *by, int64_t limit)
{
    static char titles[256];
    json_t *hits = answers_merge(three, 4, &(struct merge){.by = by, .limit = limit}), *hit;
    size_t i, n = 0;

    *titles = '\0';
    json_array_foreach(hits, i, hit)
    {
        const char *title = json_string_value(json_object_get(hit, "title"));
        n += (size_t)snprintf(titles + n, sizeof titles - n, "%s ", title);
    }
    json_decref(hits);
    return titles;
}

START_TEST(by_rank_the_backends_take_turns)
{
    ck_assert_str_eq(merged("rank", 20), "a1 c1 a2 c2 a3 ");
}
END_TEST

START_TEST(by_a_field_the_highest_comes_first_and_hits_without_it_last)
{
    ck_assert_str_eq(merged("score", 20), "a2 c1 a1 c2 a3 ");
    ck_assert_str_eq(merged("no-such-field", 20), "a1 c1 a2 c2 a3 ");
}
END_TEST

START_TEST(the_limit_is_on_what_is_merged)
{
    ck_assert_str_eq(merged("rank", 3), "a1 c1 a2 ");
    ck_assert_str_eq(merged("score", 1), "a2 ");
}
END_TEST

START_TEST(a_merged_hit_has_all_its_fields_and_its_backend)
{
    json_t *hits = answers_merge(three, 4, &(struct merge){.by = "rank", .limit = 2});
    json_t *second = json_array_get(hits, 1);
    ck_assert_str_eq(json_string_value(json_object_get(second, "backend")), "c");
    ck_assert_double_eq(json_number_value(json_object_get(second, "score")), 5);
    json_decref(hits);
    ck_assert_ptr_null(json_object_get(json_array_get(three[2].hits, 0), "backend")); /* the answer is left alone */
}
END_TEST

/* ---- saying it */

START_TEST(the_reply_says_who_is_missing_and_why)
{
    struct answer a[] = {{.backend = "web"}, {.backend = "image"}, {.backend = "media"}};
    struct merge merge = {.by = "rank", .limit = 20};
    answer_read(&a[0], "[{\"title\": \"x\"}]", 16);
    answer_fail(&a[2], "no such table");

    json_t *reply = answers_json(a, 3, &merge, 80.25);
    char *text = json_dumps(json_object_get(reply, "backends"), JSON_COMPACT);
    ck_assert_str_eq(text,
                     "{\"total\":3,\"ok\":1,\"missing\":[\"image\",\"media\"],\"late\":[\"image\"],"
                     "\"failed\":[{\"name\":\"media\",\"error\":\"no such table\"}],\"partial\":[],\"hedged\":[]}");
    ck_assert(json_is_true(json_object_get(reply, "timed_out")));
    ck_assert_double_eq(json_real_value(json_object_get(reply, "took_ms")), 80.25);
    free(text);
    json_decref(reply);

    text = answers_summary(a, 3, 80.25);
    ck_assert_str_eq(text, "1 of 3 backends in 80 ms: late: image; failed: media: no such table");
    free(text);
    answer_clear(&a[0]);
    answer_clear(&a[2]);
}
END_TEST

START_TEST(all_good_is_a_short_sentence)
{
    struct answer a[] = {{.backend = "x", .state = ANSWER_COMPLETE}, {.backend = "y", .state = ANSWER_COMPLETE}};
    char *text = answers_summary(a, 2, 40.6);
    ck_assert_str_eq(text, "2 of 2 backends in 41 ms");
    free(text);
    a[1].state = ANSWER_PARTIAL;
    text = answers_summary(a, 2, 3);
    ck_assert_str_eq(text, "2 of 2 backends in 3 ms: partial: y");
    free(text);
    ck_assert_uint_eq(answers_good(a, 2), 2);
}
END_TEST

START_TEST(a_request_is_its_words_on_one_line)
{
    char *const words[] = {"c++", "", "foo bar"}, *const two_lines[] = {"a", "b\nc"};
    char *text = gather_words(words, 3);
    ck_assert_str_eq(text, "c++  foo bar");
    free(text);
    text = gather_words(words, 0);
    ck_assert_str_eq(text, "");
    free(text);
    ck_assert_ptr_null(gather_words(two_lines, 2));
}
END_TEST

Suite *gather_suite(void)
{
    Suite *s = suite_create("gather");
    TCase *answers = tcase_create("answers"), *merging = tcase_create("merging");

    tcase_add_test(answers, an_array_of_hits_is_an_answer);
    tcase_add_test(answers, an_object_says_whether_it_is_all);
    tcase_add_test(answers, an_error_is_told_in_its_own_words);
    tcase_add_loop_test(answers, anything_else_is_a_failure, 0, sizeof broken / sizeof *broken);
    tcase_add_test(answers, the_reply_says_who_is_missing_and_why);
    tcase_add_test(answers, all_good_is_a_short_sentence);
    tcase_add_test(answers, a_request_is_its_words_on_one_line);
    suite_add_tcase(s, answers);
    tcase_add_checked_fixture(merging, answer_all, forget_all);
    tcase_add_test(merging, by_rank_the_backends_take_turns);
    tcase_add_test(merging, by_a_field_the_highest_comes_first_and_hits_without_it_last);
    tcase_add_test(merging, the_limit_is_on_what_is_merged);
    tcase_add_test(merging, a_merged_hit_has_all_its_fields_and_its_backend);
    suite_add_tcase(s, merging);
    return s;
}
