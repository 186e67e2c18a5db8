/* SPDX-License-Identifier: MPL-2.0 */
/* What is still to be written to a program: values as it reads them. Decision: all that it was given is kept here and
 * written as there is room in its pipe, so that nobody waits for it who has other things to hear. */
#ifndef EXEC_FEED_H
#define EXEC_FEED_H

#include "csp.h"
#include "framing.h"

#include <stdbool.h>
#include <stddef.h>

struct feed {
    char *text; /* [begin, end) */
    size_t begin, end, size;
};

/* 0, or -1: no memory. */
int feed_put(struct feed *f, enum framing framing, const csp_msg *m);

/* As much as the pipe takes. 0, or -1 with errno: its reader has gone, or worse. */
int feed_write(struct feed *f, int fd);

static inline bool feed_is_empty(const struct feed *f)
{
    return f->begin == f->end;
}

void feed_free(struct feed *f);

#endif
