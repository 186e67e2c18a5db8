/* SPDX-License-Identifier: MPL-2.0 */
/* Lines put together from whatever pieces they come in. */
#include "spotter.h"

#include <string.h>

int spotter_compile(regex_t *regex, const char *pattern, char *text, size_t size)
{
    int err = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (err == 0)
        return 0;
    (void)regerror(err, regex, text, size);
    return -1;
}

void spotter_begin(struct spotter *s, const regex_t *regex)
{
    s->regex = regex;
    s->held = 0;
}

static void hold(struct spotter *s, const char *bytes, size_t n)
{
    size_t room = SPOTTER_LINE - s->held;
    if (n > room)
        n = room;
    memcpy(s->line + s->held, bytes, n);
    s->held += n;
}

bool spotter_feed(struct spotter *s, const char *bytes, size_t n)
{
    const char *end;
    while (s->regex != NULL && n != 0 && (end = memchr(bytes, '\n', n)) != NULL) {
        hold(s, bytes, (size_t)(end - bytes));
        s->line[s->held] = '\0';
        s->held = 0;
        if (regexec(s->regex, s->line, 0, NULL, 0) == 0) {
            s->regex = NULL;
            return true;
        }
        n -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    if (s->regex != NULL && n != 0)
        hold(s, bytes, n);
    return false;
}
