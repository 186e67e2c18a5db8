/* SPDX-License-Identifier: MPL-2.0 */
/* The values of one run of a program, and how it gets them: as arguments, in its environment and on its stdin.
 * Decision: stdin is a file in memory, the same for all runs: no size of a value makes anybody wait, a program may
 * leave it unread, and its end is its end without a pipe to be made and closed. Nothing of a value is ever interpreted.
 */
#ifndef EXEC_BATCH_H
#define EXEC_BATCH_H

#include "options.h"

struct batch {
    const struct options *o;
    csp_msg *values;
    uint64_t *ids;
    size_t n, cap, bytes;
    bool alone;    /* the first one takes no others with it */
    size_t room;   /* bytes of arguments that execve(2) has for values, */
    size_t spent;  /* and what these take */
    size_t from;   /* the input channel that they came from, all of them */
    csp_msg ahead; /* received, and for the next run; data NULL: none */
    size_t ahead_from;
    int input;  /* the file */
    char *text; /* what is written to it */
    size_t text_size, written;
    char **argv, **environment;
    size_t words, argc; /* places in argv; arguments of the program as given */
    char id[32], tries[32], reason[1100];
};

/* 0, or -1 with errno. */
int batch_init(struct batch *b, const struct options *o);

/* Adds a value, whose memory is the batch's from here on; 1 where the batch is complete with it, or was without it
 * (then it is kept for the next). A value that was delivered before is run alone, so that one that fails always takes
 * no others with it, as is one that can't be an argument where it should be; and no more go into one run than
 * execve(2) takes. 0: there is room for more. -1: ENOMEM, and nothing was added. */
int batch_add(struct batch *b, csp_msg *value, size_t from);

/* Begins the next: frees the values, and takes the one that was kept. 1 where it is complete with that, else 0. */
int batch_next(struct batch *b);

/* Makes argv, environment and input of the values. 0, or -1 with errno and why in words: EINVAL where they can never be
 * arguments. */
int batch_render(struct batch *b, char *why, size_t size);

void batch_free(struct batch *b);

#endif
