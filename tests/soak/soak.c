/* SPDX-License-Identifier: MPL-2.0 */
/* The soak: a pipeline of eight processes that must lose nothing while, at random, its processes are killed, stopped,
 * restarted and scaled, for minutes. Decision: only what is asked of acknowledged delivery is asserted (every number
 * that the source sent has arrived; what came twice is counted), and that nothing leaks in the two processes that last,
 * the broker and cspctl. The broker is measured at rest: rest.h.
 *
 *     soak run [SECONDS=600 [SEED]]       all of it
 *     soak source|pass|sink ...           what its pipeline runs: station.h
 *
 * Status: 0 nothing was wrong, 1 something was, 2 usage. */
#include "../storm/victims.h"
#include "gauge.h"
#include "rest.h"
#include "station.h"
#include "tally.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
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
    LOOK_MS = 500,       /* between two looks at the gauges */
    PAUSE_MOST_MS = 900, /* between two disturbances */
    STOP_MOST_MS = 2000, /* that a process is stopped */
    END_MS = 120000,     /* for the drained run to end, and for the pipeline to come to rest */
    WARM_S = 180,        /* the least that says anything: queues keep blocks, ever more of them in the first minute */
    RESTS = 12,          /* in a run */
    RESTING = 27,        /* processes at rest: the replicas of the file, a successor for each, and the root */
    RESTED = 5,          /* looks at rest, the lowest of which counts */
};

struct soak {
    uint64_t seed, random;
    char dir[64], cspctl[PATH_MAX], broker[PATH_MAX], self[PATH_MAX];
    pid_t root, stopped;
    int64_t resume; /* when the stopped process goes on */
    unsigned kills, stops, restarts, scales, refused, restless;
    int status;
};

/* What is resident is the most that was ever needed at a time, and what the broker needs at a time depends on how many
 * are connected, and on what waits behind a full channel; at rest neither differs. */
enum { IN_USE, MAPPINGS, RESTING_FDS, RESIDENT, FDS, ROOT_RESIDENT, ROOT_FDS, GAUGES };
static struct gauge gauges[GAUGES] = {
    [IN_USE] = {"broker at rest, memory in use", "KiB", 128},
    [MAPPINGS] = {"broker at rest, mappings", "", 4},
    [RESTING_FDS] = {"broker at rest, descriptors", "", 2},
    [RESIDENT] = {"broker, resident", "KiB", 6144},
    [FDS] = {"broker, descriptors", "", 16},
    [ROOT_RESIDENT] = {"cspctl, resident", "KiB", 512},
    [ROOT_FDS] = {"cspctl, descriptors", "", 16},
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t draw(struct soak *s, uint64_t n)
{
    uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static const char *in(const struct soak *s, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, PATH_MAX, "%s/%s", s->dir, name);
    return path;
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static const char pipeline[] =
    "x-restart: &restart {when: on-failure, attempts: 1000, within: 10s, delay: [10ms, 200ms]}\n"
    "x-retry: &retry {attempts: 1000, delay: 10ms, dead: dead}\n"
    "channels:\n"
    "  a: {retry: *retry, capacity: 500}\n"
    "  b: {retry: *retry, capacity: 100}\n"
    "  c: {retry: *retry, capacity: 100}\n"
    "  d: {retry: *retry, capacity: 100}\n"
    "  e: {retry: *retry, capacity: 100}\n"
    "  f: {retry: *retry, capacity: 100}\n"
    "processes:\n"
    "  source: {worker: [$soak, source, a, $dir/source], out: [a], restart: *restart}\n"
    "  filter: {command: [sed, -u, ''], ack: line, stdin: a, stdout: b, replicas: 2, restart: *restart}\n"
    "  task:   {each: [echo, $1], stdin: b, stdout: c, replicas: 2, restart: *restart}\n"
    "  worker: {worker: [$soak, pass, c, d], in: [c], out: [d], replicas: 3, restart: *restart}\n"
    "  order:  {command: [sed, -u, ''], ack: line, order: input, stdin: d, stdout: e, replicas: 2, restart: *restart}\n"
    "  copy:   {command: [sed, -u, ''], ack: line, stdin: e, stdout: f, restart: *restart}\n"
    "  sink:   {worker: [$soak, sink, f, $dir/journal], in: [f], restart: *restart}\n"
    "  dead:   {command: 'cat >> $dir/dead', stdin: dead, env: {dir: $dir}, restart: *restart}\n";

/* What scale may change, and between how many. */
static const struct scaled {
    const char *name;
    unsigned least, most;
} scaled[] = {{"filter", 1, 4}, {"task", 1, 3}, {"worker", 1, 5}, {"order", 1, 3}};
static const char *const restarted[] = {"source", "filter", "task", "worker", "order", "copy", "sink"};

static bool say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)fflush(stdout);
    return false;
}

/* Runs cspctl in the soak's runtime directory; its output is kept. */
static pid_t command(const struct soak *s, const char *output, char *const argv[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    setenv("XDG_RUNTIME_DIR", in(s, "run"), 1);
    unsetenv("CSP_RUN");
    int out = open(in(s, output), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    execv(s->cspctl, argv);
    _exit(127);
}

static bool locate(struct soak *s)
{
    const char *build = getenv("CSP_TEST_BUILD") != NULL ? getenv("CSP_TEST_BUILD") : "build";
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/cspctl", build);
    bool good = realpath(path, s->cspctl) != NULL;
    (void)snprintf(path, sizeof path, "%s/libexec/csp/broker", build);
    good = good && realpath(path, s->broker) != NULL && realpath("/proc/self/exe", s->self) != NULL;
    return good || say("soak: %s: %s: build it with `make`\n", path, strerror(errno));
}

static bool begin(struct soak *s)
{
    char soak[PATH_MAX + 16], dir[PATH_MAX];
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/csp-soak-XXXXXX");
    if (!locate(s) || mkdtemp(s->dir) == NULL || mkdir(in(s, "run"), 0700) != 0)
        return say("soak: %s: %s\n", s->dir, strerror(errno));
    FILE *f = fopen(in(s, "soak.yaml"), "we");
    if (f == NULL || fprintf(f, "vars: {soak: '', dir: ''}\n%s", pipeline) < 0 || fclose(f) != 0)
        return say("soak: %s: %s\n", in(s, "soak.yaml"), strerror(errno));
    (void)snprintf(soak, sizeof soak, "soak=%s", s->self);
    (void)snprintf(dir, sizeof dir, "dir=%s", s->dir);
    s->root = command(s, "output", (char *[]){"cspctl", "run", (char *)in(s, "soak.yaml"), soak, dir, NULL});
    return s->root > 0;
}

static bool has_ended(struct soak *s)
{
    if (s->root != 0 && waitpid(s->root, &s->status, WNOHANG) == s->root)
        s->root = 0;
    return s->root == 0;
}

static pid_t broker_of(const struct soak *s)
{
    static pid_t pids[VICTIMS_MOST];
    return victims_find(s->broker, pids) != 0 ? pids[0] : 0;
}

/* The sink has written something: all of it is up. */
static bool await_first(struct soak *s)
{
    struct stat st;
    for (int64_t until = now_ms() + END_MS; now_ms() < until && !has_ended(s); poll(NULL, 0, 20))
        if (stat(in(s, "journal"), &st) == 0 && st.st_size > 0)
            return true;
    return say("soak: nothing has come through the pipeline\n");
}

/* ---- disturbances ----------------------------------------------------------------------------------------------- */

static void go_on(struct soak *s)
{
    if (s->stopped != 0)
        (void)kill(s->stopped, SIGCONT);
    s->stopped = 0;
}

/* Any process of the run; the two that last only where `all`. */
static pid_t choose(struct soak *s, bool all)
{
    static pid_t pids[VICTIMS_MOST];
    pid_t broker = broker_of(s);
    size_t n = victims_find(NULL, pids), k = 0;
    for (size_t i = 0; i < n; i++)
        if (all || (pids[i] != s->root && pids[i] != broker))
            pids[k++] = pids[i];
    return k != 0 ? pids[draw(s, k)] : 0;
}

static void do_command(struct soak *s, char *const argv[])
{
    int status = 0;
    pid_t pid = command(s, "commands", argv);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        s->refused++;
        say("soak: cspctl %s %s: status %d\n", argv[1], argv[2], WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
}

static void disturb(struct soak *s)
{
    uint64_t what = draw(s, 100);
    if (what < 50) {
        pid_t pid = choose(s, false);
        s->kills += pid != 0 && pid != s->stopped && victims_kill(pid);
    } else if (what < 70) {
        go_on(s);
        s->stopped = choose(s, true);
        if (s->stopped != 0 && kill(s->stopped, SIGSTOP) == 0)
            s->stops++;
        s->resume = now_ms() + (int64_t)draw(s, STOP_MOST_MS);
    } else if (what < 85) {
        go_on(s);
        const char *name = restarted[draw(s, sizeof restarted / sizeof *restarted)];
        do_command(s, (char *[]){"cspctl", "restart", (char *)name, NULL});
        s->restarts++;
    } else {
        go_on(s);
        const struct scaled *w = &scaled[draw(s, sizeof scaled / sizeof *scaled)];
        char word[64];
        (void)snprintf(word, sizeof word, "%s=%u", w->name, w->least + (unsigned)draw(s, w->most - w->least + 1));
        do_command(s, (char *[]){"cspctl", "scale", word, NULL});
        s->scales++;
    }
}

/* ---- looks ------------------------------------------------------------------------------------------------------ */

static void look_at_both(const struct soak *s)
{
    pid_t broker = broker_of(s);
    gauge_note(&gauges[RESIDENT], gauge_resident(broker));
    gauge_note(&gauges[FDS], gauge_descriptors(broker));
    gauge_note(&gauges[ROOT_RESIDENT], gauge_resident(s->root));
    gauge_note(&gauges[ROOT_FDS], gauge_descriptors(s->root));
}

/* The source holds on, and all has as many replicas as in the beginning: until nothing moves any more. */
static void rest(struct soak *s)
{
    struct rest r;
    unsigned lowest = 0, rested = 0;
    go_on(s);
    int hold = open(in(s, "source.hold"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (hold >= 0)
        close(hold);
    do_command(s, (char *[]){"cspctl", "scale", "filter=2", "task=2", "worker=3", "order=2", NULL});
    for (int64_t until = now_ms() + END_MS; rested < RESTED && now_ms() < until && !has_ended(s); poll(NULL, 0, 100)) {
        if (rest_look(in(s, "run"), &r) && r.still && r.processes == RESTING) {
            lowest = rested++ == 0 || r.in_use < lowest ? r.in_use : lowest;
            continue;
        }
        rested = 0;
    }
    s->restless += rested < RESTED;
    pid_t broker = broker_of(s);
    gauge_note(&gauges[IN_USE], lowest);
    gauge_note(&gauges[MAPPINGS], gauge_mappings(broker));
    gauge_note(&gauges[RESTING_FDS], gauge_descriptors(broker));
    (void)unlink(in(s, "source.hold"));
}

static void storm(struct soak *s, int64_t began, int64_t until)
{
    int64_t look = now_ms(), next = look, often = (until - began) / RESTS, calm = began + often;
    while (now_ms() < until && !has_ended(s)) {
        if (s->stopped != 0 && now_ms() >= s->resume)
            go_on(s);
        if (now_ms() >= next) {
            disturb(s);
            next = now_ms() + 50 + (int64_t)draw(s, PAUSE_MOST_MS);
        }
        if (now_ms() >= look) {
            look_at_both(s);
            look = now_ms() + LOOK_MS;
        }
        if (now_ms() >= calm) {
            rest(s);
            calm += often;
        }
        victims_reap_but(s->root);
        poll(NULL, 0, 10);
    }
    go_on(s);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

/* It was told to end, and nothing of it was given up. */
static bool drained(const struct soak *s)
{
    char line[1024];
    FILE *f = fopen(in(s, "output"), "re");
    bool whole = f != NULL && WIFEXITED(s->status) && WEXITSTATUS(s->status) == 128 + SIGINT;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        whole = whole && strstr(line, " given up") == NULL && strstr(line, " values lost") == NULL &&
                strstr(line, " value lost") == NULL; /* that a death "may" lose some is no loss: the journal judges */
    if (f != NULL)
        (void)fclose(f);
    return whole;
}

static bool finish(struct soak *s)
{
    static pid_t pids[VICTIMS_MOST];
    if (has_ended(s))
        return say("soak: the run ended before it was told to: status %d: see %s\n",
                   WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1, in(s, "output"));
    do_command(s, (char *[]){"cspctl", "stop", "--timeout", "110s", NULL});
    for (int64_t until = now_ms() + END_MS; !has_ended(s) && now_ms() < until;)
        poll(NULL, 0, 20);
    bool ended = has_ended(s);
    if (!ended) {
        do_command(s, (char *[]){"cspctl", "dump", NULL});
        say("soak: the run has not ended in %d s after `cspctl stop`: see %s\n", END_MS / 1000, in(s, "commands"));
        (void)kill(s->root, SIGKILL);
        (void)waitpid(s->root, NULL, 0);
    }
    poll(NULL, 0, 500);
    victims_reap();
    size_t left = victims_find(NULL, pids);
    for (size_t i = 0; i < left; i++)
        victims_kill(pids[i]);
    return ended && (left == 0 || say("soak: %zu processes are left\n", left)) &&
           (drained(s) || say("soak: the run's status is %d, or it gave values up: see %s\n",
                              WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1, in(s, "output")));
}

static bool report(const struct soak *s, int64_t seconds, bool good)
{
    struct tally t;
    if (tally_read(&t, in(s, "source"), in(s, "journal"), in(s, "dead")) != 0)
        return say("soak: %s: %s\n", s->dir, strerror(errno));
    say("%" PRId64 " s: %u kills, %u stops, %u restarts, %u scales, %u of them refused; %zu rests, %u not reached\n",
        seconds, s->kills, s->stops, s->restarts, s->scales, s->refused, gauges[IN_USE].n, s->restless);
    say("%" PRIu64 " sent, %" PRIu64 " lost, %" PRIu64 " came again, %" PRIu64 " lines marked redelivered, %" PRIu64
        " dead letters, %" PRIu64 " strange\n",
        t.sent, t.lost, t.again, t.marked, t.dead, t.strange);
    good = (t.lost == 0 || say("soak: the first lost is %" PRIu64 "\n", t.first_lost)) && good;
    good = t.strange == 0 && t.sent != 0 && s->refused == 0 && s->restless == 0 && good;
    for (size_t i = 0; i < GAUGES; i++) {
        struct growth w = gauge_growth(&gauges[i]);
        say("%s: %u %s, then %u: %s\n", gauges[i].name, w.before, gauges[i].unit, w.after,
            w.flat                      ? "flat"
            : gauges[i].n < GAUGE_LEAST ? "too few looks"
                                        : "it grows");
        good = (w.flat || seconds < WARM_S) && good;
    }
    say("%s, each time:", gauges[IN_USE].name);
    for (size_t i = 0; i < gauges[IN_USE].n; i++)
        say(" %u", gauges[IN_USE].looks[i]);
    say("\n");
    return good;
}

static int soak(int64_t seconds, uint64_t seed)
{
    struct soak s = {.seed = seed, .random = seed};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    say("seed %" PRIu64 "\n", seed);
    if (!begin(&s))
        return 1;
    bool good = await_first(&s);
    int64_t began = now_ms();
    if (good)
        storm(&s, began, began + seconds * 1000);
    int64_t took = (now_ms() - began) / 1000;
    good = finish(&s) && good;
    good = report(&s, took, good) && good;
    char remove[128];
    (void)snprintf(remove, sizeof remove, "rm -rf %s", s.dir);
    if (good && system(remove) != 0) /* NOLINT(cert-env33-c): a test's own command */
        say("soak: %s is left\n", s.dir);
    say(good ? "soak: nothing is wrong\n" : "soak: failed: what happened is in %s; again with SEED=%" PRIu64 "\n",
        s.dir, seed);
    return !good;
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
    uint64_t seconds = 600, seed;
    if (argc == 4 && strcmp(argv[1], "source") == 0)
        return station_source(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "pass") == 0)
        return station_pass(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "sink") == 0)
        return station_sink(argv[2], argv[3]);
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return 1;
    bool good = argc >= 2 && argc <= 4 && strcmp(argv[1], "run") == 0;
    good = good && (argc < 3 || (number(argv[2], &seconds) && seconds > 0)) && (argc < 4 || number(argv[3], &seed));
    if (!good) {
        (void)fprintf(stderr, "usage: soak run [SECONDS [SEED]]\n");
        return 2;
    }
    return soak((int64_t)seconds, seed);
}
