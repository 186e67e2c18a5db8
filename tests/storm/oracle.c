/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: everything is sorted and merged. A value received by an offer is found by process, channel and hash; those
 * that came on a stream are known by their number and by the sum of their hashes alone, for the record says no more. */
#include "oracle.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNALLED = 2 }; /* `how` of docs/protocol.md, section 4 */

struct entry { /* a commit, or a line of the journal */
    uint64_t process, channel, hash;
    uint64_t line, order; /* of a commit */
    uint64_t id;          /* of a line of the journal */
    size_t at;            /* its place in the file */
    bool met;
};

struct list {
    struct entry *all;
    size_t n, size;
};

struct range {
    uint64_t from, to;
};

struct flow { /* a channel: what left it is next in order, or came back and is before that */
    uint64_t next;
    struct range *back; /* in order */
    size_t n;
};

struct judgement {
    FILE *out;
    struct findings *f;
    struct list sent, received, journal, streams, dead, buried;
    struct flow *flows; /* by the channels' numbers */
    size_t flow_count;
    bool failed;
};

static struct entry *add(struct judgement *j, struct list *l)
{
    static struct entry none;
    if (l->n == l->size) {
        size_t size = l->size != 0 ? l->size * 2 : 1024;
        struct entry *all = realloc(l->all, size * sizeof *all);
        if (all == NULL) {
            j->failed = true;
            return &none;
        }
        l->all = all;
        l->size = size;
    }
    l->all[l->n] = (struct entry){.at = l->n};
    return &l->all[l->n++];
}

static void complain(struct judgement *j, size_t *which, const char *what, const struct entry *e)
{
    ++*which;
    fprintf(j->out,
            "%s: process %" PRIu64 ", channel %" PRIu64 ", order %" PRIu64 ", id %016" PRIx64 ", hash %016" PRIx64 "\n",
            what, e->process, e->channel, e->order, e->id, e->hash);
}

/* ---- what leaves a channel -------------------------------------------------------------------------------------- */

static struct flow *flow_of(struct judgement *j, uint64_t channel)
{
    static struct flow none;
    if (channel >= j->flow_count) {
        size_t count = channel < SIZE_MAX / 4 / sizeof *j->flows ? (size_t)channel * 2 + 64 : 0;
        struct flow *flows = count != 0 ? realloc(j->flows, count * sizeof *flows) : NULL;
        if (flows == NULL) {
            j->failed = true;
            return &none;
        }
        memset(flows + j->flow_count, 0, (count - j->flow_count) * sizeof *flows);
        j->flows = flows;
        j->flow_count = count;
    }
    return &j->flows[channel];
}

/* So many values leave a channel, e->order the first: it must be the first that is there. */
static void leaves(struct judgement *j, const struct entry *e, uint64_t count)
{
    struct flow *f = flow_of(j, e->channel);
    uint64_t first = f->n != 0 ? f->back[0].from : f->next, at = e->order, end = e->order + count;
    if (at > first)
        complain(j, &j->f->lost, "values before it were skipped", e);
    else if (at < first)
        complain(j, &j->f->doubled, "it had left its channel before", e);
    while (f->n != 0 && f->back[0].from < end) {
        f->back[0].from = end < f->back[0].to ? end : f->back[0].to;
        if (f->back[0].from == f->back[0].to)
            memmove(f->back, f->back + 1, --f->n * sizeof *f->back);
    }
    f->next = end > f->next ? end : f->next;
}

/* So many values come back. */
static void comes_back(struct judgement *j, const struct entry *e, uint64_t count)
{
    struct flow *f = flow_of(j, e->channel);
    struct range *back = realloc(f->back, (f->n + 1) * sizeof *back);
    if (back == NULL) {
        j->failed = true;
        return;
    }
    f->back = back;
    size_t i = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): realloc kept the n that there were */
    while (i < f->n && back[i].from < e->order)
        i++;
    memmove(back + i + 1, back + i, (f->n++ - i) * sizeof *back);
    back[i] = (struct range){e->order, e->order + count};
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* `commit PROCESS LINE case op err channel order HASH`, where a value went. */
static void read_commit(struct judgement *j, const char *rest)
{
    struct entry e = {0};
    char op[8];
    int err;
    if (sscanf(rest, "%" SCNu64 " %" SCNu64 " %*s %7s %d %" SCNu64 " %" SCNu64 " %" SCNx64, &e.process, &e.line, op,
               &err, &e.channel, &e.order, &e.hash) != 7 ||
        err != 0)
        return;
    struct entry *to = add(j, strcmp(op, "send") == 0 ? &j->sent : &j->received);
    e.at = to->at;
    *to = e;
    if (strcmp(op, "send") != 0)
        leaves(j, &e, 1);
}

/* `deliver` or `return PROCESS LINE channel order count HASH`: summed up, one entry each. */
static void read_stream(struct judgement *j, const char *rest, bool back)
{
    struct entry e = {0};
    uint64_t count;
    if (sscanf(rest, "%" SCNu64 " %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNx64, &e.process, &e.channel, &e.order,
               &count, &e.hash) != 5)
        return; /* the close */
    (back ? comes_back : leaves)(j, &e, count);
    e.order = back ? -count : count; /* from here on: how many */
    e.hash = back ? -e.hash : e.hash;
    *add(j, &j->streams) = e;
}

static void read_end(struct judgement *j, const char *rest)
{
    uint64_t process;
    int how, code;
    if (sscanf(rest, "%" SCNu64 " %d %d", &process, &how, &code) != 3)
        return;
    add(j, &j->buried)->process = process;
    if (how == SIGNALLED && (code == SIGKILL || code == 0)) { /* 0: somebody reaped it before the broker looked */
        add(j, &j->dead)->process = process;
        j->f->killed++;
    }
}

static int read_record(struct judgement *j, FILE *f)
{
    char line[1024];
    if (fgets(line, sizeof line, f) == NULL || strncmp(line, "csp-record 1 ", 13) != 0)
        return -1;
    while (fgets(line, sizeof line, f) != NULL) {
        size_t kind = strcspn(line, " ");
        const char *rest = line + kind + (line[kind] == ' ');
        line[kind] = '\0';
        if (strcmp(line, "commit") == 0)
            read_commit(j, rest);
        else if (strcmp(line, "deliver") == 0 || strcmp(line, "return") == 0)
            read_stream(j, rest, *line == 'r');
        else if (strcmp(line, "buried") == 0)
            read_end(j, rest);
    }
    return 0;
}

static int read_journal(struct judgement *j, FILE *f)
{
    char line[256];
    while (fgets(line, sizeof line, f) != NULL) {
        struct entry *e = add(j, &j->journal);
        if (sscanf(line, "%*d %" SCNu64 " %" SCNu64 " %" SCNx64 " %" SCNx64, &e->process, &e->channel, &e->id,
                   &e->hash) != 4) {
            fprintf(j->out, "no line of a journal: %s", line);
            return -1;
        }
    }
    return 0;
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

static int by_value(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = COMPARE(x->process, y->process);
    c = c != 0 ? c : COMPARE(x->channel, y->channel);
    c = c != 0 ? c : COMPARE(x->hash, y->hash);
    return c != 0 ? c : COMPARE(x->at, y->at);
}

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return COMPARE(x->id, y->id);
}

static int by_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = COMPARE(x->channel, y->channel);
    return c != 0 ? c : COMPARE(x->order, y->order);
}

static int by_line(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = COMPARE(x->line, y->line);
    return c != 0 ? c : COMPARE(x->at, y->at);
}

static void sort(struct list *l, int (*compare)(const void *, const void *))
{
    if (l->n != 0)
        qsort(l->all, l->n, sizeof *l->all, compare);
}

static bool has(const struct list *l, uint64_t process)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->all[i].process == process)
            return true;
    return false;
}

/* It died of SIGKILL, or was there when its run ended. */
static bool was_killed(const struct judgement *j, uint64_t process)
{
    return has(&j->dead, process) || !has(&j->buried, process);
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static void judge_doubles(struct judgement *j)
{
    sort(&j->journal, by_id);
    for (size_t i = 1; i < j->journal.n; i++)
        if (j->journal.all[i].id == j->journal.all[i - 1].id)
            complain(j, &j->f->doubled, "received twice", &j->journal.all[i]);
}

/* What was received is what was sent. */
static void judge_channels(struct judgement *j)
{
    sort(&j->sent, by_order);
    sort(&j->received, by_order);
    size_t s = 0;
    for (size_t i = 0; i < j->received.n; i++) {
        const struct entry *e = &j->received.all[i];
        while (s < j->sent.n && by_order(&j->sent.all[s], e) < 0)
            s++;
        if (s < j->sent.n && by_order(&j->sent.all[s], e) == 0 && j->sent.all[s].hash != e->hash)
            complain(j, &j->f->strange, "not what was sent", e);
    }
}

/* Each commit of an offer and its line in the journal. */
static void match(struct judgement *j)
{
    sort(&j->received, by_value);
    sort(&j->journal, by_value);
    size_t k = 0;
    for (size_t i = 0; i < j->received.n; i++) {
        struct entry *e = &j->received.all[i];
        int c = 1;
        while (k < j->journal.n) {
            const struct entry *w = &j->journal.all[k];
            c = COMPARE(w->process, e->process);
            c = c != 0 ? c : COMPARE(w->channel, e->channel);
            c = c != 0 ? c : COMPARE(w->hash, e->hash);
            if (c >= 0)
                break;
            k++;
        }
        if (k < j->journal.n && c == 0)
            e->met = j->journal.all[k++].met = true;
    }
}

/* Who was killed may not have written down the last value that a line of it got. */
static void judge_missing(struct judgement *j)
{
    sort(&j->received, by_line);
    for (size_t i = 0; i < j->received.n; i++) {
        const struct entry *e = &j->received.all[i];
        bool last = i + 1 == j->received.n || e[1].line != e->line;
        if (e->met)
            continue;
        if (last && was_killed(j, e->process))
            j->f->excused++;
        else
            complain(j, &j->f->lost, "committed and not received", e);
    }
}

/* The lines of the journal that no commit explains came on a stream, or from nowhere. Both lists are by value. */
static void judge_streams(struct judgement *j)
{
    sort(&j->streams, by_value);
    size_t k = 0, i = 0;
    while (i < j->streams.n || k < j->journal.n) {
        if (k < j->journal.n && j->journal.all[k].met) {
            k++;
            continue;
        }
        const struct entry *s = i < j->streams.n ? &j->streams.all[i] : NULL;
        const struct entry *w = k < j->journal.n ? &j->journal.all[k] : NULL;
        bool nowhere =
            s == NULL ||
            (w != NULL && (w->process < s->process || (w->process == s->process && w->channel < s->channel)));
        if (nowhere) {
            complain(j, &j->f->strange, "received and not committed", w);
            k++;
            continue;
        }
        struct entry sum = *s;
        uint64_t count = 0, hashes = 0;
        sum.order = sum.hash = 0;
        for (; i < j->streams.n && j->streams.all[i].process == sum.process && j->streams.all[i].channel == sum.channel;
             i++) {
            sum.order += j->streams.all[i].order;
            sum.hash += j->streams.all[i].hash;
        }
        for (; k < j->journal.n && j->journal.all[k].process == sum.process && j->journal.all[k].channel == sum.channel;
             k++) {
            count += !j->journal.all[k].met;
            hashes += j->journal.all[k].met ? 0 : j->journal.all[k].hash;
        }
        j->f->values += sum.order;
        bool ended = has(&j->buried, sum.process), excused = was_killed(j, sum.process) && count < sum.order;
        if (count > sum.order)
            complain(j, &j->f->strange, "more received on a stream than was taken", &sum);
        else if (count < sum.order && (!excused || (ended && sum.order - count > 1)))
            complain(j, &j->f->lost, "less received on a stream than was taken", &sum);
        else if (count == sum.order && hashes != sum.hash)
            complain(j, &j->f->strange, "received on a stream and not committed", &sum);
        else
            j->f->excused += count < sum.order;
    }
}

int oracle_judge(FILE *record, FILE *journal, FILE *complaints, struct findings *f)
{
    struct judgement j = {.out = complaints, .f = f};
    *f = (struct findings){0};
    int rc = (record == NULL || read_record(&j, record) == 0) && read_journal(&j, journal) == 0 && !j.failed ? 0 : -1;
    if (rc == 0) {
        f->values = j.received.n;
        judge_doubles(&j);
    }
    if (rc == 0 && record == NULL)
        f->values = j.journal.n;
    if (rc == 0 && record != NULL) {
        judge_channels(&j);
        match(&j);
        judge_missing(&j);
        judge_streams(&j);
    }
    free(j.sent.all);
    free(j.received.all);
    free(j.journal.all);
    free(j.streams.all);
    free(j.dead.all);
    free(j.buried.all);
    for (size_t i = 0; i < j.flow_count; i++)
        free(j.flows[i].back);
    free(j.flows);
    return rc;
}
