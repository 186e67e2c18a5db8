/* SPDX-License-Identifier: MPL-2.0 */
/* Cutting bytes into values. A framing is a function that finds the next complete values in [rest, fill) and moves
 * `rest` behind them; all else (room, blocks, places) is the same for every framing. */
#include "splitter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int splitter_init(struct splitter *s, enum framing framing, size_t limit)
{
    *s = (struct splitter){.framing = framing, .limit = limit, .cap = EXEC_BLOCK, .room = 4096};
    s->buf = malloc(s->cap);
    s->lengths = malloc(s->room * sizeof *s->lengths);
    if (s->buf != NULL && s->lengths != NULL)
        return 0;
    splitter_free(s);
    errno = ENOMEM;
    return -1;
}

void splitter_free(struct splitter *s)
{
    free(s->buf);
    free(s->lengths);
    s->buf = NULL;
    s->lengths = NULL;
}

/* A value begun is read on to where it ends, in a buffer twice as large each time: the limit bounds it. Where values
 * are complete no more than a block is read. */
char *splitter_space(struct splitter *s, size_t *room)
{
    if (s->fill == s->cap && s->count == 0) {
        char *buf = reallocarray(s->buf, s->cap, 2);
        if (buf == NULL)
            return NULL;
        s->buf = buf;
        s->cap *= 2;
    }
    size_t end = s->fill < EXEC_BLOCK ? EXEC_BLOCK : s->count != 0 ? s->fill : s->cap;
    *room = end - s->fill;
    return s->buf + s->fill;
}

static int add_length(struct splitter *s, size_t length)
{
    if (s->count == s->room) {
        uint32_t *lengths = reallocarray(s->lengths, s->room * 2, sizeof *lengths);
        if (lengths == NULL)
            return -1;
        s->lengths = lengths;
        s->room *= 2;
    }
    s->lengths[s->count++] = (uint32_t)length;
    return 0;
}

static int too_large(void)
{
    errno = EMSGSIZE;
    return -1;
}

static int split_terminated(struct splitter *s, int terminator)
{
    const char *at;
    while ((at = memchr(s->buf + s->scan, terminator, s->fill - s->scan)) != NULL) {
        size_t end = (size_t)(at - s->buf), length = end - s->rest;
        if (length > s->limit)
            return too_large();
        if (add_length(s, length) != 0)
            return -1;
        s->rest = s->done = s->scan = end + 1;
    }
    s->scan = s->fill;
    return s->fill - s->rest > s->limit ? too_large() : 0;
}

static size_t prefix(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static int split_prefixed(struct splitter *s)
{
    while (s->fill - s->rest >= FRAMING_PREFIX) {
        size_t length = prefix(s->buf + s->rest);
        if (length > s->limit)
            return too_large();
        if (s->fill - s->rest - FRAMING_PREFIX < length)
            break;
        if (add_length(s, length) != 0)
            return -1;
        memmove(s->buf + s->done, s->buf + s->rest + FRAMING_PREFIX, length);
        s->done += length;
        s->rest += FRAMING_PREFIX + length;
    }
    return 0;
}

int splitter_added(struct splitter *s, size_t n)
{
    s->fill += n;
    if (s->framing == FRAMING_WHOLE)
        return s->fill > s->limit ? too_large() : 0;
    if (s->framing == FRAMING_LENGTH)
        return split_prefixed(s);
    return split_terminated(s, framing_terminator(s->framing));
}

size_t splitter_block(const struct splitter *s, csp__block *b)
{
    *b = (csp__block){.data = s->buf,
                      .len = s->done,
                      .lengths = s->lengths,
                      .count = s->count,
                      .gap = framing_terminator(s->framing) >= 0};
    return s->count;
}

void splitter_sent(struct splitter *s)
{
    memmove(s->buf, s->buf + s->rest, s->fill - s->rest);
    s->records += s->count;
    s->offset += s->rest;
    s->fill -= s->rest;
    s->scan -= s->scan < s->rest ? s->scan : s->rest;
    s->count = s->done = s->rest = 0;
}

/* The gap byte of the last value is there too, so that who gets it can tell which terminator it would have had. */
int splitter_end(struct splitter *s, csp__block *b)
{
    int terminator = framing_terminator(s->framing);
    if (s->fill == 0 && s->framing != FRAMING_WHOLE)
        return 0;
    if (s->framing == FRAMING_LENGTH) {
        errno = EBADMSG;
        return -1;
    }
    size_t length = s->fill, room;
    if (terminator >= 0) {
        char *at = splitter_space(s, &room);
        if (at == NULL)
            return -1;
        *at = (char)terminator;
        s->fill++;
    }
    s->count = 0;
    if (add_length(s, length) != 0)
        return -1;
    s->done = s->rest = s->fill;
    splitter_block(s, b);
    b->noeol = b->gap;
    return 1;
}

void splitter_place(const struct splitter *s, uint64_t *record, uint64_t *offset)
{
    *record = s->records + s->count + 1;
    *offset = s->offset + s->rest;
}
