/* SPDX-License-Identifier: MPL-2.0 */
/* Announcing processes that somebody else starts: for cspctl and the bridge. Decision: what run.h offers is the
 * protocol itself, a request a function; who starts, waits and decides is the caller. */
#include "error.h"
#include "line.h"
#include "process.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 10000 /* a broker that has not answered by then never will */

csp_proc csp__announce(const struct csp__announcement *a, uint64_t *ticket)
{
    struct csp__line *line = csp__line("announce");
    if (line == NULL)
        return -1;
    const char *name = a->name != NULL ? a->name : "";
    size_t name_len = strlen(name), ends_len = a->n * sizeof(struct wire_ends);
    if (name_len > WIRE_MAX_NAME)
        return csp__failf(EINVAL, "announce: a process's name has at most %d bytes", WIRE_MAX_NAME);
    char *rest = malloc(ends_len + name_len + 1);
    if (rest == NULL)
        return csp__fail(ENOMEM, "announce", 0);
    for (size_t i = 0; i < a->n; i++) {
        struct wire_ends ends = {.channel = a->grants[i].chan, .ends = (uint32_t)a->grants[i].ends};
        memcpy(rest + i * sizeof ends, &ends, sizeof ends);
    }
    memcpy(rest + ends_len, name, name_len + 1);
    struct wire_announce body = {
        .replica = a->replica, .success = {1}, .after = (uint64_t)a->after, .timeout = a->timeout};
    if (a->success != NULL)
        memcpy(body.success, a->success, sizeof body.success);
    struct csp__request r = {
        .count = (uint32_t)a->n, .head = &body, .head_len = sizeof body, .rest = rest, .rest_len = ends_len + name_len};
    csp_proc process = -1;
    int result = csp__announce_request(line, &r, "announce", &process, ticket);
    int err = errno;
    free(rest);
    errno = err;
    return result == 0 ? process : -1;
}

int csp__started(csp_proc p, pid_t pid)
{
    struct wire_started body = {.process = (uint64_t)p, .pid = (uint32_t)pid};
    return csp__request("tell of a start",
                        &(struct csp__request){.type = WIRE_STARTED, .head = &body, .head_len = sizeof body});
}

int csp__reaped(csp_proc p, csp_exit why, csp_exit *told)
{
    struct wire_exit body = {.process = (uint64_t)p, .how = why.how, .code = why.code};
    const struct csp__request r = {.type = WIRE_REAPED, .head = &body, .head_len = sizeof body};
    static const char what[] = "tell of an end";
    struct csp__line *line = csp__line(what);
    const void *answer = NULL;
    size_t len = 0;
    if (line == NULL)
        return -1;
    int err = csp__ask(line, &r, csp_in(ANSWER_MS), sizeof body, &answer, &len);
    if (err < 0 && errno == ETIMEDOUT) {
        line->gone = 1; /* stopped, or hung: a supervisor must be able to end the run all the same */
        return csp__fail(ENOTCONN, what, 0);
    }
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, what, 0);
    memcpy(&body, answer, sizeof body);
    if (told != NULL)
        *told = (csp_exit){body.how, body.code};
    return 0;
}

int csp__program(pid_t group)
{
    return csp__request("name a program's group",
                        &(struct csp__request){.type = WIRE_PROGRAM, .count = (uint32_t)group});
}
