/* SPDX-License-Identifier: MPL-2.0 */
/* The beginning and the end of a durable channel, and marks. Decision: what was stored is in the buffer before anybody
 * can use the channel, in blocks that look as if they had just been put: a resumed value is a value. */
#include "durable_parts.h"
#include "record.h"

#define CHUNK (64u << 10) /* of values that are loaded into one frame, about */

enum { FIRST = 64 };

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values that are being loaded: those of one block so far. */
struct loading {
    struct broker *b;
    struct channel *channel;
    unsigned char *data;
    uint32_t *lengths;
    size_t used, room, count, count_room;
    uint64_t cost, values;
    struct stored_value first; /* of which the others are like; its reason is a copy */
    char reason[WIRE_MAX_REASON];
};

static struct directory *find_directory(struct broker *b, const char *dir)
{
    EACH_DIRECTORY(b, node, next)
    if (store_is_at(DIRECTORY(node)->store, dir))
        return DIRECTORY(node);
    return NULL;
}

static struct directory *open_directory(struct broker *b, const char *dir, int *err, char *why, size_t size)
{
    struct directory *home = find_directory(b, dir);
    if (home != NULL)
        return home;
    home = calloc(1, sizeof *home);
    *err = home != NULL ? store_open(dir, &home->store, why, size) : ENOMEM;
    if (*err != 0) {
        free(home);
        return NULL;
    }
    list_init(&home->channels);
    list_push(&b->durable.directories, &home->node);
    return home;
}

/* A frame of what was loaded so far, and its block in the buffer. */
static int conclude(struct loading *l)
{
    if (l->count == 0)
        return 0;
    size_t lengths = l->count * sizeof *l->lengths;
    zmq_msg_t msg;
    if (zmq_msg_init_size(&msg, sizeof(struct wire_head) + l->used + lengths) != 0)
        return ENOMEM;
    struct wire_head head = wire_head(WIRE_PUT, 0, l->used + lengths);
    head.count = (uint32_t)l->count;
    unsigned char *at = zmq_msg_data(&msg);
    memcpy(at, &head, sizeof head);
    if (l->used != 0)
        memcpy(at + sizeof head, l->data, l->used);
    memcpy(at + sizeof head + l->used, l->lengths, lengths);
    struct frame *f = frame_keep(&msg);
    zmq_msg_close(&msg);
    struct block *block = NULL;
    if (f != NULL)
        block = block_new(f, frame_data(f) + sizeof head, frame_data(f) + sizeof head + l->used, head.count,
                          (uint16_t)l->first.flags);
    frame_release(f);
    if (block == NULL)
        return ENOMEM;
    block->reason = text_new(l->reason, l->first.reason_length);
    block->bytes = l->used - ((l->first.flags & WIRE_GAP) != 0 ? l->count : 0);
    block->cost = l->cost;
    block->id = l->first.id;
    block->key = l->first.key;
    block->tries = l->first.tries;
    block->before = block->reason != NULL ? block->tries : 0; /* a dead letter */
    block->untried = l->first.untried && block->tries == block->before;
    channel_push(l->b, l->channel, block);
    l->values += l->count;
    l->used = l->count = l->cost = 0;
    return 0;
}

static bool continues(const struct loading *l, const struct stored_value *v)
{
    const struct stored_value *first = &l->first;
    return l->used + v->length <= CHUNK && v->key == first->key + l->count && v->id == first->id + l->count &&
           v->tries == first->tries && v->before == first->before && v->untried == first->untried &&
           ((v->flags ^ first->flags) & ~(uint32_t)WIRE_NOEOL) == 0 && (first->flags & WIRE_NOEOL) == 0 &&
           v->reason_length == first->reason_length &&
           (v->reason_length == 0 || memcmp(v->reason, l->reason, v->reason_length) == 0);
}

/* Room for so many elements; NULL: no memory, and the array is as it was. */
static void *reserve(void *array, size_t need, size_t *room, size_t size)
{
    if (need <= *room)
        return array;
    void *more = reallocarray(array, need * 2, size);
    if (more != NULL)
        *room = need * 2;
    return more;
}

static int load(void *arg, const struct stored_value *v)
{
    struct loading *l = arg;
    int err = l->count != 0 && !continues(l, v) ? conclude(l) : 0;
    if (err != 0)
        return err;
    size_t gap = (v->flags & WIRE_GAP) != 0;
    unsigned char *data = reserve(l->data, l->used + v->length + gap + 1, &l->room, 1);
    l->data = data != NULL ? data : l->data;
    uint32_t *lengths = reserve(l->lengths, l->count + 1, &l->count_room, sizeof *lengths);
    l->lengths = lengths != NULL ? lengths : l->lengths;
    if (data == NULL || lengths == NULL)
        return ENOMEM;
    if (l->count == 0) {
        l->first = *v;
        if (l->first.reason_length > sizeof l->reason)
            l->first.reason_length = sizeof l->reason;
        if (v->reason_length != 0)
            memcpy(l->reason, v->reason, l->first.reason_length);
    }
    l->first.flags |= v->flags & WIRE_NOEOL;
    if (v->length != 0)
        memcpy(l->data + l->used, v->data, v->length);
    l->used += v->length;
    if (gap != 0)
        l->data[l->used++] = '\n';
    l->lengths[l->count++] = (uint32_t)v->length;
    l->cost += v->length + gap != 0 ? v->length + gap : 1;
    return 0;
}

static int load_channel(struct broker *b, struct channel *c, struct durable *d, uint64_t *values)
{
    struct loading l = {.b = b, .channel = c};
    int err = store_load(d->row, load, &l);
    if (err == 0)
        err = conclude(&l);
    free(l.data);
    free(l.lengths);
    *values = l.values;
    return err;
}

static int make_durable(struct broker *b, struct channel *c, struct directory *home, uint64_t *values)
{
    struct durable *d = calloc(1, sizeof *d);
    if (d == NULL)
        return ENOMEM;
    d->gone = malloc(FIRST * sizeof *d->gone); /* so that there is room after a commit, whatever memory there is */
    d->tried = malloc(FIRST * sizeof *d->tried);
    d->gone_room = d->tried_room = FIRST;
    d->row = d->gone != NULL && d->tried != NULL ? store_channel(home->store, c->name) : NULL;
    int err = d->row != NULL ? 0 : errno;
    if (err == 0)
        err = load_channel(b, c, d, values);
    if (err != 0) {
        free(d->gone);
        free(d->tried);
        free(d);
        return err;
    }
    list_init(&d->appended);
    list_init(&d->senders);
    d->home = home;
    d->channel = c;
    c->durable = d;
    list_push(&home->channels, &d->node);
    channel_touch(b, c);
    return 0;
}

struct report {
    FILE *out;
    const char *channel;
};

static int report_sender(void *arg, const struct stored_sender *s)
{
    const struct report *r = arg;
    if (s->channel == NULL)
        fprintf(r->out, "%s\t%u\t-\n", s->name, s->replica);
    else if (strcmp(s->channel, r->channel) == 0)
        fprintf(r->out, "%s\t%u\t%llu\n", s->name, s->replica, (unsigned long long)s->values);
    return 0;
}

/* The ANSWER: how many values there were, and a line for each process of which something is known. */
static int answer(struct broker *b, struct line *l, const struct message *m, struct channel *c, uint64_t values)
{
    struct wire_resumed resumed = {.values = values};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return ENOMEM;
    struct report r = {out, c->name};
    fwrite(&resumed, sizeof resumed, 1, out);
    int err = store_senders(c->durable->home->store, report_sender, &r);
    if (fclose(out) != 0 && err == 0)
        err = ENOMEM;
    if (err == 0)
        reply_answer(b, l, m, 0, text, size);
    free(text);
    return err;
}

void durable_set(struct broker *b, struct line *l, const struct message *m, struct channel *c)
{
    char dir[WIRE_MAX_PATH + 1], why[WIRE_MAX_PATH + 640] = "";
    size_t length = m->head.length - sizeof(struct wire_set);
    memcpy(dir, m->payload + sizeof(struct wire_set), length);
    dir[length] = '\0';
    int err = c->name == NULL || strlen(dir) != length || dir[0] != '/' || c->durable != NULL ? EINVAL : 0;
    uint64_t values = 0;
    if (err == 0 && RECORDED(b)) /* the store would be another one at the replay */
        err = ENOTSUP;
    if (err == ENOTSUP)
        snprintf(why, sizeof why, "durable %s: a run that is recorded or replayed has no durable channels", dir);
    struct directory *home = err == 0 ? open_directory(b, dir, &err, why, sizeof why) : NULL;
    if (home != NULL) {
        err = make_durable(b, c, home, &values);
        if (err == 0)
            err = answer(b, l, m, c, values);
        if (err != 0)
            snprintf(why, sizeof why, "%s", store_why(home->store));
    }
    if (err != 0)
        reply_answer(b, l, m, err, why, strlen(why));
}

static void note_all(struct broker *b, bool forget)
{
    EACH_DIRECTORY(b, node, next)
    {
        DIRECTORY(node)->changed = true;
        DIRECTORY(node)->forget |= forget;
        b->durable.changed = true;
    }
}

void durable_mark(struct broker *b, struct line *l, const struct message *m)
{
    struct wire_mark w;
    memcpy(&w, m->payload, sizeof w);
    size_t length = m->head.length - sizeof w;
    struct finishing *f = NULL;
    int err = l->process != b->root ? EPERM : w.what > WIRE_RUN_DONE ? EINVAL : 0;
    if (err == 0 && w.what == WIRE_FINISHED && !list_empty(&b->durable.directories)) {
        f = calloc(1, sizeof *f + length + 1);
        err = f == NULL ? ENOMEM : 0;
    }
    if (f != NULL) {
        memcpy(f->name, m->payload + sizeof w, length);
        f->replica = w.replica;
        list_push(&b->durable.finishing, &f->node);
    }
    if (err == 0)
        note_all(b, w.what == WIRE_RUN_DONE);
    reply_answer(b, l, m, err, NULL, 0);
}

static void free_durable(struct durable *d)
{
    LIST_EACH(node, next, &d->senders)
    free(LIST_OWNER(node, struct durable_sender, node));
    LIST_EACH(node, next, &d->appended)
    block_free(LIST_OWNER(node, struct block, wait.node));
    d->channel->durable = NULL;
    list_remove(&d->node);
    free(d->gone);
    free(d->tried);
    free(d);
}

/* All are dead: what the pages say that they took is the last word. */
static void count_taken(struct broker *b)
{
    EACH_DIRECTORY(b, at, next)
    for (struct list *node = DIRECTORY(at)->channels.next; node != &DIRECTORY(at)->channels; node = node->next) {
        const struct list *streams = &CHANNEL(node)->channel->take_streams;
        for (struct list *s = streams->next; s != streams; s = s->next)
            (void)receiving_sync(b, LIST_OWNER(s, struct receiving, on_channel));
    }
}

void durable_close(struct broker *b)
{
    count_taken(b);
    b->durable.failed = 0;
    durable_commit(b); /* where it fails nobody was told of what is lost */
    EACH_DIRECTORY(b, at, next)
    {
        struct directory *home = DIRECTORY(at);
        LIST_EACH(node, next_channel, &home->channels)
        free_durable(CHANNEL(node));
        store_close(home->store);
        list_remove(&home->node);
        free(home);
    }
    LIST_EACH(at, after, &b->durable.finishing)
    free(LIST_OWNER(at, struct finishing, node));
}
