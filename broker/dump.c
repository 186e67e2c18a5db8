/* SPDX-License-Identifier: MPL-2.0 */
/* DUMP: all that there is in the run as text, section 13 of docs/protocol.md. Decision: it is STAT with more in it, so
 * that whoever reads one reads the other; it is made in one go from one instant of the state, so that what it says of
 * one process agrees with what it says of the next; and of a long channel it says the beginning alone. */
#include "lease.h"
#include "pair.h"

#include <inttypes.h>
#include <malloc.h>

#define MOST_VALUES 100 /* lines of a channel */
#define PREVIEW     32  /* bytes */

static const char *ends_name(unsigned mask)
{
    static const char *const names[] = {"-", "s", "r", "sr"};
    return names[mask & (END_SEND | END_RECV)];
}

static uint64_t scope_number(const struct scope *s)
{
    return s != NULL ? s->item.key : 0;
}

/* What is resident is the most that was ever needed at a time, which says little: libipc/heap.c. */
static void print_memory(FILE *out)
{
    struct mallinfo2 m = mallinfo2();
    fprintf(out, "memory\t%zu\t%zu\n", m.uordblks + m.hblkhd, m.arena + m.hblkhd);
}

/* ---- of a process */

static const char *op_name(unsigned op)
{
    static const char *const names[WIRE_OP_END] = {
        [WIRE_OP_NONE] = "none", [WIRE_OP_SEND] = "send",   [WIRE_OP_RECV] = "recv", [WIRE_OP_WAIT] = "wait",
        [WIRE_OP_PUT] = "put",   [WIRE_OP_SCOPE] = "scope", [WIRE_OP_TAKE] = "take", [WIRE_OP_FLUSH] = "flush",
        [WIRE_OP_EXIT] = "exit", [WIRE_OP_TIME] = "time",   [WIRE_OP_FD] = "fd"};
    return names[op];
}

static bool names_channel(unsigned op)
{
    return op == WIRE_OP_SEND || op == WIRE_OP_RECV || op == WIRE_OP_WAIT || op == WIRE_OP_PUT || op == WIRE_OP_FLUSH ||
           op == WIRE_OP_TAKE;
}

static void print_case(FILE *out, const struct broker *b, const struct offer *o, unsigned op, uint64_t object)
{
    const struct line *l = o->line;
    const struct channel *c = names_channel(op) ? channel_find(b, object) : NULL;
    fprintf(out, "wait\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRIx64 "\t%" PRId64 "\t%s\t%" PRIu64 "\t%s\n",
            l->process->item.key, l->id, o->since, o->place, o->deadline, op_name(op), object,
            stat_or_dash(c != NULL ? c->name : NULL));
}

static void print_waits(FILE *out, const struct broker *b, const struct line *l)
{
    const struct offer *o = l->offer;
    for (uint32_t i = 0; o != NULL && i < o->count; i++)
        print_case(out, b, o, o->cases[i].op, o->cases[i].object);
    if (o != NULL && o->count == 0)
        print_case(out, b, o, WIRE_OP_NONE, 0);
}

static void print_stream(FILE *out, uint64_t process, uint64_t line, const struct channel *c, char direction,
                         uint64_t window, uint64_t values, int64_t since, const char *how)
{
    fprintf(out, "stream\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%c\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%s\n",
            process, line, c->item.key, direction, window, values, since, how);
}

/* How many values the receiver has taken, by its page: nothing follows from that before it speaks. */
static uint64_t seen(const struct receiving *r)
{
    uint64_t n = page_count(r->line, r->slot);
    return n < r->taken || n > r->delivered ? r->taken : n;
}

static void print_streams(FILE *out, const struct line *l)
{
    uint64_t process = l->process->item.key;
    for (const struct list *node = l->puts.next; node != &l->puts; node = node->next) {
        const struct sending *s = LIST_OWNER(node, struct sending, on_line);
        print_stream(out, process, l->id, s->channel, 's', s->window, s->waiting, s->since,
                     pair_sends(s) ? "pair" : "hosted");
    }
    for (const struct list *node = l->takes.next; node != &l->takes; node = node->next) {
        const struct receiving *r = LIST_OWNER(node, struct receiving, on_line);
        bool pair = pair_receives(r);
        uint64_t untaken = r->delivered - seen(r) + (pair ? pair_counts(r->channel).values : 0);
        print_stream(out, process, l->id, r->channel, 'r', r->window, untaken, r->since, pair ? "pair" : "hosted");
    }
}

static void print_process(FILE *out, const struct broker *b, const struct process *p)
{
    fprintf(out, "\t%" PRIx64 "\t%" PRIu64 "\t%d\t%d\t%" PRIu64 "\n", p->function, scope_number(p->scope),
            (int)p->cancelled, p->stuck ? 1 + p->hope : 0, p->parent);
    for (const struct list *node = p->lines.next; node != &p->lines; node = node->next) {
        const struct line *l = LIST_OWNER(node, struct line, node);
        print_waits(out, b, l);
        print_streams(out, l);
    }
    for (const struct list *node = p->held.next; node != &p->held; node = node->next) {
        const struct end *e = LIST_OWNER(node, struct end, node);
        if (e->mask != 0)
            fprintf(out, "end\t%" PRIu64 "\t%" PRIu64 "\t%s\n", p->item.key, e->channel->item.key, ends_name(e->mask));
    }
}

/* ---- scopes */

static void print_scope(FILE *out, const struct scope *s)
{
    unsigned members = 0;
    for (const struct list *node = s->members.next; node != &s->members; node = node->next)
        members++;
    const struct line *l = s->line;
    fprintf(out, "scope\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%d\t%u\n", s->item.key,
            l != NULL ? l->process->item.key : 0, l != NULL ? l->id : 0, scope_number(s->around), s->deadline,
            (int)s->cancelled, members);
}

static void print_scopes(FILE *out, const struct broker *b)
{
    for (const struct list *node = b->all_scopes.next; node != &b->all_scopes; node = node->next)
        print_scope(out, LIST_OWNER(node, struct scope, all));
}

/* ---- of a channel */

struct values { /* of one channel, being printed */
    FILE *out;
    const struct channel *channel;
    unsigned lines;
};

static void print_preview(FILE *out, const unsigned char *data, uint32_t length)
{
    uint32_t n = length < PREVIEW ? length : PREVIEW;
    if (n == 0)
        fputc('-', out);
    for (uint32_t i = 0; i < n; i++) {
        bool plain = data[i] > ' ' - 1 && data[i] <= '~' && data[i] != '\\' && !(n == 1 && data[i] == '-');
        fprintf(out, plain ? "%c" : "\\x%02x", data[i]);
    }
}

static void print_value(struct values *v, const char *where, const struct process *p, uint32_t count, uint64_t bytes,
                        const unsigned char *data, uint32_t length)
{
    if (v->lines++ >= MOST_VALUES)
        return;
    fprintf(v->out, "value\t%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu32 "\t%" PRIu64 "\t", v->channel->item.key, where,
            p != NULL ? p->item.key : 0, count, bytes);
    print_preview(v->out, data, length);
    fputc('\n', v->out);
}

static void print_block(struct values *v, const char *where, const struct process *p, const struct block *block)
{
    print_value(v, where, p, block->count, block->bytes, block->data, block_length(block, 0));
}

static void print_buffer(struct values *v)
{
    const struct list *buffer = &v->channel->buffer;
    for (const struct list *node = buffer->next; node != buffer && v->lines < MOST_VALUES; node = node->next)
        print_block(v, "buffer", NULL, LIST_OWNER(node, const struct block, wait.node));
}

/* What a stream was given and has not taken. */
static void print_out(struct values *v, const struct receiving *r)
{
    uint64_t skip = seen(r) - r->taken;
    for (const struct list *node = r->out.next; node != &r->out && v->lines < MOST_VALUES; node = node->next) {
        struct block rest = *LIST_OWNER(node, const struct block, wait.node);
        uint64_t bytes, cost;
        uint32_t n = block_fit(&rest, 0, skip, UINT64_MAX, UINT64_MAX, &bytes, &cost);
        block_advance(&rest, n, bytes, cost);
        skip -= n;
        if (rest.count != 0)
            print_block(v, "prefetch", r->line->process, &rest);
    }
}

static void print_sent(struct values *v)
{
    const struct list *queue = &v->channel->sending;
    for (const struct list *node = queue->next; node != queue && v->lines < MOST_VALUES; node = node->next) {
        const struct waiter *w = LIST_OWNER(node, const struct waiter, node);
        if (w->kind == WAITER_CASE) {
            const struct offer_case *oc = LIST_OWNER(w, const struct offer_case, wait);
            print_value(v, "send", oc->offer->line->process, 1, oc->length, oc->value, oc->length);
        } else {
            const struct block *block = LIST_OWNER(w, const struct block, wait);
            const struct line *l = block->stream->line;
            print_block(v, "send", l != NULL ? l->process : NULL, block);
        }
    }
}

static void print_leases(struct values *v, const struct settings *s)
{
    for (const struct list *node = s->holdings.next; node != &s->holdings; node = node->next) {
        const struct holding *h = LIST_OWNER(node, const struct holding, of_channel);
        for (const struct list *at = h->blocks.next; at != &h->blocks && v->lines < MOST_VALUES; at = at->next)
            print_block(v, "lease", h->process, LIST_OWNER(at, const struct block, wait.node));
    }
    for (const struct list *at = s->delayed.next; at != &s->delayed && v->lines < MOST_VALUES; at = at->next)
        print_block(v, "back-off", NULL, backoff_block(at));
}

static void print_channel(FILE *out, const struct broker *b, const struct channel *c)
{
    (void)b;
    fputc('\n', out);
    for (const struct list *node = c->put_streams.next; node != &c->put_streams; node = node->next) {
        const struct sending *s = LIST_OWNER(node, struct sending, on_channel);
        if (s->line == NULL) /* what one left behind that has ended */
            print_stream(out, 0, 0, c, 's', s->window, s->waiting, s->since, "hosted");
    }
    struct values v = {out, c, 0};
    print_buffer(&v);
    print_sent(&v);
    for (const struct list *node = c->take_streams.next; node != &c->take_streams; node = node->next)
        print_out(&v, LIST_OWNER(node, struct receiving, on_channel));
    if (c->settings != NULL)
        print_leases(&v, c->settings);
}

void dump_answer(struct broker *b, struct line *l, const struct message *m)
{
    static const struct stat_more more = {print_memory, print_process, print_channel, print_scopes};
    stat_reply(b, l, m, &more);
}
