/* SPDX-License-Identifier: MPL-2.0 */
/* A pool is a list of malloc'ed blocks, each headed by a link to the one before. */
#include "pool.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct block {
    alignas(max_align_t) struct block *next;
};

struct pool {
    struct block *blocks;
};

static _Noreturn void out_of_memory(void)
{
    fputs("cspctl: out of memory\n", stderr);
    exit(EX_OSERR);
}

void *memory_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *memory_zalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *memory_resize(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

struct pool *pool_new(void)
{
    struct pool *pool = memory_alloc(sizeof *pool);

    pool->blocks = NULL;
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    for (struct block *b = pool->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(pool);
}

void *pool_zalloc(struct pool *pool, size_t size)
{
    struct block *b = memory_alloc(sizeof *b + size);

    b->next = pool->blocks;
    pool->blocks = b;
    return memset(b + 1, 0, size);
}

char *pool_copy(struct pool *pool, const char *text, size_t length)
{
    char *copy = pool_zalloc(pool, length + 1);

    memcpy(copy, text, length);
    return copy;
}

char *pool_vformat(struct pool *pool, const char *format, va_list args)
{
    char *text = NULL;
    int length = vasprintf(&text, format, args);

    if (length < 0)
        out_of_memory();
    char *copy = pool_copy(pool, text, (size_t)length);
    free(text);
    return copy;
}

char *pool_format(struct pool *pool, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = pool_vformat(pool, format, args);
    va_end(args);
    return text;
}

/* Doubles at powers of two. The copy left behind costs as much again and spares every array a capacity of its own. */
void *pool_more(struct pool *pool, void *array, size_t n, size_t size)
{
    if (n & (n - 1))
        return array;
    void *larger = pool_zalloc(pool, (n ? 2 * n : 1) * size);
    if (n)
        memcpy(larger, array, n * size);
    return larger;
}
