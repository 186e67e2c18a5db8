/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl run: the arguments. Words are taken in their order, because what a word means depends on what came before it:
 * the file, then variables, after --call the words of the request. */
#include "bridge.h"
#include "command.h"
#include "detach.h"
#include "diagnostic.h"
#include "explain.h"
#include "gather.h"
#include "message.h"
#include "pool.h"
#include "record.h"
#include "suggestion.h"
#include "supervisor.h"

#include <programs.h>
#include <wire.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static int run(int argc, char **argv);

const struct command command_run = {
    .name = "run",
    .args = "[OPTION ...] FILE [name=value ...] [--call SERVICE [WORD ...]]",
    .help = "start the processes of a pipeline file, supervise them, and end with them",
    .run = run,
    .details =
        "  -n, --name NAME          name of the run, for --run of other commands (the file's)\n"
        "  -d, --detach             go to the background when it is up, after printing its name and pid\n"
        "      --log FILE           with -d: where output and log lines go (/dev/null)\n"
        "      --dry-run            print what would be started\n"
        "      --call SERVICE ...   call a service when its backends are ready, print the answer, and end the run\n"
        "  -o, --output text|json   how to print the answer\n"
        "      --on-deadlock WORD   when processes can never move again: report it and fail (fail), go on (report), "
        "or\n"
        "                           don't look (ignore)\n"
        "      --seed N             makes every choice that the broker draws repeatable\n"
        "      --record FILE        writes there what happened, in which order, and what was chosen\n"
        "      --replay FILE        puts what happens into that order again, and says where it can't\n"
        "      --joblog FILE        adds a line of JSON there for each task of a process with `each`\n"
        "      --resume             with --joblog: a task that is done there is not run again\n"
        "\nCtrl-C drains the run from its sources to its sinks; a second one kills it. Ctrl-\\ shows what\n"
        "each process waits for, and the run goes on.\n"
        "\nstatus: 0; else that of the first process that failed on its own, 128 + signal where a signal killed it\n"
        "(126, 127: it could not be started); 1 values were lost; 64 usage, 65, 66 no record to replay, 69 the broker "
        "died, 70 a "
        "deadlock,\n"
        "71 the system, 73 the log, joblog or record can't be written, 74 standard output can't be written, 78 the "
        "file has "
        "mistakes, 124 deadline "
        "(with\n"
        "--call: not enough backends answered), 129, 130, 143 told to end by HUP, INT, TERM\n",
};

struct arguments {
    const char *file, *name, *log;
    char **vars, **words;
    size_t nvars, nwords;
    const char *call, *joblog;
    struct csp__options options;
    bool detach, dry_run, json, formatted, resume, bad;
};

static void take_word(struct arguments *a, char *word)
{
    const char *equals = strchr(word, '=');

    if (a->call != NULL)
        a->words[a->nwords++] = word;
    else if (a->file == NULL)
        a->file = word;
    else if (equals != NULL && equals != word)
        a->vars[a->nvars++] = word;
    else {
        message("run: %s: after FILE come name=value words only", word);
        a->bad = true;
    }
}

enum {
    OPTION_LOG = 256,
    OPTION_DRY_RUN,
    OPTION_CALL,
    OPTION_DEADLOCK,
    OPTION_SEED,
    OPTION_RECORD,
    OPTION_REPLAY,
    OPTION_JOBLOG,
    OPTION_RESUME
};

static void take_option(struct arguments *a, int option)
{
    switch (option) {
    case 1:
        take_word(a, optarg);
        break;
    case 'n':
        a->name = optarg;
        break;
    case 'd':
        a->detach = true;
        break;
    case 'o':
        a->json = command_json(optarg, &a->bad);
        a->formatted = true;
        break;
    case OPTION_LOG:
        a->log = optarg;
        break;
    case OPTION_DRY_RUN:
        a->dry_run = true;
        break;
    case OPTION_CALL:
        a->call = optarg;
        break;
    case OPTION_DEADLOCK:
        a->options.on_deadlock = optarg;
        break;
    case OPTION_SEED:
        a->options.seed = optarg;
        break;
    case OPTION_JOBLOG:
        a->joblog = optarg;
        break;
    case OPTION_RESUME:
        a->resume = true;
        break;
    case OPTION_RECORD:
        a->options.record = optarg;
        break;
    case OPTION_REPLAY:
        a->options.replay = optarg;
        break;
    default:
        a->bad = true;
    }
}

static bool is_seed(const char *text)
{
    errno = 0;
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0' && (strtoull(text, NULL, 10), errno == 0);
}

/* What is wrong with them, or NULL. */
static const char *check_options(const struct csp__options *o)
{
    static const char *const words[] = {"fail", "report", "ignore"};
    size_t i = 0;

    while (o->on_deadlock != NULL && i < 3 && strcmp(o->on_deadlock, words[i]) != 0)
        i++;
    if (i == 3)
        return "--on-deadlock: write fail, report or ignore";
    if (o->seed != NULL && !is_seed(o->seed))
        return "--seed: write a number from 0 to 18446744073709551615";
    if ((o->record != NULL && *o->record == '\0') || (o->replay != NULL && *o->replay == '\0'))
        return "--record and --replay: write the path of a file";
    return NULL;
}

static void check_arguments(struct arguments *a)
{
    const char *wrong = check_options(&a->options);

    if (a->file == NULL)
        wrong = "a pipeline file is missing";
    else if (a->call != NULL && a->detach)
        wrong = "--call prints an answer, and -d goes away: one of the two";
    else if (a->log != NULL && !a->detach)
        wrong = "--log is for -d: without it, redirect stderr";
    else if (a->resume && a->joblog == NULL)
        wrong = "--resume goes by --joblog FILE, which says what is done";
    else if (a->formatted && a->call == NULL)
        wrong = "-o is for --call";
    else if (a->name != NULL && (*a->name == '\0' || strlen(a->name) > WIRE_MAX_NAME || strpbrk(a->name, "/\t\n")))
        wrong = "--name: 1 to 255 bytes without '/', tab and newline";
    if (wrong != NULL && !a->bad)
        message("run: %s", wrong);
    a->bad |= wrong != NULL;
}

static void parse(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},
        {"detach", no_argument, NULL, 'd'},
        {"log", required_argument, NULL, OPTION_LOG},
        {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
        {"call", required_argument, NULL, OPTION_CALL},
        {"output", required_argument, NULL, 'o'},
        {"on-deadlock", required_argument, NULL, OPTION_DEADLOCK},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"record", required_argument, NULL, OPTION_RECORD},
        {"joblog", required_argument, NULL, OPTION_JOBLOG},
        {"resume", no_argument, NULL, OPTION_RESUME},
        {"replay", required_argument, NULL, OPTION_REPLAY},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "-n:do:", options, NULL)) != -1;)
        take_option(a, c);
    while (optind < argc)
        take_word(a, argv[optind++]);
    check_arguments(a);
}

static int dry_run(const struct pipeline *p)
{
    struct pool *pool = pool_new();
    char exec[PATH_MAX];

    if (csp__program_path("exec", exec, sizeof exec) != 0)
        strcpy(exec, "exec");
    for (size_t i = 0; i < p->nprocesses; i++)
        for (unsigned replica = 1; replica <= p->processes[i].replicas; replica++) {
            printf("%s:", process_label(p, i, replica, pool));
            for (char **w = process_command(p, i, replica, exec, pool); *w != NULL; w++)
                printf(" %s", explain_word(pool, *w));
            putchar('\n');
        }
    pool_free(pool);
    return 0;
}

/* The service to be called, as the file has it; NULL where there is no such, which is said. */
static const char *service_called(const struct pipeline *p, const char *name)
{
    struct suggestion near = {.word = name};
    size_t i = pipeline_service(p, name);

    if (i != PIPELINE_NONE)
        return p->services[i].name;
    for (i = 0; i < p->nservices; i++)
        suggestion_offer(&near, p->services[i].name);
    if (near.best != NULL)
        message("%s: has no service '%s': did you mean '%s'?", p->path, name, near.best);
    else
        message("%s: has no service '%s': see 'cspctl explain'", p->path, name);
    return NULL;
}

/* The bridges write to it, from whatever directory: so it is made here, and known by its whole path. Returns 0, or the
 * exit status after saying what is wrong. */
static int open_joblog(struct pipeline *p, const struct arguments *a)
{
    bool tasks = false;

    if (a->joblog == NULL)
        return 0;
    for (size_t i = 0; i < p->nprocesses; i++)
        tasks |= p->processes[i].kind == PROCESS_EACH;
    if (!tasks) {
        message("run: --joblog: %s has no tasks to record: no process of it has `each`", p->path);
        return EX_USAGE;
    }
    int fd = open(a->joblog, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    char *whole = fd >= 0 ? realpath(a->joblog, NULL) : NULL;
    if (whole == NULL) {
        message("run: --joblog: %s: %s", a->joblog, strerror(errno));
        if (fd >= 0)
            close(fd);
        return EX_CANTCREAT;
    }
    struct stat st;
    bool readable = !a->resume || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
    close(fd);
    if (!readable) {
        message("run: --resume: %s: it is no regular file: what was done cannot be read from it", a->joblog);
        free(whole);
        return EX_CANTCREAT;
    }
    p->joblog = pool_copy(p->pool, whole, strlen(whole));
    p->joblog_resume = a->resume;
    free(whole);
    return 0;
}

static int start(struct pipeline *p, const struct arguments *a)
{
    struct order order = {
        .name = a->name != NULL ? a->name : p->name, .call_json = a->json, .options = a->options, .up = -1};
    int status = EX_USAGE;

    if (a->dry_run)
        return dry_run(p);
    if (a->call != NULL && (order.call = service_called(p, a->call)) == NULL)
        return EX_USAGE;
    int unusable = record_check(&a->options);
    if (unusable == 0)
        unusable = open_joblog(p, a);
    if (unusable != 0)
        return unusable;
    char *request = gather_words(a->words, a->nwords);
    order.request = request;
    if (request != NULL)
        status = a->detach ? detach(order.name, a->log, &order.up) : -1;
    if (status < 0)
        status = supervise(p, &order);
    free(request);
    return status;
}

static int run(int argc, char **argv)
{
    struct pool *pool = pool_new();
    struct arguments a = {.vars = pool_zalloc(pool, (size_t)argc * sizeof(char *)),
                          .words = pool_zalloc(pool, (size_t)argc * sizeof(char *))};
    int status = EX_CONFIG;

    parse(&a, argc, argv);
    if (a.bad) {
        pool_free(pool);
        return command_usage(&command_run);
    }
    struct diagnostics *d = diagnostics_new();
    struct pipeline *p = pipeline_load(a.file, a.vars, a.nvars, d);
    diagnostics_print(d, stderr, diagnostics_colour(stderr));
    if (p != NULL)
        status = start(p, &a);
    pipeline_free(p);
    diagnostics_free(d);
    pool_free(pool);
    return status;
}
