/* SPDX-License-Identifier: MPL-2.0 */
/* What the fuzz targets share. Decision: a target is one function, which libFuzzer calls (make fuzz) and a test with
 * what is in tests/fuzz/corpus/TARGET (make test): so what was found once is tried for ever, also where there is no
 * clang. An input is read as choices from small sets: it is never invalid, only short. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. */
struct bytes {
    const uint8_t *at, *end;
};

/* The next byte; 0 where nothing is left. */
static inline uint8_t bytes_next(struct bytes *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* 0 to n - 1. */
static inline unsigned bytes_below(struct bytes *in, unsigned n)
{
    return bytes_next(in) % n;
}

/* One of the numbers in a table. */
#define BYTES_OF(in, table) ((table)[bytes_below((in), sizeof(table) / sizeof *(table))])

/* Says what is not so, and ends the program as a finding. */
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

#define HOLD(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

#endif
