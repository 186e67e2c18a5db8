/* SPDX-License-Identifier: MPL-2.0 */
#include "tally.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is above `sent` was sent by a source that was killed before it noted it: its successor sent it again. */
enum { BEYOND = 100000 };

static int count_lines(const char *path, struct tally *t, uint8_t *seen, bool dead)
{
    FILE *in = fopen(path, "re");
    char line[128];
    if (in == NULL)
        return errno == ENOENT ? 0 : -1;
    while (fgets(line, sizeof line, in) != NULL) {
        char *end;
        uint64_t number = strtoull(line, &end, 10);
        bool good = end != line && (*end == ' ' || *end == '\n') && number != 0 && number <= t->sent + BEYOND;
        t->lines += !dead;
        t->dead += dead;
        t->strange += !good;
        if (!good)
            continue;
        t->again += !dead && (seen[number] & 1) != 0;
        t->marked += !dead && strtoul(end, NULL, 10) > 1;
        seen[number] |= dead ? 2 : 1;
    }
    (void)fclose(in);
    return 0;
}

int tally_read(struct tally *t, const char *source, const char *journal, const char *dead)
{
    *t = (struct tally){0};
    FILE *in = fopen(source, "re");
    char line[64] = "";
    if (in != NULL) {
        if (fgets(line, sizeof line, in) != NULL)
            t->sent = strtoull(line, NULL, 10);
        (void)fclose(in);
    }
    uint8_t *seen = calloc(t->sent + BEYOND + 1, 1);
    if (seen == NULL)
        return -1;
    int rc = count_lines(journal, t, seen, false) != 0 || count_lines(dead, t, seen, true) != 0 ? -1 : 0;
    for (uint64_t i = 1; i <= t->sent; i++) {
        t->lost += seen[i] == 0;
        if (seen[i] == 0 && t->first_lost == 0)
            t->first_lost = i;
    }
    free(seen);
    return rc;
}
