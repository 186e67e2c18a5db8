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
    [SECTION_MERGE] = "merge",       [SECTION_RETRY] = "retry",       [SECTION_RESTART] = "restart",
    [SECTION_READY] = "ready",
};

const struct key schema[] = {
    {SECTION_FILE, TYPE_COUNT, "version", .offset = FILE_FIELD(version), .fallback = "1", .min = 1, .max = 1,
     .example = "1", .help = "the version of this format"},
    {SECTION_FILE, TYPE_VARIABLES, "vars", .example = "{file: access.log}",
     .help = "what $name stands for; an empty value must be given on the command line as name=value"},
    {SECTION_FILE, TYPE_NAME, "name", .offset = FILE_FIELD(name), .example = "report",
     .help = "the name of the run, for --run; by default the name of the file"},
    {SECTION_FILE, TYPE_DURATION, "deadline", .offset = FILE_FIELD(deadline), .min = 1, .max = LONGEST,
     .example = "10m", .help = "of the whole run; by default none"},
    {SECTION_FILE, TYPE_CHOICE, "on_failure", .offset = FILE_FIELD(on_failure), .fallback = "stop",
     .choices = {"stop", "continue"}, .example = "stop", .help = "what a process that fails does to the others"},
    {SECTION_FILE, TYPE_CHANNELS, "channels", .section = SECTION_CHANNEL, .example = "{lines: {capacity: 100}}",
     .help = "settings of channels; a channel is made by being named in a process"},
    {SECTION_FILE, TYPE_SERVICES, "services", .section = SECTION_SERVICE, .example = "{search: {deadline: 80ms}}",
     .help = "what can be asked by `cspctl call`"},
    {SECTION_FILE, TYPE_PROCESSES, "processes", .required = true, .section = SECTION_PROCESS,
     .example = "{hello: {command: [echo, hello]}}", .help = "the programs that run"},

    {SECTION_CHANNEL, TYPE_COUNT, "capacity", .offset = CHANNEL_FIELD(capacity), .fallback = "1024", .max = MOST_VALUES,
     .example = "100", .help = "how many values wait in it; 0 is a rendezvous"},
    {SECTION_CHANNEL, TYPE_SIZE, "max_bytes", .offset = CHANNEL_FIELD(max_bytes), .fallback = "16MiB", .min = 1,
     .max = WIRE_MAX_VALUE, .example = "16MiB",
     .help = "how many bytes wait in it, whichever bound comes first; a larger value is an error"},
    {SECTION_CHANNEL, TYPE_CHOICE, "close", .offset = CHANNEL_FIELD(close), .fallback = "senders",
     .choices = {"senders", "never", "idle"}, .example = "idle",
     .help =
         "senders: when the last declared sender has ended; idle, for cycles: when nothing is left to be done, too; "
         "never: with the run, or by `cspctl close`"},
    {SECTION_CHANNEL, TYPE_CHOICE, "overflow", .offset = CHANNEL_FIELD(overflow), .fallback = "block",
     .choices = {"block", "drop-oldest", "drop-newest", "reject"}, .example = "block",
     .help =
         "what a value meets for which there is no room: its sender waits; the oldest goes; it goes itself; the send "
         "fails"},
    {SECTION_CHANNEL, TYPE_FIELD, "durable", .offset = CHANNEL_FIELD(durable), .example = "state",
     .help = "a directory that keeps its values: they survive the end of everything, and the next run has them again"},
    {SECTION_CHANNEL, TYPE_SECTION, "retry", .section = SECTION_RETRY,
     .example = "{attempts: 5, delay: [1s, 30s], dead: failed}",
     .help = "each value is done at least once: what is not acknowledged is delivered again"},

    {SECTION_PROCESS, TYPE_PROGRAM, "command", .offset = PROCESS_FIELD(program), .example = "[grep, -e, word]",
     .help = "an ordinary program, joined by its descriptors: a list of arguments, or a string for sh -c"},
    {SECTION_PROCESS, TYPE_PROGRAM, "each", .offset = PROCESS_FIELD(program), .example = "[./thumb.sh, $1]",
     .help = "one run of the program for each value, which is its $1 and its stdin; its exit acknowledges"},
    {SECTION_PROCESS, TYPE_PROGRAM, "worker", .offset = PROCESS_FIELD(program), .example = "[search, web.db]",
     .help = "a program that speaks libipc or cspctl"},
    {SECTION_PROCESS, TYPE_COUNT, "replicas", .offset = PROCESS_FIELD(replicas), .fallback = "1", .min = 1,
     .max = PIPELINE_MAX_REPLICA, .example = "4", .help = "how many of it run; $replica numbers them from 1"},
    {SECTION_PROCESS, TYPE_INPUT, "stdin", .offset = PROCESS_FIELD(input), .section = SECTION_STDIN, .example = "lines",
     .help = "a channel, a list of channels to be merged, or {file: F}; by default empty"},
    {SECTION_PROCESS, TYPE_OUTPUT, "stdout", .offset = PROCESS_FIELD(output), .fallback = "inherit", .example = "lines",
     .help = "a channel, a list of channels that each get every value, inherit, log or none"},
    {SECTION_PROCESS, TYPE_OUTPUT, "stderr", .offset = PROCESS_FIELD(error), .fallback = "log", .example = "log",
     .help = "as stdout"},
    {SECTION_PROCESS, TYPE_PORTS, "in", .offset = PROCESS_FIELD(in), .example = "{3: lines}",
     .help = "more descriptors to read channels from, or a worker's list of the channels that it opens by name"},
    {SECTION_PROCESS, TYPE_PORTS, "out", .offset = PROCESS_FIELD(out), .example = "{3: lines}",
     .help = "more descriptors to write to channels, or a worker's list of the channels that it opens by name"},
    {SECTION_PROCESS, TYPE_SERVE, "serve", .offset = PROCESS_FIELD(serve), .example = "search",
     .help = "the service it is a backend of: requests in, answers out"},
    {SECTION_PROCESS, TYPE_SECTION, "records", .section = SECTION_RECORDS, .choices = RECORD_KINDS, .example = "line",
     .help = "what one value is: a line, a text that a NUL byte ends, a length and so many bytes, or all of it"},
    {SECTION_PROCESS, TYPE_SETTINGS, "env", .offset = PROCESS_FIELD(env), .example = "{LC_ALL: C}",
     .help = "variables of its environment, beside those of the caller"},
    {SECTION_PROCESS, TYPE_TEMPLATE, "cwd", .offset = PROCESS_FIELD(cwd), .example = "/tmp",
     .help = "the directory it starts in; by default the caller's"},
    {SECTION_PROCESS, TYPE_CODES, "success", .offset = PROCESS_FIELD(success), .fallback = "0", .max = 255,
     .example = "[0, 1]", .help = "the exit codes that are no failure"},
    {SECTION_PROCESS, TYPE_CODES, "reject", .offset = PROCESS_FIELD(reject), .max = 255, .example = "65",
     .help = "for each: the exit codes that make a value a dead letter at once"},
    {SECTION_PROCESS, TYPE_BATCH, "batch", .offset = PROCESS_FIELD(batch), .example = "100",
     .help = "for each: how many values one run gets, as $@ and on stdin: a count or a size"},
    {SECTION_PROCESS, TYPE_CHOICE, "ack", .offset = PROCESS_FIELD(ack), .fallback = "write",
     .choices = {"write", "line", "explicit"}, .example = "line",
     .help = "what acknowledges a value: that it was written to the program; its line of output; `cspctl ack`"},
    {SECTION_PROCESS, TYPE_CHOICE, "order", .offset = PROCESS_FIELD(order), .fallback = "none",
     .choices = {"none", "input"}, .example = "input",
     .help = "input: what the replicas write goes on in the order of their input"},
    {SECTION_PROCESS, TYPE_CHOICE, "resume", .offset = PROCESS_FIELD(resume), .fallback = "again",
     .choices = {"again", "skip"}, .example = "skip",
     .help = "what becomes of what it writes once more in a run that resumes an interrupted one: it is sent again; "
             "skip: as many values as were stored are not"},
    {SECTION_PROCESS, TYPE_FIELD, "partition", .offset = PROCESS_FIELD(partition), .example = "1",
     .help = "the field by which values go to the same replica: its number, or a key where values are JSON objects"},
    {SECTION_PROCESS, TYPE_DURATION, "timeout", .offset = PROCESS_FIELD(timeout), .min = 1, .max = LONGEST,
     .example = "30s", .help = "that a value may take; then who has it is killed, and it is delivered again"},
    {SECTION_PROCESS, TYPE_DURATION, "grace", .offset = PROCESS_FIELD(grace), .fallback = "10s", .max = LONGEST,
     .example = "10s", .help = "from SIGTERM to SIGKILL when it has to stop"},
    {SECTION_PROCESS, TYPE_RESTART, "restart", .offset = PROCESS_FIELD(restart), .fallback = "never",
     .section = SECTION_RESTART, .example = "on-failure",
     .help = "whether it is started again when it has ended: never, on-failure, always, or a mapping"},
    {SECTION_PROCESS, TYPE_READY, "ready", .offset = PROCESS_FIELD(ready), .section = SECTION_READY,
     .example = "{line: listening}", .help = "what shows that it can be depended on; by default that it is started"},
    {SECTION_PROCESS, TYPE_NAMES, "depends_on", .offset = PROCESS_FIELD(depends_on), .example = "[database]",
     .help = "processes that must be ready before it starts, and that end after it"},

    {SECTION_SERVICE, TYPE_DURATION, "deadline", .offset = SERVICE_FIELD(deadline), .required = true, .min = 1,
     .max = LONGEST, .example = "80ms", .help = "when a call ends with the answers that are there"},
    {SECTION_SERVICE, TYPE_REQUIRE, "require", .offset = SERVICE_FIELD(require), .fallback = "1", .min = 1,
     .max = PIPELINE_MAX_ENTRIES, .example = "1", .help = "how many answers make a call a success, or all"},
    {SECTION_SERVICE, TYPE_DURATION, "hedge", .offset = SERVICE_FIELD(hedge), .min = 0, .max = LONGEST,
     .example = "20ms", .help = "after this long without an answer another replica is asked, too; 0ms: all at once"},
    {SECTION_SERVICE, TYPE_SECTION, "merge", .section = SECTION_MERGE, .example = "{by: rank, limit: 20}",
     .help = "how the answers become one"},

    {SECTION_STDIN, TYPE_TEMPLATE, "file", .offset = PROCESS_FIELD(input.file), .required = true,
     .example = "words.txt", .help = "a file to read"},

    {SECTION_RECORDS, TYPE_CHOICE, "in", .offset = PROCESS_FIELD(records_in), .fallback = "line",
     .choices = RECORD_KINDS, .example = "line", .help = "what one value is that it reads"},
    {SECTION_RECORDS, TYPE_CHOICE, "out", .offset = PROCESS_FIELD(records_out), .fallback = "line",
     .choices = RECORD_KINDS, .example = "line", .help = "what one value is that it writes"},

    {SECTION_RESTART, TYPE_CHOICE, "when", .offset = PROCESS_FIELD(restart.when), .fallback = "on-failure",
     .choices = {"never", "on-failure", "always"}, .example = "on-failure", .help = "after which ends"},
    {SECTION_RESTART, TYPE_COUNT, "attempts", .offset = PROCESS_FIELD(restart.attempts), .fallback = "5", .min = 1,
     .max = RESTART_MOST, .example = "5", .help = "how often within `within`; after one more end it has finally ended"},
    {SECTION_RESTART, TYPE_DURATION, "within", .offset = PROCESS_FIELD(restart.within), .fallback = "1m", .min = 1,
     .max = LONGEST, .example = "1m",
     .help = "the interval of `attempts`; who has run as long is well again, and its delay begins anew"},
    {SECTION_RESTART, TYPE_DELAY, "delay", .offset = PROCESS_FIELD(restart.delay), .fallback = "1s", .max = LONGEST,
     .example = "[1s, 30s]",
     .help = "from its end to the next start: at least the first, doubled each time, at most the second"},

    {SECTION_READY, TYPE_REGEX, "line", .offset = PROCESS_FIELD(ready.line), .example = "listening",
     .help = "a line of its stdout or stderr that matches this extended regular expression"},
    {SECTION_READY, TYPE_PROGRAM, "exec", .offset = PROCESS_FIELD(ready.exec), .example = "[pg_isready, -q]",
     .help = "a program that ends with status 0, tried again and again"},

    {SECTION_MERGE, TYPE_FIELD, "by", .offset = SERVICE_FIELD(merge.by), .fallback = MERGE_BY_RANK, .example = "rank",
     .help = "rank: interleaved by the place in each answer; else a field of the hits, highest first"},
    {SECTION_MERGE, TYPE_COUNT, "limit", .offset = SERVICE_FIELD(merge.limit), .fallback = "20", .min = 1,
     .max = 1000000, .example = "20", .help = "how many hits the answer has at most"},

    {SECTION_RETRY, TYPE_COUNT, "attempts", .offset = CHANNEL_FIELD(attempts), .fallback = "5", .min = 1,
     .max = MOST_VALUES, .example = "5", .help = "how often a value is delivered before it is a dead letter"},
    {SECTION_RETRY, TYPE_DELAY, "delay", .offset = CHANNEL_FIELD(delay), .fallback = "1s", .max = LONGEST,
     .example = "[1s, 30s]",
     .help = "how long a value waits after its first failure, and at most: twice as long after each further one"},
    {SECTION_RETRY, TYPE_DEAD, "dead", .offset = CHANNEL_FIELD(dead_letters), .example = "failed",
     .help = "the channel of dead letters; without it what has failed for good is given up, and counted"},

};
const size_t schema_size = sizeof schema / sizeof *schema;

const struct key *schema_find(enum section in, const char *name)
{
    for (size_t i = 0; i < schema_size; i++)
        if (schema[i].in == in && strcmp(schema[i].name, name) == 0)
            return &schema[i];
    return NULL;
}

const char *schema_nearest(enum section in, const char *name)
{
    struct suggestion s = {.word = name};

    for (size_t i = 0; i < schema_size; i++)
        if (schema[i].in == in)
            suggestion_offer(&s, schema[i].name);
    return s.best;
}
