/* SPDX-License-Identifier: MPL-2.0 */
/* Order matters in one way: the keys of a section are read in the order of this table, whatever the order in the file,
 * so that variables are known before anything uses them, and services and channels before the processes that name them.
 */
#include "schema.h"
#include "suggestion.h"
#include "wire.h"

#include <string.h>

#define FILE_FIELD(f)    offsetof(struct pipeline, f)
#define CHANNEL_FIELD(f) offsetof(struct channel, f)
#define PROCESS_FIELD(f) offsetof(struct process, f)
#define SERVICE_FIELD(f) offsetof(struct service, f)

#define MOST_VALUES INT64_C(1000000000)
#define LONGEST     (INT64_C(366) * 86400 * 1000000000)
#define RECORD_KINDS                                                                                                   \
    {                                                                                                                  \
        "line", "nul", "length", "whole"                                                                               \
    }

const char *const section_titles[SECTION_COUNT] = {
    [SECTION_FILE] = "a pipeline",   [SECTION_CHANNEL] = "a channel", [SECTION_PROCESS] = "a process",
    [SECTION_SERVICE] = "a service", [SECTION_STDIN] = "stdin",       [SECTION_RECORDS] = "records",
    [SECTION_MERGE] = "merge",
};

const struct key schema[] = {
    {SECTION_FILE, "version", TYPE_COUNT, .offset = FILE_FIELD(version), .fallback = "1", .min = 1, .max = 1,
     .example = "1", .help = "the version of this format"},
    {SECTION_FILE, "vars", TYPE_VARIABLES, .example = "{file: access.log}",
     .help = "what $name stands for; an empty value must be given on the command line as name=value"},
    {SECTION_FILE, "name", TYPE_NAME, .offset = FILE_FIELD(name), .example = "report",
     .help = "the name of the run, for --run; by default the name of the file"},
    {SECTION_FILE, "deadline", TYPE_DURATION, .offset = FILE_FIELD(deadline), .min = 1, .max = LONGEST,
     .example = "10m", .help = "of the whole run; by default none"},
    {SECTION_FILE, "on_failure", TYPE_CHOICE, .offset = FILE_FIELD(on_failure), .fallback = "stop",
     .choices = {"stop", "continue"}, .example = "stop", .help = "what a process that fails does to the others"},
    {SECTION_FILE, "channels", TYPE_CHANNELS, .section = SECTION_CHANNEL, .example = "{lines: {capacity: 100}}",
     .help = "settings of channels; a channel is made by being named in a process"},
    {SECTION_FILE, "services", TYPE_SERVICES, .section = SECTION_SERVICE, .example = "{search: {deadline: 80ms}}",
     .help = "what can be asked by `cspctl call`"},
    {SECTION_FILE, "processes", TYPE_PROCESSES, .required = true, .section = SECTION_PROCESS,
     .example = "{hello: {command: [echo, hello]}}", .help = "the programs that run"},

    {SECTION_CHANNEL, "capacity", TYPE_COUNT, .offset = CHANNEL_FIELD(capacity), .fallback = "1024", .max = MOST_VALUES,
     .example = "100", .help = "how many values wait in it; 0 is a rendezvous"},
    {SECTION_CHANNEL, "max_bytes", TYPE_SIZE, .offset = CHANNEL_FIELD(max_bytes), .fallback = "16MiB", .min = 1,
     .max = WIRE_MAX_VALUE, .example = "16MiB",
     .help = "how many bytes wait in it, whichever bound comes first; a larger value is an error"},
    {SECTION_CHANNEL, "close", TYPE_CHOICE, .offset = CHANNEL_FIELD(close), .fallback = "senders",
     .choices = {"senders", "never"}, .later = "idle", .example = "never",
     .help = "senders: when the last declared sender has ended; never: with the run, or by `cspctl close`"},

    {SECTION_PROCESS, "command", TYPE_PROGRAM, .offset = PROCESS_FIELD(program), .example = "[grep, -e, word]",
     .help = "an ordinary program, joined by its descriptors: a list of arguments, or a string for sh -c"},
    {SECTION_PROCESS, "worker", TYPE_PROGRAM, .offset = PROCESS_FIELD(program), .example = "[search, web.db]",
     .help = "a program that speaks libipc or cspctl"},
    {SECTION_PROCESS, "replicas", TYPE_COUNT, .offset = PROCESS_FIELD(replicas), .fallback = "1", .min = 1,
     .max = PIPELINE_MAX_REPLICA, .example = "4", .help = "how many of it run; $replica numbers them from 1"},
    {SECTION_PROCESS, "stdin", TYPE_INPUT, .offset = PROCESS_FIELD(input), .section = SECTION_STDIN, .example = "lines",
     .help = "a channel, a list of channels to be merged, or {file: F}; by default empty"},
    {SECTION_PROCESS, "stdout", TYPE_OUTPUT, .offset = PROCESS_FIELD(output), .fallback = "inherit", .example = "lines",
     .help = "a channel, a list of channels that each get every value, inherit, log or none"},
    {SECTION_PROCESS, "stderr", TYPE_OUTPUT, .offset = PROCESS_FIELD(error), .fallback = "log", .example = "log",
     .help = "as stdout"},
    {SECTION_PROCESS, "in", TYPE_PORTS, .offset = PROCESS_FIELD(in), .example = "{3: lines}",
     .help = "more descriptors to read channels from; for a worker also a list of channels that it opens by name"},
    {SECTION_PROCESS, "out", TYPE_PORTS, .offset = PROCESS_FIELD(out), .example = "{3: lines}",
     .help = "more descriptors to write to channels; for a worker also a list of channels that it opens by name"},
    {SECTION_PROCESS, "serve", TYPE_SERVE, .offset = PROCESS_FIELD(serve), .example = "search",
     .help = "the service it is a backend of: requests in, answers out"},
    {SECTION_PROCESS, "records", TYPE_SECTION, .section = SECTION_RECORDS, .choices = RECORD_KINDS, .example = "line",
     .help = "what one value is: a line, a text that a NUL byte ends, a length and so many bytes, or all of it"},
    {SECTION_PROCESS, "env", TYPE_SETTINGS, .offset = PROCESS_FIELD(env), .example = "{LC_ALL: C}",
     .help = "variables of its environment, beside those of the caller"},
    {SECTION_PROCESS, "cwd", TYPE_TEMPLATE, .offset = PROCESS_FIELD(cwd), .example = "/tmp",
     .help = "the directory it starts in; by default the caller's"},
    {SECTION_PROCESS, "success", TYPE_CODES, .offset = PROCESS_FIELD(success), .fallback = "0", .max = 255,
     .example = "[0, 1]", .help = "the exit codes that are no failure"},
    {SECTION_PROCESS, "grace", TYPE_DURATION, .offset = PROCESS_FIELD(grace), .fallback = "10s", .max = LONGEST,
     .example = "10s", .help = "from SIGTERM to SIGKILL when it has to stop"},

    {SECTION_SERVICE, "deadline", TYPE_DURATION, .offset = SERVICE_FIELD(deadline), .required = true, .min = 1,
     .max = LONGEST, .example = "80ms", .help = "when a call ends with the answers that are there"},
    {SECTION_SERVICE, "require", TYPE_REQUIRE, .offset = SERVICE_FIELD(require), .fallback = "1", .min = 1,
     .max = PIPELINE_MAX_ENTRIES, .example = "1", .help = "how many answers make a call a success, or all"},
    {SECTION_SERVICE, "merge", TYPE_SECTION, .section = SECTION_MERGE, .example = "{by: rank, limit: 20}",
     .help = "how the answers become one"},

    {SECTION_STDIN, "file", TYPE_TEMPLATE, .offset = PROCESS_FIELD(input.file), .required = true,
     .example = "words.txt", .help = "a file to read"},

    {SECTION_RECORDS, "in", TYPE_CHOICE, .offset = PROCESS_FIELD(records_in), .fallback = "line",
     .choices = RECORD_KINDS, .example = "line", .help = "what one value is that it reads"},
    {SECTION_RECORDS, "out", TYPE_CHOICE, .offset = PROCESS_FIELD(records_out), .fallback = "line",
     .choices = RECORD_KINDS, .example = "line", .help = "what one value is that it writes"},

    {SECTION_MERGE, "by", TYPE_FIELD, .offset = SERVICE_FIELD(merge.by), .fallback = MERGE_BY_RANK, .example = "rank",
     .help = "rank: interleaved by the place in each answer; else a field of the hits, highest first"},
    {SECTION_MERGE, "limit", TYPE_COUNT, .offset = SERVICE_FIELD(merge.limit), .fallback = "20", .min = 1,
     .max = 1000000, .example = "20", .help = "how many hits the answer has at most"},
};
const size_t schema_size = sizeof schema / sizeof *schema;

static const char *const later[SECTION_COUNT][12] = {
    [SECTION_CHANNEL] = {"overflow", "retry", "durable"},
    [SECTION_PROCESS] = {"each", "batch", "ack", "order", "partition", "reject", "timeout", "restart", "ready",
                         "depends_on"},
    [SECTION_SERVICE] = {"hedge"},
};

const struct key *schema_find(enum section in, const char *name)
{
    for (size_t i = 0; i < schema_size; i++)
        if (schema[i].in == in && strcmp(schema[i].name, name) == 0)
            return &schema[i];
    return NULL;
}

bool schema_is_later(enum section in, const char *name)
{
    for (const char *const *l = later[in]; *l; l++)
        if (strcmp(*l, name) == 0)
            return true;
    return false;
}

const char *schema_nearest(enum section in, const char *name)
{
    struct suggestion s = {.word = name};

    for (size_t i = 0; i < schema_size; i++)
        if (schema[i].in == in)
            suggestion_offer(&s, schema[i].name);
    return s.best;
}
