/* SPDX-License-Identifier: MPL-2.0 */
/* Seed, record and replay through the library: what its programs see of section 14 of docs/protocol.md. Decision: what
 * is compared is what a program of racing processes receives, so that a replay that only looked right would show. */
#include "expect.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *replay_suite(void);

#define ROUNDS 1000

static char record[PATH_MAX], again[PATH_MAX];

static void paths(void)
{
    snprintf(record, sizeof record, "%s/first", runtime_dir());
    snprintf(again, sizeof again, "%s/second", runtime_dir());
}

static void leave(void)
{
    csp_term();
    unlink(record);
    unlink(again);
}

/* What the next run heeds. */
static void choose(const char *seed, const char *to, const char *from)
{
    setenv("CSP_SEED", seed != NULL ? seed : "", 1);
    setenv("CSP_RECORD", to != NULL ? to : "", 1);
    setenv("CSP_REPLAY", from != NULL ? from : "", 1);
}

static csp_chan chans[2];

static int produce(void *which)
{
    csp_chan c = chans[which != NULL];
    for (long i = 0; i < ROUNDS; i++)
        if (csp_send(c, &i, sizeof i, CSP_FOREVER) != 0)
            return errno != EPIPE;
    return 0;
}

/* Two processes race to send; which of them was received from, round by round. */
static void race(char *taken)
{
    ASSERT_OK(csp_init());
    chans[0] = make(0);
    chans[1] = make(3);
    go(produce, NULL);
    go(produce, &chans[1]);
    for (int i = 0; i < ROUNDS; i++) {
        long n;
        csp_case cases[] = {csp_on_recv(chans[0], &n, sizeof n), csp_on_recv(chans[1], &n, sizeof n)};
        int which = csp_select(cases, 2, soon());
        ck_assert_msg(which >= 0 && cases[which].err == 0, "round %d: %s", i, csp_errmsg());
        taken[i] = (char)('0' + which);
    }
    taken[ROUNDS] = '\0';
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

/* The next line of a record, with blanks for the time of an event; "" at its end. */
static void next_line(FILE *f, char *line, int size)
{
    static const char *const events[] = {"frame ", "hello ", "death ", "gone ", "expire ", "deadlock "};
    if (fgets(line, size, f) == NULL)
        line[0] = '\0';
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        size_t n = strlen(events[i]);
        if (strncmp(line, events[i], n) == 0)
            memset(line + n, ' ', strcspn(line + n, " \n"));
    }
}

static void are_the_same(long least)
{
    char a[512], b[512];
    FILE *f = fopen(record, "re"), *g = fopen(again, "re");
    ck_assert(f != NULL && g != NULL);
    long lines = 0;
    do {
        next_line(f, a, sizeof a);
        next_line(g, b, sizeof b);
        lines++;
        size_t n = strspn(a, "abcdefghijklmnopqrstuvwxyz"); /* times differ in length, too */
        ck_assert_msg(strcmp(a + n + strspn(a + n, " "), b + n + strspn(b + n, " ")) == 0, "line %ld: %s%s", lines, a,
                      b);
    } while (a[0] != '\0');
    fclose(f);
    fclose(g);
    ck_assert_int_ge(lines, least);
}

START_TEST(a_replay_receives_the_very_same_sequence)
{
    char first[ROUNDS + 1], second[ROUNDS + 1], third[ROUNDS + 1];
    choose(NULL, record, NULL);
    race(first);
    ck_assert(strchr(first, '0') != NULL && strchr(first, '1') != NULL);
    choose(NULL, NULL, record);
    race(second);
    ck_assert_str_eq(first, second);
    choose(NULL, again, record);
    race(third);
    ck_assert_str_eq(first, third);
    are_the_same(ROUNDS);
}

enum { TAKERS = 3, JOBS = 60 };

static csp_chan jobs, results, failed;

struct result {
    int taker, job;
    unsigned tries;
};

/* Some jobs are given back the first time, one is refused, and who gets 20 first dies of it. */
static int take(void *which)
{
    csp_msg m;
    while (csp_recv_msg(jobs, &m, CSP_FOREVER) == 0) {
        struct result r = {.taker = *(const int *)which, .tries = m.tries};
        memcpy(&r.job, m.data, sizeof r.job);
        if (r.job == 20 && r.tries == 1)
            (void)raise(SIGKILL);
        if (r.job == 13)
            (void)csp_nack(m.id, CSP_FOREVER, "unlucky");
        else if (r.job % 7 == 0 && r.tries < 3)
            (void)csp_nack(m.id, r.tries == 1 ? CSP_NOW : CSP_BACK_OFF, NULL);
        else if (csp_send(results, &r, sizeof r, CSP_FOREVER) == 0)
            (void)csp_ack(m.id);
        csp_msg_free(&m);
    }
    return 0;
}

/* Who did which job at which try, in the order in which it was heard of. */
static void work_off(char *text, size_t size)
{
    ASSERT_OK(csp_init());
    jobs = make(JOBS);
    results = make(0);
    failed = make(1);
    ASSERT_OK(csp_set_retry(jobs, &(csp_retry){.attempts = 9, .least = 1, .most = 2, .dead = failed}));
    for (int i = 0; i < TAKERS; i++)
        go(take, &i); /* the child has a copy of it, as of all memory */
    for (int i = 1; i <= JOBS; i++)
        ASSERT_OK(csp_send(jobs, &i, sizeof i, soon()));
    for (int i = 0; i < JOBS; i++) {
        struct result r;
        csp_msg letter;
        csp_case cases[] = {csp_on_recv(results, &r, sizeof r), csp_on_msg(failed, &letter)};
        int which = csp_select(cases, 2, soon());
        ck_assert_msg(which >= 0 && cases[which].err == 0, "job %d: %s", i, csp_errmsg());
        int n = which == 0 ? snprintf(text, size, "%d:%d/%u ", r.taker, r.job, r.tries)
                           : snprintf(text, size, "%s ", letter.reason);
        text += n;
        size -= (size_t)n;
        if (which == 1)
            csp_msg_free(&letter);
    }
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

START_TEST(a_replay_leases_gives_back_and_delivers_again_in_the_same_order)
{
    char first[JOBS * 16], second[JOBS * 16], third[JOBS * 16];
    choose(NULL, record, NULL);
    work_off(first, sizeof first);
    ck_assert_ptr_nonnull(strstr(first, ":20/2 "));
    ck_assert_ptr_nonnull(strstr(first, ":7/3 "));
    ck_assert_ptr_nonnull(strstr(first, "unlucky "));
    choose(NULL, NULL, record);
    work_off(second, sizeof second);
    ck_assert_str_eq(first, second);
    choose(NULL, again, record);
    work_off(third, sizeof third);
    ck_assert_str_eq(first, third);
    are_the_same(JOBS);
}

START_TEST(without_a_replay_it_differs)
{
    char first[ROUNDS + 1], second[ROUNDS + 1];
    choose(NULL, NULL, NULL);
    race(first);
    race(second);
    ck_assert_str_ne(first, second);
}

static int receive_first(void *unused)
{
    long n;
    (void)unused;
    return csp_recv(chans[0], &n, sizeof n, CSP_FOREVER) == -1 && errno == EDEADLK ? 0 : 1;
}

/* Both wait for the other to send. */
static void stand_still(void)
{
    long n;
    ASSERT_OK(csp_init());
    chans[0] = make(0);
    chans[1] = make(0);
    csp_proc p = go(receive_first, NULL);
    ASSERT_ERRNO(csp_recv(chans[1], &n, sizeof n, CSP_FOREVER), EDEADLK);
    ended_well(p);
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

START_TEST(a_deadlock_is_found_again_and_the_replay_goes_on)
{
    choose(NULL, record, NULL);
    stand_still();
    choose(NULL, again, record);
    stand_still();
    are_the_same(10);
}

/* After so many ms. */
static int end_later(void *ms)
{
    usleep(*(const unsigned *)ms * 1000);
    return 0;
}

/* The children end in one order, or in the other. */
static void wait_for_them(unsigned first, unsigned second)
{
    ASSERT_OK(csp_init());
    csp_proc p = go(end_later, &first), q = go(end_later, &second);
    ended_well(p);
    ended_well(q);
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

START_TEST(a_wait_for_a_child_is_replayed_whichever_ends_first)
{
    choose(NULL, record, NULL);
    wait_for_them(0, 50);
    choose(NULL, again, record);
    wait_for_them(50, 0);
    are_the_same(10);
}

/* A receive in a scope whose deadline has passed, before or after the broker's word of it has been read. */
static void receive_too_late(int heard)
{
    long n;
    ASSERT_OK(csp_init());
    chans[0] = make(0);
    ASSERT_OK(csp_scope(csp_in(1)));
    csp_time passed = csp_in(100);
    while (csp_now() < passed)
        continue;
    csp_case until[] = {csp_on_time(soon())};
    if (heard)
        ASSERT_ERRNO(csp_select(until, 1, CSP_FOREVER), ECANCELED);
    ASSERT_ERRNO(csp_recv(chans[0], &n, sizeof n, CSP_FOREVER), ECANCELED);
    ASSERT_OK(csp_scope_leave(NULL));
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
}

/* When a process hears of a cancellation is chance: its calls are in the record all the same. */
START_TEST(a_call_after_a_cancellation_is_recorded_whether_it_was_heard_of_or_not)
{
    choose(NULL, record, NULL);
    receive_too_late(_i);
    choose(NULL, again, record);
    receive_too_late(!_i);
    are_the_same(8);
}

static void is_refused(int err, const char *part)
{
    ASSERT_ERRNO(csp_init(), err);
    ck_assert_msg(strstr(csp_errmsg(), part) != NULL, "%s", csp_errmsg());
}

START_TEST(a_seed_that_is_no_number_is_einval)
{
    static const char *const bad[] = {"x", "-1", "+1", "0x10", "1 ", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        choose(bad[i], NULL, NULL);
        is_refused(EINVAL, bad[i]);
    }
    choose("18446744073709551615", NULL, NULL);
    ASSERT_OK(csp_init());
}

START_TEST(a_reaction_that_there_is_not_is_einval)
{
    setenv("CSP_ON_DEADLOCK", "panic", 1);
    is_refused(EINVAL, "panic");
    setenv("CSP_ON_DEADLOCK", "report", 1);
    ASSERT_OK(csp_init());
}

START_TEST(a_file_that_can_not_be_opened_is_named)
{
    choose(NULL, "/nowhere/record", NULL);
    is_refused(ENOENT, "/nowhere/record");
    choose(NULL, NULL, record);
    is_refused(ENOENT, record);
    choose(NULL, NULL, "/etc/passwd");
    is_refused(EINVAL, "/etc/passwd");
}

Suite *replay_suite(void)
{
    Suite *s = suite_create("replay");
    TCase *t = tcase_create("replay");
    tcase_add_checked_fixture(t, paths, leave);
    tcase_add_test(t, a_replay_receives_the_very_same_sequence);
    tcase_add_test(t, a_replay_leases_gives_back_and_delivers_again_in_the_same_order);
    tcase_add_test(t, without_a_replay_it_differs);
    tcase_add_test(t, a_deadlock_is_found_again_and_the_replay_goes_on);
    tcase_add_test(t, a_wait_for_a_child_is_replayed_whichever_ends_first);
    tcase_add_loop_test(t, a_call_after_a_cancellation_is_recorded_whether_it_was_heard_of_or_not, 0, 2);
    tcase_add_test(t, a_seed_that_is_no_number_is_einval);
    tcase_add_test(t, a_reaction_that_there_is_not_is_einval);
    tcase_add_test(t, a_file_that_can_not_be_opened_is_named);
    suite_add_tcase(s, t);
    return s;
}
