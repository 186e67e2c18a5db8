/* SPDX-License-Identifier: MPL-2.0 */
/* Edit distance with transpositions ("optimal string alignment"), since swapped neighbours are the commonest slip;
 * upper and lower case, '-' and '_' count as the same. A third of the letters may differ: more is a guess that
 * misleads. */
#include "suggestion.h"

#include <ctype.h>
#include <string.h>

#define LONGEST 63 /* longer words are no typing slips of anything we know */

static int same(char a, char b)
{
    if (a == '-')
        a = '_';
    if (b == '-')
        b = '_';
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[3][LONGEST + 1];

    for (size_t j = 0; j <= nb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *two = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = least(least(now[j - 1], before[j]) + 1, before[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                now[j] = least(now[j], two[j - 2] + 1);
        }
    }
    return row[na % 3][nb];
}

int suggestion_offer(struct suggestion *s, const char *candidate)
{
    size_t na = strlen(s->word), nb = strlen(candidate);

    if (!na || na > LONGEST || nb > LONGEST || strcmp(s->word, candidate) == 0)
        return 0;
    size_t d = distance(s->word, na, candidate, nb);
    size_t limit = (na > nb ? na : nb) / 3;
    if (limit == 0)
        limit = 1;
    if (d > limit || d >= nb || (s->best && d >= s->distance))
        return 0;
    s->best = candidate;
    s->distance = d;
    return 1;
}
