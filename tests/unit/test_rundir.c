/* SPDX-License-Identifier: MPL-2.0 */
/* The run directory: what makes it, what a dead run's is told by, and what is never removed. */
#include "expect.h"
#include "leftover.h"
#include "rundir.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *rundir_suite(void);

static char dir[256];
static int lock = -1;

static void make_dir(void)
{
    ck_assert_int_eq(csp__rundir_name(dir, sizeof dir), 0);
    ck_assert_int_eq(csp__rundir_make(dir, &lock), 0);
}

static int exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void remove_dir(void)
{
    ck_assert_int_eq(csp__rundir_remove(dir), 0);
    close(lock);
}

static struct csp__runinfo sample(void)
{
    struct csp__runinfo info = {.name = "a name", .file = "/a/file", .root = 12, .broker = 34, .started = 56};
    for (int i = 0; i < WIRE_TOKEN_SIZE; i++)
        info.token[i] = (uint8_t)(i * 17);
    return info;
}

START_TEST(a_run_directory_is_private_and_where_xdg_says)
{
    struct stat st;
    make_dir();
    ck_assert_int_eq(strncmp(dir, runtime_dir(), strlen(runtime_dir())), 0);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(fcntl(lock, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    remove_dir();
}

START_TEST(a_strict_umask_does_not_lock_the_run_out)
{
    struct stat st;
    mode_t old = umask(0777);
    make_dir();
    umask(old);
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    remove_dir();
}

START_TEST(a_path_too_long_for_a_socket_is_refused)
{
    char longer[300];
    snprintf(longer, sizeof longer, "%s/%0100d", scratch(), 0);
    ck_assert_int_eq(mkdir(longer, 0700), 0);
    setenv("XDG_RUNTIME_DIR", longer, 1);
    ASSERT_ERRNO(csp__rundir_name(dir, sizeof dir), ENAMETOOLONG);
}

START_TEST(what_is_written_is_read)
{
    make_dir();
    struct csp__runinfo in = sample();
    struct csp__runinfo out;
    ck_assert_int_eq(csp__rundir_write(dir, &in), 0);
    ck_assert_int_eq(csp__rundir_read(dir, &out), 0);
    ck_assert_mem_eq(out.token, in.token, sizeof in.token);
    ck_assert_str_eq(out.name, in.name);
    ck_assert_str_eq(out.file, in.file);
    ck_assert_int_eq(out.root, 12);
    ck_assert_int_eq(out.broker, 34);
    ck_assert_int_eq(out.started, 56);
    remove_dir();
}

START_TEST(a_name_with_a_newline_is_refused)
{
    make_dir();
    struct csp__runinfo info = sample();
    snprintf(info.name, sizeof info.name, "two\nlines");
    ASSERT_ERRNO(csp__rundir_write(dir, &info), EINVAL);
    remove_dir();
}

START_TEST(a_file_of_another_version_or_junk_is_refused)
{
    static const char *const junk[] = {
        "csp 2\nroot 1\nbroker 1\n",           "hello\n",         "",
        "csp 1\ntoken zz\nroot 1\nbroker 1\n", "csp 1\nroot 1\n", "csp 1\ntoken 00\nroot 1\nbroker 1\n"};
    struct csp__runinfo info;
    char path[300];
    make_dir();
    snprintf(path, sizeof path, "%s/run", dir);
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        FILE *f = fopen(path, "w");
        fputs(junk[i], f);
        fclose(f);
        ASSERT_ERRNO(csp__rundir_read(dir, &info), EPROTO);
    }
    remove_dir();
    ASSERT_ERRNO(csp__rundir_read(dir, &info), ENOENT);
}

static int count_one(const char *path, const struct csp__runinfo *info, void *arg)
{
    *(int *)arg += strcmp(path, dir) == 0 && info->broker == 34;
    return 0;
}

START_TEST(each_shows_living_runs_only)
{
    int seen = 0;
    struct csp__runinfo info = sample();
    make_dir();
    ck_assert_int_eq(csp__rundir_write(dir, &info), 0);
    ck_assert_int_eq(csp__rundir_each(count_one, &seen), 0);
    ck_assert_int_eq(seen, 1);
    ck_assert_int_eq(csp__rundir_alive(dir), 1);
    close(lock);
    ck_assert_int_eq(csp__rundir_each(count_one, &seen), 0);
    ck_assert_int_eq(seen, 1);
    ck_assert_int_eq(csp__rundir_alive(dir), 0);
    ck_assert_int_eq(csp__rundir_remove(dir), 0);
}

START_TEST(removing_what_is_not_there_is_a_success)
{
    make_dir();
    remove_dir();
    ck_assert_int_eq(csp__rundir_remove(dir), 0);
}

START_TEST(a_file_that_is_not_ours_is_never_removed)
{
    char path[300];
    make_dir();
    snprintf(path, sizeof path, "%s/thesis.tex", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(csp__rundir_remove(dir), -1);
    ck_assert(exists(path));
    unlink(path);
    remove_dir();
}

#ifndef __SANITIZE_ADDRESS__ /* whose allocator ends a process that it has no memory for */
/* Takes all memory that this process could still get. */
static void exhaust(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_AS, &none) != 0)
        _exit(2);
    for (size_t size = 1 << 20; size >= 16; size /= 2) /* all that the allocator has left */
        /* cppcheck-suppress leakReturnValNotUsed ; that is what it is for */
        while (malloc(size) != NULL)
            continue;
}

START_TEST(removing_needs_no_memory)
{
    make_dir();
    char page[300];
    snprintf(page, sizeof page, "%s/p17", dir);
    close(open(page, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    pid_t pid = fork();
    if (pid == 0) {
        exhaust();
        _exit(csp__rundir_remove(dir) == 0 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(!exists(dir));
    close(lock);
}
#endif

START_TEST(the_next_start_sweeps_what_a_dead_run_left)
{
    char dead[256];
    make_dir();
    close(lock);
    memcpy(dead, dir, sizeof dead);
    make_dir();
    ck_assert(!exists(dead));
    ck_assert(exists(dir));
    ck_assert_int_eq(csp__rundir_sweep(), 0);
    ck_assert_msg(exists(dir), "the living one was swept");
    remove_dir();
}

START_TEST(a_sweep_leaves_directories_of_another_shape_alone)
{
    char other[3][256];
    const char *parent = runtime_dir();
    snprintf(other[0], sizeof other[0], "%s/csp-projects", parent);
    snprintf(other[1], sizeof other[1], "%s/csp-abc", parent);
    snprintf(other[2], sizeof other[2], "%s/xcsp-abcdefgh", parent);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mkdir(other[i], 0700), 0);
    ck_assert_int_eq(csp__rundir_sweep(), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert(exists(other[i]));
        rmdir(other[i]);
    }
}

/* A shell that runs this, with CSP_RUN=value in its environment. */
static pid_t start_marked(const char *value, char *script)
{
    char marker[300];
    int ready[2];
    char *environment[] = {marker, NULL};
    snprintf(marker, sizeof marker, "CSP_RUN=%s", value);
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        execle("/bin/sh", "sh", "-c", script, script, NULL, environment);
        _exit(127);
    }
    char byte;
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 0); /* exec has closed its end */
    close(ready[0]);
    return pid;
}

static char sleeps[] = "exec sleep 60", executes[] = "exec /bin/sh -c \"$0\" \"$0\""; /* itself, for ever */

static int is_killed(pid_t pid)
{
    int status;
    return waitpid(pid, &status, WNOHANG) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

START_TEST(a_sweep_kills_the_processes_of_that_run_and_no_other)
{
    char other[300];
    make_dir();
    snprintf(other, sizeof other, "%sx", dir);
    pid_t ours = start_marked(dir, sleeps);
    pid_t others = start_marked(other, sleeps);
    ck_assert_int_eq(csp__sweep_processes(dir, 5000), 1);
    ck_assert(is_killed(ours));
    ck_assert(!is_killed(others));
    kill(others, SIGKILL);
    waitpid(others, NULL, 0);
    ck_assert_int_eq(csp__sweep_processes(dir, 5000), 0);
    remove_dir();
}

/* Its environment is not there all the while. */
START_TEST(a_sweep_finds_a_process_that_is_executing_a_program)
{
    make_dir();
    for (int i = 0; i < 200; i++) {
        pid_t pid = start_marked(dir, executes);
        ck_assert_int_eq(csp__sweep_processes(dir, 5000), 1);
        ck_assert(is_killed(pid));
    }
    remove_dir();
}

START_TEST(sweeping_a_dead_run_kills_its_processes)
{
    make_dir();
    close(lock);
    pid_t pid = start_marked(dir, sleeps);
    ck_assert_int_eq(csp__rundir_sweep(), 0);
    ck_assert(is_killed(pid));
    ck_assert(!exists(dir));
}

Suite *rundir_suite(void)
{
    Suite *s = suite_create("rundir");
    TCase *t = tcase_create("rundir");
    tcase_add_test(t, a_run_directory_is_private_and_where_xdg_says);
    tcase_add_test(t, a_strict_umask_does_not_lock_the_run_out);
    tcase_add_test(t, a_path_too_long_for_a_socket_is_refused);
    tcase_add_test(t, what_is_written_is_read);
    tcase_add_test(t, a_name_with_a_newline_is_refused);
    tcase_add_test(t, a_file_of_another_version_or_junk_is_refused);
    tcase_add_test(t, each_shows_living_runs_only);
    tcase_add_test(t, removing_what_is_not_there_is_a_success);
    tcase_add_test(t, a_file_that_is_not_ours_is_never_removed);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(t, removing_needs_no_memory);
#endif
    tcase_add_test(t, the_next_start_sweeps_what_a_dead_run_left);
    tcase_add_test(t, a_sweep_leaves_directories_of_another_shape_alone);
    tcase_add_test(t, a_sweep_kills_the_processes_of_that_run_and_no_other);
    tcase_add_test(t, a_sweep_finds_a_process_that_is_executing_a_program);
    tcase_add_test(t, sweeping_a_dead_run_kills_its_processes);
    suite_add_tcase(s, t);
    return s;
}
