/* SPDX-License-Identifier: MPL-2.0 */
/* The section Timers, processes, scopes of docs/semantics.md where no other suite has its rule already. Decision: what
 * a process finds out is written to shared memory or is its exit status, for it also has to be told where no broker is
 * left. */
#include "expect.h"
#include "leftover.h"
#include "rundir.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *semantics_processes_suite(void);

static csp_chan c, d;

static void term(void)
{
    ck_assert_msg(csp_term() == 0, "csp_term: %s", csp_errmsg());
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

/* ---- time */

static int miss_deadline(void *arg)
{
    csp_time by = *(csp_time *)arg;
    CHILD_ASSERT(csp_recv(c, NULL, 0, by) == -1 && errno == ETIMEDOUT);
    CHILD_ASSERT(csp_now() >= by);
    CHILD_ASSERT(csp_recv(c, NULL, 0, by) == -1 && errno == ETIMEDOUT); /* not as long again: it is a point in time */
    return 0;
}

START_TEST(a_deadline_is_the_same_point_in_time_in_every_process)
{
    c = make(0);
    csp_time by = csp_in(100);
    csp_proc p[] = {go(miss_deadline, &by), go(miss_deadline, &by)};
    ck_assert_int_eq(miss_deadline(&by), 0);
    ended_well(p[0]);
    ended_well(p[1]);
}

static int tell_time(void *arg)
{
    csp_time now = csp_now();
    (void)arg;
    return csp_send(c, &now, sizeof now, soon()) == 0 ? 0 : 1;
}

START_TEST(now_is_the_same_in_every_process)
{
    c = make(1);
    csp_time before = csp_now();
    ended_well(go(tell_time, NULL));
    csp_time there = receive_number(c);
    ck_assert(before <= there && there <= csp_now());
}

START_TEST(a_tick_is_stopped_and_started_again)
{
    csp_tick tick = {.next = CSP_FOREVER, .every = 1000000};
    csp_case one = csp_on_tick(&tick);
    ASSERT_ERRNO(csp_select(&one, 1, CSP_NOW), EAGAIN);
    ASSERT_ERRNO(csp_select(&one, 1, csp_in(20)), ETIMEDOUT);
    ck_assert_int_eq(tick.next, CSP_FOREVER);
    tick.next = csp_now();
    ck_assert_int_eq(csp_select(&one, 1, soon()), 0);
}

/* ---- what a process starts with */

enum { MOST_SOCKETS = 64 };

/* Names of this process's sockets, each with its inode. */
static int sockets(char names[][40])
{
    char path[280];
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *e;
    while (dir != NULL && n < MOST_SOCKETS && (e = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(path, names[n], 39);
        names[n][len > 0 ? len : 0] = '\0';
        n += strncmp(names[n], "socket:", 7) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

static char of_parent[MOST_SOCKETS][40];
static int nof_parent;

static int look_at_sockets(void *arg)
{
    char mine[MOST_SOCKETS][40];
    int n = sockets(mine);
    (void)arg;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < nof_parent; k++)
            CHILD_ASSERT(strcmp(mine[i], of_parent[k]) != 0);
    return 0;
}

START_TEST(a_child_has_no_socket_of_its_parent)
{
    int own[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, own), 0);
    c = make(0); /* the library has some too */
    nof_parent = sockets(of_parent);
    ck_assert_int_ge(nof_parent, 3);
    ended_well(go(look_at_sockets, NULL));
    close(own[0]);
    close(own[1]);
}

static void expect_lines(csp_chan from, const char *const *lines)
{
    for (csp_msg m; *lines != NULL; lines++) {
        ASSERT_OK(csp_recv_msg(from, &m, soon()));
        ck_assert_str_eq(m.data, *lines);
        csp_msg_free(&m);
    }
    ASSERT_ERRNO(csp_recv(from, NULL, 0, soon()), EPIPE);
}

static csp_proc spawn(char *const argv[], csp_chan out)
{
    csp_proc p = csp_spawn(argv, 0, out);
    ck_assert_msg(p > 0, "csp_spawn: %s", csp_errmsg());
    ASSERT_OK(csp_drop(out, CSP_SEND));
    return p;
}

START_TEST(a_program_has_default_signals_and_an_empty_mask)
{
    char *argv[] = {"sed", "-nE", "s/^Sig(Blk|Ign):\t//p", "/proc/self/status", NULL};
    csp_msg m;
    sigset_t mask;
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    c = make(4);
    csp_proc p = spawn(argv, c);
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(csp_recv_msg(c, &m, soon()));
        ck_assert_uint_eq(strtoull(m.data, NULL, 16) & ~(3ULL << 31), 0); /* 32 and 33 are the C library's own */
        csp_msg_free(&m);
    }
    ended_well(p);
}

START_TEST(a_program_has_descriptors_0_to_2_and_no_other)
{
    char *argv[] = {"sh", "-c", "for i in $(seq 3 99); do [ ! -e /proc/$$/fd/$i ] || echo $i; done; echo end", NULL};
    static const char *const lines[] = {"end", NULL};
    int own[2], file = open("/etc/passwd", O_RDONLY); /* no CLOEXEC */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, own), 0);
    c = make(4);
    csp_proc p = spawn(argv, c);
    expect_lines(c, lines);
    ended_well(p);
    close(own[0]);
    close(own[1]);
    close(file);
}

static int print_c(void *arg)
{
    (void)arg;
    printf("c");
    return 0;
}

static int print_b_and_exit(void *arg)
{
    csp_exit why = {-1, -1};
    printf("b");
    csp_proc p = csp_go(print_c, arg);
    CHILD_ASSERT(p > 0 && csp_wait(p, &why, soon()) == 0 && why.how == CSP_CLEAN);
    printf("d");
    exit(0);
}

START_TEST(what_each_generation_printed_is_there_once_and_in_order)
{
    char path[128], text[64] = "";
    snprintf(path, sizeof path, "%s/out", scratch());
    fflush(stdout);
    int saved = dup(1), file = open(path, O_CREAT | O_RDWR, 0600);
    ck_assert_int_eq(dup2(file, 1), 1);
    printf("a");
    csp_proc p = csp_go(print_b_and_exit, NULL);
    csp_exit why = {-1, -1};
    int waited = csp_wait(p, &why, soon());
    printf("e");
    fflush(stdout);
    dup2(saved, 1);
    ck_assert(waited == 0 && why.how == CSP_CLEAN);
    ck_assert_int_eq(pread(file, text, sizeof text - 1, 0), 5);
    ck_assert_str_eq(text, "abcde");
    close(file);
    close(saved);
}

/* ---- signals */

static void on_alarm(int sig)
{
    (void)sig;
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int echo_one(void *arg)
{
    long n;
    (void)arg;
    CHILD_ASSERT(csp_recv(c, &n, sizeof n, soon()) == (ssize_t)sizeof n);
    return csp_send(d, &n, sizeof n, soon()) == 0 ? 0 : 1;
}

static void call_everything(void)
{
    char *argv[] = {"true", NULL};
    csp_chan s = make(1), group = csp_group_make();
    csp_exit why;
    c = make(0);
    d = make(0);
    csp_proc p = go(echo_one, NULL);
    send_number(c, 5);
    ck_assert_int_eq(receive_number(d), 5);
    ended_well(p);
    p = csp_spawn(argv, 0, 0);
    ck_assert_msg(p > 0, "csp_spawn: %s", csp_errmsg());
    csp_case cases[] = {csp_on_exit(p, &why), csp_on_recv(c, NULL, 0), csp_on_fd(0, 0), csp_on_time(csp_in(600000))};
    ck_assert_msg(csp_select(cases, 4, soon()) == 0, "csp_select: %s", csp_errmsg());
    ASSERT_ERRNO(csp_recv(c, NULL, 0, csp_in(5)), ETIMEDOUT);
    ASSERT_ERRNO(csp_select(cases + 1, 2, csp_in(5)), ETIMEDOUT);
    ASSERT_OK(csp_group_add(group, 1));
    ASSERT_ERRNO(csp_group_wait(group, csp_in(5)), ETIMEDOUT);
    ASSERT_OK(csp_stream(s, CSP_SEND, 100));
    send_number(s, 1);
    ASSERT_OK(csp_flush(s, soon()));
    send_number(s, 2);
    ASSERT_ERRNO(csp_flush(s, csp_in(5)), ETIMEDOUT);
    ASSERT_OK(csp_drop(s, CSP_RECV));
    ASSERT_OK(csp_close(c));
    ck_assert_int_eq(csp_why(c, NULL), 1);
    p = go(end_at_once, NULL);
    ended_well(p);
}

START_TEST(no_call_returns_eintr)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    ASSERT_OK(csp_init());
    for (int i = 0; i < 8; i++)
        call_everything();
    ASSERT_OK(csp_term());
    setitimer(ITIMER_REAL, &never, NULL);
}

/* ---- groups */

static int wait_for_group(void *arg)
{
    (void)arg;
    return csp_group_wait(d, soon()) == 0 ? 0 : 1;
}

static int finish_work(void *arg)
{
    (void)arg;
    return csp_group_add(d, -1) == 0 ? 0 : 1;
}

START_TEST(every_process_that_waits_for_a_group_wakes_when_its_count_is_0)
{
    csp_proc waiters[3];
    d = csp_group_make();
    ASSERT_OK(csp_group_add(d, 4));
    for (int i = 0; i < 3; i++) {
        waiters[i] = go(wait_for_group, NULL);
        until_waiting(waiters[i]);
    }
    for (int work = 4; work > 0; work--) {
        for (int i = 0; i < 3; i++)
            ck_assert(is_in_state(waiters[i], "waiting"));
        ended_well(go(finish_work, NULL));
    }
    for (int i = 0; i < 3; i++)
        ended_well(waiters[i]);
    ended(go(finish_work, NULL), CSP_CODE, 1); /* the count would be below 0 */
}

/* ---- the broker's death */

static csp_chan full, empty, group; /* nothing comes from or fits into them */
static int *told;                   /* shared: the errno that each got, 0 before */
static int *over;                   /* shared: the test is */

static int blocked_send(void)
{
    return csp_send(full, "x", 1, CSP_FOREVER);
}

static int blocked_receive(void)
{
    return (int)csp_recv(empty, NULL, 0, CSP_FOREVER);
}

static int blocked_in_time(void)
{
    return (int)csp_recv(empty, NULL, 0, csp_in(3600000));
}

static int blocked_select(void)
{
    csp_case cases[] = {csp_on_recv(empty, NULL, 0), csp_on_send(full, "x", 1), csp_on_time(csp_in(3600000)),
                        csp_on_fd(1, 0)};
    return csp_select(cases, 4, CSP_FOREVER);
}

static int blocked_timer(void)
{
    csp_case timer = csp_on_time(csp_in(3600000));
    return csp_select(&timer, 1, CSP_FOREVER);
}

static int blocked_on_nothing(void)
{
    return csp_select(NULL, 0, CSP_FOREVER);
}

static int blocked_group(void)
{
    return csp_group_wait(group, CSP_FOREVER);
}

static int blocked_flush(void)
{
    if (csp_stream(full, CSP_SEND, 1000) != 0 || csp_send(full, "x", 1, soon()) != 0)
        return 0;
    return csp_flush(full, CSP_FOREVER);
}

static int blocked_stream_send(void)
{
    if (csp_stream(full, CSP_SEND, 1) != 0 || csp_send(full, "x", 1, soon()) != 0)
        return 0;
    return csp_send(full, "x", 1, CSP_FOREVER);
}

static int blocked_stream_receive(void)
{
    return csp_stream(empty, CSP_RECV, 1000) != 0 ? 0 : (int)csp_recv(empty, NULL, 0, CSP_FOREVER);
}

/* It does not end with the broker, only when the test is over: who waits for it must not wait for that. */
static int sleep_on(void *arg)
{
    csp_time by = csp_in(20000);
    (void)arg;
    (void)blocked_timer();
    while (__atomic_load_n(over, __ATOMIC_SEQ_CST) == 0 && csp_now() < by)
        (void)poll(NULL, 0, 2);
    return 0;
}

static int blocked_wait(void)
{
    csp_proc p = csp_go(sleep_on, NULL);
    return p < 0 ? 0 : csp_wait(p, NULL, CSP_FOREVER);
}

static int blocked_leave(void)
{
    if (csp_scope(CSP_FOREVER) != 0 || csp_go(sleep_on, NULL) < 0)
        return 0;
    return csp_scope_leave(NULL);
}

static int (*const blocked[])(void) = {
    blocked_send,  blocked_receive, blocked_in_time,     blocked_select,         blocked_timer, blocked_on_nothing,
    blocked_group, blocked_flush,   blocked_stream_send, blocked_stream_receive, blocked_wait,  blocked_leave,
};
enum { BLOCKED = sizeof blocked / sizeof *blocked };

static int be_blocked(void *arg)
{
    int which = *(int *)arg;
    int result = blocked[which]();
    __atomic_store_n(&told[which], result == -1 ? errno : -1, __ATOMIC_SEQ_CST);
    return 0;
}

START_TEST(a_killed_broker_ends_every_blocked_call)
{
    struct csp__runinfo info;
    csp_proc p[BLOCKED];
    told = shared_memory(sizeof *told * (BLOCKED + 1));
    over = told + BLOCKED;
    full = make(1);
    ASSERT_OK(csp_send(full, "x", 1, CSP_NOW));
    empty = make(1);
    group = csp_group_make();
    ASSERT_OK(csp_group_add(group, 1));
    for (int i = 0; i < BLOCKED; i++)
        p[i] = go(be_blocked, &i);
    for (int i = 0; i < BLOCKED; i++)
        until_waiting(p[i]);
    ck_assert_int_eq(csp__rundir_read(csp__dir(), &info), 0);
    ck_assert_int_eq(kill(info.broker, SIGKILL), 0);
    ASSERT_ERRNO(csp_recv(empty, NULL, 0, CSP_FOREVER), ENOTCONN);
    csp_time by = csp_in(10000);
    for (int i = 0; i < BLOCKED; i++)
        while (__atomic_load_n(&told[i], __ATOMIC_SEQ_CST) == 0 && csp_now() < by)
            (void)poll(NULL, 0, 2);
    __atomic_store_n(over, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < BLOCKED; i++)
        ck_assert_msg(told[i] == ENOTCONN, "call %d: %s", i, told[i] == 0 ? "is blocked still" : strerror(told[i]));
    ASSERT_ERRNO(csp_term(), ENOTCONN);
}

Suite *semantics_processes_suite(void)
{
    Suite *s = suite_create("semantics_processes");
    TCase *t = tcase_create("processes");
    tcase_add_checked_fixture(t, NULL, term);
    tcase_add_test(t, a_deadline_is_the_same_point_in_time_in_every_process);
    tcase_add_test(t, now_is_the_same_in_every_process);
    tcase_add_test(t, a_tick_is_stopped_and_started_again);
    tcase_add_test(t, a_child_has_no_socket_of_its_parent);
    tcase_add_test(t, a_program_has_default_signals_and_an_empty_mask);
    tcase_add_test(t, a_program_has_descriptors_0_to_2_and_no_other);
    tcase_add_test(t, what_each_generation_printed_is_there_once_and_in_order);
    tcase_add_test(t, no_call_returns_eintr);
    tcase_add_test(t, every_process_that_waits_for_a_group_wakes_when_its_count_is_0);
    suite_add_tcase(s, t);

    t = tcase_create("the broker's death");
    tcase_add_test(t, a_killed_broker_ends_every_blocked_call);
    suite_add_tcase(s, t);
    return s;
}
