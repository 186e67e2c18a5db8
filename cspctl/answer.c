/* SPDX-License-Identifier: MPL-2.0 */
/* Scores of different indexes can't be compared, so the default is to take turns; a stable sort on top of that order
 * serves who knows better. */
#include "answer.h"
#include "pool.h"
#include "unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answer_clear(struct answer *a)
{
    free(a->error);
    json_decref(a->hits);
    a->error = NULL;
    a->hits = NULL;
}

void answer_fail(struct answer *a, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer_clear(a);
    a->state = ANSWER_FAILED;
    a->error = strdup(n < 0 ? "" : text);
}

static void take_hits(struct answer *a, json_t *hits)
{
    json_t *hit;
    size_t i;

    json_array_foreach(hits, i, hit)
    {
        if (!json_is_object(hit)) {
            answer_fail(a, "hit %zu is not an object", i + 1);
            return;
        }
    }
    a->hits = json_incref(hits);
}

static void read_object(struct answer *a, json_t *o)
{
    const json_t *error = json_object_get(o, "error");
    json_t *hits = json_object_get(o, "hits");

    if (json_is_string(error))
        answer_fail(a, "%s", json_string_value(error));
    else if (error != NULL)
        answer_fail(a, "its error is not a text");
    else if (!json_is_array(hits))
        answer_fail(a, "has neither hits nor an error");
    else {
        a->state = json_is_true(json_object_get(o, "partial")) ? ANSWER_PARTIAL : ANSWER_COMPLETE;
        take_hits(a, hits);
    }
}

void answer_read(struct answer *a, const char *text, size_t size)
{
    json_error_t error;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

    if (value == NULL)
        answer_fail(a, "not JSON: %s at byte %d", error.text, error.position);
    else if (json_is_array(value)) {
        a->state = ANSWER_COMPLETE;
        take_hits(a, value);
    } else if (json_is_object(value))
        read_object(a, value);
    else
        answer_fail(a, "is neither an array of hits nor an object");
    json_decref(value);
}

size_t answers_in(const struct answer *a, size_t n, enum answer_state state)
{
    size_t in = 0;

    for (size_t i = 0; i < n; i++)
        in += a[i].state == (int)state;
    return in;
}

size_t answers_good(const struct answer *a, size_t n)
{
    return answers_in(a, n, ANSWER_COMPLETE) + answers_in(a, n, ANSWER_PARTIAL);
}

/* ---- merging */

struct ranked {
    json_t *hit;
    double score;
    bool scored;
    size_t order;
    const char *backend;
};

static int by_score(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;

    if (a->scored != b->scored)
        return a->scored ? -1 : 1;
    if (a->scored && a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* All hits in turn: place by place, in each place the backends in their order. */
static size_t interleave(const struct answer *a, size_t n, struct ranked *all, const char *field)
{
    size_t count = 0;
    bool more = true;

    for (size_t place = 0; more; place++) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            if (place >= json_array_size(a[i].hits))
                continue;
            json_t *hit = json_array_get(a[i].hits, place);
            const json_t *score = json_object_get(hit, field);
            all[count] = (struct ranked){hit, json_number_value(score), json_is_number(score), count, a[i].backend};
            count++;
            more = true;
        }
    }
    return count;
}

json_t *answers_merge(const struct answer *a, size_t n, const struct merge *merge)
{
    size_t total = 0;
    json_t *hits = json_array();

    for (size_t i = 0; i < n; i++)
        total += json_array_size(a[i].hits);
    struct ranked *all = memory_alloc(total * sizeof *all);
    total = interleave(a, n, all, merge->by);
    if (strcmp(merge->by, MERGE_BY_RANK) != 0 && total > 0)
        qsort(all, total, sizeof *all, by_score);
    for (size_t i = 0; i < total && (int64_t)i < merge->limit; i++) {
        json_t *hit = json_copy(all[i].hit);
        json_object_set_new(hit, "backend", json_string(all[i].backend));
        json_array_append_new(hits, hit);
    }
    free(all);
    return hits;
}

/* ---- saying it */

static json_t *names(const struct answer *a, size_t n, unsigned states)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        if (states >> a[i].state & 1)
            json_array_append_new(list, json_string(a[i].backend));
    return list;
}

static json_t *hedged(const struct answer *a, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        if (a[i].tries > 1)
            json_array_append_new(list, json_string(a[i].backend));
    return list;
}

json_t *answers_json(const struct answer *a, size_t n, const struct merge *merge, double took_ms)
{
    json_t *failed = json_array();

    for (size_t i = 0; i < n; i++)
        if (a[i].state == ANSWER_FAILED)
            json_array_append_new(failed, json_pack("{s:s, s:s}", "name", a[i].backend, "error", a[i].error));
    json_t *backends = json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "total", (json_int_t)n, "ok", (json_int_t)answers_good(a, n), "missing",
        names(a, n, 1U << ANSWER_LATE | 1U << ANSWER_FAILED), "late", names(a, n, 1U << ANSWER_LATE), "failed", failed,
        "partial", names(a, n, 1U << ANSWER_PARTIAL), "hedged", hedged(a, n));
    return json_pack("{s:f, s:b, s:o, s:o}", "took_ms", took_ms, "timed_out", answers_in(a, n, ANSWER_LATE) > 0,
                     "backends", backends, "hits", answers_merge(a, n, merge));
}

static void list_state(FILE *to, const struct answer *a, size_t n, enum answer_state state, const char *word,
                       const char **before)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].state != (int)state)
            continue;
        (void)fprintf(to, "%s%s%s", *before, word, a[i].backend);
        if (state == ANSWER_FAILED)
            (void)fprintf(to, ": %s", a[i].error);
        word = "";
        *before = ", ";
    }
    if (*word == '\0')
        *before = "; ";
}

char *answers_summary(const struct answer *a, size_t n, double took_ms)
{
    char *text = NULL;
    size_t size;
    const char *before = ": ";
    char number[UNIT_TEXT];
    FILE *to = open_memstream(&text, &size);

    if (to == NULL)
        return strdup("");
    (void)fprintf(to, "%zu of %s in %.0f ms", answers_good(a, n), unit_print_number(n, "backend", number), took_ms);
    list_state(to, a, n, ANSWER_PARTIAL, "partial: ", &before);
    list_state(to, a, n, ANSWER_LATE, "late: ", &before);
    list_state(to, a, n, ANSWER_FAILED, "failed: ", &before);
    (void)fclose(to);
    return text;
}
