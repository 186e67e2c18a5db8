/* SPDX-License-Identifier: MPL-2.0 */
/* Memory that lives and dies together. cspctl is a program, so without memory it ends with EX_OSERR and a sentence
 * instead of handing NULL up through every parser. Each allocation stays a malloc of its own: sanitizers see every
 * overrun. */
#ifndef CSPCTL_POOL_H
#define CSPCTL_POOL_H

#include <stdarg.h>
#include <stddef.h>

/* Caller owns the pool and must give it to pool_free(), which frees all that came out of it. None of these returns
 * NULL. */
struct pool *pool_new(void);
void pool_free(struct pool *pool);
void *pool_zalloc(struct pool *pool, size_t size);
char *pool_copy(struct pool *pool, const char *text, size_t length);
char *pool_format(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *pool_vformat(struct pool *pool, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Room for one more item in an array of n items of that size: the array itself, or a larger copy of it. */
void *pool_more(struct pool *pool, void *array, size_t n, size_t size);

/* malloc, calloc and realloc that do not return NULL. Caller owns the result and frees it. */
void *memory_alloc(size_t size);
void *memory_zalloc(size_t n, size_t size);
void *memory_resize(void *old, size_t size);

#endif
