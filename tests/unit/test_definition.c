/* SPDX-License-Identifier: MPL-2.0 */
/* Whether two files mean the same by a process or a channel. The table of examples is held against the table of keys:
 * a key that is added there, and forgotten in the comparison, fails here. */
#include "e2e/harness.h"

#include "definition.h"
#include "diagnostic.h"
#include "schema.h"

#include <stdio.h>
#include <string.h>

static struct pipeline *load(const char *name, const char *key, const char *channel, const char *process)
{
    struct diagnostics *d = diagnostics_new();

    write_text(in_scratch("%s", name),
               "channels: {a: {close: never}, b: {close: never}, o: {close: never}, v: {close: never},\n"
               "  t: {close: never, retry: {attempts: 3}}, dead1: {close: never}, dead2: {close: never}, c: {%s},\n"
               "  k: {close: never, durable: kept}}\n"
               "services: {s: {deadline: 1s}, u: {deadline: 1s}}\n"
               "processes:\n"
               "  other: {command: ['true']}\n"
               "  more: {command: ['true']}\n"
               "  sends: {command: ['true'], stdout: c}\n"
               "  takes: {each: [cat], stdin: c}\n"
               "  s1: {command: [cat], serve: s}\n"
               "  u1: {command: [cat], serve: u}\n"
               "  p: {%s}\n",
               channel, process);
    struct pipeline *p = pipeline_load(in_scratch("%s", name), NULL, 0, d);
    if (p == NULL)
        diagnostics_print(d, stderr, false);
    ck_assert_msg(p != NULL, "%s: the example is wrong", key);
    diagnostics_free(d);
    return p;
}

static const struct example {
    enum section in;
    const char *key, *one, *another;
} processes[] = {
    {SECTION_PROCESS, "command", "command: [cat]", "command: [tac]"},
    {SECTION_PROCESS, "command", "command: [cat, -u]", "command: cat -u"},
    {SECTION_PROCESS, "each", "each: [echo, $1], stdin: t", "each: [printf, $1], stdin: t"},
    {SECTION_PROCESS, "each", "each: [cat], stdin: t, stdout: o", "command: [cat], stdin: t, stdout: o, ack: line"},
    {SECTION_PROCESS, "worker", "worker: [sh, x]", "worker: [sh, y]"},
    {SECTION_PROCESS, "stdin", "command: [cat], stdin: a", "command: [cat], stdin: b"},
    {SECTION_PROCESS, "stdin", "command: [cat], stdin: a", "command: [cat], stdin: [a, b]"},
    {SECTION_PROCESS, "stdout", "command: [cat], stdout: o", "command: [cat], stdout: v"},
    {SECTION_PROCESS, "stdout", "command: [cat], stdout: none", "command: [cat]"},
    {SECTION_PROCESS, "stderr", "command: [cat], stderr: o", "command: [cat], stderr: v"},
    {SECTION_PROCESS, "in", "command: [cat], in: {3: a}", "command: [cat], in: {4: a}"},
    {SECTION_PROCESS, "in", "command: [cat], in: {3: a}", "command: [cat], in: {3: b}"},
    {SECTION_PROCESS, "out", "command: [cat], out: {3: o}", "command: [cat], out: {4: o}"},
    {SECTION_PROCESS, "out", "command: [cat], out: {3: o}", "command: [cat], out: {3: v}"},
    {SECTION_PROCESS, "serve", "command: [cat], serve: s", "command: [cat], serve: u"},
    {SECTION_PROCESS, "records", "command: [cat], stdin: a, records: nul", "command: [cat], stdin: a, records: line"},
    {SECTION_PROCESS, "env", "command: [cat], env: {A: x}", "command: [cat], env: {A: y}"},
    {SECTION_PROCESS, "env", "command: [cat], env: {A: x}", "command: [cat], env: {A: x, B: y}"},
    {SECTION_PROCESS, "cwd", "command: [cat], cwd: /", "command: [cat], cwd: /tmp"},
    {SECTION_PROCESS, "success", "command: [cat], success: [0, 1]", "command: [cat], success: [0, 2]"},
    {SECTION_PROCESS, "reject", "each: [cat], stdin: t, reject: [3]", "each: [cat], stdin: t, reject: [4]"},
    {SECTION_PROCESS, "batch", "each: [echo, $@], stdin: t, batch: 3", "each: [echo, $@], stdin: t, batch: 4"},
    {SECTION_PROCESS, "batch", "each: [echo, $@], stdin: t, batch: 3KiB", "each: [echo, $@], stdin: t, batch: 4KiB"},
    {SECTION_PROCESS, "ack", "command: [cat], stdin: t, stdout: o, ack: line",
     "command: [cat], stdin: t, stdout: o, ack: explicit"},
    {SECTION_PROCESS, "order", "each: [cat], stdin: t, stdout: o, order: input", "each: [cat], stdin: t, stdout: o"},
    {SECTION_PROCESS, "resume", "command: [cat], stdout: k, resume: skip", "command: [cat], stdout: k"},
    {SECTION_PROCESS, "partition", "command: [cat], stdin: a, replicas: 2, partition: 1",
     "command: [cat], stdin: a, replicas: 2, partition: 2"},
    {SECTION_PROCESS, "timeout", "each: [cat], stdin: t, timeout: 1s", "each: [cat], stdin: t, timeout: 2s"},
    {SECTION_PROCESS, "grace", "command: [cat], grace: 1s", "command: [cat], grace: 2s"},
    {SECTION_PROCESS, "restart", "command: [cat], restart: always", "command: [cat], restart: never"},
    {SECTION_PROCESS, "ready", "command: [cat], ready: {line: a}", "command: [cat]"},
    {SECTION_PROCESS, "depends_on", "command: [cat], depends_on: [other]", "command: [cat], depends_on: [more]"},
    {SECTION_STDIN, "file", "command: [cat], stdin: {file: /etc/passwd}", "command: [cat], stdin: {file: /etc/group}"},
    {SECTION_STDIN, "file", "command: [cat], stdin: {file: /etc/1}", "command: [cat], stdin: {file: /etc/$replica}"},
    {SECTION_RECORDS, "in", "command: [cat], stdin: a, records: {in: nul}", "command: [cat], stdin: a"},
    {SECTION_RECORDS, "out", "command: [cat], stdout: o, records: {out: nul}", "command: [cat], stdout: o"},
    {SECTION_RESTART, "when", "command: [cat], restart: {when: always}", "command: [cat], restart: {when: on-failure}"},
    {SECTION_RESTART, "attempts", "command: [cat], restart: {attempts: 2}", "command: [cat], restart: {attempts: 3}"},
    {SECTION_RESTART, "within", "command: [cat], restart: {within: 2m}", "command: [cat], restart: {within: 3m}"},
    {SECTION_RESTART, "delay", "command: [cat], restart: {delay: [1s, 2s]}", "command: [cat], restart: {delay: 1s}"},
    {SECTION_READY, "line", "command: [cat], ready: {line: a}", "command: [cat], ready: {line: b}"},
    {SECTION_READY, "exec", "command: [cat], ready: {exec: ['true']}", "command: [cat], ready: {exec: ['false']}"},
};

static const struct example channels[] = {
    {SECTION_CHANNEL, "capacity", "capacity: 3", "capacity: 4"},
    {SECTION_CHANNEL, "max_bytes", "max_bytes: 3KiB", "max_bytes: 4KiB"},
    {SECTION_CHANNEL, "close", "close: never", "close: senders"},
    {SECTION_CHANNEL, "overflow", "overflow: block", "overflow: drop-oldest"},
    {SECTION_CHANNEL, "durable", "durable: one", "durable: two"},
    {SECTION_CHANNEL, "retry", "retry: {}", "capacity: 1024"},
    {SECTION_RETRY, "attempts", "retry: {attempts: 3}", "retry: {attempts: 4}"},
    {SECTION_RETRY, "delay", "retry: {delay: 1s}", "retry: {delay: 2s}"},
    {SECTION_RETRY, "dead", "retry: {dead: dead1}", "retry: {dead: dead2}"},
};

/* Whether a is the same as b, of the process p, or (without it) the channel c. */
static bool same(const struct example *e, bool of_process, const char *one, const char *another)
{
    struct pipeline *a = load("a.yaml", e->key, of_process ? "" : one, of_process ? one : "command: ['true']");
    struct pipeline *b = load("b.yaml", e->key, of_process ? "" : another, of_process ? another : "command: ['true']");
    bool same = of_process ? definition_same(a, pipeline_process(a, "p"), b, pipeline_process(b, "p"))
                           : definition_channel_key(a, pipeline_channel(a, "c"), b, pipeline_channel(b, "c")) == NULL;

    pipeline_free(a);
    pipeline_free(b);
    return same;
}

static void try_all(const struct example *all, size_t n, bool of_process)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(same(&all[i], of_process, all[i].one, all[i].one), "%s: differs from itself", all[i].one);
        ck_assert_msg(!same(&all[i], of_process, all[i].one, all[i].another), "%s: is the same as %s", all[i].one,
                      all[i].another);
    }
}

TEST(every_key_of_a_process_makes_a_difference)
{
    try_all(processes, sizeof processes / sizeof *processes, true);
}

TEST(every_key_of_a_channel_makes_a_difference)
{
    try_all(channels, sizeof channels / sizeof *channels, false);
}

static bool has_example(const struct example *all, size_t n, const struct key *key)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].in == key->in && strcmp(all[i].key, key->name) == 0)
            return true;
    return false;
}

/* The number of replicas is what is left out; keys of the file and of services are no process's. */
TEST(no_key_is_without_an_example)
{
    for (size_t i = 0; i < schema_size; i++) {
        const struct key *key = &schema[i];
        bool elsewhere = key->in == SECTION_FILE || key->in == SECTION_SERVICE || key->in == SECTION_MERGE;
        if (elsewhere || (key->in == SECTION_PROCESS && strcmp(key->name, "replicas") == 0))
            continue;
        ck_assert_msg(has_example(processes, sizeof processes / sizeof *processes, key) ||
                          has_example(channels, sizeof channels / sizeof *channels, key),
                      "%s of %s: no example", key->name, section_titles[key->in]);
    }
}

TEST(replicas_alone_make_no_difference)
{
    const struct example e = {.key = "replicas"};

    ck_assert(same(&e, true, "command: [cat], stdin: a", "command: [cat], stdin: a, replicas: 3"));
}

TEST(what_comes_to_the_same_is_the_same)
{
    const struct example e = {.key = "the same"};

    ck_assert(same(&e, true, "command: [cat], stdin: a", "stdin: [a], command: ['cat'], replicas: 1, ack: write"));
    ck_assert(same(&e, true, "command: [cat], depends_on: [other, more]", "command: [cat], depends_on: [more, other]"));
    ck_assert(same(&e, true, "command: [cat], env: {A: x, B: y}", "command: [cat], env: {B: y, A: x}"));
}

SUITE_OF(definition)
