/* SPDX-License-Identifier: MPL-2.0 */
/* Power series as networks of processes, after M. D. McIlroy, "Squinting at Power Series", and Go's
 * test/chan/powser1.go. Decision: a series is a demand channel (demand.h), and whoever uses it as an input gives it
 * away: so every series has one asker, and a network ends from its outlet on when the last one is dropped. A series
 * that is defined by itself (exp, 1/F, tan) is a ring with a split in it, which ends when it is no longer asked from
 * outside. */
#ifndef PROGRAMS_SERIES_H
#define PROGRAMS_SERIES_H

#include "csp.h"
#include "rational.h"

#include <stdint.h>

/* terms[0] + terms[1] x + ..., and no more terms; they are to live on. */
csp_chan series_polynomial(const int64_t *terms, long n);

/* 1 + x + x^2 + ... = 1 / (1 - x). */
csp_chan series_ones(void);

csp_chan series_sum(csp_chan f, csp_chan g);
csp_chan series_product(csp_chan f, csp_chan g);
csp_chan series_derivative(csp_chan f);

/* With constant c. */
csp_chan series_integral(struct rational c, csp_chan f);

/* f(g), of a g without a constant. */
csp_chan series_substitution(csp_chan f, csp_chan g);

/* 1 / f, of an f with a constant. */
csp_chan series_reciprocal(csp_chan f);

/* exp f, of an f without a constant. */
csp_chan series_exponential(csp_chan f);

/* tan x. */
csp_chan series_tangent(void);

#endif
