/* SPDX-License-Identifier: MPL-2.0 */
/* A value there and back through libipc, over two channels. Decision: it can be measured in a run that is full of
 * others, so that what a process or a channel more costs everybody else shows.
 *
 *     roundtrip pair|rendezvous|channel|stream [SIZE=8] [PROCESSES=1: more of them, idle] [CHANNELS=1] */
#include "csp.h"
#include "trips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 16, WINDOW = 1 << 16 };

struct end {
    csp_chan in, out;
};

static csp_chan there, back, idle;
static size_t size;
static bool streams;

static void send_one(void *end, const void *p, size_t len)
{
    must_csp(csp_send(((struct end *)end)->out, p, len, CSP_FOREVER) == 0, "send");
}

static size_t receive_one(void *end, void *p, size_t cap)
{
    ssize_t len = csp_recv(((struct end *)end)->in, p, cap, CSP_FOREVER);
    must_csp(len >= 0, "receive");
    return (size_t)len;
}

static void become_streams(const struct end *end)
{
    must_csp(!streams || csp_stream(end->in, CSP_RECV, WINDOW) == 0, "stream");
    must_csp(!streams || csp_stream(end->out, CSP_SEND, WINDOW) == 0, "stream");
}

static int answerer(void *arg)
{
    (void)arg;
    struct end end = {.in = there, .out = back};
    become_streams(&end);
    trips_answer(send_one, receive_one, &end, size);
    return 0;
}

static int idler(void *arg)
{
    (void)arg;
    csp_drop(idle, CSP_SEND);
    return csp_recv(idle, NULL, 0, CSP_FOREVER) >= 0; /* until it is closed */
}

static csp_chan make(const char *kind)
{
    csp_chan c =
        strcmp(kind, "pair") == 0 ? csp_pair(CAPACITY) : csp_make(strcmp(kind, "rendezvous") == 0 ? 0 : CAPACITY);
    must_csp(c != 0, kind);
    return c;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc >= 2, "roundtrip pair|rendezvous|channel|stream [SIZE] [PROCESSES] [CHANNELS]");
    size = number_argument(argv, 2, 8);
    size_t processes = argc > 3 ? number_argument(argv, 3, 1) : 1,
           channels = argc > 4 ? number_argument(argv, 4, 1) : 1;
    csp_proc *idlers = calloc(processes, sizeof *idlers);
    must(idlers != NULL, "memory");
    streams = strcmp(argv[1], "stream") == 0;
    must_csp((idle = csp_make(0)) != 0, "make");
    for (size_t i = 1; i < processes; i++)
        must_csp((idlers[i] = csp_go(idler, NULL)) >= 0, "go");
    there = make(argv[1]), back = make(argv[1]);
    for (size_t i = 1; i < channels; i++)
        make(argv[1]);
    csp_proc child = csp_go(answerer, NULL);
    must_csp(child >= 0, "go");
    struct end end = {.in = back, .out = there};
    become_streams(&end);
    trips_ask(send_one, receive_one, &end, size);
    must_csp(csp_wait(child, NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_close(idle) == 0, "close");
    for (size_t i = 1; i < processes; i++)
        must_csp(csp_wait(idlers[i], NULL, CSP_FOREVER) == 0, "wait");
    must_csp(csp_term() == 0, "term");
    free(idlers);
    return 0;
}
