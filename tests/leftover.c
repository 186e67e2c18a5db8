/* SPDX-License-Identifier: MPL-2.0 */
/* The fixture around every test: a scratch directory before, an inspection after. Decision: a process that is about to
 * end is waited for by pidfd for a bounded time; one that stays is a failure of the test that it belongs to, and is
 * killed so that it disturbs no other. */
#include "leftover.h"

#include "standing.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 4096, PATIENCE_MS = 30000 };

static char directory[64], runtime[80], marker[96];

const char *scratch(void)
{
    return directory;
}

static void before_each(void)
{
    snprintf(directory, sizeof directory, "/tmp/cspt-%d-XXXXXX",
             (int)getppid()); /* the runner's: it removes what stays */
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(runtime, sizeof runtime, "%s/run", directory);
    snprintf(marker, sizeof marker, "CSP_RUN=%s/", runtime);
    ck_assert_int_eq(mkdir(runtime, 0700), 0);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    unsetenv("CSP_RUN");
    unsetenv("CSP_TICKET");
}

/* Whether a file of /proc has a string (which ends or is followed by a NUL) that begins with the marker. */
static bool marked(pid_t pid)
{
    static char text[256 * 1024];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t have = 0;
    for (ssize_t n; have < sizeof text && (n = read(fd, text + have, sizeof text - have)) > 0;)
        have += (size_t)n;
    close(fd);
    return memmem(text, have, marker, strlen(marker)) != NULL;
}

size_t run_processes(pid_t *pids, size_t most)
{
    size_t n = 0;
    DIR *proc = opendir("/proc");
    ck_assert_ptr_nonnull(proc);
    for (struct dirent *e; n < most && (e = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (isdigit((unsigned char)e->d_name[0]) && pid != getpid() && !is_dead(pid) && marked(pid))
            pids[n++] = pid;
    }
    closedir(proc);
    return n;
}

static bool ends_soon(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return true;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ended = poll(&p, 1, PATIENCE_MS) == 1;
    close(fd);
    return ended;
}

static bool gone(const char *path)
{
    return access(path, F_OK) != 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void remove_scratch(void)
{
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "/tmp/cspt-%d-*", (int)getpid());
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        nftw(found.gl_pathv[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    globfree(&found);
}

static size_t entries(char *list, size_t size)
{
    size_t n = 0;
    list[0] = '\0';
    DIR *d = opendir(runtime);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        n++;
        strncat(list, " ", size - strlen(list) - 1);
        strncat(list, e->d_name, size - strlen(list) - 1);
    }
    if (d != NULL)
        closedir(d);
    return n;
}

size_t run_brokers(pid_t *pids, size_t most)
{
    size_t n = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; n < most && (e = readdir(proc)) != NULL;) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        char path[300], text[1024];
        snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text);
        if (fd >= 0)
            close(fd);
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (got > 0 && pid != getpid() && memmem(text, (size_t)got, "broker", 6) != NULL &&
            memmem(text, (size_t)got, runtime, strlen(runtime)) != NULL && !is_dead(pid))
            pids[n++] = pid;
    }
    closedir(proc);
    return n;
}

void wait_until_all_have_ended(void)
{
    pid_t pid;
    for (int ms = 0; run_processes(&pid, 1) + run_brokers(&pid, 1) != 0; ms++) {
        ck_assert_msg(ms < PATIENCE_MS, "process %d does not end", (int)pid);
        poll(NULL, 0, 1);
    }
}

static size_t wait_for_all(pid_t *left)
{
    size_t stayed = 0;
    static pid_t pids[MOST];
    size_t n = run_processes(pids, MOST);
    n += run_brokers(pids + n, MOST - n);
    for (size_t i = 0; i < n; i++)
        if (!ends_soon(pids[i])) {
            *left = pids[i];
            stayed++;
            kill(pids[i], SIGKILL);
        }
    return stayed;
}

static void after_each(void)
{
    pid_t left = 0;
    size_t stayed = wait_for_all(&left);
    char list[1024];
    size_t files = entries(list, sizeof list);
    if (!gone(directory))
        nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    ck_assert_msg(stayed == 0, "%zu processes of a run are left, one of them %d", stayed, (int)left);
    ck_assert_msg(files == 0, "left in the runtime directory:%s", list);
}

TCase *__real_tcase_create(const char *name);
TCase *__wrap_tcase_create(const char *name);

TCase *__wrap_tcase_create(const char *name)
{
    TCase *t = __real_tcase_create(name);
    tcase_add_checked_fixture(t, before_each, after_each);
    return t;
}
