/* SPDX-License-Identifier: MPL-2.0 */
/* A run that begins. Decision: its state is made apart from the sockets and files that main.c opens, so that it can
 * also be fed from elsewhere: the fuzz target hands the loop its frames itself. */
#include "broker.h"
#include "durable.h"

#include <errno.h>
#include <string.h>

static void init_lists(struct broker *b)
{
    struct list *const lists[] = {&b->idles,      &b->all,       &b->touched, &b->rooms,    &b->failing,
                                  &b->dying,      &b->settled,   &b->graced,  &b->gone,     &b->all_scopes,
                                  &b->cancelling, &b->condemned, &b->emptied, &b->strangers};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
}

int broker_begin(struct broker *b)
{
    init_lists(b);
    durable_init(b);
    b->next_process = b->next_channel = b->next_line = b->next_scope = 1;
    b->root = process_new(b, b->info.name, strlen(b->info.name));
    if (b->root == NULL)
        return -1;
    b->root->state = PROCESS_STARTED;
    int err = watch_process(b, b->root, b->info.root);
    errno = err;
    return err == 0 ? 0 : -1;
}
