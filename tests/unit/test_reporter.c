/* SPDX-License-Identifier: MPL-2.0 */
/* What is done about a deadlock: section 12 of docs/protocol.md. Decision: a script stands where the broker looks for
 * cspctl, so that each test chooses how long the report takes and how it ends; what the true one prints is cspctl's
 * matter. */
#include "../leftover.h"
#include "../speaker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *reporter_suite(void);

typedef unsigned long long number;

static char tree[64]; /* cspctl, libexec/csp/broker, err: what was printed, up and go: fifos of the script */
static int true_stderr;
static uint64_t c, d;
static struct speaker *a, *b;

static const char *in_tree(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", tree, name);
    return path;
}

/* ---- the fixture ------------------------------------------------------------------------------------------------ */

static void make_tree(void)
{
    char broker[PATH_MAX], beside[PATH_MAX];
    const char *dir = getenv("CSP_LIBEXEC"), *build = getenv("CSP_TEST_BUILD");
    snprintf(beside, sizeof beside, "%s%s/broker",
             dir != NULL     ? dir
             : build != NULL ? build
                             : "build",
             dir != NULL ? "" : "/libexec/csp");
    ck_assert_ptr_nonnull(realpath(beside, broker));
    snprintf(tree, sizeof tree, "%s", scratch());
    ck_assert_int_eq(mkdir(in_tree("libexec"), 0700), 0);
    ck_assert_int_eq(mkdir(in_tree("libexec/csp"), 0700), 0);
    ck_assert_int_eq(symlink(broker, in_tree("libexec/csp/broker")), 0);
    ck_assert_int_eq(mkfifo(in_tree("up"), 0600), 0);
    ck_assert_int_eq(mkfifo(in_tree("go"), 0600), 0);
    setenv("CSP_LIBEXEC", in_tree("libexec/csp"), 1);
}

static void start(void)
{
    make_tree();
    int err = open(in_tree("err"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(err, 0);
    true_stderr = fcntl(2, F_DUPFD_CLOEXEC, 3);
    dup2(err, 2);
    close(err);
}

static void stop(void)
{
    dup2(true_stderr, 2);
    close(true_stderr);
}

/* The commands of the script in place of cspctl; its fifos are where it finds itself. */
static void script_at(const char *name, const char *commands)
{
    int fd = open(in_tree(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    ck_assert_int_ge(dprintf(fd, "#!/bin/sh\ncd %s\n%s\n", tree, commands), 0);
    close(fd);
}

static void script(const char *commands)
{
    script_at("cspctl", commands);
}

/* Starts the run, and two that each receive first. */
static void deadlock(const char *reaction)
{
    static const char *options[3];
    options[0] = "--on-deadlock";
    options[1] = reaction;
    run.options = options;
    run_start();
    c = declare("c", 0, WIRE_CLOSE_SENDERS);
    d = declare("d", 0, WIRE_CLOSE_SENDERS);
    a = colleague(c, RECV, d, SEND);
    b = colleague(c, SEND, d, RECV);
    OFFER(a, 0, ON_RECV(c));
    OFFER(b, 0, ON_RECV(d));
}

/* The script has come to its `echo >up`. */
static void until_up(void)
{
    char x;
    int fd = open(in_tree("up"), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    ck_assert_msg(poll(&item, 1, WAIT_MS) == 1, "no report is begun");
    ck_assert_int_eq(read(fd, &x, 1), 1);
    close(fd);
}

/* Lets it go on from its `read x <go`. */
static void go(void)
{
    int fd = open(in_tree("go"), O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(write(fd, "\n", 1), 1);
    close(fd);
}

static void fails(struct speaker *s)
{
    struct committed result = committed(s);
    ck_assert_uint_eq(result.which, WIRE_NO_CASE);
    ck_assert_int_eq(result.err, EDEADLK);
}

static void both_fail(void)
{
    fails(a);
    fails(b);
}

static bool was_printed(const char *text)
{
    static char all[1 << 16];
    int fd = open(in_tree("err"), O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, all, sizeof all - 1);
    close(fd);
    all[n > 0 ? n : 0] = '\0';
    return strstr(all, text) != NULL;
}

static void ck_plain_line(void)
{
    char line[300];
    snprintf(line, sizeof line,
             "broker: deadlock: processes that can never move again: %llu (pid %d), %llu (pid %d): "
             "run `cspctl dump --run %s` to see where they wait\n",
             (number)a->process, (int)getpid(), (number)b->process, (int)getpid(), run.dir);
    ck_assert(was_printed(line));
}

/* ---- the tests -------------------------------------------------------------------------------------------------- */

START_TEST(it_is_cspctl_dump_and_prints_on_stderr)
{
    char line[200];
    script("echo \"arguments: $*\"\necho \"to stderr\" >&2");
    deadlock("fail");
    both_fail();
    snprintf(line, sizeof line, "arguments: dump --deadlock --run %s\n", run.dir);
    ck_assert(was_printed(line) && was_printed("to stderr\n"));
    ck_assert(!was_printed("broker:"));
    run_stop();
}
END_TEST

START_TEST(calls_fail_when_it_has_ended)
{
    script("echo >up\nread x <go");
    deadlock("fail");
    until_up();
    ck_assert(silent(a) && silent(b));
    ck_assert_str_eq(dump_field("process", a->process, 12), "1");
    go();
    both_fail();
    ck_assert_str_eq(dump_field("process", a->process, 12), "0");
    run_stop();
}
END_TEST

START_TEST(who_was_woken_meanwhile_does_not_fail)
{
    script("echo >up\nread x <go");
    deadlock("fail");
    until_up();
    struct speaker *lone = colleague(0, 0, 0, 0), *g = guest();
    ck_assert_int_eq(send_text(g, c, "from outside"), 0);
    struct committed got = committed(a);
    ck_assert(is_text(&got, "from outside"));
    OFFER(lone, 0, ON(WIRE_OP_NONE, 0));
    go();
    until_up(); /* of the lone one: the first is over */
    ck_assert(silent(b));
    OFFER(a, 0, ON_SEND(d, "and on"));
    ck_assert_int_eq(committed(a).err, 0);
    got = committed(b);
    ck_assert(is_text(&got, "and on"));
    go();
    fails(lone);
    run_stop();
}
END_TEST

START_TEST(an_installed_one_is_found)
{
    ck_assert_int_eq(mkdir(in_tree("bin"), 0700), 0);
    script_at("bin/cspctl", "echo installed");
    deadlock("fail");
    both_fail();
    ck_assert(was_printed("installed\n"));
    run_stop();
}
END_TEST

START_TEST(report_only_prints)
{
    script("echo >up\nread x <go");
    deadlock("report");
    until_up();
    struct speaker *lone = colleague(0, 0, 0, 0);
    OFFER(lone, 0, ON(WIRE_OP_NONE, 0));
    go();
    until_up();
    ck_assert(silent(a) && silent(b) && silent(lone));
    go();
    ck_assert_int_eq(send_text(guest(), c, "from outside"), 0);
    struct committed got = committed(a);
    ck_assert(is_text(&got, "from outside"));
    run_stop();
}
END_TEST

START_TEST(ignore_does_not_look)
{
    script("echo reported");
    deadlock("ignore");
    poll(NULL, 0, 1500); /* what never comes can only be waited for */
    ck_assert(silent(a) && silent(b));
    ck_assert(!was_printed("reported"));
    ck_assert_str_eq(dump_field("process", a->process, 12), "0");
    run_stop();
}
END_TEST

START_TEST(without_cspctl_the_broker_says_it)
{
    deadlock("fail");
    both_fail();
    ck_plain_line();
    run_stop();
}
END_TEST

START_TEST(when_cspctl_fails_the_broker_says_it)
{
    script("exit 3");
    deadlock("fail");
    both_fail();
    ck_plain_line();
    run_stop();
}
END_TEST

START_TEST(a_report_that_hangs_is_ended)
{
    script("exec sleep 600");
    deadlock("fail");
    both_fail();
    ck_plain_line();
    run_stop();
}
END_TEST

START_TEST(a_report_ends_with_the_run)
{
    script("echo >up\nexec sleep 600");
    deadlock("fail");
    until_up();
    run_stop();
}
END_TEST

Suite *reporter_suite(void)
{
    Suite *s = suite_create("reporter");
    TCase *t = tcase_create("reporter");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, it_is_cspctl_dump_and_prints_on_stderr);
    tcase_add_test(t, calls_fail_when_it_has_ended);
    tcase_add_test(t, who_was_woken_meanwhile_does_not_fail);
    tcase_add_test(t, an_installed_one_is_found);
    tcase_add_test(t, report_only_prints);
    tcase_add_test(t, ignore_does_not_look);
    tcase_add_test(t, without_cspctl_the_broker_says_it);
    tcase_add_test(t, when_cspctl_fails_the_broker_says_it);
    tcase_add_test(t, a_report_that_hangs_is_ended);
    tcase_add_test(t, a_report_ends_with_the_run);
    suite_add_tcase(s, t);
    return s;
}
