/* SPDX-License-Identifier: MPL-2.0 */
/* A run as a process sees it: joining, leaving, its end by every cause, threads, a foreign fork, error messages. */
#include "expect.h"
#include "leftover.h"
#include "block.h"
#include "run.h"
#include "rundir.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *libipc_suite(void);

static char dir[256];

static void note_dir(void)
{
    ck_assert_ptr_nonnull(csp__dir());
    snprintf(dir, sizeof dir, "%s", csp__dir());
}

static pid_t broker_pid(void)
{
    struct csp__runinfo info;
    ck_assert_int_eq(csp__rundir_read(csp__dir(), &info), 0);
    return info.broker;
}

/* ---- joining and leaving */

START_TEST(init_starts_a_run_and_term_leaves_nothing_of_it)
{
    struct stat st;
    ASSERT_OK(csp_init());
    note_dir();
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    ck_assert_str_eq(getenv("CSP_RUN"), dir);
    ck_assert_int_eq(csp_term(), 0);
    ck_assert_int_eq(access(dir, F_OK), -1);
    ck_assert_ptr_null(getenv("CSP_RUN"));
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

START_TEST(a_second_init_does_nothing)
{
    ASSERT_OK(csp_init());
    note_dir();
    csp_proc self = csp_self();
    ASSERT_OK(csp_init());
    ck_assert_str_eq(csp__dir(), dir);
    ck_assert_int_eq(csp_self(), self);
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(after_term_calls_fail_until_init_starts_another_run)
{
    ASSERT_OK(csp_init());
    note_dir();
    ck_assert_int_eq(csp_term(), 0);
    ck_assert_uint_eq(csp_make(1), 0);
    ck_assert_int_eq(errno, ENOTCONN);
    ASSERT_OK(csp_init());
    ck_assert_str_ne(csp__dir(), dir);
    ck_assert_uint_ne(csp_make(1), 0);
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(term_where_nothing_was_begun_succeeds)
{
    ck_assert_int_eq(csp_term(), 0);
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(any_function_starts_the_run_by_itself)
{
    ck_assert_int_gt(csp_self(), 0);
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(joining_a_run_that_is_not_there_is_enoent)
{
    setenv("CSP_RUN", "/tmp/csp-nowhere0", 1);
    ASSERT_ERRNO(csp_init(), ENOENT);
    ck_assert_ptr_nonnull(strstr(csp_errmsg(), "/tmp/csp-nowhere0"));
}

START_TEST(a_run_directory_with_a_long_path_is_enametoolong)
{
    char longer[200];
    snprintf(longer, sizeof longer, "%s/%090d", scratch(), 0);
    ck_assert_int_eq(mkdir(longer, 0700), 0);
    setenv("XDG_RUNTIME_DIR", longer, 1);
    ASSERT_ERRNO(csp_init(), ENAMETOOLONG);
}

START_TEST(no_broker_program_is_enoent_and_leaves_no_directory)
{
    setenv("CSP_LIBEXEC", "/nonexistent", 1);
    ASSERT_ERRNO(csp_init(), ENOENT);
    ck_assert_ptr_nonnull(strstr(csp_errmsg(), "CSP_LIBEXEC"));
    ck_assert_int_eq(rmdir(runtime_dir()), 0);
}

START_TEST(a_broker_that_is_none_is_an_error_at_once)
{
    char path[256];
    const char *libexec = runtime_dir();
    setenv("CSP_LIBEXEC", libexec, 1);
    snprintf(path, sizeof path, "%s/broker", libexec);
    ck_assert_int_eq(symlink("/bin/true", path), 0);
    ASSERT_ERRNO(csp_init(), EPROTO);
    unlink(path);
}

START_TEST(without_descriptors_init_is_emfile_and_nothing_aborts)
{
    struct rlimit few;
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t n = 4; n < 40; n++) {
        few = before;
        few.rlim_cur = n;
        setrlimit(RLIMIT_NOFILE, &few);
        int result = csp_init();
        int err = errno;
        setrlimit(RLIMIT_NOFILE, &before);
        ck_assert_msg(result == 0 || err == EMFILE, "%lu descriptors: %s: %s", (unsigned long)n, strerror(err),
                      csp_errmsg());
        ck_assert_int_eq(csp_term(), 0);
        ck_assert(n > 5 || result != 0);
    }
}

/* Runs fn in a process of its own, forked before it knows any run; its exit status. */
static int in_other(int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(fn());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "died of signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* What joins from outside has to be forked before this process is in the run: it is started first, and waits. */
static int gate[2], reply[2];

static pid_t prepare_outsider(int (*fn)(void))
{
    ck_assert_int_eq(pipe(gate), 0);
    ck_assert_int_eq(pipe(reply), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        close(gate[1]);
        if (read(gate[0], dir, sizeof dir) <= 0)
            _exit(99);
        setenv("CSP_RUN", dir, 1);
        exit(fn());
    }
    close(gate[0]);
    return pid;
}

static int let_in(pid_t outsider)
{
    int status;
    ASSERT_OK(csp_init());
    note_dir();
    ck_assert_int_eq(write(gate[1], dir, sizeof dir), (ssize_t)sizeof dir);
    ck_assert_int_eq(waitpid(outsider, &status, 0), outsider);
    ck_assert_msg(WIFEXITED(status), "died of signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int be_guest(void)
{
    CHILD_ASSERT(csp_init() == 0);
    CHILD_ASSERT(csp_self() > 0);
    CHILD_ASSERT(csp_open("no such channel", CSP_SEND) == 0 && errno == ENOENT);
    CHILD_ASSERT(csp_close(4711) == -1 && errno == EBADF);
    return csp_term();
}

START_TEST(csp_run_in_the_environment_makes_a_guest)
{
    pid_t outsider = prepare_outsider(be_guest);
    ck_assert_int_eq(let_in(outsider), 0);
    ck_assert_uint_ne(csp_make(0), 0); /* its going is not the run's end */
    ck_assert_int_eq(csp_term(), 0);
}

static int use_bad_ticket(void)
{
    setenv("CSP_TICKET", "123456789", 1);
    CHILD_ASSERT(csp_init() == -1 && errno == EACCES);
    return 0;
}

START_TEST(a_wrong_ticket_is_eacces)
{
    pid_t outsider = prepare_outsider(use_bad_ticket);
    ck_assert_int_eq(let_in(outsider), 0);
    ck_assert_int_eq(csp_term(), 0);
}

static int use_bad_token(void)
{
    struct csp__runinfo info;
    CHILD_ASSERT(csp__rundir_read(dir, &info) == 0);
    info.token[3] ^= 1;
    CHILD_ASSERT(csp__rundir_write(dir, &info) == 0);
    CHILD_ASSERT(csp_init() == -1 && errno == EACCES);
    return 0;
}

START_TEST(a_wrong_token_is_eacces)
{
    pid_t outsider = prepare_outsider(use_bad_token);
    ck_assert_int_eq(let_in(outsider), 0);
    ck_assert_int_eq(csp_term(), 0);
}

static int use_named_channel(void)
{
    csp_chan c = csp_open("jobs", CSP_SEND);
    CHILD_ASSERT(c != 0 && csp__max_bytes(c) == 1000);
    CHILD_ASSERT(csp_send(c, "x", 1, csp_in(5000)) == 0);
    char big[1001];
    CHILD_ASSERT(csp_send(c, big, sizeof big, csp_in(5000)) == -1 && errno == EMSGSIZE);
    CHILD_ASSERT(strstr(csp_errmsg(), "jobs") != NULL);
    CHILD_ASSERT(csp_close(c) == 0);
    return 0;
}

START_TEST(a_guest_uses_named_channels)
{
    char value[8];
    pid_t outsider = prepare_outsider(use_named_channel);
    ASSERT_OK(csp__start(&(struct csp__options){.name = "a run", .file = "/some/file"}));
    csp_chan c = csp__declare("jobs", 4, 1000, 0);
    ck_assert_uint_ne(c, 0);
    ck_assert_uint_eq(csp__declare("jobs", 4, 1000, 0), 0);
    ck_assert_int_eq(errno, EEXIST);
    uint64_t ticket;
    struct csp__grant both = {.chan = c, .ends = CSP_SEND | CSP_RECV};
    ck_assert_int_gt(csp__announce(&(struct csp__announcement){.grants = &both, .n = 1, .name = "holder"}, &ticket), 0);
    ck_assert_int_eq(let_in(outsider), 0);
    char *text = csp__stat();
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(strstr(text, "run\ta run\t/some/file\t") != NULL && strstr(text, "\tjobs\t4\t1\t1\t1000\t") != NULL &&
                      strstr(text, "\tholder\t") != NULL,
                  "%s", text);
    free(text);
    ASSERT_ERRNO(csp_recv(c, value, sizeof value, CSP_NOW), EBADF); /* a declared channel is nobody's */
    ck_assert_int_eq(csp_term(), 0);
}

/* ---- the run's end */

static void assert_dead(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_msg(fd < 0 || poll(&p, 1, 20000) == 1, "process %d is still there", (int)pid);
    if (fd >= 0)
        close(fd);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    pid_t pid = getpid();
    if (write(reply[1], &pid, sizeof pid) != (ssize_t)sizeof pid)
        return 1;
    for (;;)
        pause();
}

static int start_grandchild(void *arg)
{
    return csp_go(sleep_for_ever, arg) > 0 ? sleep_for_ever(arg) : 1;
}

/* The pipe's end must survive csp_go, which replaces every descriptor but 0 to 2. */
static int be_root(void)
{
    dup2(reply[1], 1);
    reply[1] = 1;
    if (csp_init() != 0 || write(gate[1], csp__dir(), strlen(csp__dir()) + 1) <= 0)
        return 1;
    return csp_go(start_grandchild, NULL) > 0 ? 0 : 1;
}

/* A root with a child and a grandchild, in a process of its own. */
static pid_t start_root(pid_t descendants[2], int returns)
{
    ck_assert_int_eq(pipe(gate), 0);
    ck_assert_int_eq(pipe(reply), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        int status = be_root();
        char byte;
        if (status == 0 && !returns)
            pause();
        if (status == 0 && read(gate[0], &byte, 1) == 1)
            exit(0); /* as return from main does */
        _exit(99);
    }
    ck_assert_int_gt(read(gate[0], dir, sizeof dir), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(read(reply[0], &descendants[i], sizeof(pid_t)), (ssize_t)sizeof(pid_t));
    return pid;
}

static void assert_nothing_left(const pid_t descendants[2])
{
    assert_dead(descendants[0]);
    assert_dead(descendants[1]);
    csp_time by = soon();
    while (access(dir, F_OK) == 0 && csp_now() < by)
        poll(NULL, 0, 5);
    ck_assert_int_eq(access(dir, F_OK), -1);
}

START_TEST(when_the_root_returns_from_main_all_others_are_ended)
{
    pid_t descendants[2];
    int status;
    pid_t root = start_root(descendants, 1);
    ck_assert_int_eq(write(gate[1], "x", 1), 1);
    ck_assert_int_eq(waitpid(root, &status, 0), root);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(access(dir, F_OK), -1); /* at once: exit waits for it */
    assert_nothing_left(descendants);
}

START_TEST(when_the_root_is_killed_all_others_are_ended)
{
    pid_t descendants[2];
    pid_t root = start_root(descendants, 0);
    kill(root, SIGKILL);
    ck_assert_int_eq(waitpid(root, NULL, 0), root);
    assert_nothing_left(descendants);
}

static _Atomic pid_t *stranger;

/* Has a child that the run knows nothing of, and no program in whose environment it could be read. */
static int fork_one(void *unused)
{
    (void)unused;
    pid_t pid = fork();
    if (pid != 0)
        *stranger = pid;
    for (;;)
        pause();
    return 0;
}

START_TEST(what_processes_forked_by_themselves_ends_with_the_run)
{
    stranger = shared_memory(sizeof *stranger);
    go(fork_one, NULL);
    csp_time by = soon();
    while (*stranger == 0 && csp_now() < by)
        poll(NULL, 0, 5);
    ck_assert_int_gt(*stranger, 0);
    ck_assert_int_eq(csp_term(), 0);
    assert_dead(*stranger);
    munmap(stranger, sizeof *stranger);
}

static csp_proc root;

static int kill_when_root_waits(void *arg)
{
    until_waiting(root);
    kill(*(pid_t *)arg, SIGKILL);
    csp_chan c = csp_make(0);
    return c == 0 && errno == ENOTCONN ? 0 : 1;
}

START_TEST(when_the_broker_is_killed_a_blocked_call_is_enotconn)
{
    char value[8];
    csp_chan c = make(0);
    pid_t broker = broker_pid();
    note_dir();
    root = csp_self();
    csp_proc p = go(kill_when_root_waits, &broker);
    ASSERT_ERRNO(csp_recv(c, value, sizeof value, soon()), ENOTCONN);
    ck_assert_uint_eq(csp_make(0), 0);
    ck_assert_int_eq(errno, ENOTCONN);
    csp_case timer = csp_on_time(csp_in(60000));
    ASSERT_ERRNO(csp_select(&timer, 1, CSP_FOREVER), ENOTCONN);
    ck_assert_int_gt(p, 0);
    ASSERT_ERRNO(csp_term(), ENOTCONN);
    ck_assert_int_eq(access(dir, F_OK), -1);
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
}

/* ---- who may call */

static csp_chan channel;

static int call_all(void)
{
    long n = 0;
    csp_msg m = {.data = NULL};
    csp_case one = csp_on_time(0);
    char *argv[] = {"true", NULL};
    CHILD_ASSERT(csp_init() == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_make(0) == 0 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_open("x", CSP_SEND) == 0 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_send(channel, &n, sizeof n, CSP_NOW) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_recv(channel, &n, sizeof n, CSP_NOW) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_recv_msg(channel, &m, CSP_NOW) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_select(&one, 1, CSP_NOW) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_drop(channel, CSP_RECV) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_close(channel) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_go(sleep_for_ever, NULL) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_spawn(argv, 0, 0) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_wait(1, NULL, CSP_NOW) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_self() == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_stream(channel, CSP_SEND, 1) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_group_add(channel, 1) == -1 && errno == EOWNERDEAD);
    CHILD_ASSERT(csp_term() == -1 && errno == EOWNERDEAD);
    return 0;
}

static int call_all_and_exit(void)
{
    int status = call_all();
    if (status == 0)
        exit(0); /* its handlers must not end the parent's run */
    return status;
}

START_TEST(a_child_of_a_plain_fork_cannot_call_and_disturbs_nothing)
{
    channel = make(1);
    ck_assert_int_eq(in_other(call_all_and_exit), 0);
    send_number(channel, 7);
    ck_assert_int_eq(receive_number(channel), 7);
    ck_assert_int_eq(csp_term(), 0);
}

#define THREADS 8
#define ROUNDS  200

static csp_chan to_echo, from_echo;

/* Adds up into *arg what it passes on; -1 for an error. */
static void *echo(void *arg)
{
    long *sum = arg;
    for (int i = 0; i < ROUNDS; i++) {
        long n = -1;
        if (csp_recv(to_echo, &n, sizeof n, soon()) != (ssize_t)sizeof n ||
            csp_send(from_echo, &n, sizeof n, soon()) != 0) {
            *sum = -1;
            break;
        }
        *sum += n;
    }
    return NULL;
}

START_TEST(threads_have_lines_of_their_own)
{
    pthread_t threads[THREADS];
    long sums[THREADS] = {0};
    long sum = 0;
    to_echo = make(0);
    from_echo = make(3);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, echo, &sums[i]), 0);
    for (long i = 0, received = 0; received < (long)THREADS * ROUNDS;) {
        long out;
        csp_case cases[] = {csp_on_send(i < (long)THREADS * ROUNDS ? to_echo : 0, &i, sizeof i),
                            csp_on_recv(from_echo, &out, sizeof out)};
        int chosen = csp_select(cases, 2, soon());
        ASSERT_OK(chosen);
        i += chosen == 0;
        received += chosen == 1;
        sum += chosen == 1 ? out : 0;
    }
    long passed = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_gt(sums[i], 0);
        passed += sums[i];
    }
    long n = (long)THREADS * ROUNDS;
    ck_assert_int_eq(sum, n * (n - 1) / 2);
    ck_assert_int_eq(passed, sum);
    ck_assert_int_eq(csp_term(), 0);
}

static csp_chan blocked_on;

static void *block_until_term(void *arg)
{
    csp_send(blocked_on, NULL, 0, soon());
    *(int *)arg = csp_recv(blocked_on, NULL, 0, soon()) == -1 ? errno : 0;
    return NULL;
}

START_TEST(term_wakes_the_calls_of_other_threads)
{
    pthread_t thread;
    int err = -1;
    blocked_on = make(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, block_until_term, &err), 0);
    ck_assert_int_eq(csp_recv(blocked_on, NULL, 0, soon()), 0);
    ck_assert_int_eq(csp_term(), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(err, ENOTCONN);
}

static void *hold_stream(void *arg)
{
    const csp_chan *c = arg;
    if (csp_stream(c[2], CSP_RECV, 100) != 0 || csp_send(c[0], NULL, 0, soon()) != 0 ||
        csp_recv(c[1], NULL, 0, soon()) != 0)
        return NULL;
    return csp_drop(c[2], CSP_RECV) == 0 ? arg : NULL;
}

START_TEST(a_drop_under_another_threads_stream_is_ebusy)
{
    pthread_t thread;
    void *result;
    csp_chan c[3] = {make(0), make(0), make(1)};
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_stream, c), 0);
    ck_assert_int_eq(csp_recv(c[0], NULL, 0, soon()), 0);
    ASSERT_ERRNO(csp_drop(c[2], CSP_RECV), EBUSY);
    ck_assert_int_eq(csp_send(c[1], NULL, 0, soon()), 0);
    pthread_join(thread, &result);
    ck_assert_ptr_nonnull(result);
    ASSERT_ERRNO(csp_drop(c[2], CSP_RECV), EBADF);
    ck_assert_int_eq(csp_term(), 0);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void *hold_line(void *arg)
{
    const csp_chan *c = arg;
    char byte;
    csp_send(c[0], NULL, 0, soon());
    csp_recv(c[1], &byte, 1, soon());
    return NULL;
}

START_TEST(go_is_ebusy_while_other_threads_have_lines)
{
    pthread_t thread;
    char byte;
    csp_chan c[2] = {make(0), make(0)};
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_line, c), 0);
    ck_assert_int_eq(csp_recv(c[0], &byte, 1, soon()), 0);
    ASSERT_ERRNO(csp_go(do_nothing, NULL), EBUSY);
    ck_assert_int_eq(csp_send(c[1], NULL, 0, soon()), 0);
    pthread_join(thread, NULL);
    ended_well(go(do_nothing, NULL));
    ck_assert_int_eq(csp_term(), 0);
}

/* ---- messages, time */

START_TEST(an_error_says_what_was_asked_of_which_channel)
{
    char text[64];
    ck_assert_str_eq(csp_errmsg(), "no error");
    csp_chan c = make(0);
    ASSERT_ERRNO(csp_send(c, "x", 1, CSP_NOW), EAGAIN);
    snprintf(text, sizeof text, "send, channel %lu: ", (unsigned long)c);
    ck_assert_msg(strncmp(csp_errmsg(), text, strlen(text)) == 0, "%s", csp_errmsg());
    ck_assert_int_eq(csp_term(), 0);
}

START_TEST(time_saturates_and_never_goes_back)
{
    csp_time before = csp_now();
    ck_assert_int_ge(csp_in(-5), before);
    ck_assert_int_ge(csp_in(1000), before + 1000000000);
    ck_assert_int_eq(csp_in(INT64_MAX), INT64_MAX);
    ck_assert_int_eq(csp_in(INT64_MAX / 1000000), INT64_MAX);
}

Suite *libipc_suite(void)
{
    Suite *s = suite_create("libipc");
    TCase *t = tcase_create("libipc");
    tcase_add_test(t, init_starts_a_run_and_term_leaves_nothing_of_it);
    tcase_add_test(t, a_second_init_does_nothing);
    tcase_add_test(t, after_term_calls_fail_until_init_starts_another_run);
    tcase_add_test(t, term_where_nothing_was_begun_succeeds);
    tcase_add_test(t, any_function_starts_the_run_by_itself);
    tcase_add_test(t, joining_a_run_that_is_not_there_is_enoent);
    tcase_add_test(t, a_run_directory_with_a_long_path_is_enametoolong);
    tcase_add_test(t, no_broker_program_is_enoent_and_leaves_no_directory);
    tcase_add_test(t, a_broker_that_is_none_is_an_error_at_once);
    tcase_add_test(t, without_descriptors_init_is_emfile_and_nothing_aborts);
    tcase_add_test(t, csp_run_in_the_environment_makes_a_guest);
    tcase_add_test(t, a_wrong_ticket_is_eacces);
    tcase_add_test(t, a_wrong_token_is_eacces);
    tcase_add_test(t, a_guest_uses_named_channels);
    tcase_add_test(t, when_the_root_returns_from_main_all_others_are_ended);
    tcase_add_test(t, when_the_root_is_killed_all_others_are_ended);
    tcase_add_test(t, what_processes_forked_by_themselves_ends_with_the_run);
    tcase_add_test(t, when_the_broker_is_killed_a_blocked_call_is_enotconn);
    tcase_add_test(t, a_child_of_a_plain_fork_cannot_call_and_disturbs_nothing);
    tcase_add_test(t, threads_have_lines_of_their_own);
    tcase_add_test(t, term_wakes_the_calls_of_other_threads);
    tcase_add_test(t, a_drop_under_another_threads_stream_is_ebusy);
    tcase_add_test(t, go_is_ebusy_while_other_threads_have_lines);
    tcase_add_test(t, an_error_says_what_was_asked_of_which_channel);
    tcase_add_test(t, time_saturates_and_never_goes_back);
    suite_add_tcase(s, t);
    return s;
}
