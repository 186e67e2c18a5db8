/* SPDX-License-Identifier: MPL-2.0 */
/* posix_spawn(3) instead of fork: it reports the true error of exec, and copies nothing of a supervisor that may have a
 * thousand children. What it lacks, the limit on open files, is lent to the child by lowering our own meanwhile. */
#include "child.h"
#include "bridge.h"
#include "hold.h"
#include "log.h"
#include "message.h"
#include "pool.h"
#include "resume.h"
#include "terminal.h"

#include "../workers/exec/term.h"

#include <launch.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors for the child, and what has to be closed here afterwards. -1: not used. */
struct plumbing {
    int fd[3], report, report_at, directory;
    bool ours[3]; /* close fd[i] here: it was opened for the child */
};

void child_free(struct child *c)
{
    restart_free(&c->restarts);
    hold_release_all(&c->hold);
    free(c);
}

/* ---- incarnations */

/* A process with the child's ends. Returns its number, or -1 with errno. */
static csp_proc announce(const struct child *c, const struct stage *stage, const csp_chan *chans, csp_proc after,
                         uint64_t *ticket)
{
    const struct process *process = &stage->p->processes[c->process];
    struct csp__grant *grants;
    size_t n = process_grants(stage->p, c->process, c->replica, chans, &grants);
    bool watched =
        process->kind == PROCESS_WORKER || (process->kind == PROCESS_COMMAND && process->ack == ACK_EXPLICIT);
    const struct csp__announcement a = {.grants = grants,
                                        .n = n,
                                        .name = process->name,
                                        .replica = c->replica,
                                        .success = process->success,
                                        .after = after,
                                        .timeout = watched ? process->timeout : 0}; /* else the bridge sees to it */
    csp_proc proc = csp__announce(&a, ticket);
    int err = errno;

    free(grants);
    errno = err;
    return proc;
}

int child_prepare_next(struct child *c, const struct stage *stage, const csp_chan *chans)
{
    csp_proc next = c->next == 0 ? announce(c, stage, chans, c->proc, &c->next_ticket) : c->next;

    if (next < 0)
        return -1;
    c->next = next;
    return 0;
}

void child_forgo_next(struct child *c)
{
    if (c->next > 0)
        (void)csp__reaped(c->next, (csp_exit){CSP_CLEAN, 0}, NULL);
    c->next = 0;
}

/* One has one successor at most, so that the old one goes before the new one comes: meanwhile somebody must hold its
 * ends, for this incarnation may end at any time. */
int child_prepare_as(struct child *c, const struct stage *stage, const csp_chan *chans, size_t process)
{
    struct child as = *c;
    uint64_t ticket;
    bool had = c->next > 0;
    csp_proc keeper = had ? announce(c, stage, chans, 0, &ticket) : 0;

    if (keeper < 0)
        return -1;
    child_forgo_next(c);
    as.process = process;
    csp_proc next = announce(&as, stage, chans, c->proc, &ticket);
    int err = errno;
    if (next > 0) {
        c->next = next;
        c->next_ticket = ticket;
    } else if (had)
        (void)child_prepare_next(c, stage, chans);
    if (keeper > 0)
        (void)csp__reaped(keeper, (csp_exit){CSP_CLEAN, 0}, NULL);
    errno = err;
    return next > 0 ? 0 : -1;
}

int child_announce(struct child *c, const struct stage *stage, const csp_chan *chans)
{
    const struct process *process = &stage->p->processes[c->process];

    c->proc = announce(c, stage, chans, 0, &c->ticket);
    if (c->proc < 0)
        return -1;
    return process->restart.when == RESTART_NEVER ? 0 : child_prepare_next(c, stage, chans);
}

int child_succeed(struct child *c, const struct stage *stage, const csp_chan *chans)
{
    uint64_t ticket;
    csp_proc next = announce(c, stage, chans, c->next, &ticket);

    if (next < 0)
        return -1;
    c->proc = c->next;
    c->ticket = c->next_ticket;
    c->next = next;
    c->next_ticket = ticket;
    c->pid = 0;
    return 0;
}

void child_forgo(struct child *c, csp_exit why)
{
    if (c->pid == 0 && c->proc >= 0)
        (void)csp__reaped(c->proc, why, NULL); /* announced, and never started */
    if (c->next > 0)
        (void)csp__reaped(c->next, why, NULL);
    c->next = 0;
}

/* ---- descriptors */

static void say_place(const struct stage *stage, const struct child *c, struct place at, const char *what, int err,
                      const char *advice)
{
    message("%s:%u:%u: %s: %s: %s%s", stage->p->path, at.line, at.column, c->label, what, strerror(err), advice);
}

static int open_input(const struct child *c, const struct stage *stage)
{
    const struct input *input = &stage->p->processes[c->process].input;
    char *file = pipeline_input_file(stage->p, c->process, c->replica);
    int fd = open(file != NULL ? file : "/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0 && isatty(fd))
        fd = terminal_pipe(fd);
    if (fd < 0) {
        int err = errno;
        say_place(stage, c, input->place, file != NULL ? file : "/dev/null", err, "");
        errno = err;
    }
    free(file);
    return fd;
}

static int prefixed(struct child *c, const struct stage *stage)
{
    char prefix[300];

    log_prefix(prefix, sizeof prefix, c->label, c->process, stage->colour);
    return readiness_source(c, stage, stage->log, prefix);
}

/* Where descriptor 1 or 2 leads: what goes to a channel is the bridge's matter, but a worker's own prints are logged,
 * and so is what a bridge itself has to say on descriptor 2. */
static int open_output(struct child *c, const struct stage *stage, int number, bool *ours)
{
    const struct process *process = &stage->p->processes[c->process];
    const struct output *output = number == 1 ? &process->output : &process->error;

    *ours = true;
    switch (output->kind) {
    case OUTPUT_INHERIT:
        if (process->replicas > 1 || process->ready.line != NULL)
            return readiness_source(c, stage, number == 1 ? stage->data : stage->log, "");
        *ours = false;
        return number;
    case OUTPUT_LOG:
        return prefixed(c, stage);
    case OUTPUT_CHANNELS:
        if (!c->bridged || number == 2)
            return prefixed(c, stage);
        break;
    default:
        break;
    }
    return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static int open_directory(const struct child *c, const struct stage *stage, int *directory)
{
    char *cwd = pipeline_cwd(stage->p, c->process, c->replica);

    *directory = -1;
    if (cwd == NULL)
        return 0;
    *directory = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int err = errno;
    if (*directory < 0)
        message("%s:%u:%u: %s: cwd: %s: %s", stage->p->path, stage->p->processes[c->process].place.line,
                stage->p->processes[c->process].place.column, c->label, cwd, strerror(err));
    free(cwd);
    errno = err;
    return *directory < 0 ? -1 : 0;
}

static int open_report(struct child *c, const struct stage *stage, struct plumbing *to)
{
    int end[2];

    if (!c->bridged)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) != 0) /* a socket, since descriptors come with it */
        return -1;
    (void)fcntl(end[0], F_SETFL, O_NONBLOCK);
    c->given = -1;
    c->report = end[0];
    to->report = end[1];
    to->report_at = bridge_report_fd(&stage->p->processes[c->process]);
    return 0;
}

static void close_plumbing(const struct plumbing *to)
{
    for (int i = 0; i < 3; i++)
        if (to->ours[i] && to->fd[i] >= 0)
            close(to->fd[i]);
    if (to->report >= 0)
        close(to->report);
    if (to->directory >= 0)
        close(to->directory);
}

/* Returns 0, or -1 with errno; *said: the user knows why. */
static int open_plumbing(struct child *c, const struct stage *stage, struct plumbing *to, bool *said)
{
    *to = (struct plumbing){.fd = {-1, -1, -1}, .report = -1, .directory = -1, .ours = {true, true, true}};
    *said = true;
    to->fd[0] = open_input(c, stage);
    if (to->fd[0] < 0 || open_directory(c, stage, &to->directory) != 0)
        return -1;
    *said = false;
    for (int i = 1; i <= 2; i++)
        if ((to->fd[i] = open_output(c, stage, i, &to->ours[i])) < 0)
            return -1;
    return open_report(c, stage, to);
}

/* ---- starting */

/* Where execvp(3) would find it with the child's own PATH and directory. Belongs to pool; NULL with errno. */
static const char *find_program(const char *name, char *const environment[], int directory, struct pool *pool)
{
    const char *path = "/usr/local/bin:/usr/bin:/bin";
    int err = ENOENT;

    if (strchr(name, '/') != NULL)
        return name;
    for (size_t i = 0; environment[i] != NULL; i++)
        if (strncmp(environment[i], "PATH=", 5) == 0)
            path = environment[i] + 5;
    while (*name != '\0') {
        size_t n = strcspn(path, ":");
        const char *file = pool_format(pool, "%.*s%s%s", (int)n, path, n > 0 ? "/" : "", name);
        if (faccessat(directory >= 0 ? directory : AT_FDCWD, file, X_OK, AT_EACCESS) == 0)
            return n > 0 ? file : pool_format(pool, "./%s", name);
        if (errno == EACCES)
            err = EACCES;
        if (path[n] == '\0')
            break;
        path += n + 1;
    }
    errno = err;
    return NULL;
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct plumbing *to)
{
    int err = 0;

    for (int i = 0; i < 3 && err == 0; i++)
        err = posix_spawn_file_actions_adddup2(actions, to->fd[i], i);
    if (err == 0 && to->report >= 0)
        err = posix_spawn_file_actions_adddup2(actions, to->report, to->report_at);
    if (err == 0 && to->directory >= 0)
        err = posix_spawn_file_actions_addfchdir_np(actions, to->directory);
    return err;
}

/* TERM to a bridge that has not begun waits until that knows of it: it would end it, and whatever it has to do. */
static int block_term(posix_spawnattr_t *attributes)
{
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    return posix_spawnattr_setsigmask(attributes, &term);
}

/* Returns an errno. */
static int spawn(struct child *c, const struct stage *stage, const char *path, char **argv, char **environment,
                 const struct plumbing *to)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    struct rlimit own;
    int err = csp__spawn_clean(&attributes, POSIX_SPAWN_SETPGROUP);

    if (err != 0)
        return err;
    posix_spawn_file_actions_init(&actions);
    err = c->bridged ? block_term(&attributes) : 0;
    if (err == 0)
        err = add_actions(&actions, to);
    if (err == 0) {
        int limited = getrlimit(RLIMIT_NOFILE, &own) == 0 && setrlimit(RLIMIT_NOFILE, &stage->limit) == 0;
        err = posix_spawn(&c->pid, path, &actions, &attributes, argv, environment);
        if (limited)
            (void)setrlimit(RLIMIT_NOFILE, &own);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

static char **environment_of(const struct child *c, const struct stage *stage, bool attaches)
{
    const struct process *process = &stage->p->processes[c->process];
    char *extra[5] = {NULL};
    size_t n = 0;

    extra[n++] = pool_format(stage->pool, "CSP_RUN=%s", stage->dir);
    extra[n++] = pool_format(stage->pool, "CSP_PROCESS=%" PRId64, c->proc);
    if (attaches && (c->bridged || process->kind == PROCESS_WORKER))
        extra[n++] = pool_format(stage->pool, "CSP_TICKET=%" PRIu64, c->ticket);
    if (process->kind == PROCESS_WORKER && process->serve != PIPELINE_NONE)
        extra[n++] = pool_format(stage->pool, "CSP_SERVE=%s", stage->p->channels[process->requests].name);
    const uint64_t *resumed = resume_count(stage, c->process, c->replica);
    if (resumed != NULL)
        extra[n++] = pool_format(stage->pool, "CSP_RESUMED=%" PRIu64, *resumed);
    return pipeline_environment(stage->p, c->process, c->replica, extra);
}

static void say_not_started(const struct child *c, const struct stage *stage, int err)
{
    const struct program *program = &stage->p->processes[c->process].program;
    char **argv = pipeline_argv(stage->p, c->process, c->replica);
    const char *what = pool_format(stage->pool, "cannot be started: %s", argv[0]);

    say_place(stage, c, program->argv != NULL ? program->places[0] : program->place, what, err,
              err == ENOENT   ? ": install it, or correct its name or PATH (or a script's #! line)"
              : err == EACCES ? ": make it executable (chmod +x)"
                              : "");
    free(argv);
}

/* Executes it with the descriptors prepared. Returns an errno. */
static int execute(struct child *c, const struct stage *stage, const struct plumbing *to)
{
    char **environment = environment_of(c, stage, true);
    char **argv = process_command(stage->p, c->process, c->replica, stage->exec, stage->pool);
    const char *path = stage->p->processes[c->process].program.path;

    if (path == NULL || c->bridged)
        path = find_program(argv[0], environment, to->directory, stage->pool);
    int err = path != NULL ? spawn(c, stage, path, argv, environment, to) : errno;
    free(environment);
    return err;
}

/* What the last incarnation was is no more. */
static void clear(struct child *c)
{
    c->ending = (struct ending){.why = {CSP_CLEAN, 0}};
    c->told = (csp_exit){CSP_CLEAN, 0};
    c->start_error = 0;
    c->spotted = c->ready = false;
    c->looked_at = 0;
    c->reported = false;
    c->held = 0;
    c->program = 0;
    c->gone = false;
    c->given = -1;
    *c->why = '\0';
}

static int start(struct child *c, const struct stage *stage)
{
    struct plumbing to;
    bool said;
    int err = open_plumbing(c, stage, &to, &said) != 0 ? errno : 0;

    if (err == 0) {
        err = execute(c, stage, &to);
        said = false;
    }
    close_plumbing(&to);
    if (err == 0)
        return 0;
    if (!said)
        say_not_started(c, stage, err);
    if (c->report >= 0)
        close(c->report);
    c->report = -1;
    c->pid = 0;
    c->start_error = err;
    c->ending.why = (csp_exit){CSP_CODE, err == ENOENT && !said ? 127 : 126}; /* as the shell has it */
    return -1;
}

int child_start(struct child *c, const struct stage *stage)
{
    struct stage once = *stage;

    clear(c);
    c->incarnations++;
    c->since = csp_now();
    c->question.due = c->since;
    c->question.pause = 0;
    once.pool = pool_new(); /* what is made for one start goes with it: there may be many */
    int result = start(c, &once);
    pool_free(once.pool);
    return result;
}

/* In the environment and the directory of the process; what it prints is nobody's. Returns an errno. */
static int spawn_question(struct child *c, const struct stage *stage, const struct plumbing *to)
{
    struct child asked = {.process = c->process, .replica = c->replica};
    char **environment = environment_of(c, stage, false);
    char **argv = pipeline_ready_argv(stage->p, c->process, c->replica);
    const char *path = find_program(argv[0], environment, to->directory, stage->pool);
    int err = path != NULL ? spawn(&asked, stage, path, argv, environment, to) : errno;

    c->question.pid = err == 0 ? asked.pid : 0;
    c->question.incarnation = c->incarnations;
    free(argv);
    free(environment);
    return err;
}

int child_ask(struct child *c, const struct stage *stage)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct plumbing to = {.fd = {null, null, null}, .report = -1, .directory = -1, .ours = {true}};
    struct stage once = *stage;

    once.pool = pool_new();
    int err = null < 0 || open_directory(c, stage, &to.directory) != 0 ? errno : spawn_question(c, &once, &to);
    pool_free(once.pool);
    close_plumbing(&to);
    errno = err;
    return err == 0 ? 0 : -1; /* cppcheck-suppress resourceLeak ; it was closed with the plumbing */
}

int child_start_tool(struct child *c, const struct stage *stage, char **argv, int output)
{
    int log = log_source(stage->log, "");
    struct plumbing to = {.fd = {open("/dev/null", O_RDONLY | O_CLOEXEC), output < 0 ? log : output, log},
                          .report = -1,
                          .directory = -1,
                          .ours = {true, false, true}};
    int err = to.fd[0] < 0 || to.fd[2] < 0 ? errno : spawn(c, stage, argv[0], argv, environ, &to);

    close_plumbing(&to);
    c->phase = err == 0 ? CHILD_RUNNING : CHILD_ENDED;
    errno = err;
    return err == 0 ? 0 : -1;
}

void child_signal(const struct child *c, int signal)
{
    if (c->pid <= 0 || c->phase > CHILD_KILLED)
        return;
    (void)kill(c->bridged ? c->pid : -c->pid, signal);
    if (signal == SIGTERM)
        (void)kill(c->bridged ? c->pid : -c->pid, SIGCONT); /* a stopped one must be able to end */
}

/* TERM with a word to a bridge, which knows what it means. */
static void say_term(const struct child *c, int word)
{
    if (c->bridged && c->pid > 0 && c->phase <= CHILD_KILLED) {
        (void)sigqueue(c->pid, SIGTERM, (union sigval){.sival_int = word});
        (void)kill(c->pid, SIGCONT);
    } else {
        child_signal(c, SIGTERM);
    }
}

void child_retire(const struct child *c)
{
    say_term(c, EXEC_TERM_RETIRE);
}

void child_cancel(const struct child *c)
{
    say_term(c, EXEC_TERM_FAILED);
}
