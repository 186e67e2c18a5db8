/* SPDX-License-Identifier: MPL-2.0 */
/* One shape for one thing, whichever command shows it: a script that reads a process of `ps` reads one of `dump`. */
#include "snapshot_json.h"
#include "text_json.h"

json_t *live_json(const struct live *run)
{
    return json_pack("{s:o, s:o, s:o, s:i, s:i, s:f}", "name", text_json(run->info.name), "file",
                     text_json(run->info.file), "dir", text_json(run->dir), "pid", (int)run->info.root, "broker",
                     (int)run->info.broker, "uptime_s", (double)live_uptime(run) / 1e9);
}

void snapshot_memory_json(json_t *run, const struct snapshot *s)
{
    json_object_set_new(run, "memory",
                        json_pack("{s:I, s:I}", "in_use", (json_int_t)s->memory, "had", (json_int_t)s->heap));
}

json_t *snapshot_process_json(const struct snapshot_process *p, csp_time now)
{
    return json_pack("{s:I, s:o, s:I, s:I, s:I, s:s, s:f}", "id", (json_int_t)p->id, "name", text_json(p->name),
                     "replica", (json_int_t)p->replica, "pid", (json_int_t)p->pid, "program", (json_int_t)p->program,
                     "state", p->state, "seconds", p->since > 0 ? (double)(now - p->since) / 1e9 : 0.0);
}

json_t *snapshot_channel_json(const struct snapshot *s, const struct snapshot_channel *c)
{
    return json_pack("{s:I, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id",
                     (json_int_t)c->id, "name", text_json(c->name), "state", c->state, "kind", snapshot_kind(s, c),
                     "capacity", (json_int_t)c->capacity, "max_bytes", (json_int_t)c->max_bytes, "values",
                     (json_int_t)c->values, "bytes", (json_int_t)c->bytes, "senders", (json_int_t)c->senders,
                     "receivers", (json_int_t)c->receivers, "sent", (json_int_t)c->sent, "received",
                     (json_int_t)c->received, "lost", (json_int_t)c->lost, "leased", (json_int_t)c->leased, "back_off",
                     (json_int_t)c->back_off, "given_up", (json_int_t)c->given_up, "dropped", (json_int_t)c->dropped);
}
