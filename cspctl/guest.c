/* SPDX-License-Identifier: MPL-2.0 */
/* Closed and late are answers, not errors: they have a status of their own, and nothing is printed for them. */
#include "guest.h"
#include "live.h"
#include "message.h"
#include "result.h"
#include "run.h"
#include "unit.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

static void take_count(struct guest *g, const struct command *c, const char *text, bool *bad)
{
    const char *wrong = unit_count(text, &g->count);

    if (wrong != NULL) {
        message("%s: -n %s: it %s: write a number of values", c->name, text, wrong);
        *bad = true;
    }
}

/* What `ack` is to say. */
static void take_verdict(struct guest *g, const struct command *c, int option, bool *bad)
{
    if (option == 'a') {
        g->all = true;
        return;
    }
    if (g->again != CSP__DONE) {
        message("%s: --retry and --reject are one too many: a value is either", c->name);
        *bad = true;
    }
    if (option == 'j')
        g->reason = optarg;
    g->again = option == 'j'    ? CSP_FOREVER
               : optarg != NULL ? command_duration(c, "--retry", optarg, bad)
                                : CSP_BACK_OFF;
}

static bool parse(struct guest *g, const struct command *c, const char *letters, int argc, char **argv)
{
    static const struct option options[] = {{"run", required_argument, NULL, 'r'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"retry", optional_argument, NULL, 'y'},
                                            {"reject", required_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    bool bad = false;

    *g = (struct guest){.timeout = -1, .count = 1, .again = CSP__DONE};
    for (int o; (o = getopt_long(argc, argv, letters, options, NULL)) != -1;)
        if (strchr(letters, o) == NULL)
            bad = true; /* a long option that this command does not have, or '?' */
        else if (o == 'r')
            g->run = optarg;
        else if (o == 't')
            g->timeout = command_duration(c, "--timeout", optarg, &bad);
        else if (o == 'n')
            take_count(g, c, optarg, &bad);
        else if (o == 'z')
            g->nul = true;
        else if (o == 'o')
            g->json = command_json(optarg, &bad);
        else
            take_verdict(g, c, o, &bad);
    if (!bad && optind >= argc) {
        message("%s: a channel is missing", c->name);
        bad = true;
    }
    return !bad;
}

int guest_begin(struct guest *g, const struct command *c, const char *letters, int ends, int argc, char **argv)
{
    struct live live;

    if (!parse(g, c, letters, argc, argv))
        return command_usage(c);
    g->name = argv[optind++];
    if (optind < argc && c != &command_send)
        return command_surplus(c, argv[optind], "");
    int status = live_join(g->run, &live);
    return status != 0 ? status : live_channel(g->name, ends, &g->channel);
}

csp_time guest_deadline(const struct guest *g)
{
    if (g->timeout < 0)
        return CSP_FOREVER;
    return g->timeout == 0 ? CSP_NOW : csp_now() + g->timeout;
}

int guest_failed(const struct guest *g, int error)
{
    switch (error) {
    case EPIPE:
        return STATUS_CLOSED;
    case EAGAIN:
    case ETIMEDOUT:
        return STATUS_DEADLINE;
    case ENOTCONN:
        message("%s: the run has ended", g->name);
        return EX_UNAVAILABLE;
    case EMSGSIZE:
        message("%s: the value is larger than its max_bytes: see 'cspctl explain'", g->name);
        return EX_DATAERR;
    case ENOBUFS: /* of a channel: see csp_send */
        message("%s: the channel is full, and its overflow policy is reject: the value was not sent: send it again"
                " later, or write overflow: block",
                g->name);
        return EX_TEMPFAIL;
    default:
        message("%s: %s", g->name, csp_errmsg());
        return EX_OSERR;
    }
}
