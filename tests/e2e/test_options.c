/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl run --seed, --record, --replay, --on-deadlock: what is wrong with them is said before anything is started, and
 * their files are found from where the user stands. */
#include "harness.h"

#include <string.h>

static const struct {
    const char *options;
    int status;
    const char *says;
} wrong[] = {
    {"--seed x", 64, "--seed"},
    {"--seed ''", 64, "--seed"},
    {"--seed -1", 64, "--seed"},
    {"--seed 18446744073709551616", 64, "--seed"},
    {"--on-deadlock=maybe", 64, "--on-deadlock"},
    {"--record ''", 64, "--record"},
    {"--record /nonexistent/file", 73, "/nonexistent/file: No such file or directory"},
    {"--record /", 73, "/: Is a directory"},
    {"--replay /nonexistent/file", 66, "/nonexistent/file: No such file or directory"},
    {"--replay config/sieve.yaml", 65, "is no record of a run"},
    {"--replay /dev/null", 65, "is no record of a run"},
};

TEST(what_is_wrong_with_the_options_is_said_and_nothing_is_started)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct outcome o = sh("cspctl run %s config/sieve.yaml count=3", wrong[i].options);
        ck_assert_msg(o.status == wrong[i].status, "%s: %d", wrong[i].options, o.status);
        assert_contains(&o.err, wrong[i].says);
        ck_assert_str_eq(o.out.data, "");
        outcome_free(&o);
    }
}

TEST(a_record_is_replayed_from_the_directory_of_its_user_in_the_background_too)
{
    struct outcome o = sh("here=$PWD; cd %s && cspctl run --seed 7 --record r $here/config/sieve.yaml count=10 &&"
                          " head -n 1 r && cspctl run --replay r $here/config/sieve.yaml count=10",
                          in_scratch("."));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data,
                     "2\n3\n5\n7\n11\n13\n17\n19\n23\n29\ncsp-record 1 7\n2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n");
    ck_assert_str_eq(o.err.data, "");
    outcome_free(&o);
    o = sh("here=$PWD; cd %s && cspctl run -d --log log --replay r --record again $here/config/sieve.yaml count=10 > "
           "pid &&"
           " until grep -q '^29$' log; do sleep 0.05; done; while cspctl ps -o json | jq -e '.runs[0]' > /dev/null;"
           " do sleep 0.1; done; head -n 1 again; cat log",
           in_scratch("."));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "csp-record 1 7\n2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n");
    outcome_free(&o);
}

TEST(a_run_that_departs_from_its_record_says_so_once_and_comes_to_its_end)
{
    struct outcome o = sh("cspctl run --record %s config/sieve.yaml count=3 > /dev/null &&"
                          " cspctl run --replay %s config/sieve.yaml count=5",
                          in_scratch("r"), in_scratch("r"));
    assert_status(&o, 0);
    ck_assert_str_eq(o.out.data, "2\n3\n5\n7\n11\n");
    assert_contains(&o.err, "cspctl: sieve: departs from what is replayed: line ");
    ck_assert_ptr_null(strstr(strstr(o.err.data, "departs") + 1, "departs"));
    outcome_free(&o);
}

SUITE_OF(options)
