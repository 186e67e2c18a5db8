/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's state as text: section 8 of docs/protocol.md. */
#include "error.h"
#include "line.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *csp__stat(void)
{
    struct csp__line *line = csp__line("stat");
    if (line == NULL)
        return NULL;
    const void *payload;
    size_t len;
    int err = csp__ask(line, &(struct csp__request){.type = WIRE_STAT}, CSP_FOREVER, 0, &payload, &len);
    char *text = err == 0 ? malloc(len + 1) : NULL;
    if (text == NULL) {
        csp__fail(err > 0 ? err : err < 0 ? errno : ENOMEM, "stat", 0);
        return NULL;
    }
    memcpy(text, payload, len);
    text[len] = '\0';
    return text;
}
