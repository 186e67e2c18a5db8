/* SPDX-License-Identifier: MPL-2.0 */
/* How a test hears of deadlocks; see stuck.h. */
#include "stuck.h"

#include <stdio.h>

static unsigned total; /* processes that were said to be stuck, and are */

void stuck_start(void)
{
    static const char *const options[] = {"--notices", NULL};
    run.options = options;
    run_start();
    total = 0;
}

unsigned stuck_notice(void)
{
    char line[64];
    unsigned n = 0;
    hear_notice(line, sizeof line);
    ck_assert_msg(sscanf(line, "deadlock %u", &n) == 1, "the notice is \"%s\"", line);
    return n;
}

void stuck_no_more(unsigned n)
{
    total -= n;
}

void stuck(unsigned n)
{
    unsigned said;
    total += n;
    do
        said = stuck_notice();
    while (said < total);
    ck_assert_uint_eq(said, total);
}

bool is_stuck(const struct speaker *s)
{
    return strcmp(dump_field("process", s->process, STUCK_FIELD), "1") == 0;
}

void looked(void)
{
    struct speaker *s = colleague(0, 0, 0, 0);
    WAITS(s, NIL);
    stuck(1);
    ck_assert(is_stuck(s));
}

void no_more(struct speaker *s)
{
    withdraw(s);
    ck_assert_uint_eq(committed(s).which, WIRE_NO_CASE);
}

void abandon(uint64_t channel)
{
    ck_assert_int_eq(drop(run.root, channel, SEND | RECV), 0);
}
