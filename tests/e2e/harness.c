/* SPDX-License-Identifier: MPL-2.0 */
/* Starting commands, reading what they say, waiting with a deadline. Decision: a command is a line for sh with a
 * function `cspctl` that execs the tool under test, so that a test reads as what a user would type. */
#include "harness.h"

#include "leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- time and paths ---- */

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static long deadline(void)
{
    const char *m = getenv("CK_TIMEOUT_MULTIPLIER");
    return now_ms() + PATIENCE * (m != NULL ? strtol(m, NULL, 10) : 1);
}

static const char *build_directory(void)
{
    const char *b = getenv("CSP_TEST_BUILD");
    return b != NULL ? b : "build";
}

const char *built(const char *name)
{
    static char path[16][256];
    static unsigned i;
    char *p = path[i++ % 16];
    snprintf(p, sizeof path[0], "%s/%s", build_directory(), name);
    return p;
}

const char *in_scratch(const char *format, ...)
{
    static char path[16][512];
    static unsigned i;
    char *p = path[i++ % 16];
    int n = snprintf(p, sizeof path[0], "%s/", scratch());
    va_list ap;
    va_start(ap, format);
    vsnprintf(p + n, sizeof path[0] - (size_t)n, format, ap);
    va_end(ap);
    return p;
}

/* ---- files ---- */

void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "we");
    ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

void write_text(const char *path, const char *format, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&s, format, ap);
    va_end(ap);
    ck_assert_int_ge(n, 0);
    write_file(path, s, (size_t)n);
    free(s);
}

/* Reads what is there now; false at the end of file. */
static bool read_more(int fd, struct text *t)
{
    char buffer[65536];
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    t->data = realloc(t->data, t->len + (size_t)n + 1);
    ck_assert_ptr_nonnull(t->data);
    memcpy(t->data + t->len, buffer, (size_t)n);
    t->len += (size_t)n;
    t->data[t->len] = '\0';
    return n > 0;
}

struct text read_file(const char *path)
{
    struct text t = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    while (read_more(fd, &t)) {
    }
    close(fd);
    return t;
}

/* ---- commands ---- */

static int latest = -1; /* stderr of the command that was started last */

static void become(char *line, const int out[2], const int err[2])
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not get to its end: what it started goes with it */
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    char *path = NULL;
    char *here = realpath(build_directory(), NULL);
    if (here == NULL || asprintf(&path, "%s:%s", here, getenv("PATH")) < 0 || setenv("PATH", path, 1) != 0)
        _exit(127);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
}

static struct running start_line(char *line)
{
    struct running r = {0};
    int out[2], err[2];
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
    r.pid = fork();
    ck_assert_int_ge(r.pid, 0);
    if (r.pid == 0)
        become(line, out, err);
    setpgid(r.pid, r.pid);
    r.pidfd = (int)syscall(SYS_pidfd_open, r.pid, 0);
    ck_assert_int_ge(r.pidfd, 0);
    close(out[1]);
    close(err[1]);
    r.fd[0] = out[0];
    r.fd[1] = err[0];
    for (int i = 0; i < 2; i++)
        r.text[i].data = calloc(1, 1);
    latest = r.fd[1];
    return r;
}

#define WITH_LINE(result_type, call)                                                                                   \
    char *line = NULL;                                                                                                 \
    va_list ap;                                                                                                        \
    va_start(ap, format);                                                                                              \
    int n = vasprintf(&line, format, ap);                                                                              \
    va_end(ap);                                                                                                        \
    ck_assert_int_ge(n, 0);                                                                                            \
    result_type value = call;                                                                                          \
    free(line);                                                                                                        \
    return value

struct running start(const char *format, ...)
{
    WITH_LINE(struct running, start_line(line));
}

static void give_up(struct running *r, const char *why)
{
    kill(-r->pid, SIGKILL);
    ck_abort_msg("%s\nstdout: %.2000s\nstderr: %.4000s", why, r->text[0].data, r->text[1].data);
}

/* One wait for more output or the end; false where nothing is left to wait for. */
static bool step(struct running *r, long until)
{
    struct pollfd p[3] = {{.fd = r->fd[0], .events = POLLIN},
                          {.fd = r->fd[1], .events = POLLIN},
                          {.fd = r->fd[0] < 0 && r->fd[1] < 0 ? r->pidfd : -1, .events = POLLIN}};
    long left = until - now_ms();
    int n = left > 0 ? poll(p, 3, (int)left) : 0;
    if (n == 0)
        give_up(r, "it did not end within the deadline");
    for (int i = 0; i < 2; i++)
        if (p[i].revents != 0 && !read_more(r->fd[i], &r->text[i])) {
            close(r->fd[i]);
            r->fd[i] = -1;
        }
    return p[2].revents == 0;
}

void wait_for_output(struct running *r, int which, const char *s)
{
    long until = deadline();
    while (strstr(r->text[which].data, s) == NULL) {
        if (r->fd[which] < 0)
            give_up(r, "it ended before it said what the test waits for");
        step(r, until);
    }
}

struct outcome finish(struct running *r)
{
    long until = deadline();
    while (step(r, until)) {
    }
    int status = 0;
    ck_assert_int_eq(waitpid(r->pid, &status, 0), r->pid);
    close(r->pidfd);
    return (struct outcome){.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                            .out = r->text[0],
                            .err = r->text[1]};
}

static struct outcome sh_line(char *line)
{
    struct running r = start_line(line);
    return finish(&r);
}

struct outcome sh(const char *format, ...)
{
    WITH_LINE(struct outcome, sh_line(line));
}

void outcome_free(struct outcome *o)
{
    free(o->out.data);
    free(o->err.data);
    *o = (struct outcome){0};
}

const char *unsharing_mounts(void)
{
    static const char *const ways[] = {"unshare -m", "unshare -rm"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct outcome o = sh("%s mount -t tmpfs -o size=4096 none /mnt", ways[i]);
        int status = o.status;
        outcome_free(&o);
        if (status == 0)
            return ways[i];
    }
    fprintf(stderr, "nothing may be mounted here: a full disk is not tested\n");
    return NULL;
}

/* ---- processes of a run ---- */

size_t processes_named(const char *comm, pid_t *pids, size_t most)
{
    pid_t all[1024];
    size_t found = 0;
    size_t n = run_processes(all, 1024);
    for (size_t i = 0; i < n && found < most; i++) {
        char path[64], name[64] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", (int)all[i]);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            continue;
        if (fgets(name, sizeof name, f) != NULL)
            name[strcspn(name, "\n")] = '\0';
        fclose(f);
        if (strcmp(name, comm) == 0)
            pids[found++] = all[i];
    }
    return found;
}

pid_t wait_for_process(const char *comm)
{
    long until = deadline();
    pid_t pid;
    while (processes_named(comm, &pid, 1) == 0) {
        if (now_ms() >= until) {
            struct text err = {0};
            fcntl(latest, F_SETFL, O_NONBLOCK);
            read_more(latest, &err);
            ck_abort_msg("no process %s appeared; stderr: %.2000s", comm, err.data != NULL ? err.data : "");
        }
        poll(NULL, 0, 2); /* nothing announces a foreign process's exec: look again */
    }
    return pid;
}

void wait_for_processes(const char *comm, size_t many)
{
    enum { MOST = 64 };
    long until = deadline();
    pid_t pids[MOST];
    size_t found;
    while ((found = processes_named(comm, pids, MOST)) != many) {
        ck_assert_msg(now_ms() < until, "%zu processes %s, not %zu", found, comm, many);
        poll(NULL, 0, 2);
    }
}

/* ---- programs ---- */

const char *sanitizers(void)
{
    return getenv("CSP_TEST_BUILD") != NULL ? "-fsanitize=address,undefined" : "";
}

void build_program(const char *name, const char *source)
{
    write_file(in_scratch("%s.c", name), source, strlen(source));
    struct outcome o = sh("lib=$(realpath %s) inc=$PWD/libipc && cd %s &&"
                          " cc -g -Wall -Wextra -Werror %s -I$inc %s.c $lib -lzmq -pthread -o %s",
                          built("libipc.a"), scratch(), sanitizers(), name, name);
    assert_status(&o, 0);
    outcome_free(&o);
}

/* ---- assertions ---- */

void assert_status(const struct outcome *o, int status)
{
    ck_assert_msg(o->status == status, "status %d, not %d\nstdout: %.1000s\nstderr: %.4000s", o->status, status,
                  o->out.data, o->err.data);
}

void assert_same(const struct text *got, const struct text *want)
{
    size_t i = 0;
    while (i < got->len && i < want->len && got->data[i] == want->data[i])
        i++;
    ck_assert_msg(i == got->len && i == want->len, "%zu and %zu bytes, different at %zu:\n got: %.100s\nwant: %.100s",
                  got->len, want->len, i, got->data + i, want->data + i);
}

void assert_contains(const struct text *t, const char *s)
{
    ck_assert_msg(strstr(t->data, s) != NULL, "\"%s\" is not in: %.4000s", s, t->data);
}

/* ---- registration ---- */

enum { TESTS_A_SUITE = 256 };
static const TTest *tests[TESTS_A_SUITE];
static size_t test_count;

void harness_add(const TTest *test)
{
    if (test_count < TESTS_A_SUITE)
        tests[test_count] = test;
    test_count++;
}

Suite *harness_suite(const char *name)
{
    if (test_count == 0 || test_count > TESTS_A_SUITE)
        abort();
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    for (size_t i = 0; i < test_count; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}
