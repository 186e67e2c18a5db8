/* SPDX-License-Identifier: MPL-2.0 */
/* Seed, record and replay, frame by frame: section 14 of docs/protocol.md. */
#include "../leftover.h"
#include "../speaker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

Suite *record_suite(void);

static char first[128], second[128], said[128];

static void paths(void)
{
    snprintf(first, sizeof first, "%s/first", scratch());
    snprintf(second, sizeof second, "%s/second", scratch());
    snprintf(said, sizeof said, "%s/stderr", scratch());
}

static void begin(const char *record, const char *replay)
{
    static const char *options[6];
    size_t n = 0;
    options[n++] = "--notices";
    if (record != NULL) {
        options[n++] = "--record";
        options[n++] = record;
    }
    if (replay != NULL) {
        options[n++] = "--replay";
        options[n++] = replay;
    }
    options[n] = NULL;
    run.options = options;
    run_start();
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* A file's text. */
static char *text_of(const char *path)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

/* The record has a line that begins so. */
static bool recorded(const char *path, const char *start)
{
    char line[64];
    snprintf(line, sizeof line, "\n%s", start);
    return strstr(text_of(path), line) != NULL;
}

static bool noticed_nothing(void)
{
    char byte;
    fcntl(run.notices, F_SETFL, O_NONBLOCK);
    return read(run.notices, &byte, 1) < 0 && errno == EAGAIN;
}

/* ---- what is written */

START_TEST(a_record_says_who_was_committed_what)
{
    begin(first, NULL);
    uint64_t c = make(run.root, 1, 100);
    ck_assert_int_eq(send_text(run.root, c, "v"), 0);
    recv_text(run.root, c, "v");
    run_stop();
    char *text = text_of(first);
    ck_assert_int_eq(strncmp(text, "csp-record 1 ", 13), 0);
    ck_assert_ptr_nonnull(strstr(text, "\ncommit 1 1 0 send 0 1 0 af63eb4c86020609\n")); /* FNV-1a of "v" */
    ck_assert_ptr_nonnull(strstr(text, "\ncommit 1 1 0 recv 0 1 0 af63eb4c86020609\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nburied 1 0 0\n"));
}
END_TEST

/* Draws of one run, as a string of cases. */
static void draws(const char *seed, char *taken, int n)
{
    run.options = (const char *const[]){"--seed", seed, NULL};
    run_start();
    uint64_t c = make(run.root, 1000, 10000), d = make(run.root, 1000, 10000);
    for (int i = 0; i < n; i++) {
        OFFER(run.root, 0, ON_SEND(c, "c"), ON_SEND(d, "d"));
        taken[i] = (char)('0' + committed(run.root).which);
    }
    taken[n] = '\0';
    run_stop();
}

START_TEST(a_seed_repeats_the_choices)
{
    char a[101], b[101], c[101];
    draws("7", a, 100);
    draws("7", b, 100);
    draws("8", c, 100);
    ck_assert_str_eq(a, b);
    ck_assert_str_ne(a, c);
}
END_TEST

START_TEST(a_seed_that_is_no_number_is_a_usage_error)
{
    char line[64];
    static const char *const bad[] = {"x", "", "-1", "1x", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        run.options = (const char *const[]){"--seed", bad[i], NULL};
        int status = wait_child(broker_start(getpid(), 0, line, sizeof line));
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 64, "\"%s\": %d", bad[i], status);
    }
}
END_TEST

/* A run with a record that can not be written on: it goes on, and this is said once. */
static void fill(const char *record, rlim_t largest)
{
    struct rlimit before;
    fflush(stderr);
    getrlimit(RLIMIT_FSIZE, &before);
    int old = dup(2), to = open(said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(to, 2);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){largest, before.rlim_max});
    begin(record, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    dup2(old, 2);
    uint64_t c = make(run.root, 1, 100);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(send_text(run.root, c, "v"), 0);
        recv_text(run.root, c, "v");
    }
    run_stop();
    const char *message = strstr(text_of(said), "broker: record: it can not be written: ");
    ck_assert_ptr_nonnull(message);
    ck_assert_ptr_null(strstr(message + 1, "broker: record"));
}

START_TEST(a_full_disk_ends_the_record_and_not_the_run)
{
    fill("/dev/full", RLIM_INFINITY);
}
END_TEST

START_TEST(a_record_may_be_as_large_as_files_may_be)
{
    fill(first, 20000);
    ck_assert_uint_eq(strlen(text_of(first)), 20000);
}
END_TEST

static void cannot_start(const char *record, const char *replay, int err, const char *sentence)
{
    char line[512], start[32];
    const char *options[5] = {0};
    size_t n = 0;
    if (record != NULL) {
        options[n++] = "--record";
        options[n++] = record;
    }
    if (replay != NULL) {
        options[n++] = "--replay";
        options[n++] = replay;
    }
    run.options = options;
    wait_child(broker_start(getpid(), 0, line, sizeof line));
    snprintf(start, sizeof start, "error %d ", err);
    ck_assert_msg(strncmp(line, start, strlen(start)) == 0 && strstr(line, sentence) != NULL, "%s", line);
}

START_TEST(files_that_can_not_be_opened_are_named)
{
    cannot_start(NULL, first, ENOENT, first);
    cannot_start(scratch(), NULL, EISDIR, scratch());
    cannot_start(NULL, "/etc/passwd", EINVAL, "this is not a run's record: /etc/passwd");
    begin(first, NULL);
    run_stop();
    cannot_start(first, first, EEXIST, first);
    ck_assert_ptr_nonnull(strstr(text_of(first), "buried 1")); /* it was not written over */
}
END_TEST

/* ---- order */

/* Two processes send on one channel, x before y; the root receives both. */
static void two_send(const char *x_text, bool y_first, char *got)
{
    uint64_t c = make(run.root, 2, 100);
    struct speaker *x = colleague(c, SEND, 0, 0), *y = colleague(c, SEND, 0, 0);
    if (y_first) {
        OFFER(y, 0, ON_SEND(c, "y"));
        nap(100); /* so that it would be first */
        OFFER(x, 0, ON_SEND(c, x_text));
        ck_assert_int_eq(committed(x).err, 0);
        ck_assert_int_eq(committed(y).err, 0);
    } else {
        ck_assert_int_eq(send_text(x, c, x_text), 0);
        ck_assert_int_eq(send_text(y, c, "y"), 0);
    }
    for (int i = 0; i < 2; i++) {
        OFFER(run.root, 0, ON_RECV(c));
        struct committed v = committed(run.root);
        ck_assert(v.err == 0 && v.length == 1);
        got[i] = v.value[0];
    }
    got[2] = '\0';
}

START_TEST(a_replay_puts_frames_into_their_order)
{
    char got[3];
    begin(first, NULL);
    two_send("x", false, got);
    run_stop();
    begin(second, first);
    two_send("x", true, got);
    ck_assert_str_eq(got, "xy");
    ck_assert(noticed_nothing());
    run_stop();
    begin(NULL, NULL);
    two_send("x", true, got);
    ck_assert_str_eq(got, "yx");
    run_stop();
}
END_TEST

START_TEST(a_departure_is_told_with_its_place_and_the_run_goes_on)
{
    char got[3], notice[512], expected[512];
    begin(first, NULL);
    two_send("x", false, got);
    run_stop();
    begin(NULL, first);
    two_send("z", true, got);
    ck_assert_str_eq(got, "zy");
    hear_notice(notice, sizeof notice);
    long long at;
    char kind[16], rest[256];
    int n = 0;
    for (char *next = text_of(first); next != NULL && *next != '\0'; next = strchr(next, '\n') + 1)
        if (n++, sscanf(next, "%15s %lld %255[^\n]", kind, &at, rest) == 3 && strncmp(rest, "2 2 OFFER ", 10) == 0)
            break;
    snprintf(expected, sizeof expected, "departed line %d of %s: recorded frame %s, came frame 2 2 OFFER ", n, first,
             rest);
    ck_assert_msg(strncmp(notice, expected, strlen(expected)) == 0, "%s\n%s", notice, expected);
    ck_assert(noticed_nothing());
    run_stop();
}
END_TEST

START_TEST(without_notices_a_departure_is_told_on_stderr)
{
    char got[3];
    begin(first, NULL);
    two_send("x", false, got);
    run_stop();
    fflush(stderr);
    int old = dup(2), to = open(said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(to, 2);
    run.options = (const char *const[]){"--replay", first, NULL};
    run_start();
    dup2(old, 2);
    two_send("z", false, got);
    run_stop();
    const char *text = text_of(said);
    ck_assert_msg(strncmp(text, "broker: replay: line ", 21) == 0 && strstr(text, ": the run goes on freely\n") != NULL,
                  "%s", text);
}
END_TEST

START_TEST(what_is_held_is_handled_after_a_departure)
{
    char notice[512];
    begin(first, NULL);
    uint64_t c = make(run.root, 2, 100);
    struct speaker *x = colleague(c, SEND, 0, 0), *y = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(send_text(x, c, "x"), 0);
    ck_assert_int_eq(send_text(y, c, "y"), 0);
    run_stop();
    begin(NULL, first);
    c = make(run.root, 2, 100);
    x = colleague(c, SEND, 0, 0);
    y = colleague(c, SEND, 0, 0);
    OFFER(y, 0, ON_SEND(c, "y"));
    nap(50);
    ck_assert_int_eq(bye(x, 0, 0), 0); /* and never sends */
    ck_assert_int_eq(committed(y).err, 0);
    hear_notice(notice, sizeof notice);
    ck_assert_ptr_nonnull(strstr(notice, ", came frame 2 2 BYE "));
    run_stop();
}
END_TEST

START_TEST(a_record_that_ends_early_is_a_departure)
{
    char notice[512], got[3];
    begin(first, NULL);
    two_send("x", false, got);
    run_stop();
    char *text = text_of(first), *end = strstr(text, "\ncommit 2 ");
    ck_assert_ptr_nonnull(end);
    ck_assert_int_eq(truncate(first, end - text + 5), 0); /* in the midst of a line, as of a broker that was killed */
    begin(NULL, first);
    two_send("x", false, got);
    hear_notice(notice, sizeof notice);
    ck_assert_ptr_nonnull(strstr(notice, ": the record ends, came commit 2 2 0 send "));
    run_stop();
}
END_TEST

START_TEST(what_does_not_come_in_time_is_a_departure)
{
    char notice[512];
    begin(first, NULL);
    uint64_t c = make(run.root, 2, 100);
    struct speaker *x = colleague(c, SEND, 0, 0), *y = colleague(c, SEND, 0, 0);
    ck_assert_int_eq(send_text(x, c, "x"), 0);
    ck_assert_int_eq(send_text(y, c, "y"), 0);
    run_stop();
    begin(NULL, first);
    c = make(run.root, 2, 100);
    colleague(c, SEND, 0, 0); /* it does not send */
    y = colleague(c, SEND, 0, 0);
    OFFER(y, 0, ON_SEND(c, "y"));
    for (int i = 0; i < 11; i++)
        nap(900);
    hear_notice(notice, sizeof notice);
    ck_assert_ptr_nonnull(strstr(notice, ", came nothing in time"));
    ck_assert_int_eq(committed(y).err, 0);
    run_stop();
}
END_TEST

/* A record of these lines is replayed. */
static void replay_text(const char *lines)
{
    FILE *f = fopen(first, "we");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "csp-record 1 7\n%s", lines);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(a_time_that_cannot_be_is_a_departure)
{
    static const char *const times[] = {"9223372036854775807", "-9223372036854775808", "1152921504606846977", "x"};
    char lines[128], notice[512], expected[512];
    snprintf(lines, sizeof lines, "expire 1\nexpire %s\n", times[_i]);
    replay_text(lines);
    begin(NULL, first);
    hear_notice(notice, sizeof notice);
    snprintf(expected, sizeof expected, "departed line 3 of %s: recorded expire %s, came nothing of the kind", first,
             times[_i]);
    ck_assert_str_eq(notice, expected);
    run_stop();
}
END_TEST

START_TEST(the_death_of_the_root_ends_a_replay_that_waits)
{
    char line[256];
    pid_t root = fork();
    ck_assert_int_ge(root, 0);
    if (root == 0)
        for (;;)
            pause();
    replay_text("expire 1\nhello 3600000000001 1 1 0\n"); /* an hour later */
    run.options = (const char *const[]){"--replay", first, NULL};
    run.root = NULL;
    run.broker = broker_start(root, 0, line, sizeof line);
    ck_assert_str_eq(line, "ready\n");
    ck_assert_int_eq(kill(root, SIGKILL), 0);
    wait_child(root);
    run_stop();
}
END_TEST

/* ---- what is not an event, and what comes from outside */

START_TEST(a_call_that_only_says_what_it_waits_for_is_not_in_the_record)
{
    begin(first, NULL);
    OFFER(run.root, 0, ON(WIRE_OP_TIME, 12345));
    withdraw(run.root);
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
    make(run.root, 1, 100);
    run_stop();
    ck_assert(!recorded(first, "commit "));
    begin(NULL, first);
    make(run.root, 1, 100);
    OFFER(run.root, 0, ON(WIRE_OP_TIME, 54321)); /* elsewhere */
    withdraw(run.root);
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
    ck_assert(noticed_nothing());
    run_stop();
}
END_TEST

/* A receive that times out late: its WITHDRAW crosses the commit. */
static void late(bool withdraws)
{
    uint64_t c = make(run.root, 0, 100);
    struct speaker *x = colleague(c, SEND, 0, 0);
    OFFER(run.root, 0, ON_RECV(c));
    if (withdraws) {
        withdraw(run.root);
        nap(50);
    }
    ck_assert_int_eq(send_text(x, c, "v"), 0);
    struct committed v = committed(run.root);
    ck_assert_msg(is_text(&v, "v"), "case %u", v.which);
    make(run.root, 1, 100);
}

START_TEST(a_withdraw_that_comes_earlier_than_recorded_waits_for_its_turn)
{
    begin(first, NULL);
    late(false);
    run_stop();
    begin(NULL, first);
    late(true);
    ck_assert(noticed_nothing());
    run_stop();
}
END_TEST

static void stay(struct speaker *s, void *unused)
{
    (void)s;
    (void)unused;
    reached();
}

START_TEST(who_was_killed_is_killed_again)
{
    for (int again = 0; again < 2; again++) {
        begin(again ? second : first, again ? first : NULL);
        uint64_t c = make(run.root, 0, 100), process;
        uint64_t ticket = announce(run.root, &process, c, SEND, 0, 0);
        pid_t pid = fork_attached(ticket, stay, NULL);
        if (!again) /* then it may be killed as soon as it has attached */
            until_reached();
        ck_assert_int_eq(drop(run.root, c, SEND), 0);
        OFFER(run.root, 0, ON_RECV(c));
        if (!again)
            kill(pid, SIGKILL);
        ck_assert_int_eq(committed(run.root).err, EPIPE);
        wait_child(pid);
        ck_assert(noticed_nothing());
        run_stop();
    }
}
END_TEST

/* The offer's end and the cancellation; what is first depends on which came first, the deadline or the offer. */
static void hear_deadline(void)
{
    for (int cancelled = 0, ended = 0; cancelled + ended < 2;) {
        struct heard h;
        struct wire_commit w;
        if (!hear_now(run.root, &h))
            continue;
        if (h.head.type == WIRE_CANCELLED) {
            ck_assert_uint_eq(h.head.count, 4);
            cancelled++;
            continue;
        }
        ck_assert_int_eq(h.head.type, WIRE_COMMIT);
        memcpy(&w, h.data, sizeof w);
        ck_assert_int_eq(w.err, ECANCELED);
        ended++;
    }
}

START_TEST(a_deadline_of_a_scope_expires_where_it_did)
{
    for (int again = 0; again < 2; again++) {
        begin(again ? second : first, again ? first : NULL);
        uint64_t c = make(run.root, 0, 100);
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t now = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
        const int64_t hour = INT64_C(3600000000000);
        struct wire_scope scope = {now + (again ? hour : 500000000), hour};
        ck_assert_int_eq(ask_err(run.root, WIRE_SCOPE, (struct wire_head){0}, &scope, sizeof scope), 0);
        OFFER(run.root, 0, ON_RECV(c));
        hear_deadline();
        ck_assert(noticed_nothing());
        run_stop();
    }
    ck_assert(recorded(first, "expire "));
}
END_TEST

/* ---- streams */

/* A receiver that has rivals gets two of three values, and leaves when it has taken so many; what it had not taken
 * returns to the channel. */
static void take(uint64_t n)
{
    uint64_t c = make(run.root, 8, 100);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send_text(run.root, c, "v"), 0);
    struct speaker *r = colleague(c, RECV, 0, 0);
    ck_assert_int_eq(stream(r, c, RECV, 100, 0), 0);
    for (uint64_t i = 0; i < 2; i++) {
        took(r, c, 0, i, WIRE_WAIT);
        hear(r, WIRE_DELIVER);
    }
    if (n == 2)
        took(r, c, 0, n, 0);
    ck_assert_int_eq(bye(r, 0, 0), 0);
    recv_text(run.root, c, "v");
    recv_text(run.root, c, "v");
    OFFER(run.root, WIRE_NOW, ON_RECV(c));
    ck_assert_uint_eq(committed(run.root).which, WIRE_NO_CASE);
}

START_TEST(what_is_taken_is_counted_as_it_was)
{
    begin(first, NULL);
    take(1);
    run_stop();
    begin(second, first);
    take(2); /* it is quicker, and says so */
    ck_assert(noticed_nothing());
    run_stop();
}
END_TEST

Suite *record_suite(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, paths, NULL);
    tcase_add_test(t, a_record_says_who_was_committed_what);
    tcase_add_test(t, a_seed_repeats_the_choices);
    tcase_add_test(t, a_seed_that_is_no_number_is_a_usage_error);
    tcase_add_test(t, a_full_disk_ends_the_record_and_not_the_run);
    tcase_add_test(t, a_record_may_be_as_large_as_files_may_be);
    tcase_add_test(t, files_that_can_not_be_opened_are_named);
    tcase_add_test(t, a_replay_puts_frames_into_their_order);
    tcase_add_test(t, a_departure_is_told_with_its_place_and_the_run_goes_on);
    tcase_add_test(t, without_notices_a_departure_is_told_on_stderr);
    tcase_add_test(t, what_is_held_is_handled_after_a_departure);
    tcase_add_test(t, a_record_that_ends_early_is_a_departure);
    tcase_add_test(t, what_does_not_come_in_time_is_a_departure);
    tcase_add_loop_test(t, a_time_that_cannot_be_is_a_departure, 0, 4);
    tcase_add_test(t, the_death_of_the_root_ends_a_replay_that_waits);
    tcase_add_test(t, a_call_that_only_says_what_it_waits_for_is_not_in_the_record);
    tcase_add_test(t, a_withdraw_that_comes_earlier_than_recorded_waits_for_its_turn);
    tcase_add_test(t, who_was_killed_is_killed_again);
    tcase_add_test(t, a_deadline_of_a_scope_expires_where_it_did);
    tcase_add_test(t, what_is_taken_is_counted_as_it_was);
    suite_add_tcase(s, t);
    return s;
}
