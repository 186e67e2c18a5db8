/* SPDX-License-Identifier: MPL-2.0 */
/* A bound counts every place where a value can be, and a value in each of them that is there twice for a moment: what
 * is put is with its sender or the broker, and one frame with both; what is delivered ahead is with the broker until it
 * was taken, and with the receiver; what goes over a pair is with its sender until then, too. */
#include "edge.h"
#include "bridge.h"
#include "pool.h"
#include "unit.h"

#include <inttypes.h>
#include <string.h>

#define PUT       2 /* windows: what is put, and the frame that is on its way or of which a part is used */
#define DELIVERED 3 /* windows: what is delivered ahead, twice, and such a frame */
#define OFFERED   2 /* values: in an offer, and in the commit that it becomes */

static size_t count(const size_t *channels, size_t n, size_t channel)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += channels[i] == channel;
    return found;
}

static size_t count_ports(const struct ports *ports, size_t channel)
{
    size_t found = 0;

    for (size_t i = 0; i < ports->n; i++)
        found += ports->item[i].channel == channel;
    return found;
}

static size_t count_output(const struct output *o, size_t channel)
{
    return o->kind == OUTPUT_CHANNELS ? count(o->channels, o->nchannels, channel) : 0;
}

/* Streams that one replica makes. */
static size_t streams_of(const struct process *process, size_t channel, int side)
{
    const struct input *input = &process->input;

    if (side == CSP_SEND)
        return count_output(&process->output, channel) + count_output(&process->error, channel) +
               count_ports(&process->out, channel);
    return (input->kind == INPUT_CHANNELS ? count(input->channels, input->nchannels, channel) : 0) +
           count_ports(&process->in, channel) + (process->requests == channel);
}

size_t edge_streams(const struct pipeline *p, const struct channel *c, int side)
{
    const struct end *ends = side == CSP_SEND ? c->senders : c->receivers;
    size_t total = 0, n = side == CSP_SEND ? c->nsenders : c->nreceivers;

    for (size_t i = 0; i < n; i++) {
        const struct process *process = &p->processes[ends[i].process];
        size_t each = side == CSP_RECV && process->laned ? 1 : (size_t)process->replicas;
        total += each * streams_of(process, (size_t)(c - p->channels), side);
    }
    return total;
}

/* ---- kinds */

enum kind { PAIR, STREAM, RENDEZVOUS, REQUESTS };

/* What it sends it puts in one step with an acknowledgement. */
static bool has_settled_sender(const struct pipeline *p, const struct channel *c)
{
    for (size_t i = 0; i < c->nsenders; i++) {
        const struct process *process = &p->processes[c->senders[i].process];
        if (process->kind == PROCESS_EACH || process->kind == PROCESS_PARTITION ||
            (process->kind == PROCESS_COMMAND && process->ack == ACK_LINE))
            return true;
    }
    return false;
}

static enum kind kind_of(const struct pipeline *p, const struct channel *c)
{
    if (c->service != PIPELINE_NONE)
        return REQUESTS;
    if (c->capacity == 0)
        return RENDEZVOUS;
    if (c->durable != NULL || c->attempts > 0 || c->ordered || c->source != PIPELINE_NONE || has_settled_sender(p, c))
        return STREAM; /* the broker has the settlements */
    return edge_streams(p, c, CSP_SEND) == 1 && edge_streams(p, c, CSP_RECV) == 1 ? PAIR : STREAM;
}

const char *edge_kind(const struct pipeline *p, const struct channel *c)
{
    static const char *const words[] = {
        [PAIR] = "pair", [STREAM] = "stream", [RENDEZVOUS] = "rendezvous", [REQUESTS] = "requests"};

    return words[kind_of(p, c)];
}

bool edge_is_pair(const struct pipeline *p, const struct channel *c)
{
    return kind_of(p, c) == PAIR;
}

const char *edge_delivery(const struct channel *c)
{
    static const char *const words[2][2][2] = {
        {{"at most once", "at most once, durable"}, {"at most once, ordered", "at most once, ordered, durable"}},
        {{"at least once", "at least once, durable"}, {"at least once, ordered", "at least once, ordered, durable"}}};

    return words[c->retries][c->ordered][c->durable != NULL];
}

/* "4 senders"; of none declared, guests. */
static const char *side_text(struct pool *pool, size_t n, const char *does, const char *noun)
{
    char number[UNIT_TEXT];

    if (n == 0)
        return pool_format(pool, "guests %s", does);
    return pool_format(pool, "%s", unit_print_number(n, noun, number));
}

/* A worker may send and receive value by value; then there is no stream to be joined. */
static const char *pair_text(const struct pipeline *p, const struct channel *c, struct pool *pool)
{
    const struct process *from = &p->processes[c->senders[0].process], *to = &p->processes[c->receivers[0].process];
    const char *text = "1 sender, 1 receiver";

    if (from->kind == PROCESS_WORKER)
        text = pool_format(pool, "%s, once %s makes it a stream", text, from->name);
    if (to->kind == PROCESS_WORKER && to != from)
        text = pool_format(pool, from->kind == PROCESS_WORKER ? "%s, and %s" : "%s, once %s makes it a stream", text,
                           to->name);
    return text;
}

const char *edge_why(const struct pipeline *p, const struct channel *c, struct pool *pool)
{
    size_t senders = edge_streams(p, c, CSP_SEND), receivers = edge_streams(p, c, CSP_RECV);

    switch (kind_of(p, c)) {
    case PAIR:
        return pair_text(p, c, pool);
    case RENDEZVOUS:
        return "capacity 0";
    case REQUESTS:
        return pool_format(pool, "of service %s", p->services[c->service].name);
    default:
        if (receivers == 1 && senders <= 1)
            return c->attempts > 0 || c->ordered ? "values are acknowledged"
                   : c->source != PIPELINE_NONE  ? pool_format(pool, "dead letters of %s", p->channels[c->source].name)
                   : has_settled_sender(p, c)    ? "sent with acknowledgements"
                                                 : side_text(pool, senders, "send", "sender");
        if (receivers == 1)
            return side_text(pool, senders, "send", "sender");
        if (senders == 1)
            return side_text(pool, receivers, "receive", "receiver");
        return pool_format(pool, "%s, %s", side_text(pool, senders, "send", "sender"),
                           side_text(pool, receivers, "receive", "receiver"));
    }
}

/* ---- memory */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Frames with so many bytes of values, which may all be as small as they can be, or with one value that is larger. */
static int64_t frames(int64_t bytes, int64_t value)
{
    int64_t many = bytes * (1 + EDGE_LENGTH), one = value + EDGE_LENGTH;

    return many > one ? many : one;
}

static int64_t buffer(const struct channel *c, int64_t value)
{
    return least(c->max_bytes, c->capacity * value) + c->capacity * EDGE_ALONE;
}

int64_t edge_memory(const struct pipeline *p, const struct channel *c, int64_t value)
{
    int64_t senders = (int64_t)edge_streams(p, c, CSP_SEND), receivers = (int64_t)edge_streams(p, c, CSP_RECV);

    value = least(value, c->max_bytes);
    int64_t offered = OFFERED * value * (senders + receivers);
    int64_t windows = frames(EXEC_WINDOW, value) * (PUT * senders + DELIVERED * receivers);
    switch (kind_of(p, c)) {
    case PAIR:
        return 2 * buffer(c, value) + windows;
    case STREAM:
        return buffer(c, value) + windows;
    case RENDEZVOUS:
        return offered;
    default:
        return buffer(c, value) + offered;
    }
}

/* Descriptors of a program that lead to channels; those of one number stand together. */
static int64_t descriptors(const struct ports *ports)
{
    int64_t n = 0;

    for (size_t i = 0; i < ports->n; i++)
        n += i == 0 || ports->item[i].fd != ports->item[i - 1].fd;
    return n;
}

int64_t edge_bridges(const struct pipeline *p, int64_t value)
{
    int64_t total = 0, largest = 0;

    for (size_t i = 0; i < p->nchannels; i++)
        largest = p->channels[i].max_bytes > largest ? p->channels[i].max_bytes : largest;
    value = least(value, largest);
    for (size_t i = 0; i < p->nprocesses; i++) {
        const struct process *c = &p->processes[i];
        int64_t in = descriptors(&c->in), out = descriptors(&c->out);
        if (!process_bridged(p, i))
            continue;
        in += c->input.kind == INPUT_CHANNELS || c->serve != PIPELINE_NONE;
        out += (c->output.kind == OUTPUT_CHANNELS || c->serve != PIPELINE_NONE) + (c->error.kind == OUTPUT_CHANNELS);
        /* Where a value that is read is larger than what there is for it, that is made twice as large. */
        total += c->replicas * (in * frames(EXEC_BLOCK, value) + out * frames(EXEC_BLOCK, 2 * value) +
                                (in + out) * (int64_t)EXEC_PIPE);
    }
    return total;
}

int64_t edge_total(const struct pipeline *p, int64_t value)
{
    int64_t total = edge_bridges(p, value);

    for (size_t i = 0; i < p->nchannels; i++)
        total += edge_memory(p, &p->channels[i], value);
    return total;
}
