/* SPDX-License-Identifier: MPL-2.0 */
/* The dump for a program: all of it, by number; the names of the fields are those of `ps` where it has them. What there
 * is not (no deadline, no debug information) is null, so that every object of a kind has the same fields. */
#include "dump.h"
#include "snapshot_json.h"
#include "text_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static json_t *address(uint64_t a)
{
    char text[24];

    (void)snprintf(text, sizeof text, "0x%" PRIx64, a); /* 64 bits are more than a number of JSON holds everywhere */
    return json_string(text);
}

static json_t *place_json(const struct place *p)
{
    if (p->address == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:i, s:i}", "address", address(p->address), "module",
                     text_json(p->module), "offset", p->module != NULL ? address(p->offset) : json_null(), "symbol",
                     text_json(p->symbol), "past", (json_int_t)p->past, "function", text_json(p->function), "file",
                     text_json(p->file), "dir", text_json(p->dir), "line", p->line, "column", p->column);
}

static json_t *id_list(int64_t *ids, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(ids[i]));
    free(ids);
    return list;
}

static json_t *name_json(const char *name)
{
    return strcmp(name, "-") != 0 ? text_json(name) : json_null();
}

static json_t *seconds(int64_t ns)
{
    return json_real((double)ns / 1e9);
}

static json_t *case_json(const struct dump *d, const struct snapshot_wait *w)
{
    int64_t *ids;
    size_t n = dump_partners(d, w, &ids);

    return json_pack("{s:s, s:I, s:o, s:o}", "op", w->op, "number", (json_int_t)w->number, "name", name_json(w->name),
                     "partners", id_list(ids, n));
}

static json_t *waits_json(const struct dump *d, const struct dump_process *p)
{
    json_t *list = json_array();

    for (size_t i = 0, n; i < p->nwaits; i += n) {
        const struct snapshot_wait *w = &p->waits[i];
        json_t *cases = json_array();
        n = dump_offer(p, i);
        for (size_t k = 0; k < n; k++)
            json_array_append_new(cases, case_json(d, w + k));
        json_array_append_new(list,
                              json_pack("{s:I, s:o, s:o, s:o, s:o}", "line", (json_int_t)w->line, "seconds",
                                        seconds(w->since > 0 && d->now > w->since ? d->now - w->since : 0),
                                        "deadline_s", w->deadline >= 0 ? seconds(w->deadline - d->now) : json_null(),
                                        "place", place_json(&p->places[i]), "cases", cases));
    }
    return list;
}

static json_t *ends_json(const struct dump_process *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->nends; i++)
        json_array_append_new(list, json_pack("{s:I, s:b, s:b}", "channel", (json_int_t)p->ends[i].channel, "send",
                                              strchr(p->ends[i].ends, 's') != NULL, "receive",
                                              strchr(p->ends[i].ends, 'r') != NULL));
    return list;
}

static json_t *streams_json(const struct dump *d, const struct dump_process *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->nstreams; i++) {
        const struct snapshot_stream *s = &p->streams[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:o}", "line", (json_int_t)s->line, "channel",
                                        (json_int_t)s->channel, "direction", *s->direction == 's' ? "send" : "receive",
                                        "how", s->how, "window", (json_int_t)s->window, "values", (json_int_t)s->values,
                                        "seconds", s->since > 0 ? seconds(d->now - s->since) : json_null()));
    }
    return list;
}

static json_t *process_json(const struct dump *d, const struct dump_process *p)
{
    json_t *o = snapshot_process_json(p->p, d->now);

    json_object_set_new(o, "title", text_json(p->name));
    json_object_set_new(o, "function", place_json(&p->function));
    json_object_set_new(o, "parent", json_integer(p->p->parent));
    json_object_set_new(o, "scope", json_integer(p->p->scope));
    json_object_set_new(o, "cancelled", json_integer(p->p->cancelled));
    json_object_set_new(o, "stuck", json_boolean(p->p->stuck));
    json_object_set_new(o, "waits", waits_json(d, p));
    json_object_set_new(o, "ends", ends_json(p));
    json_object_set_new(o, "streams", streams_json(d, p));
    return o;
}

static json_t *channels_json(const struct dump *d)
{
    json_t *list = json_array();
    int64_t *ids;

    for (size_t i = 0; i < d->s->nchannels; i++) {
        const struct snapshot_channel *c = &d->s->channels[i];
        json_t *o = snapshot_channel_json(d->s, c);
        size_t n = dump_holders(d, c->id, 's', &ids);
        json_object_set_new(o, "held_to_send", id_list(ids, n));
        n = dump_holders(d, c->id, 'r', &ids);
        json_object_set_new(o, "held_to_receive", id_list(ids, n));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *values_json(const struct dump *d)
{
    json_t *list = json_array();

    for (size_t i = 0; i < d->s->nvalues; i++) {
        const struct snapshot_value *v = &d->s->values[i];
        json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:I, s:I, s:o}", "channel", (json_int_t)v->channel,
                                              "where", v->where, "process", (json_int_t)v->process, "count",
                                              (json_int_t)v->count, "bytes", (json_int_t)v->bytes, "preview",
                                              text_json(v->bytes > 0 ? v->preview : "")));
    }
    return list;
}

static json_t *scopes_json(const struct dump *d)
{
    json_t *list = json_array();

    for (size_t i = 0; i < d->s->nscopes; i++) {
        const struct snapshot_scope *s = &d->s->scopes[i];
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:I}", "number", (json_int_t)s->number, "process",
                            (json_int_t)s->process, "line", (json_int_t)s->line, "parent", (json_int_t)s->parent,
                            "deadline_s", s->deadline >= 0 ? seconds(s->deadline - d->now) : json_null(), "cancelled",
                            (json_int_t)s->cancelled, "members", (json_int_t)s->members));
    }
    return list;
}

json_t *dump_json(const struct dump *d, bool only_stuck)
{
    json_t *o = live_json(d->run), *processes = json_array();

    for (size_t i = 0; i < d->n; i++)
        if (!only_stuck || d->processes[i].p->stuck)
            json_array_append_new(processes, process_json(d, &d->processes[i]));
    snapshot_memory_json(o, d->s);
    json_object_set_new(o, "processes", processes);
    json_object_set_new(o, "channels", channels_json(d));
    json_object_set_new(o, "values", values_json(d));
    json_object_set_new(o, "scopes", scopes_json(d));
    return o;
}
