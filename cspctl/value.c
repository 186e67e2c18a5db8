/* SPDX-License-Identifier: MPL-2.0 */
/* Values that stand for themselves: numbers, durations, sizes, words, texts. Each reader gets a text in which variables
 * are expanded already, so that `replicas: $n` is a number as `replicas: 4` is; what it says names what the text
 * became. */
#include "reader.h"
#include "pool.h"
#include "suggestion.h"
#include "unit.h"
#include "variable.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define LONGEST_NAME 63

typedef char *print_number(int64_t number, char buf[UNIT_TEXT]);

static char *print_plain(int64_t number, char buf[UNIT_TEXT])
{
    snprintf(buf, UNIT_TEXT, "%" PRId64, number);
    return buf;
}

/* Units that people write for units we have. */
static const char *better_unit(struct reader *r, const char *text, enum type type)
{
    static const char *const better[][2] = {{"sec", "s"},  {"secs", "s"},  {"second", "s"}, {"seconds", "s"},
                                            {"min", "m"},  {"mins", "m"},  {"minute", "m"}, {"minutes", "m"},
                                            {"hour", "h"}, {"hours", "h"}, {"msec", "ms"},  {"usec", "us"},
                                            {"K", "KiB"},  {"k", "KiB"},   {"KB", "KiB"},   {"kb", "KiB"},
                                            {"M", "MiB"},  {"mb", "MiB"},  {"G", "GiB"},    {"gb", "GiB"}};
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits + strspn(text + digits, " ");
    int64_t number;

    for (size_t i = 0; digits && i < sizeof better / sizeof *better; i++)
        if (strcmp(unit, better[i][0]) == 0 && (type == TYPE_SIZE) == (strchr(better[i][1], 'B') != NULL))
            return diagnostics_text(r->d, "%.*s%s", (int)digits, text, better[i][1]);
    const char *joined = diagnostics_text(r->d, "%.*s%s", (int)digits, text, *unit ? unit : "s");
    bool is_unit =
        type == TYPE_DURATION ? !unit_duration(joined, &number) : type == TYPE_SIZE && !unit_size(joined, &number);
    return is_unit ? joined : NULL;
}

static void not_a_number(struct reader *r, const struct value *v, const char *why)
{
    bool time = v->key->type == TYPE_DURATION || v->key->type == TYPE_DELAY;
    const char *better = better_unit(r, v->text, time ? TYPE_DURATION : v->key->type);
    const char *units = time                        ? " (units: ns us ms s m h d)"
                        : v->key->type == TYPE_SIZE ? " (units: B KiB MiB GiB, kB MB GB)"
                                                    : "";
    const char *hint = better ? diagnostics_text(r->d, "did you mean %s?%s", better, units)
                              : diagnostics_text(r->d, "write %s: %s%s", v->key->name, v->key->example, units);

    diagnose(r->d, v->place, hint, "%s: %s %s", v->key->name, diagnostics_quote(r->d, v->text), why);
}

static void read_number(struct reader *r, const struct value *v, const char *(*read)(const char *, int64_t *),
                        print_number *print)
{
    int64_t number = 0;
    const char *why = read(v->text, &number);
    char least[UNIT_TEXT], most[UNIT_TEXT];

    if (why)
        not_a_number(r, v, why);
    else if (number < v->key->min || number > v->key->max)
        diagnose(r->d, v->place,
                 v->key->min == v->key->max ? diagnostics_text(r->d, "write %s: %s", v->key->name, v->key->example)
                                            : diagnostics_text(r->d, "write one from %s to %s",
                                                               print(v->key->min, least), print(v->key->max, most)),
                 "%s: %s is %s", v->key->name, v->text, number < v->key->min ? "too small" : "too large");
    else
        *(int64_t *)v->field = number;
}

void read_count(struct reader *r, const struct value *v)
{
    read_number(r, v, unit_count, print_plain);
}

void read_duration(struct reader *r, const struct value *v)
{
    read_number(r, v, unit_duration, unit_print_duration);
}

void read_size(struct reader *r, const struct value *v)
{
    read_number(r, v, unit_size, unit_print_size);
}

/* The word for when, and the defaults for the rest. */
void read_restart_word(struct reader *r, const struct value *v)
{
    struct key when = *schema_find(SECTION_RESTART, "when");
    struct value word = *v;

    read_defaults(r, SECTION_RESTART, v->base);
    when.name = v->key->name;
    word.key = &when;
    word.field = (char *)v->base + when.offset;
    read_choice(r, &word);
}

void read_require(struct reader *r, const struct value *v)
{
    if (strcmp(v->text, "all") == 0)
        *(int64_t *)v->field = REQUIRE_ALL;
    else
        read_count(r, v);
}

void read_choice(struct reader *r, const struct value *v)
{
    const char *const *choices = v->key->choices, *list = NULL;
    struct suggestion s = {.word = v->text};

    for (int i = 0; choices[i]; i++) {
        if (strcmp(v->text, choices[i]) == 0) {
            *(int *)v->field = i;
            return;
        }
        suggestion_offer(&s, choices[i]);
        list = list ? diagnostics_text(r->d, "%s, %s", list, choices[i]) : choices[i];
    }
    list = diagnostics_text(r->d, "the words are: %s", list);
    diagnose(r->d, v->place, diagnostics_did_you_mean(r->d, s.best, list), "%s: %s is not one of its words",
             v->key->name, diagnostics_quote(r->d, v->text));
}

bool check_name(struct reader *r, struct place at, const char *what, const char *name, bool dots)
{
    const char *allowed =
        dots ? "a letter or _, then letters, digits and _ . -" : "a letter or _, then letters, digits and _ -";
    bool good = isalpha((unsigned char)*name) || *name == '_';

    for (const char *c = name; *c; c++)
        good = good && (isalnum((unsigned char)*c) || *c == '_' || *c == '-' || (dots && *c == '.'));
    if (!good)
        diagnose(r->d, at, diagnostics_text(r->d, "write %s", allowed), "%s can't be the name of %s",
                 diagnostics_quote(r->d, name), what);
    else if (strlen(name) > LONGEST_NAME)
        diagnose(r->d, at, diagnostics_text(r->d, "write at most %d characters", LONGEST_NAME),
                 "this is too long for the name of %s", what);
    else
        return true;
    return false;
}

void read_name(struct reader *r, const struct value *v)
{
    if (check_name(r, v->place, "a run", v->text, true))
        *(const char **)v->field = pool_copy(r->p->pool, v->text, strlen(v->text));
}

void read_field(struct reader *r, const struct value *v)
{
    if (!*v->text)
        wrong(r, v, "this is empty");
    else
        *(const char **)v->field = pool_copy(r->p->pool, v->text, strlen(v->text));
}

void read_template(struct reader *r, const struct value *v)
{
    if (!*v->text)
        wrong(r, v, "this is empty");
    else if (template_check(&r->doc, r->p, v->node, v->text, false))
        *(const char **)v->field = pool_copy(r->p->pool, v->text, strlen(v->text));
}

/* One duration is as long always, unless it is the default, which grows. */
void read_delay(struct reader *r, const struct value *v)
{
    struct span *span = v->field;
    struct value one = *v;

    one.field = &span->least;
    read_duration(r, &one);
    span->most = v->node != 0 ? span->least : span->least * 30;
}

void read_delays(struct reader *r, const struct value *v)
{
    struct span *span = v->field;
    int64_t *const to[] = {&span->least, &span->most};
    struct value element;
    size_t n;
    const int *item = document_items(&r->doc, v->node, &n);

    if (n != 2) {
        wrong(r, v, "expected the least and the most, found a list of %zu", n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (read_element(r, v, item[i], &element)) {
            element.field = to[i];
            read_duration(r, &element);
        }
    if (span->least > span->most)
        wrong(r, v, "the least is more than the most");
}

void read_batch(struct reader *r, const struct value *v)
{
    struct batch *batch = v->field;
    const char *bad = unit_count(v->text, &batch->values);

    if (bad)
        bad = unit_size(v->text, &batch->bytes);
    if (bad)
        wrong(r, v, "%s is neither a count nor a size", diagnostics_quote(r->d, v->text));
    else if (batch->values + batch->bytes == 0)
        wrong(r, v, "a batch of nothing");
}

void read_code(struct reader *r, const struct value *v)
{
    int64_t code = -1;
    struct value number = *v;

    number.field = &code;
    read_count(r, &number);
    if (code >= 0)
        ((uint8_t *)v->field)[code / 8] |= (uint8_t)(1U << (code % 8));
}

void read_codes(struct reader *r, const struct value *v)
{
    size_t n;
    const int *item = document_items(&r->doc, v->node, &n);
    struct value element;

    for (size_t i = 0; i < n; i++)
        if (read_element(r, v, item[i], &element))
            read_code(r, &element);
}

static void read_setting(struct reader *r, const struct value *v, const struct member *m)
{
    struct settings *settings = v->field;
    struct value element;

    if (document_is_null(&r->doc, m->value)) {
        diagnose(r->d, document_place(&r->doc, m->value),
                 diagnostics_text(r->d, "write %s: \"\" for an empty one", m->key), "env: %s has no value",
                 diagnostics_quote(r->d, m->key));
        return;
    }
    if (!read_element(r, v, m->value, &element) || !template_check(&r->doc, r->p, m->value, element.text, false))
        return;
    struct setting *s = pool_more(r->p->pool, settings->item, settings->n, sizeof *s);
    settings->item = s;
    s[settings->n++] = (struct setting){pool_copy(r->p->pool, m->key, strlen(m->key)),
                                        pool_copy(r->p->pool, element.text, strlen(element.text)), m->place};
}

void read_settings(struct reader *r, const struct value *v)
{
    size_t n;
    const struct member *m = document_members(&r->doc, v->node, &n);

    for (size_t i = 0; i < n; i++)
        if (!variable_is_name(m[i].key, strlen(m[i].key)))
            diagnose(r->d, m[i].place, "write a letter or _, then letters, digits and _",
                     "%s can't be the name of an environment variable", diagnostics_quote(r->d, m[i].key));
        else if (strncmp(m[i].key, "CSP_", 4) == 0)
            diagnose(r->d, m[i].place, "choose another name", "names that begin with CSP_ are cspctl's own");
        else
            read_setting(r, v, &m[i]);
}
