/* SPDX-License-Identifier: MPL-2.0 */
/* The states of processes and threads. Decision: the letter in `stat` is looked for behind the last parenthesis, for a
 * name may have any. */
#include "standing.h"

#include <check.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 60000 };

/* The letter of proc_pid_stat(5); 'X' where there is none. */
static char state_in(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 'X';
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    const char *name_end = strrchr(line, ')');
    return name_end == NULL || name_end[1] == '\0' || name_end[2] == '\0' ? 'X' : name_end[2];
}

bool is_dead(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char state = state_in(path);
    return state == 'Z' || state == 'X';
}

static bool stands(pid_t pid)
{
    char pattern[64];
    glob_t threads;
    snprintf(pattern, sizeof pattern, "/proc/%d/task/*/stat", (int)pid);
    ck_assert_int_eq(glob(pattern, 0, NULL, &threads), 0);
    size_t standing = 0;
    for (size_t i = 0; i < threads.gl_pathc; i++)
        standing += strchr("TZX", state_in(threads.gl_pathv[i])) != NULL;
    bool all = standing == threads.gl_pathc;
    globfree(&threads);
    return all;
}

void halt(pid_t pid)
{
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    for (int ms = 0; !stands(pid); ms++) {
        ck_assert_msg(ms < PATIENCE_MS, "process %d goes on", (int)pid);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}
