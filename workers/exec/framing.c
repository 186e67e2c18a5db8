/* SPDX-License-Identifier: MPL-2.0 */
/* The names and terminators of framings: a table, so that a new framing is one line here. */
#include "framing.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    int terminator;
} framings[] = {
    [FRAMING_LINE] = {"line", '\n'},
    [FRAMING_NUL] = {"nul", '\0'},
    [FRAMING_LENGTH] = {"length", -1},
    [FRAMING_WHOLE] = {"whole", -1},
};

int framing_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof framings / sizeof *framings; i++)
        if (strcmp(framings[i].name, name) == 0)
            return (int)i;
    return -1;
}

int framing_terminator(enum framing f)
{
    return framings[f].terminator;
}
