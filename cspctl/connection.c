/* SPDX-License-Identifier: MPL-2.0 */
/* Where a process meets channels. Naming a channel makes it; each end is recorded with the place that names it, so that
 * whatever is wrong with the graph as a whole can be shown where it was written. */
#include "reader.h"
#include "pool.h"
#include "suggestion.h"
#include "unit.h"

#include <string.h>

#define MOST_DESCRIPTOR 1023

static const char *const output_words[] = {[OUTPUT_INHERIT] = "inherit", [OUTPUT_LOG] = "log", [OUTPUT_NONE] = "none"};
#define OUTPUT_WORDS (sizeof output_words / sizeof *output_words)

static int output_word(const char *text)
{
    for (size_t i = 0; i < OUTPUT_WORDS; i++)
        if (strcmp(text, output_words[i]) == 0)
            return (int)i;
    return -1;
}

size_t intern_channel(struct reader *r, const char *name, struct place place)
{
    struct pipeline *p = r->p;
    size_t i = pipeline_channel(p, name);

    if (i != PIPELINE_NONE)
        return i;
    if (p->nchannels == PIPELINE_MAX_ENTRIES) {
        if (!r->surplus)
            diagnose(r->d, place,
                     "make several runs of it, or make them in a program: channels that a program makes by itself are "
                     "not counted",
                     "there are more than %d channels", PIPELINE_MAX_ENTRIES);
        r->surplus = true;
        return PIPELINE_NONE;
    }
    p->channels = pool_more(p->pool, p->channels, p->nchannels, sizeof *p->channels);
    struct channel *new = &p->channels[p->nchannels];
    *new = (struct channel){.name = pool_copy(p->pool, name, strlen(name)),
                            .service = PIPELINE_NONE,
                            .dead = PIPELINE_NONE,
                            .source = PIPELINE_NONE,
                            .place = place};
    read_defaults(r, SECTION_CHANNEL, new);
    return p->nchannels++;
}

bool check_channel_name(struct reader *r, struct place at, const char *name)
{
    if (!strchr(name, '.'))
        return check_name(r, at, "a channel", name, false);
    diagnose(r->d, at, "write _ or - for the dot", "%s: names with a dot are kept for the requests of services",
             diagnostics_quote(r->d, name));
    return false;
}

/* The channel that a text names. A word of stdout is no channel anywhere else either. */
static size_t named_channel(struct reader *r, const struct value *v)
{
    const char *name = diagnostics_quote(r->d, v->text);

    if (output_word(v->text) >= 0) {
        bool reads = v->key->type == TYPE_INPUT;
        const char *hint =
            reads && strcmp(v->text, "inherit") == 0 ? "to read what cspctl reads write stdin: {file: /dev/stdin}"
            : reads && strcmp(v->text, "none") == 0  ? "leave stdin out: it is empty by default"
                                                     : "inherit, log and none stand alone, for stdout and stderr";
        diagnose(r->d, v->place, hint, "%s: %s is not a channel", v->key->name, name);
        return PIPELINE_NONE;
    }
    return check_channel_name(r, v->place, v->text) ? intern_channel(r, v->text, v->place) : PIPELINE_NONE;
}

/* Processes are read one after the other: if this one has an end of that sort already, it is the last. */
static void add_end(struct reader *r, struct end **ends, size_t *n, struct place at)
{
    if (*n && (*ends)[*n - 1].process == r->process)
        return;
    *ends = pool_more(r->p->pool, *ends, *n, sizeof **ends);
    (*ends)[(*n)++] = (struct end){r->process, at};
}

static void add_sender(struct reader *r, size_t channel, struct place at)
{
    struct channel *c = &r->p->channels[channel];

    add_end(r, &c->senders, &c->nsenders, at);
}

/* A value would go to one of two descriptors of the same process, by chance. */
static void add_receiver(struct reader *r, size_t channel, struct place at)
{
    struct channel *c = &r->p->channels[channel];

    if (c->nreceivers && c->receivers[c->nreceivers - 1].process == r->process)
        diagnose(r->d, at, "each value goes to one receiver only: read it in one place",
                 "this process reads %s already", diagnostics_quote(r->d, c->name));
    else
        add_end(r, &c->receivers, &c->nreceivers, at);
}

static void add_channel(struct reader *r, size_t **channels, size_t *n, size_t channel)
{
    *channels = pool_more(r->p->pool, *channels, *n, sizeof **channels);
    (*channels)[(*n)++] = channel;
}

/* Nothing stands between a worker and its descriptors: a channel there would be lost. Says so; the end is recorded all
 * the same, so that nothing is said of the channel. */
static void refuse_worker(struct reader *r, const struct value *v, const char *key)
{
    if (r->p->processes[r->process].kind == PROCESS_WORKER)
        diagnose(r->d, v->place, diagnostics_text(r->d, "write %s: [CHANNEL, ...]", key),
                 "%s: a worker opens its channels by their names", v->key->name);
}

/* Only noted here: to make the channel may move the one that is being read. */
void read_dead(struct reader *r, const struct value *v)
{
    if (output_word(v->text) >= 0)
        diagnose(r->d, v->place, "name a channel, and read it in a process", "dead: %s is not a channel",
                 diagnostics_quote(r->d, v->text));
    else if (check_channel_name(r, v->place, v->text))
        *(struct mention *)v->field = (struct mention){pool_copy(r->p->pool, v->text, strlen(v->text)), v->place};
}

static void add_input(struct reader *r, const struct value *v)
{
    struct input *input = v->field;
    size_t channel = named_channel(r, v);

    input->kind = INPUT_CHANNELS;
    if (channel == PIPELINE_NONE)
        return;
    add_receiver(r, channel, v->place);
    add_channel(r, &input->channels, &input->nchannels, channel);
}

void read_input_channel(struct reader *r, const struct value *v)
{
    ((struct input *)v->field)->place = v->place;
    if (output_word(v->text) < 0)
        refuse_worker(r, v, "in");
    add_input(r, v);
}

static void each_element(struct reader *r, const struct value *v, void (*read)(struct reader *, const struct value *))
{
    size_t n;
    const int *item = document_items(&r->doc, v->node, &n);
    struct value element;

    if (n == 0)
        wrong(r, v, "this list is empty");
    for (size_t i = 0; i < n; i++)
        if (read_element(r, v, item[i], &element))
            read(r, &element);
}

void read_input_channels(struct reader *r, const struct value *v)
{
    ((struct input *)v->field)->place = v->place;
    refuse_worker(r, v, "in");
    each_element(r, v, add_input);
}

void read_input_file(struct reader *r, const struct value *v)
{
    struct input *input = v->field;

    input->place = v->place;
    input->kind = INPUT_FILE;
    read_section(r, SECTION_STDIN, v->node, v->place, v->base);
}

static void add_output(struct reader *r, const struct value *v)
{
    struct output *output = v->field;
    size_t channel = named_channel(r, v);

    output->kind = OUTPUT_CHANNELS;
    if (channel == PIPELINE_NONE)
        return;
    for (size_t i = 0; i < output->nchannels; i++)
        if (output->channels[i] == channel) {
            diagnose(r->d, v->place, "take one out", "%s: %s stands in this list twice", v->key->name,
                     diagnostics_quote(r->d, v->text));
            return;
        }
    add_sender(r, channel, v->place);
    add_channel(r, &output->channels, &output->nchannels, channel);
}

void read_output_word(struct reader *r, const struct value *v)
{
    struct output *output = v->field;
    int word = output_word(v->text);

    output->place = v->place;
    if (word >= 0) {
        output->kind = word;
        return;
    }
    refuse_worker(r, v, "out");
    add_output(r, v);
}

void read_output_channels(struct reader *r, const struct value *v)
{
    ((struct output *)v->field)->place = v->place;
    refuse_worker(r, v, "out");
    each_element(r, v, add_output);
}

static void add_port(struct reader *r, const struct value *v, int fd, struct place at)
{
    struct ports *ports = v->field;
    size_t channel = named_channel(r, v);

    if (channel == PIPELINE_NONE)
        return;
    for (size_t i = 0; fd < 0 && i < ports->n; i++)
        if (ports->item[i].fd < 0 && ports->item[i].channel == channel) {
            diagnose(r->d, v->place, "take one out", "%s: %s stands in this list twice", v->key->name,
                     diagnostics_quote(r->d, v->text));
            return;
        }
    if (strcmp(v->key->name, "in") == 0)
        add_receiver(r, channel, v->place);
    else
        add_sender(r, channel, v->place);
    ports->item = pool_more(r->p->pool, ports->item, ports->n, sizeof *ports->item);
    ports->item[ports->n++] = (struct port){fd, channel, at};
}

static void read_port_name(struct reader *r, const struct value *v)
{
    add_port(r, v, -1, v->place);
}

void read_port_names(struct reader *r, const struct value *v)
{
    if (r->p->processes[r->process].kind == PROCESS_WORKER) {
        each_element(r, v, read_port_name);
        return;
    }
    mention(r, v->node);
    diagnose(r->d, v->place, diagnostics_text(r->d, "write %s: {3: CHANNEL}", v->key->name),
             "%s: a command finds channels by descriptors, not by name", v->key->name);
}

/* The descriptor that a key of in or out is, or -1 (said). */
static int descriptor(struct reader *r, const struct value *v, const struct member *m)
{
    static const char *const standard[] = {"stdin", "stdout", "stderr"};
    const struct process *process = &r->p->processes[r->process];
    const struct ports *both[] = {&process->in, &process->out};
    int64_t fd;

    if (unit_count(m->key, &fd) || fd > MOST_DESCRIPTOR)
        diagnose(r->d, m->place, diagnostics_text(r->d, "write %s: {3: CHANNEL}", v->key->name),
                 "%s: a descriptor is a number from 3 to %d, found %s", v->key->name, MOST_DESCRIPTOR,
                 diagnostics_quote(r->d, m->key));
    else if (fd < 3)
        diagnose(r->d, m->place, diagnostics_text(r->d, "use the key %s, or a number from 3", standard[fd]),
                 "%s: descriptor %d is %s", v->key->name, (int)fd, standard[fd]);
    else {
        for (size_t i = 0; i < 2; i++)
            for (size_t j = 0; j < both[i]->n; j++)
                if (both[i]->item[j].fd == (int)fd) {
                    diagnose(r->d, m->place, "give each channel a descriptor of its own",
                             "%s: descriptor %d has a channel already", v->key->name, (int)fd);
                    return -1;
                }
        return (int)fd;
    }
    return -1;
}

void read_port_numbers(struct reader *r, const struct value *v)
{
    size_t n;
    const struct member *m = document_members(&r->doc, v->node, &n);
    struct value element;

    refuse_worker(r, v, v->key->name);
    for (size_t i = 0; i < n; i++) {
        int fd = descriptor(r, v, &m[i]);
        if (fd < 0)
            mention(r, m[i].value);
        else if (read_element(r, v, m[i].value, &element))
            add_port(r, &element, fd, m[i].place);
    }
}

/* The service's request channel of this backend: guests send to it, so it never closes by itself. */
static void add_requests(struct reader *r, size_t service, struct place at)
{
    struct process *process = &r->p->processes[r->process];
    struct service *s = &r->p->services[service];
    const char *name = pool_format(r->p->pool, "%s.%s", s->name, process->name);
    size_t channel = intern_channel(r, name, at);

    if (channel == PIPELINE_NONE)
        return;
    r->p->channels[channel].close = CLOSE_NEVER;
    r->p->channels[channel].service = service;
    add_receiver(r, channel, at);
    process->requests = channel;
    process->serve = service;
    add_channel(r, &s->backends, &s->nbackends, r->process);
}

void read_serve(struct reader *r, const struct value *v)
{
    size_t service = pipeline_service(r->p, v->text);
    struct suggestion s = {.word = v->text};

    if (service != PIPELINE_NONE) {
        add_requests(r, service, v->place);
        return;
    }
    for (size_t i = 0; i < r->p->nservices; i++)
        suggestion_offer(&s, r->p->services[i].name);
    diagnose(r->d, v->place,
             diagnostics_did_you_mean(r->d, s.best,
                                      diagnostics_text(r->d, "write services: {%s: {deadline: 80ms}}", v->text)),
             "serve: there is no service %s", diagnostics_quote(r->d, v->text));
}
