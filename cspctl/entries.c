/* SPDX-License-Identifier: MPL-2.0 */
/* The maps whose keys are names that the user gives: variables, channels, services, processes. Every entry gets its
 * place in the array before it is read, so that a process can be referred to while it is being read; a bad name is no
 * reason to leave an entry out, which would only lead to complaints about what it would have joined. */
#include "reader.h"
#include "pool.h"
#include "suggestion.h"
#include "variable.h"

#include <string.h>

/* The value that the command line gives: the last one of that name, or NULL. */
static const char *argument(const struct reader *r, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = r->narguments; i-- > 0;)
        if (strncmp(r->arguments[i], name, n) == 0 && r->arguments[i][n] == '=')
            return r->arguments[i] + n + 1;
    return NULL;
}

static bool check_variable(struct reader *r, const struct value *v, const struct member *m)
{
    if (!variable_is_name(m->key, strlen(m->key)))
        diagnose(r->d, m->place, "write a letter or _, then letters, digits and _",
                 "%s can't be the name of a variable", diagnostics_quote(r->d, m->key));
    else if (strcmp(m->key, "replica") == 0 || strncmp(m->key, "CSP_", 4) == 0)
        diagnose(r->d, m->place, "choose another name", "%s is cspctl's own variable", diagnostics_quote(r->d, m->key));
    else if (document_type(&r->doc, m->value) != YAML_SCALAR_NODE)
        diagnose(r->d, document_place(&r->doc, m->value), "a variable is one text", "%s: %s: expected a text, found %s",
                 v->key->name, m->key, document_kind(&r->doc, m->value));
    else
        return true;
    return false;
}

void read_variables(struct reader *r, const struct value *v)
{
    struct pipeline *p = r->p;
    size_t n;
    const struct member *m = document_members(&r->doc, v->node, &n);

    for (size_t i = 0; i < n; i++) {
        if (!check_variable(r, v, &m[i]))
            continue;
        const char *text = argument(r, m[i].key);
        if (!text && document_is_null(&r->doc, m[i].value)) {
            diagnose(r->d, m[i].place,
                     diagnostics_text(r->d, "give it after the file on the command line: %s=VALUE", m[i].key),
                     "the variable \"%s\" has no value", m[i].key);
            r->valueless = true;
        } else if (!text) {
            text = document_text(&r->doc, m[i].value);
        }
        p->vars = pool_more(p->pool, p->vars, p->nvars, sizeof *p->vars);
        p->vars[p->nvars++] = (struct variable){pool_copy(p->pool, m[i].key, strlen(m[i].key)),
                                                text ? pool_copy(p->pool, text, strlen(text)) : NULL, m[i].place};
    }
}

/* An entry's mapping; false (said) where there is none. */
static bool is_entry(struct reader *r, const struct value *v, const struct member *m)
{
    if (document_type(&r->doc, m->value) == YAML_MAPPING_NODE)
        return true;
    diagnose(r->d, document_place(&r->doc, m->value),
             diagnostics_text(r->d, "write %s: %s", v->key->name, v->key->example), "%s: expected a mapping, found %s",
             diagnostics_quote(r->d, m->key), document_kind(&r->doc, m->value));
    return false;
}

void read_channels(struct reader *r, const struct value *v)
{
    size_t n;
    const struct member *m = document_members(&r->doc, v->node, &n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(m[i].key, "inherit") == 0 || strcmp(m[i].key, "log") == 0 || strcmp(m[i].key, "none") == 0) {
            diagnose(r->d, m[i].place, "choose another name", "\"%s\" is a word of stdout and stderr, not a channel",
                     m[i].key);
            continue;
        }
        if (!check_channel_name(r, m[i].place, m[i].key) || !is_entry(r, v, &m[i]))
            continue;
        size_t channel = intern_channel(r, m[i].key, m[i].place);
        if (channel == PIPELINE_NONE)
            return;
        r->p->channels[channel].declared = true;
        struct channel *c = &r->p->channels[channel];
        const struct member **keys = read_section(r, SECTION_CHANNEL, m[i].value, m[i].place, c);
        c->retries = given(keys, SECTION_CHANNEL, "retry") != NULL;
    }
}

void read_services(struct reader *r, const struct value *v)
{
    struct pipeline *p = r->p;
    size_t n;
    const struct member *m = document_members(&r->doc, v->node, &n);

    p->services = pool_zalloc(p->pool, n * sizeof *p->services);
    for (size_t i = 0; i < n; i++) {
        check_name(r, m[i].place, "a service", m[i].key, false);
        struct service *s = &p->services[p->nservices++];
        *s = (struct service){.name = pool_copy(p->pool, m[i].key, strlen(m[i].key)), .place = m[i].place, .hedge = -1};
        if (!is_entry(r, v, &m[i]))
            continue;
        const struct member **keys = read_section(r, SECTION_SERVICE, m[i].value, m[i].place, s);
        const struct member *require = given(keys, SECTION_SERVICE, "require");
        const struct member *hedge = given(keys, SECTION_SERVICE, "hedge");
        s->require_place = require ? require->place : s->place;
        s->hedge_place = hedge ? hedge->place : s->place;
    }
}

static void conflict(struct reader *r, const struct member *a, const struct member *b, const char *hint)
{
    if (a && b)
        diagnose(r->d, a->place, hint, "\"%s\" and \"%s\" exclude each other", a->key, b->key);
}

/* The key of a process that only some kinds of it heed. */
static void heeded(struct reader *r, const struct member **m, const char *key, bool heeds, const char *hint)
{
    const struct member *found = given(m, SECTION_PROCESS, key);

    if (found && !heeds)
        diagnose(r->d, found->place, hint, "\"%s\" means nothing here", key);
}

/* What a run ends with is one of the two. */
static void check_codes(struct reader *r, const struct process *process, const struct member **m)
{
    const struct member *reject = given(m, SECTION_PROCESS, "reject");

    for (unsigned code = 0; reject != NULL && code < 256; code++)
        if ((process->reject[code / 8] & process->success[code / 8] & 1u << code % 8) != 0)
            diagnose(r->d, reject->place,
                     "take it out of one of them: a run cannot be both (success is [0] where it is not written)",
                     "reject: %u is a code of success, too", code);
}

static void check_acknowledgement(struct reader *r, const struct process *process, const struct member **m)
{
    bool each = process->kind == PROCESS_EACH, line = process->kind == PROCESS_COMMAND && process->ack == ACK_LINE;
    bool bridged = process->kind != PROCESS_WORKER;

    heeded(r, m, "batch", each, "it is how many values one run of `each` gets");
    heeded(r, m, "reject", each, "it is about the exit status of a run of `each`");
    if (each)
        check_codes(r, process, m);
    heeded(r, m, "ack", bridged && !each,
           each ? "the exit of a run acknowledges its values: take it out"
                : "a worker acknowledges by its next receive, by csp_ack or by `cspctl ack`: take it out");
    heeded(r, m, "order", each || line || process->order == ORDER_NONE,
           "it has to be known which output is of which input: write each: instead of command:, or ack: line");
    heeded(r, m, "timeout", bridged ? each || process->ack != ACK_WRITE : true,
           "nothing says here when a value is done: write each: instead of command:, or ack: line or explicit");
    heeded(r, m, "partition", bridged, "a worker opens its channels itself: partition is for each and command");
    bool between = process->input.kind == INPUT_CHANNELS && process->output.kind == OUTPUT_CHANNELS &&
                   process->in.n == 0 && process->out.n == 0 && process->serve == PIPELINE_NONE;
    if (line && !between)
        diagnose(r->d, given(m, SECTION_PROCESS, "ack")->place,
                 "write stdin: CHANNEL and stdout: CHANNEL, and leave out \"in\", \"out\" and \"serve\"",
                 "ack: line: a line to the channels of stdout acknowledges a value from the channels of stdin");
}

static void check_each(struct reader *r, const struct process *process, const struct member **m)
{
    const struct member *each = given(m, SECTION_PROCESS, "each");

    if (process->input.kind != INPUT_CHANNELS || process->in.n > 0 || process->serve != PIPELINE_NONE)
        diagnose(r->d, each->place, "write stdin: CHANNEL, and leave out \"in\" and \"serve\"",
                 "each: the values of the runs come from the channels of stdin");
    for (size_t i = 0; (process->batch.values > 1 || process->batch.bytes > 0) && i < process->program.argc; i++)
        if (program_value(process->program.argv[i]) == VALUE_ONE)
            diagnose(r->d, process->program.places[i], "write $@, which becomes one argument for each value",
                     "each: $1 is but the first value of a batch");
}

static void check_process(struct reader *r, struct process *process, const struct member **m)
{
    const struct member *command = given(m, SECTION_PROCESS, "command"), *worker = given(m, SECTION_PROCESS, "worker");
    const struct member *each = given(m, SECTION_PROCESS, "each");
    const struct member *serve = given(m, SECTION_PROCESS, "serve");
    static const char requests[] = "what a backend reads are requests, what it writes are answers";

    if (!command && !worker && !each)
        diagnose(r->d, process->place,
                 "write command: [PROGRAM, ARGUMENT ...], or with each: or worker: instead of command:",
                 "the process \"%s\" has no program", process->name);
    conflict(r, worker, command, "a process is one program: keep one of them");
    conflict(r, given(m, SECTION_PROCESS, "stdin"), serve, requests);
    conflict(r, given(m, SECTION_PROCESS, "stdout"), serve, requests);
    conflict(r, each, command, "a process is one program: keep one of them");
    conflict(r, worker, each, "a process is one program: keep one of them");
    if (worker && !command)
        conflict(r, given(m, SECTION_PROCESS, "records"), worker, "a worker sends and receives values as they are");
    if (command || worker || each)
        check_program(r, process);
    if (!!command + !!worker + !!each == 1)
        check_acknowledgement(r, process, m);
    if (each && !command && !worker)
        check_each(r, process, m);
}

static void read_process(struct reader *r, const struct value *v, const struct member *m)
{
    struct pipeline *p = r->p;
    struct process *process = &p->processes[r->process];

    *process = (struct process){.name = pool_copy(p->pool, m->key, strlen(m->key)),
                                .serve = PIPELINE_NONE,
                                .requests = PIPELINE_NONE,
                                .place = m->place};
    if (is_entry(r, v, m))
        check_process(r, process, read_section(r, SECTION_PROCESS, m->value, m->place, process));
}

void read_processes(struct reader *r, const struct value *v)
{
    struct pipeline *p = r->p;
    size_t n;
    const struct member *m = document_members(&r->doc, v->node, &n);

    if (n == 0)
        wrong(r, v, "there is no process in it");
    p->processes = pool_zalloc(p->pool, n * sizeof *p->processes);
    for (size_t i = 0; i < n; i++) {
        check_name(r, m[i].place, "a process", m[i].key, false);
        r->process = p->nprocesses++;
        read_process(r, v, &m[i]);
    }
}
