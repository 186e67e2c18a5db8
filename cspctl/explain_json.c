/* SPDX-License-Identifier: MPL-2.0 */
/* The names of the fields are the keys of the pipeline file where there is one; durations are nanoseconds (_ns), sizes
 * bytes. */
#include "edge.h"
#include "explain.h"
#include "pool.h"
#include "text_json.h"

#include <stdlib.h>
#include <string.h>

static json_t *argv_json(const struct pipeline *p, size_t process, unsigned replica)
{
    json_t *list = json_array();
    char **argv = pipeline_argv(p, process, replica);

    for (char **a = argv; *a; a++)
        json_array_append_new(list, text_json(*a));
    free(argv);
    return list;
}

static json_t *channels_json(const struct pipeline *p, const size_t *channels, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, text_json(p->channels[channels[i]].name));
    return list;
}

static json_t *input_json(const struct pipeline *p, const struct process *process, size_t i)
{
    if (process->input.kind == INPUT_CHANNELS)
        return channels_json(p, process->input.channels, process->input.nchannels);
    char *file = pipeline_input_file(p, i, 1);
    json_t *input = file ? json_pack("{s:o}", "file", text_json(file)) : json_null();
    free(file);
    return input;
}

static json_t *output_json(const struct pipeline *p, const struct output *output)
{
    static const char *const words[] = {[OUTPUT_INHERIT] = "inherit", [OUTPUT_LOG] = "log", [OUTPUT_NONE] = "none"};

    return output->kind == OUTPUT_CHANNELS ? channels_json(p, output->channels, output->nchannels)
                                           : json_string(words[output->kind]);
}

static json_t *ports_json(const struct pipeline *p, const struct ports *ports)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ports->n; i++) {
        const struct port *port = &ports->item[i];
        json_t *fd = port->fd < 0 ? json_null() : json_integer(port->fd);
        json_array_append_new(list, json_pack("{s:o,s:s}", "fd", fd, "channel", p->channels[port->channel].name));
    }
    return list;
}

static json_t *settings_json(const struct pipeline *p, size_t process)
{
    const struct settings *env = &p->processes[process].env;
    json_t *map = json_object();
    char **environment = pipeline_environment(p, process, 1, NULL);

    for (size_t i = 0; i < env->n; i++) {
        size_t n = strlen(env->item[i].name);
        for (char **e = environment; *e; e++)
            if (strncmp(*e, env->item[i].name, n) == 0 && (*e)[n] == '=')
                json_object_set_new(map, env->item[i].name, text_json(*e + n + 1));
    }
    free(environment);
    return map;
}

static json_t *success_json(const struct process *process)
{
    json_t *list = json_array();

    for (int code = 0; code < 256; code++)
        if (process->success[code / 8] >> (code % 8) & 1)
            json_array_append_new(list, json_integer(code));
    return list;
}

/* argv is the first replica's; `each` has all of them where they differ. */
static json_t *process_json(const struct pipeline *p, size_t i)
{
    static const char *const records[] = {
        [RECORDS_LINE] = "line", [RECORDS_NUL] = "nul", [RECORDS_LENGTH] = "length", [RECORDS_WHOLE] = "whole"};
    const struct process *process = &p->processes[i];
    char *cwd = pipeline_cwd(p, i, 1);
    json_t *map = json_pack(
        "{s:s,s:s,s:o,s:o,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:{s:s,s:s},s:o,s:o,s:o,s:I}", "name", process->name, "kind",
        explain_kind(process), "argv", argv_json(p, i, 1), "program", text_json(process->program.path), "replicas",
        (json_int_t)process->replicas, "stdin", input_json(p, process, i), "stdout", output_json(p, &process->output),
        "stderr", output_json(p, &process->error), "in", ports_json(p, &process->in), "out",
        ports_json(p, &process->out), "serve",
        process->serve == PIPELINE_NONE ? json_null() : text_json(p->services[process->serve].name), "records", "in",
        records[process->records_in], "out", records[process->records_out], "env", settings_json(p, i), "cwd",
        text_json(cwd), "success", success_json(process), "grace_ns", (json_int_t)process->grace);

    free(cwd);
    if (!explain_argv_differs(p, i))
        return map;
    json_t *each = json_array();
    for (unsigned replica = 1; replica <= process->replicas; replica++)
        json_array_append_new(each, argv_json(p, i, replica));
    json_object_set_new(map, "each_argv", each);
    return map;
}

static json_t *ends_json(const struct pipeline *p, const struct end *ends, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct process *process = &p->processes[ends[i].process];
        json_array_append_new(
            list, json_pack("{s:s,s:I}", "process", process->name, "replicas", (json_int_t)process->replicas));
    }
    return list;
}

static json_t *channel_json(const struct pipeline *p, const struct channel *c)
{
    struct pool *pool = pool_new();
    json_t *map = json_pack(
        "{s:s,s:s,s:s,s:s,s:I,s:I,s:s,s:o,s:o,s:I,s:I}", "name", c->name, "kind", edge_kind(p, c), "why",
        edge_why(p, c, pool), "delivery", edge_delivery(c), "capacity", (json_int_t)c->capacity, "max_bytes",
        (json_int_t)c->max_bytes, "close", explain_close(c), "senders", ends_json(p, c->senders, c->nsenders),
        "receivers", ends_json(p, c->receivers, c->nreceivers), "memory", (json_int_t)edge_memory(p, c, EXEC_WINDOW),
        "memory_with_large_values", (json_int_t)edge_memory(p, c, INT64_MAX));

    pool_free(pool);
    return map;
}

static json_t *service_json(const struct pipeline *p, const struct service *s)
{
    json_t *backends = json_array();

    for (size_t i = 0; i < s->nbackends; i++)
        json_array_append_new(backends, text_json(p->processes[s->backends[i]].name));
    return json_pack("{s:s,s:I,s:o,s:o,s:{s:s,s:I},s:o}", "name", s->name, "deadline_ns", (json_int_t)s->deadline,
                     "hedge_ns", s->hedge < 0 ? json_null() : json_integer(s->hedge), "require",
                     s->require == REQUIRE_ALL ? json_string("all") : json_integer(s->require), "merge", "by",
                     s->merge.by, "limit", (json_int_t)s->merge.limit, "backends", backends);
}

static json_t *vars_json(const struct pipeline *p)
{
    json_t *map = json_object();

    for (size_t i = 0; i < p->nvars; i++)
        json_object_set_new(map, p->vars[i].name, text_json(p->vars[i].value));
    return map;
}

json_t *explain_json(const struct pipeline *p)
{
    json_t *processes = json_array(), *channels = json_array(), *services = json_array();

    for (size_t i = 0; i < p->nprocesses; i++)
        json_array_append_new(processes, process_json(p, i));
    for (size_t i = 0; i < p->nchannels; i++)
        json_array_append_new(channels, channel_json(p, &p->channels[i]));
    for (size_t i = 0; i < p->nservices; i++)
        json_array_append_new(services, service_json(p, &p->services[i]));
    return json_pack("{s:o,s:s,s:o,s:s,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I}", "file", text_json(p->path), "name",
                     p->name, "deadline_ns", p->deadline < 0 ? json_null() : json_integer(p->deadline), "on_failure",
                     p->on_failure == ON_FAILURE_STOP ? "stop" : "continue", "vars", vars_json(p), "processes",
                     processes, "channels", channels, "services", services, "window", (json_int_t)EXEC_WINDOW, "memory",
                     (json_int_t)edge_total(p, EXEC_WINDOW), "memory_with_large_values",
                     (json_int_t)edge_total(p, INT64_MAX), "memory_of_bridges",
                     (json_int_t)edge_bridges(p, EXEC_WINDOW), "memory_of_bridges_with_large_values",
                     (json_int_t)edge_bridges(p, INT64_MAX));
}
