/* SPDX-License-Identifier: MPL-2.0 */
#include "frames.h"

#include "broker/pair.h"
#include "world.h"

#include <string.h>

enum { MOST = 4096, HONEST = 232, FRAMES_STAGED = 1 };

struct talk talks[WORLD_ROUTES + 1];

/* A frame that is being made. */
struct build {
    struct broker *b;
    struct line *l; /* NULL: it said no HELLO yet */
    struct bytes *in;
    uint32_t route;
    struct wire_head head;
    size_t length;
    unsigned char payload[MOST];
    unsigned twist; /* which field is not as it should be; 0: all are good */
};

static void add(struct build *f, const void *bytes, size_t size)
{
    if (size > MOST - f->length)
        size = MOST - f->length;
    memcpy(f->payload + f->length, bytes, size);
    f->length += size;
}

static uint64_t odd(struct bytes *in)
{
    static const uint64_t numbers[] = {0, 1, 2, 255, UINT64_C(1) << 31, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX};
    return BYTES_OF(in, numbers);
}

static uint64_t channel(struct build *f)
{
    uint64_t there = f->b->next_channel;
    return f->twist == 1 ? odd(f->in) : bytes_next(f->in) % (there < 12 ? there : 12);
}

static struct channel *a_channel(struct build *f)
{
    f->head.channel = channel(f);
    return channel_find(f->b, f->head.channel);
}

static uint64_t process(struct build *f)
{
    return f->twist == 1 ? odd(f->in) : bytes_next(f->in) % f->b->next_process;
}

static uint32_t pid(struct build *f)
{
    unsigned i = bytes_next(f->in);
    return i < 16 ? i / 8 : (uint32_t)world_pid(i);
}

static void numbered(struct build *f)
{
    talks[f->route].odd |= f->twist == 2;
    f->head.seq = f->twist == 2 ? odd(f->in) : ++talks[f->route].seq;
}

static void asks(struct build *f)
{
    numbered(f);
    if (f->head.seq > talks[f->route].asked)
        talks[f->route].asked = f->head.seq;
}

static void offers(struct build *f)
{
    numbered(f);
    if (f->head.seq > talks[f->route].offered)
        talks[f->route].offered = f->head.seq;
}

static void name(struct build *f)
{
    static const char *const names[] = {"", "a", "b", "c", "a\tb", "", "d", "e\n"};
    const char *text = BYTES_OF(f->in, names);
    add(f, text, strlen(text));
}

/* ---- of each type ------------------------------------------------------------------------------------------------ */

static void make(struct build *f)
{
    static const uint64_t capacities[] = {1, 0, 2, 4, 1024, UINT64_MAX, 3, 1};
    static const uint64_t sizes[] = {1 << 20, 0, 1, 8, 64, WIRE_MAX_VALUE, WIRE_MAX_VALUE + 1u, 1 << 20};
    struct wire_make w = {.capacity = BYTES_OF(f->in, capacities), .max_bytes = BYTES_OF(f->in, sizes)};
    uint8_t kind = bytes_next(f->in);
    w.kind = kind % 8 < 3 ? kind % 8 : kind == 255 ? 9 : WIRE_CHANNEL;
    w.policy = kind / 8 % 8 < 3 ? kind / 8 % 8 : WIRE_CLOSE_SENDERS;
    f->head.flags = (kind & 128) != 0 ? WIRE_DIRECT : 0;
    asks(f);
    add(f, &w, sizeof w);
    name(f);
}

static void open_(struct build *f)
{
    asks(f);
    f->head.count = bytes_below(f->in, 5);
    name(f);
}

static void drop(struct build *f)
{
    asks(f);
    a_channel(f);
    f->head.count = bytes_below(f->in, 5);
}

static void one_channel(struct build *f)
{
    asks(f);
    a_channel(f);
}

static void close_(struct build *f)
{
    one_channel(f);
    f->head.count = bytes_next(f->in) % 8 == 7;
}

static void no_payload(struct build *f)
{
    asks(f);
    if (f->twist == 1)
        f->head.count = (uint32_t)odd(f->in);
}

static void stream(struct build *f)
{
    static const uint64_t windows[] = {64, 1, 4, 16, 1 << 20, 0, UINT64_MAX, 256};
    struct wire_stream w = {.window = BYTES_OF(f->in, windows)};
    unsigned slot = bytes_next(f->in);
    asks(f);
    a_channel(f);
    w.slot = slot < 250 ? slot % 16 : slot * 2;
    f->head.count = bytes_below(f->in, 4);
    add(f, &w, sizeof w);
}

static void add_(struct build *f)
{
    static const int64_t numbers[] = {1, -1, 2, 0, INT64_MIN, INT64_MAX, -2, 1};
    struct wire_add w = {BYTES_OF(f->in, numbers)};
    asks(f);
    a_channel(f);
    add(f, &w, sizeof w);
}

static void announce(struct build *f)
{
    struct wire_announce w = {.replica = 1};
    uint8_t how = bytes_next(f->in);
    asks(f);
    f->head.flags = (how & 1) != 0 ? WIRE_INHERIT : 0;
    f->head.count = how / 2 % 4;
    w.pid = (how & 8) != 0 ? pid(f) : 0;
    w.function = (how & 16) != 0;
    w.after = (how & 32) != 0 ? process(f) : 0;
    w.timeout = (how & 64) != 0 ? INT64_C(300000000) : 0;
    w.success[0] = (how & 128) != 0 ? 3 : 1;
    add(f, &w, sizeof w);
    for (uint32_t i = 0; i < f->head.count; i++) {
        struct wire_ends e = {.channel = channel(f), .ends = bytes_below(f->in, 5)};
        add(f, &e, sizeof e);
    }
    name(f);
}

static void started(struct build *f)
{
    struct wire_started w = {.process = process(f), .pid = pid(f)};
    asks(f);
    add(f, &w, sizeof w);
}

static void exit_(struct build *f)
{
    static const int32_t codes[] = {0, 1, 9, 15, 255, 256, -1, 65};
    struct wire_exit w = {.how = (int32_t)bytes_below(f->in, 6), .code = BYTES_OF(f->in, codes)};
    asks(f);
    w.process = f->head.type == WIRE_REAPED || f->twist == 1 ? process(f) : 0;
    add(f, &w, sizeof w);
}

static void program(struct build *f)
{
    asks(f);
    f->head.count = pid(f);
}

static void scope(struct build *f)
{
    static const int64_t times[] = {-1, 0, 50, 1000, 5000, -2, INT64_MAX, 20000};
    int64_t until = BYTES_OF(f->in, times), grace = BYTES_OF(f->in, times);
    struct wire_scope w = {.deadline = until < 0 || until == INT64_MAX ? until : f->b->now + until * 1000000,
                           .grace = grace < 0 || grace == INT64_MAX ? grace : grace * 1000000};
    asks(f);
    if ((bytes_next(f->in) & 1) != 0 && f->l != NULL && f->l->scope != NULL)
        f->head.channel = f->l->scope->item.key;
    if (f->twist == 1)
        f->head.channel = odd(f->in);
    add(f, &w, sizeof w);
}

static void cancel(struct build *f)
{
    asks(f);
    f->head.count = bytes_below(f->in, 3);
    f->head.channel =
        f->head.count == WIRE_ONE_SCOPE && f->l != NULL && f->l->scope != NULL ? f->l->scope->item.key : process(f);
}

static void offer(struct build *f)
{
    static const uint16_t flags[] = {0, WIRE_NOW, WIRE_ORDERED, WIRE_SHIELD};
    static const int64_t times[] = {-1, 0, 1000};
    struct wire_offer w = {.place = 7, .deadline = BYTES_OF(f->in, times)};
    uint32_t values = 0;
    offers(f);
    f->head.flags = BYTES_OF(f->in, flags);
    f->head.count = bytes_below(f->in, 5);
    add(f, &w, sizeof w);
    for (uint32_t i = 0; i < f->head.count; i++) {
        unsigned kind = bytes_next(f->in);
        struct wire_case c = {.op = kind % 16 < WIRE_OP_END ? kind % 16 : kind & 1 ? WIRE_OP_SEND : WIRE_OP_RECV};
        if (c.op == WIRE_OP_SCOPE && f->l != NULL && f->l->scope != NULL)
            c.channel = f->l->scope->item.key;
        else
            c.channel = c.op == WIRE_OP_EXIT ? process(f) : channel(f);
        if (c.op == WIRE_OP_SEND || f->twist == 3) {
            c.length = kind / 16;
            c.attached = kind / 16 == 3 ? channel(f) : 0;
            values += c.length;
        }
        add(f, &c, sizeof c);
    }
    static const unsigned char text[4 * 16] = "the values of all cases are cut out of this";
    add(f, text, values < sizeof text ? values : sizeof text);
}

static void withdraw(struct build *f)
{
    f->head.seq = f->twist == 2 ? odd(f->in) : talks[f->route].seq;
}

static void put(struct build *f)
{
    static const uint32_t lengths[] = {1, 0, 3, 8, 70, 2, 16, 1};
    const struct channel *c = a_channel(f);
    const struct sending *s = c != NULL && f->l != NULL ? sending_find(f->l, c) : NULL;
    unsigned how = bytes_next(f->in);
    uint32_t n = how % 8 != 7 ? how % 8 : 1, all[8];
    f->head.seq = f->twist == 2 ? odd(f->in) : s != NULL ? s->put : 0;
    f->head.count = n;
    f->head.flags = (uint16_t)(((how & 8) != 0 ? WIRE_GAP : 0) | ((how & 16) != 0 ? WIRE_NOEOL : 0));
    if (c != NULL && c->pair != NULL && c->pair->state == PAIR_RECALLING && (how & 32) != 0)
        f->head.flags |= WIRE_BACK;
    if ((how & 192) == 192 && FRAMES_STAGED) {
        f->head.flags |= WIRE_STAGED;
        f->head.seq = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        all[i] = BYTES_OF(f->in, lengths);
        static const unsigned char text[71] = "values";
        add(f, text, all[i] + ((how & 8) != 0));
    }
    if (f->twist == 3)
        all[0] = (uint32_t)odd(f->in);
    add(f, all, n * sizeof *all);
}

static void took(struct build *f)
{
    const struct channel *c = a_channel(f);
    const struct receiving *r = c != NULL && f->l != NULL ? receiving_find(f->l, c) : NULL;
    unsigned how = bytes_next(f->in);
    if (r != NULL) {
        uint64_t left = r->delivered - r->taken, n = how / 2 % 8 < left ? how / 2 % 8 : left;
        world_page(f->l)[r->slot] = how < 128 ? r->delivered : r->taken + n;
        f->head.seq = r->delivered;
    }
    if (f->twist == 2)
        f->head.seq = odd(f->in);
    f->head.flags = (how & 1) != 0 ? WIRE_WAIT : 0;
}

/* Of a pair: what is said fits its generation and what was put. */
static void of_pair(struct build *f)
{
    const struct channel *c = a_channel(f);
    const struct pair *p = c != NULL ? c->pair : NULL;
    uint64_t n = p != NULL && p->from != NULL && f->twist == 0 ? p->from->put : bytes_next(f->in);
    f->head.seq = p != NULL ? p->generation : 0;
    if (f->twist == 2)
        f->head.seq = odd(f->in);
    if (f->head.type == WIRE_UNPAIR)
        asks(f);
    if (f->head.type == WIRE_BOUND || f->head.type == WIRE_JOINED)
        f->head.count = bytes_next(f->in) > 240;
    if (f->head.type == WIRE_DRAINED)
        n = bytes_below(f->in, 4);
    if (f->head.type == WIRE_JOINED || f->head.type == WIRE_DRAINED)
        add(f, &n, sizeof n);
}

/* ---- leases: ids are small numbers in a young run ---------------------------------------------------------------- */

static void set(struct build *f)
{
    static const int64_t delays[] = {0, 1000000, 1000000000, -1, INT64_MAX};
    unsigned how = bytes_next(f->in);
    struct wire_set w = {.attempts = how % 4, .ordered = how / 4 % 2, .overflow = how / 8 % 8 < 4 ? how / 8 % 8 : 0};
    asks(f);
    a_channel(f);
    w.least = BYTES_OF(f->in, delays);
    w.most = (how & 64) != 0 ? BYTES_OF(f->in, delays) : w.least;
    w.dead = (how & 128) != 0 ? channel(f) : 0;
    if (f->twist == 3)
        w.overflow = (uint32_t)odd(f->in);
    add(f, &w, sizeof w);
    static const char *const directories[] = {"", "", "/d", "/e", "relative", ""};
    const char *directory = BYTES_OF(f->in, directories);
    add(f, directory, strlen(directory));
}

static void mark(struct build *f)
{
    struct wire_mark w = {.what = bytes_below(f->in, 3), .replica = bytes_below(f->in, 2)};
    asks(f);
    add(f, &w, sizeof w);
    name(f);
}

static void ack(struct build *f)
{
    unsigned how = bytes_next(f->in);
    a_channel(f);
    f->head.count = how % 4;
    f->head.flags = (how & 8) != 0 ? WIRE_STAGED : 0;
    for (uint32_t i = 0; i < f->head.count; i++) {
        uint64_t id = f->twist == 1 ? odd(f->in) : 1u + bytes_below(f->in, 16);
        add(f, &id, sizeof id);
    }
}

static void nack(struct build *f)
{
    static const int64_t delays[] = {0,         WIRE_DEAD_LETTER, WIRE_BACK_OFF, 1000000,
                                     WIRE_DONE, INT64_MAX,        WIRE_UNREAD,   -9};
    struct wire_nack w = {.id = 1u + bytes_below(f->in, 16), .delay = BYTES_OF(f->in, delays)};
    a_channel(f);
    add(f, &w, sizeof w);
    name(f);
}

static void settle_(struct build *f)
{
    static const int64_t delays[] = {WIRE_DONE, 0, WIRE_DEAD_LETTER, WIRE_BACK_OFF, 1000000, INT64_MAX};
    struct wire_settle w = {.count = bytes_below(f->in, 4), .delay = BYTES_OF(f->in, delays)};
    asks(f);
    a_channel(f);
    add(f, &w, sizeof w);
    name(f);
}

/* Whatever the input says. */
static void raw(struct build *f)
{
    f->head.type = bytes_next(f->in);
    f->head.flags = (uint16_t)(bytes_next(f->in) | bytes_next(f->in) << 8);
    f->head.channel = bytes_next(f->in);
    f->twist = (bytes_next(f->in) & 1) != 0 ? 0 : 2;
    if (f->head.type == WIRE_OFFER)
        offers(f);
    else
        asks(f);
    f->twist = 0;
    f->head.count = bytes_next(f->in);
    for (size_t n = bytes_next(f->in); n != 0; n--) {
        uint8_t c = bytes_next(f->in);
        add(f, &c, 1);
    }
}

static const struct {
    uint8_t type;
    void (*build)(struct build *f);
} kinds[] = {
    {WIRE_OFFER, offer},      {WIRE_PUT, put},           {WIRE_TOOK, took},         {WIRE_STREAM, stream},
    {WIRE_MAKE, make},        {WIRE_ANNOUNCE, announce}, {WIRE_WITHDRAW, withdraw}, {WIRE_DROP, drop},
    {WIRE_OPEN, open_},       {WIRE_CLOSE, close_},      {WIRE_WHY, one_channel},   {WIRE_ADD, add_},
    {WIRE_STARTED, started},  {WIRE_REAPED, exit_},      {WIRE_PROGRAM, program},   {WIRE_STAT, no_payload},
    {WIRE_DUMP, no_payload},  {WIRE_SCOPE, scope},       {WIRE_CANCEL, cancel},     {WIRE_UNPAIR, of_pair},
    {WIRE_BOUND, of_pair},    {WIRE_JOINED, of_pair},    {WIRE_RECALLED, of_pair},  {WIRE_DRAINED, of_pair},
    {WIRE_LEAVE, no_payload}, {WIRE_BYE, exit_},         {WIRE_SET, set},           {WIRE_ACK, ack},
    {WIRE_MARK, mark},        {WIRE_NACK, nack},         {WIRE_SETTLE, settle_},    {WIRE_HELLO, raw},
    {WIRE_OFFER, offer},      {WIRE_PUT, put},           {WIRE_TOOK, took},         {WIRE_ACK, ack},
};

static void finish(struct build *f)
{
    unsigned char frame[sizeof f->head + MOST];
    uint8_t type = f->head.type;
    f->head = (struct wire_head){WIRE_MAGIC,      WIRE_VERSION, type,          f->head.flags,
                                 f->head.channel, f->head.seq,  f->head.count, (uint32_t)f->length};
    if (f->twist == 4)
        f->head.flags ^= (uint16_t)(1u << bytes_below(f->in, 16));
    else if (f->twist == 5)
        f->head.length += bytes_below(f->in, 3) - 1u;
    else if (f->twist == 6)
        f->head.count = (uint32_t)odd(f->in);
    else if (f->twist == 7)
        f->head.magic ^= 1u << bytes_below(f->in, 32);
    if (type == WIRE_PUT && !FRAMES_STAGED)
        f->head.flags &= (uint16_t)~WIRE_STAGED;
    memcpy(frame, &f->head, sizeof f->head);
    memcpy(frame + sizeof f->head, f->payload, f->length);
    world_send(f->route, frame, sizeof f->head + f->length);
}

static void begin(struct build *f, struct broker *b, uint32_t route, struct bytes *in)
{
    f->b = b;
    f->l = line_find(b, route);
    f->in = in;
    f->route = route;
    f->length = f->twist = 0;
    f->head = (struct wire_head){0};
}

void frames_send(struct broker *b, uint32_t route, struct bytes *in)
{
    struct build f;
    begin(&f, b, route, in);
    unsigned kind = bytes_below(in, sizeof kinds / sizeof *kinds), twist = bytes_next(in);
    f.twist = twist < HONEST ? 0 : 1 + twist % 7;
    f.head.type = kinds[kind].type;
    kinds[kind].build(&f);
    finish(&f);
}

/* ---- attaching --------------------------------------------------------------------------------------------------- */

/* The n-th process that has a ticket (or has attached). */
static const struct process *nth(const struct broker *b, unsigned n, bool ticket)
{
    const struct process *found = NULL;
    for (const struct list *node = b->all.next; node != &b->all; node = node->next) {
        const struct process *p = LIST_OWNER(node, const struct process, all);
        if (ticket ? p->ticket == 0 : p->state != PROCESS_ATTACHED)
            continue;
        found = p;
        if (n-- == 0)
            break;
    }
    return found;
}

static void say_hello(struct build *f, const struct wire_hello *w, pid_t peer)
{
    if (!world_connected(f->route) && f->l == NULL) {
        if (!list_empty(&f->b->durable.held) || !list_empty(&f->b->strangers))
            return; /* what is held for the one before would come to it: libzmq gives no number twice */
        talks[f->route] = (struct talk){0};
        world_connect(f->route, peer);
    }
    f->head.type = WIRE_HELLO;
    f->length = 0;
    add(f, w, sizeof *w);
    finish(f);
}

void frames_hello(struct broker *b, uint32_t route, struct bytes *in)
{
    struct build f;
    struct wire_hello w = {.role = WIRE_PROCESS};
    begin(&f, b, route, in);
    unsigned how = bytes_next(in), twist = bytes_next(in);
    const struct process *p = NULL;
    pid_t peer = world_pid(1 + how / 4);
    memcpy(w.token, b->info.token, sizeof w.token);
    if (how % 4 == 0 && (p = nth(b, how / 4 % 8, true)) != NULL) {
        w.ticket = p->ticket;
        peer = p->pid != 0 ? p->pid : peer;
    } else if (how % 4 == 1 && (p = nth(b, how / 4 % 8, false)) != NULL) {
        w.process = p->item.key;
        peer = p->attached;
    } else if (how % 4 == 2) {
        w.role = WIRE_GUEST;
        w.process = (how & 64) != 0 ? how / 4 % 4 : 0;
    } else
        peer = b->info.root;
    w.pid = (uint32_t)peer;
    f.twist = twist < HONEST ? 0 : 1 + twist % 7;
    if (f.twist == 1)
        w.token[0] ^= 1;
    else if (f.twist == 2)
        w.ticket ^= 1;
    else if (f.twist == 3)
        w.pid ^= 1;
    say_hello(&f, &w, peer);
}

/* ---- what a good program begins with ----------------------------------------------------------------------------- */

bool frames_begin(struct broker *b, unsigned which, unsigned i)
{
    /* What frames_hello (H) or frames_send (S) reads. */
    static const struct {
        char what;
        uint8_t route, bytes[10];
    } steps[] = {
        {'H', 1, {3, 0}},
        {'S', 1, {4, 0, 2, 0, 3, 1}},               /* MAKE a, capacity 2 */
        {'S', 1, {4, 0, 3, 0, 128 + 8 * 3 + 3, 0}}, /* MAKE unnamed, capacity 4, direct */
        {'S', 1, {5, 0, 1, 1}},                     /* ANNOUNCE, inherits */
        {'H', 2, {0, 0}},                           /* by its ticket */
        {'S', 1, {3, 0, 0, 1, 1, 2}},               /* STREAM on a, receiving */
        {'S', 2, {3, 0, 0, 1, 2, 1}},               /* STREAM on the other, sending */
        {'S', 1, {3, 0, 0, 2, 2, 2}},               /* and receiving: a pair */
        {'H', 3, {2, 0}},                           /* a guest */
        {'S', 1, {5, 0, 1, 2}},                     /* a third process */
        {'H', 4, {0, 0}},
    };
    static const unsigned lengths[] = {11, 10, 8, 5, 0, 3, 9, 7};
    if (i >= lengths[which % 8])
        return false;
    struct bytes in = {steps[i].bytes, steps[i].bytes + sizeof steps[i].bytes};
    if (steps[i].what == 'H')
        frames_hello(b, steps[i].route, &in);
    else
        frames_send(b, steps[i].route, &in);
    return true;
}
