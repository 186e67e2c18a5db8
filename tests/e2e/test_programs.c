/* SPDX-License-Identifier: MPL-2.0 */
/* The programs that every implementation of CSP is judged by, each of many processes: what comes out is right, all of
 * them end, and nothing is left. Decision: sizes are those that are known to break such systems, where that takes
 * seconds; each program's head says its arguments. */
#include "proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(fibonacci_sends_exactly_the_numbers_asked_for_and_then_quits)
{
    proves("fibonacci 10");
    proves("fibonacci 0");
    proves("fibonacci 5000");
}

TEST(a_concurrent_search_has_the_answers_of_all_three_workers)
{
    proves("search 50");
}

TEST(workers_later_than_80_ms_end_with_EPIPE_and_do_not_leak)
{
    proves("search 20 80");
}

TEST(the_sieve_grows_by_one_process_a_prime)
{
    proves("sieve 100");
}

TEST(the_merging_sieve_feeds_its_primes_back)
{
    proves("heapsieve 1000");
}

TEST(power_series_ask_by_channels_of_channels)
{
    proves("powser 10");
}

TEST(a_daisy_chain_of_1000_processes_passes_one_value_and_tears_down)
{
    proves("daisy 1000");
}

TEST(many_to_many_has_every_value_exactly_once_by_rendezvous)
{
    proves("many 10000 0");
}

TEST(many_to_many_has_every_value_exactly_once_by_a_buffer_of_1)
{
    proves("many 10000 1");
}

TEST(many_to_many_has_every_value_exactly_once_by_a_buffer_of_10)
{
    proves("many 10000 10");
}

TEST(many_to_many_has_every_value_exactly_once_by_streams)
{
    proves("many 10000 10 65536");
    proves("many 10000 1 48");
}

TEST(a_close_that_races_with_senders_receivers_and_selects_loses_nothing)
{
    proves("closing 500");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

TEST(the_journal_has_a_line_for_each_value_received)
{
    enum { VALUES = 4 * 500 + 4 }; /* and the four consumers' results */
    static char *ids[VALUES + 1];
    struct outcome o = sh("CSP_JOURNAL=%s exec %s/many 500 3", in_scratch("journal"), built("tests/programs"));
    assert_status(&o, 0);
    struct text journal = read_file(in_scratch("journal"));
    size_t n = 0;
    for (char *save, *line = strtok_r(journal.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        long pid, process, channel;
        static char id[VALUES][17];
        char hash[17], more;
        ck_assert_uint_lt(n, VALUES);
        ck_assert_int_eq(
            sscanf(line, "%ld %ld %ld %16[0-9a-f] %16[0-9a-f]%c", &pid, &process, &channel, id[n], hash, &more), 5);
        ids[n] = id[n];
        n++;
    }
    ck_assert_uint_eq(n, VALUES);
    qsort((void *)ids, n, sizeof *ids, by_text);
    for (size_t i = 1; i < n; i++)
        ck_assert_str_ne(ids[i - 1], ids[i]);
    free(journal.data);
    outcome_free(&o);
}

TEST(pairs_give_each_value_once_and_in_order)
{
    proves("pairs 20000 64");
    proves("pairs 3000 1");
    proves("pairs 100000 4096 65536");
    proves("pairs 1000 16 0 100000");
}

SUITE_OF(programs)
