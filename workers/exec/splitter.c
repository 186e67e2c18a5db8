/* SPDX-License-Identifier: MPL-2.0 */
/* Cutting bytes into values. A framing is a function that finds the next complete values in [rest, fill) and moves
 * `rest` behind them; all else (room, blocks, places) is the same for every framing. */
#include "splitter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PLACES 4096

static char *data_of(const struct splitter *s)
{
    return s->memory + CSP__HEAD_ROOM;
}

/* Memory for cap bytes of data, and behind them room for the lengths of as many values as blocks have of late. */
static char *new_memory(const struct splitter *s, size_t cap, size_t *size)
{
    size_t lengths = (s->most + s->most / 4) * sizeof(uint32_t);
    *size = CSP__HEAD_ROOM + cap + lengths;
    return malloc(*size);
}

static void use_memory(struct splitter *s, char *memory, size_t cap, size_t size)
{
    s->memory = memory;
    s->cap = cap;
    s->size = size;
    s->at.buf = data_of(s);
}

int splitter_init(struct splitter *s, enum framing framing, size_t limit)
{
    size_t size;
    *s = (struct splitter){.framing = framing, .limit = limit, .at = {.room = FIRST_PLACES}, .most = FIRST_PLACES};
    char *memory = new_memory(s, EXEC_BLOCK, &size);
    s->at.lengths = malloc(FIRST_PLACES * sizeof *s->at.lengths);
    s->memory = memory;
    if (memory != NULL && s->at.lengths != NULL) {
        use_memory(s, memory, EXEC_BLOCK, size);
        return 0;
    }
    splitter_free(s);
    errno = ENOMEM;
    return -1;
}

void splitter_free(struct splitter *s)
{
    free(s->memory);
    free(s->at.lengths);
    s->memory = NULL;
    s->at.lengths = NULL;
}

/* A value begun is read on to where it ends, in a buffer twice as large each time: the limit bounds it. Where values
 * are complete no more than a block is read. */
char *splitter_space(struct splitter *s, size_t *room)
{
    struct ends *at = &s->at;
    if (at->fill == s->cap && at->count == 0) {
        size_t size = CSP__HEAD_ROOM + s->cap * 2;
        char *memory = realloc(s->memory, size);
        if (memory == NULL)
            return NULL;
        use_memory(s, memory, s->cap * 2, size);
    }
    size_t end = at->fill < EXEC_BLOCK ? EXEC_BLOCK : at->count != 0 ? at->fill : s->cap;
    *room = end - at->fill;
    return data_of(s) + at->fill;
}

static int more_places(struct ends *at)
{
    uint32_t *lengths = reallocarray(at->lengths, at->room * 2, sizeof *lengths);
    if (lengths == NULL)
        return -1;
    at->lengths = lengths;
    at->room *= 2;
    return 0;
}

static int add_length(struct splitter *s, size_t length)
{
    if (s->at.count == s->at.room && more_places(&s->at) != 0)
        return -1;
    s->at.lengths[s->at.count++] = (uint32_t)length;
    return 0;
}

static int too_large(void)
{
    errno = EMSGSIZE;
    return -1;
}

/* Takes back the first value of the new ones, which begin at `begin`, that is over the limit, and all behind it. */
static int check_limit(struct splitter *s, size_t from, size_t begin)
{
    struct ends *at = &s->at;
    for (size_t i = from; i < at->count; i++) {
        if (at->lengths[i] > s->limit) {
            at->count = i;
            at->rest = s->done = begin;
            return too_large();
        }
        begin += (size_t)at->lengths[i] + 1;
    }
    return 0;
}

static int split_terminated(struct splitter *s, int terminator)
{
    struct ends *at = &s->at;
    size_t from = at->count, begin = at->rest;
    int enough = 0;
    while (ends_find(at, (char)terminator) == 0 && (enough = more_places(at)) == 0)
        ;
    s->done = at->rest;
    if (enough != 0)
        return -1;
    if (at->fill - begin > s->limit && check_limit(s, from, begin) != 0)
        return -1;
    return at->fill - at->rest > s->limit ? too_large() : 0;
}

static size_t prefix(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static int split_prefixed(struct splitter *s)
{
    struct ends *at = &s->at;
    char *data = data_of(s);
    while (at->fill - at->rest >= FRAMING_PREFIX) {
        size_t length = prefix(data + at->rest);
        if (length > s->limit)
            return too_large();
        if (at->fill - at->rest - FRAMING_PREFIX < length)
            break;
        if (add_length(s, length) != 0)
            return -1;
        memmove(data + s->done, data + at->rest + FRAMING_PREFIX, length);
        s->done += length;
        at->rest += FRAMING_PREFIX + length;
    }
    return 0;
}

int splitter_added(struct splitter *s, size_t n)
{
    s->at.fill += n;
    if (s->framing == FRAMING_WHOLE)
        return s->at.fill > s->limit ? too_large() : 0;
    if (s->framing == FRAMING_LENGTH)
        return split_prefixed(s);
    return split_terminated(s, framing_terminator(s->framing));
}

size_t splitter_block(const struct splitter *s, csp__block *b)
{
    *b = (csp__block){.data = data_of(s),
                      .len = s->done,
                      .lengths = s->at.lengths,
                      .count = s->at.count,
                      .gap = framing_terminator(s->framing) >= 0};
    return s->at.count;
}

/* What is not complete is at the front now. */
static void moved(struct splitter *s)
{
    struct ends *at = &s->at;
    s->most = at->count > s->most / 2 ? at->count : s->most / 2;
    s->records += at->count;
    s->offset += at->rest;
    at->fill -= at->rest;
    at->scan -= at->scan < at->rest ? at->scan : at->rest;
    at->count = s->done = at->rest = 0;
}

void splitter_sent(struct splitter *s)
{
    memmove(data_of(s), data_of(s) + s->at.rest, s->at.fill - s->at.rest);
    moved(s);
}

char *splitter_give(struct splitter *s, size_t *size)
{
    size_t left = s->at.fill - s->at.rest, new_size;
    size_t cap = left < EXEC_BLOCK ? EXEC_BLOCK : s->cap;
    char *given = s->memory, *memory = new_memory(s, cap, &new_size);
    if (memory == NULL)
        return NULL;
    memcpy(memory + CSP__HEAD_ROOM, data_of(s) + s->at.rest, left);
    *size = s->size;
    use_memory(s, memory, cap, new_size);
    moved(s);
    return given;
}

/* The gap byte of the last value is there too, so that who gets it can tell which terminator it would have had. */
int splitter_end(struct splitter *s, csp__block *b)
{
    int terminator = framing_terminator(s->framing);
    if (s->at.fill == 0 && s->framing != FRAMING_WHOLE)
        return 0;
    if (s->framing == FRAMING_LENGTH) {
        errno = EBADMSG;
        return -1;
    }
    size_t length = s->at.fill, room;
    if (terminator >= 0) {
        char *at = splitter_space(s, &room);
        if (at == NULL)
            return -1;
        *at = (char)terminator;
        s->at.fill++;
    }
    s->at.count = 0;
    if (add_length(s, length) != 0)
        return -1;
    s->done = s->at.rest = s->at.fill;
    splitter_block(s, b);
    b->noeol = b->gap;
    return 1;
}

void splitter_clear(struct splitter *s)
{
    s->at.fill = s->at.scan = s->at.rest = s->at.count = 0;
    s->done = 0;
    s->records = s->offset = 0;
}

void splitter_place(const struct splitter *s, uint64_t *record, uint64_t *offset)
{
    *record = s->records + s->at.count + 1;
    *offset = s->offset + s->at.rest;
}
