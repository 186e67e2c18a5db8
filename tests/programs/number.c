/* SPDX-License-Identifier: MPL-2.0 */
/* Decision: a value of another length than a number's is wrong: nothing else is sent on these channels. */
#include "number.h"

#include "journal.h"
#include "verdict.h"

struct number number(int64_t n)
{
    return (struct number){.id = journal_id(), .n = n};
}

int number_send(csp_chan c, int64_t n, csp_time by)
{
    struct number value = number(n);
    return csp_send(c, &value, sizeof value, by);
}

static void note(csp_chan c, const struct number *value, size_t len)
{
    if (len != sizeof *value)
        wrong("a value of %zu bytes on channel %lu: no number", len, (unsigned long)c);
    journal_received(c, value, sizeof *value);
}

int number_receive(csp_chan c, int64_t *n, csp_time by)
{
    struct number value = {0};
    ssize_t len = csp_recv(c, &value, sizeof value, by);
    if (len < 0)
        return -1;
    note(c, &value, (size_t)len);
    *n = value.n;
    return 0;
}

csp_case on_number(csp_chan c, struct number *got)
{
    return csp_on_recv(c, got, sizeof *got);
}

void number_got(const csp_case *happened)
{
    note(happened->chan, happened->buf, happened->len);
}
