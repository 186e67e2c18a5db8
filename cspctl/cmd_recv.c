/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl recv: values from a channel of a live run, as a guest, a line each. Each value is written before the next is
 * received, so that at most one is on its way when this process is killed; and on a channel with retry it is done when
 * it was written, unless this program runs inside of a process, which says so itself (`cspctl ack`). */
#include "guest.h"
#include "message.h"
#include "run.h"
#include "text_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int run(int argc, char **argv);

const struct command command_recv = {
    .name = "recv",
    .args = "[--run NAME] [--timeout DURATION] [-n N] [-z] [-o json] CHANNEL",
    .help = "receive values from a channel of a live run, and print a line each",
    .run = run,
    .details =
        "  -r, --run NAME|DIR       which run, where there are several\n"
        "  -t, --timeout DURATION   for each value (none); 0ms: only if one is there\n"
        "  -n N                     this many values (1); 0: until the channel is closed, which is success then\n"
        "  -z                       end each with NUL instead of a newline\n"
        "  -o, --output text|json   json: {\"id\", \"tries\", \"reason\", \"value\"} for each, as on a channel with "
        "retry\n"
        "\nstatus: 0 all received, 1 the channel is closed, 124 time-out, 64 usage or no such channel, 69 no such\n"
        "run, or it has ended, 71 the system, 74 standard output can't be written\n",
};

static void print_json(const csp_msg *m)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", m->id != 0 ? json_integer((json_int_t)m->id) : json_null());
    json_object_set_new(o, "tries", json_integer(m->tries));
    json_object_set_new(o, "reason", text_json(m->reason));
    json_object_set_new(o, "value", bytes_json(m->data, m->len));
    (void)json_dumpf(o, stdout, JSON_COMPACT);
    json_decref(o);
}

/* The value is out, or not. */
static int conclude(const struct guest *g, const csp_msg *m, int error)
{
    bool leased = m->id != 0;

    if (error == 0 && leased && csp__inside() == 0 && csp_ack(m->id) != 0 && errno != ENOENT)
        return guest_failed(g, errno);
    if (error == 0)
        return 0;
    message("recv: standard output: %s: one value of %s is %s", strerror(error), g->name,
            !leased              ? "lost"
            : csp__inside() != 0 ? "leased, and not printed: see 'cspctl help ack'"
                                 : "delivered again");
    return EX_IOERR;
}

static int recv_one(const struct guest *g)
{
    csp_msg m;

    if (csp_recv_msg(g->channel, &m, guest_deadline(g)) != 0)
        return guest_failed(g, errno);
    if (g->json)
        print_json(&m);
    else
        (void)fwrite(m.data, 1, m.len, stdout);
    (void)putchar(g->nul ? '\0' : '\n');
    int status = conclude(g, &m, fflush(stdout) == 0 ? 0 : errno);
    csp_msg_free(&m);
    return status;
}

static int run(int argc, char **argv)
{
    struct guest g;
    int status = guest_begin(&g, &command_recv, "r:t:n:zo:", CSP_RECV, argc, argv);

    for (int64_t i = 0; status == 0 && (g.count == 0 || i < g.count); i++)
        status = recv_one(&g);
    return status == STATUS_CLOSED && g.count == 0 ? 0 : status;
}
