/* SPDX-License-Identifier: MPL-2.0 */
/* The text that pipelines are measured with: lines of words, some with foo in them. Decision: it is drawn by a
 * generator with a fixed seed, so that every machine searches the same lines, and their number is known; the file
 * appears under its name when it is complete.
 *
 *     text MEGABYTES FILE      prints `foo COUNT`, which is also kept in FILE.foo */
#include "bench.h"

#include <errno.h>
#include <stdio.h>

static uint64_t state = 88172645463325252u;

/* Marsaglia, xorshift64. */
static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* A line of 20 to 99 bytes and its newline; one in 50 has a foo. Returns its length. */
static size_t write_line(char *line, size_t *foos)
{
    size_t len = 20 + draw() % 80;
    for (size_t i = 0; i < len; i++) {
        static const char letters[] = "etaoinshrdlucmw  ";
        line[i] = letters[draw() % (sizeof letters - 1)];
    }
    if (draw() % 50 == 0) {
        size_t at = draw() % (len - 3);
        line[at] = 'f';
        line[at + 1] = line[at + 2] = 'o';
        ++*foos;
    }
    line[len] = '\n';
    return len + 1;
}

int main(int argc, char **argv)
{
    errno = EINVAL;
    must(argc == 3, "text MEGABYTES FILE");
    size_t wanted = number_argument(argv, 1, 1) * 1000000, foos = 0;
    char path[4096], line[128];
    must(snprintf(path, sizeof path, "%s.part", argv[2]) < (int)sizeof path, argv[2]);
    FILE *f = fopen(path, "we");
    must(f != NULL, path);
    for (size_t n = 0, len; n < wanted; n += len) {
        len = write_line(line, &foos);
        must(fwrite(line, 1, len, f) == len, path);
    }
    must(fclose(f) == 0, path);
    must(rename(path, argv[2]) == 0, argv[2]);
    print_figure("foo", (double)foos);
    must(snprintf(path, sizeof path, "%s.foo", argv[2]) < (int)sizeof path, argv[2]);
    f = fopen(path, "we");
    must(f != NULL && fprintf(f, "%zu\n", foos) > 0 && fclose(f) == 0, path);
    return 0;
}
