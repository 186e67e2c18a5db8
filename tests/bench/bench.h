/* SPDX-License-Identifier: MPL-2.0 */
/* What all benchmarks share. Decision: our programs and those they are compared with run the very same loops (flow.h,
 * trips.h) and differ in two functions, send and receive; they measure for a given time rather than a given number of
 * values, so that a slow one takes no longer than a fast one; and they print `NAME VALUE` lines for scripts/bench. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How a benchmark gives a value away, and gets one; `end` is whatever the two need. Of a message of any size they move
 * len bytes from or to the buffer; recv returns the length. Failing, they end the program. */
typedef void bench_send(void *end, const void *p, size_t len);
typedef size_t bench_recv(void *end, void *p, size_t cap);

/* Seconds of CLOCK_MONOTONIC, and how many of them to measure: $BENCH_SECONDS, or 1. */
double seconds(void);
double seconds_to_measure(void);

/* Ends the program with status 70, and says what failed and why: errno, or csp_errmsg(). */
_Noreturn void fail(const char *what);
_Noreturn void fail_csp(const char *what);

/* The same, unless it is well. */
static inline void must(bool well, const char *what)
{
    if (!well)
        fail(what);
}

static inline void must_csp(bool well, const char *what)
{
    if (!well)
        fail_csp(what);
}

/* Argument i as a number from 1 on; or what it is by default. Ends the program with status 64. */
size_t number_argument(char **argv, int i, size_t otherwise);

/* Forks a child that runs fn(arg), ends, and is killed when its parent ends. */
pid_t child_of(void (*fn)(void *), void *arg);

/* Waits for children of child_of; all must have ended with status 0. */
void reap(pid_t *children, size_t n);

/* Kills children of child_of, and waits for them. */
void dismiss(pid_t *children, size_t n);

/* An address for sockets of libzmq or nng that leaves no file behind: it ends in `name`, and this process's pid or, in
 * a child, its parent's. Valid until 4 calls later. */
const char *address_of(const char *name);

/* The q-th quantile, 0 <= q < 1, of n numbers, which are sorted by it. */
double quantile(double *numbers, size_t n, double q);

/* Prints `NAME VALUE`. */
void print_figure(const char *name, double value);

#endif
