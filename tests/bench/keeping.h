/* SPDX-License-Identifier: MPL-2.0 */
/* What a durable channel asks of its store, as one loop for every store: values appended in order, a block of them a
 * transaction; values removed at random within a window, each together with an append to another channel; all read
 * again. Decision: a store is a table of functions and nothing else, so that the figures differ by the store alone. */
#ifndef KEEPING_H
#define KEEPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keeping {
    /* Opens what is in the directory. sync: a commit is on the disk when it returns. */
    void (*open)(const char *dir, bool sync);
    void (*begin)(void);
    void (*append)(unsigned channel, uint64_t id, const void *value, size_t size);
    void (*remove)(unsigned channel, uint64_t id);
    /* False: the disk is full, and nothing of the transaction is there. */
    bool (*commit)(void);
    /* Calls for each value of a channel, in order. */
    void (*each)(unsigned channel, void (*see)(uint64_t id, const void *value, size_t size));
    void (*close)(void);
};

enum { KEEPING_CHANNELS = 2 };

/* Arguments: `DIR sync|written SIZE BLOCK` measures; `DIR crash` kills a writer ten times and looks whether all is
 * there that was committed; `DIR full` fills the disk, and says whether a value can then be removed. */
int keeping_main(const struct keeping *k, int argc, char **argv);

#endif
