/* SPDX-License-Identifier: MPL-2.0 */
/* Streams of a line: section 6 of docs/protocol.md, the caller's side. */
#ifndef CSP_STREAM_H
#define CSP_STREAM_H

#include "receiving.h"
#include "sending.h"

struct csp__stream {
    struct csp__stream *next;
    csp_chan chan;
    struct csp__receiving recv;
    struct csp__stream *next_receiving; /* of all threads */
    struct csp__line *line;
    uint64_t max_bytes, capacity;
    int exact; /* the ends of a pair that the library made a stream: they do as on a channel that is none */
    struct csp__sending send;
};

/* This line's stream of the channel, or NULL. */
static inline struct csp__stream *csp__stream_find(struct csp__line *line, csp_chan c)
{
    struct csp__stream *s = line->streams[c % CSP__BUCKETS];
    while (s != NULL && s->chan != c)
        s = s->next;
    return s;
}

/* Makes the stream of a pair's end that its first use needs. 0, or an errno: EBUSY: another has it. */
int csp__stream_exact(struct csp__line *line, csp_chan c, int end);

/* Ends of the stream are no longer: dropped, or the line goes. */
void csp__stream_end(struct csp__line *line, struct csp__stream *s, int ends);

#endif
