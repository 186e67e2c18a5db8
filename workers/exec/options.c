/* SPDX-License-Identifier: MPL-2.0 */
/* Reading the command line with getopt_long, up to the program's name. Everything wrong is refused here, before a run
 * is joined, so that nothing behind this file meets a descriptor twice or a channel in two inlets. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_IN = 1,
    OPT_OUT,
    OPT_IN_FD,
    OPT_OUT_FD,
    OPT_ERR,
    OPT_SERVE,
    OPT_RECORDS,
    OPT_RECORDS_IN,
    OPT_RECORDS_OUT,
    OPT_SUCCESS,
    OPT_REPORT,
    OPT_GRACE,
    OPT_READY,
    OPT_LABEL,
    OPT_EACH,
    OPT_VALUE,
    OPT_VALUES,
    OPT_BATCH,
    OPT_BATCH_BYTES,
    OPT_REJECT,
    OPT_ACK,
    OPT_TIMEOUT,
    OPT_ORDERED,
    OPT_SKIP,
    OPT_TASKS,
    OPT_PARTITION,
    OPT_JOBLOG,
    OPT_JOBLOG_NAME,
    OPT_JOBLOG_RESUME
};

static const struct option long_options[] = {
    {"in", required_argument, NULL, OPT_IN},
    {"out", required_argument, NULL, OPT_OUT},
    {"in-fd", required_argument, NULL, OPT_IN_FD},
    {"out-fd", required_argument, NULL, OPT_OUT_FD},
    {"err", required_argument, NULL, OPT_ERR},
    {"serve", required_argument, NULL, OPT_SERVE},
    {"records", required_argument, NULL, OPT_RECORDS},
    {"records-in", required_argument, NULL, OPT_RECORDS_IN},
    {"records-out", required_argument, NULL, OPT_RECORDS_OUT},
    {"success", required_argument, NULL, OPT_SUCCESS},
    {"report", required_argument, NULL, OPT_REPORT},
    {"grace", required_argument, NULL, OPT_GRACE},
    {"ready", required_argument, NULL, OPT_READY},
    {"label", required_argument, NULL, OPT_LABEL},
    {"each", no_argument, NULL, OPT_EACH},
    {"value", required_argument, NULL, OPT_VALUE},
    {"values", required_argument, NULL, OPT_VALUES},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"batch-bytes", required_argument, NULL, OPT_BATCH_BYTES},
    {"reject", required_argument, NULL, OPT_REJECT},
    {"ack", required_argument, NULL, OPT_ACK},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"ordered", no_argument, NULL, OPT_ORDERED},
    {"skip", no_argument, NULL, OPT_SKIP},
    {"tasks", required_argument, NULL, OPT_TASKS},
    {"partition", required_argument, NULL, OPT_PARTITION},
    {"joblog", required_argument, NULL, OPT_JOBLOG},
    {"joblog-name", required_argument, NULL, OPT_JOBLOG_NAME},
    {"joblog-resume", no_argument, NULL, OPT_JOBLOG_RESUME},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: exec [--in CHAN]... [--out CHAN]... [--in-fd FD:CHAN]... [--out-fd FD:CHAN]... [--err CHAN]\n"
    "            [--serve CHAN] [--records line|nul|length|whole] [--records-in R] [--records-out R]\n"
    "            [--success CODE,...] [--report FD] [--grace MS] [--ready REGEX] [--label NAME] [--ack line|explicit]\n"
    "            [--each [--value AT]... [--values AT]... [--batch COUNT] [--batch-bytes SIZE] [--reject CODE,...]\n"
    "                    [--joblog FILE --joblog-name REPLICA:NAME [--joblog-resume]]]\n"
    "            [--timeout MS] [--ordered] [--skip] [--tasks FD]... -- PROGRAM ARG...\n"
    "       exec --partition FIELD --in CHAN --out CHAN... [--report FD] [--label NAME]\n";

static int wrong(const char *option, const char *value, const char *what)
{
    fprintf(stderr, "exec: --%s %s: %s\n", option, value, what);
    return -1;
}

/* A decimal number from 0 to max; text must end at `end`, which is one of its characters. */
static int number(const char *text, char end, int64_t max, int64_t *n)
{
    char *stop;
    errno = 0;
    long long v = strtoll(text, &stop, 10);
    if (*text < '0' || *text > '9' || errno != 0 || *stop != end || v > max)
        return -1;
    *n = v;
    return 0;
}

/* Adds a channel to the port of a descriptor, which is made if it is not there. 0, or -1 with errno. */
static int add(struct port **ports, size_t *n, int fd, const char *name)
{
    struct port *p = *ports;
    size_t i = 0;
    while (i < *n && p[i].fd != fd)
        i++;
    if (i == *n) {
        if ((p = reallocarray(p, *n + 1, sizeof *p)) == NULL)
            return -1;
        *ports = p;
        p[(*n)++] = (struct port){.fd = fd};
    }
    const char **names = reallocarray(p[i].names, p[i].n + 1, sizeof *names);
    if (names == NULL)
        return -1;
    p[i].names = names;
    csp_chan *chans = reallocarray(p[i].chans, p[i].n + 1, sizeof *chans);
    if (chans == NULL)
        return -1;
    p[i].chans = chans;
    chans[p[i].n] = 0;
    names[p[i].n++] = name;
    return 0;
}

static int add_fd(struct port **ports, size_t *n, const char *option, const char *arg)
{
    int64_t fd;
    const char *colon = strchr(arg, ':');
    if (colon == NULL || colon[1] == '\0' || number(arg, ':', 65535, &fd) != 0)
        return wrong(option, arg, "not of the form FD:CHANNEL, as 3:lines");
    return add(ports, n, (int)fd, colon + 1) != 0 ? wrong(option, arg, "no memory") : 0;
}

static int read_codes(const char *option, bool codes[256], const char *arg)
{
    memset(codes, 0, 256 * sizeof *codes);
    for (const char *at = arg;; at++) {
        int64_t code;
        const char *end = strchrnul(at, ',');
        if (number(at, *end, 255, &code) != 0)
            return wrong(option, arg, "not a list of exit codes from 0 to 255, as 0,1");
        codes[code] = true;
        at = end;
        if (*at == '\0')
            return 0;
    }
}

static int read_framing(const char *option, const char *arg, int *framing)
{
    *framing = framing_by_name(arg);
    return *framing < 0 ? wrong(option, arg, "must be line, nul, length or whole") : 0;
}

static int read_number(const char *option, const char *arg, int64_t max, int64_t *n)
{
    return number(arg, '\0', max, n) != 0 ? wrong(option, arg, "not a number, or too large") : 0;
}

static int add_slot(struct options *o, const char *option, const char *arg, bool all)
{
    int64_t at = 0;
    if (read_number(option, arg, INT32_MAX, &at) != 0)
        return -1;
    struct slot *slots = reallocarray(o->slots, o->nslots + 1, sizeof *slots);
    if (slots == NULL)
        return wrong(option, arg, "no memory");
    o->slots = slots;
    slots[o->nslots++] = (struct slot){.at = (size_t)at, .all = all};
    return 0;
}

static int read_ack(struct options *o, const char *arg)
{
    o->ack = strcmp(arg, "line") == 0 ? ACK_BY_LINE : strcmp(arg, "explicit") == 0 ? ACK_BY_PROGRAM : ACK_BY_WRITE;
    return o->ack == ACK_BY_WRITE ? wrong("ack", arg, "must be line or explicit") : 0;
}

/* What the descriptor, which was given before, leads to. */
static int mark_tasks(struct options *o, const char *arg)
{
    int64_t fd = 0;
    if (read_number("tasks", arg, INT32_MAX, &fd) != 0)
        return -1;
    for (size_t i = 0; i < o->nout; i++)
        if (o->out[i].fd == fd) {
            o->out[i].tasks = true;
            return 0;
        }
    return wrong("tasks", arg, "leads to no channel");
}

/* Options about the acknowledgement of values. */
static int read_lease_option(struct options *o, int option, const char *arg)
{
    switch (option) {
    case OPT_EACH:
        o->each = true;
        return 0;
    case OPT_VALUE:
        return add_slot(o, "value", arg, false);
    case OPT_VALUES:
        return add_slot(o, "values", arg, true);
    case OPT_BATCH:
        return read_number("batch", arg, INT32_MAX, &o->batch);
    case OPT_BATCH_BYTES:
        return read_number("batch-bytes", arg, INT32_MAX, &o->batch_bytes);
    case OPT_TIMEOUT:
        return read_number("timeout", arg, INT64_MAX / 1000000, &o->timeout);
    case OPT_ACK:
        return read_ack(o, arg);
    case OPT_PARTITION:
        o->partition = arg;
        return 0;
    case OPT_ORDERED:
        o->ordered = true;
        return 0;
    case OPT_SKIP:
        o->skip = true;
        return 0;
    case OPT_TASKS:
        return mark_tasks(o, arg);
    default:
        fputs(usage, stderr);
        return -1;
    }
}

static int read_regex(struct options *o, const char *arg)
{
    char why[200];
    if (spotter_compile(&o->ready, arg, why, sizeof why) != 0)
        return wrong("ready", arg, why);
    o->has_ready = true;
    return 0;
}

/* REPLICA:NAME */
static int read_joblog_name(struct options *o, const char *arg)
{
    int64_t n = 0;
    const char *colon = strchr(arg, ':');
    if (colon == NULL || number(arg, ':', INT32_MAX, &n) != 0)
        return wrong("joblog-name", arg, "write REPLICA:NAME");
    o->joblog_replica = (unsigned)n;
    o->joblog_name = colon + 1;
    return 0;
}

struct framings {
    int both, in, out;
};

static int read_option(struct options *o, struct framings *f, int option, const char *arg)
{
    int64_t n = 0;
    int result;
    switch (option) {
    case OPT_IN:
        return add(&o->in, &o->nin, 0, arg) != 0 ? wrong("in", arg, "no memory") : 0;
    case OPT_OUT:
        return add(&o->out, &o->nout, 1, arg) != 0 ? wrong("out", arg, "no memory") : 0;
    case OPT_ERR:
        return add(&o->out, &o->nout, 2, arg) != 0 ? wrong("err", arg, "no memory") : 0;
    case OPT_IN_FD:
        return add_fd(&o->in, &o->nin, "in-fd", arg);
    case OPT_OUT_FD:
        return add_fd(&o->out, &o->nout, "out-fd", arg);
    case OPT_RECORDS:
        return read_framing("records", arg, &f->both);
    case OPT_RECORDS_IN:
        return read_framing("records-in", arg, &f->in);
    case OPT_RECORDS_OUT:
        return read_framing("records-out", arg, &f->out);
    case OPT_SUCCESS:
        return read_codes("success", o->success, arg);
    case OPT_REJECT:
        return read_codes("reject", o->reject, arg);
    case OPT_REPORT:
        result = read_number("report", arg, INT_MAX, &n);
        o->report = (int)n;
        return result;
    case OPT_GRACE:
        return read_number("grace", arg, INT32_MAX, &o->grace);
    case OPT_READY:
        return read_regex(o, arg);
    case OPT_SERVE:
        o->serve = arg;
        return 0;
    case OPT_LABEL:
        o->label = arg;
        return 0;
    case OPT_JOBLOG:
        o->joblog = arg;
        return 0;
    case OPT_JOBLOG_NAME:
        return read_joblog_name(o, arg);
    case OPT_JOBLOG_RESUME:
        o->joblog_resume = true;
        return 0;
    default:
        return read_lease_option(o, option, arg);
    }
}

static bool has_fd(const struct port *p, size_t n, int fd)
{
    for (size_t i = 0; i < n; i++)
        if (p[i].fd == fd)
            return true;
    return false;
}

/* A channel that two inlets read would give each of them some of its values: nobody means that. */
static bool read_before(const struct options *o, size_t port, size_t name)
{
    for (size_t i = 0; i <= port; i++)
        for (size_t k = 0; k < (i == port ? name : o->in[i].n); k++)
            if (strcmp(o->in[i].names[k], o->in[port].names[name]) == 0)
                return true;
    return false;
}

static int check_leases(const struct options *o, size_t argc)
{
    bool alone = o->nin == 1 && o->in[0].fd == 0 && o->serve == NULL;
    for (size_t i = 0; i < o->nslots; i++)
        if (o->slots[i].at >= argc) {
            fprintf(stderr, "exec: --value %zu: the program has %zu arguments\n", o->slots[i].at, argc);
            return -1;
        }
    if (o->partition != NULL && !(alone && o->in[0].n == 1 && o->nout == 1 && o->out[0].fd == 1))
        return wrong("partition", o->partition, "is from one --in to several --out");
    if (o->joblog != NULL && (!o->each || o->joblog_name == NULL))
        return wrong("joblog", o->joblog, "is for --each, with --joblog-name");
    if (o->each && !alone)
        return wrong("each", "", "its values come from --in alone");
    if (o->ack == ACK_BY_LINE && (!alone || !has_fd(o->out, o->nout, 1)))
        return wrong("ack", "line", "is between --in and --out alone");
    return 0;
}

static int check(const struct options *o)
{
    for (size_t i = 0; i < o->nin; i++) {
        if (has_fd(o->out, o->nout, o->in[i].fd)) {
            fprintf(stderr, "exec: descriptor %d: both in and out: give them two descriptors\n", o->in[i].fd);
            return -1;
        }
        for (size_t k = 0; k < o->in[i].n; k++)
            if (read_before(o, i, k))
                return wrong("in", o->in[i].names[k], "given twice: a channel leads to one descriptor, once");
    }
    if (o->serve != NULL && (has_fd(o->in, o->nin, 0) || has_fd(o->out, o->nout, 1)))
        return wrong("serve", o->serve,
                     "its program has its stdin and stdout for requests and answers: no --in, --out");
    return 0;
}

int options_read(struct options *o, int argc, char **argv)
{
    struct framings f = {FRAMING_LINE, -1, -1};
    int option;
    *o = (struct options){.report = -1, .grace = 10000, .success = {[0] = true}};
    while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
        if (read_option(o, &f, option, optarg) != 0)
            return -1;
    o->argv = argv + optind;
    if (*o->argv == NULL && o->partition == NULL) {
        fputs(usage, stderr);
        return -1;
    }
    for (size_t i = 0; i < o->nin; i++)
        o->in[i].framing = (enum framing)(f.in >= 0 ? f.in : f.both);
    const char *resumed = o->skip ? getenv("CSP_RESUMED") : NULL;
    for (size_t i = 0; i < o->nout; i++)
        o->out[i].skip = resumed != NULL && o->out[i].fd == 1 ? strtoull(resumed, NULL, 10) : 0;
    for (size_t i = 0; i < o->nout; i++)
        o->out[i].framing = o->out[i].fd == 2 ? FRAMING_LINE : (enum framing)(f.out >= 0 ? f.out : f.both);
    if (o->label == NULL) {
        const char *program = *o->argv != NULL ? *o->argv : "partition", *slash = strrchr(program, '/');
        o->label = slash != NULL ? slash + 1 : program;
    }
    return check(o) != 0 || check_leases(o, (size_t)argc - (size_t)optind) != 0 ? -1 : 0;
}

static void free_ports(struct port *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(p[i].names);
        free(p[i].chans);
    }
    free(p);
}

void options_free(struct options *o)
{
    free_ports(o->in, o->nin);
    free_ports(o->out, o->nout);
    free(o->slots);
    if (o->has_ready)
        regfree(&o->ready);
}
