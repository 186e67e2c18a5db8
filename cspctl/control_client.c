/* SPDX-License-Identifier: MPL-2.0 */
#include "control.h"
#include "message.h"
#include "result.h"
#include "unit.h"

#include <polling.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define ANSWER_SIZE  65536
#define CONTROL_WAIT 60000000000LL /* ns */

bool control_options(const struct command *c, int argc, char **argv, struct control_options *o)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'}, {"timeout", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    bool bad = false;

    *o = (struct control_options){.timeout = CONTROL_WAIT};
    for (int letter; (letter = getopt_long(argc, argv, "r:t:", options, NULL)) != -1;)
        if (letter == 'r')
            o->run = optarg;
        else if (letter == 't')
            o->timeout = command_duration(c, "--timeout", optarg, &bad);
        else
            bad = true;
    return !bad && optind < argc;
}

static int connect_to(const struct live *run)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = -1;

    if (snprintf(to.sun_path, sizeof to.sun_path, "%s/control", run->dir) >= (int)sizeof to.sun_path)
        errno = ENAMETOOLONG;
    else
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        int err = errno;
        close(fd);
        errno = err;
        fd = -1;
    }
    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
        message("%s: no `cspctl run` supervises it, or it is just beginning or ending", run->info.name);
    else if (fd < 0)
        message("%s: its supervisor cannot be asked: %s", run->info.name, strerror(errno));
    return fd;
}

/* One packet. Its length, 0 where the other side has gone, -1 when the time is up. */
static ssize_t await(int fd, char *answer, csp_time by)
{
    if (csp__poll_in(fd, by) != 1)
        return -1;
    ssize_t got = TEMP_FAILURE_RETRY(recv(fd, answer, ANSWER_SIZE, 0));
    return got > 0 ? got : 0;
}

/* What it said: a line each to stdout where it was done, to stderr where it was not. */
static int report(const struct live *run, const char *answer, size_t size)
{
    json_error_t error;
    json_t *o = json_loadb(answer, size, 0, &error);
    const char *text = NULL;
    int status = EX_UNAVAILABLE;

    if (o == NULL || json_unpack(o, "{s:i, s:s}", "status", &status, "text", &text) != 0)
        message("%s: its supervisor is of another version of cspctl", run->info.name);
    else if (status != 0)
        message("%s: %s", run->info.name, text);
    else if (*text != '\0' && puts(text) < 0)
        status = EX_IOERR;
    json_decref(o);
    return status;
}

int control_ask(const struct live *run, json_t *request, int64_t timeout)
{
    static char answer[ANSWER_SIZE];
    csp_time by = csp_now() + timeout;
    char *text = json_dumps(request, JSON_COMPACT), wait[UNIT_TEXT];
    int fd = connect_to(run), status = EX_UNAVAILABLE;

    json_decref(request);
    if (fd >= 0 && (text == NULL || send(fd, text, strlen(text), MSG_NOSIGNAL) < 0))
        message("%s: its supervisor cannot be asked: %s", run->info.name, strerror(errno));
    else if (fd >= 0) {
        ssize_t n = await(fd, answer, by);
        if (n > 0)
            status = report(run, answer, (size_t)n);
        else if (n == 0)
            message("%s: the run has ended", run->info.name);
        else {
            message("%s: not done within %s; it goes on", run->info.name, unit_print_duration(timeout, wait));
            status = STATUS_DEADLINE;
        }
    }
    if (fd >= 0)
        close(fd);
    free(text);
    return status;
}

static int ask_each(const struct live *run, const json_t *requests, int64_t timeout)
{
    size_t i, n = json_array_size(requests);
    json_t *request;
    int status = 0;

    for (i = 0; n > 1 && status == 0 && i < n; i++) {
        request = json_copy(json_array_get(requests, i));
        (void)json_object_set_new(request, "look", json_true());
        status = control_ask(run, request, timeout);
    }
    for (i = 0; status == 0 && i < n; i++)
        status = control_ask(run, json_incref(json_array_get(requests, i)), timeout);
    return status;
}

int control_command(const struct command *c, int argc, char **argv, json_t *(*request)(const char *word))
{
    struct control_options o;
    struct live live;

    if (!control_options(c, argc, argv, &o))
        return command_usage(c);
    json_t *requests = json_array();
    for (int i = optind; i < argc; i++)
        if (json_array_append_new(requests, request(argv[i])) != 0) {
            json_decref(requests);
            return command_usage(c);
        }
    int status = live_find(o.run, &live);
    if (status == 0)
        status = ask_each(&live, requests, o.timeout);
    json_decref(requests);
    return status;
}
