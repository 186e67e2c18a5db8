/* SPDX-License-Identifier: MPL-2.0 */
/* Makes each call fail once in turn. Decision: a scenario is first run to count its calls, by role; then it is run once
 * for each of them, in which that one fails, and some more times in which calls of one sort fail from some point on for
 * ever, or every call that can be interrupted is, several times in a row. Each run has a directory of its own and a
 * worker that every process of it falls to when its parent ends: so what is left is known, whatever it did.
 *
 *     faults [--every N] [--jobs N] [SCENARIO]...     each N-th of those runs (default 1; all
 *                                                   of the interrupted), so many at once (2)
 *     faults --run SCENARIO ROLE SORTS FIRST LAST INTERRUPTIONS PARTIAL   one run, as a violation's report gives it
 *
 * Status: 0 no violation, 1 some, 2 usage. */
#include "seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 90000, /* for a scenario; none takes a second on an idle machine but by waiting for a time-out */
    LEAVE_MS = 20000,    /* for what is left of it to go by itself */
    MOST_SCENARIOS = 64,
    MOST_RUNS = 200000,
    MOST_SITES = 8192,
    MOST_FAULTS = 200000, /* calls that fail in one run */
    LASTING = 6,          /* points from which on calls of a sort fail for ever */
};

static const char *const role_names[ROLES] = {"caller", "child", "broker", "bridge"};
/* What is wanting from a call on: for ever, or for some calls, after which it is as before. */
static const struct {
    int sorts;
    uint64_t calls; /* 0: for ever */
} lasting[] = {{MEMORY, 0}, {DESCRIPTOR | SOCKET, 0}, {DISK, 0}, {START, 0}, {DISK, 9}, {MEMORY, 9}};
enum { LASTINGS = sizeof lasting / sizeof *lasting };

struct run {
    int scenario, roles, sorts;
    uint64_t first, last;
    unsigned interruptions;
    int partial;
};

static struct totals {
    atomic_uint_fast64_t next, done, faults, failed_calls, by_role[ROLES], violations, not_reached, slowest_ms;
    atomic_uint_fast64_t counted[MOST_RUNS];
    atomic_uintptr_t sites[2][MOST_SITES]; /* of the scenario's program, of the broker's and bridge's */
} * totals;

static char here[512]; /* the directory of the programs */
static char *names[MOST_SCENARIOS];
static int steps[MOST_SCENARIOS]; /* from one call that fails to the next */
static int needs[MOST_SCENARIOS]; /* sorts that do not fail for ever in the broker */
static int name_count;
static struct run *runs;
static size_t run_count;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "faults: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- one run */

struct place {
    char dir[64];
    struct seam *seam;
    char text[2048]; /* what was wrong */
};

static void say(struct place *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct place *p, const char *format, ...)
{
    size_t used = strlen(p->text);
    va_list list;
    va_start(list, format);
    vsnprintf(p->text + used, sizeof p->text - used, format, list);
    va_end(list);
}

static void open_place(struct place *p, const struct run *r)
{
    char path[128];
    *p = (struct place){.dir = "/tmp/csp-faults-XXXXXX"};
    if (mkdtemp(p->dir) == NULL)
        die("mkdtemp");
    snprintf(path, sizeof path, "%s/run", p->dir);
    if (mkdir(path, 0700) != 0)
        die(path);
    snprintf(path, sizeof path, "%s/seam", p->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *p->seam) != 0)
        die(path);
    p->seam = mmap(NULL, sizeof *p->seam, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p->seam == MAP_FAILED)
        die("mmap");
    p->seam->roles = r->roles;
    p->seam->sorts = r->sorts;
    p->seam->first = r->first;
    p->seam->last = r->last;
    p->seam->interruptions = r->interruptions;
    p->seam->partial = r->partial;
}

static void set(const char *name, const char *before, const char *dir, const char *after)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s", before, dir, after);
    setenv(name, text, 1);
}

static _Noreturn void become(const struct place *p, const char *name)
{
    char program[600];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR), err;
    if (chdir(p->dir) != 0 || (err = open("stderr", O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
        _exit(98);
    dup2(null, 0);
    dup2(err, 1);
    dup2(err, 2);
    closefrom(3);
    set(SEAM_VARIABLE, "", p->dir, "/seam");
    set("XDG_RUNTIME_DIR", "", p->dir, "/run");
    set("CSP_LIBEXEC", "", here, "");
    set("ASAN_OPTIONS", "handle_abort=1:detect_leaks=1:log_path=", p->dir, "/sanitizer");
    set("UBSAN_OPTIONS", "print_stacktrace=1:log_path=", p->dir, "/sanitizer");
    set("LSAN_OPTIONS", "print_suppressions=0:suppressions=", here, "/unleaked");
    unsetenv("CSP_RUN");
    snprintf(program, sizeof program, "%s/scenario", here);
    execl(program, "scenario", name, NULL);
    _exit(97);
}

/* Those of our descendants there are now: our children, for to us everything falls. */
static int kill_all(void)
{
    char path[64], list[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC), killed = 0;
    ssize_t n = fd >= 0 ? read(fd, list, sizeof list - 1) : 0;
    if (fd >= 0)
        close(fd);
    list[n > 0 ? n : 0] = '\0';
    for (char *at = list, *end; (end = at, strtol(at, &end, 10)) > 0 && end != at; at = end, killed++)
        kill((pid_t)strtol(at, NULL, 10), SIGKILL);
    return killed;
}

static void describe(struct place *p)
{
    char path[64], list[4096], line[300];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, list, sizeof list - 1) : 0;
    if (fd >= 0)
        close(fd);
    list[n > 0 ? n : 0] = '\0';
    for (char *at = list, *end; (end = at, strtol(at, &end, 10)) > 0 && end != at; at = end) {
        snprintf(path, sizeof path, "/proc/%d/cmdline", (int)strtol(at, NULL, 10));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
        for (ssize_t i = 0; i < n; i++)
            line[i] = line[i] == '\0' ? ' ' : line[i];
        line[n > 0 ? n : 0] = '\0';
        say(p, "  left: %d %s\n", (int)strtol(at, NULL, 10), line);
        if (fd >= 0)
            close(fd);
    }
}

/* Everything of the run ends within the time, or is ended. */
static void wait_for_all(struct place *p, int64_t by)
{
    bool said = false;
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            return;
        if (pid > 0)
            continue;
        if (now_ms() >= by) {
            if (!said) {
                say(p, "processes are left\n");
                describe(p);
            }
            said = true;
            kill_all();
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static void check_status(struct place *p, const struct run *r, int status)
{
    if (WIFSIGNALED(status))
        say(p, "the scenario was ended by signal %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status) == 3 && r->interruptions != 0)
        say(p, "a signal made a call fail\n");
    else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)
        say(p, "the scenario ended with status %d\n", WEXITSTATUS(status));
    else if (WEXITSTATUS(status) != 0 && atomic_load(&p->seam->faults) == 0)
        say(p, "the scenario failed, and there was no fault\n");
}

/* The first lines of what a sanitizer wrote. */
static void quote(struct place *p, const char *name)
{
    char path[400], line[200];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    FILE *f = fopen(path, "re");
    bool said = false; /* LeakSanitizer complains of threads that end while it looks: that is no finding */
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if ((said |= strstr(line, "ERROR") != NULL || strstr(line, "runtime error") != NULL))
            say(p, "  %s", line);
    if (f != NULL)
        fclose(f);
}

static void check_files(struct place *p)
{
    char path[400], line[512];
    snprintf(path, sizeof path, "%s/stderr", p->dir);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "WRONG", 5) == 0 || strstr(line, "Assertion") != NULL)
            say(p, "  %s", line);
    if (f != NULL)
        fclose(f);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", p->dir, i == 0 ? "/run" : "");
        DIR *d = opendir(path);
        for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
            if (i == 0 && (e->d_name[0] != '.' || strlen(e->d_name) > 2))
                say(p, "left in the runtime directory: %s\n", e->d_name);
            else if (i == 1 && strncmp(e->d_name, "sanitizer", 9) == 0)
                quote(p, e->d_name);
        if (d != NULL)
            closedir(d);
    }
}

static void add_site(int program, uintptr_t at)
{
    for (size_t i = 0; i < MOST_SITES; i++) {
        uintptr_t none = 0;
        if (atomic_load(&totals->sites[program][i]) == at ||
            atomic_compare_exchange_strong(&totals->sites[program][i], &none, at))
            return;
        if (none == at)
            return;
    }
}

static const char *program_of(int role)
{
    return role == BROKER ? "broker" : role == BRIDGE ? "exec" : "scenario";
}

static void note_faults(struct place *p)
{
    uint64_t n = atomic_load(&p->seam->faults);
    atomic_fetch_add(&totals->failed_calls, n);
    if (n > 0)
        atomic_fetch_add(&totals->faults, 1);
    if (n > MOST_FAULTS)
        say(p, "a loop spins at a call that fails for ever\n");
    for (uint64_t i = 0; i < n && i < SEAM_LISTED; i++) {
        const struct seam_fault *f = &p->seam->list[i];
        if (i == 0)
            atomic_fetch_add(&totals->by_role[f->role], 1);
        add_site(f->role == BROKER, f->at[0]);
    }
    if (p->text[0] == '\0' || n == 0)
        return;
    const struct seam_fault *f = &p->seam->list[0];
    char command[900], line[512];
    snprintf(command, sizeof command, "addr2line -sfpe %s/%s 0x%lx 0x%lx 2>&1", here, program_of(f->role),
             (unsigned long)f->at[0] - 1, (unsigned long)f->at[1] - 1);
    say(p, "  fault 1 of %lu: %s in %s, %s:\n", (unsigned long)n, f->call, role_names[f->role],
        strerrorname_np(f->err) != NULL ? strerrorname_np(f->err) : "?");
    FILE *from = popen(command, "re");
    while (from != NULL && fgets(line, sizeof line, from) != NULL)
        say(p, "    %s", line);
    if (from != NULL)
        pclose(from);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* Whether it was as it must be. */
static bool perform(const struct run *r, uint64_t *calls)
{
    static struct place p;
    open_place(&p, r);
    int64_t begun = now_ms();
    pid_t pid = fork();
    if (pid == 0)
        become(&p, names[r->scenario]);
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd < 0)
        die("fork");
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int status = 0, ready = poll(&ended, 1, PATIENCE_MS);
    if (ready != 1) {
        say(&p, "it hangs\n");
        describe(&p);
        if (getenv("FAULTS_STAY") != NULL)
            pause();
        kill(pid, SIGKILL);
    }
    close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (ready == 1)
        check_status(&p, r, status);
    wait_for_all(&p, now_ms() + (ready == 1 ? LEAVE_MS : 0));
    uint64_t took = (uint64_t)(now_ms() - begun), slowest = atomic_load(&totals->slowest_ms);
    while (took > slowest && !atomic_compare_exchange_strong(&totals->slowest_ms, &slowest, took))
        continue;
    check_files(&p);
    note_faults(&p);
    *calls = atomic_load(&p.seam->calls);
    if (r->first != UINT64_MAX && atomic_load(&p.seam->faults) == 0)
        atomic_fetch_add(&totals->not_reached, 1);
    bool good = p.text[0] == '\0';
    if (!good)
        printf("VIOLATION in %s: faults --run %s %d %d %lu %lu %u %d (%.1f s)\n%s  see %s\n", names[r->scenario],
               names[r->scenario], r->roles, r->sorts, (unsigned long)r->first, (unsigned long)r->last,
               r->interruptions, r->partial, (double)took / 1000, p.text, p.dir);
    fflush(stdout);
    munmap(p.seam, sizeof *p.seam);
    if (good && getenv("FAULTS_KEEP") == NULL)
        nftw(p.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return good;
}

/* ---- all of them */

static void add_run(struct run r)
{
    if (run_count < MOST_RUNS)
        runs[run_count++] = r;
}

static void work(const char *what)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (uint64_t i; (i = atomic_fetch_add(&totals->next, 1)) < run_count;) {
        uint64_t calls;
        if (!perform(&runs[i], &calls))
            atomic_fetch_add(&totals->violations, 1);
        atomic_store(&totals->counted[i], calls);
        uint64_t done = atomic_fetch_add(&totals->done, 1) + 1;
        if (what != NULL && (done % 250 == 0 || done == run_count)) {
            printf("%s: %lu of %zu runs, %lu faults, %lu violations\n", what, (unsigned long)done, run_count,
                   (unsigned long)atomic_load(&totals->faults), (unsigned long)atomic_load(&totals->violations));
            fflush(stdout);
        }
    }
    _exit(0);
}

static void work_all(int jobs, const char *what)
{
    atomic_store(&totals->next, 0);
    atomic_store(&totals->done, 0);
    for (int i = 0; i < jobs; i++)
        if (fork() == 0)
            work(what);
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
}

/* A run for each role of each scenario, in which nothing fails. */
static void plan_counting(void)
{
    for (int s = 0; s < name_count; s++)
        for (int role = 0; role < ROLES; role++)
            add_run((struct run){s, 1 << role, ANY_SORT, UINT64_MAX, UINT64_MAX, 0, 0});
}

static void plan_faults(const uint64_t *counted, unsigned every)
{
    uint64_t turn = 0;
    for (int s = 0; s < name_count; s++) {
        for (int role = 0; role < ROLES; role++) {
            uint64_t calls = counted[s * ROLES + role];
            for (uint64_t k = 1 + turn % (uint64_t)steps[s]; k <= calls; k += (uint64_t)steps[s])
                if (turn++ % every == 0)
                    add_run((struct run){s, 1 << role, ANY_SORT, k, k, 0, 0});
            for (unsigned l = 0; calls != 0 && l < LASTINGS; l++)
                for (uint64_t i = 0; i < LASTING; i++) {
                    bool is_memory = (lasting[l].sorts & MEMORY) != 0; /* of which there are more calls */
                    uint64_t first = 1 + calls * i / LASTING / (is_memory ? 2 : 6);
                    uint64_t last = lasting[l].calls != 0 ? first + lasting[l].calls - 1 : UINT64_MAX;
                    if (role == BROKER && last == UINT64_MAX && (needs[s] & lasting[l].sorts) != 0)
                        continue;
                    if (turn++ % every == 0)
                        add_run((struct run){s, 1 << role, lasting[l].sorts, first, last, 0, 0});
                }
        }
        for (unsigned n = 1; n <= 4; n += 3) /* always: they are few, and nothing may come of a signal */
            add_run((struct run){s, (1 << ROLES) - 1, 0, UINT64_MAX, UINT64_MAX, n, n == 1});
    }
}

static bool is_wanted(const char *name, char **wanted)
{
    if (name == NULL || *wanted == NULL)
        return name != NULL;
    while (*wanted != NULL && strcmp(*wanted, name) != 0)
        wanted++;
    return *wanted != NULL;
}

/* NULL at once: all. */
static void list_scenarios(char **wanted)
{
    char command[600], line[64];
    snprintf(command, sizeof command, "%s/scenario", here);
    FILE *f = popen(command, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *name = strndup(line, strcspn(line, " "));
        if (!is_wanted(name, wanted) || name_count == MOST_SCENARIOS) {
            free(name);
            continue;
        }
        if (sscanf(line, "%*s %d %d", &steps[name_count], &needs[name_count]) != 2 || steps[name_count] < 1)
            die(line);
        names[name_count++] = name;
    }
    if (f == NULL || pclose(f) != 0 || name_count == 0)
        die(command);
}

static size_t count_sites(int program)
{
    size_t n = 0;
    while (n < MOST_SITES && atomic_load(&totals->sites[program][n]) != 0)
        n++;
    return n;
}

static void report(int64_t begun)
{
    printf("%lu faults injected (", (unsigned long)atomic_load(&totals->faults));
    for (int i = 0; i < ROLES; i++)
        printf("%s%s %lu", i == 0 ? "" : ", ", role_names[i], (unsigned long)atomic_load(&totals->by_role[i]));
    printf("), those that last or come again in %lu calls, at %zu places of the library and bridge and %zu of the "
           "broker\n",
           (unsigned long)atomic_load(&totals->failed_calls), count_sites(0), count_sites(1));
    printf("%lu of %zu runs did not come to their fault; the slowest took %.1f s; %.0f s in all\n",
           (unsigned long)atomic_load(&totals->not_reached), run_count, (double)atomic_load(&totals->slowest_ms) / 1000,
           (double)(now_ms() - begun) / 1000);
    printf("violations: %lu\n", (unsigned long)atomic_load(&totals->violations));
}

static int run_one(char **arg)
{
    uint64_t calls;
    names[name_count++] = arg[0];
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct run r = {0,
                    atoi(arg[1]),
                    atoi(arg[2]),
                    strtoull(arg[3], NULL, 10),
                    strtoull(arg[4], NULL, 10),
                    (unsigned)atoi(arg[5]),
                    atoi(arg[6])};
    bool good = perform(&r, &calls);
    printf("%s: %lu calls, %lu faults\n", good ? "well" : "a violation", (unsigned long)calls,
           (unsigned long)atomic_load(&totals->faults));
    return good ? 0 : 1;
}

static void find_here(void)
{
    ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    here[n > 0 ? n : 0] = '\0';
    *strrchr(here, '/') = '\0';
}

int main(int argc, char **argv)
{
    unsigned every = 1;
    int jobs = 2, at = 1;
    int64_t begun = now_ms();
    find_here();
    /* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS wants */
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    runs = calloc(MOST_RUNS, sizeof *runs);
    if (totals == MAP_FAILED || runs == NULL)
        die("memory");
    if (argc == 9 && strcmp(argv[1], "--run") == 0)
        return run_one(argv + 2);
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2)
        if (strcmp(argv[at], "--every") == 0)
            every = (unsigned)atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--jobs") == 0)
            jobs = atoi(argv[at + 1]);
    list_scenarios(argv + at);
    plan_counting();
    work_all(jobs, NULL);
    static uint64_t counted[MOST_SCENARIOS * ROLES];
    for (size_t i = 0; i < run_count; i++)
        counted[i] = atomic_load(&totals->counted[i]);
    run_count = 0;
    plan_faults(counted, every);
    printf("%d scenarios, %zu runs\n", name_count, run_count);
    work_all(jobs, "faults");
    report(begun);
    return atomic_load(&totals->violations) == 0 ? 0 : 1;
}
