/* SPDX-License-Identifier: MPL-2.0 */
/* The store of a fuzzed broker, in place of broker/store.c. Decision: it keeps no value, only what the broker must keep
 * to (a transaction is begun before something is changed, keys grow, what is removed was appended), and fails where a
 * disk would when it is told to. */
#include "broker/store.h"

#include "fuzz.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct store {
    struct list channels;
    bool open; /* a transaction is */
    char dir[64];
};

unsigned disk_failures, disk_stores;

/* Whether this call fails. */
static bool fails(void)
{
    disk_failures -= disk_failures != 0;
    return disk_failures != 0 && disk_failures % 3 == 0;
}

int store_open(const char *dir, struct store **store, char *why, size_t size)
{
    *why = '\0';
    HOLD(size > 0);
    struct store *s = fails() ? NULL : calloc(1, sizeof *s);
    *store = s;
    if (s == NULL)
        return EBUSY;
    list_init(&s->channels);
    strncpy(s->dir, dir, sizeof s->dir - 1);
    disk_stores++;
    return 0;
}

void store_close(struct store *s)
{
    LIST_EACH(node, next, &s->channels)
    free(LIST_OWNER(node, struct stored, node));
    free(s);
    disk_stores--;
}

const char *store_dir(const struct store *s)
{
    return s->dir;
}

bool store_is_at(const struct store *s, const char *dir)
{
    return strncmp(s->dir, dir, sizeof s->dir - 1) == 0;
}

const char *store_why(const struct store *s)
{
    (void)s;
    return "it was told to fail";
}

struct stored *store_channel(struct store *s, const char *name)
{
    struct stored *c = calloc(1, sizeof *c + strlen(name) + 1);
    if (c == NULL)
        return NULL;
    memcpy(c->name, name, strlen(name) + 1);
    c->store = s;
    c->next = 1;
    list_push(&s->channels, &c->node);
    return c;
}

/* Three values of the run before. */
int store_load(struct stored *c, int (*each)(void *arg, const struct stored_value *v), void *arg)
{
    static const char text[] = "kept";
    for (; c->next <= 3; c->next++) {
        struct stored_value v = {.key = c->next, .id = c->next, .tries = c->next == 1, .data = text, .length = c->next};
        int err = each(arg, &v);
        if (err != 0)
            return err;
    }
    return 0;
}

bool store_room(struct store *s, uint64_t bytes, uint64_t values)
{
    (void)s;
    (void)bytes;
    (void)values;
    return !fails();
}

void store_promise(struct store *s, uint64_t bytes, uint64_t values)
{
    (void)s;
    (void)bytes;
    (void)values;
}

int store_begin(struct store *s)
{
    HOLD(!s->open);
    s->open = true;
    return fails() ? EIO : 0;
}

int store_append(struct stored *c, const struct stored_value *v)
{
    HOLD(c->store->open && v->key >= 1 && v->id != 0);
    static unsigned char last[4096];
    if (v->length != 0) /* all of it can be read */
        memcpy(last, v->data, v->length < sizeof last ? v->length : sizeof last);
    return fails() ? ENOSPC : 0;
}

int store_remove(struct stored *c, uint64_t first, uint64_t last)
{
    HOLD(c->store->open && first >= 1 && first <= last);
    return fails() ? EIO : 0;
}

int store_tries(struct stored *c, uint64_t key, uint32_t tries)
{
    HOLD(c->store->open && key >= 1);
    (void)tries;
    return 0;
}

int store_mark(struct stored *c, uint64_t next, uint64_t delivered)
{
    HOLD(c->store->open && delivered <= next);
    return 0;
}

int store_sent(struct stored *c, const char *name, uint32_t replica, uint64_t more)
{
    (void)name;
    (void)replica;
    HOLD(c->store->open && more != 0);
    return 0;
}

int store_finished(struct store *s, const char *name, uint32_t replica)
{
    (void)name;
    (void)replica;
    HOLD(s->open);
    return 0;
}

int store_forget(struct store *s)
{
    HOLD(s->open);
    return 0;
}

int store_commit(struct store *s)
{
    HOLD(s->open);
    s->open = false;
    return fails() ? ENOSPC : 0;
}

int store_sync_error(const struct store *s)
{
    HOLD(!s->open);
    return 0;
}

int store_senders(struct store *s, int (*each)(void *arg, const struct stored_sender *sender), void *arg)
{
    (void)s;
    (void)each;
    (void)arg;
    return 0;
}
