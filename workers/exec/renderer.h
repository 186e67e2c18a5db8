/* SPDX-License-Identifier: MPL-2.0 */
/* Writes blocks of values as a program wants to read them. Decision: a block whose gap bytes are already this pipe's
 * terminator is written as it lies in its frame, in one piece; only another framing is converted. The terminator that a
 * sender's last value lacked is owed: it is written when another value follows (of another sender), and never if that
 * was the last of all, so that a chain of cat is byte-exact. Pure: bytes go to a function. */
#ifndef EXEC_RENDERER_H
#define EXEC_RENDERER_H

#include "block.h"
#include "framing.h"
#include "trail.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes all n bytes. 0, or -1 with errno. */
typedef int renderer_write(void *arg, const char *p, size_t n);

struct renderer {
    enum framing framing;
    renderer_write *write;
    void *arg;
    struct trail trail; /* what was given to write, value by value; its owner forgets */
    bool owed;
    char *scratch; /* values being converted, RENDERER_SCRATCH bytes once there is need */
    size_t used;
};

#define RENDERER_SCRATCH (64u << 10)

void renderer_init(struct renderer *r, enum framing framing, renderer_write *write, void *arg);
void renderer_free(struct renderer *r);

/* 0, or -1: ENOMEM, or what write failed with. */
int renderer_block(struct renderer *r, const csp__block *b);

#endif
