/* SPDX-License-Identifier: MPL-2.0 */
/* Wait groups. Decision: a group is a channel of another kind, so it is held, inherited, dropped and waited for, in a
 * select too, as channels are. */
#include "error.h"
#include "select.h"

#include <errno.h>

int csp_group_add(csp_chan g, int64_t n)
{
    struct wire_add body = {.n = n};
    struct csp__request r = {.type = WIRE_ADD, .chan = g, .head = &body, .head_len = sizeof body};
    int result = csp__request("add to the wait group", &r);
    if (result != 0 && errno == EINVAL)
        return csp__failf(EINVAL, "add to the wait group: the count would fall below 0 or be too large, or it is none");
    return result;
}

CSP__ENTRY int csp_group_wait(csp_chan g, csp_time by)
{
    if (g == 0)
        return csp__fail(EBADF, "wait for the group", 0);
    csp_case wait = csp_on_group(g);
    return csp__select(&wait, 1, by, 0, CSP__CALL("wait for the group")) < 0 ? -1 : 0;
}
