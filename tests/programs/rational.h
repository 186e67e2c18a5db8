/* SPDX-License-Identifier: MPL-2.0 */
/* Rational numbers, the coefficients of power series. Decision: always in lowest terms with den > 0, so equal numbers
 * are equal bits; what does not fit 64 bits ends the program, for a wrapped number would be taken for a lost one. */
#ifndef PROGRAMS_RATIONAL_H
#define PROGRAMS_RATIONAL_H

#include <stdint.h>

struct rational {
    int64_t num, den; /* den 0: none; see series.h */
};

struct rational rational(int64_t num, int64_t den);
struct rational rational_add(struct rational a, struct rational b);
struct rational rational_multiply(struct rational a, struct rational b);

#endif
