/* SPDX-License-Identifier: MPL-2.0 */
/* A text is copied as it is where it can be. */
#include "text_json.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

json_t *text_json(const char *text)
{
    return text ? bytes_json(text, strlen(text)) : json_null();
}

json_t *bytes_json(const char *bytes, size_t size)
{
    json_t *s = json_stringn(bytes, size);
    if (s)
        return s;
    char *shown = table_printable(bytes, size);
    s = json_string(shown);
    free(shown);
    return s;
}
