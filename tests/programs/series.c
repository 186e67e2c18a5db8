/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: an operation is a process that computes a term when it is asked for one, and what its formula needs besides
 * it starts then. Operators end when nobody asks them, or nobody answers them, any more. */
#include "series.h"

#include "demand.h"
#include "ends.h"
#include "verdict.h"

#include <stdbool.h>
#include <stdlib.h>

static const struct rational none; /* den 0 */

/* ---- an operation: its inputs are series that it asks, `out` is on which it is asked */

struct operation {
    int (*next)(struct operation *, long, struct rational *); /* computes term i; a status */
    csp_chan out, in[2];
    struct rational c;    /* a constant */
    const int64_t *terms; /* of a polynomial, n of them */
    long n;
    bool over;
    struct rational first[2];
};

/* Operators end when nobody asks them, or nobody answers them, any more: only the root knows whether it was too
 * early. */
static int over(int status)
{
    return status == CUT_OFF ? RIGHT : status;
}

static int operate(void *arg)
{
    struct operation op = *(const struct operation *)arg;
    int status = RIGHT;
    csp_msg m;
    KEEP({op.out, CSP_RECV}, {op.in[0], CSP_SEND}, {op.in[1], CSP_SEND});
    for (long i = 0; status == RIGHT; i++) {
        csp_chan reply;
        struct rational r = none;
        if (csp_recv_msg(op.out, &m, CSP_FOREVER) != 0) {
            status = failure("receive a demand");
            break;
        }
        demanded(op.out, &m, &reply);
        status = op.over ? RIGHT : op.next(&op, i, &r);
        op.over = r.den == 0;
        struct term t = term(r);
        if (status == RIGHT && csp_send(reply, &t, sizeof t, CSP_FOREVER) != 0)
            status = failure("answer");
        answered(reply);
    }
    return verdict_gather(over(status));
}

/* Starts it. Its inputs are its own from here on; returns the series. */
static csp_chan start_as(csp_chan out, struct operation op)
{
    op.out = out;
    go(operate, &op);
    ends_drop(out, CSP_RECV);
    ends_drop(op.in[0], CSP_SEND);
    ends_drop(op.in[1], CSP_SEND);
    return out;
}

static csp_chan start(struct operation op)
{
    return start_as(ends_make(0), op);
}

/* ---- split: one series asked by two */

struct split {
    csp_chan in, out[2];
    bool ring; /* out[1] leads back to in: it ends when out[0] does */
    struct rational *terms;
    size_t n, room, at[2]; /* terms so far; where each of the two is */
    csp_chan reply[2];     /* of a demand that waits */
    struct question asked; /* of in; state ANSWERED: none under way */
};

enum { DEMAND, ANSWER = DEMAND + 2, QUESTION = ANSWER + 2, CASES };

static void add_term(struct split *s, struct rational r)
{
    if (s->n == s->room && (s->terms = realloc(s->terms, (s->room += 16) * sizeof *s->terms)) == NULL)
        exit(UNABLE);
    s->terms[s->n++] = r;
}

/* The case `happened` has, without an error, or with one. false: the split has no more to do. */
static bool split_step(struct split *s, int happened, const csp_case *c, csp_msg *m)
{
    int side = happened % 2;
    if (happened == QUESTION) {
        if (c->err != 0)
            return false;
        question_step(&s->asked, c);
        if (s->asked.state == ANSWERED)
            add_term(s, s->asked.answer.r);
    } else if (happened >= ANSWER) {
        answered(s->reply[side]); /* also where the asker has gone */
        s->reply[side] = 0;
        s->at[side]++;
    } else if (c->err == 0) {
        demanded(s->out[side], m, &s->reply[side]);
    } else {
        s->out[side] = 0;
        return !(s->ring && side == 0) && (s->out[0] != 0 || s->out[1] != 0);
    }
    return true;
}

/* All at once: demands of either side, answers to them, the question to the input and its answer. */
static int split(void *arg)
{
    struct split s = *(const struct split *)arg;
    KEEP({s.in, CSP_SEND}, {s.out[0], CSP_RECV}, {s.out[1], CSP_RECV});
    s.asked.state = ANSWERED;
    for (;;) {
        csp_msg m[2];
        csp_msg demand;
        struct term terms[2];
        csp_case cases[CASES];
        for (int i = 0; i < 2; i++) {
            bool ready = s.reply[i] != 0 && s.at[i] < s.n;
            cases[DEMAND + i] = csp_on_msg(s.reply[i] == 0 ? s.out[i] : 0, &m[i]);
            terms[i] = term(ready ? s.terms[s.at[i]] : none);
            cases[ANSWER + i] = csp_on_send(ready ? s.reply[i] : 0, &terms[i], sizeof terms[i]);
            if (s.reply[i] != 0 && !ready && s.asked.state == ANSWERED)
                s.asked = question(s.in);
        }
        cases[QUESTION] = question_case(&s.asked, &demand);
        int chosen = csp_select(cases, CASES, CSP_FOREVER);
        if (chosen < 0)
            return failure("split");
        if (!split_step(&s, chosen, &cases[chosen], chosen < 2 ? &m[chosen] : NULL))
            return RIGHT;
    }
}

static void start_split(csp_chan in, csp_chan out[2], bool ring)
{
    struct split s = {.in = in, .ring = ring};
    for (int i = 0; i < 2; i++)
        s.out[i] = out[i] = ends_make(0);
    go(split, &s);
    ends_drop(in, CSP_SEND);
    ends_drop(out[0], CSP_RECV);
    ends_drop(out[1], CSP_RECV);
}

/* ---- the operations */

static int next_of_polynomial(struct operation *op, long i, struct rational *r)
{
    *r = i < op->n ? rational(op->terms[i], 1) : none;
    return RIGHT;
}

static int next_of_constant(struct operation *op, long i, struct rational *r)
{
    (void)i;
    *r = op->c;
    return RIGHT;
}

/* What has no more counts as nothing. */
static int next_of_sum(struct operation *op, long i, struct rational *r)
{
    struct rational terms[2];
    int status = ask(op->in, 2, terms);
    (void)i;
    if (status == RIGHT)
        *r = terms[0].den == 0 ? terms[1] : terms[1].den == 0 ? terms[0] : rational_add(terms[0], terms[1]);
    return status;
}

static int next_of_multiple(struct operation *op, long i, struct rational *r)
{
    int status = ask(op->in, 1, r);
    (void)i;
    if (status == RIGHT && r->den != 0)
        *r = rational_multiply(*r, op->c);
    return status;
}

static int next_of_derivative(struct operation *op, long i, struct rational *r)
{
    int status = i == 0 ? ask(op->in, 1, r) : RIGHT;
    if (status == RIGHT)
        status = ask(op->in, 1, r);
    if (status == RIGHT && r->den != 0)
        *r = rational_multiply(*r, rational(i + 1, 1));
    return status;
}

static int next_of_integral(struct operation *op, long i, struct rational *r)
{
    *r = op->c;
    int status = i > 0 ? ask(op->in, 1, r) : RIGHT;
    if (status == RIGHT && i > 0 && r->den != 0)
        *r = rational_multiply(*r, rational(1, i));
    return status;
}

csp_chan series_polynomial(const int64_t *terms, long n)
{
    return start((struct operation){.next = next_of_polynomial, .terms = terms, .n = n});
}

csp_chan series_ones(void)
{
    return start((struct operation){.next = next_of_constant, .c = rational(1, 1)});
}

csp_chan series_sum(csp_chan f, csp_chan g)
{
    return start((struct operation){.next = next_of_sum, .in = {f, g}});
}

static csp_chan multiple(struct rational c, csp_chan f)
{
    return c.den == 0 ? series_polynomial(NULL, 0)
                      : start((struct operation){.next = next_of_multiple, .in = {f}, .c = c});
}

csp_chan series_derivative(csp_chan f)
{
    return start((struct operation){.next = next_of_derivative, .in = {f}});
}

csp_chan series_integral(struct rational c, csp_chan f)
{
    return start((struct operation){.next = next_of_integral, .in = {f}, .c = c});
}

/* F G = f g + x (f G' + g F') + x^2 F' G', where F = f + x F' and G = g + x G'. in[0] becomes the middle part, then the
 * rest; in[1] what the rest is made of, on demand. */
static int next_of_product(struct operation *op, long i, struct rational *r)
{
    csp_chan f[2];
    csp_chan g[2];
    if (i == 0) {
        int status = ask(op->in, 2, op->first);
        if (status == RIGHT && op->first[0].den != 0 && op->first[1].den != 0)
            *r = rational_multiply(op->first[0], op->first[1]);
        return status;
    }
    if (i == 1) {
        start_split(op->in[0], f, false);
        start_split(op->in[1], g, false);
        op->in[0] = series_sum(multiple(op->first[0], g[0]), multiple(op->first[1], f[0]));
        op->in[1] = series_product(f[1], g[1]);
    } else if (i == 2)
        op->in[0] = series_sum(op->in[0], op->in[1]);
    return ask(op->in, 1, r);
}

csp_chan series_product(csp_chan f, csp_chan g)
{
    return start((struct operation){.next = next_of_product, .in = {f, g}});
}

/* F(G) = f + x G' F'(G), where G = x G'. */
static int next_of_substitution(struct operation *op, long i, struct rational *r)
{
    csp_chan g[2];
    if (i == 1) {
        start_split(op->in[1], g, false);
        int status = ask(&g[0], 1, r);
        if (status != RIGHT || (r->den != 0 && r->num != 0))
            return status != RIGHT ? status : wrong("a series with a constant is substituted");
        op->in[0] =
            series_product(g[0], start((struct operation){.next = next_of_substitution, .in = {op->in[0], g[1]}}));
    }
    return ask(op->in, 1, r);
}

csp_chan series_substitution(csp_chan f, csp_chan g)
{
    return start((struct operation){.next = next_of_substitution, .in = {f, g}});
}

/* Z = 1 / F = (1 - x F' Z) / f; in[1] is Z. */
static int next_of_reciprocal(struct operation *op, long i, struct rational *r)
{
    if (i == 0) {
        int status = ask(op->in, 1, &op->first[0]);
        if (status != RIGHT || op->first[0].num == 0)
            return status != RIGHT ? status : wrong("the reciprocal of a series without a constant");
        *r = rational(op->first[0].den, op->first[0].num);
        return RIGHT;
    }
    if (i == 1)
        op->in[0] = multiple(rational(-op->first[0].den, op->first[0].num), series_product(op->in[0], op->in[1]));
    return ask(op->in, 1, r);
}

/* A series that is defined by itself: out[1] for its definition, out[0] for others. Returns what the definition is to
 * be started as. */
static csp_chan start_ring(csp_chan out[2])
{
    csp_chan z = ends_make(0);
    start_split(z, out, true);
    return z;
}

csp_chan series_reciprocal(csp_chan f)
{
    csp_chan out[2];
    csp_chan z = start_ring(out);
    start_as(z, (struct operation){.next = next_of_reciprocal, .in = {f, out[1]}});
    return out[0];
}

/* exp F, of F without a constant, is the integral of itself and F's derivative. */
csp_chan series_exponential(csp_chan f)
{
    csp_chan out[2];
    csp_chan z = start_ring(out);
    csp_chan d = series_product(out[1], series_derivative(f));
    start_as(z, (struct operation){.next = next_of_integral, .in = {d}, .c = rational(1, 1)});
    return out[0];
}

/* tan x is the integral of 1 + tan^2 x. */
csp_chan series_tangent(void)
{
    static const int64_t one[] = {1};
    csp_chan out[2];
    csp_chan two[2];
    csp_chan z = start_ring(out);
    start_split(out[1], two, false);
    csp_chan d = series_sum(series_polynomial(one, 1), series_product(two[0], two[1]));
    start_as(z, (struct operation){.next = next_of_integral, .in = {d}, .c = rational(0, 1)});
    return out[0];
}
