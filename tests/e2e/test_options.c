/* SPDX-License-Identifier: MPL-2.0 */
/* cspctl run --seed, --record, --replay, --on-deadlock: what is wrong with them is said before anything is started, and
 * their files are found from where the user stands. */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
    {"--replay $unnumbered", 65, "is no record of a run"},
    {"--replay $newer", 65, "is no record of a run"},
    {"--replay $half", 65, "is no record of a run"},
    {"--replay $fifo", 65, "is no record of a run"},
    {"--record $empty --replay $empty", 73, "it is what is replayed"},
};

/* Files that are no records, in variables of the shell. */
static const char *doctored(void)
{
    write_text(in_scratch("unnumbered"), "csp-record 1 x\n");
    write_text(in_scratch("newer"), "csp-record 2 7\n");
    write_text(in_scratch("half"), "csp-record 1 7");
    write_text(in_scratch("empty"), "csp-record 1 7\n");
    ck_assert_int_eq(mkfifo(in_scratch("fifo"), 0600), 0);
    static char settings[5 * 256];
    snprintf(settings, sizeof settings, "unnumbered=%s newer=%s half=%s empty=%s fifo=%s", in_scratch("unnumbered"),
             in_scratch("newer"), in_scratch("half"), in_scratch("empty"), in_scratch("fifo"));
    return settings;
}

TEST(what_is_wrong_with_the_options_is_said_and_nothing_is_started)
{
    const char *settings = doctored();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct outcome o = sh("%s; cspctl run %s config/sieve.yaml count=3", settings, wrong[i].options);
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

/* A guest that came when it was recorded, and does not now. Those who wait to join do so for 10 s, less than it took
 * then until it came, and what is allowed beside. */
TEST(a_run_that_waits_in_vain_for_what_was_recorded_goes_on_before_its_processes_give_up)
{
    struct outcome o =
        sh("cspctl run --record %s config/fibonacci.yaml && awk '{print} /STARTED/ && ++n == 2 {"
           "printf \"hello %%.0f 9 9 1\\n\", $2 + 3e9}' %s > %s && cspctl run --replay %s config/fibonacci.yaml",
           in_scratch("r"), in_scratch("r"), in_scratch("guest"), in_scratch("guest"));
    assert_status(&o, 0);
    assert_contains(&o.out, "quit\n0\n1\n1\n2\n3\n5\n8\n13\n21\n34\nquit\n");
    assert_contains(&o.err, " 9 9 1, came nothing in time\n");
    outcome_free(&o);
}

/* The broker says so together with that it is ready, or after that, as it happens: many times, so that both happen. */
TEST(a_run_that_departs_at_once_starts_all_the_same)
{
    write_text(in_scratch("first"), "csp-record 1 7\n");
    for (int i = 0; i < 20; i++) {
        struct outcome o = sh("cspctl run --replay %s config/sieve.yaml count=2", in_scratch("first"));
        assert_status(&o, 0);
        ck_assert_str_eq(o.out.data, "2\n3\n");
        assert_contains(&o.err, "departs from what is replayed: line 2 of ");
        outcome_free(&o);
    }
}

SUITE_OF(options)
