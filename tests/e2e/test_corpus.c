/* SPDX-License-Identifier: MPL-2.0 */
/* The builder of indexes, scripts/corpus and config/corpus.yaml: all of its input is in them, or they are as they were.
 */
#include "harness.h"

#include "leftover.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The sum of the numbers before " rows" in what the script says. */
static long rows_in(const struct text *said)
{
    long sum = 0;
    for (const char *s = said->data; (s = strstr(s, ".db: ")) != NULL; s++)
        sum += strtol(s + strlen(".db: "), NULL, 10);
    return sum;
}

TEST(every_installed_file_is_in_one_of_the_indexes)
{
    struct outcome o = sh("BUILD='%s' scripts/corpus --local -o '%s'", built("."), in_scratch("corpus"));
    assert_status(&o, 0);
    struct outcome lines = sh("scripts/corpus --local --lines | wc -l");
    ck_assert_int_gt(rows_in(&o.err), 0);
    ck_assert_int_eq(rows_in(&o.err), strtol(lines.out.data, NULL, 10));
    outcome_free(&lines);
    outcome_free(&o);
    o = sh("ls -A '%s'", in_scratch("corpus"));
    ck_assert_str_eq(o.out.data, "image.db\nmedia.db\nweb.db\n");
    outcome_free(&o);
    o = sh("'%s' --query '%s' copyright", built("libexec/csp/search"), in_scratch("corpus/web.db"));
    assert_status(&o, 0);
    assert_contains(&o.out, "copyright");
    outcome_free(&o);
}

TEST(a_build_that_fails_leaves_the_old_indexes)
{
    struct outcome o =
        sh("printf 'old\\tone\\n' | '%s' --build '%s'", built("libexec/csp/search"), in_scratch("web.db"));
    assert_status(&o, 0);
    outcome_free(&o);
    o = sh("cspctl run config/corpus.yaml out='%s' search='%s' read='seq -f \"usr/%%g.html web/new\" 100000; exit 3'",
           scratch(), built("libexec/csp/search"));
    assert_status(&o, 3);
    outcome_free(&o);
    o = sh("'%s' --query '%s' old", built("libexec/csp/search"), in_scratch("web.db"));
    assert_contains(&o.out, "\"one\"");
    outcome_free(&o);
    ck_assert_int_ne(access(in_scratch("image.db"), F_OK), 0);
    ck_assert_int_ne(access(in_scratch("media.db"), F_OK), 0);
}

TEST(mistakes_are_usage)
{
    struct outcome o = sh("BUILD='%s' scripts/corpus --tiny", built("."));
    assert_status(&o, 64);
    assert_contains(&o.err, "--tiny: unknown");
    outcome_free(&o);
}

SUITE_OF(corpus)
