/* SPDX-License-Identifier: MPL-2.0 */
/* See durable.h. */
#include "durable.h"

#include "durable_parts.h"
#include "lease.h"
#include "tell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS INT64_C(250000000)
#define SAY_NS   INT64_C(60000000000)
#define FEW      16 /* ranges that are looked through */

struct held {
    struct list node;
    uint32_t route;
    zmq_msg_t msg;
};

void durable_init(struct broker *b)
{
    list_init(&b->durable.directories);
    list_init(&b->durable.held);
    list_init(&b->durable.finishing);
    b->durable.retry = INT64_MAX;
}

static void notice(const struct broker *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says something once to whoever watches the run. */
static void notice(const struct broker *b, const char *format, ...)
{
    char text[WIRE_MAX_PATH + 640];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (b->notices >= 0)
        (void)csp__tell(b->notices, "durable %s\n", text);
    else
        fprintf(stderr, "csp: durable %s\n", text);
}

static void changed(struct broker *b, struct durable *d)
{
    d->home->changed = true;
    b->durable.changed = true;
}

/* Room for one more element of what is written with the next commit. NULL: there is no memory, and nothing could be
 * committed, which empties the array. */
static void *more_room(struct broker *b, struct durable *d, void *array, const size_t *count, size_t *room, size_t size)
{
    if (*count < *room)
        return array;
    void *more = reallocarray(array, *room * 2, size);
    if (more != NULL) {
        *room *= 2;
        return more;
    }
    durable_commit(b);
    changed(b, d);
    return *count < *room ? array : NULL;
}

uint64_t durable_id(const struct channel *c, uint64_t key)
{
    return c->settings->base + key;
}

/* ---- what an event changes -------------------------------------------------------------------------------------- */

bool durable_room(struct broker *b, struct channel *c, uint64_t bytes, uint64_t values)
{
    struct durable *d = c->durable;
    if (d == NULL)
        return true;
    struct directory *home = d->home;
    if (home->full && b->durable.retry != INT64_MAX && b->durable.retry > b->now)
        return false;
    if (store_room(home->store, bytes, values)) {
        home->full = false;
        return true;
    }
    if (home->said == 0 || b->now - home->said >= SAY_NS) /* it fills again as soon as there is a little room */
        notice(b, "%s: the disk is full: senders wait until there is room", store_dir(home->store));
    home->full = true;
    home->said = b->now;
    b->durable.retry = timer_after(b->now, RETRY_NS);
    return false;
}

static void count(struct durable_from from, uint64_t values)
{
    struct durable_sender *s = from.as;
    if (s == NULL || from.process < s->process)
        return; /* what is late of one before: fewer are skipped than could be */
    if (from.process != s->process)
        s->sent = 0;
    s->process = from.process;
    s->sent += values;
    if (s->sent > s->most) {
        s->more += s->sent - s->most;
        s->most = s->sent;
    }
}

int durable_append(struct broker *b, struct channel *c, struct block *block, struct durable_from from)
{
    struct durable *d = c->durable;
    if (d == NULL || block->key != 0)
        return 0;
    struct block *copy = block_new(block->frame, block->data, block->lengths, block->count, block->flags);
    if (copy == NULL)
        return -1;
    block->key = d->row->next;
    d->row->next += block->count;
    if (block->id == 0)
        block->id = durable_id(c, block->key);
    copy->bytes = block->bytes;
    copy->key = block->key;
    copy->id = block->id;
    copy->tries = block->tries;
    copy->reason = text_keep(block->reason);
    list_push(&d->appended, &copy->wait.node);
    d->marked = true;
    store_promise(d->home->store, block->bytes, block->count);
    count(from, block->count);
    changed(b, d);
    return 0;
}

bool durable_leave(struct broker *b, struct channel *c, struct block *block, struct durable_from from)
{
    return c->durable != NULL && c->state == CHANNEL_BROKEN && durable_append(b, c, block, from) == 0;
}

void durable_gone(struct broker *b, struct channel *c, const struct block *block, uint32_t n)
{
    struct durable *d = c->durable;
    if (d == NULL || block->key == 0 || n == 0)
        return;
    changed(b, d);
    struct range *last = d->gone_count != 0 ? &d->gone[d->gone_count - 1] : NULL;
    if (last != NULL && last->last + 1 == block->key) {
        last->last += n;
        return;
    }
    struct range *gone = more_room(b, d, d->gone, &d->gone_count, &d->gone_room, sizeof *gone);
    if (gone == NULL)
        return; /* a value that comes again after a resume */
    d->gone = gone;
    gone[d->gone_count++] = (struct range){block->key, block->key + n - 1};
}

static void set_tries(struct broker *b, struct durable *d, const struct block *block, uint32_t tries)
{
    for (uint32_t i = 0; i < block->count; i++) {
        changed(b, d);
        struct tried *tried = more_room(b, d, d->tried, &d->tried_count, &d->tried_room, sizeof *tried);
        if (tried == NULL)
            return; /* a count that a crash could forget */
        d->tried = tried;
        tried[d->tried_count++] = (struct tried){block->key + i, tries};
    }
}

void durable_delivered(struct broker *b, struct channel *c, const struct block *block)
{
    struct durable *d = c->durable;
    if (d != NULL && block->untried)
        set_tries(b, d, block, block->tries + 1);
    if (d == NULL || block->key + block->count <= d->row->delivered)
        return;
    d->row->delivered = block->key + block->count;
    d->marked = true;
    changed(b, d);
}

void durable_leased(struct broker *b, struct channel *c, struct block *block)
{
    if (c->durable != NULL && block->key != 0 && block->tries > block->before + 1)
        set_tries(b, c->durable, block, block->tries);
    block->untried = false;
}

void durable_untried(struct broker *b, struct channel *c, struct block *block)
{
    if (c->durable == NULL || block->key == 0)
        return;
    set_tries(b, c->durable, block, block->tries);
    block->untried = block->tries == block->before;
}

struct durable_from durable_sender(struct channel *c, const struct process *p)
{
    struct durable *d = c->durable;
    if (d == NULL || p->guest || p->name == NULL)
        return (struct durable_from){0};
    LIST_EACH(node, next, &d->senders)
    {
        struct durable_sender *s = LIST_OWNER(node, struct durable_sender, node);
        if (s->replica == p->replica && strcmp(s->name, p->name) == 0)
            return (struct durable_from){s, p->item.key};
    }
    struct durable_sender *s = calloc(1, sizeof *s + strlen(p->name) + 1);
    if (s == NULL)
        return (struct durable_from){0}; /* after a crash it sends again what it had sent */
    memcpy(s->name, p->name, strlen(p->name) + 1);
    s->replica = p->replica;
    list_push(&d->senders, &s->node);
    return (struct durable_from){s, p->item.key};
}

/* ---- the transaction -------------------------------------------------------------------------------------------- */

/* The value was appended and has gone since the last commit: it never comes to the disk. */
static bool passed(const struct durable *d, uint64_t key)
{
    for (size_t i = 0; i < d->gone_count && i < FEW; i++)
        if (d->gone[i].first <= key && key <= d->gone[i].last)
            return true;
    return false;
}

static void write_block(const struct durable *d, const struct block *block)
{
    const unsigned char *at = block->data;
    uint32_t gap = (block->flags & WIRE_GAP) != 0;
    for (uint32_t i = 0; i < block->count; i++) {
        struct stored_value v = {.key = block->key + i,
                                 .id = block->id + i,
                                 .before = block->tries,
                                 .flags = block->flags & (i + 1 < block->count ? (unsigned)~WIRE_NOEOL : UINT32_MAX),
                                 .data = at,
                                 .length = block_length(block, i)};
        if (block->reason != NULL) {
            v.reason = block->reason->bytes;
            v.reason_length = block->reason->length;
        }
        if (!passed(d, v.key))
            store_append(d->row, &v);
        at += v.length + gap;
    }
}

static void write_appended(const struct durable *d)
{
    for (struct list *node = d->appended.next; node != &d->appended; node = node->next)
        write_block(d, LIST_OWNER(node, struct block, wait.node));
    if (d->marked)
        store_mark(d->row, d->row->next, d->row->delivered);
    for (struct list *node = d->senders.next; node != &d->senders; node = node->next) {
        const struct durable_sender *s = LIST_OWNER(node, struct durable_sender, node);
        if (s->more != 0)
            store_sent(d->row, s->name, s->replica, s->more);
    }
}

static void write_gone(const struct durable *d)
{
    for (size_t i = 0; i < d->tried_count; i++)
        store_tries(d->row, d->tried[i].key, d->tried[i].tries);
    for (size_t i = 0; i < d->gone_count; i++)
        store_remove(d->row, d->gone[i].first, d->gone[i].last);
    if (d->home->forget && d->channel->state == CHANNEL_BROKEN)
        store_remove(d->row, 1, INT64_MAX);
}

static void clean_appended(struct durable *d)
{
    LIST_EACH(node, next, &d->appended)
    block_free(LIST_OWNER(node, struct block, wait.node));
    LIST_EACH(node, next, &d->senders)
    LIST_OWNER(node, struct durable_sender, node)->more = 0;
    d->marked = false;
}

/* What a process that has ended had sent waits for room no more. */
static bool is_stored(const struct broker *b, const struct finishing *f)
{
    EACH_DIRECTORY(b, at, next)
    for (struct list *node = DIRECTORY(at)->channels.next; node != &DIRECTORY(at)->channels; node = node->next) {
        const struct list *streams = &CHANNEL(node)->channel->put_streams;
        for (const struct list *s = streams->next; s != streams; s = s->next) {
            const struct sending *sending = LIST_OWNER(s, const struct sending, on_channel);
            const struct durable_sender *from = sending->from.as;
            if (sending->waiting != 0 && from != NULL && from->replica == f->replica &&
                strcmp(from->name, f->name) == 0)
                return false;
        }
    }
    return true;
}

static void write_finished(struct broker *b, struct directory *home)
{
    LIST_EACH(node, next, &b->durable.finishing)
    {
        struct finishing *f = LIST_OWNER(node, struct finishing, node);
        f->written = is_stored(b, f);
        if (f->written)
            store_finished(home->store, f->name, f->replica);
    }
    if (home->forget)
        store_forget(home->store);
}

enum part { APPENDS = 1, REMOVALS = 2 };

/* One transaction. An errno. */
static int write_part(struct broker *b, struct directory *home, unsigned parts)
{
    if (store_begin(home->store) == 0) {
        for (struct list *node = home->channels.next; node != &home->channels; node = node->next) {
            if ((parts & APPENDS) != 0)
                write_appended(CHANNEL(node));
            if ((parts & REMOVALS) != 0)
                write_gone(CHANNEL(node));
        }
        if ((parts & REMOVALS) != 0)
            write_finished(b, home);
    }
    int err = store_commit(home->store);
    for (struct list *node = home->channels.next; err == 0 && node != &home->channels; node = node->next) {
        struct durable *d = CHANNEL(node);
        if ((parts & APPENDS) != 0)
            clean_appended(d);
        if ((parts & REMOVALS) != 0)
            d->gone_count = d->tried_count = 0;
    }
    if (err == 0 && store_sync_error(home->store) != 0)
        notice(b, "%s: a sync failed: %s: what was written may not survive a power cut", store_dir(home->store),
               strerror(store_sync_error(home->store)));
    if (err == 0 && home->failed)
        home->failed = false;
    else if (err != 0 && !home->failed) {
        notice(b,
               err == ESTALE
                   ? "%s: its files were deleted, and what they had is lost when the run ends: nothing more is "
                     "stored, and the run waits to be killed"
                   : "%s: %s: the run waits until it can be written",
               store_dir(home->store), strerror(err));
        home->failed = true;
    }
    return err;
}

/* What is appended in one directory is there before it is removed from another. */
static int write_all(struct broker *b)
{
    unsigned directories = 0;
    EACH_DIRECTORY(b, node, next)
    directories += DIRECTORY(node)->changed;
    int err = 0;
    EACH_DIRECTORY(b, node, next)
    if (DIRECTORY(node)->changed && err == 0)
        err = write_part(b, DIRECTORY(node), directories > 1 ? APPENDS : APPENDS | REMOVALS);
    EACH_DIRECTORY(b, node, next)
    if (DIRECTORY(node)->changed && err == 0 && directories > 1)
        err = write_part(b, DIRECTORY(node), REMOVALS);
    return err;
}

/* Those who were told that the disk is full try again. */
static void retry(struct broker *b)
{
    bool full = false;
    b->durable.retry = INT64_MAX;
    EACH_DIRECTORY(b, at, next)
    {
        full |= DIRECTORY(at)->full;
        LIST_EACH(node, next_channel, &DIRECTORY(at)->channels)
        if (DIRECTORY(at)->full)
            channel_touch(b, CHANNEL(node)->channel);
    }
    if (full)
        loop_conclude(b);
}

static void let_go(struct broker *b)
{
    LIST_EACH(node, next, &b->durable.held)
    {
        struct held *h = LIST_OWNER(node, struct held, node);
        list_remove(&h->node);
        reply_send(b, h->route, &h->msg);
        free(h);
    }
}

void durable_release(struct broker *b)
{
    if (!b->durable.changed)
        let_go(b);
}

void durable_commit(struct broker *b)
{
    if (b->durable.retry <= b->now)
        retry(b);
    durable_release(b);
    if (!b->durable.changed || b->durable.failed > b->now)
        return;
    if (write_all(b) != 0) {
        b->durable.failed = timer_after(b->now, RETRY_NS);
        return;
    }
    b->durable.failed = 0;
    b->durable.changed = false;
    EACH_DIRECTORY(b, node, next)
    DIRECTORY(node)->changed = DIRECTORY(node)->forget = false;
    LIST_EACH(node, next, &b->durable.finishing)
    {
        struct finishing *f = LIST_OWNER(node, struct finishing, node);
        if (!f->written)
            continue;
        list_remove(&f->node);
        free(f);
    }
    let_go(b);
}

int64_t durable_deadline(const struct broker *b)
{
    int64_t failed = b->durable.changed && b->durable.failed != 0 ? b->durable.failed : INT64_MAX;
    return failed < b->durable.retry ? failed : b->durable.retry;
}

bool durable_waits(const struct broker *b)
{
    return durable_deadline(b) != INT64_MAX;
}

bool durable_holds(struct broker *b, uint32_t route, zmq_msg_t *msg, int *rc)
{
    *rc = 0;
    if (list_empty(&b->durable.directories))
        return false;
    struct held *h = malloc(sizeof *h);
    if (h == NULL) {
        *rc = -1;
        return true;
    }
    h->route = route;
    zmq_msg_init(&h->msg);
    zmq_msg_move(&h->msg, msg);
    list_push(&b->durable.held, &h->node);
    return true;
}
