/* SPDX-License-Identifier: MPL-2.0 */
/* A text is copied as it is where it can be. */
#include "text_json.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

json_t *text_json(const char *text)
{
    if (!text)
        return json_null();
    json_t *s = json_string(text);
    if (s)
        return s;
    char *shown = table_printable(text, strlen(text));
    s = json_string(shown);
    free(shown);
    return s;
}
