/* SPDX-License-Identifier: MPL-2.0 */
/* Terms of power series by demand channels: channels of channels, selects of sends and receives, and a network of
 * processes that grows as it is asked. Decision: each series is one whose terms are known, and its network is taken
 * down, and waited for, before the next.
 *
 *     powser [TERMS=10] */
#include "demand.h"
#include "ends.h"
#include "series.h"
#include "verdict.h"

enum { MOST = 16 };
static const struct rational none; /* den 0: no more terms */

static long terms_wanted;

/* Asks for as many terms; those after n must be `then`. Takes the network down. */
static int expect(const char *what, csp_chan series, const struct rational *terms, long n, struct rational then)
{
    int status = RIGHT;
    for (long i = 0; i < terms_wanted && status == RIGHT; i++) {
        struct rational want = i < n ? terms[i] : then;
        struct rational got = none;
        status = ask(&series, 1, &got);
        if (status == RIGHT && (got.num != want.num || got.den != want.den))
            status = wrong("%s: term %ld is %ld/%ld, not %ld/%ld", what, i, (long)got.num, (long)got.den,
                           (long)want.num, (long)want.den);
    }
    return verdict_gather(status);
}

static int simple(void)
{
    static const int64_t plus[] = {1, 1};
    static const int64_t minus[] = {1, -1};
    struct rational r[MOST];
    struct rational two = rational(2, 1);
    struct rational difference[] = {rational(1, 1), rational(0, 1), rational(-1, 1)};
    int status = expect("1/(1-x) + 1/(1-x)", series_sum(series_ones(), series_ones()), &two, 1, two);
    for (int i = 0; i < MOST; i++)
        r[i] = rational(i + 1, 1);
    if (status == RIGHT)
        status = expect("1/(1-x)^2", series_product(series_ones(), series_ones()), r, MOST, none);
    if (status == RIGHT)
        status = expect("the derivative of 1/(1-x)", series_derivative(series_ones()), r, MOST, none);
    for (int i = 0; i < MOST; i++)
        r[i] = i == 0 ? rational(0, 1) : rational(1, i);
    if (status == RIGHT)
        status = expect("-ln(1-x)", series_integral(rational(0, 1), series_ones()), r, MOST, none);
    if (status == RIGHT)
        status = expect("(1+x)(1-x)", series_product(series_polynomial(plus, 2), series_polynomial(minus, 2)),
                        difference, 3, none);
    return status;
}

static int recursive(void)
{
    static const int64_t x[] = {0, 1};
    static const int64_t steps[] = {0, 1, 1};
    static const int64_t tan[][2] = {
        {0, 1}, {1, 1},     {0, 1}, {1, 3},         {0, 1}, {2, 15},          {0, 1}, {17, 315},
        {0, 1}, {62, 2835}, {0, 1}, {1382, 155925}, {0, 1}, {21844, 6081075}, {0, 1}, {929569, 638512875}};
    struct rational r[MOST] = {rational(1, 1)};
    struct rational one = rational(1, 1);
    for (int i = 1; i < MOST; i++)
        r[i] = rational_multiply(r[i - 1], rational(1, i));
    int status = expect("exp x", series_exponential(series_polynomial(x, 2)), r, MOST, none);
    if (status == RIGHT)
        status = expect("exp x / exp x",
                        series_product(series_exponential(series_polynomial(x, 2)),
                                       series_reciprocal(series_exponential(series_polynomial(x, 2)))),
                        &one, 1, rational(0, 1));
    for (int i = 0; i < MOST; i++)
        r[i] = rational(tan[i][0], tan[i][1]);
    if (status == RIGHT)
        status = expect("tan x", series_tangent(), r, MOST, none);
    for (int i = 0; i < MOST; i++)
        r[i] = i < 2 ? one : rational_add(r[i - 1], r[i - 2]);
    if (status == RIGHT)
        status = expect("1/(1-y), y = x + x^2", series_substitution(series_ones(), series_polynomial(steps, 3)), r,
                        MOST, none);
    return status;
}

int main(int argc, char **argv)
{
    terms_wanted = argument(argc, argv, 1, 10, 1, MOST);
    int status = simple();
    if (status == RIGHT)
        status = recursive();
    return verdict(status, "%ld terms of sums, products, exp, tan, 1/F and F(G)", terms_wanted);
}
