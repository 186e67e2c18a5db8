/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: factors are cancelled before numbers are multiplied, so that they stay small. */
#include "rational.h"

#include "verdict.h"

#include <stdlib.h>

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        exit(wrong("%ld x %ld is too large: ask for fewer coefficients", (long)a, (long)b));
    return product;
}

struct rational rational(int64_t num, int64_t den)
{
    int64_t common = gcd(num, den);
    if (den < 0)
        common = -common;
    return (struct rational){.num = num / common, .den = den / common};
}

struct rational rational_add(struct rational a, struct rational b)
{
    int64_t common = gcd(a.den, b.den);
    int64_t x = times(a.num, b.den / common);
    int64_t y = times(b.num, a.den / common);
    int64_t sum;
    if (__builtin_add_overflow(x, y, &sum))
        exit(wrong("%ld + %ld is too large: ask for fewer coefficients", (long)x, (long)y));
    return rational(sum, times(a.den / common, b.den));
}

struct rational rational_multiply(struct rational a, struct rational b)
{
    struct rational x = rational(a.num, b.den);
    struct rational y = rational(b.num, a.den);
    return (struct rational){.num = times(x.num, y.num), .den = times(x.den, y.den)};
}
