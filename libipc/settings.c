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

/* Asks; 0, or -1 with the error noted: with the broker's own sentence, where it gave one. */
static int set(csp_chan c, const struct csp__settings *s, const void **answer, size_t *size)
{
    struct wire_set body = {.dead = s->retry.dead,
                            .least = s->retry.least,
                            .most = s->retry.most,
                            .attempts = s->retry.attempts,
                            .ordered = s->ordered != 0,
                            .overflow = (uint32_t)s->overflow};
    size_t len = s->durable != NULL ? strlen(s->durable) : 0;
    struct csp__request r = {
        .type = WIRE_SET, .chan = c, .head = &body, .head_len = sizeof body, .rest = s->durable, .rest_len = len};
    if (len > WIRE_MAX_PATH)
        return csp__failf(EINVAL, "set: the path of a directory has at most %d bytes", WIRE_MAX_PATH);
    struct csp__line *line = csp__line("set");
    if (line == NULL)
        return -1;
    int err = csp__ask(line, &r, CSP_FOREVER, len != 0 ? sizeof(struct wire_resumed) : 0, answer, size);
    if (err > 0 && *size > 0)
        return csp__failf(err, "%.*s", (int)*size, (const char *)*answer);
    return err == 0 ? 0 : csp__fail(err < 0 ? errno : err, "set", c);
}

int csp__set(csp_chan c, const struct csp__settings *s)
{
    const void *answer;
    size_t size;
    return set(c, s, &answer, &size);
}

int csp__set_durable(csp_chan c, const struct csp__settings *s, struct csp__resumed *resumed)
{
    struct wire_resumed found;
    const char *answer = NULL;
    size_t size;
    if (set(c, s, (const void **)&answer, &size) != 0 || answer == NULL)
        return -1;
    memcpy(&found, answer, sizeof found);
    resumed->values = found.values;
    resumed->senders = strndup(answer + sizeof found, size - sizeof found);
    return 0;
}

int csp__mark(enum csp__marked what, const char *name, unsigned replica)
{
    const struct wire_mark body = {.what = what == CSP__FINISHED ? WIRE_FINISHED : WIRE_RUN_DONE, .replica = replica};
    return csp__request(
        "mark", &(struct csp__request){
                    .type = WIRE_MARK, .head = &body, .head_len = sizeof body, .rest = name, .rest_len = strlen(name)});
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
