/* SPDX-License-Identifier: MPL-2.0 */
/* Both kinds are a sum of number-unit pairs over a table of units, so that they share one reader; sizes allow one pair
 * only. All arithmetic is on integers: 0.1s is exactly 100000000 ns. */
#include "unit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* From the largest, which is the order that printing tries. */
static const struct unit durations[] = {{"d", INT64_C(86400000000000)},
                                        {"h", INT64_C(3600000000000)},
                                        {"m", INT64_C(60000000000)},
                                        {"s", 1000000000},
                                        {"ms", 1000000},
                                        {"us", 1000},
                                        {"ns", 1}};
static const struct unit sizes[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", INT64_C(1000000000000)},
    {"GB", 1000000000},        {"MB", 1000000},  {"kB", 1000},     {"B", 1}};
static const struct unit seconds[] = {{"s", 1000000000}};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char too_large[] = "is too large";

static const struct unit *unit_named(const struct unit *units, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(units[i].name) == length && strncmp(units[i].name, name, length) == 0)
            return &units[i];
    return NULL;
}

/* Digits, and their fraction in billionths. */
static const char *read_number(const char **text, int64_t *whole, int64_t *billionths)
{
    const char *t = *text;
    int64_t scale = 100000000;

    *whole = *billionths = 0;
    for (; isdigit((unsigned char)*t); t++)
        if (__builtin_mul_overflow(*whole, 10, whole) || __builtin_add_overflow(*whole, *t - '0', whole))
            return too_large;
    if (*t == '.' && isdigit((unsigned char)t[1]))
        for (t++; isdigit((unsigned char)*t); t++, scale /= 10)
            *billionths += (*t - '0') * scale;
    *text = t;
    return NULL;
}

/* One number and its unit, added to the sum. A fraction is cut to whole ns or bytes. */
static const char *read_pair(const char **text, const struct unit *units, size_t n, int64_t *sum)
{
    int64_t whole, billionths;

    if (!isdigit((unsigned char)**text))
        return "is not a number with a unit";
    const char *wrong = read_number(text, &whole, &billionths);
    if (wrong)
        return wrong;
    size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (length == 0)
        return "has no unit";
    const struct unit *u = unit_named(units, n, *text, length);
    if (!u)
        return "has an unknown unit";
    *text += length;
    int64_t part = (int64_t)((__int128)billionths * u->factor / 1000000000);
    if (__builtin_mul_overflow(whole, u->factor, &whole) || __builtin_add_overflow(whole, part, &whole) ||
        __builtin_add_overflow(*sum, whole, sum))
        return too_large;
    return NULL;
}

const char *unit_count(const char *text, int64_t *count)
{
    int64_t billionths;

    if (!*text || strspn(text, "0123456789") != strlen(text))
        return "is not a whole number";
    return read_number(&text, count, &billionths);
}

const char *unit_duration(const char *text, int64_t *ns)
{
    *ns = 0;
    if (strcmp(text, "0") == 0)
        return NULL;
    do {
        const char *wrong = read_pair(&text, durations, COUNT(durations), ns);
        if (wrong)
            return wrong;
    } while (*text);
    return NULL;
}

const char *unit_size(const char *text, int64_t *bytes)
{
    if (!unit_count(text, bytes))
        return NULL;
    *bytes = 0;
    const char *wrong = read_pair(&text, sizes, COUNT(sizes), bytes);
    return !wrong && *text ? "is not one number with a unit" : wrong;
}

static char *print(const struct unit *units, size_t n, int64_t value, char buf[UNIT_TEXT])
{
    size_t i = 0;

    while (i < n - 1 && (value == 0 || value % units[i].factor))
        i++;
    snprintf(buf, UNIT_TEXT, "%" PRId64 "%s", value / units[i].factor, units[i].name);
    return buf;
}

char *unit_print_duration(int64_t ns, char buf[UNIT_TEXT])
{
    return print(ns ? durations : seconds, ns ? COUNT(durations) : 1, ns, buf);
}

/* Powers of two only: that is how memory is counted. */
char *unit_print_size(int64_t bytes, char buf[UNIT_TEXT])
{
    return bytes % 1024 || bytes == 0 ? print(&sizes[COUNT(sizes) - 1], 1, bytes, buf) : print(sizes, 4, bytes, buf);
}

char *unit_print_age(int64_t ns, char buf[UNIT_TEXT])
{
    int64_t s = ns > 0 ? ns / 1000000000 : 0;

    if (s < 10)
        snprintf(buf, UNIT_TEXT, "%.1fs", ns > 0 ? (double)ns / 1e9 : 0.0);
    else if (s < 60)
        snprintf(buf, UNIT_TEXT, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(buf, UNIT_TEXT, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, UNIT_TEXT, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(buf, UNIT_TEXT, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
    return buf;
}

char *unit_print_number(uint64_t n, const char *noun, char buf[UNIT_TEXT])
{
    size_t length = strlen(noun);
    const char *end = n == 1 ? "" : length > 0 && noun[length - 1] == 's' ? "es" : "s";

    snprintf(buf, UNIT_TEXT, "%" PRIu64 " %s%s", n, noun, end);
    return buf;
}
