/* SPDX-License-Identifier: MPL-2.0 */
/* Programs as children: csp_spawn. Decision: a program runs under the bridge, which says on a pipe whether exec(2)
 * succeeded, and later how the program ended: so "started" means that it was, an error is the program's own, and a
 * signal is not mistaken for the status that the bridge must exit with. The pipe's end is the bridge's death: no wait
 * here outlives it. */
#include "csp.h"
#include "error.h"
#include "launch.h"
#include "process.h"
#include "programs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BRIDGE_REPORT = 3, BRIDGE_NO_MORE = 4 };

struct launch {
    char bridge[PATH_MAX];
    char in[24], out[24], report[12];
    char run[sizeof csp__state.dir + 16], ticket_text[40], process_text[40], deadline[40];
    char **argv, **environment;
    csp_proc process;
    uint64_t ticket;
};

/* ---- what the bridge is started with */

static size_t count(char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* exec [--in C] [--out C] --report 3 -- argv... */
static int make_argv(struct launch *l, char *const argv[], csp_chan in, csp_chan out)
{
    size_t n = 0;
    l->argv = calloc(count(argv) + 9, sizeof *l->argv);
    if (l->argv == NULL)
        return -1;
    (void)snprintf(l->in, sizeof l->in, "%" PRIu64, in);
    (void)snprintf(l->out, sizeof l->out, "%" PRIu64, out);
    (void)snprintf(l->report, sizeof l->report, "%d", BRIDGE_REPORT);
    l->argv[n++] = l->bridge;
    if (in != 0) {
        l->argv[n++] = "--in";
        l->argv[n++] = l->in;
    }
    if (out != 0) {
        l->argv[n++] = "--out";
        l->argv[n++] = l->out;
    }
    l->argv[n++] = "--report";
    l->argv[n++] = l->report;
    l->argv[n++] = "--";
    memcpy(l->argv + n, argv, count(argv) * sizeof *argv);
    return 0;
}

static int is_set_here(const char *variable)
{
    return strncmp(variable, "CSP_RUN=", 8) == 0 || strncmp(variable, "CSP_TICKET=", 11) == 0 ||
           strncmp(variable, "CSP_PROCESS=", 12) == 0 || strncmp(variable, "CSP_DEADLINE=", 13) == 0;
}

/* Ours, but for what says which process of which run it is, and until when. */
static int make_environment(struct launch *l)
{
    size_t n = 0;
    csp_time deadline = csp_deadline();
    l->environment = calloc(count(environ) + 5, sizeof *l->environment);
    if (l->environment == NULL)
        return -1;
    (void)snprintf(l->run, sizeof l->run, "CSP_RUN=%s", csp__state.dir);
    (void)snprintf(l->ticket_text, sizeof l->ticket_text, "CSP_TICKET=%" PRIu64, l->ticket);
    (void)snprintf(l->process_text, sizeof l->process_text, "CSP_PROCESS=%" PRId64, l->process);
    for (char **e = environ; e != NULL && *e != NULL; e++)
        if (!is_set_here(*e))
            l->environment[n++] = *e;
    l->environment[n++] = l->run;
    l->environment[n++] = l->ticket_text;
    l->environment[n++] = l->process_text;
    (void)snprintf(l->deadline, sizeof l->deadline, "CSP_DEADLINE=%" PRId64, deadline);
    if (deadline != CSP_FOREVER)
        l->environment[n++] = l->deadline;
    return 0;
}

static int spawn_with(pid_t *pid, const struct launch *l, posix_spawn_file_actions_t *actions,
                      posix_spawnattr_t *attributes, int report)
{
    int err = posix_spawn_file_actions_adddup2(actions, report, BRIDGE_REPORT);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(actions, BRIDGE_NO_MORE);
    return err == 0 ? posix_spawn(pid, l->bridge, actions, attributes, l->argv, l->environment) : err;
}

/* Starts the bridge. Returns 0 or an errno. */
static int spawn(pid_t *pid, const struct launch *l, int report)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int err = csp__spawn_clean(&attributes, csp__reads_terminal() ? 0 : POSIX_SPAWN_SETPGROUP);
    if (err != 0)
        return err;
    err = posix_spawn_file_actions_init(&actions);
    if (err == 0) {
        err = spawn_with(pid, l, &actions, &attributes, report);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return err;
}

/* ---- the report */

/* Reads the first line, which comes or the pipe ends. Returns its length without the newline; 0: there is none. */
static size_t read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    while (len + 1 < size) {
        ssize_t n = read(fd, line + len, 1); /* no more: what follows is for the end */
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || line[len] == '\n')
            break;
        len++;
    }
    line[len] = '\0';
    return len;
}

static int judge(int fd, const char *program)
{
    char line[600];
    if (read_line(fd, line, sizeof line) == 0)
        return csp__failf(EIO, "spawn %s: the bridge ended before it had started the program", program);
    if (strncmp(line, "started", 7) == 0)
        return 0;
    char *text = line;
    long err = strncmp(line, "error ", 6) == 0 ? strtol(line + 6, &text, 10) : 0;
    return csp__failf(err > 0 && err < INT_MAX ? (int)err : EPROTO, "spawn:%s", text);
}

int csp__report_end(int fd, csp_exit *why)
{
    static const char *const words[] = {
        [CSP_CLEAN] = "clean", [CSP_CODE] = "code", [CSP_SIGNAL] = "signal", [CSP_CANCELLED] = "cancelled"};
    char line[600];
    char how[16];
    int code;
    if (read_line(fd, line, sizeof line) == 0 || sscanf(line, "ended %15s %d", how, &code) != 2)
        return -1;
    for (int i = 0; i < (int)(sizeof words / sizeof *words); i++)
        if (strcmp(how, words[i]) == 0) {
            *why = (csp_exit){.how = i, .code = i == CSP_CODE || i == CSP_SIGNAL ? code : 0};
            return 0;
        }
    return -1;
}

/* ---- the whole */

static int announce(struct csp__line *line, struct launch *l, const char *program, csp_chan in, csp_chan out)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    struct wire_ends ends[2];
    uint32_t n = 0;
    if (in != 0)
        ends[n++] = (struct wire_ends){.channel = in, .ends = CSP_RECV};
    if (out != 0)
        ends[n++] = (struct wire_ends){.channel = out, .ends = CSP_SEND};
    char rest[sizeof ends + WIRE_MAX_NAME];
    size_t name_len = strcspn(name, "\t\n");
    name_len = name_len > WIRE_MAX_NAME ? WIRE_MAX_NAME : name_len;
    memcpy(rest, ends, n * sizeof *ends);
    memcpy(rest + n * sizeof *ends, name, name_len);
    struct wire_announce body = {.success = {1}};
    struct csp__request r = {
        .count = n, .head = &body, .head_len = sizeof body, .rest = rest, .rest_len = n * sizeof *ends + name_len};
    return csp__announce_request(line, &r, "spawn", &l->process, &l->ticket);
}

/* The bridge runs as pid: notes it, and waits for what it says. */
static int follow(struct csp__line *line, const struct launch *l, pid_t pid, int report, const char *program)
{
    pthread_mutex_lock(&csp__state.lock);
    struct csp__child *child = csp__child_add(line, l->process, pid);
    int err = child == NULL ? errno : 0;
    if (child != NULL) {
        child->report = report;
        child->users++;
    }
    pthread_mutex_unlock(&csp__state.lock);
    if (child == NULL) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close(report);
        (void)csp__say_started(line, l->process, 0);
        return csp__fail(err, "spawn", 0);
    }
    int result = 0;
    if (csp__say_started(line, l->process, pid) != 0)
        result = csp__fail(errno, "spawn", 0);
    else
        result = judge(report, program);
    err = errno;
    if (result != 0) {
        kill(pid, SIGKILL); /* it is at its end; whatever it waits for, we do not */
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)child->fd, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
            ;
        if (err == EIO &&
            csp__say_started(line, l->process, pid) != 0) { /* said again, to learn whether the run ended */
            err = errno;
            (void)csp__fail(err, "spawn", 0);
        }
        (void)csp__child_reap(line, child, NULL);
    }
    csp__child_release(child);
    errno = err;
    return result;
}

static int start(struct csp__line *line, struct launch *l, const char *program)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return csp__fail(errno, "spawn", 0);
    int high = fcntl(ends[1], F_DUPFD_CLOEXEC, BRIDGE_NO_MORE); /* so that dup2 to its number makes it inheritable */
    pid_t pid = 0;
    int err = high < 0 ? errno : spawn(&pid, l, high);
    close(ends[1]);
    if (high >= 0)
        close(high);
    if (err == 0)
        return follow(line, l, pid, ends[0], program);
    close(ends[0]);
    (void)csp__say_started(line, l->process, 0);
    return csp__failf(err, "spawn: the bridge %s: %s", l->bridge, strerrordesc_np(err));
}

csp_proc csp_spawn(char *const argv[], csp_chan in, csp_chan out)
{
    if (argv == NULL || argv[0] == NULL)
        return csp__failf(EINVAL, "spawn: no program");
    struct csp__line *line = csp__line("spawn");
    if (line == NULL)
        return -1;
    struct launch *l = calloc(1, sizeof *l);
    if (l == NULL)
        return csp__fail(ENOMEM, "spawn", 0);
    int result;
    if (csp__program_path("exec", l->bridge, sizeof l->bridge) != 0)
        result = csp__failf(errno, "spawn: the bridge program (exec) is not found: set CSP_LIBEXEC to its directory");
    else
        result = announce(line, l, argv[0], in, out);
    if (result == 0 && (make_argv(l, argv, in, out) != 0 || make_environment(l) != 0)) {
        (void)csp__say_started(line, l->process, 0);
        result = csp__fail(ENOMEM, "spawn", 0);
    }
    if (result == 0)
        result = start(line, l, argv[0]);
    csp_proc process = l->process;
    int err = errno;
    free(l->argv);
    free(l->environment);
    free(l);
    errno = err;
    return result == 0 ? process : -1;
}
