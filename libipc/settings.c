/* SPDX-License-Identifier: MPL-2.0 */
/* A channel's settings, and its leases as the broker knows them. Decision: both are the broker's to check and to keep:
 * the settings all in one frame, so that a channel never has half of what its file says; the leases by their age, so
 * that a shell script, whose commands are each a process, needs to remember no id. */
#include "error.h"
#include "line.h"
#include "run.h"

#include <errno.h>
#include <string.h>

_Static_assert(CSP__DONE == WIRE_DONE, "a SETTLE's delay");

int csp__set(csp_chan c, const struct csp__settings *s)
{
    struct wire_set body = {.dead = s->retry.dead,
                            .least = s->retry.least,
                            .most = s->retry.most,
                            .attempts = s->retry.attempts,
                            .ordered = s->ordered != 0,
                            .overflow = (uint32_t)s->overflow};
    size_t len = s->durable != NULL ? strlen(s->durable) : 0;
    if (len > WIRE_MAX_PATH)
        return csp__failf(EINVAL, "set: the path of a directory has at most %d bytes", WIRE_MAX_PATH);
    return csp__request(
        "set",
        &(struct csp__request){
            .type = WIRE_SET, .chan = c, .head = &body, .head_len = sizeof body, .rest = s->durable, .rest_len = len});
}

int csp_set_retry(csp_chan c, const csp_retry *r)
{
    if (r == NULL || r->attempts == 0 || r->least < 0 || r->most < r->least)
        return csp__failf(EINVAL, "set retry: attempts are at least 1, and the times 0 <= least <= most");
    return csp__set(c, &(struct csp__settings){.retry = *r});
}

int64_t csp__settle_oldest(csp_chan c, uint64_t count, csp_time delay, const char *reason)
{
    static const char what[] = "settle";
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return -1;
    struct wire_settle body = {.count = count, .delay = delay};
    const void *answer;
    int err = csp__ask(line,
                       &(struct csp__request){.type = WIRE_SETTLE,
                                              .chan = c,
                                              .head = &body,
                                              .head_len = sizeof body,
                                              .rest = reason,
                                              .rest_len = reason != NULL ? strnlen(reason, WIRE_MAX_REASON) : 0},
                       CSP_FOREVER, sizeof body, &answer, NULL);
    if (err != 0)
        return csp__fail(err < 0 ? errno : err, what, c);
    memcpy(&body, answer, sizeof body);
    return (int64_t)body.count;
}
