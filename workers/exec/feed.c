/* SPDX-License-Identifier: MPL-2.0 */
/* A buffer that begins anew whenever all of it was written. */
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int put(struct feed *f, const char *p, size_t n)
{
    if (f->end + n > f->size) {
        size_t size = (f->end + n) * 2;
        char *text = realloc(f->text, size);
        if (text == NULL)
            return -1;
        f->text = text;
        f->size = size;
    }
    if (n != 0)
        memcpy(f->text + f->end, p, n);
    f->end += n;
    return 0;
}

int feed_put(struct feed *f, enum framing framing, const csp_msg *m)
{
    int terminator = framing_terminator(framing);
    const char end = (char)terminator;
    const char head[FRAMING_PREFIX] = {(char)(m->len >> 24), (char)(m->len >> 16), (char)(m->len >> 8), (char)m->len};
    if (framing == FRAMING_LENGTH && put(f, head, sizeof head) != 0)
        return -1;
    return put(f, m->data, m->len) != 0 || (terminator >= 0 && put(f, &end, 1) != 0) ? -1 : 0;
}

int feed_write(struct feed *f, int fd)
{
    ssize_t n = write(fd, f->text + f->begin, f->end - f->begin);
    if (n > 0)
        f->begin += (size_t)n;
    if (f->begin == f->end)
        f->begin = f->end = 0;
    return n >= 0 || errno == EAGAIN || errno == EINTR ? 0 : -1;
}

void feed_free(struct feed *f)
{
    free(f->text);
    *f = (struct feed){0};
}
