/* SPDX-License-Identifier: MPL-2.0 */
/* The field of a value by which values are told apart (partition). Decision: a field is compared as it is written, byte
 * by byte, and a value that lacks it has an empty one: so every value has a place, and nothing here can fail. Pure. */
#ifndef EXEC_FIELD_H
#define EXEC_FIELD_H

#include <stddef.h>
#include <stdint.h>

/* The n bytes of the field in a value: where `name` is a number, that one of those which spaces and tabs separate, from
 * 1; else the value of that key of a JSON object, with its quotes where it is a string, of its outermost level only. */
const char *field_of(const char *value, size_t len, const char *name, size_t *n);

/* Which of `lanes` is that of a field: the same one for the same bytes, in every run. */
size_t field_lane(const char *field, size_t n, size_t lanes);

#endif
