/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's state as text: sections 8 and 13 of docs/protocol.md. */
#include "error.h"
#include "line.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *ask(enum wire_type type, const char *what)
{
    struct csp__line *line = csp__line(what);
    if (line == NULL)
        return NULL;
    const void *payload;
    size_t len;
    int err = csp__ask(line, &(struct csp__request){.type = type}, CSP_FOREVER, 0, &payload, &len);
    char *text = err == 0 ? malloc(len + 1) : NULL;
    if (text == NULL) {
        csp__fail(err > 0 ? err : err < 0 ? errno : ENOMEM, what, 0);
        return NULL;
    }
    memcpy(text, payload, len);
    text[len] = '\0';
    return text;
}

char *csp__stat(void)
{
    return ask(WIRE_STAT, "stat");
}

char *csp__dump(void)
{
    return ask(WIRE_DUMP, "dump");
}
