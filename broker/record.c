/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: a record is text, a line for each event and each thing that followed, without what differs from run to run
 * (places, pids, absolute times), so that two runs can be compared with diff(1); and what a replay must not wait for,
 * because it depends on time alone, is not in it: calls that only say what they wait for, and withdrawals that come too
 * late. */
#include "record.h"
#include "fnv.h"
#include "tell.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LATEST_NS (INT64_C(1) << 60)  /* that a time may be: what is added to it is less */
#define AHEAD_NS  INT64_C(2000000000) /* in which the death of who was killed is noticed, at the latest */
#define BUFFER    65536
#define LONGEST   512 /* bytes of a line */

struct record {
    int out; /* -1: none */
    size_t used;
    char buffer[BUFFER];

    FILE *in; /* NULL: none, or departed from */
    const char *path;
    char *text; /* the line whose turn it is */
    size_t size;
    uint64_t number;
    struct recorded next;
    bool have, begun;
    int64_t last, offset; /* last: the time of the event before; offset: of our clock from the record's */
};

/* ---- writing ---------------------------------------------------------------------------------------------------- */

void record_flush(struct broker *b)
{
    struct record *r = b->record;
    size_t done = 0;
    while (r != NULL && r->out >= 0 && done < r->used) {
        ssize_t n = write(r->out, r->buffer + done, r->used - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR) {
            fprintf(stderr, "broker: record: it can not be written: %s: the run goes on without\n", strerror(errno));
            close(r->out);
            r->out = -1;
        }
    }
    if (r != NULL)
        r->used = 0;
}

void record_close(struct broker *b)
{
    struct record *r = b->record;
    record_flush(b);
    b->record = NULL;
    if (r == NULL)
        return;
    if (r->out >= 0)
        close(r->out);
    if (r->in != NULL)
        fclose(r->in);
    free(r->text);
    free(r);
}

static void put(struct broker *b, const char *line, size_t length)
{
    struct record *r = b->record;
    if (r->out < 0)
        return;
    if (r->used + length > sizeof r->buffer)
        record_flush(b);
    memcpy(r->buffer + r->used, line, length);
    r->used += length;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool is_event(const char *kind)
{
    static const char *const kinds[] = {"frame", "hello", "death", "gone", "expire", "deadlock"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

/* Takes a line of n bytes apart, where it is. */
static struct recorded parse(char *line, ssize_t n)
{
    struct recorded result = {.at = -1};
    if (n <= 0 || line[n - 1] != '\n') /* a broker that was killed leaves half a line */
        return result;
    line[n - 1] = '\0';
    char *rest = line + strcspn(line, " ");
    if (*rest != '\0')
        *rest++ = '\0';
    result.kind = line;
    result.rest = rest;
    if (is_event(line)) {
        int64_t at = strtoll(rest, &rest, 10);
        bool good = rest != result.rest && (*rest == ' ' || *rest == '\0') && at >= 0 && at <= LATEST_NS;
        result.at = good ? at : -1;
        if (good)
            result.rest = rest + (*rest == ' ');
        result.odd = !good;
    }
    return result;
}

static void read_line(struct record *r)
{
    r->have = true;
    ssize_t n = getline(&r->text, &r->size, r->in);
    r->next = parse(r->text, n);
    r->next.number = ++r->number;
    r->next.since = csp_now();
    r->next.wait = RECORD_PATIENCE_NS;
    if (r->begun && r->next.at > r->last)
        r->next.wait += r->next.at - r->last;
}

bool record_replays(const struct broker *b)
{
    return b->record != NULL && b->record->in != NULL;
}

struct recorded record_next(struct broker *b)
{
    if (!b->record->have)
        read_line(b->record);
    return b->record->next;
}

/* What a line ahead says of who is killed: its process, where that says nothing before; else NULL. */
static struct process *killed(const struct broker *b, const struct recorded *line, uint64_t *busy, size_t *n)
{
    uint64_t id;
    char type[16];
    int how, code;
    if (strcmp(line->kind, "frame") == 0 && sscanf(line->rest, "%*s %" SCNu64 " %15s", &id, type) == 2 &&
        strcmp(type, "TOOK") != 0)
        busy[(*n)++] = id;
    if (strcmp(line->kind, "death") != 0 || sscanf(line->rest, "%" SCNu64 " %d %d", &id, &how, &code) != 3 ||
        how != HOW_SIGNAL || code != SIGKILL)
        return NULL;
    for (size_t i = 0; i < *n; i++)
        if (busy[i] == id)
            return NULL;
    struct process *p = process_find(b, id);
    return p != NULL && p->pidfd >= 0 && !p->dead && !p->guest ? p : NULL;
}

struct process *record_killed(struct broker *b)
{
    struct record *r = b->record;
    struct recorded line = record_next(b);
    uint64_t busy[1024];
    size_t n = 0, size = 0;
    char *text = NULL;
    int64_t until = r->last + AHEAD_NS;
    off_t here = ftello(r->in);
    struct process *p = NULL;
    while (here >= 0 && p == NULL && line.kind != NULL && line.at < until && n < sizeof busy / sizeof *busy) {
        p = killed(b, &line, busy, &n);
        ssize_t length = getline(&text, &size, r->in);
        line = parse(text, length);
    }
    free(text);
    if (here >= 0)
        fseeko(r->in, here, SEEK_SET);
    return p;
}

bool record_is_same(struct broker *b, const struct recorded *next)
{
    return b->record->have && b->record->number == next->number;
}

void record_now(struct broker *b, int64_t at)
{
    struct record *r = b->record;
    if (!r->begun)
        r->offset = csp_now() - at;
    r->begun = true;
    r->last = at;
    b->now = at + r->offset;
}

void record_depart(struct broker *b, const char *came)
{
    struct record *r = b->record;
    struct recorded n = record_next(b);
    char text[2 * LONGEST];
    if (n.kind == NULL)
        snprintf(text, sizeof text, "line %" PRIu64 " of %s: the record ends, came %s", r->number, r->path, came);
    else
        snprintf(text, sizeof text, "line %" PRIu64 " of %s: recorded %s%s%s, came %s", r->number, r->path, n.kind,
                 *n.rest != '\0' ? " " : "", n.rest, came);
    if (b->notices < 0 || csp__tell(b->notices, "departed %s\n", text) != 0)
        fprintf(stderr, "broker: replay: %s: the run goes on freely\n", text);
    fclose(r->in);
    r->in = NULL;
}

/* ---- saying ----------------------------------------------------------------------------------------------------- */

static void say(struct broker *b, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void say(struct broker *b, const char *kind, const char *format, ...)
{
    char rest[LONGEST], line[LONGEST + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    const char *space = rest[0] != '\0' ? " " : "";
    int n = is_event(kind) ? snprintf(line, sizeof line, "%s %" PRId64 "%s%s\n", kind, b->now, space, rest)
                           : snprintf(line, sizeof line, "%s%s%s\n", kind, space, rest);
    put(b, line, (size_t)n);
    if (!record_replays(b))
        return;
    struct recorded next = record_next(b);
    if (next.kind != NULL && strcmp(next.kind, kind) == 0 && strcmp(next.rest, rest) == 0) {
        b->record->have = false;
        return;
    }
    snprintf(line, sizeof line, "%s%s%s", kind, space, rest);
    record_depart(b, line);
}

/* Of a payload without what differs from run to run: addresses, pids, times, descriptors. */
static uint64_t hash_payload(const struct message *m)
{
    const unsigned char *at = m->payload, *end = at + m->head.length;
    uint64_t h = CSP__FNV_START;
    if (m->head.type == WIRE_OFFER)
        at += sizeof(struct wire_offer);
    else if (m->head.type == WIRE_ANNOUNCE) {
        struct wire_announce w;
        memcpy(&w, at, sizeof w);
        w.function = 0;
        w.pid = w.pid != 0;
        h = csp__fnv(h, &w, sizeof w);
        at += sizeof w;
    } else if (m->head.type == WIRE_SCOPE)
        at += sizeof(int64_t); /* deadline, which has its own field */
    else if (m->head.type == WIRE_STARTED) {
        struct wire_started w;
        memcpy(&w, at, sizeof w);
        w.pid = w.pid != 0;
        return csp__fnv(h, &w, sizeof w);
    }
    for (uint32_t i = 0; m->head.type == WIRE_OFFER && i < m->head.count; i++, at += sizeof(struct wire_case)) {
        struct wire_case c;
        memcpy(&c, at, sizeof c);
        if (c.op == WIRE_OP_TIME || c.op == WIRE_OP_FD)
            c.channel = 0;
        h = csp__fnv(h, &c, sizeof c);
    }
    return csp__fnv(h, at, (size_t)(end - at));
}

/* An OFFER of whose cases the broker decides none. */
static bool names_only(const struct message *m)
{
    for (uint32_t i = 0; i < m->head.count; i++) {
        struct wire_case c;
        memcpy(&c, m->payload + sizeof(struct wire_offer) + i * sizeof c, sizeof c);
        if (c.op != WIRE_OP_NONE && c.op < WIRE_OP_PUT)
            return false;
    }
    return true;
}

static bool is_naming(const struct offer *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (o->cases[i].op != WIRE_OP_NONE && o->cases[i].op < WIRE_OP_PUT)
            return false;
    return true;
}

bool record_is_event(const struct line *l, const struct message *m)
{
    if (m->head.type == WIRE_OFFER)
        return !names_only(m);
    return m->head.type != WIRE_WITHDRAW || (l->offer != NULL && l->offer->seq == m->head.seq && !is_naming(l->offer));
}

/* A time in a payload, as one from now on: in replay that of the record takes its place. */
static int64_t relative_deadline(struct broker *b, struct message *m)
{
    struct wire_scope w;
    memcpy(&w, m->payload, sizeof w);
    if (w.deadline < 0)
        return -1;
    int64_t left = w.deadline > b->now ? w.deadline - b->now : 0, recorded;
    struct recorded next = record_replays(b) ? record_next(b) : (struct recorded){0};
    const char *last = next.kind != NULL ? strrchr(next.rest, ' ') : NULL;
    if (last != NULL && last[1] != '-' && (recorded = strtoll(last + 1, NULL, 10)) <= LATEST_NS) {
        left = recorded;
        w.deadline = b->now + left;
        memcpy((unsigned char *)zmq_msg_data(m->msg) + sizeof m->head, &w, sizeof w);
    }
    return left;
}

void record_frame_(struct broker *b, const struct line *l, struct message *m)
{
    uint8_t type = m->head.type;
    if (l->process->aside || !record_is_event(l, m))
        return;
    char seq[24] = "-", deadline[24] = "-";
    if (type == WIRE_PUT || type == WIRE_TOOK) /* other numbers count the calls that are no events, too */
        snprintf(seq, sizeof seq, "%" PRIu64, m->head.seq);
    if (type == WIRE_SCOPE)
        snprintf(deadline, sizeof deadline, "%" PRId64, relative_deadline(b, m));
    uint32_t count = type == WIRE_PROGRAM ? m->head.count != 0 : m->head.count;
    say(b, "frame", "%" PRIu64 " %" PRIu64 " %s %" PRIu64 " %s %u %u %u %016" PRIx64 " %s", l->id, l->process->item.key,
        wire_name(type), m->head.channel, seq, m->head.flags, count, m->head.length, hash_payload(m), deadline);
}

void record_hello_(struct broker *b, uint64_t line, uint64_t process, uint32_t role)
{
    say(b, "hello", "%" PRIu64 " %" PRIu64 " %u", line, process, role);
}

/* How a process ended is known or not as its announcer was quick to reap it: the record's word counts. */
void record_death_(struct broker *b, struct process *p)
{
    if (p->aside)
        return;
    if (record_replays(b)) {
        struct recorded next = record_next(b);
        uint64_t process;
        struct reason why;
        if (next.kind != NULL && strcmp(next.kind, "death") == 0 &&
            sscanf(next.rest, "%" SCNu64 " %d %d", &process, &why.how, &why.code) == 3 && process == p->item.key &&
            (p->reason.how == HOW_SIGNAL && p->reason.code == 0))
            p->reason = why;
    }
    say(b, "death", "%" PRIu64 " %d %d", p->item.key, p->reason.how, p->reason.code);
}

void record_gone_(struct broker *b, const struct line *l)
{
    if (!l->process->aside)
        say(b, "gone", "%" PRIu64, l->id);
}

void record_expire_(struct broker *b)
{
    say(b, "expire", "%s", "");
}

void record_deadlock_(struct broker *b)
{
    say(b, "deadlock", "%s", "");
}

void record_draw_(struct broker *b, uint32_t bound, uint32_t result)
{
    say(b, "draw", "%u %u", bound, result);
}

void record_commit_(struct broker *b, const struct offer *o, uint32_t which, int err, const uint64_t *order,
                    const void *value, size_t length)
{
    const struct line *l = o->line;
    if (l->process->aside || is_naming(o))
        return;
    char place[64] = "- -", number[12] = "-";
    if (order != NULL)
        snprintf(place, sizeof place, "%" PRIu64 " %016" PRIx64, *order, csp__fnv(CSP__FNV_START, value, length));
    if (which != WIRE_NO_CASE)
        snprintf(number, sizeof number, "%u", which);
    const struct channel *c = which < o->count ? o->cases[which].channel : NULL;
    static const char *const ops[WIRE_OP_END] = {
        [WIRE_OP_SEND] = "send", [WIRE_OP_RECV] = "recv", [WIRE_OP_WAIT] = "wait", [WIRE_OP_SCOPE] = "scope"};
    const char *op = which < o->count && ops[o->cases[which].op] != NULL ? ops[o->cases[which].op] : "-";
    say(b, "commit", "%" PRIu64 " %" PRIu64 " %s %s %d %" PRIu64 " %s", l->process->item.key, l->id, number, op, err,
        c != NULL ? c->item.key : 0, place);
}

/* Of the values of a block, each by itself, so that it can be told how a part of them adds up with the rest. */
static uint64_t hash_values(const struct block *block)
{
    uint64_t sum = 0;
    const unsigned char *at = block->data;
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t length = block_length(block, i);
        sum += csp__fnv(CSP__FNV_START, at, length);
        at += block_span(block, length, 1);
    }
    return sum;
}

void record_deliver_(struct broker *b, const struct receiving *r, const struct block *block)
{
    const struct line *l = r->line;
    char what[64] = "- 0 -";
    if (block != NULL)
        snprintf(what, sizeof what, "%" PRIu64 " %u %016" PRIx64, block->order, block->count, hash_values(block));
    say(b, "deliver", "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s", l->process->item.key, l->id, r->channel->item.key,
        what);
}

/* In replay the stream's page follows the record's count, if later; beyond it, it is not looked at. */
uint64_t record_took_(struct broker *b, const struct receiving *r, uint64_t count)
{
    const struct line *l = r->line;
    char begin[64];
    int n = snprintf(begin, sizeof begin, "%" PRIu64 " %" PRIu64 " %" PRIu64 " ", l->process->item.key, l->id,
                     r->channel->item.key);
    if (record_replays(b)) {
        struct recorded next = record_next(b);
        if (next.kind == NULL || strcmp(next.kind, "took") != 0 || strncmp(next.rest, begin, (size_t)n) != 0)
            return r->taken;
        uint64_t recorded = strtoull(next.rest + n, NULL, 10);
        if (recorded < r->taken || recorded > r->delivered)
            return r->taken;
        int64_t until = csp_now() + RECORD_PATIENCE_NS;
        while ((count = page_count(l, r->slot)) < recorded && csp_now() < until)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        if (count > recorded || count < r->taken)
            count = count > recorded ? recorded : r->taken;
    }
    if (count != r->taken)
        say(b, "took", "%s%" PRIu64, begin, count);
    return count;
}

static void say_return(struct broker *b, const struct process *p, uint64_t line, const struct channel *c,
                       const struct block *block)
{
    say(b, "return", "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %016" PRIx64, p->item.key, line, c->item.key,
        block->order, block->count, hash_values(block));
}

void record_return_(struct broker *b, const struct receiving *r, const struct block *block)
{
    say_return(b, r->line->process, r->line->id, r->channel, block);
}

void record_return_lease_(struct broker *b, const struct process *p, const struct channel *c, const struct block *block)
{
    say_return(b, p, 0, c, block);
}

void record_settled_(struct broker *b, const struct channel *c, const struct block *block, uint32_t n, int fate)
{
    static const char *const fates[] = {"done", "dead-letter", "given-up", "dropped"};
    say(b, "settled", "%" PRIu64 " %" PRIu64 " %u %s", c->item.key, block->order, n, fates[fate]);
}

void record_buried_(struct broker *b, const struct process *p, struct reason why)
{
    if (!p->aside)
        say(b, "buried", "%" PRIu64 " %d %d", p->item.key, why.how, why.code);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int fail(int err, char *why, size_t size, const char *what, const char *path)
{
    snprintf(why, size, "%s%s%s", what, path != NULL ? " " : "", path != NULL ? path : "");
    errno = err;
    return -1;
}

/* The seed in the first line. 0, or an errno. */
static int open_in(struct record *r, const char *path, uint64_t *seed)
{
    r->path = path;
    r->in = fopen(path, "re");
    if (r->in == NULL)
        return errno;
    read_line(r);
    r->have = false;
    if (r->next.kind == NULL || strcmp(r->next.kind, "csp-record") != 0 || strncmp(r->next.rest, "1 ", 2) != 0)
        return EINVAL;
    const char *start = r->next.rest + 2;
    char *end;
    errno = 0;
    *seed = strtoull(start, &end, 10);
    return errno != 0 || *end != '\0' || end == start ? EINVAL : 0;
}

static int open_out(struct record *r, const char *path)
{
    struct stat in, out;
    r->out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (r->out < 0 || fstat(r->out, &out) != 0)
        return errno;
    if (r->in != NULL && fstat(fileno(r->in), &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
        return EEXIST; /* what is replayed would be written over */
    return S_ISREG(out.st_mode) && ftruncate(r->out, 0) != 0 ? errno : 0;
}

int record_open(struct broker *b, const char *seed, const char *record, const char *replay, char *why, size_t size)
{
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : 0;
    if (seed == NULL && replay == NULL && random_draw(&number) != 0)
        return fail(errno, why, size, "a seed can not be drawn", NULL);
    if (record != NULL || replay != NULL) {
        b->record = calloc(1, sizeof *b->record);
        if (b->record == NULL)
            return fail(ENOMEM, why, size, "a record", NULL);
        b->record->out = -1;
    }
    int err = replay != NULL ? open_in(b->record, replay, &number) : 0;
    if (err != 0)
        return fail(err, why, size, err == EINVAL ? "this is not a run's record:" : "the record to replay:", replay);
    err = record != NULL ? open_out(b->record, record) : 0;
    if (err != 0)
        return fail(err, why, size, "the record to write:", record);
    random_seed(&b->random, number);
    char line[64];
    int n = snprintf(line, sizeof line, "csp-record 1 %" PRIu64 "\n", number);
    if (b->record != NULL)
        put(b, line, (size_t)n);
    record_flush(b);
    return 0;
}
