/* SPDX-License-Identifier: MPL-2.0 */
/* What a right pipeline file becomes: fields, defaults, ends, and what each replica is started with. What is said of
 * wrong ones is in tests/broken. */
#include "e2e/harness.h"

#include "diagnostic.h"
#include "edge.h"
#include "pipeline.h"
#include "pool.h"
#include "schema.h"
#include "source.h"
#include "suggestion.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct diagnostics *said;

/* Loads a text that must be right, or (NULL) one that must not be. */
static struct pipeline *load_with(const char *text, char *const vars[], size_t nvars)
{
    const char *path = in_scratch("some report.v2.yaml");

    write_text(path, "%s", text);
    diagnostics_free(said);
    said = diagnostics_new();
    return pipeline_load(path, vars, nvars, said);
}

static struct pipeline *load(const char *text)
{
    struct pipeline *p = load_with(text, NULL, 0);

    if (!p)
        diagnostics_print(said, stderr, false);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void done(struct pipeline *p)
{
    pipeline_free(p);
    diagnostics_free(said);
    said = NULL;
}

static const char *value_of(char **environment, const char *name)
{
    size_t n = strlen(name);
    const char *found = NULL;

    for (; *environment; environment++)
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=') {
            ck_assert_msg(!found, "%s stands twice", name);
            found = *environment + n + 1;
        }
    return found;
}

TEST(what_is_not_written_has_its_default)
{
    struct pipeline *p = load("processes: {a: {command: [cat], stdout: c}, b: {command: cat, stdin: c}}");
    const struct process *a = &p->processes[0], *b = &p->processes[1];

    ck_assert_str_eq(p->name, "some-report.v2");
    ck_assert_int_eq(p->deadline, -1);
    ck_assert_int_eq(p->on_failure, ON_FAILURE_STOP);
    ck_assert_int_eq(p->channels[0].capacity, 1024);
    ck_assert_int_eq(p->channels[0].max_bytes, 16 << 20);
    ck_assert_int_eq(p->channels[0].close, CLOSE_SENDERS);
    ck_assert_int_eq(a->replicas, 1);
    ck_assert_int_eq(a->input.kind, INPUT_NONE);
    ck_assert_int_eq(b->output.kind, OUTPUT_INHERIT);
    ck_assert_int_eq(a->error.kind, OUTPUT_LOG);
    ck_assert_int_eq(a->records_in, RECORDS_LINE);
    ck_assert_int_eq(a->records_out, RECORDS_LINE);
    ck_assert_int_eq(a->grace, INT64_C(10000000000));
    ck_assert_uint_eq(a->success[0], 1);
    for (int i = 1; i < 32; i++)
        ck_assert_uint_eq(a->success[i], 0);
    ck_assert_uint_eq(a->serve, PIPELINE_NONE);
    ck_assert_ptr_null(a->cwd);
    done(p);
}

TEST(every_key_reaches_its_field)
{
    struct pipeline *p =
        load("version: 1\nname: report\ndeadline: 1m30s\non_failure: continue\n"
             "channels: {c: {capacity: 0, max_bytes: 64KiB, close: never}}\n"
             "processes:\n"
             "  a:\n    command: [cat]\n    stdin: {file: words}\n    stdout: [c, d]\n    stderr: none\n"
             "    replicas: 3\n    out: {3: e}\n    env: {A: 1}\n    cwd: /tmp\n    success: [0, 9, 255]\n"
             "    grace: 0\n    records: nul\n"
             "  b:\n    worker: [sieve]\n    stdin: {file: words}\n    stdout: log\n    in: [c, d, e]\n"
             "  f: {command: [cat], out: {3: c}, records: {in: length, out: whole}}\n");
    const struct process *a = &p->processes[0], *b = &p->processes[1];

    ck_assert_str_eq(p->name, "report");
    ck_assert_int_eq(p->deadline, INT64_C(90000000000));
    ck_assert_int_eq(p->on_failure, ON_FAILURE_CONTINUE);
    const struct channel *c = &p->channels[pipeline_channel(p, "c")];
    ck_assert_int_eq(c->capacity, 0);
    ck_assert_int_eq(c->max_bytes, 65536);
    ck_assert_int_eq(c->close, CLOSE_NEVER);
    ck_assert_int_eq(a->input.kind, INPUT_FILE);
    ck_assert_uint_eq(a->output.nchannels, 2);
    ck_assert_int_eq(a->error.kind, OUTPUT_NONE);
    ck_assert_int_eq(a->replicas, 3);
    ck_assert_int_eq(a->out.item[0].fd, 3);
    ck_assert_uint_eq(a->out.item[0].channel, pipeline_channel(p, "e"));
    ck_assert_uint_eq(a->success[0], 1);
    ck_assert_uint_eq(a->success[1], 2);
    ck_assert_uint_eq(a->success[31], 128);
    ck_assert_int_eq(a->grace, 0);
    ck_assert_int_eq(a->records_in, RECORDS_NUL);
    ck_assert_int_eq(a->records_out, RECORDS_NUL);
    ck_assert_int_eq(b->kind, PROCESS_WORKER);
    ck_assert_int_eq(b->output.kind, OUTPUT_LOG);
    ck_assert_int_eq(b->in.item[0].fd, -1);
    ck_assert_int_eq(p->processes[2].records_in, RECORDS_LENGTH);
    ck_assert_int_eq(p->processes[2].records_out, RECORDS_WHOLE);
    ck_assert_str_eq(b->program.path + strlen(b->program.path) - 18, "/libexec/csp/sieve");
    done(p);
}

TEST(an_argument_is_one_word_and_is_looked_at_once)
{
    char *vars[] = {"v=lost", "v=a $w *"};
    struct pipeline *p =
        load_with("vars: {v: , w: x}\n"
                  "processes: {a: {replicas: 2, command: [echo, $v, '${v}$replica', $$v, '$w$w', '']}}",
                  vars, 2);
    ck_assert_ptr_nonnull(p);
    char **argv = pipeline_argv(p, 0, 2);

    ck_assert_str_eq(argv[1], "a $w *");
    ck_assert_str_eq(argv[2], "a $w *2");
    ck_assert_str_eq(argv[3], "$v");
    ck_assert_str_eq(argv[4], "xx");
    ck_assert_str_eq(argv[5], "");
    ck_assert_ptr_null(argv[6]);
    free(argv);
    done(p);
}

TEST(a_string_is_left_to_the_shell)
{
    struct pipeline *p = load("vars: {v: x}\nprocesses: {a: {command: 'echo $v ${w} $$'}}");
    char **argv = pipeline_argv(p, 0, 1);

    ck_assert_str_eq(argv[0], "/bin/sh");
    ck_assert_str_eq(argv[1], "-c");
    ck_assert_str_eq(argv[2], "echo $v ${w} $$");
    ck_assert_ptr_null(argv[3]);
    free(argv);
    done(p);
}

TEST(the_environment_is_layered)
{
    setenv("FROM_CALLER", "caller", 1);
    setenv("v", "caller", 1);
    struct pipeline *p = load("vars: {v: var, w: var, x: var}\n"
                              "processes: {a: {command: env, env: {w: 'env $v', x: e, R: $replica}, cwd: /$v}}");
    char *extra[] = {"x=extra", "CSP_RUN=/run", NULL};
    char **environment = pipeline_environment(p, 0, 7, extra), *cwd = pipeline_cwd(p, 0, 1);

    ck_assert_str_eq(value_of(environment, "FROM_CALLER"), "caller");
    ck_assert_str_eq(value_of(environment, "v"), "var");
    ck_assert_str_eq(value_of(environment, "w"), "env var");
    ck_assert_str_eq(value_of(environment, "x"), "extra");
    ck_assert_str_eq(value_of(environment, "R"), "7");
    ck_assert_str_eq(value_of(environment, "replica"), "7");
    ck_assert_str_eq(value_of(environment, "CSP_REPLICA"), "7");
    ck_assert_str_eq(value_of(environment, "CSP_RUN"), "/run");
    ck_assert_str_eq(cwd, "/var");
    free(environment);
    free(cwd);
    done(p);
}

TEST(variables_stand_for_numbers_too)
{
    char *vars[] = {"n=12"};
    struct pipeline *p =
        load_with("vars: {n: 1, s: 64KiB}\nchannels: {c: {capacity: $n, max_bytes: '${s}'}}\n"
                  "processes: {a: {command: [cat], replicas: $n, grace: '${n}ms', stdin: c, stdout: d},"
                  " b: {command: [cat], stdin: d, stdout: c}}\n",
                  vars, 1);
    ck_assert_ptr_null(p); /* the cycle */
    p = load_with("vars: {n: 1, s: 64KiB}\nchannels: {c: {capacity: $n, max_bytes: '${s}', close: never}}\n"
                  "processes: {a: {command: [cat], replicas: $n, grace: '${n}ms', stdin: c}}\n",
                  vars, 1);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(p->channels[0].capacity, 12);
    ck_assert_int_eq(p->channels[0].max_bytes, 65536);
    ck_assert_int_eq(p->processes[0].replicas, 12);
    ck_assert_int_eq(p->processes[0].grace, 12000000);
    done(p);
}

TEST(merged_keys_give_way_to_those_that_are_written)
{
    struct pipeline *p = load("x-one: &one {replicas: 2, grace: 1s, x-note: free}\n"
                              "x-two: &two {replicas: 3, cwd: /tmp}\n"
                              "processes:\n"
                              "  a: {<<: *one, command: [cat], grace: 2s}\n"
                              "  b: {<<: [*one, *two], command: [cat]}\n");
    const struct process *a = &p->processes[0], *b = &p->processes[1];

    ck_assert_int_eq(a->replicas, 2);
    ck_assert_int_eq(a->grace, INT64_C(2000000000));
    ck_assert_int_eq(b->replicas, 2);
    ck_assert_int_eq(b->grace, 1000000000);
    ck_assert_str_eq(b->cwd, "/tmp");
    done(p);
}

TEST(a_process_is_one_end_of_a_channel_however_often_it_names_it)
{
    struct pipeline *p = load("processes: {a: {command: [cat], replicas: 4, stdout: c, stderr: c, out: {3: c}},\n"
                              " b: {command: [cat], stdout: c}, d: {command: [cat], stdin: c}}");
    const struct channel *c = &p->channels[0];

    ck_assert_uint_eq(c->nsenders, 2);
    ck_assert_uint_eq(c->senders[0].process, 0);
    ck_assert_uint_eq(c->senders[1].process, 1);
    ck_assert_uint_eq(c->nreceivers, 1);
    ck_assert_uint_eq(edge_streams(p, c, CSP_SEND), 13); /* each descriptor of each replica is a stream */
    ck_assert_uint_eq(edge_streams(p, c, CSP_RECV), 1);
    done(p);
}

/* What explain says of the first channel. */
static void kind(const char *text, const char *kind, const char *why)
{
    struct pipeline *p = load(text);
    struct pool *pool = pool_new();

    ck_assert_str_eq(edge_kind(p, &p->channels[0]), kind);
    ck_assert_str_eq(edge_why(p, &p->channels[0], pool), why);
    pool_free(pool);
    done(p);
}

TEST(an_edge_from_one_to_one_is_a_pair)
{
    kind("processes: {a: {command: [cat], stdout: c}, b: {command: [cat], stdin: c}}", "pair", "1 sender, 1 receiver");
    kind("channels: {c: {close: never}}\nprocesses: {a: {command: [cat], stdin: c, stdout: c}}", "pair",
         "1 sender, 1 receiver");
}

TEST(an_edge_of_a_worker_is_a_pair_if_the_worker_wants_a_stream)
{
    kind("processes: {a: {worker: [search], out: [c]}, b: {command: [cat], stdin: c}}", "pair",
         "1 sender, 1 receiver, once a makes it a stream");
    kind("processes: {a: {worker: [search], out: [c]}, b: {worker: [search], in: [c]}}", "pair",
         "1 sender, 1 receiver, once a makes it a stream, and b");
}

TEST(replicas_and_descriptors_make_an_edge_a_stream)
{
    kind("processes: {a: {command: [cat], stdout: c}, b: {command: [cat], stdin: c, replicas: 2}}", "stream",
         "2 receivers");
    kind("processes: {a: {command: [cat], stdout: c, stderr: c}, b: {command: [cat], stdin: c}}", "stream",
         "2 senders");
    kind("processes: {a: {command: [cat], stdout: c, replicas: 3}, b: {command: [cat], stdin: c},"
         " d: {command: [cat], stdin: c}}",
         "stream", "3 senders, 2 receivers");
}

TEST(guests_make_an_edge_a_stream)
{
    kind("channels: {c: {close: never}}\nprocesses: {b: {command: [cat], stdin: c}}", "stream", "guests send");
    kind("channels: {c: {close: never}}\nprocesses: {b: {command: [cat], stdout: c, replicas: 2}}", "stream",
         "2 senders, guests receive");
}

TEST(capacity_0_is_a_rendezvous)
{
    kind("channels: {c: {capacity: 0}}\nprocesses: {a: {command: [cat], stdout: c}, b: {command: [cat], stdin: c}}",
         "rendezvous", "capacity 0");
}

/* The most that the first channel can take. */
static int64_t memory(const char *settings, const char *replicas, int64_t value)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "channels: {c: {%s}}\nprocesses: {a: {command: [cat], stdout: c%s}, b: {command: [cat], stdin: c}}",
                   settings, replicas);
    struct pipeline *p = load(text);
    int64_t bytes = edge_memory(p, &p->channels[0], value);

    done(p);
    return bytes;
}

TEST(memory_is_as_the_manual_says)
{
    const int64_t MiB = 1 << 20, alone = INT64_C(1024) * EDGE_ALONE;

    ck_assert_int_eq(memory("capacity: 1024", "", MiB), 2 * (16 * MiB + alone) + 25 * MiB);
    ck_assert_int_eq(memory("capacity: 1024", ", replicas: 3", MiB), 16 * MiB + alone + 45 * MiB);
    ck_assert_int_eq(memory("max_bytes: 1MiB", ", replicas: 3", MiB), MiB + alone + 45 * MiB);
    ck_assert_int_eq(memory("capacity: 3", ", replicas: 3", MiB), 3 * (MiB + EDGE_ALONE) + 45 * MiB);
    ck_assert_int_eq(memory("capacity: 1024", ", replicas: 3", INT64_MAX), 16 * MiB + alone + 9 * (16 * MiB + 4));
    ck_assert_int_eq(memory("capacity: 0", ", replicas: 3", MiB), 8 * MiB);
    ck_assert_int_eq(memory("capacity: 0", "", INT64_MAX), 64 * MiB);
}

TEST(the_memory_of_the_bridges_is_a_block_and_a_pipe_for_each_descriptor)
{
    struct pipeline *p = load("processes: {a: {command: [cat], stdout: c, stderr: c}, l: {command: [cat]},"
                              " b: {command: [cat], stdin: c, replicas: 2}}");
    const int64_t block = (int64_t)EXEC_BLOCK * 5;

    ck_assert_int_eq(edge_bridges(p, 1000), 4 * (block + EXEC_PIPE));
    ck_assert_int_eq(edge_bridges(p, 8 << 20), 2 * (8 << 20) + 2 * (16 << 20) + 4 * 4 + 4 * EXEC_PIPE);
    ck_assert_int_eq(edge_total(p, 1000), edge_bridges(p, 1000) + edge_memory(p, &p->channels[0], 1000));
    done(p);
}

TEST(a_backend_has_a_request_channel_of_its_own)
{
    struct pipeline *p = load("processes: {web: {worker: [search, x], serve: find, replicas: 2},\n"
                              " image: {command: [cat], serve: find}}\n"
                              "services: {find: {require: all, deadline: 80ms, merge: {by: score}}}");
    const struct service *s = &p->services[0];
    const struct process *image = &p->processes[1];

    ck_assert_uint_eq(s->nbackends, 2);
    ck_assert_uint_eq(s->backends[1], 1);
    ck_assert_int_eq(s->require, REQUIRE_ALL);
    ck_assert_int_eq(s->deadline, 80000000);
    ck_assert_str_eq(s->merge.by, "score");
    ck_assert_int_eq(s->merge.limit, 20);
    ck_assert_uint_eq(image->serve, 0);
    const struct channel *c = &p->channels[image->requests];
    ck_assert_str_eq(c->name, "find.image");
    ck_assert_int_eq(c->close, CLOSE_NEVER);
    ck_assert_uint_eq(c->service, 0);
    ck_assert_uint_eq(c->nreceivers, 1);
    ck_assert_uint_eq(c->nsenders, 0);
    done(p);
}

TEST(guests_may_be_the_only_users_of_a_channel_that_never_closes)
{
    struct pipeline *p = load("channels: {in: {close: never}, free: {close: never}}\n"
                              "processes: {a: {command: [cat], stdin: in}}");

    ck_assert_uint_eq(p->channels[0].nsenders, 0);
    ck_assert_uint_eq(p->channels[1].nreceivers, 0);
    done(p);
}

/* Each default of the table goes through the reader of its type, which would say what is wrong with it. */
TEST(the_table_has_examples_and_good_defaults)
{
    for (size_t i = 0; i < schema_size; i++) {
        ck_assert_ptr_nonnull(schema[i].help);
        ck_assert_msg(schema[i].example, "%s has no example", schema[i].name);
        ck_assert_ptr_eq(schema_find(schema[i].in, schema[i].name), &schema[i]);
    }
    done(load("channels: {c: {close: never}}\nservices: {s: {deadline: 1s}}\n"
              "processes: {a: {command: [cat], serve: s}, b: {command: [cat], stdin: {file: f}}}"));
}

TEST(durations_and_sizes_are_exact)
{
    static const struct {
        const char *text;
        int64_t ns;
    } durations[] = {{"80ms", 80000000},
                     {"1m30s", INT64_C(90000000000)},
                     {"0.1s", 100000000},
                     {"1.5us", 1500},
                     {"0", 0},
                     {"2h", INT64_C(7200000000000)},
                     {"1d", INT64_C(86400000000000)}};
    static const char *const bad[] = {"", "10", "ms", "1.s", "-1s", "1s ", " 1s", "1x", "s1", "1e3s", "300000d", "1ss"};
    int64_t n;
    char text[UNIT_TEXT];

    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        ck_assert_ptr_null(unit_duration(durations[i].text, &n));
        ck_assert_int_eq(n, durations[i].ns);
        unit_print_duration(n, text);
        ck_assert_ptr_null(unit_duration(text, &n));
        ck_assert_int_eq(n, durations[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(unit_duration(bad[i], &n), "\"%s\" is taken for a duration", bad[i]);
    ck_assert_ptr_null(unit_size("64KiB", &n));
    ck_assert_int_eq(n, 65536);
    ck_assert_ptr_null(unit_size("1.5MB", &n));
    ck_assert_int_eq(n, 1500000);
    ck_assert_ptr_null(unit_size("512", &n));
    ck_assert_int_eq(n, 512);
    ck_assert_ptr_nonnull(unit_size("1KiB1B", &n));
    ck_assert_ptr_nonnull(unit_size("9223372036854775808", &n));
    ck_assert_ptr_nonnull(unit_size("9000000TiB", &n));
    ck_assert_str_eq(unit_print_size(16 << 20, text), "16MiB");
    ck_assert_str_eq(unit_print_size(1500, text), "1500B");
}

TEST(a_suggestion_is_near)
{
    static const char *const words[] = {"stdin", "stdout", "command", "max_bytes", "in"};
    static const char *const pairs[][2] = {
        {"stdn", "stdin"}, {"sdtout", "stdout"}, {"Command", "command"}, {"max-bytes", "max_bytes"},
        {"worker", NULL},  {"x", NULL},          {"comandd", "command"}, {"", NULL}};

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct suggestion s = {.word = pairs[i][0]};
        for (size_t j = 0; j < sizeof words / sizeof *words; j++)
            suggestion_offer(&s, words[j]);
        ck_assert_pstr_eq(s.best, pairs[i][1]);
    }
}

/* Every character of a text with all sorts of line ends and widths has a place that leads back to it. */
TEST(places_and_offsets_are_inverse)
{
    static const char unit[] = "a\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80 b\r\n\tc\xc2\x85"
                               "d\xe2\x80\xa8"
                               "e\r\n\n";
    char text[sizeof unit * 40] = "";

    for (size_t i = 0; i < 39; i++)
        memcpy(text + i * (sizeof unit - 1), unit, sizeof unit);
    done(load_with(text, NULL, 0));
    struct diagnostics *d = diagnostics_new();
    ck_assert(source_load(d, in_scratch("some report.v2.yaml")));
    for (size_t i = 0; i < d->source.size; i++) {
        size_t length;
        struct place at = source_place(&d->source, i);
        const char *line = source_line(&d->source, at.line, &length);
        bool inside = i < (size_t)(line - d->source.text) + length;
        if (inside && ((unsigned char)d->source.text[i] & 0xc0) != 0x80)
            ck_assert_uint_eq(source_offset(&d->source, at), i);
    }
    ck_assert_uint_eq(source_place(&d->source, d->source.size).line, 39 * 5 + 1);
    diagnostics_free(d);
}

SUITE_OF(pipeline)
