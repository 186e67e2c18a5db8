/* SPDX-License-Identifier: MPL-2.0 */
/* Starting the broker. Decision: it says on a pipe that it is ready, or why it is not, so that nobody sleeps or
 * guesses; it makes the run directory, whose path it gets, so that a root killed on the way leaves none, and has a
 * session of its own, so that a terminal's Ctrl-C never takes the broker before its run. */
#include "launch.h"
#include "csp.h"
#include "error.h"
#include "polling.h"
#include "programs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 10000

/* Numbers of the descriptors in the broker. Ours are moved above them first, so that none takes the other's place. */
enum { BROKER_READY = 3, BROKER_NO_MORE = 4 };

int csp__spawn_clean(posix_spawnattr_t *attributes, short flags)
{
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    int err = posix_spawnattr_init(attributes);
    if (err != 0)
        return err;
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
    err = posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | flags));
    if (err != 0)
        posix_spawnattr_destroy(attributes);
    return err;
}

static int add_actions(posix_spawn_file_actions_t *actions, int ready)
{
    int err = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, 0, 1);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(actions, ready, BROKER_READY);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, BROKER_NO_MORE);
    return err;
}

/* Starts the program. Returns 0 or an errno. */
static int spawn(pid_t *pid, char *const argv[], int ready)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int err = csp__spawn_clean(&attributes, POSIX_SPAWN_SETSID);
    if (err != 0)
        return err;
    err = posix_spawn_file_actions_init(&actions);
    if (err == 0) {
        err = add_actions(&actions, ready);
        if (err == 0)
            err = posix_spawn(pid, argv[0], &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return err;
}

/* Reads the broker's one line, and nothing of the notices that may follow it. Returns its length, 0 at the end without
 * one, -1 with errno. */
static ssize_t read_report(int fd, char *line, size_t size)
{
    csp_time by = csp_in(READY_MS);
    size_t len = 0;
    while (len + 1 < size && memchr(line, '\n', len) == NULL) {
        int ready = csp__poll_in(fd, by);
        if (ready == 0)
            errno = ETIMEDOUT;
        ssize_t got = ready > 0 ? TEMP_FAILURE_RETRY(read(fd, line + len, 1)) : -1;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len++;
    }
    line[len] = '\0';
    return (ssize_t)len;
}

static int judge(int fd, const char *program)
{
    char line[512] = "";
    ssize_t len = read_report(fd, line, sizeof line);
    if (len < 0)
        return csp__failf(errno, "the broker %s did not say that it is ready: %s", program, strerrordesc_np(errno));
    if (strcmp(line, "ready\n") == 0)
        return 0;
    char *sentence = line;
    long err = strncmp(line, "error ", 6) == 0 ? strtol(line + 6, &sentence, 10) : 0;
    line[strcspn(line, "\n")] = '\0';
    if (err > 0 && err < INT_MAX)
        return csp__failf((int)err, "the broker could not start:%s", sentence);
    return csp__failf(EPROTO, "the broker %s ended before it was ready", program);
}

/* A descriptor above those that the broker gets. */
static int above(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, BROKER_NO_MORE);
}

/* *keep: whether the pipe stays, and then which end is ours. */
static pid_t start(const char *program, char *const argv[], int *keep)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return csp__failf(errno, "a pipe to the broker: %s", strerrordesc_np(errno));
    int high_ready = above(ends[1]);
    close(ends[1]);
    pid_t pid = -1;
    int err = high_ready < 0 ? errno : spawn(&pid, argv, high_ready);
    if (high_ready >= 0)
        close(high_ready);
    if (err != 0) {
        close(ends[0]);
        return csp__failf(err, "the broker %s could not be started: %s", program, strerrordesc_np(err));
    }
    int result = judge(ends[0], program);
    err = errno;
    if (result == 0 && keep != NULL)
        *keep = ends[0];
    else
        close(ends[0]);
    if (result == 0)
        return pid;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    errno = err;
    return -1;
}

/* What the broker would only refuse with its usage. */
static int check(const struct csp__options *o)
{
    const char *seed = o->seed, *word = o->on_deadlock;
    if (seed != NULL) {
        char *end;
        errno = 0;
        (void)strtoull(seed, &end, 10);
        if (errno != 0 || *seed < '0' || *seed > '9' || *end != '\0')
            return csp__failf(EINVAL, "the seed \"%s\" is not a number from 0 to %llu", seed, ULLONG_MAX);
    }
    if (word != NULL && strcmp(word, "report") != 0 && strcmp(word, "fail") != 0 && strcmp(word, "ignore") != 0)
        return csp__failf(EINVAL, "on a deadlock one can report, fail or ignore, not \"%s\"", word);
    return 0;
}

pid_t csp__launch(const char *dir, const struct csp__options *options, int *notices)
{
    char program[PATH_MAX];
    if (check(options) != 0)
        return -1;
    if (csp__program_path("broker", program, sizeof program) != 0)
        return csp__failf(errno, "the broker program is not found: set CSP_LIBEXEC to the directory that holds it");
    char root[24];
    char ready[12];
    (void)snprintf(root, sizeof root, "%ld", (long)getpid());
    (void)snprintf(ready, sizeof ready, "%d", BROKER_READY);
    const struct {
        const char *option, *value;
    } pairs[] = {{"--dir", dir},
                 {"--ready", ready},
                 {"--root", root},
                 {"--name", options->name},
                 {"--file", options->file},
                 {"--on-deadlock", options->on_deadlock},
                 {"--seed", options->seed},
                 {"--record", options->record},
                 {"--replay", options->replay}};
    enum { PAIRS = sizeof pairs / sizeof *pairs };
    const char *argv[2 * PAIRS + 3];
    size_t n = 0;
    argv[n++] = program;
    for (size_t i = 0; i < PAIRS; i++)
        if (pairs[i].value != NULL) {
            argv[n++] = pairs[i].option;
            argv[n++] = pairs[i].value;
        }
    if (options->notices)
        argv[n++] = "--notices";
    argv[n] = NULL;
    *notices = -1;
    return start(program, (char *const *)argv, options->notices ? notices : NULL);
}
