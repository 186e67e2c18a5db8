/* SPDX-License-Identifier: MPL-2.0 */
/* A list: a program has one input, seldom a few. */
#include "hold.h"

#include "pool.h"

#include <unistd.h>

struct hold {
    int fd, end;
};

static void let_go(void **item)
{
    struct hold *h = *item;

    close(h->end);
    free(h);
    *item = NULL;
}

void hold_add(zlistx_t **holds, int fd, int end)
{
    if (end < 0)
        return;
    if (*holds == NULL) {
        *holds = zlistx_new();
        zlistx_set_destructor(*holds, let_go);
    }
    struct hold *h = memory_alloc(sizeof *h);
    *h = (struct hold){fd, end};
    zlistx_add_end(*holds, h);
}

void hold_release(zlistx_t *holds, int fd)
{
    for (struct hold *h = holds != NULL ? zlistx_first(holds) : NULL; h != NULL; h = zlistx_next(holds))
        if (h->fd == fd) {
            zlistx_delete(holds, zlistx_cursor(holds));
            return;
        }
}

void hold_release_all(zlistx_t **holds)
{
    zlistx_destroy(holds);
}
