/* SPDX-License-Identifier: MPL-2.0 */
/* The record framings of the bridge: what comes out of a pipe in any pieces goes into the next one byte for byte, and
 * through any other framing value by value. Decision: values are also cut by a second cutter, which is slow and plain,
 * and both must agree. */
#include "fuzz.h"

#include "renderer.h"
#include "splitter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 16 };

/* What a renderer wrote. */
struct out {
    char bytes[2 * MOST];
    size_t n;
};

static struct out copy, other, plain;

static int write_out(void *arg, const char *p, size_t n)
{
    struct out *o = arg;
    HOLD(n <= sizeof o->bytes - o->n);
    if (n != 0)
        memcpy(o->bytes + o->n, p, n);
    o->n += n;
    return 0;
}

static void append(struct out *o, const void *p, size_t n)
{
    write_out(o, p, n);
}

static void value(struct out *o, enum framing to, const char *p, size_t n)
{
    const char head[FRAMING_PREFIX] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    const char end = (char)framing_terminator(to);
    if (to == FRAMING_LENGTH)
        append(o, head, sizeof head);
    append(o, p, n);
    if (framing_terminator(to) >= 0)
        append(o, &end, 1);
}

/* All values of the bytes, in another framing. False: what is left at the end is no value. */
static bool cut(enum framing from, enum framing to, size_t limit, const char *p, size_t n)
{
    int terminator = framing_terminator(from);
    if (from == FRAMING_WHOLE) {
        if (n <= limit)
            value(&plain, to, p, n);
        return n <= limit;
    }
    while (n != 0) {
        const char *end = terminator >= 0 ? memchr(p, terminator, n) : NULL;
        size_t length = end != NULL ? (size_t)(end - p) : n, head = 0;
        if (from == FRAMING_LENGTH) {
            const unsigned char *u = (const unsigned char *)p;
            head = FRAMING_PREFIX;
            if (n < head)
                return false;
            length = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
            if (length > limit || n - head < length)
                return false;
        }
        if (length > limit)
            return false;
        value(&plain, to, p + head, length);
        p += head + length + (end != NULL);
        n -= head + length + (end != NULL);
    }
    return true;
}

static void render(struct renderer *same, struct renderer *to, const csp__block *b, size_t *values)
{
    size_t sum = 0;
    for (size_t i = 0; i < b->count; i++)
        sum += csp__block_length(b, i) + (size_t)b->gap;
    HOLD(sum == b->len);
    *values += b->count;
    HOLD(renderer_block(same, b) == 0 && renderer_block(to, b) == 0);
}

/* The block goes as the bridge sends it, by copying or by giving its memory away. */
static void send_block(struct splitter *s, struct renderer *same, struct renderer *to, bool give, size_t *values)
{
    csp__block b;
    if (splitter_block(s, &b) == 0)
        return;
    size_t size;
    char *given = give ? splitter_give(s, &size) : NULL;
    HOLD(!give || (given != NULL && b.data == given + CSP__HEAD_ROOM && b.len + CSP__HEAD_ROOM <= size));
    render(same, to, &b, values);
    if (!give)
        splitter_sent(s);
    free(given);
}

/* 0: all was cut; else the errno with which it ended. */
static int split(struct splitter *s, struct bytes *in, struct renderer *same, struct renderer *to, size_t *values)
{
    uint8_t chunk = bytes_next(in), how = bytes_next(in);
    while (in->at < in->end) {
        size_t room, n = 1u + (chunk & 63), left = (size_t)(in->end - in->at);
        char *at = splitter_space(s, &room);
        HOLD(at != NULL && room > 0);
        n = chunk >= 192 ? left : n;
        n = n < left ? n : left;
        n = n < room ? n : room;
        memcpy(at, in->at, n);
        in->at += n;
        chunk = (uint8_t)(chunk * 5 + 3 * (chunk < 192));
        int err = splitter_added(s, n) != 0 ? errno : 0;
        if (err != 0 || (how = (uint8_t)(how * 3 + 1)) % 4 != 0)
            send_block(s, same, to, how % 8 == 1, values);
        if (err != 0)
            return err;
    }
    send_block(s, same, to, false, values);
    csp__block b;
    int rc = splitter_end(s, &b);
    if (rc > 0)
        render(same, to, &b, values);
    return rc < 0 ? errno : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, data + (size < MOST ? size : MOST)};
    enum framing from = bytes_below(&in, 4), to = bytes_below(&in, 4);
    uint8_t small = bytes_next(&in);
    size_t limit = small < 64 ? small : MOST, values = 0;
    const char *bytes = (const char *)in.at + 2;
    size_t n = in.end - in.at > 2 ? (size_t)(in.end - in.at) - 2 : 0;
    struct splitter s;
    struct renderer same, into;
    copy.n = other.n = plain.n = 0;
    HOLD(splitter_init(&s, from, limit) == 0);
    renderer_init(&same, from, write_out, &copy);
    renderer_init(&into, to, write_out, &other);
    int err = split(&s, &in, &same, &into, &values);
    bool good = cut(from, to, limit, n != 0 ? bytes : "", n);
    HOLD(good == (err == 0));
    /* What its last value lacked it lacks there too, in the same framing only. */
    bool lacks =
        from == to && good && n != 0 && framing_terminator(from) >= 0 && bytes[n - 1] != framing_terminator(from);
    if (good) {
        HOLD(copy.n == n && memcmp(copy.bytes, n != 0 ? bytes : "", n) == 0);
        HOLD(other.n == plain.n - lacks);
    } else
        HOLD(other.n <= plain.n);
    HOLD(memcmp(other.bytes, plain.bytes, other.n) == 0);
    HOLD(same.trail.end == copy.n && into.trail.end == other.n && trail_count(&same.trail, copy.n) == 0);
    trail_forget(&same.trail, copy.n / 2);
    HOLD(trail_count(&same.trail, 0) <= values);
    renderer_free(&same);
    renderer_free(&into);
    splitter_free(&s);
    return 0;
}
