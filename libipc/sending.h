/* SPDX-License-Identifier: MPL-2.0 */
/* The sending half of a stream: what is outstanding, and what of it is held. */
#ifndef CSP_SENDING_H
#define CSP_SENDING_H

#include "block.h"
#include "line.h"
#include "pack.h"

struct csp__pair;
struct csp__stream;

struct csp__sending {
    int on, broken; /* broken: EPIPE, what is not committed never will be */
    uint64_t window, bytes;
    uint64_t put, committed; /* values; those held are put */
    uint32_t *costs;         /* ring: bytes of the values from committed to put */
    size_t size;             /* of it, a power of two */
    uint64_t most;           /* what a frame of several values may count: a quarter of the window, CSP__PACK_MAX */
    struct csp__pack pack;   /* what is held; used as hold.h says */
    struct csp__stream *next_open; /* of the line's, where it is_open */
    int is_open;
    struct csp__pair *pair; /* NULL: hosted */
    uint32_t *staged;       /* bytes of the values that were staged */
    size_t nstaged, staged_size;
};

/* Makes it the sending half of a stream with this window. 0, or -1: no memory. */
int csp__sending_begin(struct csp__sending *send, uint64_t window);
void csp__sending_end(struct csp__sending *send);

/* The ROOM in the line's frame. */
void csp__stream_room(struct csp__line *line);

/* Whether so many bytes are within the window, or the stream is broken. */
int csp__stream_has_room(struct csp__stream *s, uint64_t bytes);

/* Whether a value of len bytes is within the window, or the stream is broken, so that a send need not wait. */
int csp__stream_may_put(struct csp__stream *s, size_t len);

/* Puts the value where that needs no wait, and nothing else is to be said about it. 1: it did; 0: a select is to be
 * asked; -1: ENOMEM, ENOTCONN noted. */
int csp__stream_put_fast(struct csp__line *line, struct csp__stream *s, const void *p, size_t len);

/* Puts the value. 0; EPIPE, EMSGSIZE; EAGAIN: there is no room any more, by what came meanwhile; or -1: ENOMEM,
 * ENOTCONN noted. */
int csp__stream_put(struct csp__line *line, struct csp__stream *s, const void *p, size_t len);

/* Puts all values of a block, waiting for the window where it must. Errors as csp__put_block. */
int csp__stream_put_block(struct csp__line *line, struct csp__stream *s, const csp__block *b, csp_time by,
                          const struct csp__call *call);

/* EMSGSIZE where a value of the block is over max_bytes, else 0. */
int csp__block_fits(const struct csp__stream *s, const csp__block *b);

/* The values of a block from the i-th on, which lie at data, that make a frame: up to a quarter of the window, at least
 * one; and what they count. */
struct csp__part csp__block_part(const struct csp__stream *s, const csp__block *b, size_t i, const char *data,
                                 uint64_t *cost);

/* Makes room to note so many values more as put; notes one, of so many bytes. 0, or -1: no memory. */
int csp__sending_reserve(struct csp__sending *send, size_t values);
void csp__sending_note(struct csp__sending *send, uint32_t bytes);

/* Sends what is in the stream's pack, in one frame, for who has entered (hold.h). 0, or -1: ENOMEM, and it is in there
 * still; ENOTCONN. */
int csp__stream_ship(struct csp__line *line, struct csp__stream *s);

/* Whether every value put was committed, or never will be. */
int csp__stream_is_flushed(struct csp__stream *s);

/* Waits for that. Errors as csp_flush. */
int csp__stream_flush(struct csp__stream *s, csp_time by, const struct csp__call *call);

#endif
