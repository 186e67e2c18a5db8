/* SPDX-License-Identifier: MPL-2.0 */
/* The named channels that this process knows. Decision: a plain list under a lock, for a process opens a handful, when
 * it starts, and looks here only for an error message or, once a channel, for a limit. */
#include "name.h"
#include "block.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define UNNAMED_MAX_BYTES (64u << 20) /* of csp_make */

struct named {
    struct named *next;
    csp_chan chan;
    size_t max_bytes;
    char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct named *all;

static struct named *find(csp_chan c)
{
    struct named *n = all;
    while (n != NULL && n->chan != c)
        n = n->next;
    return n;
}

void csp__name_note(csp_chan c, const char *name, size_t max_bytes)
{
    pthread_mutex_lock(&lock);
    size_t len = strlen(name) + 1;
    struct named *n = find(c) == NULL ? malloc(sizeof *n + len) : NULL;
    if (n != NULL) {
        *n = (struct named){.next = all, .chan = c, .max_bytes = max_bytes};
        memcpy(n->name, name, len);
        all = n;
    }
    pthread_mutex_unlock(&lock);
}

int csp__name_of(csp_chan c, char name[WIRE_MAX_NAME + 1])
{
    pthread_mutex_lock(&lock);
    const struct named *n = find(c);
    if (n != NULL)
        memcpy(name, n->name, strlen(n->name) + 1);
    pthread_mutex_unlock(&lock);
    return n != NULL;
}

void csp__name_clear(void)
{
    pthread_mutex_lock(&lock);
    while (all != NULL) {
        struct named *n = all;
        all = n->next;
        free(n);
    }
    pthread_mutex_unlock(&lock);
}

void csp__name_forked(void)
{
    pthread_mutex_init(&lock, NULL);
}

/* A channel without a name was made by csp_make, whose limit is one for all. */
size_t csp__max_bytes(csp_chan c)
{
    pthread_mutex_lock(&lock);
    const struct named *n = find(c);
    size_t max = n != NULL ? n->max_bytes : UNNAMED_MAX_BYTES;
    pthread_mutex_unlock(&lock);
    return max;
}
