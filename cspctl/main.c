/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl: a word that names a subcommand, and what belongs to it. There are no options before the word: every option
 * belongs to a subcommand, whose file says what it does. */
#include "command.h"
#include "diagnostic.h"
#include "pipeline.h"
#include "suggestion.h"
#include "unit.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* In the order in which `cspctl help` shows them. */
static const struct command *const commands[] = {
    &command_run,   &command_check,   &command_explain, &command_ps,      &command_dump, &command_stop,
    &command_scale, &command_restart, &command_reload,  &command_call,    &command_send, &command_recv,
    &command_ack,   &command_close,   &command_help,    &command_version, NULL,
};

static int run_help(int argc, char **argv);
static int run_version(int argc, char **argv);

const struct command command_help = {.name = "help", .args = "[COMMAND]", .help = "say how to use it", .run = run_help};
const struct command command_version = {.name = "version", .args = "", .help = "print the version", .run = run_version};

static const struct command *find(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return &command_help;
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return &command_version;
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    struct suggestion s = {.word = name};

    for (size_t i = 0; commands[i]; i++)
        suggestion_offer(&s, commands[i]->name);
    fprintf(stderr, "cspctl: %s: there is no such command: ", name);
    if (s.best)
        fprintf(stderr, "did you mean \"%s\"?\n", s.best);
    else
        fputs("`cspctl help` lists them\n", stderr);
    return EX_USAGE;
}

static void print_usage(FILE *to, const struct command *c)
{
    fprintf(to, "usage: cspctl %s%s%s\n", c->name, *c->args ? " " : "", c->args);
}

static void print_commands(FILE *to)
{
    fputs("usage: cspctl COMMAND [ARGUMENT ...]\n\nProcesses joined by channels, as a pipeline file says.\n\n", to);
    for (size_t i = 0; commands[i]; i++)
        fprintf(to, "  %-8s  %s\n", commands[i]->name, commands[i]->help);
    fputs("\n`cspctl help COMMAND` says more of one.\n", to);
}

int command_usage(const struct command *c)
{
    print_usage(stderr, c);
    return EX_USAGE;
}

int command_surplus(const struct command *c, const char *word, const char *advice)
{
    fprintf(stderr, "cspctl: %s: %s: this word is one too many%s\n", c->name, word, advice);
    return command_usage(c);
}

bool command_json(const char *format, bool *bad)
{
    if (strcmp(format, "json") == 0)
        return true;
    if (strcmp(format, "text") != 0) {
        fprintf(stderr, "cspctl: -o %s: there is no such format: write -o text or -o json\n", format);
        *bad = true;
    }
    return false;
}

int64_t command_duration(const struct command *c, const char *option, const char *text, bool *bad)
{
    int64_t ns = 0;
    const char *wrong = unit_duration(text, &ns);

    if (wrong) {
        fprintf(stderr, "cspctl %s: %s %s: it %s: write a duration as 80ms, 1m30s\n", c->name, option, text, wrong);
        *bad = true;
    }
    return ns;
}

/* Whether argv[optind] is a FILE and all after it are name=value words; if not, that is said on stderr. */
static bool takes_file(const struct command *c, int argc, char **argv)
{
    bool good = optind < argc;

    if (!good)
        fprintf(stderr, "cspctl %s: a pipeline file is missing\n", c->name);
    for (int i = optind + 1; i < argc; i++)
        if (!strchr(argv[i], '=') || argv[i][0] == '=') {
            fprintf(stderr, "cspctl %s: %s: after FILE come name=value words only\n", c->name, argv[i]);
            good = false;
        }
    return good;
}

int command_look(const struct command *c, int argc, char **argv,
                 void (*show)(const struct pipeline *p, struct diagnostics *d, bool json))
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    bool json = false, bad = false;

    for (int o; (o = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
        if (o == 'o')
            json = command_json(optarg, &bad);
        else
            bad = true;
    if (bad || !takes_file(c, argc, argv))
        return command_usage(c);
    struct diagnostics *d = diagnostics_new();
    struct pipeline *p = pipeline_load(argv[optind], argv + optind + 1, (size_t)(argc - optind - 1), d);
    int status = p ? EX_OK : EX_CONFIG;
    show(p, d, json);
    pipeline_free(p);
    diagnostics_free(d);
    return status;
}

static int run_help(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stdout);
        return EX_OK;
    }
    const struct command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    print_usage(stdout, c);
    printf("\n%s\n%s%s", c->help, c->details ? "\n" : "", c->details ? c->details : "");
    return EX_OK;
}

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("cspctl " CSP_VERSION);
    return EX_OK;
}

int main(int argc, char **argv)
{
    char name[64];

    if (argc < 2) {
        print_commands(stderr);
        return EX_USAGE;
    }
    const struct command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    snprintf(name, sizeof name, "cspctl %s", c->name);
    argv[1] = name;
    int status = c->run(argc - 1, argv + 1);
    /* A reader that has gone (EPIPE) is no failure of a command that had nothing more to do. */
    if (fflush(stdout) != 0 && status == EX_OK)
        status = EX_IOERR;
    return status;
}
