/* SPDX-License-Identifier: MPL-2.0 */
/* Values to bytes. Every value is noted in the trail before the first byte of its block is written: one that was taken
 * from a channel and not yet written is as lost as one in the pipe. */
#include "renderer.h"

#include <stdlib.h>
#include <string.h>

void renderer_init(struct renderer *r, enum framing framing, renderer_write *write, void *arg)
{
    *r = (struct renderer){.framing = framing, .write = write, .arg = arg};
}

void renderer_free(struct renderer *r)
{
    trail_free(&r->trail);
    free(r->scratch);
    r->scratch = NULL;
}

/* Bytes that a value has on the pipe beside its own. */
static uint32_t overhead(enum framing f)
{
    return f == FRAMING_LENGTH ? FRAMING_PREFIX : framing_terminator(f) >= 0;
}

/* Whether each gap byte of the block is our terminator. */
static bool fits(const struct renderer *r, const csp__block *b)
{
    int terminator = framing_terminator(r->framing);
    const char *at = b->data;
    if (b->gap == 0 || terminator < 0)
        return false;
    bool same = true;
    for (size_t i = 0; i < b->count; i++) {
        at += csp__block_length(b, i);
        same &= (unsigned char)*at++ == terminator;
    }
    return same;
}

static int flush(struct renderer *r)
{
    size_t used = r->used;
    r->used = 0;
    return used == 0 ? 0 : r->write(r->arg, r->scratch, used);
}

/* Through the scratch buffer, but for large pieces, which go as they are. */
static int put(struct renderer *r, const char *p, size_t n)
{
    if (n > RENDERER_SCRATCH - r->used && flush(r) != 0)
        return -1;
    if (n > RENDERER_SCRATCH / 4)
        return flush(r) != 0 ? -1 : r->write(r->arg, p, n);
    memcpy(r->scratch + r->used, p, n);
    r->used += n;
    return 0;
}

static int convert(struct renderer *r, const csp__block *b)
{
    int terminator = framing_terminator(r->framing);
    const char end = (char)terminator, *at = b->data;
    if (r->scratch == NULL && (r->scratch = malloc(RENDERER_SCRATCH)) == NULL)
        return -1;
    for (size_t i = 0; i < b->count; i++) {
        uint32_t n = csp__block_length(b, i);
        const char head[FRAMING_PREFIX] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
        if (r->framing == FRAMING_LENGTH && put(r, head, sizeof head) != 0)
            return -1;
        if (put(r, at, n) != 0 || (terminator >= 0 && put(r, &end, 1) != 0))
            return -1;
        at += n + (size_t)b->gap;
    }
    return flush(r);
}

/* A terminator that was lacking is lacking here only where it is the same: a value of `line` that had no newline still
 * gets its \0 before a program that reads `nul`. */
int renderer_block(struct renderer *r, const csp__block *b)
{
    bool same = fits(r, b), owed = r->owed, lacking = same && b->noeol;
    if (b->count == 0)
        return 0;
    if (trail_add(&r->trail, b->lengths, b->count, overhead(r->framing), owed, lacking) != 0)
        return -1;
    if (owed) {
        const char end = (char)framing_terminator(r->framing);
        r->owed = false;
        if (r->write(r->arg, &end, 1) != 0)
            return -1;
    }
    if (r->framing == FRAMING_WHOLE && b->gap == 0)
        return r->write(r->arg, b->data, b->len);
    if (!same)
        return convert(r, b);
    r->owed = lacking;
    return r->write(r->arg, b->data, b->len - lacking);
}
