/* SPDX-License-Identifier: MPL-2.0 */
/* Running the real tools from a test, as a user at a shell does. Decision: a command is started in a process group of
 * its own with pipes for its output, and every wait for it has a deadline; a test says what should happen, never how
 * long to sleep. Tests run in the root of the repository. */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PATIENCE = 120000 }; /* ms: no command of a test takes longer at any load; multiplied under sanitizers */

struct text {
    char *data; /* ends with a NUL that is not counted */
    size_t len;
};

struct outcome {
    int status; /* exit status, or 128 + signal */
    struct text out, err;
};

struct running {
    pid_t pid;
    int pidfd, fd[2]; /* its stdout and stderr */
    struct text text[2];
};

/* build/cspctl and the like, in the build directory under test ($CSP_TEST_BUILD, else build). */
const char *built(const char *name);

/* A path in the scratch directory; printf's format. Valid until 16 calls later. */
const char *in_scratch(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a file. */
void write_file(const char *path, const void *data, size_t len);
void write_text(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct text read_file(const char *path);

/* What the compiler must be given beside when the library under test has sanitizers in it, or "". */
const char *sanitizers(void);

/* Builds a program of one file, its source NAME.c in the scratch directory, against the static library, with debug
 * information. It can be run as in_scratch(name). */
void build_program(const char *name, const char *source);

/* Starts sh -c of a command; `cspctl` in it is the one under test. `exec cspctl ...` makes it the process that a signal
 * to r.pid reaches. */
struct running start(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits until the output (0: stdout, 1: stderr) contains s; fails the test if it ends or PATIENCE passes before. */
void wait_for_output(struct running *r, int which, const char *s);

/* Waits for its end. */
struct outcome finish(struct running *r);

/* start and finish. */
struct outcome sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

void outcome_free(struct outcome *o);

/* The words before a command that is to have mounts of its own, for a small file system; NULL, which is said: this
 * machine grants none, and what is tested with them is not. */
const char *unsharing_mounts(void);

/* Waits until a child of any depth of `root` with this command name (comm) exists; its pid. */
pid_t wait_for_process(const char *comm);

/* Pids of the processes of the test's runs by command name. */
size_t processes_named(const char *comm, pid_t *pids, size_t most);

/* Waits until there are just so many of this name. A program that is started has the name of its bridge until it is
 * executed, and one that is told to end is there until it has. */
void wait_for_processes(const char *comm, size_t many);

/* Asserts status, and shows stderr where it is another. */
void assert_status(const struct outcome *o, int status);

/* Asserts that two texts are the same, and shows the first difference. */
void assert_same(const struct text *got, const struct text *want);

/* Asserts that the text contains s. */
void assert_contains(const struct text *t, const char *s);

/* Adding a test is adding a function: TEST(name) { ... } registers it with the suite of its file, SUITE_OF(file). */
void harness_add(const TTest *test);
Suite *harness_suite(const char *name);

#define TEST(name)                                                                                                     \
    static void name##_fn(int);                                                                                        \
    static const TTest name##_ttest = {#name, name##_fn, __FILE__, __LINE__};                                          \
    __attribute__((constructor)) static void name##_add(void)                                                          \
    {                                                                                                                  \
        harness_add(&name##_ttest);                                                                                    \
    }                                                                                                                  \
    static void name##_fn(int loop __attribute__((unused)))

#define SUITE_OF(name)                                                                                                 \
    Suite *name##_suite(void);                                                                                         \
    Suite *name##_suite(void)                                                                                          \
    {                                                                                                                  \
        return harness_suite(#name);                                                                                   \
    }

#endif
