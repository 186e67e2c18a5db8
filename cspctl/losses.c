/* SPDX-License-Identifier: MPL-2.0 */
/* What is left when all processes of a run have ended. Decision: the broker is asked once, when nothing can change any
 * more, and what it says is told by channel: a value that was leased, or waits to be delivered again, will never be
 * done, and neither will one that is still in a channel with `retry`; of other channels, what is left is worth a word
 * only where the run did not end by itself. What is durable is not lost, but not done either. */
#include "supervisor.h"
#include "message.h"
#include "snapshot.h"
#include "unit.h"

#include <inttypes.h>
#include <string.h>

#define LINES 10 /* channels named, of each kind */

static bool is_leased(const struct pipeline *p)
{
    for (size_t i = 0; i < p->nchannels; i++)
        if (p->channels[i].attempts > 0)
            return true;
    return false;
}

static int64_t left_in(const struct snapshot_channel *c)
{
    return c->lost + c->values;
}

static const struct channel *channel_of(const struct pipeline *p, const struct snapshot_channel *c)
{
    static const struct channel none;
    size_t i = pipeline_channel(p, c->name);

    return i != PIPELINE_NONE ? &p->channels[i] : &none;
}

/* Values that were to be done. */
static int64_t undone(const struct pipeline *p, const struct snapshot_channel *c)
{
    return c->leased + c->back_off + (channel_of(p, c)->retries ? left_in(c) : 0);
}

static int64_t given_up(const struct pipeline *p, const struct snapshot_channel *c)
{
    return c->given_up + (channel_of(p, c)->durable != NULL ? 0 : undone(p, c));
}

static int64_t not_received(const struct pipeline *p, const struct snapshot_channel *c)
{
    return channel_of(p, c)->retries || channel_of(p, c)->durable != NULL ? 0 : left_in(c);
}

static int64_t kept_undone(const struct pipeline *p, const struct snapshot_channel *c)
{
    return channel_of(p, c)->durable != NULL ? undone(p, c) : 0;
}

static int64_t kept(const struct pipeline *p, const struct snapshot_channel *c)
{
    return channel_of(p, c)->durable != NULL ? c->leased + c->back_off + left_in(c) : 0;
}

static uint64_t say(const struct snapshot *now, const struct pipeline *p,
                    int64_t count(const struct pipeline *, const struct snapshot_channel *), const char *what)
{
    uint64_t sum = 0;
    int said = 0;
    char text[UNIT_TEXT];

    for (size_t i = 0; i < now->nchannels; i++) {
        const struct snapshot_channel *c = &now->channels[i];
        int64_t n = strcmp(c->name, "-") != 0 ? count(p, c) : 0;
        if (n <= 0)
            continue;
        sum += (uint64_t)n;
        if (said++ < LINES)
            message("%s: %s %s %s", c->name, unit_print_number((uint64_t)n, "value", text), n == 1 ? "was" : "were",
                    what);
    }
    if (said > LINES)
        message("and values of %s", unit_print_number((uint64_t)(said - LINES), "more channel", text));
    return sum;
}

void losses_say(struct supervisor *s)
{
    const struct pipeline *p = s->stage.p;
    bool whole = s->result.cause == CAUSE_NONE;
    struct snapshot *now = s->result.cause == CAUSE_BROKER || (whole && !is_leased(p)) ? NULL : snapshot_ask();

    if (now == NULL)
        return;
    s->result.given_up = say(now, p, given_up, "given up");
    s->result.kept = say(now, p, whole ? kept_undone : kept, "kept for the next run");
    if (!whole)
        (void)say(now, p, not_received, "not received");
    snapshot_free(now);
}
