/* SPDX-License-Identifier: MPL-2.0 */
/* A scanner that knows as much of JSON as is needed to pass over a value: strings, and depth. */
#include "field.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct scan {
    const char *at, *end;
};

static bool more(const struct scan *s)
{
    return s->at < s->end;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct scan *s)
{
    while (more(s) && is_space(*s->at))
        s->at++;
}

static bool skip(struct scan *s, char c)
{
    skip_space(s);
    if (!more(s) || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* Behind the quote that begins it; afterwards behind the one that ends it. */
static void skip_string(struct scan *s)
{
    for (; more(s) && *s->at != '"'; s->at++)
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
    if (more(s))
        s->at++;
}

/* Up to the comma or the bracket that ends the value. */
static void skip_value(struct scan *s)
{
    size_t depth = 0;
    while (more(s)) {
        char c = *s->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return;
        s->at++;
        if (c == '"')
            skip_string(s);
        else if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
    }
}

static const char *json_field(struct scan s, const char *name, size_t *n)
{
    size_t length = strlen(name);
    if (!skip(&s, '{'))
        return s.end;
    do {
        if (!skip(&s, '"'))
            return s.end;
        const char *key = s.at;
        skip_string(&s);
        bool found = (size_t)(s.at - key) == length + 1 && memcmp(key, name, length) == 0;
        if (!skip(&s, ':'))
            return s.end;
        skip_space(&s);
        const char *value = s.at;
        skip_value(&s);
        if (found) {
            for (*n = (size_t)(s.at - value); *n != 0 && is_space(value[*n - 1]);)
                --*n;
            return value;
        }
    } while (skip(&s, ','));
    return s.end;
}

static const char *numbered_field(struct scan s, unsigned long number, size_t *n)
{
    for (;;) {
        while (more(&s) && (*s.at == ' ' || *s.at == '\t'))
            s.at++;
        const char *begin = s.at;
        while (more(&s) && *s.at != ' ' && *s.at != '\t')
            s.at++;
        if (s.at == begin || --number == 0) {
            *n = (size_t)(s.at - begin);
            return begin;
        }
    }
}

const char *field_of(const char *value, size_t len, const char *name, size_t *n)
{
    struct scan s = {value, value + len};
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    *n = 0;
    return *end == '\0' && number != 0 ? numbered_field(s, number, n) : json_field(s, name, n);
}

/* FNV-1a, and a last step that spreads what it has in its high bits: the remainder is taken of the low ones. */
size_t field_lane(const char *field, size_t n, size_t lanes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)field[i]) * UINT64_C(0x100000001b3);
    return (size_t)((hash ^ hash >> 32) % lanes);
}
