/* SPDX-License-Identifier: MPL-2.0 */
/* The kill storm: programs of many processes (tests/programs), of which random ones are killed by SIGKILL every few
 * milliseconds. Decision: whoever is not killed must end by itself, and be right; what became of each value is judged
 * by the broker's record against the journals of the processes (oracle.h). Every choice follows from one seed: which
 * program, when the first is killed, who, and the broker's own; what was run is kept where a round fails.
 *
 *     storm [KILLS=500] [SEED]            a storm
 *     storm judge RECORD JOURNAL          what the oracle says of these two files
 *
 * Status: 0 nothing was wrong, 1 something was, 2 usage. */
#include "oracle.h"
#include "pipeline.h"
#include "victims.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 60000, /* for a run to end, whatever the load */
    LEAVE_MS = 10000,    /* for what a run leaves to go */
    KILLS_MOST = 12,     /* in one round */
    PAUSE_MOST_MS = 8,   /* between two kills */
    ROOT_EVERY = 8,      /* in one round of so many the root is killed */
};

/* How what became of the values is judged. What goes over a pair is in no record, and a run that is recorded has none:
 * so those rounds are not recorded, and judged by the journals alone, and by the programs. */
enum judge { BY_RECORD, BY_JOURNAL, AS_PIPELINE };

/* Programs with arguments that make them run for some tenths of a second. */
static const struct program {
    const char *line;
    enum judge judge;
} programs[] = {
    {"fibonacci 1000", BY_RECORD},
    {"search 50", BY_RECORD},
    {"pairs 20000 64", BY_JOURNAL},
    {"search 5 80", BY_RECORD},
    {"sieve 40", BY_RECORD},
    {"cspctl run pipeline.yaml", AS_PIPELINE},
    {"heapsieve 300", BY_RECORD},
    {"powser 4", BY_RECORD},
    {"daisy 60", BY_RECORD},
    {"pairs 100000 4096 65536", BY_JOURNAL},
    {"many 1000 0", BY_RECORD},
    {"many 1000 1", BY_RECORD},
    {"cspctl run pipeline.yaml", AS_PIPELINE},
    {"many 1000 10", BY_RECORD},
    {"sends 1500", BY_RECORD},
    {"many 20000 10 65536", BY_RECORD},
    {"pairs 5000 1 0 8", BY_JOURNAL},
    {"closing 60", BY_RECORD},
    {"many 5000 1 48", BY_RECORD},
    {"many 20000 10 65536", BY_JOURNAL},
    {"ring 300", BY_RECORD},
    {"nine 30", BY_RECORD},
    {"pairs 2000 16 0 100000", BY_JOURNAL},
    {"fair 200", BY_RECORD},
    {"losers 500", BY_RECORD},
    {"semaphore 3 8", BY_RECORD},
    {"cspctl run pipeline.yaml", AS_PIPELINE},
    {"try 100", BY_RECORD},
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

struct storm {
    uint64_t seed;
    unsigned long kills, rounds, values, excused;
    unsigned long lost, doubled, strange, stuck, left, wrong; /* violations */
};

struct round {
    unsigned long number;
    uint64_t random, seed;
    const char *program;
    enum judge judge;
    bool at_root;
    char dir[64], path[PATH_MAX], exe[PATH_MAX];
    pid_t root;
    unsigned kills, guests; /* guests: of the kills, of a pipeline */
    int status;             /* as waitpid gives it */
    bool ended;             /* by itself */
};

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static const char *build_directory(void)
{
    return getenv("CSP_TEST_BUILD") != NULL ? getenv("CSP_TEST_BUILD") : "build";
}

static const char *in(const struct round *r, const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    return path;
}

static bool is_empty(const char *path)
{
    DIR *d = opendir(path);
    bool empty = true;
    for (const struct dirent *e; d != NULL && empty && (e = readdir(d)) != NULL;)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (d != NULL)
        (void)closedir(d);
    return empty;
}

/* ---- one round -------------------------------------------------------------------------------------------------- */

static void exec_program(const struct round *r)
{
    char words[128], seed[24], *argv[8];
    size_t n = 0;
    snprintf(words, sizeof words, "%s", r->program);
    for (char *save, *word = strtok_r(words, " ", &save); word != NULL && n < 7; word = strtok_r(NULL, " ", &save))
        argv[n++] = word;
    argv[n] = NULL;
    snprintf(seed, sizeof seed, "%" PRIu64, r->seed);
    setenv("CSP_SEED", seed, 1);
    if (r->judge == BY_RECORD)
        setenv("CSP_RECORD", in(r, "record"), 1);
    else
        unsetenv("CSP_RECORD");
    setenv("CSP_JOURNAL", in(r, "journal"), 1);
    setenv("XDG_RUNTIME_DIR", in(r, "run"), 1);
    unsetenv("CSP_RUN");
    unsetenv("CSP_REPLAY");
    unsetenv("CSP_ON_DEADLOCK");
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* its helper is a process too: without it, it waits for ever */
    int out = open(in(r, "output"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    if (r->judge == AS_PIPELINE && chdir(r->dir) != 0)
        _exit(127);
    execv(r->exe, argv);
    _exit(127);
}

static int begin(struct round *r)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(r->program, " "), r->program);
    snprintf(r->path, sizeof r->path, "%s/%s%s", build_directory(), r->judge == AS_PIPELINE ? "" : "tests/programs/",
             name);
    snprintf(r->dir, sizeof r->dir, "/tmp/csp-storm-XXXXXX");
    if (realpath(r->path, r->exe) == NULL || mkdtemp(r->dir) == NULL || mkdir(in(r, "run"), 0700) != 0) {
        fprintf(stderr, "storm: %s: %s: build the programs with `make programs`\n", r->path, strerror(errno));
        return -1;
    }
    if (r->judge == AS_PIPELINE && pipeline_write(r->dir) != 0)
        return -1;
    int journal = open(in(r, "journal"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (journal >= 0)
        close(journal);
    r->root = fork();
    if (r->root == 0)
        exec_program(r);
    if (r->judge == AS_PIPELINE && r->root > 0)
        (void)pipeline_visit(r->dir, r->exe);
    return r->root > 0 ? 0 : -1;
}

static bool has_ended(struct round *r)
{
    if (!r->ended && waitpid(r->root, &r->status, WNOHANG) == r->root)
        r->ended = true;
    return r->ended;
}

static bool is_among(pid_t pid, const pid_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/* The root, or one of the others; 0: there is none. In a pipeline the others are all but the broker. */
static pid_t choose(struct round *r)
{
    static pid_t pids[VICTIMS_MOST], brokers[VICTIMS_MOST];
    char broker[PATH_MAX] = "", path[PATH_MAX];
    snprintf(path, sizeof path, "%s/libexec/csp/broker", build_directory());
    if (r->judge == AS_PIPELINE && realpath(path, broker) == NULL)
        return 0;
    size_t n = victims_find(*broker != '\0' ? NULL : r->exe, pids), k = 0;
    size_t spared = *broker != '\0' ? victims_find(broker, brokers) : 0;
    for (size_t i = 0; i < n; i++)
        if ((pids[i] == r->root) == r->at_root && !is_among(pids[i], brokers, spared))
            pids[k++] = pids[i];
    return k != 0 ? pids[splitmix64(&r->random) % k] : 0;
}

/* Whether it is a cspctl beside the root: a guest, or who will be one. */
static bool is_guest(const struct round *r, pid_t pid)
{
    static pid_t pids[VICTIMS_MOST];
    return r->judge == AS_PIPELINE && pid != r->root && is_among(pid, pids, victims_find(r->exe, pids));
}

static void kill_some(struct round *r, unsigned most)
{
    while (is_empty(in(r, "run")) && !has_ended(r)) /* csp_init ends, well or not */
        nap(1);                                     /* a broker that is being started is none of the processes */
    int64_t first = (int64_t)(splitmix64(&r->random) % 150), until = now_ms() + PATIENCE_MS;
    for (nap(first); !has_ended(r) && r->kills < most && now_ms() < until;
         nap(1 + (int64_t)(splitmix64(&r->random) % PAUSE_MOST_MS))) {
        pid_t pid = choose(r);
        bool guest = pid != 0 && is_guest(r, pid);
        if (pid == 0 || !victims_kill(pid))
            continue;
        r->kills++;
        r->guests += guest;
    }
}

/* Shows who waits for whom, in a run that does not end. */
static void dump(const struct round *r)
{
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command, "XDG_RUNTIME_DIR=%s timeout 20 %s/cspctl dump >&2", in(r, "run"),
             build_directory());
    if (system(command) != 0) /* NOLINT(cert-env33-c): a test's own command */
        fprintf(stderr, "storm: its state can not be shown\n");
}

/* Waits for all of it to end; what has not is ended. */
static void finish(struct storm *s, struct round *r)
{
    static pid_t pids[VICTIMS_MOST];
    int64_t until = now_ms() + PATIENCE_MS;
    while (!has_ended(r) && now_ms() < until)
        nap(2);
    if (!has_ended(r)) {
        s->stuck++;
        fprintf(stderr, "storm: stuck: the run has not ended in %d ms\n", PATIENCE_MS);
        dump(r);
        victims_kill(r->root);
        waitpid(r->root, &r->status, 0);
        r->ended = true;
    }
    size_t n;
    until = now_ms() + LEAVE_MS;
    while (victims_reap(), (n = victims_find(NULL, pids)) != 0 && now_ms() < until)
        nap(2);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "storm: left: process %d\n", (int)pids[i]);
        victims_kill(pids[i]);
        s->left++;
    }
    victims_reap();
    if (!is_empty(in(r, "run"))) {
        fprintf(stderr, "storm: left: a run directory in %s\n", in(r, "run"));
        s->left++;
    }
}

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static int judge(const char *record, const char *journal, struct findings *f)
{
    FILE *a = record != NULL ? fopen(record, "re") : NULL, *b = fopen(journal, "re");
    int rc = (a != NULL || record == NULL) && b != NULL ? oracle_judge(a, b, stderr, f) : -1;
    if (rc != 0)
        fprintf(stderr, "storm: %s and %s can not be judged\n", record != NULL ? record : "no record", journal);
    if (a != NULL)
        (void)fclose(a);
    if (b != NULL)
        (void)fclose(b);
    return rc;
}

/* What the program says of itself: right, or cut short by a death. */
static bool is_right(const struct round *r)
{
    if (WIFSIGNALED(r->status))
        return r->at_root && WTERMSIG(r->status) == SIGKILL;
    int code = WEXITSTATUS(r->status);
    if (r->judge == AS_PIPELINE) /* whose death it was, or whatever it led to; but the broker and a deadlock */
        return code == 0 || (r->kills != 0 && code != 69 && code != 70 && code != 71 && code != 78);
    return code == 0 || (code == 3 && r->kills != 0);
}

/* Shows what a run has said; true: that it stood still, or that its broker had to end a process. */
static bool show_output(const struct round *r, bool always)
{
    char text[8192];
    int fd = open(in(r, "output"), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    bool bad = strstr(text, "can never move again") != NULL || strstr(text, "broker: ") != NULL;
    if (bad || always)
        fputs(text, stderr);
    return bad;
}

static void remove_dir(const struct round *r)
{
    static const char *const files[] = {"record", "journal", "output"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in(r, files[i]));
    pipeline_remove(r->dir);
    rmdir(in(r, "run"));
    rmdir(r->dir);
}

static unsigned long violations(const struct storm *s)
{
    return s->lost + s->doubled + s->strange + s->stuck + s->left + s->wrong;
}

static void conclude(struct storm *s, const struct round *r, unsigned long before)
{
    struct findings f = {0};
    char record[PATH_MAX];
    bool right = is_right(r);
    s->wrong += !right;
    s->stuck += show_output(r, !right);
    snprintf(record, sizeof record, "%s", in(r, "record"));
    if (r->judge == AS_PIPELINE)
        pipeline_judge(r->dir, r->guests, r->kills - r->guests, WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0,
                       &f);
    else
        s->wrong += judge(r->judge == BY_RECORD ? record : NULL, in(r, "journal"), &f) != 0;
    s->lost += f.lost;
    s->doubled += f.doubled;
    s->strange += f.strange;
    s->values += f.values;
    s->excused += f.excused;
    s->kills += r->kills;
    printf("round %lu: %s: %u killed%s, %zu values, status %d\n", r->number, r->program, r->kills,
           r->at_root ? " (the root)" : "", f.values,
           WIFEXITED(r->status) ? WEXITSTATUS(r->status) : -WTERMSIG(r->status));
    (void)fflush(stdout);
    if (violations(s) == before)
        remove_dir(r);
    else
        printf("round %lu failed: seed %" PRIu64 "; what happened is in %s; again: %s%s %s%s\n", r->number, s->seed,
               r->dir, r->judge == BY_RECORD ? "CSP_REPLAY=" : "", r->judge == BY_RECORD ? record : "",
               r->judge == AS_PIPELINE ? "" : "build/tests/programs/", r->program);
}

static int one_round(struct storm *s, unsigned long kills)
{
    uint64_t state = s->seed + s->rounds * UINT64_C(0xd1342543de82ef95);
    struct round r = {.number = ++s->rounds};
    unsigned long before = violations(s), left = kills - s->kills;
    r.seed = splitmix64(&state);
    r.random = splitmix64(&state);
    r.program = programs[(s->rounds - 1) % PROGRAMS].line;
    r.judge = programs[(s->rounds - 1) % PROGRAMS].judge;
    r.at_root = s->rounds % ROOT_EVERY == 0;
    unsigned most = 1 + (unsigned)(splitmix64(&r.random) % KILLS_MOST);
    most = r.at_root ? 1 : most < left ? most : (unsigned)left;
    if (begin(&r) != 0)
        return -1;
    kill_some(&r, most);
    finish(s, &r);
    conclude(s, &r, before);
    return 0;
}

static int storm(unsigned long kills, uint64_t seed)
{
    struct storm s = {.seed = seed};
    printf("seed %" PRIu64 "\n", seed);
    (void)fflush(stdout);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    while (s.kills < kills && s.rounds < 10 * kills + PROGRAMS)
        if (one_round(&s, kills) != 0)
            return 1;
    printf("%lu kills, %lu values, %lu lost, %lu doubled, %lu stuck\n", s.kills, s.values, s.lost, s.doubled, s.stuck);
    if (s.strange + s.left + s.wrong != 0)
        printf("%lu received and not committed, %lu left behind, %lu programs wrong\n", s.strange, s.left, s.wrong);
    if (violations(&s) != 0)
        printf("failed: again with SEED=%" PRIu64 "\n", seed);
    return violations(&s) != 0 || s.kills < kills;
}

static bool number(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    uint64_t kills = 500, seed;
    if (argc == 4 && strcmp(argv[1], "judge") == 0) {
        struct findings f;
        if (judge(argv[2], argv[3], &f) != 0)
            return 1;
        printf("%zu values, %zu lost, %zu doubled, %zu strange, %zu excused\n", f.values, f.lost, f.doubled, f.strange,
               f.excused);
        return f.lost + f.doubled + f.strange != 0;
    }
    bool good = argc <= 3 && (argc < 2 || (number(argv[1], &kills) && kills > 0));
    if (argc == 3)
        good = good && number(argv[2], &seed);
    else if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return 1;
    if (!good) {
        fprintf(stderr, "usage: storm [KILLS [SEED]]\n       storm judge RECORD JOURNAL\n");
        return 2;
    }
    return storm(kills, seed);
}
