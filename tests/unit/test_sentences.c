/* SPDX-License-Identifier: MPL-2.0 */
/* What cancelled processes get that do not end, and how they have ended for the run: sections 7 and 11 of
 * docs/protocol.md. Real processes, each in a group of its own, or in the test's, which must live. */
#include "../speaker.h"

#include "csp.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *sentences_suite(void);

#define SHORT  INT64_C(100000000)
#define HEEDED (5 * SHORT) /* a grace in which whoever got SIGTERM certainly handles it, before SIGKILL comes */

enum { CLEAN, CODE, SIGNAL, CANCELLED, DEADLINE };

static const struct wire_head none;
static uint64_t scope;
static struct wire_announced child; /* announced last */
static int terms[2];                /* a pipe: a byte for each SIGTERM that was handled, the end when all are dead */

static void setup(int64_t grace)
{
    ck_assert_int_eq(pipe(terms), 0);
    scope = enter(run.root, -1, grace);
    child.ticket = announce(run.root, &child.process, 0, 0, 0, 0);
}

static void cancel_all(void)
{
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_SCOPE, scope), 0);
    hear_cancelled(run.root, scope, CANCELLED);
}

static void tell_term(int number)
{
    (void)number;
    if (write(terms[1], "T", 1) != 1)
        _exit(1);
}

static void handle_term(void)
{
    struct sigaction a = {.sa_handler = tell_term};
    sigaction(SIGTERM, &a, NULL);
}

/* Reads what SIGTERM has told until all who could tell are dead; how many did. */
static unsigned count_terms(void)
{
    unsigned n = 0;
    char byte;
    close(terms[1]);
    for (;;) {
        struct pollfd item = {.fd = terms[0], .events = POLLIN};
        ck_assert_msg(poll(&item, 1, 2 * WAIT_MS) == 1, "somebody lives, after %u times SIGTERM", n);
        ssize_t r = read(terms[0], &byte, 1);
        ck_assert_int_ge(r, 0);
        if (r == 0)
            return n;
        n++;
    }
}

/* ---- processes to be cancelled ----------------------------------------------------------------------------------- */

static void stay(struct speaker *s, void *arg)
{
    (void)s, (void)arg;
    reached();
}

static void ignore_term(struct speaker *s, void *arg)
{
    (void)s, (void)arg;
    handle_term();
    reached();
}

/* A process in the group of the one that forks it; it is killed with that group, or by its alarm. */
static pid_t companion(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        for (;;)
            pause();
    }
    return pid;
}

static void lead_a_group(struct speaker *s, void *arg)
{
    setpgid(0, 0);
    handle_term();
    if (companion() > 0)
        stay(s, arg);
}

/* Says whom the caller of PROGRAM runs: a group of its own. */
static void run_a_program(struct speaker *s, void *arg)
{
    (void)arg;
    int ready[2];
    char byte;
    handle_term();
    if (pipe(ready) != 0)
        _exit(1);
    pid_t program = fork();
    if (program == 0) {
        alarm(60);
        setpgid(0, 0);
        if (write(ready[1], "x", 1) == 1)
            companion();
        for (;;)
            pause();
    }
    if (read(ready[0], &byte, 1) != 1)
        _exit(1);
    ask(s, WIRE_PROGRAM, (struct wire_head){.count = (uint32_t)program}, NULL, 0);
    reached();
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

START_TEST(one_that_does_not_end_gets_sigterm)
{
    setup(SHORT);
    pid_t pid = fork_attached(child.ticket, stay, NULL);
    until_reached();
    int64_t at = csp_now();
    cancel_all();
    int status = wait_child(pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
    ck_assert_int_ge(csp_now() - at, SHORT);
}
END_TEST

START_TEST(one_that_ignores_sigterm_gets_sigkill)
{
    setup(HEEDED);
    pid_t pid = fork_attached(child.ticket, ignore_term, NULL);
    until_reached();
    int64_t at = csp_now();
    cancel_all();
    ck_assert_uint_eq(count_terms(), 1);
    ck_assert_int_ge(csp_now() - at, 2 * HEEDED);
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGKILL);
}
END_TEST

START_TEST(its_process_group_gets_them_with_it)
{
    setup(HEEDED);
    pid_t pid = fork_attached(child.ticket, lead_a_group, NULL);
    until_reached();
    cancel_all();
    ck_assert_uint_eq(count_terms(), 2); /* two processes, and each only once */
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGKILL);
}
END_TEST

START_TEST(a_group_that_it_does_not_lead_gets_none)
{
    setup(0);
    pid_t pid = fork_attached(child.ticket, stay, NULL); /* in the group of this test */
    until_reached();
    cancel_all();
    ck_assert(WIFSIGNALED(wait_child(pid)));
}
END_TEST

START_TEST(the_group_of_its_program_gets_them)
{
    setup(HEEDED);
    pid_t pid = fork_attached(child.ticket, run_a_program, NULL);
    until_reached();
    cancel_all();
    ck_assert_uint_eq(count_terms(), 3); /* itself, the program, and its companion */
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGKILL);
}
END_TEST

START_TEST(without_a_grace_both_come_at_once)
{
    setup(0);
    pid_t pid = fork_attached(child.ticket, ignore_term, NULL);
    until_reached();
    cancel_all();
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGKILL);
}
END_TEST

/* Ends when it is cancelled, but lives on. */
static void end_and_stay(struct speaker *s, void *arg)
{
    OFFER(s, 0, ON(WIRE_OP_TIME, INT64_MAX));
    if (committed(s).err != ECANCELED || bye(s, CLEAN, 0) != 0 || close(terms[1]) != 0)
        _exit(1);
    stay(s, arg);
}

START_TEST(one_that_ends_in_time_gets_none)
{
    setup(4 * HEEDED);
    uint64_t first = child.process;
    pid_t ended = fork_attached(child.ticket, end_and_stay, NULL);
    until_waiting(first);
    child.ticket = announce(run.root, &child.process, 0, 0, 0, 0);
    pid_t pid = fork_attached(child.ticket, ignore_term, NULL);
    until_reached();
    cancel_all();
    until_reached();
    ck_assert_uint_eq(count_terms(), 1);
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGKILL); /* all signals of this cancellation have been sent */
    ck_assert_int_eq(waitpid(ended, NULL, WNOHANG), 0);
    kill(ended, SIGKILL);
    wait_child(ended);
}
END_TEST

START_TEST(one_that_starts_late_gets_what_was_due)
{
    setup(0);
    cancel_all();
    sync_line(run.root); /* what was due has come and gone: it has no pid yet */
    pid_t pid = fork_attached(child.ticket, ignore_term, NULL);
    ck_assert(WIFSIGNALED(wait_child(pid)));
}
END_TEST

START_TEST(one_that_was_only_started_gets_them_too)
{
    setup(SHORT);
    pid_t pid = fork_attached(0, stay, NULL); /* it never attaches */
    until_reached();
    struct wire_started w = {.process = child.process, .pid = (uint32_t)pid};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &w, sizeof w), 0);
    cancel_all();
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGTERM);
}
END_TEST

/* With a long grace, and a member. */
static void own_a_scope(struct speaker *s, void *arg)
{
    handle_term();
    enter(s, -1, HOUR);
    if (fork_attached(announce(s, NULL, 0, 0, 0, 0), ignore_term, arg) > 0)
        for (;;)
            pause();
}

START_TEST(the_grace_is_that_of_where_the_cancellation_began)
{
    setup(HEEDED);
    pid_t pid = fork_attached(child.ticket, own_a_scope, NULL);
    until_reached();
    cancel_all();
    ck_assert_uint_eq(count_terms(), 2);
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGKILL);
}
END_TEST

START_TEST(what_was_cancelled_keeps_its_grace)
{
    setup(SHORT);
    pid_t pid = fork_attached(child.ticket, stay, NULL);
    until_reached();
    cancel_all();
    struct wire_scope w = {-1, HOUR};
    ck_assert_int_eq(ask_err(run.root, WIRE_SCOPE, (struct wire_head){.channel = scope}, &w, sizeof w), 0);
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGTERM);
}
END_TEST

static void wait_long(struct speaker *s, void *arg)
{
    (void)arg;
    OFFER(s, WIRE_SHIELD, ON(WIRE_OP_TIME, INT64_MAX));
    reached();
}

START_TEST(a_shield_holds_off_no_signal)
{
    setup(SHORT);
    pid_t pid = fork_attached(child.ticket, wait_long, NULL);
    until_reached();
    cancel_all();
    ck_assert_int_eq(WTERMSIG(wait_child(pid)), SIGTERM);
}
END_TEST

static struct {
    pid_t companion;
    char dir[sizeof run.dir];
} * shared; /* with the root below */

/* The root of a run of its own, in a group with another process, as a shell starts it; it is cancelled in the run
 * itself. */
static void be_root(void)
{
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    setpgid(0, 0);
    handle_term();
    shared->companion = companion();
    signal(SIGTERM, SIG_DFL);
    run_start();
    memcpy(shared->dir, run.dir, sizeof run.dir);
    if (cancel(run.root, WIRE_ONE_PROCESS, run.root->process) != 0)
        _exit(1);
    hear_cancelled(run.root, 0, CANCELLED);
    for (;;)
        pause();
}

START_TEST(the_root_gets_them_alone)
{
    int status;
    struct stat st;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    ck_assert_int_eq(pipe(terms), 0);
    pid_t root = fork();
    if (root == 0)
        be_root();
    ck_assert_int_eq(waitpid(root, &status, 0), root);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
    for (int64_t by = csp_now() + 100 * SHORT; stat(shared->dir, &st) == 0;)
        ck_assert_int_lt(csp_now(), by); /* the run ends with it */
    ck_assert_int_eq(kill(shared->companion, SIGKILL), 0);
    ck_assert_uint_eq(count_terms(), 0);
}
END_TEST

/* ---- how it ended ------------------------------------------------------------------------------------------------ */

/* What the run says of it when its announcer, this process, is about to reap it. */
static struct wire_exit reaped(uint64_t process, int how, int code)
{
    struct wire_exit w = {.process = process, .how = how, .code = code}, told;
    struct heard h = ask(run.root, WIRE_REAPED, none, &w, sizeof w);
    ck_assert_int_eq(h.head.count, 0);
    ck_assert_uint_eq(h.size, sizeof told);
    memcpy(&told, h.data, sizeof told);
    ck_assert_uint_eq(told.process, process);
    return told;
}

static const struct end {
    int status, how, code, told, told_code; /* status: of exit, or minus the signal */
} ends[] = {
    {0, CODE, 0, CLEAN, 0},
    {3, CODE, 3, CANCELLED, 0},
    {-SIGTERM, SIGNAL, SIGTERM, CANCELLED, 0},
    {-SIGKILL, SIGNAL, SIGKILL, CANCELLED, 0},
    {-SIGUSR1, SIGNAL, SIGUSR1, SIGNAL, SIGUSR1},
};

/* Ends so when it has heard that it is cancelled. */
static void end_cancelled(struct speaker *s, void *arg)
{
    int status = *(const int *)arg;
    OFFER(s, 0, ON(WIRE_OP_TIME, INT64_MAX));
    if (committed(s).err != ECANCELED)
        _exit(99);
    if (status < 0)
        kill(getpid(), -status);
    _exit(status);
}

static void wait_zombie(pid_t pid)
{
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

START_TEST(the_reason_of_a_cancelled_process)
{
    const struct end *e = &ends[_i];
    int status = e->status;
    setup(HOUR);
    pid_t pid = fork_attached(child.ticket, end_cancelled, &status);
    until_waiting(child.process);
    cancel_all();
    wait_zombie(pid);
    struct wire_exit told = reaped(child.process, e->how, e->code);
    wait_child(pid);
    ck_assert_int_eq(told.how, e->told);
    ck_assert_int_eq(told.code, e->told_code);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(left(run.root).how, CANCELLED);
}
END_TEST

START_TEST(a_deadline_is_told_as_one)
{
    int status = 3;
    setup(HOUR);
    pid_t pid = fork_attached(child.ticket, end_cancelled, &status);
    until_waiting(child.process);
    struct wire_scope now = {0, HOUR};
    ck_assert_int_eq(ask_err(run.root, WIRE_SCOPE, (struct wire_head){.channel = scope}, &now, sizeof now), 0);
    hear_cancelled(run.root, scope, DEADLINE);
    wait_zombie(pid);
    ck_assert_int_eq(reaped(child.process, CODE, 3).how, DEADLINE);
    wait_child(pid);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(left(run.root).how, DEADLINE);
}
END_TEST

START_TEST(a_death_that_was_no_cancellation_is_the_first_failure)
{
    setup(HOUR);
    uint64_t other;
    pid_t dying = fork_attached(child.ticket, stay, NULL);
    until_reached();
    int status = 5;
    pid_t pid = fork_attached(announce(run.root, &other, 0, 0, 0, 0), end_cancelled, &status);
    until_waiting(other);
    kill(dying, SIGKILL);
    hear_cancelled(run.root, scope, CANCELLED);
    wait_child(pid);
    OFFER(run.root, 0, ON_LEAVE(scope));
    struct wire_exit why = left(run.root);
    ck_assert_uint_eq(why.process, child.process);
    ck_assert_int_eq(why.how, SIGNAL);
    ck_assert_int_eq(why.code, SIGKILL);
    ck_assert_int_eq(reaped(child.process, SIGNAL, SIGKILL).how, SIGNAL);
    ck_assert_int_eq(reaped(other, CODE, 5).how, CANCELLED);
    wait_child(dying);
}
END_TEST

START_TEST(a_reason_is_kept_until_it_was_asked_for)
{
    setup(HOUR);
    int status = 3;
    pid_t pid = fork_attached(child.ticket, end_cancelled, &status);
    until_waiting(child.process);
    cancel_all();
    wait_child(pid); /* nothing of it is left but what the broker knows */
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(left(run.root).how, CANCELLED);
    ck_assert_ptr_null(stat_field("process", child.process, 0));
    ck_assert_int_eq(reaped(child.process, CODE, 3).how, CANCELLED);
    ck_assert_int_eq(reaped(child.process, CODE, 3).how, CODE); /* forgotten: as it is said */
}
END_TEST

START_TEST(what_never_started_is_not_kept)
{
    setup(HOUR);
    struct wire_started never = {.process = child.process};
    ck_assert_int_eq(ask_err(run.root, WIRE_STARTED, none, &never, sizeof never), 0);
    ck_assert_int_eq(reaped(child.process, CODE, 9).how, CODE); /* as it is said */
}
END_TEST

START_TEST(what_bye_said_is_told_by_reaped)
{
    struct wire_announce success = {.success[0] = 1 << 7};
    struct heard h = ask(run.root, WIRE_ANNOUNCE, none, &success, sizeof success);
    struct wire_announced a;
    memcpy(&a, h.data, sizeof a);
    ck_assert_int_eq(bye(attach(a.ticket), CODE, 7), 0);
    struct wire_exit told = reaped(a.process, SIGNAL, SIGKILL); /* it was killed later */
    ck_assert_int_eq(told.how, CLEAN);
    ck_assert_int_eq(told.code, 0);
}
END_TEST

START_TEST(what_reaped_was_told_stays_so)
{
    setup(HOUR);
    struct speaker *m = attach(child.ticket);
    ck_assert_int_eq(reaped(child.process, CODE, 4).how, CODE);
    ck_assert_int_eq(cancel(run.root, WIRE_ONE_PROCESS, child.process), 0);
    struct wire_exit told = reaped(child.process, CLEAN, 0);
    ck_assert_int_eq(told.how, CODE);
    ck_assert_int_eq(told.code, 4);
    ck_assert_int_eq(bye(m, CLEAN, 0), 0); /* it was read late */
    hear_cancelled(run.root, scope, CANCELLED);
    OFFER(run.root, 0, ON_LEAVE(scope));
    ck_assert_int_eq(left(run.root).code, 4);
}
END_TEST

START_TEST(who_ends_lets_what_it_started_be_forgotten)
{
    uint64_t inner;
    struct speaker *parent = colleague(0, 0, 0, 0);
    ck_assert_int_eq(bye(attach(announce(parent, &inner, 0, 0, 0, 0)), CODE, 1), 0);
    ck_assert_int_eq(bye(parent, CLEAN, 0), 0);
    ck_assert_int_eq(
        ask_err(run.root, WIRE_REAPED, none, &(struct wire_exit){inner, CODE, 1}, sizeof(struct wire_exit)), 0);
}
END_TEST

Suite *sentences_suite(void)
{
    Suite *s = suite_create("sentences");
    TCase *t = tcase_create("sentences");
    tcase_add_checked_fixture(t, run_start, run_stop);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, one_that_does_not_end_gets_sigterm);
    tcase_add_test(t, one_that_ignores_sigterm_gets_sigkill);
    tcase_add_test(t, its_process_group_gets_them_with_it);
    tcase_add_test(t, a_group_that_it_does_not_lead_gets_none);
    tcase_add_test(t, the_group_of_its_program_gets_them);
    tcase_add_test(t, without_a_grace_both_come_at_once);
    tcase_add_test(t, one_that_ends_in_time_gets_none);
    tcase_add_test(t, one_that_starts_late_gets_what_was_due);
    tcase_add_test(t, one_that_was_only_started_gets_them_too);
    tcase_add_test(t, the_grace_is_that_of_where_the_cancellation_began);
    tcase_add_test(t, what_was_cancelled_keeps_its_grace);
    tcase_add_test(t, a_shield_holds_off_no_signal);
    tcase_add_test(t, a_deadline_is_told_as_one);
    tcase_add_test(t, a_death_that_was_no_cancellation_is_the_first_failure);
    tcase_add_test(t, a_reason_is_kept_until_it_was_asked_for);
    tcase_add_test(t, what_never_started_is_not_kept);
    tcase_add_test(t, what_bye_said_is_told_by_reaped);
    tcase_add_test(t, what_reaped_was_told_stays_so);
    tcase_add_test(t, who_ends_lets_what_it_started_be_forgotten);
    tcase_add_loop_test(t, the_reason_of_a_cancelled_process, 0, sizeof ends / sizeof ends[0]);
    suite_add_tcase(s, t);
    TCase *own = tcase_create("root"); /* in a run of its own */
    tcase_set_timeout(own, 300);
    tcase_add_test(own, the_root_gets_them_alone);
    suite_add_tcase(s, own);
    return s;
}
