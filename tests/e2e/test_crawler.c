/* SPDX-License-Identifier: MPL-2.0 */
/* The samples of acknowledged delivery, as a user runs them, the crawler also while its fetchers are killed. Decision:
 * what is killed is found by `cspctl ps`, at times that the test does not choose: what must hold holds whenever they
 * come. */
#include "harness.h"

#include "leftover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pages that were stored, each once, and nothing else but the one that is not there. */
static void assert_pages(const struct text *out, int pages)
{
    write_text(in_scratch("out"), "%s", out->data);
    struct outcome o =
        sh("grep -c 'not fetched: exit status 65' %s; grep -v 'not fetched' %s | cut -d ' ' -f 1 | sort -n | "
           "cksum; seq %d | sed s/$/.html/ | cksum",
           in_scratch("out"), in_scratch("out"), pages);
    char *first = strchr(o.out.data, '\n') + 1, *second = strchr(first, '\n') + 1;
    ck_assert_msg(o.out.data[0] == '1' && o.out.data[1] == '\n', "dead links: %s", o.out.data);
    ck_assert_msg(strncmp(first, second, (size_t)(second - first)) == 0, "other pages than there are: %s", out->data);
    outcome_free(&o);
}

TEST(a_crawler_fetches_each_page_once_and_ends_by_itself)
{
    struct outcome o = sh("cspctl run config/crawler.yaml site=%s pages=200", in_scratch("site"));
    assert_status(&o, 0);
    assert_pages(&o.out, 200);
    outcome_free(&o);
}

TEST(also_while_its_fetchers_are_killed)
{
    /* Sixteen times what a fetcher runs, twice of them the bridge that runs it; it has five restarts, and a page that
     * is hit again and again may be fetched as often. Who is not there is not killed: nothing that is empty is ever
     * given to kill or pgrep, which would take it for somebody else. */
    struct outcome o = sh(
        "sed 's/attempts: 5/attempts: 99/' config/crawler.yaml > %s || exit; cspctl run %s site=%s pages=150 & run=$!; "
        "i=0; while [ $i -lt 16 ] && kill -0 $run; do "
        "pid=$(cspctl ps --run crawler -o json | jq -r '.runs[].processes[] | select(.name == \"fetch\" and .pid > 1) "
        "| .pid' | shuf -n 1); [ -n \"$pid\" ] || continue; [ $i = 7 ] || [ $i = 15 ] || pid=$(pgrep -P \"$pid\" | "
        "head -n 1); [ -n \"$pid\" ] && kill -9 \"$pid\" && i=$((i + 1)); done 2>/dev/null; wait $run",
        in_scratch("crawler.yaml"), in_scratch("crawler.yaml"), in_scratch("site"));
    assert_status(&o, 0);
    assert_pages(&o.out, 150);
    outcome_free(&o);
}

TEST(thumbnails_are_retried_and_what_is_no_picture_is_put_aside)
{
    struct outcome o = sh("cspctl run config/thumbnails.yaml photos=%s && ls %s/*.thumb | wc -l", in_scratch("photos"),
                          in_scratch("photos"));
    assert_status(&o, 0);
    assert_contains(&o.out, "1.pgm: 64x64 -> 16x16, try 1\n");
    assert_contains(&o.out, "20.pgm: 64x64 -> 16x16, try 2\n");
    assert_contains(&o.out, "failed: 13.pgm: exit status 65: not a picture\n");
    assert_contains(&o.out, "\n19\n");
    outcome_free(&o);
}

SUITE_OF(crawler)
