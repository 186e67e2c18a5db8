/* SPDX-License-Identifier: MPL-2.0 */
/* A list: a program has one input, seldom a few. */
#include "hold.h"

#include "pool.h"

#include <stdlib.h>
#include <unistd.h>

struct hold {
    struct hold *next;
    int fd, end;
};

static void let_go(struct hold **at)
{
    struct hold *h = *at;

    *at = h->next;
    close(h->end);
    free(h);
}

void hold_add(struct hold **holds, int fd, int end)
{
    if (end < 0)
        return;
    struct hold *h = memory_alloc(sizeof *h);
    *h = (struct hold){*holds, fd, end};
    *holds = h;
}

void hold_release(struct hold **holds, int fd)
{
    while (*holds != NULL && (*holds)->fd != fd)
        holds = &(*holds)->next;
    if (*holds != NULL)
        let_go(holds);
}

void hold_release_all(struct hold **holds)
{
    while (*holds != NULL)
        let_go(holds);
}
