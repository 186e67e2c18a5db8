/* SPDX-License-Identifier: MPL-2.0 */
/* The child of csp_go between its fork and its first call: who dies in between leaves nothing that runs. Decision: the
 * broker is stopped meanwhile, so no announcing is answered, and the fork itself tells when the child is there: no test
 * hopes to hit a moment. */
#include "expect.h"
#include "standing.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *birth_suite(void);

static struct births {
    atomic_int parent, child; /* pids */
    atomic_int ran;           /* the child's function did */
    atomic_int stopped;       /* the broker is */
} * births;

static void signal_broker(int sig)
{
    ck_assert_int_eq(syscall(SYS_pidfd_send_signal, csp__broker(), sig, NULL, 0), 0);
}

static void halt_broker(void)
{
    char path[64], line[128];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", csp__broker());
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (pid == 0 && fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "Pid: %d", &pid);
    fclose(f);
    halt(pid);
}

static void note_fork(void)
{
    atomic_store(&births->child, getpid());
}

static void note_forks(void)
{
    births = shared_memory(sizeof *births);
}

static pid_t await_pid(atomic_int *pid)
{
    csp_time by = csp_in(20000);
    while (atomic_load(pid) == 0 && csp_now() < by)
        usleep(1000);
    return atomic_load(pid);
}

static int run(void *arg)
{
    (void)arg;
    atomic_store(&births->ran, 1);
    return 0;
}

/* The broker stands, and the next child of this process is noted. */
static void stop_broker(void)
{
    ck_assert_int_eq(pthread_atfork(NULL, NULL, note_fork), 0);
    halt_broker();
}

/* A process that is no part of the run: when the child is there, it sends it `first`, if any, then the broker `then`.
 */
static pid_t meddle(int first, int then)
{
    pid_t meddler = fork();
    ck_assert_int_ge(meddler, 0);
    if (meddler != 0)
        return meddler;
    pid_t child = await_pid(&births->child);
    if (child == 0 || (first != 0 && kill(child, first) != 0))
        _exit(1);
    _exit(syscall(SYS_pidfd_send_signal, csp__broker(), then, NULL, 0) == 0 ? 0 : 1);
}

static void meddled(pid_t meddler)
{
    int status;
    ck_assert_int_eq(waitpid(meddler, &status, 0), meddler);
    ck_assert_int_eq(status, 0);
}

static int give_birth(void *arg)
{
    (void)arg;
    stop_broker();
    atomic_store(&births->parent, getpid());
    (void)csp_go(run, NULL);
    return 1;
}

START_TEST(whose_parent_dies_before_it_was_announced_runs_nothing)
{
    int status;
    note_forks();
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    csp_proc p = go(give_birth, NULL);
    pid_t parent = await_pid(&births->parent), child = await_pid(&births->child);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(kill(parent, SIGKILL), 0);
    while (waitpid(child, &status, 0) < 0 && (errno == EINTR || errno == ECHILD))
        usleep(1000); /* it is ours as soon as the parent is dead */
    ck_assert(WIFEXITED(status));
    signal_broker(SIGCONT);
    ended(p, CSP_SIGNAL, SIGKILL);
    ck_assert_int_eq(births->ran, 0);
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(that_is_killed_before_it_was_announced_is_a_process_that_died)
{
    note_forks();
    csp_chan c = make(0);
    pid_t meddler = meddle(SIGKILL, SIGCONT);
    stop_broker();
    csp_proc p = go(run, NULL);
    meddled(meddler);
    ck_assert_int_eq(csp_drop(c, CSP_SEND), 0);
    ASSERT_ERRNO(csp_recv(c, NULL, 0, soon()), EPIPE); /* its end went too */
    ended(p, CSP_SIGNAL, SIGKILL);
    ck_assert_int_eq(births->ran, 0);
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(that_no_broker_announces_is_not_there)
{
    note_forks();
    ASSERT_OK(csp_init());
    pid_t meddler = meddle(0, SIGKILL);
    stop_broker();
    ASSERT_ERRNO(csp_go(run, NULL), ENOTCONN);
    meddled(meddler);
    ck_assert_int_eq(births->ran, 0);
    (void)csp_term();
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

static csp_chan c;

static void *send_one(void *arg)
{
    *(int *)arg = csp_send(c, NULL, 0, soon());
    return NULL;
}

static int send_from_threads(void *arg)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int results[THREADS];
    (void)arg;
    for (int i = 0; i < THREADS; i++)
        CHILD_ASSERT(pthread_create(&threads[i], NULL, send_one, &results[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        CHILD_ASSERT(pthread_join(threads[i], NULL) == 0 && results[i] == 0);
    return 0;
}

START_TEST(may_call_from_any_thread_first)
{
    c = make(0);
    csp_proc p = go(send_from_threads, NULL);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(csp_recv(c, NULL, 0, soon()), 0);
    ended_well(p);
    ck_assert_int_eq(csp_term(), 0);
}

static int look_at_deadline(void *arg)
{
    return csp_deadline() == *(csp_time *)arg ? 0 : 1;
}

START_TEST(knows_the_deadline_of_its_scope_at_once)
{
    csp_time by = csp_in(60000);
    ASSERT_OK(csp_scope(by));
    ended_well(go(look_at_deadline, &by));
    ASSERT_OK(csp_scope_leave(NULL));
    ck_assert_int_eq(csp_term(), 0);
}

/* Before it has connected to the broker. */
static void wait_until_stopped(void)
{
    while (atomic_load(&births->stopped) == 0)
        usleep(1000);
}

static int send_unserved(void *arg)
{
    (void)arg;
    return csp_send(c, NULL, 0, CSP_FOREVER) == -1 && errno == ENOTCONN ? 0 : 1;
}

START_TEST(that_is_never_served_does_not_wait_for_ever)
{
    siginfo_t end = {0};
    births = shared_memory(sizeof *births);
    c = make(0);
    ck_assert_int_eq(pthread_atfork(NULL, NULL, wait_until_stopped), 0);
    csp_proc p = go(send_unserved, NULL);
    pid_t pid = pid_of(p);
    halt_broker();
    atomic_store(&births->stopped, 1);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT), 0);
    signal_broker(SIGCONT);
    ck_assert_int_eq(end.si_code, CLD_EXITED);
    ck_assert_int_eq(end.si_status, 0);
    ck_assert_int_eq(csp_drop(c, CSP_SEND | CSP_RECV), 0);
    ck_assert_int_eq(csp_term(), 0);
}

Suite *birth_suite(void)
{
    Suite *s = suite_create("birth");
    TCase *t = tcase_create("a child");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, whose_parent_dies_before_it_was_announced_runs_nothing);
    tcase_add_test(t, that_is_killed_before_it_was_announced_is_a_process_that_died);
    tcase_add_test(t, that_no_broker_announces_is_not_there);
    tcase_add_test(t, may_call_from_any_thread_first);
    tcase_add_test(t, knows_the_deadline_of_its_scope_at_once);
    tcase_add_test(t, that_is_never_served_does_not_wait_for_ever);
    suite_add_tcase(s, t);
    return s;
}
