/* SPDX-License-Identifier: MPL-2.0 */
#include "resume.h"
#include "message.h"
#include "pool.h"
#include "snapshot.h"
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A replica of which something was stored. */
struct resumed {
    size_t process;
    unsigned replica;
    bool finished;
    size_t counted;  /* in how many of its durable channels something of it was */
    uint64_t values; /* in each of its durable channels, at least */
};

struct resume {
    struct resumed *item;
    size_t n;
    struct place_of {
        const char *dir;
        uint64_t values;
        bool any;
    } * dirs;
    size_t ndirs;
};

static struct resume *resume_of(struct supervisor *s)
{
    if (s->stage.resume == NULL)
        s->stage.resume = pool_zalloc(s->stage.pool, sizeof *s->stage.resume);
    return s->stage.resume;
}

static const struct resumed *find(const struct stage *stage, size_t process, unsigned replica)
{
    const struct resume *r = stage->resume;

    for (size_t i = 0; r != NULL && i < r->n; i++)
        if (r->item[i].process == process && r->item[i].replica == replica)
            return &r->item[i];
    return NULL;
}

bool resume_names(const struct stage *stage, size_t process)
{
    const struct resume *r = stage->resume;

    for (size_t i = 0; r != NULL && i < r->n; i++)
        if (r->item[i].process == process)
            return true;
    return false;
}

static struct resumed *note(struct supervisor *s, size_t process, unsigned replica)
{
    struct resume *r = resume_of(s);
    const struct resumed *found = find(&s->stage, process, replica);

    if (found != NULL)
        return &r->item[found - r->item];
    r->item = pool_more(s->stage.pool, r->item, r->n, sizeof *r->item);
    r->item[r->n] = (struct resumed){.process = process, .replica = replica};
    return &r->item[r->n++];
}

/* `NAME TAB REPLICA TAB VALUES`, or `-`: it is finished. False: it is of no process of the file. */
static bool note_line(struct supervisor *s, char *line)
{
    char *name = strsep(&line, "\t"), *replica = strsep(&line, "\t");
    size_t process = line != NULL ? pipeline_process(s->stage.p, name) : PIPELINE_NONE;

    if (process == PIPELINE_NONE)
        return false;
    struct resumed *known = note(s, process, (unsigned)strtoul(replica, NULL, 10));
    uint64_t values = strtoull(line, NULL, 10);
    if (strcmp(line, "-") == 0)
        known->finished = true;
    else if (known->counted++ == 0 || values < known->values)
        known->values = values;
    return true;
}

static void note_directory(struct supervisor *s, const char *dir, uint64_t values, bool any)
{
    struct resume *r = resume_of(s);
    size_t i = 0;

    while (i < r->ndirs && strcmp(r->dirs[i].dir, dir) != 0)
        i++;
    if (i == r->ndirs) {
        r->dirs = pool_more(s->stage.pool, r->dirs, r->ndirs, sizeof *r->dirs);
        r->dirs[r->ndirs++] = (struct place_of){.dir = pool_copy(s->stage.pool, dir, strlen(dir))};
    }
    r->dirs[i].values += values;
    r->dirs[i].any |= any || values > 0;
}

/* As other paths of the file: from where cspctl was called. Belongs to the pool; NULL with errno. */
static const char *absolute(struct supervisor *s, const char *path)
{
    if (*path == '/')
        return path;
    char *here = getcwd(NULL, 0);
    const char *whole = here != NULL ? pool_format(s->stage.pool, "%s/%s", here, path) : NULL;
    free(here);
    return whole;
}

int resume_set(struct supervisor *s, size_t channel, struct csp__settings *settings)
{
    const char *dir = s->stage.p->channels[channel].durable;
    struct csp__resumed resumed = {.values = 0};
    bool any = false;

    if (dir == NULL)
        return csp__set(s->chans[channel], settings);
    settings->durable = absolute(s, dir);
    if (settings->durable == NULL || csp__set_durable(s->chans[channel], settings, &resumed) != 0)
        return -1;
    for (char *rest = resumed.senders, *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
        any |= note_line(s, line);
    free(resumed.senders);
    note_directory(s, dir, resumed.values, any);
    return 0;
}

void resume_say(const struct supervisor *s)
{
    const struct resume *r = s->stage.resume;
    char values[UNIT_TEXT];

    for (size_t i = 0; r != NULL && i < r->ndirs; i++)
        if (r->dirs[i].any)
            message("%s: %s %s resumed from %s", s->order->name, unit_print_number(r->dirs[i].values, "value", values),
                    r->dirs[i].values == 1 ? "is" : "are", r->dirs[i].dir);
}

const uint64_t *resume_count(const struct stage *stage, size_t process, unsigned replica)
{
    static const uint64_t none = 0;
    const struct resumed *known = find(stage, process, replica);
    size_t durable = 0;

    if (known == NULL || known->counted == 0)
        return NULL;
    for (size_t i = 0; i < stage->p->nchannels; i++)
        durable += stage->p->channels[i].durable != NULL && channel_has_sender(&stage->p->channels[i], process);
    return known->counted < durable ? &none : &known->values;
}

/* ---- who is finished */

/* Where it sends all is durable. */
static bool is_kept(const struct pipeline *p, size_t process)
{
    bool any = false;

    for (size_t i = 0; i < p->nchannels; i++)
        if (channel_has_sender(&p->channels[i], process)) {
            if (p->channels[i].durable == NULL)
                return false;
            any = true;
        }
    return any;
}

static bool are_finished(const struct supervisor *s, size_t process)
{
    for (unsigned replica = 1; replica <= s->stage.p->processes[process].replicas; replica++) {
        const struct resumed *known = find(&s->stage, process, replica);
        if (known == NULL || !known->finished)
            return false;
    }
    return true;
}

/* Nobody will send to it any more: all who did are finished themselves. A channel to which guests come is never done.
 */
static bool is_fed_no_more(const struct supervisor *s, size_t process)
{
    const struct pipeline *p = s->stage.p;

    for (size_t i = 0; i < p->nchannels; i++) {
        const struct channel *c = &p->channels[i];
        if (!channel_has_receiver(c, process))
            continue;
        if (c->close == CLOSE_NEVER || c->source != PIPELINE_NONE || c->nsenders == 0)
            return false;
        for (size_t k = 0; k < c->nsenders; k++)
            if (c->senders[k].process != process && !p->processes[c->senders[k].process].past &&
                !are_finished(s, c->senders[k].process))
                return false;
    }
    return true;
}

void resume_leave_out(struct supervisor *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct child *c = s->children[i];
        const struct resumed *known = c->process != PIPELINE_NONE ? find(&s->stage, c->process, c->replica) : NULL;
        if (known == NULL || !known->finished || !is_kept(s->stage.p, c->process) || !is_fed_no_more(s, c->process))
            continue;
        c->ready = true; /* it was, and has finally ended */
        supervisor_child(s, c, CHILD_TELL);
    }
}

/* All that it had to send is stored, and what it had to do is done. That is not known of one that ended because nobody
 * was left to receive. */
static bool is_all_done(const struct supervisor *s, size_t process)
{
    const struct pipeline *p = s->stage.p;
    struct snapshot *now = snapshot_ask();
    bool done = now != NULL;

    for (size_t i = 0; done && i < p->nchannels; i++) {
        const struct channel *c = &p->channels[i];
        const struct snapshot_channel *at = snapshot_channel(now, c->name);
        if (channel_has_sender(c, process))
            done = at != NULL && strcmp(at->state, "broken") != 0;
        if (done && c->retries && channel_has_receiver(c, process))
            done = at != NULL && at->values + at->leased + at->back_off + at->lost == 0;
    }
    snapshot_free(now);
    return done;
}

/* Who ended because the run does has not sent all. */
void resume_ended(struct supervisor *s, const struct child *c)
{
    if (s->state != RUN_UP || c->process == PIPELINE_NONE || c->ending.ours || c->start_error != 0 || c->pid == 0 ||
        c->ending.why.how != CSP_CLEAN || !is_kept(s->stage.p, c->process) || !is_fed_no_more(s, c->process) ||
        !is_all_done(s, c->process))
        return;
    note(s, c->process, c->replica)->finished = true;
    (void)csp__mark(CSP__FINISHED, s->stage.p->processes[c->process].name, c->replica);
}

void resume_forget(const struct supervisor *s)
{
    if (s->stage.resume != NULL && result_status(&s->result) == 0)
        (void)csp__mark(CSP__RUN_DONE, "", 0);
}
