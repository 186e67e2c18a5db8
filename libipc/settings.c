/* SPDX-License-Identifier: MPL-2.0 */
/* Settings of a channel. Decision: they are the broker's to check and to keep, all of them in one frame, so that a
 * channel never has half of what its file says. */
#include "error.h"
#include "line.h"
#include "run.h"

#include <errno.h>
#include <string.h>

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
