/* SPDX-License-Identifier: MPL-2.0 */
/* STAT: the state of the run as text, section 8 of docs/protocol.md. Decision: it is made afresh from the state each
 * time it is asked for, and costs nothing while nobody asks; DUMP is the same text, and adds to its lines. */
#include "lease.h"
#include "pair.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *stat_or_dash(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : "-";
}

/* Adds "recv NAME" to the list of waits; *n counts them, *since becomes the earliest. */
static void print_wait(FILE *out, const char *verb, const struct channel *c, int64_t at, unsigned *n, int64_t *since)
{
    fprintf(out, "%s%s %s", *n == 0 ? "" : ",", verb, stat_or_dash(c->name));
    if (*n == 0 || at < *since)
        *since = at;
    ++*n;
}

/* Of a stream whose values go over a pair the broker knows only what its caller says when it waits. */
static bool waits_for(const struct line *l, unsigned op, const struct channel *c)
{
    for (uint32_t i = 0; l->offer != NULL && i < l->offer->count; i++)
        if (l->offer->cases[i].op == op && l->offer->cases[i].object == c->item.key)
            return true;
    return false;
}

static void print_line_waits(FILE *out, const struct line *l, unsigned *n, int64_t *since)
{
    const struct offer *o = l->offer;
    for (uint32_t i = 0; o != NULL && i < o->count; i++)
        if (o->cases[i].channel != NULL)
            print_wait(out, o->cases[i].op == WIRE_OP_SEND ? "send" : "recv", o->cases[i].channel, o->since, n, since);
    for (const struct list *node = l->takes.next; node != &l->takes; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, struct receiving, on_line);
        if (pair_receives(r) && waits_for(l, WIRE_OP_TAKE, r->channel))
            print_wait(out, "recv", r->channel, l->offer->since, n, since);
        else if (r->hungry && !pair_receives(r))
            print_wait(out, "recv", r->channel, r->since, n, since);
    }
    for (const struct list *node = l->puts.next; node != &l->puts; node = node->next) {
        const struct sending *s = LIST_OWNER(node, struct sending, on_line);
        if (pair_sends(s) && waits_for(l, WIRE_OP_PUT, s->channel))
            print_wait(out, "send", s->channel, l->offer->since, n, since);
        else if (s->waiting != 0)
            print_wait(out, "send", s->channel, s->since, n, since);
    }
}

static int print_process(FILE *out, const struct process *p)
{
    static const char *const states[] = {[PROCESS_ANNOUNCED] = "announced",
                                         [PROCESS_STARTED] = "started",
                                         [PROCESS_ATTACHED] = "attached",
                                         [PROCESS_ENDED] = "ended"};
    char *waits = NULL;
    size_t size;
    FILE *list = open_memstream(&waits, &size);
    if (list == NULL)
        return -1;
    unsigned n = 0, idle = 0;
    int64_t since = p->since;
    for (const struct list *node = p->lines.next; node != &p->lines; node = node->next) {
        const struct line *l = LIST_OWNER(node, struct line, node);
        unsigned before = n;
        print_line_waits(list, l, &n, &since);
        idle += n == before && l->offer == NULL;
    }
    bool written = fclose(list) == 0;
    if (written) {
        const char *state = p->standing                           ? "standing"
                            : !list_empty(&p->lines) && idle == 0 ? "waiting"
                                                                  : states[p->state];
        fprintf(out, "process\t%" PRIu64 "\t%s\t%" PRIu32 "\t%d\t%d\t%s\t%s\t%" PRId64, p->item.key,
                stat_or_dash(p->name), p->replica, (int)p->pid, (int)p->program, state, stat_or_dash(waits), since);
    }
    free(waits);
    return written ? 0 : -1;
}

static void print_channel(FILE *out, const struct channel *c)
{
    static const char *const states[] = {
        [CHANNEL_OPEN] = "open", [CHANNEL_CLOSED] = "closed", [CHANNEL_BROKEN] = "broken"};
    struct pair_counts pair = pair_counts(c);
    uint64_t values = c->kind == WIRE_GROUP ? (uint64_t)c->group : c->values + pair.values;
    fprintf(out, "channel\t%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, c->item.key,
            stat_or_dash(c->name), c->capacity, values, c->bytes + pair.bytes, c->max_bytes,
            c->senders - c->standing[0]);
    fprintf(out, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\t%d\t%d\t%" PRIu64, c->receivers - c->standing[1],
            c->order + pair.values + pair.taken, c->received + pair.taken, states[c->state], c->why.how, c->why.code,
            c->lost);
    const struct settings none = {0}, *s = c->settings != NULL ? c->settings : &none;
    fprintf(out, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, s->out, s->backing_off, s->given_up, s->dropped);
}

/* Channels in order of their numbers, as the processes are. */
static int by_number(const void *a, const void *b)
{
    const struct channel *const *x = a, *const *y = b;
    return ((*x)->item.key > (*y)->item.key) - ((*x)->item.key < (*y)->item.key);
}

static int print_channels(FILE *out, struct broker *b, const struct stat_more *more)
{
    const size_t each = sizeof(void *);
    const struct channel **all = malloc((b->channels.count + 1) * each);
    size_t n = 0;
    if (all == NULL)
        return ENOMEM;
    for (size_t i = 0; i < b->channels.size; i++)
        for (struct item *it = b->channels.slots[i]; it != NULL; it = it->next)
            all[n++] = LIST_OWNER(it, struct channel, item);
    qsort((void *)all, n, each, by_number);
    for (size_t i = 0; i < n; i++) {
        print_channel(out, all[i]);
        if (more != NULL)
            more->channel(out, b, all[i]);
        else
            fputc('\n', out);
    }
    free((void *)all);
    return 0;
}

static int print_all(FILE *out, struct broker *b, const struct stat_more *more)
{
    fprintf(out, "run\t%s\t%s\t%d\t%d\t%" PRId64 "\n", stat_or_dash(b->info.name), stat_or_dash(b->info.file),
            (int)b->info.root, (int)b->info.broker, b->info.started);
    if (more != NULL)
        more->run(out);
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, struct process, all);
        if (print_process(out, p) != 0)
            return ENOMEM;
        if (more != NULL)
            more->process(out, b, p);
        else
            fputc('\n', out);
    }
    int err = print_channels(out, b, more);
    if (err == 0 && more != NULL)
        more->last(out, b);
    return err;
}

void stat_reply(struct broker *b, struct line *l, const struct message *m, const struct stat_more *more)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int err = ENOMEM;
    if (out != NULL) {
        err = print_all(out, b, more);
        if (fclose(out) != 0)
            err = ENOMEM;
    }
    if (err == 0 && size > WIRE_MAX_FRAME)
        err = EMSGSIZE;
    reply_answer(b, l, m, err, text, err == 0 ? size : 0);
    free(text);
}

void stat_answer(struct broker *b, struct line *l, const struct message *m)
{
    stat_reply(b, l, m, NULL);
}
