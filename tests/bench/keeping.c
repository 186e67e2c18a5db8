/* SPDX-License-Identifier: MPL-2.0 */
/* See keeping.h. */
#include "keeping.h"

#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WINDOW = 1000, LOADED = 100000, ROUNDS = 10, LARGEST = 1 << 20 };

static unsigned char value[LARGEST];
static uint64_t seen, last, wrong;

static void see(uint64_t id, const void *bytes, size_t size)
{
    uint64_t first = 0;
    memcpy(&first, bytes, size < sizeof first ? size : sizeof first);
    wrong += id <= last || first != id;
    last = id;
    seen++;
}

/* How many values a channel has; all must be whole and in order. */
static uint64_t count(const struct keeping *k, unsigned channel)
{
    seen = last = 0;
    k->each(channel, see);
    must(wrong == 0, "a value that was read again");
    return seen;
}

static void append(const struct keeping *k, unsigned channel, uint64_t id, size_t size)
{
    memcpy(value, &id, sizeof id);
    k->append(channel, id, value, size);
}

/* Values a second, in blocks. */
static double appending(const struct keeping *k, size_t size, size_t block, uint64_t *id)
{
    double begin = seconds(), until = begin + seconds_to_measure();
    uint64_t n = 0, most = ((uint64_t)1 << 30) / (size + 64);
    while (seconds() < until && n < most) {
        k->begin();
        for (size_t i = 0; i < block; i++, n++)
            append(k, 0, ++*id, size);
        must(k->commit(), "commit");
    }
    return (double)n / (seconds() - begin);
}

/* Transactions a second: one value out of a window goes, one comes, and one goes to the other channel. */
static double settling(const struct keeping *k, size_t size, uint64_t *id)
{
    static uint64_t window[WINDOW];
    k->begin();
    for (size_t i = 0; i < WINDOW; i++)
        append(k, 0, window[i] = ++*id, size);
    must(k->commit(), "commit");
    double begin = seconds(), until = begin + seconds_to_measure();
    uint64_t n = 0;
    for (; seconds() < until; n++) {
        size_t i = (size_t)random() % WINDOW;
        k->begin();
        k->remove(0, window[i]);
        append(k, 1, *id + 1, size);
        append(k, 0, window[i] = ++*id, size);
        must(k->commit(), "commit");
        if (n % 16 == 15) { /* who receives from the other channel */
            k->begin();
            for (uint64_t j = *id - 15; j <= *id; j++)
                k->remove(1, j);
            must(k->commit(), "commit");
        }
    }
    return (double)n / (seconds() - begin);
}

static double file_bytes(const char *dir)
{
    double sum = 0;
    DIR *d = opendir(dir);
    must(d != NULL, dir);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            sum += (double)st.st_blocks * 512;
    }
    closedir(d);
    return sum;
}

static void measure(const struct keeping *k, const char *dir, bool sync, size_t size, size_t block)
{
    uint64_t id = 0;
    k->open(dir, sync);
    print_figure("appended/s", appending(k, size, block, &id));
    k->begin();
    for (uint64_t i = 1; i <= id; i++)
        k->remove(0, i);
    must(k->commit(), "commit");
    print_figure("settled/s", settling(k, size, &id));
    print_figure("MiB", file_bytes(dir) / (1 << 20));
    print_figure("MiB-of-values", (double)(count(k, 0) + count(k, 1)) * (double)size / (1 << 20));
    size_t n = size > 4096 ? LOADED / 16 : LOADED;
    k->begin();
    for (size_t i = 0; i < n; i++)
        append(k, 0, ++id, size);
    must(k->commit(), "commit");
    k->close();
    double begin = seconds();
    k->open(dir, sync);
    print_figure("loaded/s", (double)count(k, 0) / (seconds() - begin));
    k->close();
}

static void crash(const struct keeping *k, const char *dir)
{
    uint64_t said = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        must(pipe(ends) == 0, "pipe");
        pid_t child = fork();
        must(child >= 0, "fork");
        if (child == 0) {
            k->open(dir, false);
            for (uint64_t id = said + 1;; id++) {
                k->begin();
                append(k, 0, id, 512);
                must(k->commit() && write(ends[1], &id, sizeof id) == sizeof id, "commit");
            }
        }
        close(ends[1]);
        usleep((unsigned)(20000 + random() % 80000));
        must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child, "kill");
        for (uint64_t id; read(ends[0], &id, sizeof id) == sizeof id;)
            said = id;
        close(ends[0]);
        k->open(dir, false);
        uint64_t there = count(k, 0);
        must(there == said || there == said + 1, "a value that was committed");
        said = there;
        k->close();
    }
    print_figure("committed", (double)said);
}

static void fill(const struct keeping *k, const char *dir)
{
    uint64_t id = 0;
    k->open(dir, false);
    bool room = true;
    for (; room && id < 1000000; id += room) {
        k->begin();
        append(k, 0, id + 1, 4096);
        room = k->commit();
    }
    print_figure("MiB-when-full", (double)id * 4096 / (1 << 20));
    uint64_t removed = 0;
    for (uint64_t i = 1; i <= id; i++) {
        k->begin();
        k->remove(0, i);
        if (!k->commit())
            break;
        removed++;
    }
    print_figure("removed-when-full", (double)removed);
    print_figure("of", (double)id);
    k->close();
    k->open(dir, false);
    must(count(k, 0) == id - removed, "what was committed");
    k->close();
}

int keeping_main(const struct keeping *k, int argc, char **argv)
{
    if (argc >= 2)
        must(mkdir(argv[1], 0700) == 0 || errno == EEXIST, argv[1]);
    if (argc == 3 && strcmp(argv[2], "crash") == 0)
        crash(k, argv[1]);
    else if (argc == 3 && strcmp(argv[2], "full") == 0)
        fill(k, argv[1]);
    else if (argc == 5)
        measure(k, argv[1], strcmp(argv[2], "sync") == 0, number_argument(argv, 3, 64), number_argument(argv, 4, 1));
    else {
        fprintf(stderr, "usage: %s DIR (sync|written SIZE BLOCK | crash | full)\n", argv[0]);
        return 64;
    }
    return 0;
}
