/* SPDX-License-Identifier: MPL-2.0 */
/* Processes: a child starts clean and ends with its true reason; programs under the bridge. */
#include "expect.h"
#include "leftover.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *process_suite(void);

static csp_chan c, d;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static int end_with(void *arg)
{
    return *(int *)arg;
}

static int exit_with(void *arg)
{
    exit(*(int *)arg);
}

static int die_by(void *arg)
{
    raise(*(int *)arg);
    return 99;
}

/* ---- ends */

START_TEST(an_exit_status_is_the_functions_result)
{
    int code = 0;
    ended(go(end_with, &code), CSP_CLEAN, 0);
    code = 7;
    ended(go(end_with, &code), CSP_CODE, 7);
    code = 256 + 9;
    ended(go(end_with, &code), CSP_CODE, 9);
}

START_TEST(exit_in_a_child_is_its_end_and_not_the_runs)
{
    int code = 3;
    ended(go(exit_with, &code), CSP_CODE, 3);
    c = make(1);
    send_number(c, 1);
    ck_assert_int_eq(receive_number(c), 1);
}

START_TEST(a_signal_is_told)
{
    int sig = SIGSEGV;
    ended(go(die_by, &sig), CSP_SIGNAL, SIGSEGV);
    sig = SIGKILL;
    ended(go(die_by, &sig), CSP_SIGNAL, SIGKILL);
}

static int wait_for_token(void *arg)
{
    char token;
    (void)arg;
    CHILD_ASSERT(csp_recv(c, &token, 1, soon()) >= 0);
    return 0;
}

START_TEST(a_wait_has_a_deadline_and_reaps_once)
{
    c = make(0);
    csp_proc p = go(wait_for_token, NULL);
    ASSERT_ERRNO(csp_wait(p, NULL, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_wait(p, NULL, csp_in(20)), ETIMEDOUT);
    ck_assert_int_eq(csp_send(c, NULL, 0, soon()), 0);
    ASSERT_OK(csp_wait(p, NULL, soon()));
    ASSERT_ERRNO(csp_wait(p, NULL, soon()), ECHILD);
    ASSERT_ERRNO(csp_wait(p + 1000, NULL, soon()), ECHILD);
    ASSERT_ERRNO(csp_wait(-1, NULL, soon()), ECHILD);
    ASSERT_ERRNO(csp_go(NULL, NULL), EINVAL);
}

START_TEST(children_that_nobody_waited_for_are_reaped_at_the_end)
{
    int code = 0;
    c = make(0);
    go(end_with, &code);
    go(wait_for_token, NULL);
}

/* ---- a child starts clean */

static int look_at_signals(void *arg)
{
    sigset_t mask;
    struct sigaction action;
    (void)arg;
    CHILD_ASSERT(sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigisemptyset(&mask));
    CHILD_ASSERT(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    CHILD_ASSERT(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    return 0;
}

static void on_signal(int sig)
{
    (void)sig;
}

START_TEST(a_child_has_default_signals_and_an_empty_mask)
{
    sigset_t mask;
    sigset_t after;
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    ended_well(go(look_at_signals, NULL));
    sigprocmask(SIG_SETMASK, NULL, &after);
    ck_assert(sigismember(&after, SIGTERM) && !sigismember(&after, SIGHUP));
}

static int inherited;

static int look_at_descriptors(void *arg)
{
    char path[64];
    char link[256] = "";
    struct stat st;
    struct stat null;
    (void)arg;
    CHILD_ASSERT(stat("/dev/null", &null) == 0 && fstat(inherited, &st) == 0 && st.st_rdev == null.st_rdev);
    for (int fd = 3; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n < 0)
            continue;
        link[n] = '\0';
        CHILD_ASSERT(strstr(link, scratch()) == NULL && strncmp(link, "pipe:", 5) != 0);
    }
    return 0;
}

START_TEST(a_child_has_no_descriptor_of_its_parent)
{
    char path[128];
    int fds[2];
    snprintf(path, sizeof path, "%s/secret", scratch());
    inherited = open(path, O_CREAT | O_RDWR, 0600);
    ck_assert_int_eq(pipe(fds), 0);
    ended_well(go(look_at_descriptors, NULL));
    close(inherited);
    close(fds[0]);
    close(fds[1]);
}

static const int far_ones[] = {200, 300, 900};

static int look_for_far_descriptors(void *arg)
{
    struct stat st;
    struct stat null;
    (void)arg;
    CHILD_ASSERT(stat("/dev/null", &null) == 0);
    for (size_t i = 0; i < sizeof far_ones / sizeof *far_ones; i++)
        CHILD_ASSERT(fstat(far_ones[i], &st) != 0 || st.st_rdev == null.st_rdev);
    return 0;
}

static void with_far_descriptors(rlim_t limit)
{
    struct rlimit before;
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(csp_init(), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_uint_gt(before.rlim_cur, 900);
    for (size_t i = 0; i < sizeof far_ones / sizeof *far_ones; i++)
        ck_assert_int_eq(dup2(fds[1], far_ones[i]), far_ones[i]);
    close(fds[1]);
    struct rlimit lower = {.rlim_cur = limit < before.rlim_cur ? limit : before.rlim_cur, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
    ended_well(go(look_for_far_descriptors, NULL));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < sizeof far_ones / sizeof *far_ones; i++)
        close(far_ones[i]);
    close(fds[0]);
}

START_TEST(nor_one_with_a_high_number)
{
    with_far_descriptors(RLIM_INFINITY);
}
END_TEST

START_TEST(nor_one_over_a_limit_that_was_lowered)
{
    with_far_descriptors(250);
}
END_TEST

/* The numbers of children that were reaped meanwhile are gaps in those that the next child closes. */
static int look_for_pidfds(void *arg)
{
    char path[64];
    char link[256] = "";
    int pidfds = 0;
    (void)arg;
    for (int fd = 3; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        pidfds += n > 0 && strstr(link, "pidfd") != NULL;
    }
    CHILD_ASSERT(pidfds == 1); /* the broker's */
    return 0;
}

static csp_chan quiet;

static int stay_until_closed(void *arg)
{
    (void)arg;
    char byte;
    return csp_recv(quiet, &byte, 1, CSP_FOREVER) < 0 && errno == EPIPE ? 0 : 1;
}

START_TEST(a_child_has_no_descriptor_of_its_siblings)
{
    csp_proc siblings[9];
    csp_exit why;
    quiet = csp_make(0);
    for (int i = 0; i < 9; i++)
        siblings[i] = go(i % 3 == 1 ? look_for_pidfds : stay_until_closed, NULL);
    for (int i = 1; i < 9; i += 3)
        ended_well(siblings[i]);
    ended_well(go(look_for_pidfds, NULL));
    ASSERT_OK(csp_close(quiet));
    for (int i = 0; i < 9; i++)
        if (i % 3 != 1)
            ASSERT_OK(csp_wait(siblings[i], &why, csp_in(20000)));
}
END_TEST

static FILE *parents_file;

static int write_to_parents_file(void *arg)
{
    (void)arg;
    fputs("of the child\n", parents_file);
    c = csp_make(1); /* whatever gets a number gets another */
    return c != 0 && fclose(parents_file) == 0 ? 0 : 1;
}

START_TEST(a_file_of_the_parent_leads_nowhere_in_a_child)
{
    char path[128];
    char text[64] = "";
    snprintf(path, sizeof path, "%s/file", scratch());
    parents_file = fopen(path, "w+");
    fputs("of the parent\n", parents_file);
    ended_well(go(write_to_parents_file, NULL));
    fclose(parents_file);
    FILE *f = fopen(path, "r");
    ck_assert_int_eq(fread(text, 1, sizeof text, f), strlen("of the parent\n"));
    ck_assert_str_eq(text, "of the parent\n");
    fclose(f);
}

static int print_line(void *arg)
{
    (void)arg;
    printf("child\n");
    return 0;
}

START_TEST(what_was_printed_is_there_once)
{
    char path[128];
    char text[64] = "";
    snprintf(path, sizeof path, "%s/out", scratch());
    fflush(stdout);
    int saved = dup(1);
    int file = open(path, O_CREAT | O_RDWR, 0600);
    dup2(file, 1);
    printf("parent\n");
    csp_proc p = go(print_line, NULL);
    ended_well(p);
    fflush(stdout);
    dup2(saved, 1);
    ck_assert_int_eq(pread(file, text, sizeof text, 0), strlen("parent\nchild\n"));
    ck_assert_str_eq(text, "parent\nchild\n");
    close(file);
    close(saved);
}

static int look_at_group(void *arg)
{
    CHILD_ASSERT(getpgrp() == getpid() && getpgrp() != *(pid_t *)arg);
    return 0;
}

START_TEST(a_child_has_a_process_group_of_its_own)
{
    pid_t group = getpgrp();
    ended_well(go(look_at_group, &group));
}

/* ---- what a child holds */

static int use_inherited(void *arg)
{
    long n;
    (void)arg;
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, CSP_NOW) == (ssize_t)sizeof n && n == 1);
    CHILD_ASSERT(csp_send(c, &n, sizeof n, CSP_NOW) == 0);
    CHILD_ASSERT(csp_recv(d, &n, sizeof n, CSP_NOW) == -1 && errno == EBADF); /* its parent does not hold that */
    CHILD_ASSERT(csp_send(d, &n, sizeof n, CSP_NOW) == 0);
    return 0;
}

static csp_chan token;

static int hold(void *arg)
{
    (void)arg;
    return csp_recv(token, NULL, 0, soon()) == 0 ? 0 : 1;
}

START_TEST(a_child_holds_what_its_parent_holds)
{
    c = make(1);
    d = make(1);
    token = make(0);
    csp_proc holder = go(hold, NULL); /* of the receiving end of d */
    ck_assert_int_eq(csp_drop(d, CSP_RECV), 0);
    send_number(c, 1);
    ended_well(go(use_inherited, NULL));
    ck_assert_int_eq(receive_number(c), 1);
    ck_assert_int_eq(csp_send(token, NULL, 0, soon()), 0);
    ended_well(holder);
}

static int depth;

static int go_deeper(void *arg)
{
    csp_exit why;
    if (--depth == 0) {
        long n = 42;
        return csp_send(c, &n, sizeof n, soon()) == 0 ? 0 : 1;
    }
    csp_proc p = csp_go(go_deeper, arg);
    CHILD_ASSERT(p > 0 && csp_wait(p, &why, soon()) == 0 && why.how == CSP_CLEAN);
    return 0;
}

START_TEST(children_have_children)
{
    depth = 12;
    c = make(0);
    csp_proc p = go(go_deeper, NULL);
    ck_assert_int_eq(receive_number(c), 42);
    ended_well(p);
}

static int pass_on(void *arg)
{
    csp_chan in = c;
    long n;
    (void)arg;
    CHILD_ASSERT(csp_recv(in, &n, sizeof n, soon()) == (ssize_t)sizeof n);
    n++;
    CHILD_ASSERT(csp_send(d, &n, sizeof n, soon()) == 0);
    return 0;
}

START_TEST(a_daisy_chain_passes_a_value_and_tears_down)
{
    csp_proc p[100];
    csp_chan first = make(0);
    c = first;
    for (int i = 0; i < 100; i++) {
        d = make(0);
        p[i] = go(pass_on, NULL);
        c = d;
    }
    send_number(first, 0);
    ck_assert_int_eq(receive_number(c), 100);
    for (int i = 0; i < 100; i++)
        ended_well(p[i]);
}

/* ---- deaths */

#define VALUES    3000
#define CONSUMERS 3
#define KILLS     25

static csp_chan results;
static int as_stream;

static int produce_values(void *arg)
{
    (void)arg;
    for (long i = 0; i < VALUES; i++)
        CHILD_ASSERT(csp_send(c, &i, sizeof i, csp_in(30000)) == 0);
    return 0;
}

/* Says its pid, then what it receives. */
static int consume_values(void *arg)
{
    long n = -(long)getpid();
    (void)arg;
    CHILD_ASSERT(!as_stream || csp_stream(c, CSP_RECV, 256) == 0);
    do
        CHILD_ASSERT(csp_send(results, &n, sizeof n, csp_in(30000)) == 0);
    while (csp_recv(c, &n, sizeof n, csp_in(30000)) > 0);
    return errno == EPIPE ? 0 : 1;
}

/* A consumer ended: by the end of the values, or killed, and then another takes its place. */
static int replace_consumer(csp_proc *p, const csp_exit *why)
{
    ck_assert(why->how == CSP_CLEAN || (why->how == CSP_SIGNAL && why->code == SIGKILL));
    *p = why->how == CSP_CLEAN ? -1 : go(consume_values, NULL);
    return *p > 0;
}

/* Consumers are killed at any moment and replaced: each death may take the one value that its process had received and
 * not reported, no value comes twice, and nobody else is disturbed. */
static void kill_consumers(void)
{
    static unsigned char seen[VALUES];
    csp_proc p[CONSUMERS];
    pid_t pids[CONSUMERS + KILLS];
    csp_exit why;
    int kills = 0;
    int known = 0;
    long received = 0;
    c = make(8);
    results = make(0);
    csp_proc producer = go(produce_values, NULL);
    ASSERT_OK(csp_drop(c, CSP_SEND));
    for (int i = 0; i < CONSUMERS; i++)
        p[i] = go(consume_values, NULL);
    for (int running = CONSUMERS; running > 0;) {
        long n;
        csp_case cases[CONSUMERS + 1] = {csp_on_recv(results, &n, sizeof n)};
        for (int i = 0; i < CONSUMERS; i++)
            cases[i + 1] = p[i] > 0 ? csp_on_exit(p[i], &why) : csp_on_time(CSP_FOREVER);
        int chosen = csp_select(cases, CONSUMERS + 1, soon());
        ASSERT_OK(chosen);
        if (chosen > 0)
            running -= !replace_consumer(&p[chosen - 1], &why);
        else if (n < 0)
            pids[known++] = (pid_t)-n;
        else
            ck_assert_msg(received++ >= 0 && seen[n]++ == 0, "value %ld came twice", n);
        if (kills < KILLS && kills < known && received > (long)(kills + 1) * VALUES / (KILLS + 5))
            kill(pids[kills++], SIGKILL);
    }
    ck_assert_int_eq(kills, KILLS);
    ck_assert_msg(received >= VALUES - kills, "%ld of %d with %d deaths", received, VALUES, kills);
    ended_well(producer);
}

START_TEST(killed_receivers_lose_at_most_the_value_in_their_hands)
{
    as_stream = 0;
    kill_consumers();
}

START_TEST(killed_streaming_receivers_lose_at_most_the_value_in_their_hands)
{
    as_stream = 1;
    kill_consumers();
}

/* ---- programs */

static csp_proc spawn(char *const argv[], csp_chan in, csp_chan out)
{
    csp_proc p = csp_spawn(argv, in, out);
    ck_assert_msg(p > 0, "csp_spawn: %s", csp_errmsg());
    return p;
}

START_TEST(a_program_filters_values)
{
    char value[16] = "";
    char *argv[] = {"sed", "s/a/b/", NULL};
    c = make(4);
    d = make(4);
    csp_proc p = spawn(argv, c, d);
    ck_assert_int_eq(csp_drop(d, CSP_SEND), 0);
    ck_assert_int_eq(csp_send(c, "banana", 6, soon()), 0);
    ck_assert_int_eq(csp_send(c, "x", 1, soon()), 0);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ck_assert_int_eq(csp_recv(d, value, sizeof value, soon()), 6);
    ck_assert_mem_eq(value, "bbnana", 6);
    ck_assert_int_eq(csp_recv(d, value, sizeof value, soon()), 1);
    ASSERT_ERRNO(csp_recv(d, value, sizeof value, soon()), EPIPE);
    ended_well(p);
}

START_TEST(a_programs_exit_is_the_processs)
{
    char *argv[] = {"sh", "-c", "exit 5", NULL};
    ended(spawn(argv, 0, 0), CSP_CODE, 5);
    char *killed[] = {"sh", "-c", "kill -9 $$", NULL};
    ended(spawn(killed, 0, 0), CSP_SIGNAL, SIGKILL);
    char *fine[] = {"true", NULL};
    ended_well(spawn(fine, 0, 0));
}

START_TEST(a_program_that_cannot_be_executed_is_execs_own_error)
{
    char path[128];
    char *missing[] = {"no-such-program-anywhere", NULL};
    ASSERT_ERRNO(csp_spawn(missing, 0, 0), ENOENT);
    ck_assert_ptr_nonnull(strstr(csp_errmsg(), "no-such-program-anywhere"));
    snprintf(path, sizeof path, "%s/plain-file", scratch());
    close(open(path, O_CREAT | O_WRONLY, 0600));
    char *plain[] = {path, NULL};
    ASSERT_ERRNO(csp_spawn(plain, 0, 0), EACCES);
    ASSERT_ERRNO(csp_spawn(NULL, 0, 0), EINVAL);
}

START_TEST(a_spawn_without_its_ends_is_ebadf)
{
    char *argv[] = {"cat", NULL};
    c = make(1);
    ck_assert_int_eq(csp_drop(c, CSP_RECV), 0);
    ASSERT_ERRNO(csp_spawn(argv, c, 0), EBADF);
    ASSERT_ERRNO(csp_spawn(argv, 0, 4711), EBADF);
}

START_TEST(without_a_bridge_spawn_is_enoent_and_says_so)
{
    char *argv[] = {"true", NULL};
    ASSERT_OK(csp_init());
    setenv("CSP_LIBEXEC", "/nonexistent", 1);
    ASSERT_ERRNO(csp_spawn(argv, 0, 0), ENOENT);
    ck_assert_ptr_nonnull(strstr(csp_errmsg(), "bridge"));
}

START_TEST(a_program_has_neither_ticket_nor_descriptors)
{
    char value[256] = "";
    char *argv[] = {"sh", "-c", "echo \"${CSP_TICKET-none}\"; readlink /proc/self/fd/* | grep -c passwd", NULL};
    int fd = open("/etc/passwd", O_RDONLY); /* no CLOEXEC */
    d = make(4);
    csp_proc p = spawn(argv, 0, d);
    ck_assert_int_eq(csp_recv(d, value, sizeof value, soon()), 4);
    ck_assert_mem_eq(value, "none", 4);
    ck_assert_int_eq(csp_recv(d, value, sizeof value, soon()), 1);
    ck_assert_mem_eq(value, "0", 1);
    ended(p, CSP_CODE, 1); /* grep found none */
    close(fd);
}

Suite *process_suite(void)
{
    Suite *s = suite_create("process");
    TCase *t = tcase_create("process");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, an_exit_status_is_the_functions_result);
    tcase_add_test(t, exit_in_a_child_is_its_end_and_not_the_runs);
    tcase_add_test(t, a_signal_is_told);
    tcase_add_test(t, a_wait_has_a_deadline_and_reaps_once);
    tcase_add_test(t, children_that_nobody_waited_for_are_reaped_at_the_end);
    tcase_add_test(t, a_child_has_default_signals_and_an_empty_mask);
    tcase_add_test(t, a_child_has_no_descriptor_of_its_parent);
    tcase_add_test(t, nor_one_with_a_high_number);
    tcase_add_test(t, nor_one_over_a_limit_that_was_lowered);
    tcase_add_test(t, a_child_has_no_descriptor_of_its_siblings);
    tcase_add_test(t, a_file_of_the_parent_leads_nowhere_in_a_child);
    tcase_add_test(t, what_was_printed_is_there_once);
    tcase_add_test(t, a_child_has_a_process_group_of_its_own);
    tcase_add_test(t, a_child_holds_what_its_parent_holds);
    tcase_add_test(t, children_have_children);
    tcase_add_test(t, a_daisy_chain_passes_a_value_and_tears_down);
    tcase_add_test(t, killed_receivers_lose_at_most_the_value_in_their_hands);
    tcase_add_test(t, killed_streaming_receivers_lose_at_most_the_value_in_their_hands);
    tcase_add_test(t, a_program_filters_values);
    tcase_add_test(t, a_programs_exit_is_the_processs);
    tcase_add_test(t, a_program_that_cannot_be_executed_is_execs_own_error);
    tcase_add_test(t, a_spawn_without_its_ends_is_ebadf);
    tcase_add_test(t, without_a_bridge_spawn_is_enoent_and_says_so);
    tcase_add_test(t, a_program_has_neither_ticket_nor_descriptors);
    suite_add_tcase(s, t);
    return s;
}
